//! The same random histories on both stores: after every operation the same verdict, every counter and every reservation the same.
//!
//! The memory ledger is proptest's reference, so that a difference is shrunk to the shortest history that shows it. Say how many
//! histories, and from which seed: `EQUIVALENCE_HISTORIES=100000 EQUIVALENCE_SEED=7 cargo test -p cost-sentry-tests histories`.

use super::operation::{Answer, Operation, Terms, carry_out, event};
use super::rig::{Rig, with_rig};
use cost_sentry_core::reservation::{Figures, Reservation, State};
use cost_sentry_workflow::memory_ledger::{Books, MemoryLedger};
use cost_sentry_workflow::ports::{CounterFigures, Created, Written};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

/// How many in the gate.
const HISTORIES: u32 = 1_000;
/// At most so many operations in one.
const OPERATIONS: usize = 24;
/// So few ids that a history collides with itself.
const IDS: usize = 4;
/// How many workers share the histories, each with an embedded store of its own.
const WORKERS: u32 = 2;

/// What was met on the way, over all histories.
static MET: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

/// A history so far, on the memory ledger.
#[derive(Debug, Clone)]
struct History {
    terms: Terms,
    books: Books,
    /// Every reservation as it once was.
    copies: Vec<Reservation>,
    /// A counter was forgotten: sums are not its reservations' any more.
    expired: bool,
    /// The last operation, and what the memory ledger answered.
    last: Option<(Operation, Answer)>,
}

/// An operation before the history says which copy it is about.
#[derive(Debug, Clone)]
enum Drawn {
    Sure(Box<Operation>),
    Stale(Index, cost_sentry_core::reservation::Transition, bool),
}

fn sure(operation: Operation) -> Drawn {
    Drawn::Sure(Box::new(operation))
}

fn id() -> impl Strategy<Value = String> {
    (0..IDS).prop_map(|n| format!("r{n}"))
}

impl ReferenceStateMachine for History {
    type State = Self;
    type Transition = Drawn;

    fn init_state() -> BoxedStrategy<Self> {
        let start = |terms| Self { terms, books: Books::default(), copies: Vec::new(), expired: false, last: None };
        Terms::any().prop_map(start).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Drawn> {
        let create =
            (id(), state.terms.charges(), prop::bool::weighted(0.15)).prop_map(|(id, charges, deny)| Operation::Create(id, charges, deny));
        // Mostly one that is there: an absent one has only one thing to say.
        let stored: Vec<String> = state.books.reservations.keys().cloned().collect();
        let known = if stored.is_empty() { id().boxed() } else { prop_oneof![9 => prop::sample::select(stored), 1 => id()].boxed() };
        let drive = (known, event()).prop_map(|(id, event)| Operation::Drive(id, event));
        let leases = (1..6_usize).prop_map(Operation::Leases);
        let expire = state.terms.item().prop_map(Operation::Expire);
        let outdated = (any::<Index>(), event(), any::<bool>()).prop_map(|(copy, event, raw)| Drawn::Stale(copy, event, raw));
        prop_oneof![
            5 => create.prop_map(sure),
            7 => drive.prop_map(sure),
            1 => leases.prop_map(sure),
            1 => expire.prop_map(sure),
            4 => outdated,
        ]
        .boxed()
    }

    fn apply(mut state: Self, drawn: &Drawn) -> Self {
        let operation = match drawn {
            Drawn::Sure(operation) => (**operation).clone(),
            Drawn::Stale(..) if state.copies.is_empty() => Operation::Leases(1),
            Drawn::Stale(copy, event, raw) => {
                let known = copy.get(&state.copies).clone();
                if *raw { Operation::Write(known, event.clone()) } else { Operation::DriveCopy(known, event.clone()) }
            }
        };
        let memory = MemoryLedger::from(state.books);
        let answer = with_rig(|rig| rig.wait(carry_out(&memory, &operation)));
        if let Operation::Expire(item) = &operation {
            memory.expire(item);
            state.expired = true;
        }
        state.books = memory.books();
        let now = state.books.reservations.values().filter(|stored| !state.copies.contains(stored)).cloned().collect::<Vec<_>>();
        state.copies.extend(now);
        state.last = Some((operation, answer));
        state
    }
}

impl StateMachineTest for History {
    type SystemUnderTest = ();
    type Reference = Self;

    /// One table for all histories: each starts by deleting all keys that one can touch.
    fn init_test(start: &Self) {
        with_rig(|rig| rig.wait(rig.clear(&ids(), &start.terms.all_items())));
        note("history");
    }

