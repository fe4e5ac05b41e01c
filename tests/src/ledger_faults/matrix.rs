//! Every transition under every fault of a DynamoDB client: what the ledger answers, what is stored then, and that whoever repeats it
//! finds it done or does it, once.

use super::wire::Mishap::{self, Cancelled, CancelledTwice, Late, Lost, Reset};
use super::wire::Place::{First, Last};
use super::wire::{Wire, error, internal};
use super::{charges, created, outcome};
use crate::ledger_suite::books::{claim, denied, doubt, held, release, settle, sweep, unclaim};
use crate::ledger_suite::{Embedded, figures, word};
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_core::reservation::{Charge, CounterDelta, Reservation, State, Step, Transition};
use cost_sentry_workflow::ledger::drive;
use cost_sentry_workflow::ports::{CounterFigures, Created, Ledger, LedgerError, Written};
use jiff::Timestamp;
use std::error::Error;
use std::panic::resume_unwind;
use std::sync::Arc;
use tokio::task::JoinSet;

/// How many cases run at a time; most of their time is waiting between tries.
const AT_A_TIME: usize = 24;

/// A transition, and what happened before it.
type Row = (&'static str, Vec<Transition>, Act, State);

#[derive(Clone)]
enum Act {
    Hold,
    Deny,
    Drive(Transition),
}

fn rows() -> Vec<Row> {
    let claimed = || vec![claim("c1")];
    let uncertain = || vec![claim("c1"), doubt("c1")];
    vec![
        ("hold", vec![], Act::Hold, State::Held),
        ("deny", vec![], Act::Deny, State::Denied),
        ("claim", vec![], Act::Drive(claim("c1")), State::Claimed),
        ("unclaim", claimed(), Act::Drive(unclaim("c1")), State::Held),
        ("settle", claimed(), Act::Drive(settle("c1", 100, 20)), State::Settled),
        ("settle from doubt", uncertain(), Act::Drive(settle("c1", 100, 20)), State::Settled),
        ("doubt", claimed(), Act::Drive(doubt("c1")), State::Uncertain),
        ("release", claimed(), Act::Drive(release(Some("c1"))), State::Released),
        ("release from doubt", uncertain(), Act::Drive(release(Some("c1"))), State::Released),
        ("release of what is held", vec![], Act::Drive(release(None)), State::Released),
        ("sweep of what is held", vec![], Act::Drive(sweep()), State::Released),
        ("sweep of what is claimed", claimed(), Act::Drive(sweep()), State::Uncertain),
    ]
}

/// What a fault comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Nobody notices.
    Mended,
    /// This error, and nothing moved.
    NotMoved(&'static str),
    /// This error, and it has moved, or will when what is late arrives.
    Moved(&'static str),
    /// `Unavailable` at once, with this code for the log, and nothing moved.
    ForGood(&'static str),
}

use Expected::{ForGood, Mended, Moved, NotMoved};

/// A fault: what happens to the next requests, and to all others.
type Fault = (&'static str, Vec<Mishap>, Option<Mishap>, Expected);

fn faults() -> Vec<Fault> {
    let mut faults: Vec<Fault> = vec![
        ("nothing", vec![], None, Mended),
        ("internal error", vec![internal(), internal()], None, Mended),
        ("endless internal errors", vec![], Some(internal()), NotMoved("Unavailable")),
        ("reset before the write", vec![Reset, Reset], None, Mended),
        ("endless resets", vec![], Some(Reset), NotMoved("Unavailable")),
        ("lost answer", vec![Lost], None, Mended),
        ("lost answers", vec![Lost, Lost], None, Mended),
        ("no answer ever arrives", vec![], Some(Lost), Moved("Unavailable")),
        ("late success after a retry", vec![Late], None, Mended),
        ("late successes after a retry", vec![Late, Late], None, Mended),
        ("every success is late", vec![], Some(Late), Moved("Unavailable")),
        ("lost answer, then a conflict", vec![Lost, Cancelled("TransactionConflict", Last)], None, Mended),
        ("late, then a conflict", vec![Late, Cancelled("TransactionConflict", First)], None, Mended),
        ("lost answer, then in progress", vec![Lost, error("TransactionInProgressException")], None, Mended),
        ("in progress for longer", vec![error("TransactionInProgressException"); 4], None, Mended),
        ("access denied", vec![error("AccessDeniedException")], None, ForGood("AccessDeniedException")),
        ("no such table", vec![error("ResourceNotFoundException")], None, ForGood("ResourceNotFoundException")),
        ("invalid item", vec![Cancelled("ValidationError", First)], None, ForGood("Validation")),
        ("invalid counter", vec![Cancelled("ValidationError", Last)], None, ForGood("Validation")),
        ("too large", vec![Cancelled("ItemCollectionSizeLimitExceeded", Last)], None, ForGood("ItemCollectionSizeLimitExceeded")),
        ("invalid beside a conflict", vec![CancelledTwice("TransactionConflict", "ValidationError")], None, ForGood("Validation")),
        ("a conflict beside what is throttled", vec![CancelledTwice("TransactionConflict", "ThrottlingError"); 3], None, Mended),
    ];
    for reason in ["TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"] {
        for place in [First, Last] {
            faults.push((reason, vec![Cancelled(reason, place); 3], None, Mended));
            faults.push((reason, vec![], Some(Cancelled(reason, place)), NotMoved("Contended")));
        }
    }
    for code in ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"] {
        faults.push((code, vec![error(code); 4], None, Mended));
        faults.push((code, vec![], Some(error(code)), NotMoved("Contended")));
    }
    faults
}

/// What the books hold: the reservation's state, its version, and each counter's figures.
async fn books(store: &Embedded, case: &str) -> (Option<(State, u64)>, Vec<Vec<[i64; 3]>>) {
    let stored = store.ledger.find(case).await.unwrap();
    let shown = store.ledger.figures(&charges(case)).await.unwrap();
    let shown: Vec<Vec<[i64; 3]>> = shown.iter().map(figures).collect();
    let shares = stored.iter().flat_map(Reservation::shares).map(|(_, _, share)| vec![[share.committed, share.used, share.uncertain]]);
    let without_nothing =
        |all: Vec<Vec<[i64; 3]>>| all.into_iter().filter(|each| each.iter().any(|each| *each != [0; 3])).collect::<Vec<_>>();
    assert_eq!(without_nothing(shown.clone()), without_nothing(shares.collect()), "{case}: the counters are not the reservation's shares");
    (stored.map(|stored| (stored.state, stored.version)), without_nothing(shown))
}

async fn act(ledger: &impl Ledger, case: &str, act: &Act, known: Option<&Reservation>) -> Result<String, LedgerError> {
    match act {
        Act::Hold => ledger.create(&held(case, charges(case))).await.map(created),
        Act::Deny => ledger.create(&denied(case, charges(case))).await.map(created),
        Act::Drive(event) => drive(ledger, known.unwrap().clone(), event).await.map(|driven| word(&driven)),
    }
}

/// A ledger without a time for its transitions, which has tests of its own.
pub struct Patient(pub DynamoDbLedger);

impl Ledger for Patient {
    async fn figures(&self, charges: &[Charge]) -> Result<Vec<CounterFigures>, LedgerError> {
        self.0.figures(charges).await
    }

    async fn create(&self, reservation: &Reservation) -> Result<Created, LedgerError> {
        self.0.create(reservation).await
    }

    async fn find(&self, request_id: &str) -> Result<Option<Reservation>, LedgerError> {
        self.0.find(request_id).await
    }

    async fn write(&self, version: u64, step: &Step) -> Result<Written, LedgerError> {
        self.0.write(version, step).await
    }

    async fn leases_past(&self, before: Timestamp, most: usize) -> Result<Vec<Reservation>, LedgerError> {
        self.0.leases_past(before, most).await
    }

    async fn count_shadow(&self, deltas: &[CounterDelta]) {
        self.0.count_shadow(deltas).await;
    }
}

/// Everything that an error says to the log.
fn causes(error: &LedgerError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause:?}");
        next = cause.source();
    }
    text
}

async fn check(store: Arc<Embedded>, row: Row, number: usize, fault: Fault) {
    let ((name, before, action, state), (trouble, next, then, expected)) = (row, fault);
    let case = format!("{name}, {trouble} ({number})");
    if !matches!(action, Act::Hold | Act::Deny) {
        store.ledger.create(&held(&case, charges(&case))).await.unwrap();
    }
    for event in &before {
        let known = store.ledger.find(&case).await.unwrap().unwrap();
        let _ = drive(&store.ledger, known, event).await.unwrap();
    }
    let known = store.ledger.find(&case).await.unwrap();
    let (untouched, (wire, client)) = (books(&store, &case).await, Wire::lay_patiently(&store));
    wire.script(next, then);
    let found = act(&Patient(DynamoDbLedger::new(client, TABLE)), &case, &action, known.as_ref()).await;
    let requests = wire.requests();
    if let (ForGood(code), Err(error)) = (expected, &found) {
        assert!(causes(error).contains(code), "{case}: {}", causes(error));
        assert_eq!(requests, 1, "{case}");
    }
    // A sweep that finds its own work done has nothing left to end.
    let swept = matches!(action, Act::Drive(Transition::Sweep { .. }));
    let done = |found: &str| {
        found == format!("{state:?}") || found == "Created" || found == format!("Exists {state:?}") || swept && found == "NotDue"
    };
    let found = outcome(found, |found| found);
    wire.deliver_late().await;
    let moved = books(&store, &case).await;
    match expected {
        Mended => assert!(done(&found), "{case}: {found}"),
        NotMoved(error) => assert_eq!((found.as_str(), &moved), (error, &untouched), "{case}"),
        Moved(error) => assert_eq!(found, error, "{case}"),
        ForGood(_) => assert_eq!((found.as_str(), &moved), ("Unavailable", &untouched), "{case}"),
    }
    // Whoever repeats it, from what it knew before, finds it done or does it: once.
    let again = act(&store.ledger, &case, &action, known.as_ref()).await.unwrap();
    assert!(done(&again), "{case}, repeated: {again}");
    let end = books(&store, &case).await;
    let version = known.map_or(1, |known| known.version + 1);
    assert_eq!(end.0, Some((state, version)), "{case}");
    if matches!(expected, Mended | Moved(_)) {
        assert_eq!(moved, end, "{case}: the repeat moved something");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transition_outlasts_every_fault_or_says_so_and_counts_once() {
    let store = Arc::new(Embedded::start().await);
    let mut running = JoinSet::new();
    for row in rows() {
        for (number, fault) in faults().into_iter().enumerate() {
            if running.len() == AT_A_TIME {
                running.join_next().await.unwrap().unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()));
            }
            running.spawn(check(Arc::clone(&store), row.clone(), number, fault));
        }
    }
    running.join_all().await;
    println!("{} transitions x {} faults", rows().len(), faults().len());
}
