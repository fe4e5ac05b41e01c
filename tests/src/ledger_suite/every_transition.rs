//! Every event on every state, by the claim that holds it, another or none, for the right request or another, with the lease past or
//! not, decided on what is stored or on a copy that is out of date, driven or written: the same on both stores, and the same when it
//! comes again.

use super::Embedded;
use super::books::{HASH, amount, at, charge, claim, denied, doubt, held, release, settle, spread, sweep, tokens, unclaim};
use super::operation::{Operation, carry_out};
use super::rig::{Rig, with_rig};
use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::reservation::{Charge, Reservation, State, Transition};
use cost_sentry_workflow::ledger::drive_stored;
use cost_sentry_workflow::memory_ledger::{Books, MemoryLedger};
use cost_sentry_workflow::ports::{Created, Ledger};
use jiff::SignedDuration;
use std::io::Write;

const MINE: &str = "c1";
const OTHERS: &str = "c2";

/// The ways to each state, by its owner's events. Some come twice, since what happened before may matter.
fn ways() -> [(&'static str, State, Vec<Transition>); 10] {
    [
        ("held", State::Held, vec![]),
        ("held again", State::Held, vec![claim(MINE), unclaim(MINE)]),
        ("denied", State::Denied, vec![]),
        ("claimed", State::Claimed, vec![claim(MINE)]),
        ("settled", State::Settled, vec![claim(MINE), settle(MINE, 100, 20)]),
        ("settled late", State::Settled, vec![claim(MINE), doubt(MINE), settle(MINE, 100, 20)]),
        ("uncertain", State::Uncertain, vec![claim(MINE), doubt(MINE)]),
        ("swept", State::Uncertain, vec![claim(MINE), sweep()]),
        ("released", State::Released, vec![release(None)]),
        ("released late", State::Released, vec![claim(MINE), release(Some(MINE))]),
    ]
}

/// Every event with everything that it can carry.
fn events() -> Vec<Transition> {
    let other_hash = |event| match event {
        Transition::Claim { claim_id, lease_end, .. } => Transition::Claim { claim_id, lease_end, request_hash: HASH.replace('0', "f") },
        event => event,
    };
    let of =
        |whose: &str| [claim(whose), other_hash(claim(whose)), unclaim(whose), settle(whose, 100, 20), doubt(whose), release(Some(whose))];
    let not_past = Transition::Sweep { now: at("2026-11-20T12:31:00Z"), skew: SignedDuration::from_secs(60) };
    of(MINE).into_iter().chain(of(OTHERS)).chain([release(None), sweep(), not_past]).collect()
}

/// The hold of a case, on counters of its own.
fn charges(case: &str) -> Vec<Charge> {
    let pair = [amount(Unit::Usd, 100_000, 2_600), amount(Unit::Requests, 10, 1)];
    vec![tokens(&format!("{case}-tokens"), 1_000, 600), charge(&format!("{case}-pair"), &pair)]
}

/// Brings a reservation to its state; every copy of it on the way, the first one first.
async fn prepare(ledger: &impl Ledger, first: &Reservation, events: &[Transition]) -> Vec<Reservation> {
    let first = match ledger.create(first).await.unwrap() {
        Created::Created => first.clone(),
        Created::OnOtherShards(placed) => *placed,
        other => panic!("{other:?}"),
    };
    let mut copies = vec![first.clone()];
    for event in events {
        drop(drive_stored(ledger, first.request_id(), event).await.unwrap());
        copies.extend(ledger.find(first.request_id()).await.unwrap());
    }
    copies
}

/// The books of one case.
fn of_case(books: &Books, id: &str, items: &[CounterKey]) -> Books {
    let reservations = books.reservations.get(id).map(|stored| (id.to_owned(), stored.clone())).into_iter().collect();
    let counters = items.iter().filter_map(|key| Some((key.clone(), books.counters.get(key)?.clone()))).collect();
    let shards = items.iter().filter_map(|key| Some((key.clone(), books.shards.get(key)?.clone()))).collect();
    Books { reservations, counters, shards }
}

/// One case on both stores, twice; how many operations were compared.
async fn compare(memory: &MemoryLedger, rig: &Embedded, all: &Rig, case: &Case<'_>) -> u64 {
    let charges = charges(&case.id);
    let items: Vec<CounterKey> = charges.iter().flat_map(Charge::counter_keys).collect();
    let first = if case.state == State::Denied { denied(&case.id, charges.clone()) } else { held(&case.id, charges.clone()) };
    let known = if case.stored {
        let copies = prepare(memory, &first, case.way).await;
        assert_eq!(prepare(&rig.ledger, &first, case.way).await, copies, "{}", case.id);
        assert_eq!(copies.last().unwrap().state, case.state, "{}", case.id);
        if case.stale { copies[0].clone() } else { copies.last().unwrap().clone() }
    } else {
        first
    };
    let operation = if case.driven { Operation::DriveCopy(known, case.event.clone()) } else { Operation::Write(known, case.event.clone()) };
    let mut before = None;
    for round in ["first", "again"] {
        let told = format!("{}, {round}: {:?}, stale {}, driven {}", case.id, case.event, case.stale, case.driven);
        assert_eq!(carry_out(memory, &operation).await, carry_out(&rig.ledger, &operation).await, "{told}");
        let books = of_case(&memory.books(), &case.id, &items);
        assert_eq!(all.everything(std::slice::from_ref(&case.id), &items).await, books, "{told}");
        let settled = before.replace(books.clone());
        assert!(settled.is_none_or(|before| before == books), "{told}: a repeat moved something");
    }
    2
}

struct Case<'a> {
    id: String,
    state: State,
    way: &'a [Transition],
    event: &'a Transition,
    stored: bool,
    stale: bool,
    driven: bool,
}

#[test]
fn every_event_on_every_state_is_the_same_on_both_stores_and_moves_nothing_when_it_comes_again() {
    Rig::start();
    let (memory, mut compared) = (MemoryLedger::default(), 0);
    for (shards, (name, state, way)) in [1, 4].into_iter().flat_map(|shards| ways().map(|way| (shards, way))) {
        spread(shards);
        for (n, event) in events().iter().enumerate() {
            // An absent reservation is one that was never stored; a stale copy is another than the stored one.
            for (stored, stale) in [(true, false), (true, true), (false, false)] {
                if (stale && way.is_empty()) || (!stored && name != "held") {
                    continue;
                }
                for driven in [true, false] {
                    let id = format!("{shards}-{}-{n}-{stored}-{stale}-{driven}", name.replace(' ', "-"));
                    let case = Case { id, state, way: &way, event, stored, stale, driven };
                    compared += with_rig(|rig| rig.wait(compare(&memory, &rig.store, rig, &case)));
                }
            }
        }
    }
    let _ = writeln!(std::io::stderr(), "equivalence: {compared} single operations of every kind, 0 differences");
    assert!(compared > 2_000, "{compared}");
}
