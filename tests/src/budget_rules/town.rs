//! A stack whose functions go by one clock that tests set, on either ledger.

use crate::harness::{Ended, World, machine};
use cost_sentry::commands::{Applied, PolicyFile, apply_to, new_execution};
use cost_sentry::local::stack::Options;
use cost_sentry::state_machine::function_arn;
use cost_sentry_asl::{Execution, TaskError, Tasks};
use cost_sentry_aws::converse::{BedrockModel, BedrockTokenCounter};
use cost_sentry_aws::edge::SystemEdge;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_aws::metrics::CloudWatch;
use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::reservation::{Charge, ClaimId, CounterDelta, Figures, Reservation, State, Step};
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::policy_cache::{PolicyCache, compile};
use cost_sentry_workflow::ports::{CounterFigures, Created, Edge, Ledger, LedgerError, PolicyStore, Written};
use cost_sentry_workflow::steps::{CheckRateLimit, InvokeModel, RecordMetrics, STEPS, ValidateAndSetContext};
use cost_sentry_workflow::time_outs::Leases;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// A ledger that can be asked for all its reservations, and shared by many executions.
pub trait Books: Ledger + Clone + 'static {
    /// What was decided on these days.
    async fn decided(&self, days: &BTreeSet<jiff::civil::Date>) -> Vec<Reservation>;
}

impl Books for DynamoDbLedger {
    async fn decided(&self, days: &BTreeSet<jiff::civil::Date>) -> Vec<Reservation> {
        let mut all = Vec::new();
        for day in days {
            all.extend(self.decided_on(*day).await.unwrap());
        }
        all
    }
}

/// The ledger in memory, shared.
#[derive(Debug, Clone, Default)]
pub struct InMemory(Arc<MemoryLedger>);

impl Books for InMemory {
    async fn decided(&self, _: &BTreeSet<jiff::civil::Date>) -> Vec<Reservation> {
        self.0.books().reservations.into_values().collect()
    }
}

impl Ledger for InMemory {
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

/// A clock that shows what it was set to.
#[derive(Debug, Clone, Default)]
pub struct SetClock(Arc<AtomicI64>);

impl SetClock {
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_microsecond(), Ordering::SeqCst);
    }
}

impl Edge for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn draw_claim_id(&self) -> ClaimId {
        SystemEdge.draw_claim_id()
    }
}

/// The stack, a ledger, and the clock that all functions go by.
pub struct Town<L> {
    pub world: World,
    pub ledger: L,
    pub clock: SetClock,
    /// The days that anything happened on.
    days: Mutex<BTreeSet<jiff::civil::Date>>,
}

impl Town<DynamoDbLedger> {
    pub async fn on_dynamodb() -> Arc<Self> {
        let world = World::without_policy(EMPTY, Options::default()).await;
        let ledger = world.stack.ledger();
        Arc::new(Self { world, ledger, clock: SetClock::default(), days: Mutex::default() })
    }
}

impl Town<InMemory> {
    pub async fn in_memory() -> Arc<Self> {
        let world = World::without_policy(EMPTY, Options::default()).await;
        Arc::new(Self { world, ledger: InMemory::default(), clock: SetClock::default(), days: Mutex::default() })
    }
}

/// A policy without budgets, whose names scripts may use.
const EMPTY: &str = "{ models: { nova: { id: us.amazon.nova-lite-v1:0 } }, budgets: [] }";

/// A policy of one model with these budgets.
pub fn policy(budgets: &Value) -> Value {
    json!({
        "tags": { "environment": { "allow": ["production", "dev"] } },
        "models": { "nova": { "id": "us.amazon.nova-lite-v1:0" } },
        "budgets": budgets
    })
}

