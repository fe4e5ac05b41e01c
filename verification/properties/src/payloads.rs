//! Payloads: any request goes from step to step to its end, every step reads what the one before wrote, and the books balance. A payload
//! that no step writes is an error or an answer, and no panic.

use crate::input::{self, Chance, Input};
use crate::{edits, samples};
use cost_sentry_core::budget::{CounterKey, Mode};
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::Prompt;
use cost_sentry_core::reservation::ClaimId;
use cost_sentry_workflow::error::{ErrorName, Handling, Thrown};
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::metrics::Point;
use cost_sentry_workflow::policy_cache::PolicyCache;
use cost_sentry_workflow::ports::{
    Answer, Call, CallFailed, CounterFigures, Edge, Log, Metrics, MetricsError, Model, PolicyError, PolicyStore, TokenCounter,
};
use cost_sentry_workflow::steps::{CheckRateLimit, InvokeModel, RecordMetrics, ValidateAndSetContext};
use cost_sentry_workflow::time_outs::Leases;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

/// How often the state machine tries a step again.
const RETRIES: usize = 3;

static POLICY: LazyLock<(Value, String)> = LazyLock::new(|| {
    let document = samples::policy_documents().swap_remove(1);
    let version = samples::policies().swap_remove(1).version;
    (document, version)
});
static VALID: LazyLock<Vec<(Step, Value)>> = LazyLock::new(valid);
static DOCUMENTS: LazyLock<Vec<Value>> = LazyLock::new(|| VALID.iter().map(|(_, document)| document.clone()).collect());
static VOCABULARY: LazyLock<Vec<String>> = LazyLock::new(|| edits::vocabulary(&DOCUMENTS));

/// What a document is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The whole workflow: the document is a client's request.
    Workflow,
    Validate,
    Check,
    Invoke,
    Record,
}

/// The property.
pub fn check(input: &[u8]) {
    let (step, document) = match input::read(input, &DOCUMENTS, &VOCABULARY) {
        Input::Document(seed, document) => (VALID[seed].0, document),
        Input::Text(text) => match serde_json::from_slice(text) {
            Ok(document) => (Step::Workflow, document),
            Err(_) => return,
        },
    };
    let mut world = World { ledger: MemoryLedger::default(), chance: Chance::of(input) };
    if step == Step::Workflow {
        drop(world.workflow(&document));
        return;
    }
    // Twice: what the first left in the ledger is another thing for the second to meet.
    for _ in 0..2 {
        if let Err(thrown) = world.step(step, document.clone()) {
            assert!(!thrown.to_string().is_empty());
            assert_ne!(thrown.name.handling(), Handling::Reported, "{} is thrown, and the state machine does not know it", thrown.name);
        }
    }
}

/// The ledger, and what the input decides.
struct World {
    ledger: MemoryLedger,
    chance: Chance,
}

/// The one policy.
struct Store;
/// Noon, and a claim that the input draws.
struct Noon(usize);
/// Counts as the input has it.
struct Counter(Option<Tokens>);
/// Answers, or fails, as the input has it.
struct AnyModel(Result<Answer, CallFailed>);
/// Hears nothing.
struct Nobody;

impl World {
    fn step(&mut self, step: Step, input: Value) -> Result<Value, Thrown> {
        let edge = Noon(self.chance.below(1_000_000));
        let leases = Leases::default();
        let ledger = std::mem::take(&mut self.ledger);
        let (ledger, result) = match step {
            Step::Workflow | Step::Validate => {
                let step = ValidateAndSetContext { policy: PolicyCache::new(Store), log: Nobody, edge };
                (ledger, ready(step.run(input)))
            }
            Step::Check => {
                let counter = Counter([None, Some(Tokens(1)), Some(Tokens(u64::MAX))][self.chance.below(3)]);
                let step = CheckRateLimit { policy: PolicyCache::new(Store), ledger, counter, edge, leases };
                let result = ready(step.run(input));
                (step.ledger, result)
            }
            Step::Invoke => {
                let step = InvokeModel { ledger, model: AnyModel(answer(&mut self.chance)), edge, leases };
                let result = ready(step.run(input));
                (step.ledger, result)
            }
            Step::Record => {
                let step = RecordMetrics { ledger, metrics: Nobody, log: Nobody, edge };
                let result = ready(step.run(input));
                (step.ledger, result)
            }
        };
        self.ledger = ledger;
        result
    }

    /// A step as the state machine runs it: tried again, and its error caught.
    fn task(&mut self, step: Step, input: &Value) -> Result<Value, Value> {
        let mut tries = 0;
        loop {
            let thrown = match self.step(step, input.clone()) {
                Ok(output) => return Ok(output),
                Err(thrown) => thrown,
            };
            assert_ne!(thrown.name, ErrorName::ContractViolation, "{step:?} does not read what was written for it");
            assert_eq!(thrown.name.handling(), Handling::Retried, "{} is thrown", thrown.name);
            tries += 1;
            if tries > RETRIES {
                let mut caught = input.clone();
                caught["failure"] = json!({ "Error": thrown.name.name(), "Cause": "{}" });
                return Err(caught);
            }
        }
    }

