//! One policy follows another: what counts, and when.

use super::Policy;
use crate::budget::{Budget, Mode};
use crate::catalog::Catalog;
use crate::fixtures::{policy, policy_document, with};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A Friday noon.
const NOW: &str = "2026-11-20T12:30:15.5Z";
const MIDNIGHT: &str = "2026-11-21T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day(changes: &[(&str, Value)]) -> Value {
    with(json!({ "name": "b", "limit": { "usd": 100 }, "window": "day" }), changes)
}

fn document(budgets: &[Value]) -> Value {
    with(policy_document(), &[("/budgets", json!(budgets))])
}

/// What is stored, read again as the functions read it.
struct Stored {
    policy: Policy,
    document: Value,
    says: Vec<String>,
}

impl Stored {
    fn first(budgets: &[Value]) -> Self {
        let document = document(budgets);
        Self { policy: policy(&document), document, says: Vec::new() }
    }

    fn then(&self, now: &str, budgets: &[Value]) -> Self {
        let reviewed = document(budgets);
        let succession = policy(&reviewed).succeed(&reviewed, &self.policy, at(now));
        let stored = Policy::parse_stored(&succession.document, Catalog::shipped().unwrap()).unwrap_or_else(|found| panic!("{found:#?}"));
        assert_eq!(stored.budgets, succession.policy.budgets, "what is stored reads as what was decided");
        assert_eq!(stored.version, succession.policy.version);
        assert_eq!(stored.reviewed, policy(&reviewed).version, "the file is known again");
        let says = succession.changes.into_iter().map(|change| change.says).collect();
        Self { policy: stored, document: succession.document, says }
    }

    fn budget(&self, now: &str) -> &Budget {
        self.policy.budgets[0].at(at(now))
    }

    /// The limit in dollars, the mode, and the window's ends.
    fn check(&self, now: &str, limit: u64, mode: Mode, start: &str, end: &str) {
        let budget = self.budget(now);
        let span = budget.span(at(now)).unwrap();
        let found = (budget.limits[0].amount / 1_000_000_000, budget.mode, span.start.to_string(), span.end.to_string());
        assert_eq!(found, (limit, mode, start.to_owned(), end.to_owned()), "at {now}: {:?}", self.says);
    }

    fn says(&self, expected: &[&str]) {
        assert_eq!(self.says, expected);
    }
}

#[test]
fn what_keeps_the_counters_counts_at_once() {
    let check = |old: &[(&str, Value)], new: &[(&str, Value)], says: &[&str]| {
        let next = Stored::first(&[day(old)]).then(NOW, &[day(new)]);
        assert_eq!((next.document.get("changes"), next.budget(NOW)), (None, &policy(&document(&[day(new)])).budgets[0]));
        next.says(says);
    };
    check(&[], &[], &[]);
    check(&[], &[("/limit/usd", json!(50))], &["`b`: the limit is 50.00 usd instead of 100.00 usd; at once, and the counts so far stay"]);
    check(
        &[],
        &[("/limit/tokens", json!(7))],
        &[
            "`b`: the limit is 100.00 usd and 7 tokens instead of 100.00 usd (tokens counts from now on); at once, and the counts so far stay",
        ],
    );
    check(
        &[("/id", json!("b"))],
        &[("/id", json!("b")), ("/name", json!("c"))],
        &["`c`: is the new name of `b`; at once, and the counts so far stay"],
    );
    check(&[], &[("/match", json!({ "environment": "dev" }))], &["`b`: it is for other requests; at once, and the counts so far stay"]);
    check(
        &[],
        &[("/mode", json!("shadow"))],
        &["`b`: it refuses no more, and only says what it would have done; at once, and the counts so far stay"],
    );
    check(&[], &[("/frozen", json!(true))], &["`b`: it is frozen, and takes no new request; at once, and the counts so far stay"]);
    check(&[("/frozen", json!(true))], &[], &["`b`: it is frozen no more; at once, and the counts so far stay"]);
    let increase = json!([{ "limit": { "usd": 1 }, "from": NOW_WHOLE, "until": MIDNIGHT, "reason": "launch" }]);
    check(&[], &[("/increases", increase)], &["`b`: its temporary increases are 1 instead of 0; at once, and the counts so far stay"]);
    // The same window, said in other words.
    check(&[], &[("/timeZone", json!("UTC"))], &[]);
    check(&[], &[("/effective", json!("atOnce"))], &[]);
}

