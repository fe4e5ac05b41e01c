//! What the DynamoDB ledger makes of trouble: conflicts and throttling are tried again and are never a refusal, a lost answer moves
//! nothing twice, and what cannot be mended is an error.

mod in_time;
mod leases;
mod matrix;
mod sharded;
mod wire;

use crate::ledger_suite::books::{at, claim, held, release, settle, tokens};
use crate::ledger_suite::{Embedded, Store, figures, word};
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_aws::policy_store::DynamoDbPolicyStore;
use cost_sentry_core::reservation::{Charge, Reservation, State, Transition};
use cost_sentry_workflow::ledger::{Driven, drive};
use cost_sentry_workflow::ports::{Created, Ledger, LedgerError, PolicyStore};
use serde_json::{Value, json};
use wire::Mishap::{self, Answer, Lost, Pass};
use wire::{Wire, cancelled, cancelled_with, error, internal};

/// A ledger over a wire, and one of a clear view of the same table.
struct Bench {
    store: Embedded,
    wire: Wire,
    ledger: DynamoDbLedger,
}

impl Bench {
    async fn new() -> Self {
        let store = Embedded::start().await;
        let (wire, client) = Wire::lay(&store);
        Self { wire, ledger: DynamoDbLedger::new(client, TABLE), store }
    }

    /// What the counters show in truth.
    async fn shown(&self, charges: &[Charge]) -> Vec<Vec<[i64; 3]>> {
        self.store.ledger.figures(charges).await.unwrap().iter().map(figures).collect()
    }
}

/// Two charges of 600 tokens.
fn charges(case: &str) -> Vec<Charge> {
    ["a", "b"].map(|budget| tokens(&format!("{case}-{budget}"), 1_000, 600)).to_vec()
}

fn outcome<T>(result: Result<T, LedgerError>, word: impl FnOnce(T) -> String) -> String {
    match result {
        Ok(done) => word(done),
        Err(LedgerError::Contended) => "Contended".to_owned(),
        Err(LedgerError::Unavailable(_)) => "Unavailable".to_owned(),
        Err(LedgerError::Unreadable(what)) => what,
    }
}

fn created(created: Created) -> String {
    match created {
        Created::Created | Created::OnOtherShards(_) => "Created".to_owned(),
        Created::Exists(stored) => format!("Exists {:?}", stored.state),
        Created::NoRoom(counters) => format!("NoRoom {}", counters.len()),
    }
}

/// The stored form of a reservation, or of a counter, as an answer's JSON has it.
async fn item(bench: &Bench, key: &str) -> Value {
    let key = aws_sdk_dynamodb::types::AttributeValue::S(key.to_owned());
    let output = bench.store.stack.clients.dynamodb().get_item().table_name(TABLE).key("pk", key).send().await.unwrap();
    json_of(&aws_sdk_dynamodb::types::AttributeValue::M(output.item.unwrap()))["M"].clone()
}

fn json_of(value: &aws_sdk_dynamodb::types::AttributeValue) -> Value {
    use aws_sdk_dynamodb::types::AttributeValue::{L, M, N, S};
    match value {
        S(text) => json!({ "S": text }),
        N(digits) => json!({ "N": digits }),
        L(values) => json!({ "L": values.iter().map(json_of).collect::<Vec<_>>() }),
        M(fields) => json!({ "M": fields.iter().map(|(name, field)| (name.clone(), json_of(field))).collect::<serde_json::Map<_, _>>() }),
        other => panic!("not stored: {other:?}"),
    }
}

/// A name, what happens to the next requests and then to all others, what comes of it after how many requests, and what the truth is.
type Case<T> = (&'static str, Vec<Mishap>, Option<Mishap>, &'static str, usize, T);

const CONFLICT: [&str; 3] = ["None", "TransactionConflict", "None"];
const NOTHING: [[i64; 3]; 0] = [];
const ONCE: [[i64; 3]; 1] = [[600, 0, 0]];

