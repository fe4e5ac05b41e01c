//! What an audit says of planted differences, and what it would mend.

use super::repair::{NotMended, Order, may_mend, plan};
use super::*;
use crate::fixtures::{amount, charge, policy_document, reservation, usage};
use crate::policy::Policy;
use crate::reservation::{Charge, Reservation, State};
use serde_json::json;

const NOW: &str = "2026-11-20T12:50:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn figures([committed, used, uncertain]: [i64; 3]) -> Figures {
    Figures { committed, used, uncertain }
}

/// A reservation of so many tokens on the budget `app`.
fn of(id: &str, state: State, hold: u64) -> Reservation {
    let mut reservation = reservation(state, vec![charge("app", Mode::Enforce, vec![amount(Unit::Tokens, 10_000, hold, [0; 3])])]);
    id.clone_into(&mut reservation.tags.request_id);
    reservation.version = 1;
    if state == State::Settled {
        reservation.usage = Some(usage(hold, 0));
    }
    reservation
}

fn charge_of(reservation: &Reservation) -> &Charge {
    &reservation.charges[0]
}

fn stored(amounts: [i64; 3]) -> Stored {
    let end = charge_of(&of("r", State::Held, 1)).span.end;
    Stored { figures: [(Unit::Tokens, figures(amounts))].into(), end: Some(end), unreadable: false }
}

fn recount(reservations: &[Reservation]) -> Recount {
    let mut recount = Recount::watching(Timestamp::MIN);
    for reservation in reservations {
        recount.note(reservation);
    }
    recount
}

fn judged(stored: Option<&Stored>, recount: &Recount, adjustments: Vec<Adjustment>, now: &str) -> Finding {
    judge(&charge_of(&of("r", State::Held, 1)).key(), stored, recount, adjustments, at(now))
}

#[test]
fn every_kind_of_difference_is_named() {
    let books = [of("a", State::Held, 100), of("b", State::Uncertain, 30), of("c", State::Settled, 7), of("d", State::Released, 5)];
    let (while_kept, after_keeping) = ("2026-12-25T12:59:59Z", "2026-12-25T13:00:00Z");
    let check = |shown: Option<[i64; 3]>, reservations: &[Reservation], now: &str, word: &str, difference: [i64; 3]| {
        let finding = judged(shown.map(stored).as_ref(), &recount(reservations), Vec::new(), now);
        assert_eq!(finding.standing.word(), word, "{shown:?}");
        assert_eq!(finding.units.get(&Unit::Tokens).map(|unit| unit.difference()), Some(figures(difference)), "{shown:?}");
    };
    check(Some([137, 7, 30]), &books, NOW, "balanced", [0; 3]);
    check(Some([138, 7, 30]), &books, NOW, "differs", [1, 0, 0]);
    check(Some([137, 6, 30]), &books, NOW, "differs", [0, -1, 0]);
    check(Some([137, 7, 0]), &books, NOW, "differs", [0, 0, -30]);
    check(Some([137, 7, 30]), &books[1..], NOW, "differs", [100, 0, 0]);
    check(None, &books, NOW, "missing", [-137, -7, -30]);
    check(None, &books, while_kept, "missing", [-137, -7, -30]);
    check(None, &books, after_keeping, "expired", [-137, -7, -30]);
    check(None, &books[3..], NOW, "balanced", [0; 3]);
    check(Some([5, 0, 0]), &[], NOW, "phantom", [5, 0, 0]);
    check(Some([0, 0, 0]), &[], NOW, "balanced", [0; 3]);
}

