//! An execution's history in AWS's event types, as `GetExecutionHistory` lists it.

use cost_sentry_asl::{Event, EventKind};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The events so far.
#[derive(Debug, Clone, Default)]
pub struct History {
    events: Vec<Entry>,
}

/// One event, its details under AWS's name for them.
#[derive(Debug, Clone)]
struct Entry {
    at: Timestamp,
    event_type: String,
    details: Option<(&'static str, Value)>,
}

impl History {
    /// Adds what the runner reports; what AWS has no event for is left out. The execution's input is shown as it was sent.
    pub fn add(&mut self, event: &Event, input: &str, role_arn: &str) {
        if let Some((event_type, details)) = entry(&event.kind, input, role_arn) {
            self.events.push(Entry { at: event.at, event_type, details });
        }
    }

    /// Adds the end of an execution that a caller stopped.
    pub fn add_aborted(&mut self, at: Timestamp, error: Option<&str>, cause: Option<&str>) {
        let details = json!({ "error": error, "cause": cause });
        self.events.push(Entry { at, event_type: "ExecutionAborted".to_owned(), details: Some(("executionAbortedEventDetails", details)) });
    }

    /// The events as AWS writes them; without data, inputs and outputs are left out.
    pub fn answers(&self, with_data: bool) -> Vec<Value> {
        self.events.iter().enumerate().map(|(i, entry)| answer(i, entry, with_data)).collect()
    }
}

fn answer(i: usize, entry: &Entry, with_data: bool) -> Value {
    let mut event = Map::new();
    event.insert("timestamp".to_owned(), super::answers::seconds(entry.at));
    event.insert("type".to_owned(), json!(entry.event_type));
    event.insert("id".to_owned(), json!(i + 1));
    event.insert("previousEventId".to_owned(), json!(i));
    if let Some((name, details)) = &entry.details {
        let mut details = details.clone();
        if let (false, Some(fields)) = (with_data, details.as_object_mut()) {
            fields.retain(|name, _| !["input", "output", "error", "cause"].contains(&name.as_str()));
        }
        if let Some(fields) = details.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        event.insert((*name).to_owned(), details);
    }
    Value::Object(event)
}

/// Whole, never cut: an endpoint on one's own machine keeps everything.
fn whole() -> Value {
    json!({ "truncated": false })
}

type Written = (String, Option<(&'static str, Value)>);

fn entry(kind: &EventKind, sent: &str, role_arn: &str) -> Option<Written> {
    let named = |name: &str, details: &'static str, value: Value| Some((name.to_owned(), Some((details, value))));
    match kind {
        EventKind::ExecutionStarted { .. } => {
            let value = json!({ "input": sent, "inputDetails": whole(), "roleArn": role_arn });
            named("ExecutionStarted", "executionStartedEventDetails", value)
        }
        EventKind::StateEntered { name, state_type, input } => {
            let value = json!({ "name": name, "input": input.to_string(), "inputDetails": whole() });
            named(&format!("{state_type}StateEntered"), "stateEnteredEventDetails", value)
        }
        EventKind::StateExited { name, state_type, output } => {
            let value = json!({ "name": name, "output": output.to_string(), "outputDetails": whole() });
            named(&format!("{state_type}StateExited"), "stateExitedEventDetails", value)
        }
        EventKind::TaskScheduled { resource, input, timeout_seconds } => {
            let value = json!({
                "resource": resource, "input": input.to_string(), "inputDetails": whole(), "timeoutInSeconds": timeout_seconds,
            });
            named("LambdaFunctionScheduled", "lambdaFunctionScheduledEventDetails", value)
        }
        EventKind::TaskStarted => Some(("LambdaFunctionStarted".to_owned(), None)),
        EventKind::TaskSucceeded { output } => {
            let value = json!({ "output": output.to_string(), "outputDetails": whole() });
            named("LambdaFunctionSucceeded", "lambdaFunctionSucceededEventDetails", value)
        }
        EventKind::TaskFailed { error, cause } => {
            named("LambdaFunctionFailed", "lambdaFunctionFailedEventDetails", json!({ "error": error, "cause": cause }))
        }
        EventKind::TaskTimedOut { error, cause } => {
            named("LambdaFunctionTimedOut", "lambdaFunctionTimedOutEventDetails", json!({ "error": error, "cause": cause }))
        }
        EventKind::ExecutionSucceeded { output } => {
            let value = json!({ "output": output.to_string(), "outputDetails": whole() });
            named("ExecutionSucceeded", "executionSucceededEventDetails", value)
        }
        EventKind::ExecutionFailed { error, cause } => {
            named("ExecutionFailed", "executionFailedEventDetails", json!({ "error": error, "cause": cause }))
        }
        EventKind::ExecutionTimedOut => named("ExecutionTimedOut", "executionTimedOutEventDetails", json!({})),
        EventKind::RetryScheduled { .. } => None,
    }
}
