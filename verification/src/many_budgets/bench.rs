//! The measurement.

use super::documents::{policy, request, teams};
use super::report::{Figures, Policies, Ratios, Row};
use crate::one_policy::{CountsNothing, OnePolicy, SetClock, Silent};
use crate::spread::Spread;
use cost_sentry_core::budget::Subject;
use cost_sentry_core::plan;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::request::Request;
use cost_sentry_workflow::error::Thrown;
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::policy_cache::{PolicyCache, compile};
use cost_sentry_workflow::ports::PolicyError;
use cost_sentry_workflow::steps::{CheckRateLimit, ValidateAndSetContext};
use cost_sentry_workflow::time_outs::Leases;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

/// When all of it happens.
const NOW: &str = "2026-11-20T12:30:00Z";

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
    let (mut sides, mut policies) = (Vec::new(), Vec::new());
    for budgets in [small, large] {
        let (side, figures) = Side::new(budgets, &clock).await?;
        sides.push(side);
        policies.push(figures);
    }
    let mut rows = Vec::new();
    for (asking, spread_out) in [("one team asks", false), ("all teams ask in turn", true)] {
        let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
        for n in 0..=options.rounds {
            let order = if n % 2 == 0 { [0, 1] } else { [1, 0] };
            for which in order {
                let (Some(side), Some(found)) = (sides.get_mut(which), rounds.get_mut(which)) else { continue };
                let round = side.round(options.requests, spread_out).await?;
                // The first round fills the caches of the machine.
                if n > 0 {
                    found.push(round);
                }
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
    async fn new(budgets: usize, clock: &'a SetClock) -> Result<(Self, Policies), Failed> {
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

    async fn round(&mut self, requests: usize, spread_out: bool) -> Result<Round, Failed> {
        let inputs = self.inputs(requests, spread_out).await?;
        let parsed: Vec<Request> =
            inputs.iter().filter_map(|input| serde_json::from_value(input.get("request").cloned().unwrap_or_default()).ok()).collect();
        self.check.ledger = MemoryLedger::default();
        let mut steps = Vec::with_capacity(requests);
        for input in inputs {
            let began = Instant::now();
            let answer = self.check.run(input).await?;
            steps.push(micros(began));
            let charges = answer.pointer("/reservation/charges").and_then(Value::as_array).map_or(0, Vec::len);
            if charges != 6 {
                return Err(Failed::NotApproved { expected: 6, found: answer });
            }
        }
        let now: Timestamp = NOW.parse().unwrap_or_default();
        let timed = |work: &dyn Fn(&Request)| {
            Spread::of(parsed.iter().map(|request| {
                let began = Instant::now();
                work(request);
                micros(began)
            }))
            .median
        };
        let plan = timed(&|request| {
            let plan = plan::estimate(&self.policy, request).and_then(|estimate| plan::plan(&self.policy, request, estimate, now));
            drop(black_box(plan));
        });
        let every_budget = timed(&|request| {
            let model = &request.model;
            let subject = Subject { model: &model.name, model_id: &model.model_id, underlying: &model.underlying, tags: &request.tags };
            black_box(self.policy.budgets.iter().filter(|budget| budget.applies_to(subject)).count());
        });
        Ok(Round { step: Spread::of(steps).median, plan, every_budget })
    }
}

fn micros(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6
}
