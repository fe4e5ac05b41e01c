//! The shipped steps, run again from their start with the answers so far: what each asks for next, or what it returns.

use super::exchange::{Answer, Exchange, Request, Wire};
use super::stage::{Kind, Stage};
use cost_sentry_asl::{Clock, End, Execution, StateMachine, TaskError, Tasks, substitute};
use cost_sentry_workflow::policy_cache::PolicyCache;
use cost_sentry_workflow::steps::{CheckRateLimit, InvokeModel, RecordMetrics, STEPS, StepName, SweepReservations, ValidateAndSetContext};
use cost_sentry_workflow::time_outs::{self, Leases};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::error::Error;
use std::future::{Future, pending, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The state machine that ships.
const MACHINE: &str = include_str!("../../../statemachine/cost-sentry.asl.json");
/// Longer than any wait before a retry and shorter than any time-out: what waits longer never wakes.
const LONGEST_RETRY_WAIT: Duration = Duration::from_secs(9);

/// What a task gave back.
pub type TaskResult = Result<Value, TaskError>;

/// Whose steps run, and by which clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Who {
    /// The request's kind.
    pub kind: Kind,
    /// The first or the second execution of the request's id.
    pub execution: u8,
    /// Whether its input is another than the first execution's.
    pub other: bool,
    /// Whether it was redriven 14 days later.
    pub redriven: bool,
}

/// Which function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// A step of the workflow, by its place in [`STEPS`].
    Step(usize),
    /// The sweep, by a clock so far past the executions' start.
    Sweep(SweepClock),
}

/// What the sweep's clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SweepClock {
    /// Holds are past their lease, claims are not.
    BetweenLeases,
    /// Everything is past.
    Past,
}

/// One invocation of a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// For whom.
    pub who: Who,
    /// The function.
    pub function: Function,
    /// Its input.
    pub input: Value,
    /// How often the function was tried before with this input, by the workflow.
    pub attempt: usize,
}

/// How far an invocation, or a workflow, gets.
#[derive(Debug)]
pub enum Reached<Asked, Ended> {
    /// It waits for the answer to this.
    Asks(Asked),
    /// It is over.
    Ends(Ended),
}

/// The functions, all on one wire.
pub struct Functions {
    wire: Wire,
    stage: Arc<Stage>,
    machine: StateMachine,
    validate: ValidateAndSetContext<Wire, Wire, Wire>,
    check: CheckRateLimit<Wire, Wire, Wire, Wire>,
    invoke: InvokeModel<Wire, Wire, Wire>,
    record: RecordMetrics<Wire, Wire, Wire, Wire>,
    sweep: SweepReservations<Wire, Wire, Wire, Wire>,
}

impl Functions {
    /// The functions for this stage.
    pub fn new(stage: Arc<Stage>) -> Result<Self, Box<dyn Error>> {
        let wire = Wire::default();
        wire.exchange().policy = Arc::new(stage.policy.clone());
        let placeholders = STEPS.iter().map(|step| (step.placeholder(), arn(step)));
        let pinned = ["PinnedApplicationId", "PinnedCostCenter", "PinnedEnvironment"].map(|name| (name.to_owned(), String::new()));
        let text = substitute(MACHINE, &placeholders.chain(pinned).collect())?;
        let machine = StateMachine::parse(&text).map_err(|problems| format!("the state machine: {problems:?}"))?;
        let (w, leases) = (|| wire.clone(), Leases::default());
        Ok(Self {
            machine,
            validate: ValidateAndSetContext { policy: PolicyCache::new(w()), log: w(), edge: w() },
            check: CheckRateLimit { policy: PolicyCache::new(w()), ledger: w(), counter: w(), edge: w(), leases },
            invoke: InvokeModel { ledger: w(), model: w(), edge: w(), leases },
            record: RecordMetrics { ledger: w(), metrics: w(), log: w(), edge: w() },
            sweep: SweepReservations { ledger: w(), metrics: w(), log: w(), edge: w(), leases },
            wire,
            stage,
        })
    }

    /// Runs an invocation with these answers.
    pub fn run(&self, invocation: &Invocation, answers: Vec<Arc<Answer>>) -> Reached<Request, TaskResult> {
        {
            let mut exchange = self.wire.exchange();
            let (now, claim, policy) = (self.now(invocation), claim(invocation), Arc::clone(&exchange.policy));
            *exchange = Exchange { answers, given: 0, asked: None, now, claim, policy };
        }
        let ended = poll(self.call(invocation.function, invocation.input.clone()));
        match (ended, self.wire.exchange().asked.take()) {
            (Some(result), _) => Reached::Ends(result),
            (None, Some(request)) => Reached::Asks(request),
            (None, None) => Reached::Ends(Err(task_error("Lambda.Unknown"))),
        }
    }

