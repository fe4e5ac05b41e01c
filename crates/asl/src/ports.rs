//! What an execution needs from outside: functions, time and chance, somebody to tell.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::event::Event;

/// The functions that Task states call.
pub trait Tasks {
    /// Calls the function with the ARN `resource` and gives its result. The future is dropped when the attempt runs out of time.
    /// Lambda's own failures (throttling, an unknown function) are errors too, under the names that Step Functions gives them.
    fn invoke(&self, resource: &str, input: Value) -> impl Future<Output = Result<Value, TaskError>> + Send;
}

/// A failed attempt, as Step Functions sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct TaskError {
    /// The error's name, which retriers and catchers match; at most 256 characters of it are kept.
    pub error: String,
    /// What happened; for Lambda the error document as text. At most 32,768 characters of it are kept.
    pub cause: String,
}

/// Time and chance.
pub trait Clock {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Waits so long: for a retry, and for time-outs.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// A random number from 0 up to 1, for jitter. Outside that it counts as the nearer end.
    fn fraction(&self) -> f64;
}

/// Somebody who is told the history as it happens. Events come in order, from the task that drives [`run`](crate::run).
pub trait Observer {
    /// Something has happened.
    fn event(&self, event: &Event);
}

/// Nobody is told.
impl Observer for () {
    fn event(&self, _event: &Event) {}
}

/// What the context object says of the execution and its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The execution's ARN: `$$.Execution.Id`.
    pub id: String,
    /// `$$.Execution.Name`.
    pub name: String,
    /// `$$.Execution.StartTime`, given to states as ISO 8601 in UTC with milliseconds and `Z`.
    pub start_time: Timestamp,
    /// The state machine's ARN: `$$.StateMachine.Id`.
    pub state_machine_id: String,
    /// `$$.StateMachine.Name`.
    pub state_machine_name: String,
    /// `$$.Execution.RoleArn`.
    pub role_arn: String,
    /// `$$.Execution.RedriveCount`: how often the execution was redriven.
    pub redrive_count: u64,
}
