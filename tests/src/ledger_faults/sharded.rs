//! What becomes of a counter of four shards when any one of the requests goes wrong that a hold or a settlement takes to make room on it.

use super::matrix::Patient;
use super::wire::Mishap::{self, Cancelled, Late, Lost, Pass, Reset};
use super::wire::Place::{First, Last};
use super::wire::{Wire, error, internal};
use super::{created, outcome};
use crate::ledger_suite::books::{claim, held, settle, shadow, spread, tokens};
use crate::ledger_suite::shards::are_exact;
use crate::ledger_suite::{Embedded, drive_all, figures, word};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::{DynamoDbLedger, counter_item};
use cost_sentry_core::reservation::{Charge, Reservation, State};
use cost_sentry_core::shard::Shard;
use cost_sentry_workflow::ledger::drive;
use cost_sentry_workflow::ports::{Created, Ledger, LedgerError};
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use tokio::task::JoinSet;

const SHARDS: u8 = 4;
/// How many cases run at a time; most of their time is waiting between tries.
const AT_A_TIME: usize = 24;

/// A request, as far as it matters to what can go wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Transaction,
    Read,
}

use Kind::{Read, Transaction};

#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    /// What others held before on the shard that this one tries, of 100, and what they used.
    before: &'static [(u64, Option<u64>)],
    limit: u64,
    hold: u64,
    /// What it used, where a settlement is what is tried.
    used: Option<u64>,
    requests: &'static [Kind],
}

/// The write that finds no room, a look at all shards, what makes room, and the write again.
const MAKES_ROOM: &[Kind] = &[Transaction, Read, Transaction, Transaction];

const ROWS: [Row; 7] = [
    Row { name: "the first hold of a window", before: &[], limit: 100, hold: 10, used: None, requests: MAKES_ROOM },
    Row {
        name: "a hold on another shard",
        before: &[(25, None)],
        limit: 100,
        hold: 10,
        used: None,
        requests: &[Transaction, Read, Transaction],
    },
    Row { name: "a hold that room is shifted for", before: &[(10, None)], limit: 100, hold: 40, used: None, requests: MAKES_ROOM },
    Row { name: "a hold under another limit", before: &[(10, None)], limit: 200, hold: 10, used: None, requests: MAKES_ROOM },
    Row { name: "usage above the hold", before: &[], limit: 100, hold: 25, used: Some(60), requests: MAKES_ROOM },
    Row { name: "usage above the limit", before: &[(10, None)], limit: 100, hold: 15, used: Some(200), requests: MAKES_ROOM },
    Row { name: "a hold after too much was used", before: &[(25, Some(150))], limit: 500, hold: 10, used: None, requests: MAKES_ROOM },
];

/// What goes wrong, once or for good, and what comes of it where it never ends.
#[derive(Clone)]
struct Trouble {
    name: &'static str,
    next: Vec<Mishap>,
    then: Option<(Mishap, &'static str)>,
}

fn troubles(kind: Kind) -> Vec<Trouble> {
    let passing = |name, next| Trouble { name, next, then: None };
    let lasting = |name, then, outcome| Trouble { name, next: vec![], then: Some((then, outcome)) };
    let mut troubles = vec![
        passing("nothing", vec![]),
        passing("internal errors", vec![internal(), internal()]),
        passing("resets", vec![Reset, Reset]),
        passing("lost answers", vec![Lost, Lost]),
        passing("a late success", vec![Late]),
        passing("late successes", vec![Late, Late]),
        lasting("endless internal errors", internal(), "Unavailable"),
        lasting("endless resets", Reset, "Unavailable"),
        lasting("no answer ever", Lost, "Unavailable"),
        lasting("every success late", Late, "Unavailable"),
        lasting("access denied", error("AccessDeniedException"), "Unavailable"),
        lasting("endless throttling", error("ThrottlingException"), "Contended"),
    ];
    for code in ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"] {
        troubles.push(passing(code, vec![error(code); 2]));
    }
    if kind == Transaction {
        for reason in ["TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"] {
            for place in [First, Last] {
                troubles.push(passing(reason, vec![Cancelled(reason, place); 3]));
            }
            troubles.push(lasting(reason, Cancelled(reason, Last), "Contended"));
        }
        troubles.push(passing("lost, then a conflict", vec![Lost, Cancelled("TransactionConflict", Last)]));
        troubles.push(passing("late, then in progress", vec![Late, error("TransactionInProgressException")]));
        troubles.push(passing("in progress for longer", vec![error("TransactionInProgressException"); 4]));
        for mishap in [Cancelled("ValidationError", Last), error("AccessDeniedException"), error("ValidationException")] {
            troubles.push(Trouble { name: "refused for good, once", next: vec![mishap], then: Some((Pass, "Unavailable")) });
        }
        troubles.push(lasting("invalid", Cancelled("ValidationError", Last), "Unavailable"));
    }
    troubles
}

