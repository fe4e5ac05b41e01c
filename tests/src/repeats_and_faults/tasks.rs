//! The functions, as a test meddles with them: watched, repeated, made to throw.

use super::wire::Wire;
use crate::harness::MemoryLog;
use cost_sentry::local::tasks::LocalTasks;
use cost_sentry_asl::{State, StateMachine, TaskError, Tasks};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// The functions of a world, which tell its wire whose requests come.
pub struct Watched {
    wire: Wire,
    states: BTreeMap<String, String>,
    tasks: LocalTasks<MemoryLog>,
}

impl Watched {
    pub fn new(machine: &StateMachine, wire: Wire, tasks: LocalTasks<MemoryLog>) -> Self {
        let states = task_states(machine).into_iter().map(|(name, resource)| (resource, name)).collect();
        Self { wire, states, tasks }
    }

    /// The state that calls this function.
    pub fn state(&self, resource: &str) -> &str {
        &self.states[resource]
    }
}

impl Tasks for Watched {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        self.wire.entered(Some(self.state(resource)));
        let result = self.tasks.invoke(resource, input).await;
        self.wire.entered(None);
        result
    }
}

/// The Task states by name, with their functions.
pub fn task_states(machine: &StateMachine) -> Vec<(String, String)> {
    let task = |(name, state): (&str, &State)| match state {
        State::Task(task) => Some((name.to_owned(), task.resource.clone())),
        _ => None,
    };
    machine.states().filter_map(task).collect()
}

/// The state in which every execution is recorded: where the first state's catcher leads.
pub fn recorder(machine: &StateMachine) -> String {
    let Some(State::Task(first)) = machine.state(machine.start_at()) else { panic!("the first state is no task") };
    first.catch.last().unwrap().next.clone()
}

/// One state's function invoked twice on the same input; the second result counts.
pub struct Repeated {
    pub tasks: Watched,
    pub state: String,
    /// Both at the same time, or one after the other.
    pub at_once: bool,
}

impl Tasks for Repeated {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        if self.tasks.state(resource) != self.state {
            return self.tasks.invoke(resource, input).await;
        }
        let (first, second) = (self.tasks.invoke(resource, input.clone()), self.tasks.invoke(resource, input));
        if self.at_once {
            return tokio::join!(first, second).1;
        }
        // What became of the first is not known to the second.
        drop(first.await);
        second.await
    }
}

/// When an invocation that Step Functions thinks has failed does its work, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Not at all.
    Never,
    /// Before it is given up.
    Before,
    /// When the execution has ended.
    Late,
}

impl Work {
    pub const ALL: [Self; 3] = [Self::Never, Self::Before, Self::Late];
}

/// Some states' functions fail with an error, once or always.
pub struct Throwing {
    tasks: Watched,
    states: BTreeSet<String>,
    error: String,
    work: Work,
    always: bool,
    thrown: Mutex<BTreeSet<String>>,
    late: Mutex<Vec<(String, Value)>>,
}

impl Throwing {
    pub fn new<'a>(tasks: Watched, states: impl IntoIterator<Item = &'a str>, error: &str, work: Work, always: bool) -> Self {
        let states = states.into_iter().map(str::to_owned).collect();
        Self { tasks, states, error: error.to_owned(), work, always, thrown: Mutex::default(), late: Mutex::default() }
    }

    /// Does the work that came late.
    pub async fn finish(&self) {
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        for (resource, input) in late {
            drop(self.tasks.invoke(&resource, input).await);
        }
    }
}

impl Tasks for Throwing {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        let state = self.tasks.state(resource);
        if !self.states.contains(state) || (!self.thrown.lock().unwrap().insert(state.to_owned()) && !self.always) {
            return self.tasks.invoke(resource, input).await;
        }
        match self.work {
            Work::Never => {}
            Work::Before => drop(self.tasks.invoke(resource, input).await),
            Work::Late => self.late.lock().unwrap().push((resource.to_owned(), input)),
        }
        Err(TaskError { error: self.error.clone(), cause: "thrown by a test".to_owned() })
    }
}
