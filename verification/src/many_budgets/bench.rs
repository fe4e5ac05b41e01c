//! The measurement.

use super::documents::{PER_TEAM, SHARED, policy, request, teams};
use super::report::{Figures, Policies, Ratios, Row};
use crate::one_policy::{CountsNothing, OnePolicy, SetClock, Silent};
use crate::spread::Spread;
use cost_sentry_core::budget::Subject;
use cost_sentry_core::plan::{self, NoPlan, Plan};
use cost_sentry_core::policy::Policy;
use cost_sentry_core::request::Request;
use cost_sentry_core::reservation::State;
use cost_sentry_workflow::error::Thrown;
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::policy_cache::{PolicyCache, compile};
use cost_sentry_workflow::ports::{Ledger, PolicyError};
use cost_sentry_workflow::steps::{CheckRateLimit, ValidateAndSetContext};
use cost_sentry_workflow::time_outs::Leases;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

/// When all of it happens.
const NOW: &str = "2026-11-20T12:30:00Z";

/// Requests per round for which every budget is looked at, for comparison.
const LOOKS: usize = 20;
/// Counters that the ledger holds before a round, per request of it.
const COUNTERS_PER_REQUEST: usize = 4;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Budgets in the small policy and in the large one.
    pub sizes: [usize; 2],
    /// How often both are measured.
    pub rounds: usize,
    /// Requests per policy and round.
    pub requests: usize,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The policy that was made is none.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A step failed.
    #[error("a step failed: {0}")]
    Step(#[from] Thrown),
    /// A request was not approved: what was timed is not what was meant.
    #[error("a request was not approved with {expected} budgets: {found}")]
    NotApproved {
        /// How many budgets should have applied.
        expected: usize,
        /// The step's answer.
        found: Value,
    },
    /// The options leave nothing to measure.
    #[error("at least one round, one request and six budgets are needed")]
    NothingToDo,
}

/// One policy with the steps that it counts in.
struct Side<'a> {
    budgets: usize,
    policy: Policy,
    validate: ValidateAndSetContext<OnePolicy, Silent, &'a SetClock>,
    check: CheckRateLimit<OnePolicy, MemoryLedger, CountsNothing, &'a SetClock>,
    asked: usize,
}

/// What one round says of one policy, in microseconds: the step's time and the plan's, each the median over its requests, and the time of
/// looking at every budget instead.
struct Round {
    step: f64,
    plan: f64,
    every_budget: f64,
}

/// Measures both policies.
pub async fn measure(options: Options, mut progress: impl FnMut(usize)) -> Result<Figures, Failed> {
    if options.rounds == 0 || options.requests == 0 || options.sizes.iter().any(|budgets| teams(*budgets) == 0) {
        return Err(Failed::NothingToDo);
    }
    let clock = SetClock::at(NOW.parse().unwrap_or_default());
    let [small, large] = options.sizes;
    let (mut small, of_small) = Side::new(small, &clock)?;
    let (mut large, of_large) = Side::new(large, &clock)?;
    let policies = vec![of_small, of_large];
    let mut rows = Vec::new();
    for (asking, spread_out) in [("one team asks", false), ("all teams ask in turn", true)] {
        let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
        for n in 0..=options.rounds {
            let found = round(&mut small, &mut large, options.requests, spread_out).await?;
            // The first round fills the caches of the machine.
            if n > 0 {
                rounds.iter_mut().zip(found).for_each(|(rounds, round)| rounds.push(round));
            }
            progress(n);
        }
        rows.push(row(asking, &rounds));
    }
    Ok(Figures { sizes: options.sizes, rounds: options.rounds, requests_per_round: options.requests, rows, policies })
}

fn row(asking: &'static str, [small, large]: &[Vec<Round>; 2]) -> Row {
    let both = |of: fn(&Round) -> f64| [small, large].map(|rounds| Spread::of(rounds.iter().map(of)));
    let ratio = |of: fn(&Round) -> f64| Spread::of(small.iter().zip(large).map(|(small, large)| of(large) / of(small)));
    Row {
        asking,
        step_micros: both(|round| round.step),
        plan_micros: both(|round| round.plan),
        every_budget_micros: both(|round| round.every_budget),
        ratios: Ratios { step: ratio(|round| round.step), plan: ratio(|round| round.plan) },
    }
}

impl<'a> Side<'a> {
    fn new(budgets: usize, clock: &'a SetClock) -> Result<(Self, Policies), Failed> {
        let document = policy(budgets);
        let text = document.to_string();
        let began = Instant::now();
        let read: Value = serde_json::from_str(&text).unwrap_or_default();
        let compiled = compile(&read)?;
        let compile_millis = micros(began) / 1_000.0;
        let began = Instant::now();
        let warnings = compiled.warnings(jiff::civil::date(2026, 11, 20)).len();
        let warnings_millis = micros(began) / 1_000.0;
        let store = OnePolicy::new(document)?;
        let validate = ValidateAndSetContext { policy: PolicyCache::new(store.clone()), log: Silent, edge: clock };
        let check = CheckRateLimit {
            policy: PolicyCache::new(store),
            ledger: MemoryLedger::default(),
            counter: CountsNothing,
            edge: clock,
            leases: Leases::default(),
        };
        let side = Self { budgets, policy: compiled, validate, check, asked: 0 };
        Ok((side, Policies { budgets, bytes: text.len(), compile_millis, warnings, warnings_millis }))
    }

