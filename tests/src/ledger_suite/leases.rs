//! The leases that are past: what the sweep lives on.

use super::books::{LEASE_END, at, claim, denied, held, release, settle, tokens, unclaim};
use super::{Store, drive_all, on_both_stores};
use cost_sentry_core::reservation::Reservation;
use cost_sentry_workflow::ports::Ledger;
use jiff::{SignedDuration, Timestamp};

on_both_stores! {
    a_lease_is_past_just_after_its_end
    the_longest_past_come_first_and_no_more_than_were_asked_for
    only_open_reservations_have_leases
}

async fn past(store: &impl Store, before: Timestamp, most: usize) -> Vec<Reservation> {
    store.ledger().leases_past(before, most).await.unwrap()
}

async fn ids(store: &impl Store, before: Timestamp, most: usize) -> Vec<String> {
    past(store, before, most).await.iter().map(|reservation| reservation.request_id().to_owned()).collect()
}

async fn a_lease_is_past_just_after_its_end(store: &impl Store) {
    let reservation = held("r", vec![tokens("b", 1_000, 1)]);
    store.ledger().create(&reservation).await.unwrap();
    let (end, moment) = (at(LEASE_END), SignedDuration::from_micros(1));
    assert_eq!(past(store, end - moment, 10).await, []);
    assert_eq!(past(store, end, 10).await, []);
    assert_eq!(past(store, end + moment, 10).await, [reservation]);
}

async fn the_longest_past_come_first_and_no_more_than_were_asked_for(store: &impl Store) {
    // The ids' order is neither that of the leases nor that of the index's partitions.
    let mut expected = Vec::new();
    for n in 0..60_i64 {
        let lease_end = at(LEASE_END) + SignedDuration::from_millis((n * 37) % 60);
        let id = format!("r{n}");
        store.ledger().create(&Reservation { lease_end, ..held(&id, vec![tokens("b", 1_000, 1)]) }).await.unwrap();
        expected.push((lease_end, id));
    }
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
    let later = at("2026-11-21T00:00:00Z");
    for most in [1, 7, 59, 60, 61, 1_000] {
        assert_eq!(ids(store, later, most).await, expected[..most.min(60)], "{most}");
    }
    assert_eq!(ids(store, at(LEASE_END) + SignedDuration::from_millis(10), 1_000).await, expected[..10]);
}

async fn only_open_reservations_have_leases(store: &impl Store) {
    let later = at("2026-11-21T00:00:00Z");
    store.ledger().create(&denied("denied", vec![tokens("b", 1, 2)])).await.unwrap();
    for id in ["held", "claimed", "unclaimed", "settled", "released"] {
        store.ledger().create(&held(id, vec![tokens("b", 1_000, 1)])).await.unwrap();
    }
    let events = [
        ("claimed", vec![claim("c1")]),
        ("unclaimed", vec![claim("c1"), unclaim("c1")]),
        ("settled", vec![claim("c1"), settle("c1", 1, 1)]),
        ("released", vec![release(None)]),
    ];
    for (id, events) in events {
        drive_all(store.ledger(), id, &events).await;
    }
    assert_eq!(ids(store, later, 10).await, ["held", "claimed", "unclaimed"]);
    // A claim and an unclaim each have a later lease.
    assert_eq!(ids(store, at("2026-11-20T12:45:00Z"), 10).await, ["held"]);
    assert_eq!(ids(store, at("2026-11-20T12:50:00Z"), 10).await, ["held", "claimed"]);
}
