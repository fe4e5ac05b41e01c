//! Ours, as a script sees it: the shipped steps over either ledger, with a clock that is set by hand and a model that does as it is told.

mod store;

pub use store::{InMemory, OnDynamoDb};

use super::system::{Ask, Fate, Limit, START, System, Unit};
use cost_sentry_aws::edge::SystemEdge;
use cost_sentry_aws::log::Lines;
use cost_sentry_core::budget::Unit as BudgetUnit;
use cost_sentry_core::reservation::{Charge, ClaimId};
use cost_sentry_workflow::metrics::Point;
use cost_sentry_workflow::policy_cache::PolicyCache;
use cost_sentry_workflow::ports::{Answer, Call, CallFailed, Edge, Ledger, Metrics, MetricsError, Model, TokenCounter};
use cost_sentry_workflow::steps::{CheckRateLimit, InvokeModel, RecordMetrics, SweepReservations, ValidateAndSetContext};
use cost_sentry_workflow::time_outs::Leases;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use store::{Shaky, Store};
use tokio::task::JoinSet;

const MODEL: &str = "us.anthropic.claude-3-5-haiku-20241022-v1:0";

/// The clock of all functions.
#[derive(Debug, Clone)]
struct Clock(Arc<Mutex<Timestamp>>);

impl Edge for Clock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn draw_claim_id(&self) -> ClaimId {
        SystemEdge.draw_claim_id()
    }
}

/// Bedrock: how the next call fares, and what becomes of the store meanwhile.
#[derive(Debug, Clone, Default)]
struct Bedrock {
    fares: Arc<Mutex<Option<Result<Answer, CallFailed>>>>,
    failing_then: Arc<Mutex<usize>>,
    failing: Arc<Mutex<usize>>,
}

impl Model for Bedrock {
    async fn converse(&self, _call: Call<'_>) -> Result<Answer, CallFailed> {
        *self.failing.lock().unwrap() += std::mem::take(&mut *self.failing_then.lock().unwrap());
        self.fares.lock().unwrap().take().expect("one call for each end")
    }
}

impl TokenCounter for Bedrock {
    async fn count_tokens(
        &self,
        _model_id: &str,
        _prompt: &cost_sentry_core::request::Prompt,
    ) -> Option<cost_sentry_core::quantity::Tokens> {
        None
    }
}

/// Metrics that nobody looks at.
#[derive(Debug, Clone, Copy)]
struct Unwatched;

impl Metrics for Unwatched {
    async fn put(&self, _points: &[Point], _at: Timestamp) -> Result<(), MetricsError> {
        Ok(())
    }
}

type Log = Lines<Vec<u8>>;

/// The functions as one process has them, each with what it remembers.
struct Replica<S: Store> {
    validate: ValidateAndSetContext<S::Policies, Log, Clock>,
    check: CheckRateLimit<S::Policies, Shaky<S::Ledger>, Bedrock, Clock>,
    invoke: InvokeModel<Shaky<S::Ledger>, Bedrock, Clock>,
    record: RecordMetrics<Shaky<S::Ledger>, Unwatched, Log, Clock>,
}

/// The system.
pub struct Ours<S: Store> {
    store: S,
    ledger: Shaky<S::Ledger>,
    limits: Vec<Limit>,
    clock: Clock,
    bedrock: Bedrock,
    replicas: BTreeMap<usize, Arc<Replica<S>>>,
    /// What `InvokeModel` gets, by the execution.
    approved: BTreeMap<String, Value>,
    /// The last charge on each budget.
    charges: BTreeMap<String, Charge>,
}

fn policy(limits: &[Limit]) -> Value {
    let budget = |limit: &Limit| {
        let amount = match limit.unit {
            Unit::Requests => json!({ "requests": limit.most }),
            Unit::Output => json!({ "outputTokens": limit.most }),
            Unit::NanoUsd => json!({ "usd": limit.most / 1_000_000_000 }),
        };
        let mut budget = json!({ "name": limit.name, "limit": amount, "window": limit.window });
        if limit.each {
            budget["per"] = json!(["applicationId"]);
        }
        budget
    };
    json!({
        "tags": { "applicationId": { "allow": ["docs", "newcomer"] } },
        "models": { "haiku": { "id": MODEL } },
        "budgets": limits.iter().map(budget).collect::<Vec<_>>(),
    })
}

impl<S: Store> Replica<S> {
    fn new(ours: &Ours<S>) -> Self {
        let (edge, log, ledger) = (|| ours.clock.clone(), || Lines::new(Vec::new()), || ours.ledger.clone());
        let (model, leases) = (|| ours.bedrock.clone(), Leases::default());
        Self {
            validate: ValidateAndSetContext { policy: PolicyCache::new(ours.store.policies()), log: log(), edge: edge() },
            check: CheckRateLimit {
                policy: PolicyCache::new(ours.store.policies()),
                ledger: ledger(),
                counter: model(),
                edge: edge(),
                leases,
            },
            invoke: InvokeModel { ledger: ledger(), model: model(), edge: edge(), leases },
            record: RecordMetrics { ledger: ledger(), metrics: Unwatched, log: log(), edge: edge() },
        }
    }