    fn apply((): (), history: &Self, _: Drawn) {
        let (operation, expected) = history.last.as_ref().unwrap();
        let answer = with_rig(|rig| {
            rig.wait(async {
                if let Operation::Expire(item) = operation {
                    rig.expire(item).await;
                }
                carry_out(&rig.store.ledger, operation).await
            })
        });
        assert_eq!(answer, *expected, "the verdict on {operation:?}");
        met(operation, &answer);
    }

    fn check_invariants((): &(), history: &Self) {
        let items = history.terms.all_items();
        let stored = with_rig(|rig| rig.wait(rig.everything(&ids(), &items)));
        assert_eq!(stored, history.books, "what is stored");
        if !history.expired {
            assert_eq!(exact(&history.books.counters), exact(&history.books.recount()), "counters and the sums over their reservations");
        }
    }
}

/// Counters that are not shadows, without those that show nothing.
fn exact(counters: &BTreeMap<cost_sentry_core::budget::CounterKey, CounterFigures>) -> Vec<(String, CounterFigures)> {
    let exact = counters.iter().filter(|(key, _)| key.as_str().starts_with("C#"));
    let shown = exact.map(|(key, figures)| {
        let moved = figures.iter().filter(|(_, figures)| **figures != Figures::default());
        (key.as_str().to_owned(), moved.map(|(unit, figures)| (*unit, *figures)).collect::<CounterFigures>())
    });
    shown.filter(|(_, figures)| !figures.is_empty()).collect()
}

fn ids() -> Vec<String> {
    (0..IDS).map(|n| format!("r{n}")).collect()
}

fn note(what: &str) {
    *MET.lock().unwrap().entry(what.to_owned()).or_default() += 1;
}

fn met(operation: &Operation, answer: &Answer) {
    note("operation");
    note(operation.word());
    match answer {
        Answer::Created(Created::NoRoom(_)) => note("no room"),
        Answer::Created(Created::Exists(_)) => note("exists"),
        Answer::Created(Created::OnOtherShards(_)) => note("on other shards"),
        Answer::Driven(driven) => note(&super::word(driven)),
        Answer::Written(Written::Changed(Some(_))) => note("changed"),
        Answer::Past(past) if past.len() > 1 => note("several past"),
        _ => {}
    }
}

/// A number from the environment.
fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}: expected a number, not {text:?}")))
}

/// So many histories, the same ones for the same seed.
fn run(histories: u32, seed: u32) {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig { cases: histories, failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config.clone(), rng);
    let tried = runner.run(&History::sequential_strategy(1..=OPERATIONS), |(start, operations, seen)| {
        History::test_sequential(config.clone(), start, operations, seen);
        Ok(())
    });
    match tried {
        Ok(()) => {}
        Err(TestError::Fail(reason, (start, operations, _))) => {
            panic!("seed {seed}: {reason}\nthe shortest history found, under {:#?}: {operations:#?}", start.terms)
        }
        Err(abort) => panic!("seed {seed}: {abort}"),
    }
}

#[test]
fn both_stores_give_the_same_verdicts_and_keep_the_same_books_over_random_histories() {
    let (histories, seed, began) = (number("EQUIVALENCE_HISTORIES", HISTORIES), number("EQUIVALENCE_SEED", 1), Instant::now());
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let share = histories / WORKERS + u32::from(worker < histories % WORKERS);
            scope.spawn(move || {
                Rig::start();
                run(share, seed.wrapping_mul(WORKERS).wrapping_add(worker));
            });
        }
    });
    let met = MET.lock().unwrap();
    let of = |what: &str| met.get(what).copied().unwrap_or(0);
    let (done, operations, seconds) = (of("history"), of("operation"), began.elapsed().as_secs());
    let _ = writeln!(std::io::stderr(), "equivalence: {done} histories, {operations} operations, 0 differences, {seconds} s: {met:?}");
    assert_eq!(done, u64::from(histories));
    // The histories reach what they are for.
    let states = [State::Held, State::Claimed, State::Settled, State::Uncertain, State::Released].map(|state| format!("{state:?}"));
    let refusals = [
        "ClaimedElsewhere",
        "LeaseLost",
        "OtherRequest",
        "NotDue",
        "Absent",
        "no room",
        "exists",
        "on other shards",
        "changed",
        "several past",
    ];
    let wanted = states.iter().map(String::as_str).chain(refusals).chain(Operation::WORDS);
    let rare: Vec<&str> = wanted.filter(|what| of(what) < 10.min(done / 50)).collect();
    assert!(rare.is_empty(), "hardly ever met: {rare:?} in {met:?}");
}
