//! The window that held is the one that is charged, and `resetsAt` is its end: across midnight, the end of a month, and whatever the
//! clocks of a time zone do.

use super::town::{Books, Town, at, policy, request};
use cost_sentry_core::window::Span;
use serde_json::{Value, json};

/// A window, a moment in it, a moment after its end, and when it begins and ends, and when the next one ends.
type Case = (&'static str, &'static str, &'static str, [&'static str; 5]);

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Zone, window, reset day, then: held, settled, the window's start and end, the next one's end.
    ("UTC", "minute", "", ["2026-11-20T12:00:59Z", "2026-11-20T12:01:00Z", "2026-11-20T12:00:00Z", "2026-11-20T12:01:00Z", "2026-11-20T12:02:00Z"]),
    ("UTC", "hour", "", ["2026-11-20T12:59:59Z", "2026-11-20T13:00:01Z", "2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z"]),
    ("UTC", "day", "", ["2026-11-20T23:59:59Z", "2026-11-21T00:00:01Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"]),
    ("UTC", "month", "", ["2026-12-31T23:59:59Z", "2027-01-01T00:00:01Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"]),
    ("UTC", "month", "", ["2027-02-28T23:59:59Z", "2027-03-01T00:00:01Z", "2027-02-01T00:00:00Z", "2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z"]),
    // 29 February, and reset days that a month may not have.
    ("UTC", "day", "", ["2028-02-28T23:59:59Z", "2028-02-29T00:00:01Z", "2028-02-28T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"]),
    ("UTC", "day", "", ["2028-02-29T23:59:59Z", "2028-03-01T00:00:01Z", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z", "2028-03-02T00:00:00Z"]),
    ("UTC", "month", "", ["2028-02-29T23:59:59Z", "2028-03-01T00:00:01Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z", "2028-04-01T00:00:00Z"]),
    ("UTC", "month", "29", ["2028-02-28T23:59:59Z", "2028-02-29T00:00:01Z", "2028-01-29T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-29T00:00:00Z"]),
    ("UTC", "month", "29", ["2027-02-27T23:59:59Z", "2027-02-28T00:00:01Z", "2027-01-29T00:00:00Z", "2027-02-28T00:00:00Z", "2027-03-29T00:00:00Z"]),
    ("UTC", "month", "31", ["2028-02-28T23:59:59Z", "2028-02-29T00:00:01Z", "2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z"]),
    ("UTC", "month", "31", ["2026-04-29T23:59:59Z", "2026-04-30T00:00:01Z", "2026-03-31T00:00:00Z", "2026-04-30T00:00:00Z", "2026-05-31T00:00:00Z"]),
    ("UTC", "month", "31", ["2026-12-30T23:59:59Z", "2026-12-31T00:00:01Z", "2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z"]),
    // Weeks, from each kind of day, over a change of clocks.
    ("America/New_York", "week", "", ["2026-03-09T03:59:59Z", "2026-03-09T04:00:01Z", "2026-03-02T05:00:00Z", "2026-03-09T04:00:00Z", "2026-03-16T04:00:00Z"]),
    ("America/New_York", "week", "sunday", ["2026-11-01T03:59:59Z", "2026-11-01T04:00:01Z", "2026-10-25T04:00:00Z", "2026-11-01T04:00:00Z", "2026-11-08T05:00:00Z"]),
    ("Asia/Kolkata", "week", "saturday", ["2026-11-20T18:29:59Z", "2026-11-20T18:30:01Z", "2026-11-13T18:30:00Z", "2026-11-20T18:30:00Z", "2026-11-27T18:30:00Z"]),
    // The day that summer time begins has 23 hours, the day that it ends 25.
    ("America/New_York", "day", "", ["2026-03-09T03:59:59Z", "2026-03-09T04:00:01Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", "2026-03-10T04:00:00Z"]),
    ("America/New_York", "day", "", ["2026-11-02T04:59:59Z", "2026-11-02T05:00:01Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", "2026-11-03T05:00:00Z"]),
    ("Europe/Berlin", "day", "", ["2026-03-29T21:59:59Z", "2026-03-29T22:00:01Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"]),
    ("Europe/Berlin", "day", "", ["2026-10-25T22:59:59Z", "2026-10-25T23:00:01Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"]),
    ("Europe/Berlin", "month", "", ["2026-10-31T22:59:59Z", "2026-10-31T23:00:01Z", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"]),
    ("Europe/Berlin", "month", "29", ["2026-03-28T22:59:59Z", "2026-03-28T23:00:01Z", "2026-02-27T23:00:00Z", "2026-03-28T23:00:00Z", "2026-04-28T22:00:00Z"]),
    ("Asia/Kolkata", "day", "", ["2026-12-31T18:29:59Z", "2026-12-31T18:30:01Z", "2026-12-30T18:30:00Z", "2026-12-31T18:30:00Z", "2027-01-01T18:30:00Z"]),
    ("Asia/Kolkata", "month", "", ["2026-12-31T18:29:59Z", "2026-12-31T18:30:01Z", "2026-11-30T18:30:00Z", "2026-12-31T18:30:00Z", "2027-01-31T18:30:00Z"]),
    // The hour that is repeated is two windows, and the one that is skipped is none.
    ("Europe/Berlin", "hour", "", ["2026-10-25T00:59:59Z", "2026-10-25T01:00:01Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"]),
    ("Europe/Berlin", "hour", "", ["2026-03-29T00:59:59Z", "2026-03-29T01:00:01Z", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]),
    // Clocks that move by half an hour.
    ("Australia/Lord_Howe", "day", "", ["2026-04-05T13:29:59Z", "2026-04-05T13:30:01Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", "2026-04-06T13:30:00Z"]),
    ("Australia/Lord_Howe", "day", "", ["2026-10-04T12:59:59Z", "2026-10-04T13:00:01Z", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z", "2026-10-05T13:00:00Z"]),
    ("Australia/Lord_Howe", "hour", "", ["2026-04-04T15:29:59Z", "2026-04-04T15:30:01Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z"]),
    // The reset falls in the gap: Sao Paulo's and Havana's clocks went from 00:00 to 01:00.
    ("America/Sao_Paulo", "day", "", ["2018-11-04T02:59:59Z", "2018-11-04T03:00:01Z", "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]),
    ("America/Sao_Paulo", "month", "4", ["2018-11-04T02:59:59Z", "2018-11-04T03:00:01Z", "2018-10-04T03:00:00Z", "2018-11-04T03:00:00Z", "2018-12-04T02:00:00Z"]),
    ("America/Sao_Paulo", "day", "", ["2019-02-17T02:59:59Z", "2019-02-17T03:00:01Z", "2019-02-16T02:00:00Z", "2019-02-17T03:00:00Z", "2019-02-18T03:00:00Z"]),
    ("America/Havana", "day", "", ["2026-03-08T04:59:59Z", "2026-03-08T05:00:01Z", "2026-03-07T05:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"]),
    // The reset is repeated: Havana's clocks go from 01:00 back to 00:00. The first midnight counts, and the second is within the day.
    ("America/Havana", "day", "", ["2026-11-01T03:59:59Z", "2026-11-01T04:00:01Z", "2026-10-31T04:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"]),
    ("America/Havana", "day", "", ["2026-11-02T04:59:59Z", "2026-11-02T05:00:01Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", "2026-11-03T05:00:00Z"]),
    ("America/Havana", "month", "", ["2026-11-01T03:59:59Z", "2026-11-01T04:00:01Z", "2026-10-01T04:00:00Z", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"]),
];

/// What a settled request is charged by the default script: in tokens.
fn charged(document: &Value) -> i64 {
    document["usage"]["totalTokens"].as_i64().unwrap()
}

/// One case: a request is held before the end of a window and settled after it; another comes after it.
async fn check<L: Books>(town: &Town<L>, (zone, window, reset, [held, settled, start, end, next_end]): Case) {
    let case = format!("{zone} {window} {reset} {held}");
    // A budget of its own for each case: no counter has anything on it yet.
    let id = case.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let mut budget = json!({ "name": id, "limit": { "tokens": 1_000, "usd": 1 }, "window": window, "timeZone": zone });
    if !reset.is_empty() {
        budget["resetDay"] = json!(reset);
    }
    town.set(held);
    town.apply(&policy(&json!([budget]))).await;
    let waiting = town.hold(&request("dev")).await;
    let refused = town.run(&large()).await.document().0;
    town.set(settled);
    let document = town.finish(waiting.clone()).await;
    assert_eq!(document["outcome"], "INVOCATION_SUCCEEDED", "{case}: {document}");
    for document in [&document, &refused] {
        assert_eq!(at(document["rateLimit"]["budgets"][0]["resetsAt"].as_str().unwrap()), at(end), "{case}");
    }
    let seconds = at(end).duration_since(at(held)).as_secs();
    assert_eq!(refused["rateLimit"]["retryAfterSeconds"], seconds.min(180), "{case}: {refused}");
    let reservation = town.ledger.find(document["tags"]["requestId"].as_str().unwrap()).await.unwrap().unwrap();
    let window_held = Span { start: at(start), end: at(end) };
    assert_eq!(reservation.charges[0].span, window_held, "{case}");

    let next = town.run(&request("dev")).await.document().0;
    assert_eq!(next["rateLimit"]["budgets"][1]["used"], 0, "{case}: the new window knows nothing of the old one's request");
    let later = town.ledger.find(next["tags"]["requestId"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(later.charges[0].span, Span { start: at(end), end: at(next_end) }, "{case}");
    for (reservation, document) in [(&reservation, &document), (&later, &next)] {
        let shown = town.ledger.figures(&reservation.charges).await.unwrap();
        let tokens = shown[0].values().map(|figures| (figures.committed, figures.used)).next_back().unwrap();
        assert_eq!(tokens, (charged(document), charged(document)), "{case}");
    }
}

/// A request that fits the limit, but not beside the one that is held.
fn large() -> Value {
    let mut request = request("dev");
    request["prompt"]["parameters"]["max_tokens"] = json!(900);
    request
}

async fn check_all<L: Books>(town: &Town<L>) {
    for case in CASES {
        Box::pin(check(town, *case)).await;
    }
    town.check_books().await;
}

#[tokio::test]
async fn what_was_held_before_the_end_of_a_window_is_charged_to_it_on_dynamodb() {
    check_all(&*Town::on_dynamodb().await).await;
}

#[tokio::test]
async fn what_was_held_before_the_end_of_a_window_is_charged_to_it_in_memory() {
    check_all(&*Town::in_memory().await).await;
}

#[tokio::test]
async fn a_period_counts_from_its_first_instant_to_its_last_and_not_beyond() {
    let town = Town::in_memory().await;
    let period = json!({ "from": "2026-11-20T12:00:00+01:00", "until": "2026-11-20T12:00:00Z" });
    town.set("2026-11-20T10:59:59Z");
    town.apply(&policy(&json!([{ "name": "launch", "limit": { "requests": 1 }, "period": period }]))).await;
    let check = async |now: &str, expected: &str| {
        town.set(now);
        let document = town.run(&request("dev")).await.document().0;
        let found = document["error"]["name"].as_str().or(document["outcome"].as_str()).unwrap().to_owned();
        assert_eq!(found, expected, "{now}");
    };
    check("2026-11-20T10:59:59.999999Z", "NoBudget").await;
    check("2026-11-20T11:00:00Z", "INVOCATION_SUCCEEDED").await;
    check("2026-11-20T11:59:59.999999Z", "RATE_LIMIT_DENIED").await;
    check("2026-11-20T12:00:00Z", "NoBudget").await;
    town.check_books().await;
}