#[test]
fn what_starts_counters_anew_waits_for_the_window_that_runs() {
    let check = |old: &[(&str, Value)], new: &[(&str, Value)], until: &str, next_end: &str| {
        let next = Stored::first(&[day(old)]).then(NOW, &[day(new)]);
        let (before, after) = (Stored::first(&[day(old)]), Stored::first(&[day(new)]));
        assert_eq!(next.budget(NOW), before.budget(NOW), "the old definition stays in force, whole");
        let last = at(until) - jiff::SignedDuration::from_nanos(1);
        assert_eq!(next.budget(&last.to_string()), before.budget(NOW));
        let found = next.budget(until);
        let plain = Budget { since: None, before: None, ..found.clone() };
        assert_eq!(&plain, after.budget(until));
        let span = found.span(at(until)).unwrap();
        assert_eq!((span.start, span.end.to_string().as_str()), (at(until), next_end), "its first window begins when it counts");
        assert!(next.says[0].contains(&format!("stays in force until {until}; then ")), "{:?}", next.says);
    };
    let increase = |count: usize| vec![json!({ "limit": { "usd": 1 }, "from": NOW_WHOLE, "until": MIDNIGHT, "reason": "launch" }); count];
    let with =
        |count: usize| Stored::first(&[day(&[])]).then(NOW, &[day(&[("/shards", json!(2)), ("/increases", json!(increase(count)))])]);
    assert_eq!(with(2).budget(NOW).increases, [], "what is added to a limit that waits, waits with it");
    for (count, says) in [(1, ", on 2 shards, with a temporary increase counts"), (2, ", on 2 shards, with 2 temporary increases counts")] {
        assert!(with(count).says[0].contains(says), "{:?}", with(count).says);
    }
    let limit = |usd: u64| ("/limit/usd", json!(usd));
    check(&[], &[("/window", json!("hour")), limit(5)], MIDNIGHT, "2026-11-21T01:00:00Z");
    check(&[], &[("/window", json!("month"))], MIDNIGHT, "2026-12-01T00:00:00Z");
    check(&[("/window", json!("minute"))], &[], "2026-11-20T12:31:00Z", MIDNIGHT);
    check(&[], &[("/timeZone", json!("America/New_York"))], MIDNIGHT, "2026-11-21T05:00:00Z");
    check(&[], &[("/per", json!(["environment"]))], MIDNIGHT, "2026-11-22T00:00:00Z");
    check(&[("/mode", json!("shadow"))], &[limit(7)], MIDNIGHT, "2026-11-22T00:00:00Z");
    let month = |day: u64| vec![("/window", json!("month")), ("/resetDay", json!(day))];
    check(&month(1), &month(15), "2026-12-01T00:00:00Z", "2026-12-15T00:00:00Z");
    let period = |until: &str| vec![("/window", Value::Null), ("/period", json!({ "from": "2026-11-01T00:00:00Z", "until": until }))];
    check(&period("2026-12-01T00:00:00Z"), &period("2026-12-15T00:00:00Z"), "2026-12-01T00:00:00Z", "2026-12-15T00:00:00Z");
}

#[test]
fn the_definition_in_force_is_kept_whatever_the_new_policy_around_it_says() {
    let old = with(
        policy_document(),
        &[
            ("/tags/team", json!({ "allow": ["Red"], "synonyms": { "red": "Red" } })),
            ("/models/old", json!({ "id": "us.amazon.nova-lite-v1:0" })),
            (
                "/budgets",
                json!([
                    {
                        "id": "i", "name": "b", "window": "week", "resetDay": "friday", "timeZone": "Asia/Kolkata", "per": ["team"], "mode": "shadow",
                        "limit": { "usd": "0.000000001", "tokens": 2, "inputTokens": 3, "outputTokens": 4, "requests": 5 },
                        "match": { "model": ["old"], "team": "red" }, "frozen": true, "effective": "atOnce",
                        "increases": [{ "limit": { "usd": 1, "requests": 2 }, "from": NOW_WHOLE, "until": MIDNIGHT, "reason": "launch" }],
                    },
                    { "name": "all", "limit": { "usd": 1 }, "window": "month", "resetDay": 31 }
                ]),
            ),
        ],
    );
    let reviewed = document(&[day(&[("/id", json!("i"))]), day(&[("/name", json!("all"))])]);
    let succession = policy(&reviewed).succeed(&reviewed, &policy(&old), at(NOW));
    let stored = Policy::parse_stored(&succession.document, Catalog::shipped().unwrap()).unwrap();
    // But for whom it is, in the new policy's words, and that it is frozen no more.
    let in_force = Budget { frozen: false, matching: policy(&reviewed).budgets[0].matching.clone(), ..policy(&old).budgets[0].clone() };
    assert_eq!(stored.budgets[0].at(at(NOW)), &in_force);
    assert_eq!(stored.budgets[1].at(at(NOW)), &policy(&old).budgets[1]);
}

