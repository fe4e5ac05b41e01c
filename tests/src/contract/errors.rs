//! Errors: what is thrown is retried where it arises, and nothing else is, least of all what may have been billed.

use super::{Rule, Written};
use cost_sentry_workflow::error::{ErrorName, Handling};
use std::collections::BTreeSet;

/// Step Functions' and Lambda's own errors of a task, as `States.ALL` catches them.
pub const AWS_ERRORS: [&str; 10] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ResourceNotFoundException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "States.TaskFailed",
    "States.Timeout",
];

/// The names that a retrier or catcher may hold beside ours and [`AWS_ERRORS`].
const WILDCARDS_AND_LIMITS: [&str; 3] = ["States.ALL", "States.DataLimitExceeded", "States.Runtime"];

/// The state whose function sends the call.
const CALLING: &str = "InvokeModel";
/// After these errors the call was certainly not sent, or not processed.
const NOT_BILLED: [&str; 4] = ["ModelThrottled", "ModelNotReady", "ModelUnreachable", "Lambda.TooManyRequestsException"];

/// What a step throws for the state machine to retry.
pub fn thrown_by(state: &str) -> &'static [ErrorName] {
    match state {
        "ValidateAndSetContext" => &[ErrorName::PolicyUnavailable],
        "CheckRateLimit" => &[ErrorName::PolicyUnavailable, ErrorName::LedgerUnavailable, ErrorName::LedgerContended],
        "InvokeModel" => &[ErrorName::ModelThrottled, ErrorName::ModelNotReady, ErrorName::ModelUnreachable],
        "RecordMetrics" => &[ErrorName::LedgerUnavailable, ErrorName::LedgerContended, ErrorName::MetricsUnavailable],
        _ => &[],
    }
}

pub const RULES: &[Rule] = &[
    Rule {
        name: "what a step throws is retried at its state",
        violations: unretried,
        defects: &[
            ("/States/CheckRateLimit/Retry/0/ErrorEquals/2", "\"Lambda.Unknown\""),
            ("/States/InvokeModel/Retry/0/MaxAttempts", "0"),
        ],
    },
    Rule {
        name: "of our errors only those are retried that the step throws",
        violations: retried_in_vain,
        defects: &[
            ("/States/ValidateAndSetContext/Retry/0/ErrorEquals/-", "\"InvalidRequest\""),
            ("/States/ValidateAndSetContext/Retry/0/ErrorEquals/-", "\"LedgerUnavailable\""),
            ("/States/RecordMetrics/Retry/0/ErrorEquals/-", "\"ContractViolation\""),
        ],
    },
    Rule {
        name: "every error name is known",
        violations: unknown,
        defects: &[
            ("/States/RecordMetrics/Retry/0/ErrorEquals/-", "\"Lambda.ServiceExecption\""),
            ("/States/CheckRateLimit/Retry/0/ErrorEquals/-", "\"LedgerUnvailable\""),
        ],
    },
    Rule {
        name: "what may have been billed is never retried",
        violations: retried_though_billed,
        defects: &[
            ("/States/InvokeModel/Retry/0/ErrorEquals/-", "\"States.Timeout\""),
            ("/States/InvokeModel/Retry/0/ErrorEquals/-", "\"Lambda.Unknown\""),
            ("/States/InvokeModel/Retry/0/ErrorEquals/-", "\"Lambda.ClientExecutionTimeoutException\""),
            ("/States/InvokeModel/Retry/-", r#"{ "ErrorEquals": ["States.ALL"] }"#),
            ("/States/InvokeModel/Retry/-", r#"{ "ErrorEquals": ["States.TaskFailed"] }"#),
        ],
    },
];

/// The names that a state's retriers retry at least once.
fn retried<'w>(written: &'w Written, state: &str) -> BTreeSet<&'w str> {
    let retriers = written.tasks().filter(|(name, _)| *name == state).flat_map(|(_, task)| &task.retry);
    retriers.filter(|retrier| retrier.max_attempts > 0).flat_map(|retrier| &retrier.error_equals).map(String::as_str).collect()
}

fn unretried(written: &Written) -> Vec<String> {
    let states = written.tasks().map(|(name, _)| name);
    let thrown = states.flat_map(|state| thrown_by(state).iter().map(move |error| (state, error.name())));
    thrown.filter(|(state, error)| !retried(written, state).contains(error)).map(|(state, error)| format!("{state}: {error}")).collect()
}

fn retried_in_vain(written: &Written) -> Vec<String> {
    let states = written.tasks().map(|(name, _)| name);
    let ours = states.flat_map(|state| retried(written, state).into_iter().filter_map(move |name| Some((state, ErrorName::parse(name)?))));
    let in_vain = |(state, error): &(&str, ErrorName)| error.handling() != Handling::Retried || !thrown_by(state).contains(error);
    ours.filter(in_vain).map(|(state, error)| format!("{state}: {error}")).collect()
}

fn unknown(written: &Written) -> Vec<String> {
    let names = written.tasks().flat_map(|(state, task)| {
        let retried = task.retry.iter().flat_map(|retrier| &retrier.error_equals);
        let caught = task.catch.iter().flat_map(|catcher| &catcher.error_equals);
        retried.chain(caught).map(move |name| (state, name.as_str()))
    });
    let known = |name: &str| ErrorName::parse(name).is_some() || AWS_ERRORS.contains(&name) || WILDCARDS_AND_LIMITS.contains(&name);
    names.filter(|(_, name)| !known(name)).map(|(state, name)| format!("{state}: {name}")).collect()
}

fn retried_though_billed(written: &Written) -> Vec<String> {
    retried(written, CALLING).into_iter().filter(|name| !NOT_BILLED.contains(name)).map(str::to_owned).collect()
}

#[test]
fn every_error_that_is_to_be_retried_is_thrown_by_a_step_and_only_those_are() {
    let states = cost_sentry_workflow::steps::STEPS.map(|step| step.state);
    let thrown: BTreeSet<ErrorName> = states.iter().flat_map(|state| thrown_by(state)).copied().collect();
    let retried = ErrorName::ALL.into_iter().filter(|error| error.handling() == Handling::Retried);
    assert_eq!(thrown, retried.collect());
}