#[tokio::test]
async fn a_hold_outlasts_trouble_and_counts_once() {
    let bench = Bench::new().await;
    let throttled = |code| cancelled(&["None", "None", code]);
    let in_progress = || error("TransactionInProgressException");
    let full = "ConditionalCheckFailed";
    let cases: [Case<bool>; 17] = [
        ("nothing", vec![], None, "Created", 1, true),
        ("conflicts", vec![cancelled(&CONFLICT); 3], None, "Created", 4, true),
        ("conflict on the reservation", vec![cancelled(&["TransactionConflict", "None", "None"])], None, "Created", 2, true),
        ("throttled", vec![throttled("ThrottlingError"), throttled("ProvisionedThroughputExceeded")], None, "Created", 3, true),
        ("in progress", vec![in_progress()], None, "Created", 2, true),
        ("in progress for longer", vec![in_progress(); 4], None, "Created", 5, true),
        ("conflict beside a full budget", vec![cancelled(&["None", full, "TransactionConflict"])], None, "Created", 2, true),
        ("throttled beside a full budget", vec![cancelled(&["ThrottlingError", full, full])], None, "Created", 2, true),
        ("full", vec![cancelled(&["None", full, "None"])], None, "NoRoom 1", 1, false),
        ("two full", vec![cancelled(&["None", full, full])], None, "NoRoom 2", 1, false),
        ("server error", vec![internal(), internal()], None, "Created", 3, true),
        ("lost answer", vec![Lost], None, "Created", 2, true),
        ("lost answer, then in progress", vec![Lost, in_progress()], None, "Created", 3, true),
        ("endless conflict", vec![], Some(cancelled(&CONFLICT)), "Contended", 8, false),
        ("endless throttling", vec![], Some(error("ThrottlingException")), "Contended", 9, false),
        ("endless server errors", vec![], Some(internal()), "Unavailable", 3, false),
        ("access denied", vec![error("AccessDeniedException")], None, "Unavailable", 1, false),
    ];
    for (case, next, then, expected, requests, moved) in cases {
        let charges = charges(case);
        bench.wire.script(next, then);
        let found = outcome(bench.ledger.create(&held(case, charges.clone())).await, created);
        assert_eq!((found.as_str(), bench.wire.requests()), (expected, requests), "{case}");
        let expected = if moved { ONCE.to_vec() } else { NOTHING.to_vec() };
        assert_eq!(bench.shown(&charges).await, vec![expected; 2], "{case}");
        assert_eq!(bench.store.ledger.find(case).await.unwrap().is_some(), moved, "{case}");
    }
}

#[tokio::test]
async fn a_hold_whose_every_answer_was_lost_is_found_by_its_repeat() {
    let bench = Bench::new().await;
    let reservation = held("r", charges("r"));
    bench.wire.script([Lost, Lost, Lost], None);
    assert_eq!(outcome(bench.ledger.create(&reservation).await, created), "Unavailable");
    assert_eq!(bench.ledger.create(&reservation).await.unwrap(), Created::Exists(Box::new(reservation.clone())));
    assert_eq!(bench.shown(&reservation.charges).await, vec![ONCE; 2]);
}

