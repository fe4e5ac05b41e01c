//! The answers' JSON.

use super::arn::MachineType;
use super::executions::{Executions, ROLE_ARN, Record};
use cost_sentry_asl::{StateMachine, Tasks};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Billed memory of a local execution: AWS's smallest step.
const BILLED_MEMORY_MB: u64 = 64;
/// AWS bills Express executions by this many milliseconds.
const BILLED_STEP_MS: u64 = 100;

/// A time in AWS JSON: seconds since 1970, to the millisecond.
pub(super) fn seconds(at: Timestamp) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our time fit a double exactly")]
    let millis = at.as_millisecond() as f64;
    json!(millis / 1_000.0)
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

/// `StartSyncExecution`'s answer.
pub(super) fn sync(record: &Record) -> Value {
    let mut answer = describe(record);
    let ended = record.ended.as_ref().map_or(record.started.started_at, |ended| ended.stopped_at);
    let took = u64::try_from(ended.duration_since(record.started.started_at).as_millis()).unwrap_or(0);
    let billed = took.div_ceil(BILLED_STEP_MS).max(1) * BILLED_STEP_MS;
    if let Some(fields) = answer.as_object_mut() {
        let billing = json!({ "billedMemoryUsedInMB": BILLED_MEMORY_MB, "billedDurationInMilliseconds": billed });
        fields.insert("billingDetails".to_owned(), billing);
        fields.remove("redriveCount");
        fields.remove("redriveStatus");
    }
    answer
}

/// `DescribeExecution`'s answer.
pub(super) fn describe(record: &Record) -> Value {
    let (started, ended) = (&record.started, record.ended.as_ref());
    without_nulls(json!({
        "executionArn": started.arn,
        "stateMachineArn": started.machine.machine_arn(),
        "name": started.name,
        "status": record.status().to_string(),
        "startDate": seconds(started.started_at),
        "stopDate": ended.map(|ended| seconds(ended.stopped_at)),
        "input": started.input,
        "inputDetails": { "included": true },
        "output": ended.and_then(|ended| ended.output.as_ref()),
        "outputDetails": ended.and_then(|ended| ended.output.as_ref()).map(|_| json!({ "included": true })),
        "error": ended.and_then(|ended| ended.error.as_ref()),
        "cause": ended.and_then(|ended| ended.cause.as_ref()),
        "redriveCount": 0,
        "redriveStatus": "NOT_REDRIVABLE",
    }))
}

/// One entry of `ListExecutions`.
pub(super) fn listed(record: &Record) -> Value {
    let started = &record.started;
    without_nulls(json!({
        "executionArn": started.arn,
        "stateMachineArn": started.machine.machine_arn(),
        "name": started.name,
        "status": record.status().to_string(),
        "startDate": seconds(started.started_at),
        "stopDate": record.ended.as_ref().map(|ended| seconds(ended.stopped_at)),
        "redriveCount": 0,
    }))
}

/// `DescribeStateMachine`'s answer.
pub(super) fn state_machine<T: Tasks + Send + Sync + 'static>(machine: MachineType, executions: &Executions<T>) -> Value {
    json!({
        "stateMachineArn": machine.machine_arn(),
        "name": machine.machine_name(),
        "status": "ACTIVE",
        "definition": executions.definition(),
        "roleArn": ROLE_ARN,
        "type": machine.word(),
        "creationDate": seconds(executions.created_at()),
        "loggingConfiguration": { "level": "OFF", "includeExecutionData": false },
        "tracingConfiguration": { "enabled": false },
    })
}

/// `ListStateMachines`'s answer.
pub(super) fn state_machines<T: Tasks + Send + Sync + 'static>(executions: &Executions<T>) -> Value {
    let machine = |machine: &MachineType| {
        json!({
            "stateMachineArn": machine.machine_arn(),
            "name": machine.machine_name(),
            "type": machine.word(),
            "creationDate": seconds(executions.created_at()),
        })
    };
    json!({ "stateMachines": MachineType::ALL.iter().map(machine).collect::<Vec<_>>() })
}

/// `ValidateStateMachineDefinition`'s answer: what the runner would refuse.
pub(super) fn validation(definition: &str) -> Value {
    let problems = StateMachine::parse(definition).err().unwrap_or_default();
    let diagnostic = |problem: &cost_sentry_asl::Problem| json!({ "severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": problem.message, "location": problem.pointer });
    let diagnostics: Vec<Value> = problems.iter().map(diagnostic).collect();
    json!({ "result": if diagnostics.is_empty() { "OK" } else { "FAIL" }, "diagnostics": diagnostics, "truncated": false })
}
