//! Every kind of difference, planted into a table, is named exactly, and nothing else is.

use super::books_under_test::{CLOSED, Damage, OPEN, app, audit_at, audit_of, counter, damage, differences, filled, on, org, reservation};
use crate::ledger_suite::Embedded;
use crate::ledger_suite::books::{at, held, tokens};
use cost_sentry_core::audit::{Report, Selection, Verdict};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::reservation::Charge;
use cost_sentry_core::window::Span;
use cost_sentry_workflow::ports::Ledger;
use jiff::{SignedDuration, ToSpan};

/// What an audit says of the filled ledger after this damage: the word for `app`, for `org`, and their differences in that order.
async fn check(case: &str, damages: &[Damage], [of_app, of_org]: [&str; 2], expected: &[(Unit, [i64; 3])]) -> Report {
    let store = filled().await;
    damage(&store.stack.clients.dynamodb(), damages).await;
    let report = audit_at(&store.ledger, OPEN).await;
    let (app, org) = (on(&report, "app"), on(&report, "org"));
    assert_eq!([app.standing.word(), org.standing.word()], [of_app, of_org], "{case}: {report:#?}");
    assert_eq!([differences(app), differences(org)].concat(), expected, "{case}");
    assert_eq!(on(&report, "trial").standing.word(), "approximate", "{case}");
    report
}

#[tokio::test]
async fn books_that_nobody_touched_balance() {
    let report = check("untouched", &[], ["balanced", "balanced"], &[]).await;
    assert_eq!((report.verdict(), report.reservations), (Verdict::Balanced, 6));
    assert_eq!((on(&report, "app").reservations, differences(on(&report, "trial"))), (5, vec![]));
}

#[tokio::test]
async fn each_wrong_figure_of_a_counter_is_named() {
    let wrong = |attribute, by| vec![Damage::Add(counter(&app()), attribute, by)];
    for (attribute, by, difference) in
        [("c_tok", 7, [7, 0, 0]), ("c_tok", -1, [-1, 0, 0]), ("u_tok", 5, [0, 5, 0]), ("x_tok", -600, [0, 0, -600])]
    {
        check(attribute, &wrong(attribute, by), ["differs", "balanced"], &[(Unit::Tokens, difference)]).await;
    }
    let in_dollars = [Damage::Add(counter(&org()), "c_usd", 1), Damage::Add(counter(&org()), "c_req", -1)];
    check("two units", &in_dollars, ["balanced", "differs"], &[(Unit::Usd, [1, 0, 0]), (Unit::Requests, [-1, 0, 0])]).await;
    let unit_of_its_own = [Damage::Add(counter(&app()), "x_out", 3)];
    let report =
        check("a unit that no reservation has", &unit_of_its_own, ["differs", "balanced"], &[(Unit::OutputTokens, [0, 0, 3])]).await;
    assert_eq!(report.verdict(), Verdict::OutOfBalance);
}

#[tokio::test]
async fn a_deleted_reservation_is_missed_by_all_its_counters() {
    let all = [(Unit::Tokens, [600, 0, 0]), (Unit::Usd, [2_600, 0, 0]), (Unit::Requests, [1, 0, 0])];
    check("held", &[Damage::Delete(reservation("held"))], ["differs", "differs"], &all).await;
    let all = [(Unit::Tokens, [120, 120, 0]), (Unit::Usd, [200, 200, 0]), (Unit::Requests, [1, 1, 0])];
    check("settled", &[Damage::Delete(reservation("settled"))], ["differs", "differs"], &all).await;
    // Out of the index is out of reach, which must not look like balance.
    let lost = [Damage::Without(reservation("held"), "dayPartition")];
    check(
        "not listed",
        &lost,
        ["differs", "differs"],
        &[(Unit::Tokens, [600, 0, 0]), (Unit::Usd, [2_600, 0, 0]), (Unit::Requests, [1, 0, 0])],
    )
    .await;
    for nothing in ["released", "denied"] {
        check(nothing, &[Damage::Delete(reservation(nothing))], ["balanced", "balanced"], &[]).await;
    }
}

#[tokio::test]
async fn a_counter_that_is_gone_is_missing_until_it_may_be() {
    let gone = [Damage::Delete(counter(&app()))];
    check("gone", &gone, ["missing", "balanced"], &[(Unit::Tokens, [-1_920, -120, -600])]).await;
    let store = filled().await;
    damage(&store.stack.clients.dynamodb(), &gone).await;
    let end = app().span.end;
    for (days, word, verdict) in [(34, "missing", Verdict::OutOfBalance), (35, "expired", Verdict::Balanced)] {
        let now = end + SignedDuration::from_hours(24 * days);
        let report = audit_of(&store.ledger, &Selection::parse("all", now).unwrap(), now).await;
        assert_eq!((on(&report, "app").standing.word(), report.verdict()), (word, verdict), "{days} days later");
        assert_eq!(on(&report, "org").standing.word(), "balanced");
    }
}

