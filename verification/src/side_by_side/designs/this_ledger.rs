//! This project: the four shipped steps, one after another, on a ledger.

use crate::one_policy::{OnePolicy, Silent};
use crate::side_by_side::design::{Books, Design, Failed};
use crate::side_by_side::traffic::Arrival;
use crate::side_by_side::world::World;
use cost_sentry_core::plan;
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::{Origin, Prompt, Request, validate};
use cost_sentry_core::reservation::{Charge, ClaimId, Reservation, State, Transition};
use cost_sentry_core::reservation::{CounterDelta, Step};
use cost_sentry_core::tags::TagValues;
use cost_sentry_workflow::ledger::drive;
use cost_sentry_workflow::metrics::Point;
use cost_sentry_workflow::policy_cache::{PolicyCache, compile};
use cost_sentry_workflow::ports::{
    Answer, Call, CallFailed, CounterFigures, Created, Edge, Ledger, LedgerError, Metrics, MetricsError, Model, TokenCounter, Written,
};
use cost_sentry_workflow::steps::{CheckRateLimit, InvokeModel, RecordMetrics, SweepReservations, ValidateAndSetContext};
use cost_sentry_workflow::time_outs::{self, Leases};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The bounds on a request's input, in the policy's words.
pub const INPUT_BOUNDS: [&str; 4] = ["bytes", "refine", "count-tokens", "heuristic"];

/// How long Bedrock takes to count a request's tokens.
const COUNT_MILLIS: u64 = 80;

/// The steps on a ledger, under a policy of one budget.
pub struct ThisLedger<L> {
    surroundings: Surroundings<L>,
    validate: ValidateAndSetContext<OnePolicy, Silent, Surroundings<L>>,
    check: CheckRateLimit<OnePolicy, Surroundings<L>, Surroundings<L>, Surroundings<L>>,
    counter: Charge,
}

/// The world as the steps' ports show it: the ledger across a network, the clock, Bedrock.
pub struct Surroundings<L> {
    ledger: Arc<L>,
    world: Arc<World>,
    arrivals: Arc<[Arrival]>,
    claims: Arc<AtomicU64>,
}

impl<L> Clone for Surroundings<L> {
    fn clone(&self) -> Self {
        let Self { ledger, world, arrivals, claims } = self;
        Self { ledger: Arc::clone(ledger), world: Arc::clone(world), arrivals: Arc::clone(arrivals), claims: Arc::clone(claims) }
    }
}

impl<L> Surroundings<L> {
    /// Around this ledger.
    pub fn new(ledger: Arc<L>, world: &Arc<World>, arrivals: &Arc<[Arrival]>) -> Self {
        Self { ledger, world: Arc::clone(world), arrivals: Arc::clone(arrivals), claims: Arc::new(AtomicU64::new(0)) }
    }
}

/// A policy with one budget, in tokens.
fn policy(limit: u64, input_bound: &str) -> Value {
    json!({
        "models": { "haiku": { "id": "us.anthropic.claude-haiku-4-5-20251001-v1:0" } },
        "requests": { "inputBound": input_bound },
        "budgets": [{ "name": "the-budget", "limit": { "tokens": limit }, "window": "month" }],
    })
}

/// The request of an arrival, validated.
fn validated(arrival: &Arrival, policy: &cost_sentry_core::policy::Policy, now: Timestamp, run: &str) -> Result<Request, Failed> {
    let id = format!("{run}-{}", arrival.id);
    let origin = Origin { execution_id: &id, started_at: now, pinned: &TagValues::new() };
    validate(&arrival.request(), policy, origin)
        .map_err(|problems| Failed { what: "a made-up request is invalid", why: format!("{:?}", problems.into_vec()) })
}