#[test]
fn one_counter_that_is_wrong_decides_and_one_that_nobody_knows_comes_before_those_that_balance() {
    let check = |shown: &[[i64; 3]], unreadable: &[&str], expected: Verdict| {
        let books = recount(&[of("a", State::Held, 100)]);
        let finding = |shown: &[i64; 3]| judged(Some(&stored(*shown)), &books, Vec::new(), NOW);
        let torn = judged(Some(&Stored { unreadable: true, ..stored([100, 0, 0]) }), &books, Vec::new(), NOW);
        let read: Vec<Finding> = shown.iter().map(finding).collect();
        let verdict = |findings: Vec<Finding>| {
            Report { findings, reservations: 1, unreadable: unreadable.iter().map(|id| (*id).to_owned()).collect() }.verdict()
        };
        let with_torn = if expected == Verdict::OutOfBalance { expected } else { Verdict::CannotSay };
        assert_eq!((verdict(read.clone()), verdict([read, vec![torn]].concat())), (expected, with_torn), "{shown:?} {unreadable:?}");
    };
    check(&[], &[], Verdict::Balanced);
    check(&[[100, 0, 0]], &[], Verdict::Balanced);
    check(&[[100, 0, 0]], &["torn"], Verdict::CannotSay);
    check(&[[100, 0, 0], [99, 0, 0]], &[], Verdict::OutOfBalance);
    check(&[[99, 0, 0]], &["torn"], Verdict::OutOfBalance);
}

#[test]
fn a_unit_that_only_one_side_has_is_compared_too() {
    let mut counter = stored([100, 0, 0]);
    counter.figures.insert(Unit::Requests, figures([1, 0, 0]));
    let finding = judged(Some(&counter), &recount(&[of("a", State::Held, 100)]), Vec::new(), NOW);
    assert_eq!(finding.standing, Standing::Differs(Cause::Figures));
    assert_eq!(finding.units[&Unit::Requests].difference(), figures([1, 0, 0]));
    counter.figures.clear();
    let finding = judged(Some(&counter), &recount(&[of("a", State::Held, 100)]), Vec::new(), NOW);
    assert_eq!(finding.units[&Unit::Tokens].difference(), figures([-100, 0, 0]));
}

#[test]
fn a_shadow_is_shown_and_not_judged() {
    let mut trial = of("a", State::Held, 100);
    trial.charges[0].mode = Mode::Shadow;
    let finding = judge(&charge_of(&trial).key(), Some(&stored([99, 0, 0])), &recount(&[trial]), Vec::new(), at(NOW));
    assert_eq!((finding.standing, finding.units[&Unit::Tokens].difference()), (Standing::Approximate, figures([-1, 0, 0])));
}

#[test]
fn what_cannot_be_read_makes_its_counters_unsure_and_no_others() {
    let known = of("a", State::Held, 100);
    let other = charge("other", Mode::Enforce, vec![amount(Unit::Tokens, 10_000, 1, [0; 3])]);
    let word = |recount: &Recount| judged(Some(&stored([100, 0, 0])), recount, Vec::new(), NOW).standing.word();
    let check = |charges: Option<&[Charge]>, decided_at: &str, expected: &str| {
        let mut recount = recount(std::slice::from_ref(&known));
        recount.note_unreadable("torn", charges, at(decided_at));
        assert_eq!(word(&recount), expected);
        assert_eq!(recount.unreadable(), ["torn".to_owned()].into());
    };
    check(Some(&known.charges), NOW, "cannotSay");
    check(Some(&[other]), NOW, "balanced");
    check(None, "2026-11-20T12:10:00Z", "cannotSay");
    check(None, "2026-11-20T12:00:00Z", "cannotSay");
    check(None, "2026-11-20T13:00:00Z", "balanced");
    let torn = Stored { unreadable: true, ..stored([100, 0, 0]) };
    assert_eq!(judged(Some(&torn), &recount(std::slice::from_ref(&known)), Vec::new(), NOW).standing.word(), "cannotSay");
}