/// A small request.
pub fn request(environment: &str) -> Value {
    json!({
        "model": "nova",
        "prompt": { "messages": [{ "role": "user", "content": "Hello" }], "parameters": { "max_tokens": 100 } },
        "tags": { "applicationId": "docs", "environment": environment }
    })
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl<L: Books> Town<L> {
    /// Sets every function's clock.
    pub fn set(&self, now: &str) {
        self.clock.set(at(now));
        self.days.lock().unwrap().insert(at(now).to_zoned(TimeZone::UTC).date());
    }

    /// Applies a policy as the command does, now.
    pub async fn apply(&self, document: &Value) -> Applied {
        let policy = Policy::parse(document, Catalog::shipped().unwrap()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let file = PolicyFile { name: "test".to_owned(), document: document.clone(), policy };
        apply_to(&self.world.stack.policies(), &file, self.clock.now()).await.unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    fn execution(&self) -> Execution {
        Execution { start_time: self.clock.now(), ..new_execution() }
    }

    /// Runs a request to its end.
    pub async fn run(&self, request: &Value) -> Ended {
        self.world.run_on(&machine(), &self.execution(), request, self).await
    }

    /// Runs a request up to its hold: what `InvokeModel` gets.
    pub async fn hold(&self, request: &Value) -> Value {
        let Execution { id, start_time, .. } = self.execution();
        let start = json!({ "request": request, "executionId": id, "startedAt": start_time, "pinnedTags": {} });
        let validated = self.step("ValidateAndSetContext", start).await;
        self.step("CheckRateLimit", validated).await
    }

    /// Runs what was held to its end; the client's document.
    pub async fn finish(&self, held: Value) -> Value {
        let ended = self.step("InvokeModel", held).await;
        self.step("RecordMetrics", ended).await
    }

    async fn step(&self, state: &str, input: Value) -> Value {
        let stack = &self.world.stack;
        let policy = || PolicyCache::new(stack.policies());
        let (log, edge, ledger, leases) = (self.world.log.clone(), self.clock.clone(), self.ledger.clone(), Leases::default());
        let done = match state {
            "ValidateAndSetContext" => Box::pin(ValidateAndSetContext { policy: policy(), log, edge }.run(input)).await,
            "CheckRateLimit" => {
                let counter = BedrockTokenCounter::new(stack.clients.bedrock_count_tokens());
                Box::pin(CheckRateLimit { policy: policy(), ledger, counter, edge, leases }.run(input)).await
            }
            "InvokeModel" => {
                let model = BedrockModel::new(stack.clients.bedrock_converse());
                Box::pin(InvokeModel { ledger, model, edge, leases }.run(input)).await
            }
            _ => {
                let metrics = CloudWatch::new(stack.config.metrics, || stack.clients.cloudwatch(), log.clone());
                Box::pin(RecordMetrics { ledger, metrics, log, edge }.run(input)).await
            }
        };
        done.unwrap_or_else(|thrown| json!({ "thrown": thrown.name.name(), "message": thrown.message }))
    }

    /// Whatever was decided, whenever it was.
    pub async fn reservations(&self) -> Vec<Reservation> {
        let days = self.days.lock().unwrap().clone();
        self.ledger.decided(&days).await
    }

    /// Every counter, all its shards together, is the sum of its reservations, each decided as the policy that it names wants it, and no limit in force was passed.
    pub async fn check_books(&self) {
        let mut sums: BTreeMap<(CounterKey, Unit), (Figures, u64, Charge)> = BTreeMap::new();
        // By the key of each of its items, the first item's.
        let mut counters: BTreeMap<CounterKey, CounterKey> = BTreeMap::new();
        for reservation in self.reservations().await {
            let document = self.world.stack.policies().document(&reservation.policy_version).await.unwrap();
            let policy = compile(&document).unwrap();
            check_decision(&policy, &reservation);
            for charge in reservation.enforced().filter(|_| reservation.state != State::Denied) {
                let counter = charge.counter_keys().swap_remove(0);
                for amount in &charge.amounts {
                    let (_, limit, _) = sums.entry((counter.clone(), amount.unit)).or_insert((Figures::default(), 0, charge.clone()));
                    *limit = (*limit).max(amount.limit);
                }
                counters.extend(charge.counter_keys().into_iter().map(|key| (key, counter.clone())));
            }
            for (key, unit, share) in reservation.shares() {
                let (sum, ..) = sums.get_mut(&(counters[&key].clone(), unit)).unwrap();
                sum.committed += share.committed;
                sum.used += share.used;
                sum.uncertain += share.uncertain;
            }
        }
        for ((key, unit), (sum, limit, charge)) in sums {
            let shown = self.ledger.figures(&[charge]).await.unwrap();
            assert_eq!(shown[0].get(&unit).copied().unwrap_or_default(), sum, "{key:?} {unit:?}");
            assert!(sum.committed <= limit.cast_signed(), "{key:?} {unit:?}: {sum:?} of {limit}");
        }
    }
}

/// What a reservation records is what the policy that it names has in force at that moment.
fn check_decision(policy: &Policy, reservation: &Reservation) {
    let now = reservation.held_at;
    for charge in &reservation.charges {
        let budget = policy.budgets.iter().find(|budget| budget.id == charge.budget).unwrap().at(now);
        let limits: Vec<(Unit, u64)> = budget.limits_at(now).iter().map(|limit| (limit.unit, limit.amount)).collect();
        let recorded: Vec<(Unit, u64)> = charge.amounts.iter().map(|amount| (amount.unit, amount.limit)).collect();
        assert_eq!(recorded, limits, "{charge:?}");
        assert_eq!((Some(charge.span), charge.mode, charge.frozen), (budget.span(now), budget.mode, budget.frozen), "{charge:?}");
        assert!(charge.span.contains(now) && (reservation.state == State::Denied || !charge.is_enforced() || charge.fits()), "{charge:?}");
    }
}

impl<L: Books> Tasks for Town<L> {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        let step = STEPS.iter().find(|step| function_arn(&step.binary()) == resource).unwrap();
        let done = self.step(step.state, input).await;
        match done["thrown"].as_str() {
            Some(error) => Err(TaskError { error: error.to_owned(), cause: done["message"].to_string() }),
            None => Ok(done),
        }
    }
}
