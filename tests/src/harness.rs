//! One running stack in memory and the shipped state machine on it, with waits that take no time.

use cost_sentry::commands::new_execution;
use cost_sentry::local::simulator::{Call, Operation, Script};
use cost_sentry::local::stack::{Options, Stack};
use cost_sentry::state_machine;
use cost_sentry_asl::{Clock, End, Event, Execution, Observer, StateMachine, Tasks};
use cost_sentry_aws::log::Lines;
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::reservation::Reservation;
use cost_sentry_workflow::ports::Ledger;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The log of a stack in memory.
pub type MemoryLog = Lines<Vec<u8>>;

/// A stack, its policy applied, and what it logged.
pub struct World {
    pub stack: Stack,
    pub log: MemoryLog,
    pub policy: Policy,
    pub aliases: std::collections::BTreeMap<String, String>,
}

impl World {
    /// A world in memory with this policy (YAML), in which models answer as they do by default.
    pub async fn new(policy: &str) -> Self {
        Self::with_options(policy, Options::default()).await
    }

    /// The same with a script (YAML) for the simulated Bedrock.
    pub async fn with_script(policy: &str, script: &str) -> Self {
        Self::with_options(policy, Options { script: Script::parse(script).unwrap(), ..Options::default() }).await
    }

    pub async fn with_options(text: &str, options: Options) -> Self {
        let world = Self::without_policy(text, options).await;
        let document: Value = serde_saphyr::from_str(text).unwrap();
        world.stack.policies().apply(&world.policy.version, &document, Timestamp::now()).await.unwrap();
        world
    }

    /// The same, but the policy is not applied: only its aliases are known to scripts.
    pub async fn without_policy(text: &str, mut options: Options) -> Self {
        let document: Value = serde_saphyr::from_str(text).unwrap();
        let policy = Policy::parse(&document, Catalog::shipped().unwrap()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let aliases = policy.models.iter().map(|(name, entry)| (name.clone(), entry.model_id.clone())).collect();
        options.script = options.script.with_aliases(&aliases);
        let stack = Stack::start(options).await.unwrap();
        Self { stack, log: Lines::new(Vec::new()), policy, aliases }
    }

    /// Replaces the script.
    pub fn script(&self, script: &str) {
        let script = Script::parse(script).unwrap().with_aliases(&self.aliases);
        self.stack.simulator.as_ref().unwrap().set_script(script);
    }

    /// Runs a request to its end.
    pub async fn run(&self, request: &Value) -> Ended {
        self.run_as(&new_execution(), request).await
    }

    /// Runs a request in an execution of one's own choice.
    pub async fn run_as(&self, execution: &Execution, request: &Value) -> Ended {
        self.run_on(&machine(), execution, request, &self.stack.tasks(self.log.clone())).await
    }

    /// Runs a request with tasks of one's own choice.
    pub async fn run_on(&self, machine: &StateMachine, execution: &Execution, request: &Value, tasks: &impl Tasks) -> Ended {
        let history = History::default();
        let clock = SkippingClock;
        let end = Box::pin(cost_sentry_asl::run(machine, execution, request.clone(), tasks, &clock, &history)).await;
        Ended { end, events: history.0.lock().unwrap().clone() }
    }

    /// The Converse calls that Bedrock saw.
    pub fn calls(&self) -> Vec<Call> {
        let calls = self.stack.simulator.as_ref().unwrap().calls();
        calls.into_iter().filter(|call| call.operation == Operation::Converse).collect()
    }

    /// All lines logged so far.
    pub fn log_lines(&self) -> Vec<Value> {
        let text = self.log.with(|bytes| String::from_utf8(bytes.clone()).unwrap());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The reservation of a request.
    pub async fn reservation(&self, request_id: &str) -> Option<Reservation> {
        self.stack.ledger().find(request_id).await.unwrap()
    }
}

/// How an execution ended, and its history.
#[derive(Debug)]
pub struct Ended {
    pub end: End,
    pub events: Vec<Event>,
}

impl Ended {
    /// The client's document, whichever end it came from, and that end's error name.
    pub fn document(&self) -> (Value, Option<&str>) {
        match &self.end {
            End::Succeeded { output } => (output.clone(), None),
            End::Failed { error, cause } => (serde_json::from_str(cause).unwrap_or_else(|_| panic!("{error}: {cause}")), Some(error)),
            End::TimedOut => panic!("timed out"),
        }
    }
}

/// The shipped state machine, with the local functions.
pub fn machine() -> StateMachine {
    state_machine::local().unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A clock on which retries wait no time, while time-outs of tasks (longer than any retry's wait) never pass.
pub struct SkippingClock;

/// Longer than any wait before a retry, shorter than any time-out but the shortest steps'.
const LONGEST_RETRY_WAIT: Duration = Duration::from_secs(9);

impl Clock for SkippingClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        if duration > LONGEST_RETRY_WAIT {
            std::future::pending::<()>().await;
        }
    }

    fn fraction(&self) -> f64 {
        0.5
    }
}

/// Keeps the history.
#[derive(Default)]
pub struct History(Arc<Mutex<Vec<Event>>>);

impl Observer for History {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// The published sample request.
pub fn sample() -> Value {
    serde_json::from_str(include_str!("../../examples/request.json")).unwrap()
}

/// The policy that ships.
pub const SHIPPED: &str = cost_sentry::commands::SHIPPED;