#[test]
fn a_reservation_counts_once_however_often_it_is_noted_and_as_it_stands_last() {
    let held = of("a", State::Held, 100);
    let key = charge_of(&held).key();
    let mut recount = recount(std::slice::from_ref(&held));
    let mut note = |state: State, version: u64| {
        let changed = recount.note(&Reservation { version, ..of("a", state, 100) });
        (changed.contains(&key), recount.account(&key).unwrap().sums[&Unit::Tokens], recount.account(&key).unwrap().reservations)
    };
    assert_eq!(note(State::Held, 1), (false, figures([100, 0, 0]), 1));
    assert_eq!(note(State::Claimed, 2), (false, figures([100, 0, 0]), 1));
    assert_eq!(note(State::Uncertain, 3), (true, figures([100, 0, 100]), 1));
    assert_eq!(note(State::Released, 4), (true, figures([0; 3]), 1));
    assert_eq!(note(State::Released, 4), (false, figures([0; 3]), 1));
}

#[test]
fn the_recount_tells_what_it_read_which_counters_that_names_and_what_may_still_move() {
    let other = charge("other", Mode::Enforce, vec![amount(Unit::Tokens, 10_000, 1, [0; 3])]);
    let elsewhere = Reservation { charges: vec![other], ..of("c", State::Held, 1) };
    let books = [of("a", State::Held, 100), of("b", State::Settled, 7), elsewhere, of("d", State::Uncertain, 30)];
    let mut recount = recount(&books);
    recount.note(&Reservation { version: 2, ..of("d", State::Released, 30) });
    assert_eq!((recount.read(), recount.account(&charge_of(&books[0]).key()).unwrap().reservations), (4, 3));
    let names: Vec<&str> = recount.accounts().map(|(_, account)| account.name.as_str()).collect();
    assert_eq!(names, ["app", "other"]);
    let open_on = |charges: &[&Charge]| recount.open_on(&charges.iter().map(|charge| charge.key()).collect());
    let (app, other) = (charge_of(&books[0]), charge_of(&books[2]));
    assert_eq!((open_on(&[app]), open_on(&[other])), (vec!["a".to_owned()], vec!["c".to_owned()]));
    assert_eq!((open_on(&[app, other]), open_on(&[])), (vec!["a".to_owned(), "c".to_owned()], vec![]));
}

fn order(trusted: Trusted) -> Order {
    Order { at: at(NOW), by: "tester".to_owned(), reason: "a test".to_owned(), trusted }
}

#[test]
fn after_an_adjustment_the_books_balance_whichever_side_was_right() {
    let books = [of("a", State::Held, 100), of("b", State::Settled, 7)];
    let later = at("2026-11-21T00:00:00Z");
    for (trusted, shown_after) in [(Trusted::Reservations, [107, 7, 0]), (Trusted::Counter, [150, 3, 9])] {
        let shown = stored([150, 3, 9]);
        let found = judged(Some(&shown), &recount(&books), Vec::new(), NOW);
        let first = plan(&found, None, later, &order(trusted)).unwrap();
        let mut after = shown.figures[&Unit::Tokens];
        for (_, moved) in first.moved() {
            after = after.plus(moved);
        }
        assert_eq!(after, figures(shown_after));
        let mended = judged(Some(&stored(shown_after)), &recount(&books), vec![first.clone()], NOW);
        assert_eq!(mended.standing, Standing::Balanced);
        // And whatever is mended later comes on top.
        let again = judged(Some(&stored([shown_after[0] + 1, shown_after[1], shown_after[2]])), &recount(&books), vec![first], NOW);
        let second = plan(&again, None, later, &order(Trusted::Counter)).unwrap();
        assert_eq!((second.number, second.counted()), (2, vec![(Unit::Tokens, figures([1, 0, 0]))]));
    }
}