    /// The first two states: what `CheckRateLimit` approves.
    async fn ask(&self, ask: Ask, now: Timestamp) -> Option<Value> {
        // By its name, or by its id: there is no other way to a model.
        let model = if ask.route == 0 { "haiku" } else { MODEL };
        let mut request = json!({
            "model": model,
            "prompt": { "messages": [{ "role": "user", "content": "Hello" }] },
            "tags": { "applicationId": ask.application },
        });
        if let Some(max_tokens) = ask.max_tokens {
            request["prompt"]["parameters"] = json!({ "max_tokens": max_tokens });
        }
        let start = json!({ "request": request, "executionId": ask.id, "startedAt": now, "pinnedTags": {} });
        let validated = self.validate.run(start).await.ok()?;
        assert_eq!(validated["valid"], true, "{validated}");
        let checked = self.check.run(validated).await.ok()?;
        (checked["decision"] == "APPROVED").then_some(checked)
    }
}

impl<S: Store> Ours<S> {
    fn replica(&mut self, number: usize) -> Arc<Replica<S>> {
        if !self.replicas.contains_key(&number) {
            let fresh = Arc::new(Replica::new(self));
            self.replicas.insert(number, fresh);
        }
        Arc::clone(&self.replicas[&number])
    }

    fn note(&mut self, id: &str, approved: Option<Value>) -> bool {
        let Some(approved) = approved else { return false };
        let charges: Vec<Charge> = serde_json::from_value(approved["reservation"]["charges"].clone()).unwrap();
        self.charges.extend(charges.into_iter().map(|charge| (charge.name.clone(), charge)));
        self.approved.insert(id.to_owned(), approved);
        true
    }
}

impl<S: Store> System for Ours<S> {
    async fn start(limits: Vec<Limit>) -> Self {
        let ours = Self { limits, ..Self::start_unconfigured().await };
        ours.store.apply(&policy(&ours.limits)).await;
        ours
    }

    async fn start_unconfigured() -> Self {
        let store = S::open().await;
        let clock = Clock(Arc::new(Mutex::new(START.parse().unwrap())));
        let (approved, charges) = (BTreeMap::new(), BTreeMap::new());
        let bedrock = Bedrock::default();
        let ledger = Shaky::new(store.ledger(), Arc::clone(&bedrock.failing));
        Self { store, ledger, limits: Vec::new(), clock, bedrock, replicas: BTreeMap::new(), approved, charges }
    }

    async fn ask(&mut self, ask: &Ask) -> bool {
        let approved = self.replica(ask.replica).ask(ask.clone(), self.clock.now()).await;
        self.note(&ask.id, approved)
    }

    async fn ask_at_once(&mut self, asks: &[Ask]) -> Vec<bool> {
        let (mut asking, now) = (JoinSet::new(), self.clock.now());
        for ask in asks {
            self.replica(ask.replica).check.policy.current(now).await.unwrap();
        }
        self.ledger.wait_for(asks.len());
        for ask in asks {
            let (replica, ask) = (self.replica(ask.replica), ask.clone());
            asking.spawn(async move { (ask.id.clone(), Box::pin(replica.ask(ask, now)).await) });
        }
        asking.join_all().await.into_iter().map(|(id, approved)| self.note(&id, approved)).collect()
    }

    async fn end(&mut self, ask: &Ask, fate: Fate) {
        let answer = |usage| Ok(Answer { text: "Hello".to_owned(), stop_reason: "end_turn".to_owned(), usage: Some(usage) });
        let fares = match fate {
            Fate::Answered(usage) | Fate::ClientGone(usage) => answer(usage),
            Fate::NotProcessed => Err(CallFailed::AccessDenied),
            Fate::NeverSent => return,
        };
        *self.bedrock.fares.lock().unwrap() = Some(fares);
        let (replica, approved) = (self.replica(ask.replica), self.approved[&ask.id].clone());
        let ended = Box::pin(replica.invoke.run(approved)).await.unwrap();
        // A client that stops its execution stops the states, not the function that runs.
        if !matches!(fate, Fate::ClientGone(_)) {
            Box::pin(replica.record.run(ended)).await.unwrap();
        }
    }

    async fn at(&mut self, now: Timestamp) {
        *self.clock.0.lock().unwrap() = now;
        let (ledger, log, edge) = (self.ledger.clone(), Lines::new(Vec::new()), self.clock.clone());
        SweepReservations { ledger, metrics: Unwatched, log, edge, leases: Leases::default() }.sweep().await.unwrap();
    }

    async fn kill(&mut self) {
        self.replicas.clear();
    }

    async fn add(&mut self, limit: Limit) {
        self.limits.push(limit);
        self.store.apply(&policy(&self.limits)).await;
    }

    async fn commit_fails(&mut self) {
        *self.bedrock.failing_then.lock().unwrap() = 1;
    }

    async fn store_is_gone(&mut self) {
        *self.bedrock.failing.lock().unwrap() = usize::MAX;
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        let Some(charge) = self.charges.get(budget) else { return 0 };
        let shown = self.ledger.figures(std::slice::from_ref(charge)).await.unwrap();
        let units = [BudgetUnit::Requests, BudgetUnit::OutputTokens, BudgetUnit::Usd];
        units.iter().filter_map(|unit| shown[0].get(unit)).map(|figures| figures.committed).sum()
    }
}
