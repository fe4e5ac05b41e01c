//! Lambda: warm instances of the shipped steps, each with its own clock and its own memory of the policy, which die, run twice and run
//! out of time.

use super::chance::Chance;
use super::executor::{TaskId, lock};
use super::facts::Invocation;
use super::ledger::SimulatedLedger;
use super::services::Services;
use super::weather::Fault;
use super::world::World;
use cost_sentry_asl::TaskError;
use cost_sentry_workflow::error::Thrown;
use cost_sentry_workflow::policy_cache::PolicyCache;
use cost_sentry_workflow::steps::{self, STEPS};
use cost_sentry_workflow::time_outs::{self, Leases};
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// How many instances of each function are warm.
const INSTANCES: usize = 3;
const VALIDATE: &str = STEPS[0].state;
const CHECK: &str = STEPS[1].state;
/// The state that sends the call.
pub const INVOKE: &str = STEPS[2].state;
/// The state that records it.
pub const RECORD: &str = STEPS[3].state;

/// The farthest that any clock is off, in seconds.
pub const FARTHEST_OFF: u32 = 300;

/// The shipped steps on the simulated ports.
enum Step {
    Validate(steps::ValidateAndSetContext<Services, Services, Services>),
    Check(steps::CheckRateLimit<Services, SimulatedLedger, Services, Services>),
    Invoke(steps::InvokeModel<SimulatedLedger, Services, Services>),
    Record(steps::RecordMetrics<SimulatedLedger, Services, Services, Services>),
    Sweep(steps::SweepReservations<SimulatedLedger, Services, Services, Services>),
}

impl Step {
    fn new(name: &str, world: &Arc<World>) -> Self {
        let (ledger, services) = (SimulatedLedger(Arc::clone(world)), Services(Arc::clone(world)));
        let (policy, log, edge) = (PolicyCache::new(services.clone()), services.clone(), services.clone());
        let (metrics, counter, model, leases) = (services.clone(), services.clone(), services, Leases::default());
        match name {
            VALIDATE => Self::Validate(steps::ValidateAndSetContext { policy, log, edge }),
            CHECK => Self::Check(steps::CheckRateLimit { policy, ledger, counter, edge, leases }),
            INVOKE => Self::Invoke(steps::InvokeModel { ledger, model, edge, leases }),
            RECORD => Self::Record(steps::RecordMetrics { ledger, metrics, log, edge }),
            _ => Self::Sweep(steps::SweepReservations { ledger, metrics, log, edge, leases }),
        }
    }

    async fn run(&self, input: Value) -> Result<Value, Thrown> {
        match self {
            Self::Validate(step) => step.run(input).await,
            Self::Check(step) => step.run(input).await,
            Self::Invoke(step) => step.run(input).await,
            Self::Record(step) => step.run(input).await,
            Self::Sweep(step) => step.run(input).await,
        }
    }
}

/// A warm instance.
struct Instance {
    step: Step,
    skew: SignedDuration,
}

/// All functions of a world.
pub struct Functions {
    /// In which they run.
    pub world: Arc<World>,
    warm: Mutex<BTreeMap<&'static str, Vec<Arc<Instance>>>>,
}

/// The longest that a function may run, as its configuration says.
fn time_out(name: &str) -> Duration {
    let step = STEPS.iter().find(|step| step.state == name);
    Duration::from_secs(u64::from(step.map_or(time_outs::SWEEP, |step| step.time_outs.function)))
}

/// A failure that Lambda reports by itself.
pub fn failed(error: &str) -> TaskError {
    TaskError { error: error.to_owned(), cause: String::new() }
}

impl Functions {
    /// Nothing is warm yet.
    pub fn new(world: Arc<World>) -> Arc<Self> {
        Arc::new(Self { world, warm: Mutex::default() })
    }

    /// A warm instance, or a new one with a clock of its own.
    fn instance(&self, name: &'static str) -> Arc<Instance> {
        let world = &self.world;
        let slot = world.chance.index(INSTANCES);
        let found = lock(&self.warm).get(name).and_then(|warm| warm.get(slot)).cloned();
        if let Some(found) = found {
            return found;
        }
        let skew = skew(world);
        let made = Arc::new(Instance { step: Step::new(name, world), skew });
        lock(&self.warm).entry(name).or_default().push(Arc::clone(&made));
        made
    }

