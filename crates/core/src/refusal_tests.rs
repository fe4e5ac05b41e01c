use super::*;
use crate::budget::{Mode, Unit};
use crate::fixtures::{amount, charge, reservation};
use crate::reservation::State;

/// A charge of 40 of 100, held at half past noon, whose window ends so many seconds later.
fn refusing(seconds: i64, figures: [i64; 3]) -> Charge {
    window(charge("b", Mode::Enforce, vec![amount(Unit::Requests, 100, 40, figures)]), seconds)
}

fn window(mut charge: Charge, seconds: i64) -> Charge {
    charge.span.end = reservation(State::Denied, Vec::new()).held_at + SignedDuration::from_secs(seconds);
    charge
}

fn check(charges: Vec<Charge>, expected: RetryAfter) {
    let denied = reservation(State::Denied, charges);
    let found = retry_after(&denied, SignedDuration::from_secs(120), Some(Tokens(9)));
    assert_eq!(found, expected, "{:#?}", denied.charges);
}

fn wait(seconds: u64, basis: Basis) -> RetryAfter {
    RetryAfter::Seconds { seconds, basis }
}

#[test]
fn only_in_flight_holds_end_with_the_call_or_the_window() {
    let held = [61, 60, 0];
    check(vec![refusing(1_800, held)], wait(120, Basis::InFlightHolds));
    check(vec![refusing(121, held)], wait(120, Basis::InFlightHolds));
    check(vec![refusing(120, held)], wait(120, Basis::WindowEnd));
    check(vec![refusing(119, held)], wait(119, Basis::WindowEnd));
    check(vec![refusing(1_800, [61, 30, 30])], wait(120, Basis::InFlightHolds));
}

#[test]
fn what_is_spent_or_in_doubt_stays_until_the_window_ends() {
    check(vec![refusing(1_800, [61, 61, 0])], wait(1_800, Basis::WindowEnd));
    check(vec![refusing(1_800, [90, 0, 61])], wait(1_800, Basis::WindowEnd));
    check(vec![refusing(1_800, [200, 31, 30])], wait(1_800, Basis::WindowEnd));
}

#[test]
fn a_budget_waits_for_all_of_its_units() {
    let both = vec![amount(Unit::Requests, 100, 40, [61, 60, 0]), amount(Unit::Tokens, 100, 40, [61, 61, 0])];
    check(vec![window(charge("b", Mode::Enforce, both), 1_800)], wait(1_800, Basis::WindowEnd));
}

#[test]
fn all_budgets_must_have_room_so_the_latest_counts() {
    let (held, spent, fits) = ([61, 60, 0], [61, 61, 0], [60, 60, 0]);
    check(vec![refusing(1_800, held), refusing(60, spent)], wait(120, Basis::InFlightHolds));
    check(vec![refusing(1_800, held), refusing(600, spent)], wait(600, Basis::WindowEnd));
    check(vec![refusing(600, spent), refusing(86_400, spent), refusing(900, held)], wait(86_400, Basis::WindowEnd));
    check(vec![refusing(86_400, fits), refusing(600, spent)], wait(600, Basis::WindowEnd));
}

#[test]
fn larger_than_a_whole_limit_is_never() {
    let never = RetryAfter::Never { largest_max_tokens: Some(Tokens(9)) };
    let too_large = charge("b", Mode::Enforce, vec![amount(Unit::Requests, 39, 40, [0; 3])]);
    check(vec![too_large.clone()], never);
    check(vec![refusing(600, [61, 61, 0]), too_large.clone()], never);
    let exactly = charge("b", Mode::Enforce, vec![amount(Unit::Requests, 40, 40, [1, 1, 0])]);
    check(vec![window(exactly, 600)], wait(600, Basis::WindowEnd));
    let denied = reservation(State::Denied, vec![too_large]);
    assert_eq!(retry_after(&denied, SignedDuration::from_secs(1), None), RetryAfter::Never { largest_max_tokens: None });
}

#[test]
fn a_shadow_keeps_nobody_waiting() {
    let shadow = |amounts| window(charge("s", Mode::Shadow, amounts), 86_400);
    let too_large = shadow(vec![amount(Unit::Requests, 39, 40, [0; 3])]);
    let spent = shadow(vec![amount(Unit::Requests, 100, 40, [61, 61, 0])]);
    check(vec![refusing(600, [61, 61, 0]), too_large, spent], wait(600, Basis::WindowEnd));
}

#[test]
fn seconds_are_rounded_up_and_never_none() {
    let check = |nanoseconds: i64, expected: u64| {
        let mut refusing = refusing(0, [61, 61, 0]);
        refusing.span.end += SignedDuration::from_nanos(nanoseconds);
        check(vec![refusing], wait(expected, Basis::WindowEnd));
    };
    check(1, 1);
    check(1_000_000_000, 1);
    check(1_000_000_001, 2);
    check(30_000_400_000, 31);
    let denied = reservation(State::Denied, vec![refusing(600, [61, 60, 0])]);
    assert_eq!(retry_after(&denied, SignedDuration::ZERO, None), wait(1, Basis::InFlightHolds));
}

#[test]
fn a_freeze_ends_when_a_person_says_so_and_never_stays_never() {
    let frozen = Charge { frozen: true, ..refusing(1_800, [0, 0, 0]) };
    check(vec![frozen.clone()], RetryAfter::Frozen);
    check(vec![refusing(1_800, [61, 61, 0]), frozen.clone()], RetryAfter::Frozen);
    let too_large = charge("b", Mode::Enforce, vec![amount(Unit::Requests, 100, 101, [0, 0, 0])]);
    check(vec![frozen.clone(), too_large], RetryAfter::Never { largest_max_tokens: Some(Tokens(9)) });
    let shadow = Charge { mode: Mode::Shadow, ..frozen };
    check(vec![shadow, refusing(1_800, [61, 61, 0])], wait(1_800, Basis::WindowEnd));
}