/// What the books hold of a counter, which must be the sum over its reservations, and cut into exact parts.
async fn books(store: &Embedded, charge: &Charge, ids: &[String]) -> (Option<(State, u64)>, [i64; 3]) {
    let (mut sum, mut mine) = ([0; 3], None);
    for id in ids {
        let stored = store.ledger.find(id).await.unwrap();
        for (_, _, share) in stored.iter().flat_map(Reservation::shares) {
            sum = [sum[0] + share.committed, sum[1] + share.used, sum[2] + share.uncertain];
        }
        mine = stored.map(|stored| (stored.state, stored.version));
    }
    let shown = figures(&store.ledger.figures(std::slice::from_ref(charge)).await.unwrap()[0]);
    let case = &charge.budget;
    assert_eq!(shown.first().copied().unwrap_or_default(), sum, "{case}: the counter is not the sum of its reservations");
    let keys = charge.counter_keys().into_iter().map(|key| HashMap::from([("pk".to_owned(), AttributeValue::S(key.as_str().to_owned()))]));
    let wanted = KeysAndAttributes::builder().set_keys(Some(keys.collect())).consistent_read(true).build().unwrap();
    let found = store.stack.clients.dynamodb().batch_get_item().request_items(TABLE, wanted).send().await.unwrap();
    let items: Vec<_> = found.responses.unwrap_or_default().into_values().flatten().map(|item| counter_item(&item)).collect();
    assert!(are_exact(&items.iter().collect::<Vec<_>>(), SHARDS), "{case}: {items:?}");
    (mine, sum)
}

async fn act(ledger: &impl Ledger, reservation: &Reservation, row: Row) -> Result<String, LedgerError> {
    match row.used {
        None => ledger.create(reservation).await.map(created),
        Some(used) => drive(ledger, reservation.clone(), &settle("c1", used, 0)).await.map(|driven| word(&driven)),
    }
}

async fn check(store: Arc<Embedded>, row: Row, at: usize, (number, trouble): (usize, Trouble)) {
    let case = format!("{}, {} at {at} ({number})", row.name, trouble.name);
    let charge = |limit, hold| Charge { shard: Shard::of_request(&case, SHARDS), ..tokens(&case, limit, hold) };
    let on_own_shard = |id: &str, charge: Charge| Reservation { charges: vec![charge], ..held(id, vec![]) };
    let mut ids = Vec::new();
    for (hold, used) in row.before {
        let id = format!("{case}, before");
        let stored = store.ledger.create(&on_own_shard(&id, charge(100, *hold))).await.unwrap();
        assert_eq!(stored, Created::Created, "{case}");
        if let Some(used) = used {
            drive_all(&store.ledger, &id, &[claim("c0"), settle("c0", *used, 0)]).await;
        }
        ids.push(id);
    }
    ids.push(case.clone());
    let charge = charge(row.limit, row.hold);
    let mut known = on_own_shard(&case, charge.clone());
    if row.used.is_some() {
        store.ledger.create(&known).await.unwrap();
        drive_all(&store.ledger, &case, &[claim("c1")]).await;
        known = store.ledger.find(&case).await.unwrap().unwrap();
    }
    let untouched = books(&store, &charge, &ids).await;
    let (wire, client) = Wire::lay_patiently(&store);
    let next = [vec![Pass; at], trouble.next.clone()].concat();
    wire.script(next, trouble.then.clone().map(|(then, _)| then));
    let found = act(&Patient(DynamoDbLedger::new(client, TABLE)), &known, row).await;
    if trouble.name == "nothing" {
        assert_eq!(wire.requests(), row.requests.len(), "{case}");
    }
    let done = |found: &str| ["Created", "Exists Held", "Settled"].contains(&found);
    let found = outcome(found, |found| found);
    wire.deliver_late().await;
    let moved = books(&store, &charge, &ids).await;
    match trouble.then {
        None => assert!(done(&found), "{case}: {found}"),
        // It has moved, or has not: the answer does not say.
        Some((_, expected)) => assert_eq!(found, expected, "{case}"),
    }
    let again = act(&store.ledger, &known, row).await.unwrap();
    assert!(done(&again), "{case}, repeated: {again}");
    let end = books(&store, &charge, &ids).await;
    assert!(moved == end || moved == untouched, "{case}: {untouched:?} became {moved:?}, and then {end:?}");
    let (state, version) = if row.used.is_some() { (State::Settled, 3) } else { (State::Held, 1) };
    assert_eq!(end.0, Some((state, version)), "{case}");
    let before: u64 = row.before.iter().map(|(hold, used)| used.unwrap_or(*hold)).sum();
    assert_eq!(end.1[0], (before + row.used.unwrap_or(row.hold)).cast_signed(), "{case}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_made_once_and_exactly_whatever_goes_wrong_with_any_request_on_the_way() {
    let store = Arc::new(Embedded::start().await);
    let (mut running, mut count) = (JoinSet::new(), 0);
    for row in ROWS {
        for (at, kind) in row.requests.iter().enumerate() {
            for trouble in troubles(*kind).into_iter().enumerate() {
                if running.len() == AT_A_TIME {
                    running.join_next().await.unwrap().unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()));
                }
                running.spawn(check(Arc::clone(&store), row, at, trouble));
                count += 1;
            }
        }
    }
    running.join_all().await;
    println!("{count} cases");
}

#[tokio::test]
async fn a_sharded_counter_is_read_once_and_consistently_again_only_where_it_would_refuse() {
    spread(SHARDS);
    let store = Embedded::start().await;
    store.ledger.create(&held("r", vec![tokens("b", 100, 20)])).await.unwrap();
    let (wire, client) = Wire::lay_patiently(&store);
    let ledger = DynamoDbLedger::new(client, TABLE);
    for (charge, reads) in [(tokens("b", 100, 80), 1), (tokens("b", 100, 81), 2), (shadow(tokens("b", 100, 81)), 1)] {
        wire.script([], None);
        ledger.figures(std::slice::from_ref(&charge)).await.unwrap();
        assert_eq!(wire.requests(), reads, "{charge:?}");
    }
}
