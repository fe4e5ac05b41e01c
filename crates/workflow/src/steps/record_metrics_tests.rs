//! What an invocation could not tell the ledger, when another invocation on the same input has the claim.

use super::RecordMetrics;
use crate::error::ErrorName;
use crate::ledger::{Driven, drive};
use crate::memory_ledger::MemoryLedger;
use crate::metrics::{DUPLICATE_EXECUTIONS, Point};
use crate::payload::{self, CallFate, Context, Decision, Ended, Pending, Record};
use crate::policy_cache::compile;
use crate::ports::{Created, Edge, Ledger, Log, Metrics, MetricsError};
use cost_sentry_core::outcome::Outcome;
use cost_sentry_core::plan;
use cost_sentry_core::request::{Origin, Request, validate};
use cost_sentry_core::reservation::{ClaimId, Reservation, State, Transition};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context as Polled, Poll, Waker};

/// Noon, always.
struct Noon;

fn noon() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

impl Edge for Noon {
    fn now(&self) -> Timestamp {
        noon()
    }

    fn draw_claim_id(&self) -> ClaimId {
        panic!("nothing is claimed here")
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Taken(Mutex<Vec<Point>>);

impl Metrics for &Taken {
    async fn put(&self, points: &[Point], _at: Timestamp) -> Result<(), MetricsError> {
        self.0.lock().unwrap().extend_from_slice(points);
        Ok(())
    }
}

struct Nowhere;

impl Log for Nowhere {
    fn line(&self, _line: &Value) {}
}

/// The ledger in memory never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Polled::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// A request and what it holds, claimed by `winner`.
fn claimed(ledger: &MemoryLedger) -> (Request, Reservation) {
    let policy = json!({
        "models": { "haiku": { "id": "us.anthropic.claude-3-5-haiku-20241022-v1:0" } },
        "budgets": [{ "name": "all", "limit": { "requests": 5 }, "window": "day" }],
    });
    let policy = compile(&policy).unwrap();
    let request =
        json!({ "model": "haiku", "prompt": { "messages": [{ "role": "user", "content": "?" }] }, "tags": { "applicationId": "a" } });
    let pinned = BTreeMap::new();
    let request = validate(&request, &policy, Origin { execution_id: "arn:one", started_at: noon(), pinned: &pinned }).unwrap();
    let plan = plan::plan(&policy, &request, plan::estimate(&policy, &request).unwrap(), noon()).unwrap();
    let lease_end = noon() + SignedDuration::from_secs(330);
    let reservation = plan.reserve(&request, State::Held, noon(), lease_end);
    assert_eq!(now(ledger.create(&reservation)).unwrap(), Created::Created);
    let claim = Transition::Claim { claim_id: ClaimId("winner".to_owned()), request_hash: request.hash(), lease_end };
    let driven = now(drive(ledger, reservation.clone(), &claim)).unwrap();
    assert!(matches!(driven, Driven::Stands(_)), "{driven:?}");
    (request, reservation)
}

/// What the client of a loser is told, whose failure and whose call's fate are these, and the metrics; the ledger is left alone.
fn loser(name: ErrorName, call: CallFate) -> (Value, Vec<&'static str>) {
    let (ledger, taken) = (MemoryLedger::default(), Taken::default());
    let (request, reservation) = claimed(&ledger);
    let before = ledger.books();
    let mut document = payload::document(Outcome::InvocationFailed, &request, Some(&reservation));
    document.error = Some(payload::error_report(name, call != CallFate::NotProcessed));
    let context = Context { started_at: noon(), deadline: noon(), durations_ms: BTreeMap::new() };
    let pending = Some(Pending { claim_id: Some(ClaimId("loser".to_owned())), call });
    let record = Record { decision: Decision::Approved, context, reservation: Some(reservation), model_name: None, pending };
    let input = payload::write(&Ended::new(document, record)).unwrap();
    let step = RecordMetrics { ledger, metrics: &taken, log: Nowhere, edge: Noon };
    let end = now(step.run(input)).unwrap();
    assert_eq!(step.ledger.books(), before);
    let cause: Value = serde_json::from_str(end["cause"].as_str().unwrap()).unwrap();
    let names = taken.0.lock().unwrap().iter().map(|point| point.name).collect();
    (cause["error"].clone(), names)
}

#[test]
fn an_invocation_whose_twin_has_the_claim_does_not_say_that_nothing_was_spent() {
    let (error, metrics) = loser(ErrorName::LedgerContended, CallFate::NotProcessed);
    assert_eq!((&error["name"], &error["moneyMayHaveBeenSpent"]), (&json!("InvocationUncertain"), &json!(true)));
    assert_eq!(metrics, [DUPLICATE_EXECUTIONS]);
}

#[test]
fn a_call_that_may_have_been_billed_keeps_its_failure_s_name_whoever_has_the_claim() {
    let (error, metrics) = loser(ErrorName::ModelTimedOut, CallFate::Doubt);
    assert_eq!((&error["name"], &error["moneyMayHaveBeenSpent"]), (&json!("ModelTimedOut"), &json!(true)));
    assert!(!metrics.contains(&DUPLICATE_EXECUTIONS), "{metrics:?}");
}
