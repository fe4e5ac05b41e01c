//! The ledger in memory.

use crate::ports::ready;
use crate::stage::{INPUT_HELD, MAX_TOKENS, Stage, noon, policy, request, start, usage};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::reservation::{Charge, ClaimId, Reservation, State, Transition, Verdict, transition};
use cost_sentry_core::shard::Shard;
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::ports::{Created, Ledger, Written};
use jiff::SignedDuration;
use serde_json::json;

const HELD: u64 = INPUT_HELD + MAX_TOKENS;

/// A reservation under a limit of so many tokens, not stored yet.
fn reservation(execution: &str, limit: u64) -> Reservation {
    let stage = Stage::new(&policy(limit));
    let mut start = start(&request());
    start["executionId"] = json!(execution);
    drop(stage.check(stage.validate(start).unwrap()).unwrap());
    let mut reservation = stage.ledger.only();
    reservation.state = State::Held;
    reservation
}

fn committed(ledger: &MemoryLedger, charge: &Charge) -> i64 {
    ready(ledger.figures(std::slice::from_ref(charge))).unwrap()[0].get(&Unit::Tokens).copied().unwrap_or_default().committed
}

fn step(reservation: &Reservation, event: &Transition) -> cost_sentry_core::reservation::Step {
    match transition(reservation, event) {
        Verdict::Apply(step) => *step,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hold_is_written_while_it_fits_and_no_further() {
    let ledger = MemoryLedger::default();
    let [first, second, third] = ["a", "b", "c"].map(|name| reservation(name, 2 * HELD));
    assert_eq!(ready(ledger.create(&first)).unwrap(), Created::Created);
    assert_eq!(ready(ledger.create(&second)).unwrap(), Created::Created, "exactly the limit fits");
    let Created::NoRoom(refusing) = ready(ledger.create(&third)).unwrap() else { panic!("over the limit") };
    let [(key, figures)] = refusing.as_slice() else { panic!("{refusing:?}") };
    assert_eq!(*key, first.charges[0].key());
    assert_eq!(figures[&Unit::Tokens].committed, i64::try_from(2 * HELD).unwrap());
    assert_eq!(ready(ledger.find(third.request_id())).unwrap(), None);
    assert_eq!(ready(ledger.find(first.request_id())).unwrap(), Some(first.clone()));
    assert_eq!(ledger.books().counters.len(), 1, "shadow counters are moved by those who ask for it");
    assert_eq!(ready(ledger.create(&first)).unwrap(), Created::Exists(Box::new(first.clone())));
    assert_eq!(committed(&ledger, &first.charges[0]), i64::try_from(2 * HELD).unwrap());
}

#[test]
fn a_hold_above_its_limit_and_a_denial_move_nothing() {
    let ledger = MemoryLedger::default();
    let mut too_large = reservation("a", HELD - 1);
    assert!(matches!(ready(ledger.create(&too_large)).unwrap(), Created::NoRoom(_)));
    too_large.state = State::Denied;
    assert_eq!(ready(ledger.create(&too_large)).unwrap(), Created::Created);
    assert!(ledger.books().counters.is_empty());
    assert_eq!(ready(ledger.find(too_large.request_id())).unwrap().unwrap().state, State::Denied);
}

#[test]
fn a_step_is_written_on_its_version_with_its_counters_and_on_no_other() {
    let ledger = MemoryLedger::default();
    let held = reservation("a", HELD);
    drop(ready(ledger.create(&held)).unwrap());
    let claim_id = ClaimId("mine".to_owned());
    let claim = Transition::Claim { claim_id: claim_id.clone(), request_hash: held.request_hash.clone(), lease_end: held.lease_end };
    let claim = step(&held, &claim);
    assert_eq!(ready(ledger.write(7, &claim)).unwrap(), Written::Changed(Some(Box::new(held.clone()))));
    assert_eq!(ready(ledger.write(1, &claim)).unwrap(), Written::Written);
    let settle = step(&claim.next, &Transition::Settle { claim_id: claim_id.clone(), usage: usage(10, 20) });
    assert_eq!(ready(ledger.write(1, &settle)).unwrap(), Written::Changed(Some(Box::new(claim.next.clone()))));
    assert_eq!(committed(&ledger, &held.charges[0]), i64::try_from(HELD).unwrap());
    assert_eq!(ready(ledger.write(2, &settle)).unwrap(), Written::Written);
    assert_eq!(committed(&ledger, &held.charges[0]), 30);
    let books = ledger.books();
    assert_eq!(books.recount(), books.counters);
    let absent = MemoryLedger::default();
    assert_eq!(ready(absent.write(1, &claim)).unwrap(), Written::Changed(None));
}

#[test]
fn the_recount_is_the_sum_of_all_shares() {
    let ledger = MemoryLedger::default();
    let claim_id = ClaimId("mine".to_owned());
    for (name, end) in [("a", None), ("b", Some(usage(10, 20))), ("c", Some(usage(1, 2))), ("d", None)] {
        let held = reservation(name, 100 * HELD);
        drop(ready(ledger.create(&held)).unwrap());
        let claim = Transition::Claim { claim_id: claim_id.clone(), request_hash: held.request_hash.clone(), lease_end: held.lease_end };
        let claim = step(&held, &claim);
        drop(ready(ledger.write(1, &claim)).unwrap());
        let end = match end {
            Some(usage) => Transition::Settle { claim_id: claim_id.clone(), usage },
            None => Transition::Doubt { claim_id: claim_id.clone() },
        };
        drop(ready(ledger.write(2, &step(&claim.next, &end))).unwrap());
    }
    let books = ledger.books();
    assert_eq!(books.recount(), books.counters);
    let figures = books.counters.values().next().unwrap()[&Unit::Tokens];
    let two = i64::try_from(2 * HELD).unwrap();
    assert_eq!([figures.committed, figures.used, figures.uncertain], [two + 33, 33, two]);
}

#[test]
fn a_counter_that_has_expired_is_not_made_anew_by_a_late_end() {
    let ledger = MemoryLedger::default();
    let held = reservation("a", HELD);
    drop(ready(ledger.create(&held)).unwrap());
    ledger.expire(&held.charges[0].key());
    assert!(ledger.books().counters.is_empty());
    let release = step(&held, &Transition::Release { claim_id: None });
    assert_eq!(ready(ledger.write(1, &release)).unwrap(), Written::Written);
    assert!(ledger.books().counters.is_empty());
    assert_eq!(ready(ledger.find(held.request_id())).unwrap().unwrap().state, State::Released);
}

#[test]
fn leases_past_are_the_open_ones_the_longest_past_first() {
    let ledger = MemoryLedger::default();
    for (name, state, seconds) in
        [("a", State::Held, 30), ("b", State::Claimed, 10), ("c", State::Settled, 5), ("d", State::Held, 20), ("e", State::Held, 20)]
    {
        let lease_end = noon() + SignedDuration::from_secs(seconds);
        drop(ready(ledger.create(&Reservation { state, lease_end, charges: Vec::new(), ..reservation(name, HELD) })).unwrap());
    }
    let past = |seconds: i64, most: usize| -> Vec<i64> {
        let found = ready(ledger.leases_past(noon() + SignedDuration::from_secs(seconds), most)).unwrap();
        let mut ids: Vec<_> = found.iter().map(|found| (found.lease_end, found.request_id().to_owned())).collect();
        assert!(ids.is_sorted());
        ids.dedup();
        assert_eq!(ids.len(), found.len());
        found.iter().map(|found| found.lease_end.duration_since(noon()).as_secs()).collect()
    };
    assert_eq!(past(100, 10), [10, 20, 20, 30]);
    assert_eq!(past(30, 10), [10, 20, 20], "a lease that ends now is not past");
    assert_eq!(past(100, 2), [10, 20]);
}

#[test]
fn a_ledger_goes_on_from_the_books_of_another() {
    let ledger = MemoryLedger::default();
    drop(ready(ledger.create(&on_shard(1, "a", HELD))).unwrap());
    assert_eq!(MemoryLedger::from(ledger.books()).books(), ledger.books());
}

/// The same on one of four shards of its exact counter.
fn on_shard(index: u8, execution: &str, hold: u64) -> Reservation {
    let mut reservation = reservation(execution, 4 * HELD);
    reservation.charges[0].shard = Shard { index, of: 4 };
    reservation.charges[0].amounts.retain(|amount| amount.unit == Unit::Tokens);
    reservation.charges[0].amounts[0].hold = hold;
    reservation
}

#[test]
fn a_hold_goes_to_the_shard_that_has_room_and_says_so() {
    let ledger = MemoryLedger::default();
    let [first, second] = ["a", "b"].map(|name| on_shard(1, name, HELD));
    assert_eq!(ready(ledger.create(&first)).unwrap(), Created::Created);
    let rooms = |ledger: &MemoryLedger| -> Vec<i64> {
        let books = ledger.books();
        first.charges[0].counter_keys().iter().map(|key| books.shards[key].cuts[&Unit::Tokens].room).collect()
    };
    let whole = i64::try_from(HELD).unwrap();
    assert_eq!(rooms(&ledger), [whole, 0, whole, whole]);
    // Nothing was committed on the others, and a counter of one item has no parts.
    assert_eq!((ledger.books().counters.len(), ledger.books().shards.len()), (1, 4));
    let Created::OnOtherShards(placed) = ready(ledger.create(&second)).unwrap() else { panic!("there is no room on its own") };
    assert_eq!(placed.charges[0].shard, Shard { index: 2, of: 4 });
    assert_eq!(ready(ledger.find(second.request_id())).unwrap(), Some(*placed));
    assert_eq!(rooms(&ledger), [whole, 0, 0, whole]);
    let whole_counter = MemoryLedger::default();
    drop(ready(whole_counter.create(&reservation("c", HELD))).unwrap());
    assert!(whole_counter.books().shards.is_empty());
}

#[test]
fn a_hold_larger_than_its_limit_names_the_counters_that_lack_room_and_no_others() {
    let ledger = MemoryLedger::default();
    let mut large = reservation("a", HELD);
    let mut roomy = large.charges[0].clone();
    roomy.budget = "roomy".to_owned();
    large.charges[0].amounts[0].hold = u64::MAX / 4;
    large.charges.insert(0, roomy);
    let Created::NoRoom(refusing) = ready(ledger.create(&large)).unwrap() else { panic!("it fits") };
    assert_eq!(refusing.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [large.charges[1].key()]);
}

#[test]
fn shadow_counters_add_up_what_is_uncertain_and_used() {
    let (ledger, held) = (MemoryLedger::default(), reservation("a", HELD));
    let claim_id = ClaimId("mine".to_owned());
    let claim = Transition::Claim { claim_id: claim_id.clone(), request_hash: held.request_hash.clone(), lease_end: held.lease_end };
    let claimed = step(&held, &claim).next;
    let doubt = step(&claimed, &Transition::Doubt { claim_id: claim_id.clone() });
    let settle = step(&doubt.next, &Transition::Settle { claim_id, usage: usage(10, 20) });
    let shown = || {
        let figures = ready(ledger.figures(&held.charges[1..2])).unwrap()[0][&Unit::Tokens];
        [figures.committed, figures.used, figures.uncertain]
    };
    let whole = i64::try_from(HELD).unwrap();
    ready(ledger.count_shadow(&held.shadow_hold_deltas()));
    assert_eq!(shown(), [whole, 0, 0]);
    ready(ledger.count_shadow(&doubt.shadow));
    assert_eq!(shown(), [whole, 0, whole]);
    ready(ledger.count_shadow(&settle.shadow));
    assert_eq!(shown(), [30, 30, 0]);
}

#[test]
fn only_shadow_counters_are_moved_as_shadows() {
    let ledger = MemoryLedger::default();
    let held = reservation("a", HELD);
    ready(ledger.count_shadow(&held.hold_deltas()));
    assert!(ledger.books().counters.is_empty());
    ready(ledger.count_shadow(&held.shadow_hold_deltas()));
    ready(ledger.count_shadow(&held.shadow_hold_deltas()));
    assert_eq!(committed(&ledger, &held.charges[1]), i64::try_from(2 * HELD).unwrap());
    assert_eq!(committed(&ledger, &held.charges[0]), 0);
}