/// Books what was spent before as a request of that size, held and settled like any other.
async fn spend(ledger: &impl Ledger, policy: &Value, first: &Arrival, spent: u64, now: Timestamp) -> Result<Charge, Failed> {
    let failed = Failed::because("what was spent before could not be booked");
    let compiled = compile(policy).map_err(|error| failed(&error))?;
    let request = validated(first, &compiled, now, "before")?;
    let plan = plan::estimate(&compiled, &request).and_then(|estimate| plan::plan(&compiled, &request, estimate, now));
    let mut reservation = plan.map_err(|error| failed(&error))?.reserve(&request, State::Held, now, now);
    for amount in reservation.charges.iter_mut().flat_map(|charge| &mut charge.amounts) {
        amount.hold = spent;
    }
    let Some(charge) = reservation.charges.first().cloned() else { return Err(failed(&"no budget applies")) };
    if !matches!(ledger.create(&reservation).await.map_err(|error| failed(&error))?, Created::Created) {
        return Err(failed(&"it did not fit"));
    }
    let claim_id = ClaimId("before".to_owned());
    let claim = Transition::Claim { claim_id: claim_id.clone(), request_hash: request.hash(), lease_end: now };
    let usage = Usage { input: Tokens(spent), ..Usage::default() };
    for event in [claim, Transition::Settle { claim_id, usage }] {
        let driven = drive(ledger, reservation.clone(), &event).await.map_err(|error| failed(&error))?;
        let cost_sentry_workflow::ledger::Driven::Stands(next) = driven else { return Err(failed(&"it did not stand")) };
        reservation = *next;
    }
    Ok(charge)
}

/// What the one budget's counter shows.
async fn counted(ledger: &impl Ledger, charge: &Charge) -> Result<Books, Failed> {
    let figures = ledger.figures(std::slice::from_ref(charge)).await;
    let figures = figures.map_err(|error| Failed::because("the counter could not be read")(&error))?;
    let tokens = figures.first().and_then(|units| units.values().next()).copied().unwrap_or_default();
    let whole = |count: i64| u64::try_from(count).unwrap_or_default();
    Ok(Books { counted: whole(tokens.committed), uncertain: whole(tokens.uncertain) })
}

impl<L: Ledger + 'static> ThisLedger<L> {
    /// The steps on this ledger, with so much spent of the world's limit.
    pub async fn new(ledger: Arc<L>, world: &Arc<World>, arrivals: &Arc<[Arrival]>, input_bound: &str) -> Result<Self, Failed> {
        let document = policy(world.limit, input_bound);
        let Some(first) = arrivals.first() else { return Err(Failed::because("nothing to compare")(&"no request")) };
        let counter = spend(&*ledger, &document, first, world.tally().spent, world.now()).await?;
        let store = OnePolicy::new(document).map_err(|error| Failed::because("the policy of the comparison is none")(&error))?;
        let surroundings = Surroundings::new(ledger, world, arrivals);
        let validate = ValidateAndSetContext { policy: PolicyCache::new(store.clone()), log: Silent, edge: surroundings.clone() };
        let check = CheckRateLimit {
            policy: PolicyCache::new(store),
            ledger: surroundings.clone(),
            counter: surroundings.clone(),
            edge: surroundings.clone(),
            leases: Leases::default(),
        };
        Ok(Self { surroundings, validate, check, counter })
    }

    async fn steps(&self, arrival: &Arrival, world: &World) -> Result<(), cost_sentry_workflow::error::Thrown> {
        let start = json!({
            "request": arrival.request(), "executionId": format!("run-{}", arrival.id), "startedAt": world.now(), "pinnedTags": {},
        });
        let checked = self.check.run(self.validate.run(start).await?).await?;
        let ended = match checked.get("decision").and_then(Value::as_str) {
            Some("APPROVED") => {
                world.approve(arrival);
                let (ledger, edge) = (self.surroundings.clone(), self.surroundings.clone());
                let invoke = InvokeModel { ledger, model: OneCall { arrival, world }, edge, leases: Leases::default() };
                let killed_after = Duration::from_millis(arrival.call_millis + 100);
                let running = invoke.run(checked);
                if arrival.dies {
                    // The process is gone: its future is dropped where it stands, and no later state runs.
                    drop(tokio::time::timeout(killed_after, running).await);
                    return Ok(());
                }
                running.await?
            }
            Some("DENIED") => {
                world.refuse(arrival);
                checked
            }
            _ => {
                world.fail();
                checked
            }
        };
        let record = RecordMetrics { ledger: self.surroundings.clone(), metrics: NoMetrics, log: Silent, edge: self.surroundings.clone() };
        record.run(ended).await.map(drop)
    }
}