    /// A dead instance is never used again; the next one starts without a policy.
    fn bury(&self, name: &'static str, dead: &Arc<Instance>) {
        if let Some(warm) = lock(&self.warm).get_mut(name) {
            warm.retain(|instance| !Arc::ptr_eq(instance, dead));
        }
    }

    /// Begins an invocation, which goes on whether or not anybody waits for it.
    pub fn begin(self: &Arc<Self>, name: &'static str, execution: Option<usize>, input: Value) -> Answered {
        let world = &self.world;
        let instance = self.instance(name);
        let (own, running) = (Arc::clone(self), Arc::clone(&instance));
        let (id, served) = world.executor.spawn(async move { own.serve(name, &running, input).await });
        let is_off = instance.skew.abs() > SignedDuration::from_secs(2);
        let between = world.happens(execution, Fault::KilledBetween);
        let dies_at = between.then(|| (u32::try_from(world.chance.number(1..=6)).unwrap_or(1), world.chance.one_in(2)));
        let began = world.executor.now();
        let (skew, troubled) = (instance.skew, is_off);
        let mut facts = world.facts();
        facts.tally.invocations += 1;
        facts.busy += 1;
        let invocation = Invocation { step: name, execution, skew, began, dies_at, troubled, ..Invocation::default() };
        facts.invocations.insert(id, invocation);
        if let Some(seen) = execution.and_then(|index| facts.executions.get_mut(index)) {
            seen.troubles += u32::from(is_off);
        }
        drop(facts);
        world.note(execution, || format!("{name} begins, its clock {skew:?} ahead"));
        let own = Arc::clone(self);
        let (_, answer) = world.executor.spawn(async move {
            let answer = served.await;
            own.ended(id, name, execution, &instance, answer.ok())
        });
        answer
    }

    /// Runs a step, unless it dies or runs out of time.
    async fn serve(&self, name: &'static str, instance: &Instance, input: Value) -> Result<Value, TaskError> {
        let world = &self.world;
        if world.goes_wrong(Fault::KilledBefore) {
            world.stop_here().await;
        }
        let answer = tokio::select! {
            biased;
            answer = instance.step.run(input) => answer,
            () = world.executor.sleep(time_out(name)) => {
                world.trouble(Fault::FunctionTimedOut);
                return Err(failed("Sandbox.Timedout"));
            }
        };
        if world.goes_wrong(Fault::KilledAfter) {
            world.stop_here().await;
        }
        answer.map_err(|thrown| TaskError { error: thrown.name.name().to_owned(), cause: thrown.message })
    }

    /// What Step Functions gets of an invocation that ended, in whichever way.
    fn ended(
        &self,
        id: TaskId,
        name: &'static str,
        execution: Option<usize>,
        instance: &Arc<Instance>,
        answer: Option<Result<Value, TaskError>>,
    ) -> Result<Value, TaskError> {
        let answer = answer.unwrap_or_else(|| Err(failed("Lambda.Unknown")));
        if answer.as_ref().is_err_and(|error| ["Lambda.Unknown", "Sandbox.Timedout"].contains(&error.error.as_str())) {
            self.bury(name, instance);
        }
        self.world.note(execution, || match &answer {
            Ok(_) => format!("{name} ends"),
            Err(error) => format!("{name} fails: {}", error.error),
        });
        let mut facts = self.world.facts();
        facts.busy -= 1;
        facts.invocations.remove(&id);
        drop(facts);
        if let (Some(execution), Ok(value)) = (execution, &answer) {
            super::repeats::compare(&self.world, execution, name, value);
        }
        answer
    }
}

/// What Step Functions gets of an invocation.
pub type Answered = oneshot::Receiver<Result<Value, TaskError>>;

/// How far a new instance's clock is ahead.
fn skew(world: &World) -> SignedDuration {
    let fault = [Fault::ClockFarOff, Fault::ClockOff].into_iter().find(|fault| world.goes_wrong_for(None, *fault));
    let seconds = |chance: &Chance, most: u64| SignedDuration::from_secs(chance.number(0..=2 * most).cast_signed() - most.cast_signed());
    match fault {
        Some(Fault::ClockFarOff) => seconds(&world.chance, u64::from(FARTHEST_OFF)),
        Some(_) => seconds(&world.chance, 60),
        None => SignedDuration::from_millis(world.chance.number(0..=200).cast_signed() - 100),
    }
}