#[tokio::test]
async fn the_reservation_s_own_condition_goes_before_conflicts_and_those_before_refusals() {
    let bench = Bench::new().await;
    let stored = held("r", charges("r"));
    bench.store.ledger.create(&stored).await.unwrap();
    let own = json!({ "Code": "ConditionalCheckFailed", "Item": item(&bench, "R#r").await });
    let counter = json!({ "Code": "ConditionalCheckFailed", "Item": item(&bench, stored.charges[0].key().as_str()).await });
    let conflict = json!({ "Code": "TransactionConflict" });
    for others in [[&counter, &counter], [&conflict, &counter], [&conflict, &conflict]] {
        let reasons = [&own, others[0], others[1]].map(Clone::clone);
        bench.wire.script([cancelled_with(&reasons)], Some(internal()));
        assert_eq!(bench.ledger.create(&stored).await.unwrap(), Created::Exists(Box::new(stored.clone())));
        assert_eq!(bench.wire.requests(), 1);
    }
    // The refusing counter's figures are those of the answer, though the table may have moved on.
    bench.wire.script([cancelled_with(&[json!({ "Code": "None" }), counter, json!({ "Code": "None" })])], None);
    let Created::NoRoom(counters) = bench.ledger.create(&held("other", stored.charges.clone())).await.unwrap() else {
        panic!("no refusal")
    };
    let shown: Vec<_> = counters.iter().map(|(key, shown)| (key.clone(), figures(shown))).collect();
    assert_eq!(shown, [(stored.charges[0].key(), ONCE.to_vec())]);
}

/// Drives from what is known after a claim.
async fn drive_claimed(bench: &Bench, case: &str, event: &Transition) -> (Reservation, String) {
    let known = bench.store.ledger.find(case).await.unwrap().unwrap();
    let found = outcome(drive(&bench.ledger, known.clone(), event).await, |driven| word(&driven));
    (known, found)
}

#[tokio::test]
async fn a_settlement_outlasts_trouble_and_counts_once() {
    const SETTLED: [[i64; 3]; 1] = [[120, 120, 0]];
    let bench = Bench::new().await;
    let expired = "ConditionalCheckFailed";
    let cases: [Case<bool>; 8] = [
        ("conflicts", vec![cancelled(&CONFLICT); 3], None, "Settled", 4, true),
        ("conflict beside an expired counter", vec![cancelled(&["None", expired, "TransactionConflict"])], None, "Settled", 2, true),
        ("in progress", vec![error("TransactionInProgressException")], None, "Settled", 2, true),
        ("lost answer", vec![Lost], None, "Settled", 2, true),
        ("server error", vec![internal(), internal()], None, "Settled", 3, true),
        ("lost answers", vec![Lost; 3], None, "Unavailable", 3, true),
        ("endless conflict", vec![], Some(cancelled(&CONFLICT)), "Contended", 8, false),
        ("endless server errors", vec![], Some(internal()), "Unavailable", 3, false),
    ];
    for (case, next, then, expected, requests, moved) in cases {
        let charges = charges(case);
        bench.store.ledger.create(&held(case, charges.clone())).await.unwrap();
        let known = drive(&bench.store.ledger, held(case, charges.clone()), &claim("c1")).await.unwrap();
        let Driven::Stands(known) = known else { panic!("{known:?}") };
        bench.wire.script(next, then);
        let (_, found) = drive_claimed(&bench, case, &settle("c1", 100, 20)).await;
        assert_eq!((found.as_str(), bench.wire.requests()), (expected, requests), "{case}");
        let expected = if moved { SETTLED } else { ONCE };
        assert_eq!(bench.shown(&charges).await, vec![expected; 2], "{case}");
        // Whoever tries again, from what it knew before, finds it done or does it.
        bench.wire.script([], None);
        let again = drive(&bench.ledger, *known, &settle("c1", 100, 20)).await.unwrap();
        assert_eq!(word(&again), "Settled", "{case}");
        assert_eq!(bench.shown(&charges).await, vec![SETTLED; 2], "{case}");
    }
}