impl<L: Ledger + 'static> Design for ThisLedger<L> {
    async fn serve(&self, arrival: &Arrival, world: &World) -> Result<(), Failed> {
        if self.steps(arrival, world).await.is_err() {
            world.fail();
        }
        Ok(())
    }

    async fn books(&self, world: &World) -> Result<Books, Failed> {
        let lease = u64::from(time_outs::LEASE + time_outs::SKEW + time_outs::SWEEP_INTERVAL) * 1_000;
        world.pass(lease).await;
        let sweep = SweepReservations {
            ledger: self.surroundings.clone(),
            metrics: NoMetrics,
            log: Silent,
            edge: self.surroundings.clone(),
            leases: Leases::default(),
        };
        sweep.sweep().await.map_err(|error| Failed::because("the sweep failed")(&error))?;
        counted(&*self.surroundings.ledger, &self.counter).await
    }
}

/// The call of one arrival: it takes its time and uses what it uses.
struct OneCall<'a> {
    arrival: &'a Arrival,
    world: &'a World,
}

impl Model for OneCall<'_> {
    async fn converse(&self, _call: Call<'_>) -> Result<Answer, CallFailed> {
        self.world.call(self.arrival).await;
        if self.arrival.dies {
            std::future::pending::<()>().await;
        }
        let usage = Usage { input: Tokens(self.arrival.input), output: Tokens(self.arrival.output), ..Usage::default() };
        Ok(Answer { text: String::new(), stop_reason: "end_turn".to_owned(), usage: Some(usage) })
    }
}

/// Metrics that go nowhere.
struct NoMetrics;

impl Metrics for NoMetrics {
    async fn put(&self, _points: &[Point], _at: Timestamp) -> Result<(), MetricsError> {
        Ok(())
    }
}

impl<L: Ledger> Edge for Surroundings<L> {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn draw_claim_id(&self) -> ClaimId {
        ClaimId(format!("claim-{}", self.claims.fetch_add(1, Ordering::Relaxed)))
    }
}

impl<L: Ledger> TokenCounter for Surroundings<L> {
    async fn count_tokens(&self, _model_id: &str, prompt: &Prompt) -> Option<Tokens> {
        self.world.pass(COUNT_MILLIS).await;
        let text = prompt.messages.first()?.content.first()?;
        Some(Tokens(self.arrivals.get(Arrival::id_in(text)?)?.input))
    }
}

/// The ledger, each request of it one way there and one way back.
impl<L: Ledger> Ledger for Surroundings<L> {
    async fn figures(&self, charges: &[Charge]) -> Result<Vec<CounterFigures>, LedgerError> {
        self.world.one_way().await;
        let figures = self.ledger.figures(charges).await;
        self.world.one_way().await;
        figures
    }

    async fn create(&self, reservation: &Reservation) -> Result<Created, LedgerError> {
        self.world.one_way().await;
        let created = self.ledger.create(reservation).await;
        self.world.one_way().await;
        created
    }

    async fn find(&self, request_id: &str) -> Result<Option<Reservation>, LedgerError> {
        self.world.one_way().await;
        let found = self.ledger.find(request_id).await;
        self.world.one_way().await;
        found
    }

    async fn write(&self, version: u64, step: &Step) -> Result<Written, LedgerError> {
        self.world.one_way().await;
        let written = self.ledger.write(version, step).await;
        self.world.one_way().await;
        written
    }

    async fn leases_past(&self, before: Timestamp, most: usize) -> Result<Vec<Reservation>, LedgerError> {
        self.ledger.leases_past(before, most).await
    }

    async fn count_shadow(&self, deltas: &[CounterDelta]) {
        self.ledger.count_shadow(deltas).await;
    }
}