#[test]
fn only_closed_windows_are_mended() {
    let books = [of("a", State::Held, 100)];
    let end = charge_of(&books[0]).span.end;
    let check =
        |shown: Option<[i64; 3]>, reservations: &[Reservation], now: Timestamp, trusted: Trusted, expected: Result<(), NotMended>| {
            let finding = judged(shown.map(stored).as_ref(), &recount(reservations), Vec::new(), NOW);
            assert_eq!(plan(&finding, None, now, &order(trusted)).map(|_| ()), expected);
        };
    let (wrong, open) = (Some([1, 0, 0]), NotMended::Open { closes: end, budget: "app".to_owned() });
    check(wrong, &books, at(NOW), Trusted::Reservations, Err(open));
    check(wrong, &books, end, Trusted::Reservations, Ok(()));
    check(wrong, &[], end, Trusted::Reservations, Ok(()));
    check(None, &[of("s", State::Settled, 7), of("u", State::Uncertain, 1)], end, Trusted::Reservations, Ok(()));
    let in_flight = [of("a", State::Held, 100), of("b", State::Claimed, 1), of("s", State::Settled, 7)];
    check(None, &in_flight, end, Trusted::Reservations, Err(NotMended::InFlight(2)));
    check(None, &books, end, Trusted::Counter, Err(NotMended::NoCounter));
    check(Some([100, 0, 0]), &books, end, Trusted::Reservations, Err(NotMended::Nothing));
    assert_eq!(may_mend(None, "app", None, end), Err(NotMended::EndUnknown { budget: "app".to_owned() }));
}

#[test]
fn a_frozen_budget_is_mended_in_its_open_window_and_no_other_budget_is() {
    let mut document = policy_document();
    document["budgets"][0]["frozen"] = true.into();
    let policy = Policy::parse(&document, crate::catalog::Catalog::shipped().unwrap()).unwrap();
    let later = Some(at("2026-12-01T00:00:00Z"));
    for (policy, budget, mended) in
        [(Some(&policy), "org-month", true), (Some(&policy), "app-day", false), (Some(&policy), "gone", false), (None, "org-month", false)]
    {
        let may = |end: Option<Timestamp>| may_mend(policy, budget, end, at(NOW)).is_ok();
        assert_eq!((may(later), may(None), may(Some(at(NOW)))), (mended, mended, true), "{budget}");
    }
}

