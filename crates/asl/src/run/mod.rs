//! Runs a state machine.

mod choice;
pub mod error_names;
mod limits;
mod retry;
mod task;
mod visit;

use std::time::Duration;

use serde_json::Value;

use self::error_names::RUNTIME;
pub use self::limits::{MAX_CAUSE_CHARS, MAX_DATA_BYTES, MAX_ERROR_CHARS, MAX_EVENTS};
use self::visit::Visit;
use crate::event::{Event, EventKind};
use crate::machine::{Fail, FailText, State, StateMachine};
use crate::ports::{Clock, Execution, Observer, TaskError, Tasks};

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// It reached an end.
    Succeeded {
        /// The last state's output.
        output: Value,
    },
    /// A Fail state, or an error that nothing caught.
    Failed {
        /// The error's name; empty for a Fail state that sets none.
        error: String,
        /// What happened; empty for a Fail state that sets none.
        cause: String,
    },
    /// The state machine's own `TimeoutSeconds` passed. No catcher saw it.
    TimedOut,
}

/// Runs `machine` on `input` to its end. The machine's time-out counts from this call, as a redrive's does.
///
/// Dropping the future stops the execution where it is; no event says so. The future can be sent between threads when the ports can be shared.
pub async fn run(
    machine: &StateMachine,
    execution: &Execution,
    input: Value,
    tasks: &impl Tasks,
    clock: &impl Clock,
    observer: &impl Observer,
) -> End {
    let mut runner = Runner { machine, execution, input: &input, tasks, clock, observer, events: 0 };
    let end = match machine.timeout_seconds() {
        None => runner.execute().await,
        Some(seconds) => tokio::select! {
            // An end that comes with the last tick still counts.
            biased;
            end = runner.execute() => end,
            () = clock.sleep(Duration::from_secs(seconds)) => End::TimedOut,
        },
    };
    runner.tell(match end.clone() {
        End::Succeeded { output } => EventKind::ExecutionSucceeded { output },
        End::Failed { error, cause } => EventKind::ExecutionFailed { error, cause },
        End::TimedOut => EventKind::ExecutionTimedOut,
    });
    end
}

/// An execution under way.
struct Runner<'a, T, C, O> {
    machine: &'a StateMachine,
    execution: &'a Execution,
    input: &'a Value,
    tasks: &'a T,
    clock: &'a C,
    observer: &'a O,
    /// How many events Step Functions would have written.
    events: u64,
}

/// What a state hands on, and to whom; to nobody at the end.
struct Exit<'a> {
    output: Value,
    next: Option<&'a str>,
}

impl<'a, T: Tasks, C: Clock, O: Observer> Runner<'a, T, C, O> {
    async fn execute(&mut self) -> End {
        match self.walk().await.map_err(limits::cut) {
            Ok(output) => End::Succeeded { output },
            Err(TaskError { error, cause }) => End::Failed { error, cause },
        }
    }

    /// State after state, to the output of the last.
    async fn walk(&mut self) -> Result<Value, TaskError> {
        let mut value = self.input.clone();
        self.record(EventKind::ExecutionStarted { input: value.clone() })?;
        value = limits::within(value, || "The execution has an input".to_owned())?;
        let mut name = self.machine.start_at();
        loop {
            let exit = self.visit(name, value).await?;
            let output = limits::within(exit.output, || format!("The state/task '{name}' returned a result"))?;
            let state_type = self.machine.state(name).map_or("", State::type_name);
            self.record(EventKind::StateExited { name: name.to_owned(), state_type, output: output.clone() })?;
            let Some(next) = exit.next else { return Ok(output) };
            (name, value) = (next, output);
        }
    }

    /// One state, from its entry to what it hands on.
    async fn visit(&mut self, name: &'a str, input: Value) -> Result<Exit<'a>, TaskError> {
        let Some(state) = self.machine.state(name) else {
            // `StateMachine::parse` lets no such file pass.
            return Err(TaskError { error: RUNTIME.to_owned(), cause: format!("there is no state '{name}'") });
        };
        self.record(EventKind::StateEntered { name: name.to_owned(), state_type: state.type_name(), input: input.clone() })?;
        let visit = Visit {
            execution: self.execution,
            execution_input: self.input,
            state: name,
            entered: self.clock.now(),
            event_id: self.events,
            retry_count: 0,
        };
        match state {
            State::Task(task) => self.task(visit, task, input).await,
            State::Choice(choice) => {
                let next = choice::decide(choice, &input, &visit)?;
                Ok(Exit { output: input, next: Some(next) })
            }
            State::Pass(pass) => Ok(Exit { output: pass.result.clone().unwrap_or(input), next: pass.transition.next() }),
            State::Succeed => Ok(Exit { output: input, next: None }),
            State::Fail(fail) => Err(failure(fail, &input, &visit)),
        }
    }

    /// Writes an event of the history. Errors when there is room for the last one only.
    fn record(&mut self, kind: EventKind) -> Result<(), TaskError> {
        if self.events + 1 >= MAX_EVENTS {
            let cause = format!("The execution reached the maximum number of history events ({MAX_EVENTS}).");
            return Err(TaskError { error: RUNTIME.to_owned(), cause });
        }
        self.events += 1;
        self.tell(kind);
        Ok(())
    }

    /// Tells the observer, without counting.
    fn tell(&self, kind: EventKind) {
        self.observer.event(&Event { at: self.clock.now(), kind });
    }
}

/// What a Fail state ends the execution with.
fn failure(fail: &Fail, input: &Value, visit: &Visit<'_>) -> TaskError {
    let text = |text: &Option<FailText>, field: &str| match text {
        None => Ok(String::new()),
        Some(FailText::Static(text)) => Ok(text.clone()),
        Some(FailText::Path(path)) => match visit.get(path, input) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => {
                Err(visit.error(RUNTIME, &format!("The JSONPath '{path}' specified for the field '{field}' must lead to a string.")))
            }
            None => Err(visit.not_found(path, field, input)),
        },
    };
    match (text(&fail.error, "ErrorPath"), text(&fail.cause, "CausePath")) {
        (Ok(error), Ok(cause)) => TaskError { error, cause },
        (Err(error), _) | (_, Err(error)) => error,
    }
}
