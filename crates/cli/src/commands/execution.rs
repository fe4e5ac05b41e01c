//! One execution of the state machine on the local stack.

use super::Failure;
use crate::local::clock::SystemClock;
use crate::local::stack::Stack;
use crate::state_machine;
use cost_sentry_asl::{End, Execution, Observer};
use cost_sentry_workflow::ports::Log;
use jiff::Timestamp;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// The local state machine's name, and its account's and region's part of an ARN.
const STATE_MACHINE: &str = "cost-sentry";
const ARN: &str = "arn:aws:states:us-east-1:000000000000";

/// Reads a request's JSON from a file, or from standard input for `-`.
pub fn read_request(path: &Path) -> Result<Value, Failure> {
    let (name, text) = if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.map_err(|error| Failure::new(format!("standard input: {error}")))?;
        ("standard input".to_owned(), text)
    } else {
        let text = std::fs::read_to_string(path);
        let unread =
            |error| Failure::new(format!("{}: {error}", path.display())).hint("name a request's JSON file, or `-` for standard input");
        (path.display().to_string(), text.map_err(unread)?)
    };
    serde_json::from_str(&text).map_err(|error| {
        // The reader's own message could repeat a value of the request; where it stopped is enough.
        let failure = Failure::new(format!("{name}:{}:{}: this is not JSON", error.line(), error.column()));
        failure.hint("a request looks like examples/request.json")
    })
}

/// A new execution: started now, under a name of its own.
pub fn new_execution() -> Execution {
    let name = uuid::Uuid::new_v4().to_string();
    Execution {
        id: format!("{ARN}:execution:{STATE_MACHINE}:{name}"),
        name,
        start_time: Timestamp::now(),
        state_machine_id: format!("{ARN}:stateMachine:{STATE_MACHINE}"),
        state_machine_name: STATE_MACHINE.to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/cost-sentry".to_owned(),
        redrive_count: 0,
    }
}

/// Runs the state machine that ships, on this stack.
pub async fn execute<G>(stack: &Stack, log: G, execution: &Execution, input: Value, observer: &impl Observer) -> Result<End, Failure>
where
    G: Log + Clone + 'static,
{
    let machine = state_machine::local().map_err(|problems| {
        Failure::new(format!("the state machine is broken: {}", problems.first().map(ToString::to_string).unwrap_or_default()))
    })?;
    Ok(Box::pin(cost_sentry_asl::run(&machine, execution, input, &stack.tasks(log), &SystemClock, observer)).await)
}