#[tokio::test]
async fn a_claim_outlasts_trouble_and_stays_its_own() {
    let bench = Bench::new().await;
    let conflict = || error("TransactionConflictException");
    let cases: [Case<State>; 7] = [
        ("conflicts", vec![conflict(), conflict()], None, "Claimed", 3, State::Claimed),
        ("lost answer", vec![Lost], None, "Claimed", 2, State::Claimed),
        ("throttled", vec![error("ThrottlingException")], None, "Claimed", 2, State::Claimed),
        ("server error", vec![internal(), internal()], None, "Claimed", 3, State::Claimed),
        ("lost answers", vec![Lost; 3], None, "Unavailable", 3, State::Claimed),
        ("endless conflict", vec![], Some(conflict()), "Contended", 8, State::Held),
        ("endless server errors", vec![], Some(internal()), "Unavailable", 3, State::Held),
    ];
    for (case, next, then, expected, requests, state) in cases {
        bench.store.ledger.create(&held(case, charges(case))).await.unwrap();
        bench.wire.script(next, then);
        let (known, found) = drive_claimed(&bench, case, &claim("c1")).await;
        assert_eq!((found.as_str(), bench.wire.requests()), (expected, requests), "{case}");
        assert_eq!(bench.store.ledger.find(case).await.unwrap().unwrap().state, state, "{case}");
        // Another claim finds the first, if that was written at all.
        let other = drive(&bench.store.ledger, known, &claim("c2")).await.unwrap();
        assert_eq!(word(&other) == "ClaimedElsewhere", state == State::Claimed, "{case}");
    }
}

#[tokio::test]
async fn keys_that_were_not_processed_are_asked_for_again() {
    let bench = Bench::new().await;
    let charges = charges("r");
    bench.store.ledger.create(&held("r", charges.clone())).await.unwrap();
    let key = |charge: &Charge| json!({ "pk": { "S": charge.key().as_str() } });
    let first = item(&bench, charges[0].key().as_str()).await;
    let left = |keys: Vec<Value>, items: Vec<Value>| {
        let unprocessed = json!({ TABLE: { "Keys": keys, "ConsistentRead": true } });
        Answer(200, json!({ "Responses": { TABLE: items }, "UnprocessedKeys": unprocessed }))
    };
    bench.wire.script([left(charges.iter().map(key).collect(), vec![]), left(vec![key(&charges[1])], vec![first])], None);
    let shown: Vec<_> = bench.ledger.figures(&charges).await.unwrap().iter().map(figures).collect();
    assert_eq!((shown, bench.wire.requests()), (vec![ONCE.to_vec(); 2], 3));
    bench.wire.script([], Some(left(charges.iter().map(key).collect(), vec![])));
    assert_eq!(outcome(bench.ledger.figures(&charges).await, |_| "figures".to_owned()), "Contended");
}

#[tokio::test]
async fn a_shadow_counter_s_trouble_is_nobody_s_business() {
    let bench = Bench::new().await;
    let reservation = held("r", vec![crate::ledger_suite::books::shadow(tokens("trial", 10, 600))]);
    bench.wire.script([], Some(internal()));
    bench.ledger.count_shadow(&reservation.shadow_hold_deltas()).await;
    assert_eq!(bench.shown(&reservation.charges).await, [NOTHING]);
    // A released hold whose counter has expired needs no counter at all.
    bench.wire.script([], None);
    bench.ledger.create(&reservation).await.unwrap();
    bench.store.expire(&reservation.charges[0]).await;
    assert_eq!(word(&drive(&bench.ledger, reservation, &release(None)).await.unwrap()), "Released");
}

#[tokio::test]
async fn a_policy_that_was_stored_in_part_is_not_the_current_one() {
    let store = Embedded::start().await;
    let (wire, client) = Wire::lay(&store);
    let (faulty, clear) = (DynamoDbPolicyStore::new(client, TABLE), store.stack.policies());
    let document = |text: &str| json!({ "text": text.repeat(400_000) });
    clear.apply("old", &document("o"), at("2026-11-20T12:00:00Z")).await.unwrap();
    // Two chunks, then the pointer: each of them fails once for good.
    for passing in 0..3 {
        wire.script(vec![Pass; passing], Some(internal()));
        assert!(faulty.apply("new", &document("n"), at("2026-11-20T12:00:00Z")).await.is_err());
        assert_eq!(clear.current_version().await.unwrap(), "old");
    }
    assert!(clear.document("new").await.unwrap() == document("n"));
}
