//! Where the steps play: one policy, one request, and each step as the state machine runs it.

use crate::ports::{Called, Clockwork, Heard, TestCounter, TestLedger, TestModel, TestStore, ready};
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_workflow::error::Thrown;
use cost_sentry_workflow::policy_cache::{PolicyCache, compile};
use cost_sentry_workflow::ports::{Answer, CallFailed};
use cost_sentry_workflow::steps::{CheckRateLimit, InvokeModel, RecordMetrics, SweepReservations, ValidateAndSetContext};
use cost_sentry_workflow::time_outs::Leases;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const HAIKU: &str = "us.anthropic.claude-3-5-haiku-20241022-v1:0";
/// What the sample holds by its bytes: eight and what a template may add, and its `max_tokens`.
pub const INPUT_HELD: u64 = 88;
pub const MAX_TOKENS: u64 = 100;

pub struct Stage {
    pub ledger: TestLedger,
    pub edge: Clockwork,
    pub store: TestStore,
    pub heard: Heard,
    pub counter: Option<Tokens>,
}

/// Half a minute after the execution's start.
pub fn noon() -> Timestamp {
    "2026-11-20T12:00:30Z".parse().unwrap()
}

/// A policy of one exact and one shadow budget, each of so many tokens a day.
pub fn policy(limit: u64) -> Value {
    json!({
        "models": { "haiku": { "id": HAIKU }, "mistral": { "id": "mistral.mistral-7b-instruct-v0:2" } },
        "budgets": [
            { "name": "day", "limit": { "tokens": limit, "usd": 5 }, "window": "day" },
            { "name": "watched", "limit": { "tokens": limit }, "window": "day", "mode": "shadow" }
        ]
    })
}

pub fn request() -> Value {
    json!({
        "model": "haiku",
        "prompt": { "messages": [{ "role": "user", "content": "Question" }], "parameters": { "max_tokens": MAX_TOKENS } },
        "tags": { "applicationId": "docs", "costCenter": "sales", "environment": "dev" }
    })
}

pub fn start(request: &Value) -> Value {
    json!({
        "request": request, "executionId": "execution 1", "startedAt": "2026-11-20T12:00:00Z",
        "pinnedTags": { "costCenter": "", "team": "blue" }
    })
}

pub fn usage(input: u64, output: u64) -> Usage {
    Usage { input: Tokens(input), output: Tokens(output), ..Usage::default() }
}

/// What the model gives, which could have been a failure.
#[expect(clippy::unnecessary_wraps, reason = "it stands among failures")]
pub fn answer(usage: Option<Usage>) -> Result<Answer, CallFailed> {
    Ok(Answer { text: "Answer".to_owned(), stop_reason: "end_turn".to_owned(), usage })
}

impl Stage {
    pub fn new(policy: &Value) -> Self {
        let store = TestStore::default();
        let stage = Self { ledger: TestLedger::default(), edge: Clockwork::at(noon()), store, heard: Heard::default(), counter: None };
        stage.apply(policy);
        stage
    }

    pub fn apply(&self, policy: &Value) {
        *self.store.current.lock().unwrap() = Some((compile(policy).unwrap().version, policy.clone()));
    }

    pub fn validate(&self, input: Value) -> Result<Value, Thrown> {
        let policy = PolicyCache::new(self.store.clone());
        ready(ValidateAndSetContext { policy, log: self.heard.clone(), edge: self.edge.clone() }.run(input))
    }

    pub fn check(&self, input: Value) -> Result<Value, Thrown> {
        self.check_counting(input).0
    }

    /// The step, and the models that tokens were counted for.
    pub fn check_counting(&self, input: Value) -> (Result<Value, Thrown>, Vec<String>) {
        let counter = TestCounter { count: self.counter, ..TestCounter::default() };
        let policy = PolicyCache::new(self.store.clone());
        let (ledger, edge) = (self.ledger.clone(), self.edge.clone());
        let step = CheckRateLimit { policy, ledger, counter, edge, leases: Leases::default() };
        (ready(step.run(input)), step.counter.asked.into_inner().unwrap())
    }

    pub fn invoke(&self, input: Value, answers: impl IntoIterator<Item = Result<Answer, CallFailed>>) -> Result<Value, Thrown> {
        self.invoke_seeing(input, answers).0
    }

    /// The step, and the calls that it made.
    pub fn invoke_seeing(
        &self,
        input: Value,
        answers: impl IntoIterator<Item = Result<Answer, CallFailed>>,
    ) -> (Result<Value, Thrown>, Vec<Called>) {
        let model = TestModel { answers: std::sync::Mutex::new(answers.into_iter().collect()), ..TestModel::default() };
        let step = InvokeModel { ledger: self.ledger.clone(), model, edge: self.edge.clone(), leases: Leases::default() };
        (ready(step.run(input)), step.model.calls.into_inner().unwrap())
    }

    pub fn record(&self, input: Value) -> Result<Value, Thrown> {
        let (metrics, log) = (self.heard.clone(), self.heard.clone());
        ready(RecordMetrics { ledger: self.ledger.clone(), metrics, log, edge: self.edge.clone() }.run(input))
    }

    pub fn sweep(&self) -> Result<Value, Thrown> {
        let (metrics, log) = (self.heard.clone(), self.heard.clone());
        let (ledger, edge) = (self.ledger.clone(), self.edge.clone());
        ready(SweepReservations { ledger, metrics, log, edge, leases: Leases::default() }.run(json!({})))
    }

    /// The sample request, validated.
    pub fn validated(&self) -> Value {
        self.validate(start(&request())).unwrap()
    }

    /// The sample request, held.
    pub fn approved(&self) -> Value {
        let approved = self.check(self.validated()).unwrap();
        assert_eq!(approved["decision"], "APPROVED");
        approved
    }

    /// What the exact budget's counter says of tokens: committed, used, uncertain.
    pub fn tokens(&self) -> [i64; 3] {
        self.counter_of("C#")
    }

    /// The same of the shadow budget's.
    pub fn shadow_tokens(&self) -> [i64; 3] {
        self.counter_of("S#")
    }

    fn counter_of(&self, kind: &str) -> [i64; 3] {
        use cost_sentry_core::budget::Unit;
        let books = self.ledger.books();
        let found = books.counters.iter().find(|(key, _)| key.as_str().starts_with(kind));
        let figures = found.and_then(|(_, figures)| figures.get(&Unit::Tokens).copied()).unwrap_or_default();
        [figures.committed, figures.used, figures.uncertain]
    }
}

/// A document with its fields in the order of their names, whatever order the packages that are built together ask of JSON objects.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            Value::Object(sorted.into_iter().map(|(name, value)| (name.clone(), self::sorted(value))).collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        plain => plain.clone(),
    }
}