#[test]
fn windows_are_selected_by_kind_time_and_budget() {
    let now = at(NOW);
    let check = |text: &str, window: &str, start: &str, end: &str, expected: bool| {
        let selection = if text.is_empty() { Selection::recent(now) } else { Selection::parse(text, now).unwrap() };
        let (start, end) = (at(start), at(end));
        assert_eq!(selection.includes("app", window, start, Some(end)), expected, "{text} {window} {start}");
        // What is selected is looked for where it is.
        let day = start.to_zoned(jiff::tz::TimeZone::UTC).date();
        assert!(!expected || window == "period" || selection.start_days(None, now).contains(&day), "{text} {window} {start}");
    };
    check("", "month", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", true);
    check("", "day", "2026-11-17T00:00:00Z", "2026-11-18T00:00:00Z", true);
    check("", "day", "2026-11-15T00:00:00Z", "2026-11-16T00:00:00Z", false);
    check("", "period", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", true);
    check("day", "hour", "2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z", false);
    check("hour", "hour", "2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z", true);
    check("all", "month", "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", true);
    check("2026-11-03", "month", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", true);
    check("all", "day", "2026-08-10T00:00:00Z", "2026-08-11T00:00:00Z", true);
    check("all", "day", "2026-08-09T00:00:00Z", "2026-08-10T00:00:00Z", false);
    check("2026-11-03", "day", "2026-11-04T00:00:00Z", "2026-11-05T00:00:00Z", false);
    check("2026-11-03", "day", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z", false);
    check("2026-11-03", "day", "2026-11-02T23:00:00Z", "2026-11-03T23:00:00Z", true);
    check("2026-11-03..2026-11-05", "hour", "2026-11-05T23:00:00Z", "2026-11-06T00:00:00Z", true);
    check("2026-11-03..2026-11-05", "hour", "2026-11-06T00:00:00Z", "2026-11-06T01:00:00Z", false);
    for wrong in ["", "days", "2026-11", "2026-11-05..2026-11-03", "2026-11-05..2026-11-04", "2026-11-05..", "tomorrow"] {
        assert_eq!(Selection::parse(wrong, now), Err(NotASelection), "{wrong}");
    }
}

#[test]
fn a_budget_is_selected_by_its_name_or_its_id() {
    let mut document = policy_document();
    document["budgets"][0]["id"] = "org".into();
    let policy = Policy::parse(&document, crate::catalog::Catalog::shipped().unwrap()).unwrap();
    let includes = |name: &str, budget: &str| {
        let selection = Selection::recent(at(NOW)).of_budget(name, Some(&policy));
        selection.includes(budget, "month", at("2026-11-01T00:00:00Z"), None)
    };
    assert!(includes("org-month", "org") && includes("org", "org") && includes("gone", "gone"));
    assert!(!includes("org-month", "app-day") && !includes("app-day", "org"));
}

#[test]
fn the_days_to_be_read_reach_back_to_the_start_of_the_longest_window_of_the_policy() {
    let policy = Policy::parse(&policy_document(), crate::catalog::Catalog::shipped().unwrap()).unwrap();
    let first = |text: &str| Selection::parse(text, at(NOW)).unwrap().decision_days(Some(&policy), at(NOW)).first().unwrap().to_string();
    assert_eq!(first("month"), "2026-11-01");
    assert_eq!(first("2026-10-15"), "2026-10-01");
    assert_eq!(first("day"), "2026-11-17");
}

#[test]
fn a_period_is_looked_for_where_it_began_though_a_change_of_it_waits_or_started_it_anew() {
    let budget = |mode: &str, effective: &str| {
        let mut document = policy_document();
        let period = json!({ "from": "2025-06-01T00:00:00Z", "until": "2027-01-01T00:00:00Z" });
        document["budgets"] = json!([{ "name": "year", "limit": { "usd": 1 }, "period": period, "mode": mode, "effective": effective }]);
        document
    };
    let read = |document: &serde_json::Value| Policy::parse(document, crate::catalog::Catalog::shipped().unwrap()).unwrap();
    let days = |policy: &Policy| Selection::recent(at(NOW)).start_days(Some(policy), at(NOW));
    let day = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
    let shadow = budget("shadow", "nextWindow");
    assert!(days(&read(&shadow)).contains(&day("2025-06-01")));
    // Since then its counters begin later.
    let enforced = budget("enforce", "atOnce");
    let anew = read(&enforced).succeed(&enforced, &read(&shadow), at("2026-02-03T04:05:06Z")).policy;
    assert!([day("2025-06-01"), day("2026-02-03")].iter().all(|day| days(&anew).contains(day)));
    // A day budget in the end, while the period stays in force.
    let mut daily = budget("enforce", "nextWindow");
    daily["budgets"][0].as_object_mut().unwrap().remove("period");
    daily["budgets"][0]["window"] = "day".into();
    let waiting = read(&daily).succeed(&daily, &read(&budget("enforce", "nextWindow")), at(NOW)).policy;
    assert!(days(&waiting).contains(&day("2025-06-01")));
    assert_eq!(Selection::recent(at(NOW)).decision_days(Some(&waiting), at(NOW)).first(), Some(&day("2025-06-01")));
}

#[test]
fn counters_are_looked_for_on_as_many_days_as_their_kind_of_window_lasts() {
    let first = |text: &str| Selection::parse(text, at(NOW)).unwrap().start_days(None, at(NOW)).first().unwrap().to_string();
    assert_eq!(["minute", "hour", "day"].map(first), ["2026-11-15"; 3]);
    assert_eq!(first("week"), "2026-11-09");
    assert_eq!(["month", "2026-11-17"].map(first), ["2026-10-16"; 2]);
}
