//! Clients and Step Functions: executions arrive, some are run twice, some are stopped midway and driven again; the sweep runs beside
//! them on its schedule.

use super::calls::{Calls, Journal};
use super::facts::{Hearing, Seen};
use super::functions::Functions;
use super::requests::Asked;
use super::weather::Fault;
use super::world::World;
use cost_sentry_asl::{Clock, End, Execution, run};
use cost_sentry_core::request::Origin;
use cost_sentry_workflow::steps::{STEPS, SWEEP};
use cost_sentry_workflow::time_outs;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Step Functions' clock is right.
struct StateMachineClock(Arc<World>);

impl Clock for StateMachineClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.executor.sleep(duration).await;
    }

    fn fraction(&self) -> f64 {
        self.0.chance.fraction()
    }
}

/// What happens to an execution besides its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fortune {
    Plain,
    /// A second run begins so much later.
    Twice(Duration),
    /// It is stopped, and driven again after so much longer.
    Redriven(Stop, Duration),
}

/// When an execution is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// So long after its beginning.
    After(Duration),
    /// So long after it entered a state.
    In(&'static str, Duration),
}

/// Lets one execution arrive at its time, and sees it through.
pub async fn execution(world: Arc<World>, functions: Arc<Functions>, arrives: Duration, asked: Asked) {
    world.executor.sleep(arrives).await;
    let unlucky = world.chance.one_in(20);
    let fortune = fortune(&world, unlucky);
    let began = world.executor.now();
    let deaf = matches!(fortune, Fortune::Redriven(Stop::In("RecordMetrics", _), _));
    let hearing = if deaf { Hearing::UntilItsCall } else { Hearing::Good };
    let (index, id) = arrive(&world, Seen { unlucky, hearing, ..Seen::new(asked.clone(), began, fortune == Fortune::Plain) });
    let document = asked.document();
    let stop = match fortune {
        Fortune::Redriven(Stop::In(state, _), _) => Some((state, Arc::new(Notify::new()))),
        _ => None,
    };
    let one = Run { world: Arc::clone(&world), functions, index, id, began, document, journal: Arc::default(), stop };
    match fortune {
        Fortune::Plain => one.to_its_end(0).await,
        Fortune::Twice(later) => {
            world.trouble_of(Some(index), Fault::ExecutionTwice);
            let other = Run { journal: Arc::default(), ..one.clone() };
            let executor = world.executor.clone();
            let (_, second) = world.executor.spawn(async move {
                executor.sleep(later).await;
                other.to_its_end(0).await;
            });
            one.to_its_end(0).await;
            let _ = second.await;
        }
        Fortune::Redriven(stop, later) => {
            let days = later > Duration::from_hours(2);
            world.trouble_of(Some(index), if days { Fault::RedrivenDaysLater } else { Fault::Redriven });
            let stopped = tokio::select! {
                biased;
                () = one.to_its_end(0) => false,
                () = one.stopped(stop) => true,
            };
            if stopped {
                world.note(Some(index), || "the execution is stopped".to_owned());
                world.facts().busy -= 1;
                world.executor.sleep(later).await;
                if let Some(seen) = world.facts().executions.get_mut(index) {
                    seen.hearing = Hearing::Good;
                }
                let journal = super::executor::lock(&one.journal).redriven();
                let again = Run { journal: Arc::new(Mutex::new(journal)), stop: None, ..one };
                again.to_its_end(1).await;
            }
        }
    }
}

fn fortune(world: &World, unlucky: bool) -> Fortune {
    let chance = &world.chance;
    let happens = |fault| chance.happens(world.weather.rate(fault) * if unlucky { 10 } else { 1 });
    let stopped = || match chance.pick(&STEPS) {
        Some(step) if chance.one_in(2) => Stop::In(step.state, chance.millis(0..=60)),
        _ => Stop::After(chance.millis(1..=if chance.one_in(3) { 250_000 } else { 12_000 })),
    };
    if happens(Fault::ExecutionTwice) {
        Fortune::Twice(if chance.one_in(2) { chance.millis(0..=50) } else { chance.millis(0..=290_000) })
    } else if happens(Fault::Redriven) {
        Fortune::Redriven(stopped(), chance.seconds(0..=3_600))
    } else if happens(Fault::RedrivenDaysLater) {
        let days = if chance.one_in(2) { 14 } else { chance.number(1..=13) };
        Fortune::Redriven(stopped(), Duration::from_secs(days * 86_400))
    } else {
        Fortune::Plain
    }
}