#[test]
fn what_stays_in_force_is_for_the_requests_that_the_new_policy_names() {
    let under = |name: &str, window: &str| {
        let model = json!({ name: { "id": "us.amazon.nova-lite-v1:0" } });
        with(document(&[day(&[("/window", json!(window)), ("/match", json!({ "model": name }))])]), &[("/models", model)])
    };
    let (old, reviewed) = (under("nova", "day"), under("nova-lite", "month"));
    let next = policy(&reviewed).succeed(&reviewed, &policy(&old), at(NOW));
    let in_force = next.policy.budgets[0].at(at(NOW));
    assert_eq!((&in_force.window, &in_force.matching), (&policy(&old).budgets[0].window, &policy(&reviewed).budgets[0].matching));
    assert_eq!(next.changes[0].says, "`b`: it is for other requests; at once, and the counts so far stay");
}

#[test]
fn a_change_that_would_wait_for_the_end_of_all_windows_is_said_to_count_never() {
    let period = |more: &[(&str, Value)]| {
        let period = json!({ "from": "2026-11-01T00:00:00Z", "until": "2026-12-31T00:00:00Z" });
        day(&[&[("/window", Value::Null), ("/period", period)], more].concat())
    };
    let shadow = Stored::first(&[period(&[("/mode", json!("shadow"))])]);
    shadow.then(NOW, &[period(&[])]).says(&["`b`: 100.00 usd per period 2026-11-01T00:00:00Z to 2026-12-31T00:00:00Z, shadow stays in force until \
         2026-12-31T00:00:00Z, and 100.00 usd per period 2026-11-01T00:00:00Z to 2026-12-31T00:00:00Z, enforced never counts: its period is over \
         by then; `effective: atOnce` would start it now, from zero"]);
    let now = shadow.then(NOW, &[period(&[("/effective", json!("atOnce"))])]);
    now.check(NOW, 100, Mode::Enforce, NOW_WHOLE, "2026-12-31T00:00:00Z");
}

const NOW_WHOLE: &str = "2026-11-20T12:30:15Z";

