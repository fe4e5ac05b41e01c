//! The history of an execution, event by event.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// Something that happened in an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, by the execution's clock.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// What happened: the events that `GetExecutionHistory` of the Step Functions API lists for a Lambda-only machine, plus
/// [`RetryScheduled`](EventKind::RetryScheduled).
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// The execution began.
    ExecutionStarted {
        /// Its input.
        input: Value,
    },
    /// A state was entered.
    StateEntered {
        /// The state's name.
        name: String,
        /// The state's `Type`, such as `Task`.
        state_type: &'static str,
        /// Its raw input.
        input: Value,
    },
    /// An attempt at a task is about to be made.
    TaskScheduled {
        /// The function's ARN.
        resource: String,
        /// What the function gets, `Parameters` applied.
        input: Value,
        /// The attempt's time-out, where the file sets one.
        timeout_seconds: Option<u64>,
    },
    /// The function was called.
    TaskStarted,
    /// The function answered.
    TaskSucceeded {
        /// Its result.
        output: Value,
    },
    /// The attempt failed.
    TaskFailed {
        /// The error's name.
        error: String,
        /// What happened.
        cause: String,
    },
    /// The attempt ran out of time.
    TaskTimedOut {
        /// `States.Timeout`.
        error: String,
        /// What happened: empty, as from Step Functions.
        cause: String,
    },
    /// Another attempt follows after a while. Step Functions has no such event and gives it no number.
    RetryScheduled {
        /// The state's name.
        state: String,
        /// The error that the attempt failed with.
        error: String,
        /// Which retry of this retrier it is, from 1.
        attempt: u64,
        /// How many that retrier grants.
        max: u64,
        /// How long until it is made.
        delay: Duration,
    },
    /// A state was left, by its own transition or by a catcher's. Fail states, and states that fail uncaught, are not left.
    StateExited {
        /// The state's name.
        name: String,
        /// The state's `Type`, such as `Task`.
        state_type: &'static str,
        /// What the next state gets.
        output: Value,
    },
    /// The execution succeeded.
    ExecutionSucceeded {
        /// Its output.
        output: Value,
    },
    /// The execution failed.
    ExecutionFailed {
        /// The error's name.
        error: String,
        /// What happened.
        cause: String,
    },
    /// The execution ran out of time.
    ExecutionTimedOut,
}