    /// Requests as `CheckRateLimit` gets them.
    async fn inputs(&mut self, requests: usize, spread_out: bool) -> Result<Vec<Value>, Failed> {
        let mut inputs = Vec::with_capacity(requests);
        for _ in 0..requests {
            self.asked += 1;
            let team = if spread_out { self.asked % teams(self.budgets) } else { 0 };
            let start = json!({
                "request": request(team), "executionId": format!("run-{}", self.asked), "startedAt": NOW, "pinnedTags": {},
            });
            inputs.push(self.validate.run(start).await?);
        }
        Ok(inputs)
    }

    /// A ledger that holds these requests' counters, as all but a window's first request find it, and counters of others up to the same
    /// number under both policies: what it takes to find one among them is no part of what the policy costs.
    async fn stocked_ledger(&self, requests: &[Request]) -> MemoryLedger {
        let ledger = MemoryLedger::default();
        let now = now();
        let mut others = Vec::new();
        for (n, request) in requests.iter().enumerate() {
            let Ok(plan) = self.plan(request) else { continue };
            let mut reservation = plan.reserve(request, State::Held, now, now);
            reservation.tags.request_id = format!("before-{n}");
            // A ledger in memory has no other reason to refuse than the limits, which are far away.
            drop(ledger.create(&reservation).await);
            others.push(reservation);
        }
        let mut stocked = ledger.books().counters.len();
        for (n, mut reservation) in others.into_iter().enumerate() {
            reservation.tags.request_id = format!("other-{n}");
            reservation.charges.truncate((COUNTERS_PER_REQUEST * requests.len()).saturating_sub(stocked));
            stocked += reservation.charges.len();
            for (m, charge) in reservation.charges.iter_mut().enumerate() {
                charge.budget = format!("team-{n}-other-{m}");
            }
            drop(ledger.create(&reservation).await);
        }
        ledger
    }

    fn plan(&self, request: &Request) -> Result<Plan, NoPlan> {
        plan::estimate(&self.policy, request).and_then(|estimate| plan::plan(&self.policy, request, estimate, now()))
    }

    fn budgets_of_all(&self, request: &Request) -> usize {
        let model = &request.model;
        let subject = Subject { model: &model.name, model_id: &model.model_id, underlying: &model.underlying, tags: &request.tags };
        self.policy.budgets.iter().filter(|budget| budget.applies_to(subject)).count()
    }

    /// One request through the step: how long it took.
    async fn step(&self, input: Value) -> Result<f64, Failed> {
        let began = Instant::now();
        let answer = self.check.run(input).await?;
        let took = micros(began);
        let charges = answer.pointer("/reservation/charges").and_then(Value::as_array).map_or(0, Vec::len);
        if charges == SHARED + PER_TEAM { Ok(took) } else { Err(Failed::NotApproved { expected: SHARED + PER_TEAM, found: answer }) }
    }
}

/// One round of both policies. They take turns request by request, so that whatever else the machine does meets both alike, and neither
/// finds the processor's caches as it left them.
async fn round(small: &mut Side<'_>, large: &mut Side<'_>, requests: usize, spread_out: bool) -> Result<[Round; 2], Failed> {
    let inputs = [small.inputs(requests, spread_out).await?, large.inputs(requests, spread_out).await?];
    let parsed = inputs.each_ref().map(|inputs| {
        let request = |input: &Value| serde_json::from_value(input.get("request").cloned().unwrap_or_default()).ok();
        inputs.iter().filter_map(request).collect::<Vec<Request>>()
    });
    // The plans come first: nothing has touched these budgets' memory for some rounds. The step has a policy of its own.
    let [mut plans, mut steps] = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    let [of_small, of_large] = &parsed;
    for (of_small, of_large) in of_small.iter().zip(of_large) {
        let [plans_small, plans_large] = &mut plans;
        plans_small.push(timed(|| small.plan(of_small)));
        plans_large.push(timed(|| large.plan(of_large)));
    }
    small.check.ledger = small.stocked_ledger(of_small).await;
    large.check.ledger = large.stocked_ledger(of_large).await;
    let [of_small, of_large] = inputs;
    for (of_small, of_large) in of_small.into_iter().zip(of_large) {
        let [steps_small, steps_large] = &mut steps;
        steps_small.push(small.step(of_small).await?);
        steps_large.push(large.step(of_large).await?);
    }
    let [of_small, of_large] = &parsed;
    let every_budget = [(&*small, of_small), (&*large, of_large)]
        .map(|(side, parsed)| median(parsed.iter().take(LOOKS).map(|request| timed(|| side.budgets_of_all(request)))));
    let [plan_small, plan_large] = plans.map(median);
    let [step_small, step_large] = steps.map(median);
    let [all_small, all_large] = every_budget;
    Ok([
        Round { step: step_small, plan: plan_small, every_budget: all_small },
        Round { step: step_large, plan: plan_large, every_budget: all_large },
    ])
}

fn now() -> Timestamp {
    NOW.parse().unwrap_or_default()
}

fn median(times: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(times).median
}

fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let began = Instant::now();
    let done = work();
    let took = micros(began);
    drop(black_box(done));
    took
}

fn micros(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6
}