#[tokio::test]
async fn a_counter_that_no_reservation_names_is_found() {
    let store = filled().await;
    let phantom = Charge { scope: "applicationId=nobody".to_owned(), ..tokens("ghost", 1_000, 600) };
    // Written as counters are, and left alone: its one reservation is gone.
    store.ledger.create(&held("gone", vec![phantom])).await.unwrap();
    damage(&store.stack.clients.dynamodb(), &[Damage::Delete(reservation("gone"))]).await;
    for now in [OPEN, CLOSED] {
        let report = audit_at(&store.ledger, now).await;
        let ghost = on(&report, "ghost");
        assert_eq!((ghost.standing.word(), ghost.reservations, ghost.end), ("phantom", 0, Some(app().span.end)));
        assert_eq!(differences(ghost), [(Unit::Tokens, [600, 0, 0])]);
        assert_eq!([on(&report, "app"), on(&report, "org")].map(|other| other.standing.word()), ["balanced"; 2]);
    }
}

#[tokio::test]
async fn a_reservation_that_cannot_be_read_leaves_its_counters_in_doubt_and_no_others() {
    let other = tokens("other", 1_000, 1);
    let earlier = Span { start: at("2026-11-20T10:00:00Z"), end: at("2026-11-20T11:00:00Z") };
    let store = filled().await;
    store.ledger.create(&held("elsewhere", vec![other.clone()])).await.unwrap();
    let mut before = held("before", vec![Charge { span: earlier, ..tokens("earlier", 1_000, 1) }]);
    before.held_at = at("2026-11-20T10:30:00Z");
    store.ledger.create(&before).await.unwrap();
    let client = store.stack.clients.dynamodb();
    let words = |report: &Report| ["app", "org", "other", "earlier"].map(|budget| on(report, budget).standing.word());

    damage(&client, &[Damage::Text(reservation("settled"), "s", "??")]).await;
    let report = audit_at(&store.ledger, OPEN).await;
    assert_eq!(words(&report), ["cannotSay", "cannotSay", "balanced", "balanced"]);
    assert_eq!((report.verdict(), &report.unreadable), (Verdict::CannotSay, &["settled".to_owned()].into()));

    // Not even its charges: any window that it may have been decided in.
    damage(&client, &[Damage::Text(reservation("settled"), "ch", "??")]).await;
    let report = audit_at(&store.ledger, OPEN).await;
    assert_eq!(words(&report), ["cannotSay", "cannotSay", "cannotSay", "balanced"]);

    // A counter's own item.
    let store = filled().await;
    damage(&store.stack.clients.dynamodb(), &[Damage::Text(counter(&app()), "c_tok", "many")]).await;
    let report = audit_at(&store.ledger, OPEN).await;
    assert_eq!((on(&report, "app").standing.word(), on(&report, "org").standing.word()), ("cannotSay", "balanced"));
    assert_eq!(report.verdict(), Verdict::CannotSay);

    // A figure of a unit that nobody knows.
    let store = filled().await;
    damage(&store.stack.clients.dynamodb(), &[Damage::Add(counter(&app()), "u_gold", 3)]).await;
    assert_eq!(on(&audit_at(&store.ledger, OPEN).await, "app").standing.word(), "cannotSay");
}

#[tokio::test]
async fn a_window_of_weeks_is_read_from_its_first_day_to_its_last() {
    let store = Embedded::start().await;
    let span = Span { start: at("2026-11-01T00:00:00Z"), end: at("2026-12-01T00:00:00Z") };
    let month = Charge { span, window: "month".to_owned(), ..tokens("month", 1_000_000, 600) };
    for day in 0..30 {
        let held_at = span.start + SignedDuration::from_hours(24 * day) + 1.hour();
        let reservation = held(&format!("r{day}"), vec![month.clone()]);
        store.ledger.create(&cost_sentry_core::reservation::Reservation { held_at, ..reservation }).await.unwrap();
    }
    let now = at("2026-11-30T12:00:00Z");
    let report = audit_of(&store.ledger, &Selection::recent(now), now).await;
    assert_eq!((report.verdict(), on(&report, "month").reservations), (Verdict::Balanced, 30));
    // Of a counter that is gone, what is left leads to the whole window.
    damage(&store.stack.clients.dynamodb(), &[Damage::Delete(counter(&month))]).await;
    for selection in [Selection::recent(now), Selection::parse("2026-11-17", now).unwrap(), Selection::parse("month", now).unwrap()] {
        let report = audit_of(&store.ledger, &selection, now).await;
        assert_eq!(differences(on(&report, "month")), [(Unit::Tokens, [-18_000, 0, 0])]);
    }
    let report = audit_of(&store.ledger, &Selection::parse("day", now).unwrap(), now).await;
    assert!(report.findings.is_empty());
}