    async fn call(&self, function: Function, input: Value) -> TaskResult {
        let result = match function {
            Function::Step(0) => self.validate.run(input).await,
            Function::Step(1) => self.check.run(input).await,
            Function::Step(2) => self.invoke.run(input).await,
            Function::Step(_) => self.record.run(input).await,
            Function::Sweep(_) => self.sweep.sweep().await.map(|swept| json!(swept)),
        };
        result.map_err(|thrown| task_error(thrown.name.name()))
    }

    /// What the invocation's clock shows. Claims are made half a minute after holds, so that their leases end later.
    fn now(&self, invocation: &Invocation) -> Timestamp {
        let start = if invocation.who.redriven { self.stage.much_later() } else { self.stage.started_at };
        let after = |seconds| start.saturating_add(seconds).unwrap_or(Timestamp::MAX);
        let leases = Leases::default();
        match invocation.function {
            Function::Step(0 | 1) => start,
            Function::Step(_) => after(time_outs::seconds(30)),
            Function::Sweep(SweepClock::BetweenLeases) => after(leases.lease + leases.skew + time_outs::seconds(15)),
            Function::Sweep(SweepClock::Past) => {
                self.stage.much_later().saturating_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Runs the shipped state machine with these results of its tasks: the next invocation, or its end.
    pub fn workflow(&self, who: Who, results: &[TaskResult]) -> Reached<Invocation, End> {
        let script = Script { results, played: Mutex::default() };
        let execution = Execution {
            id: Stage::execution_id(who.kind),
            name: "model".to_owned(),
            start_time: self.stage.started_at,
            state_machine_id: String::new(),
            state_machine_name: String::new(),
            role_arn: String::new(),
            redrive_count: 0,
        };
        let input = Stage::input(who.kind, who.other);
        let ended = poll(cost_sentry_asl::run(&self.machine, &execution, input, &script, &SkippingClock(self.stage.started_at), &()));
        let played = script.played.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (ended, played.waiting) {
            (Some(end), _) => Reached::Ends(end),
            (None, Some((resource, input))) => {
                let function = Function::Step(STEPS.iter().position(|step| arn(step) == resource).unwrap_or(STEPS.len()));
                let attempt = played.resources.iter().rev().take_while(|played| **played == resource).count();
                Reached::Asks(Invocation { who, function, input, attempt })
            }
            (None, None) => Reached::Ends(End::TimedOut),
        }
    }
}

/// A claim's name: no two invocations of `InvokeModel` have the same.
fn claim(invocation: &Invocation) -> String {
    let Who { execution, redriven, .. } = invocation.who;
    format!("claim-{execution}-{}{}", invocation.attempt, if redriven { "-redriven" } else { "" })
}

fn arn(step: &StepName) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{}", step.binary())
}

/// An error as Step Functions sees it.
pub fn task_error(name: &str) -> TaskError {
    TaskError { error: name.to_owned(), cause: String::new() }
}

/// Runs a future as far as it gets at once.
fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Tasks whose results are known, up to one that is not.
struct Script<'a> {
    results: &'a [TaskResult],
    played: Mutex<Played>,
}

#[derive(Default)]
struct Played {
    resources: Vec<String>,
    waiting: Option<(String, Value)>,
}

impl Tasks for Script<'_> {
    async fn invoke(&self, resource: &str, input: Value) -> TaskResult {
        let known = {
            let mut played = self.played.lock().unwrap_or_else(PoisonError::into_inner);
            let known = self.results.get(played.resources.len());
            match known {
                Some(_) => played.resources.push(resource.to_owned()),
                None => played.waiting = Some((resource.to_owned(), input)),
            }
            known.cloned()
        };
        match known {
            Some(result) => result,
            None => pending().await,
        }
    }
}

/// A clock on which retries wait no time, and time-outs never pass: both are the model's to decide.
struct SkippingClock(Timestamp);

impl Clock for SkippingClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, duration: Duration) {
        if duration > LONGEST_RETRY_WAIT {
            pending::<()>().await;
        }
        ready(()).await;
    }

    fn fraction(&self) -> f64 {
        0.5
    }
}