fn arrive(world: &World, seen: Seen) -> (usize, String) {
    let mut facts = world.facts();
    let index = facts.executions.len();
    let id = format!("arn:aws:states:us-east-1:000000000000:execution:cost-sentry:{index}");
    let pinned = BTreeMap::new();
    let origin = Origin { execution_id: &id, started_at: world.at(seen.began), pinned: &pinned };
    facts.by_request.insert(origin.request_id(), index);
    facts.tally.executions += 1;
    let text = format!("arrives: {:?}", seen.asked);
    facts.executions.push(seen);
    drop(facts);
    world.note(Some(index), || text);
    (index, id)
}

/// One run of an execution.
#[derive(Clone)]
struct Run {
    world: Arc<World>,
    functions: Arc<Functions>,
    index: usize,
    id: String,
    began: Duration,
    document: Value,
    journal: Arc<Mutex<Journal>>,
    /// The state at which it is stopped, and who waits for that.
    stop: Option<(&'static str, Arc<Notify>)>,
}

impl Run {
    /// Waits until it is time to stop.
    async fn stopped(&self, stop: Stop) {
        match (stop, &self.stop) {
            (Stop::After(after), _) => self.world.executor.sleep(after).await,
            (Stop::In(_, after), Some((_, told))) => {
                told.notified().await;
                self.world.executor.sleep(after).await;
            }
            (Stop::In(..), None) => std::future::pending().await,
        }
    }

    async fn to_its_end(&self, redrives: u64) {
        let world = &self.world;
        let execution = Execution {
            id: self.id.clone(),
            name: self.index.to_string(),
            start_time: world.at(self.began),
            state_machine_id: "arn:aws:states:us-east-1:000000000000:stateMachine:cost-sentry".to_owned(),
            state_machine_name: "cost-sentry".to_owned(),
            role_arn: "arn:aws:iam::000000000000:role/cost-sentry".to_owned(),
            redrive_count: redrives,
        };
        let journal = Arc::clone(&self.journal);
        let calls = Calls { functions: Arc::clone(&self.functions), execution: self.index, journal, stop: self.stop.clone() };
        let clock = StateMachineClock(Arc::clone(world));
        {
            let mut facts = world.facts();
            facts.busy += 1;
            facts.tally.runs += 1;
        }
        let end = run(&world.machine, &execution, self.document.clone(), &calls, &clock, &()).await;
        world.note(Some(self.index), || format!("ends: {end:?}"));
        let mut facts = world.facts();
        facts.busy -= 1;
        facts.tally.ends.add(super::ends::name(&end));
        if let Some(seen) = facts.executions.get_mut(self.index) {
            seen.ends.push(end);
        }
    }
}

/// Runs the sweep at its interval for as long as there may be something to end, until `over`.
pub async fn sweeps(world: Arc<World>, functions: Arc<Functions>, over: Arc<std::sync::atomic::AtomicBool>) {
    let interval = Duration::from_secs(u64::from(time_outs::SWEEP_INTERVAL));
    while !over.load(std::sync::atomic::Ordering::Relaxed) {
        world.executor.sleep(interval).await;
        let idle = {
            let facts = world.facts();
            facts.busy == 0 && facts.witness.open().next().is_none()
        };
        if !idle {
            sweep(&world, &functions).await;
        }
    }
}

/// One sweep. If nothing went wrong in it, nothing is left open whose lease was past when it began.
pub async fn sweep(world: &Arc<World>, functions: &Arc<Functions>) {
    let began = world.executor.now();
    let troubles = world.facts().tally.faults.clone();
    let answer = functions.begin(SWEEP, None, json!({})).await;
    let is_smooth = matches!(answer, Ok(Ok(_))) && world.facts().tally.faults == troubles;
    if !is_smooth {
        return;
    }
    // The slowest clock that any function has, and the skew that the sweep grants.
    let latest = world.at(began) - time_outs::seconds(time_outs::SKEW) - time_outs::seconds(super::functions::FARTHEST_OFF);
    let left = {
        let facts = world.facts();
        let left = facts.witness.open().find(|(stored, written)| stored.lease_end < latest && *written < began);
        left.map(|(stored, _)| (facts.by_request.get(stored.request_id()).copied(), stored.lease_end))
    };
    if let Some((execution, lease_end)) = left {
        world.violated(execution, format!("a sweep left open what it had to end: the lease ended at {lease_end}"));
    }
}

/// The end of an execution's run, for its client.
pub fn document(end: &End) -> Option<Value> {
    match end {
        End::Succeeded { output } => Some(output.clone()),
        End::Failed { cause, .. } => serde_json::from_str(cause).ok(),
        End::TimedOut => None,
    }
}