#[test]
fn at_once_means_from_zero_at_once() {
    let now_shadow = day(&[("/mode", json!("shadow")), ("/effective", json!("atOnce"))]);
    let new = day(&[("/effective", json!("atOnce"))]);
    let next = Stored::first(&[now_shadow]).then(NOW, std::slice::from_ref(&new));
    next.check(NOW, 100, Mode::Enforce, NOW_WHOLE, MIDNIGHT);
    next.check("2026-11-20T23:59:59Z", 100, Mode::Enforce, NOW_WHOLE, MIDNIGHT);
    next.check(MIDNIGHT, 100, Mode::Enforce, MIDNIGHT, "2026-11-22T00:00:00Z");
    next.says(&["`b`: 100.00 usd per day in UTC, enforced counts at once, from zero, and no longer 100.00 usd per day in UTC, shadow"]);
    // A changed limit afterwards leaves the counters as they are: the window still begins where it did.
    let cheaper = with(new, &[("/limit/usd", json!(9))]);
    next.then("2026-11-20T13:00:00Z", &[cheaper]).check("2026-11-20T13:00:00Z", 9, Mode::Enforce, NOW_WHOLE, MIDNIGHT);
    // No window runs that could be waited for.
    let over = json!({ "from": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z" });
    let period = day(&[("/window", Value::Null), ("/period", over)]);
    Stored::first(&[period]).then(NOW, &[day(&[])]).check(NOW, 100, Mode::Enforce, NOW_WHOLE, MIDNIGHT);
}

#[test]
fn a_change_of_shards_says_how_many_there_are() {
    let spread = |shards: u8| day(&[("/shards", json!(shards))]);
    Stored::first(&[spread(1)]).then(NOW, &[spread(16)]).says(&[
        "`b`: 100.00 usd per day in UTC, enforced stays in force until 2026-11-21T00:00:00Z; then 100.00 usd per day in UTC, enforced, on 16 shards counts, from zero",
    ]);
    Stored::first(&[spread(16)]).then(NOW, &[spread(2)]).says(&[
        "`b`: 100.00 usd per day in UTC, enforced, on 16 shards stays in force until 2026-11-21T00:00:00Z; then 100.00 usd per day in UTC, enforced, on 2 shards counts, from zero",
    ]);
}

#[test]
fn a_second_change_replaces_the_one_that_waits_and_not_what_is_in_force() {
    let hour = |usd: u64| day(&[("/window", json!("hour")), ("/limit/usd", json!(usd))]);
    let first = Stored::first(&[day(&[])]).then(NOW, &[hour(5)]);
    let second = first.then("2026-11-20T18:00:00Z", &[hour(6)]);
    second.check("2026-11-20T18:00:00Z", 100, Mode::Enforce, "2026-11-20T00:00:00Z", MIDNIGHT);
    second.check(MIDNIGHT, 6, Mode::Enforce, MIDNIGHT, "2026-11-21T01:00:00Z");
    second.says(&["`b`: 100.00 usd per day in UTC, enforced stays in force until 2026-11-21T00:00:00Z; then 6.00 usd per hour in UTC, enforced counts, from zero"]);
    // Back to what is in force: nothing waits any more, and the limit is the newest.
    let back = first.then("2026-11-20T18:00:00Z", &[day(&[("/limit/usd", json!(80))])]);
    back.check("2026-11-20T18:00:00Z", 80, Mode::Enforce, "2026-11-20T00:00:00Z", MIDNIGHT);
    back.check(MIDNIGHT, 80, Mode::Enforce, MIDNIGHT, "2026-11-22T00:00:00Z");
    back.says(&[
        "`b`: the limit is 80.00 usd instead of 100.00 usd; at once, and the counts so far stay",
        "`b`: the change that was waiting is taken back; 80.00 usd per day in UTC, enforced stays in force",
    ]);
    // Once it counts, nothing waits that could be taken back, and the next change is measured against it.
    first.then(MIDNIGHT, &[hour(5)]).says(&[]);
    let later = first.then("2026-11-21T00:10:00Z", &[hour(7)]);
    later.check("2026-11-21T00:10:00Z", 7, Mode::Enforce, MIDNIGHT, "2026-11-21T01:00:00Z");
    let third = first.then("2026-11-21T00:10:00Z", &[day(&[])]);
    third.check("2026-11-21T00:59:59Z", 5, Mode::Enforce, MIDNIGHT, "2026-11-21T01:00:00Z");
    third.check("2026-11-21T01:00:00Z", 100, Mode::Enforce, "2026-11-21T01:00:00Z", "2026-11-22T00:00:00Z");
    // A definition whose first window was cut keeps that beginning while it stays in force.
    let month = first.then("2026-11-21T00:10:00Z", &[day(&[("/window", json!("month")), ("/effective", json!("atOnce"))])]);
    let twice = month.then("2026-11-25T00:00:00Z", &[day(&[("/per", json!(["environment"]))])]);
    twice.check("2026-11-30T23:59:59Z", 100, Mode::Enforce, "2026-11-21T00:10:00Z", "2026-12-01T00:00:00Z");
    twice.check("2026-12-01T00:00:00Z", 100, Mode::Enforce, "2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z");
}

#[test]
fn a_freeze_a_new_name_and_a_removal_do_not_wait() {
    let first = Stored::first(&[day(&[("/id", json!("i"))])]);
    let change = |more: &[(&str, Value)]| {
        let changes = [&[("/id", json!("i")), ("/window", json!("hour"))], more].concat();
        first.then(NOW, &[day(&changes)])
    };
    let frozen = change(&[("/frozen", json!(true)), ("/name", json!("c")), ("/limit/usd", json!(1))]);
    frozen.check(NOW, 100, Mode::Enforce, "2026-11-20T00:00:00Z", MIDNIGHT);
    let now = frozen.budget(NOW);
    assert_eq!((now.frozen, now.name.as_str(), now.id.as_str()), (true, "c", "i"));
    assert_eq!(frozen.says.len(), 2, "{:?}", frozen.says);
    let gone = change(&[]).then(NOW, &[day(&[("/name", json!("other"))])]);
    assert_eq!((gone.policy.budgets.len(), gone.document.get("changes")), (1, None));
    gone.says(&[
        "`other` is new: 100.00 usd per day in UTC, enforced counts at once, from zero or from what a budget of this id has counted in the window before",
        "`b` is removed: it takes no new hold from now on; what it holds is settled all the same",
    ]);
}

#[test]
fn what_waits_is_known_until_it_counts() {
    let next = Stored::first(&[day(&[])]).then(NOW, &[day(&[("/per", json!(["environment"]))])]);
    let says = |now: &str| next.policy.pending(at(now)).into_iter().map(|change| change.says).collect::<Vec<_>>();
    assert_eq!(says(NOW), next.says);
    assert_eq!(says("2026-11-20T23:59:59Z"), next.says);
    assert_eq!(says(MIDNIGHT), Vec::<String>::new());
}

#[test]
fn the_tools_section_is_none_that_people_write_and_nothing_in_it_is_guessed() {
    let hour = day(&[("/window", json!("hour"))]);
    let stored = Stored::first(&[day(&[])]).then(NOW, &[hour]);
    let people = Policy::parse(&stored.document, Catalog::shipped().unwrap()).unwrap_err().into_vec();
    assert_eq!(people.iter().map(|problem| problem.pointer.as_str()).collect::<Vec<_>>(), ["/changes"]);
    let check = |change: (&str, Value), pointer: &str| {
        let broken = with(stored.document.clone(), &[change]);
        let found = Policy::parse_stored(&broken, Catalog::shipped().unwrap()).unwrap_err().into_vec();
        assert_eq!(found.iter().map(|problem| problem.pointer.as_str()).collect::<Vec<_>>(), [pointer]);
    };
    check(("/changes/soon", json!(1)), "/changes/soon");
    check(("/changes/since/x", json!(MIDNIGHT)), "/changes/since/x");
    check(("/changes/since/b", json!("soon")), "/changes/since/b/at");
    check(("/changes/before/0/until", json!("soon")), "/changes/before/0/until");
    check(("/changes/before/0/budget/limit", Value::Null), "/changes/before/0/budget/limit");
    check(("/changes/before/0/budget/id", json!("x")), "/changes/before/0");
}

#[test]
fn a_budget_that_callers_multiply_needs_one_around_it_that_is_in_force() {
    let org = |more: &[(&str, Value)]| with(json!({ "name": "org", "limit": { "usd": 100 }, "window": "month" }), more);
    let app = json!({ "name": "app", "limit": { "usd": 1 }, "window": "day", "per": ["applicationId"] });
    let succession = |old: &[Value], new: &[Value]| {
        let reviewed = document(new);
        policy(&reviewed).succeed(&reviewed, &policy(&document(old)), at(NOW))
    };
    let shadow = [("/mode", json!("shadow"))];
    let refused = succession(&[org(&shadow)], &[org(&[]), app.clone()]).unbounded;
    assert_eq!(
        refused,
        [
            "budget `app`: until 2026-12-01T00:00:00Z no enforced budget is around it, since definitions stay in force until then, so every invented value of applicationId would be a fresh budget"
        ]
    );
    let around = json!({ "name": "around", "limit": { "usd": 100 }, "window": "day" });
    let bounded = |old: &[Value], new: &[Value]| assert_eq!(succession(old, new).unbounded, Vec::<String>::new(), "{new:?}");
    bounded(&[org(&shadow)], &[org(&[("/effective", json!("atOnce"))]), app.clone()]);
    bounded(&[org(&shadow)], &[org(&[]), app.clone(), around.clone()]);
    bounded(&[org(&[])], &[org(&[("/shards", json!(4))]), app.clone()]);
    // The one around it is free itself until the day ends.
    let free = with(around.clone(), &[("/per", json!(["applicationId"]))]);
    let refused = succession(&[org(&[]), free], &[around, app]).unbounded;
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused.iter().all(|says| says.contains("until 2026-11-21T00:00:00Z")), "{refused:?}");
}