    /// A request's whole way; every payload on it, with the step that it is for.
    fn workflow(&mut self, request: &Value) -> Vec<(Step, Value)> {
        let start = json!({
            "request": request, "executionId": "any", "startedAt": samples::noon(), "pinnedTags": { "costCenter": "" },
        });
        let mut payloads = vec![(Step::Validate, start.clone())];
        let validated = self.task(Step::Validate, &start).expect("nothing that could fail");
        if validated["valid"] == false {
            assert!(validated["cause"].as_str().is_some_and(|cause| serde_json::from_str::<Value>(cause).is_ok() && cause.len() <= 30_000));
            return payloads;
        }
        payloads.push((Step::Check, validated.clone()));
        let checked = self.task(Step::Check, &validated).expect("nothing that could fail");
        let ended = if checked["decision"] == "APPROVED" {
            payloads.push((Step::Invoke, checked.clone()));
            self.task(Step::Invoke, &checked).unwrap_or_else(|caught| caught)
        } else {
            checked
        };
        payloads.push((Step::Record, ended.clone()));
        let end = self.task(Step::Record, &ended).expect("nothing that could fail");
        assert!(end["outcome"].is_string());
        assert!(end["cause"].as_str().is_none_or(|cause| serde_json::from_str::<Value>(cause).is_ok() && cause.len() <= 30_000));
        self.check_books();
        payloads
    }

    fn check_books(&self) {
        let books = self.ledger.books();
        let kept: BTreeMap<CounterKey, CounterFigures> = books
            .counters
            .iter()
            .filter(|(key, _)| key.mode() == Mode::Enforce)
            .map(|(key, figures)| (key.clone(), figures.clone()))
            .collect();
        let mut due = books.recount();
        // A counter that came back to nothing is still there.
        for key in kept.keys() {
            due.entry(key.clone()).or_default();
        }
        for (key, figures) in &kept {
            for (unit, figures) in figures {
                let due = due[key].get(unit).copied().unwrap_or_default();
                assert_eq!(*figures, due, "{} does not balance", key.as_str());
            }
        }
        assert!(due.keys().all(|key| kept.contains_key(key)));
        assert!(books.reservations.values().all(|reservation| !reservation.state.is_open()), "still open after the end");
    }
}

/// The payloads of some whole executions, and the requests that they began with.
fn valid() -> Vec<(Step, Value)> {
    let mut valid: Vec<(Step, Value)> = samples::requests().into_iter().map(|request| (Step::Workflow, request)).collect();
    for chance in 0..12_u8 {
        let mut world = World { ledger: MemoryLedger::default(), chance: Chance::of(&[chance]) };
        valid.extend(world.workflow(&samples::requests()[0]));
    }
    valid
}

fn answer(chance: &mut Chance) -> Result<Answer, CallFailed> {
    let failures = [
        CallFailed::Throttled,
        CallFailed::NotReady,
        CallFailed::Unreachable,
        CallFailed::Rejected,
        CallFailed::AccessDenied,
        CallFailed::NotFound,
        CallFailed::TimedOut,
        CallFailed::Failed,
        CallFailed::ConnectionLost,
    ];
    let tokens = |chance: &mut Chance| Tokens([0, 1, 100, 100_000, u64::from(u32::MAX)][chance.below(5)]);
    match chance.below(4) {
        0 => Err(*chance.one(&failures)),
        1 => Ok(Answer { text: "x".repeat(400_000), stop_reason: "end_turn".to_owned(), usage: None }),
        _ => {
            let usage = Usage { input: tokens(chance), output: tokens(chance), cache_read: tokens(chance), ..Usage::default() };
            Ok(Answer { text: "\u{1}\u{1f600}".repeat(chance.below(1_000)), stop_reason: "end_turn".to_owned(), usage: Some(usage) })
        }
    }
}

/// The result of a future that waits for nothing.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a step waits for something that is not there"),
    }
}

impl PolicyStore for Store {
    async fn current_version(&self) -> Result<String, PolicyError> {
        Ok(POLICY.1.clone())
    }

    async fn document(&self, _: &str) -> Result<Value, PolicyError> {
        Ok(POLICY.0.clone())
    }
}

impl Edge for Noon {
    fn now(&self) -> Timestamp {
        samples::noon()
    }

    fn draw_claim_id(&self) -> ClaimId {
        ClaimId(format!("{:032x}", self.0))
    }
}

impl TokenCounter for Counter {
    async fn count_tokens(&self, _: &str, _: &Prompt) -> Option<Tokens> {
        self.0
    }
}

impl Model for AnyModel {
    async fn converse(&self, _: Call<'_>) -> Result<Answer, CallFailed> {
        self.0.clone()
    }
}

impl Metrics for Nobody {
    async fn put(&self, _: &[Point], _: Timestamp) -> Result<(), MetricsError> {
        Ok(())
    }
}

impl Log for Nobody {
    fn line(&self, line: &Value) {
        assert!(line.is_object());
    }
}
