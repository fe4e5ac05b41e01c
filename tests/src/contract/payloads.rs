//! What travels: where the file may look into a payload, that it looks before it compares, and the documents that it writes itself.

use super::{Rule, Written};
use cost_sentry_asl::{Condition, Path, State, Test};
use cost_sentry_core::outcome::{Document, Outcome};
use cost_sentry_core::request::MAX_REQUEST_BYTES;
use cost_sentry_workflow::error::ErrorName;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const RULES: &[Rule] = &[
    Rule {
        name: "a Choice looks whether a value is there before it compares it",
        violations: unguarded,
        defects: &[
            ("/States/IsValid/Choices/0/And/0", r#"{ "Variable": "$.valid", "IsNull": false }"#),
            ("/States/IsApproved/Choices/0/And/0", r#"{ "Variable": "$.outcome", "IsPresent": true }"#),
            (
                "/States/HowItEnded/Choices/0",
                r#"{ "Variable": "$.outcome", "StringEquals": "INVOCATION_SUCCEEDED", "Next": "InvocationSucceeded" }"#,
            ),
        ],
    },
    Rule {
        name: "no path is where none is needed",
        violations: other_paths,
        defects: &[
            ("/States/CheckRateLimit/Parameters", r#"{ "request.$": "$.request" }"#),
            ("/States/RecordMetrics/Parameters", r#"{ "executionId.$": "$$.Execution.Id" }"#),
        ],
    },
    Rule {
        name: "the first state's Parameters are what its step reads",
        violations: other_parameters,
        defects: &[
            ("/States/ValidateAndSetContext/Parameters/name.$", "\"$$.Execution.Name\""),
            ("/States/ValidateAndSetContext/Parameters/executionId.$", "\"$$.Execution.Name\""),
            ("/States/ValidateAndSetContext/Parameters/pinnedTags/team", "\"${PinnedCostCenter}\""),
        ],
    },
    Rule {
        name: "the document that the file writes itself is one of ours",
        violations: odd_document,
        defects: &[
            ("/States/SetTooLarge/Result/cause", "\"too large\""),
            ("/States/SetUnrecordedFailure/Result/cause", "\"a step failed\""),
            ("/States/SetUnrecordedFailure/Result/outcome", "\"RATE_LIMIT_DENIED\""),
            (
                "/States/SetUnrecordedFailure/Result/cause",
                r#""{\"outcome\":\"INVOCATION_FAILED\",\"tags\":null,\"model\":null,\"response\":null,\"usage\":null,\"rateLimit\":null,\"warnings\":[],\"error\":{\"name\":\"StepMalfunction\",\"message\":\"A step crashed.\",\"moneyMayHaveBeenSpent\":true}}""#,
            ),
            (
                "/States/SetUnrecordedFailure/Result/cause",
                r#""{\"outcome\":\"INVOCATION_FAILED\",\"error\":{\"name\":\"StepMalfunction\",\"message\":\"A step of the workflow crashed or ran out of time. Look for its log with the requestId.\",\"moneyMayHaveBeenSpent\":true}}""#,
            ),
        ],
    },
];

fn unguarded(written: &Written) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, state) in written.machine.states() {
        let State::Choice(choice) = state else { continue };
        for rule in &choice.rules {
            for path in compared(&rule.condition, &BTreeSet::new()) {
                problems.push(format!("{name} compares {path} unseen"));
            }
        }
    }
    problems
}

/// The paths that a condition compares without having looked for them in the same And.
fn compared<'c>(condition: &'c Condition, looked_for: &BTreeSet<String>) -> Vec<&'c Path> {
    match condition {
        Condition::Is(_, Test::IsPresent(_)) => Vec::new(),
        Condition::Is(path, _) if looked_for.contains(&path.to_string()) => Vec::new(),
        Condition::Is(path, _) => vec![path],
        Condition::Not(inner) => compared(inner, &BTreeSet::new()),
        Condition::Or(inner) => inner.iter().flat_map(|condition| compared(condition, &BTreeSet::new())).collect(),
        Condition::And(inner) => {
            let mut looked_for = BTreeSet::new();
            let mut problems = Vec::new();
            for condition in inner {
                if let Condition::Is(path, Test::IsPresent(true)) = condition {
                    looked_for.insert(path.to_string());
                }
                problems.extend(compared(condition, &looked_for));
            }
            problems
        }
    }
}

/// Paths, and keys that ask for one, outside the places that are meant for them.
fn other_paths(written: &Written) -> Vec<String> {
    let mut problems = Vec::new();
    let mut pending = vec![(Vec::new(), &written.json)];
    while let Some((place, value)) = pending.pop() {
        match value {
            Value::String(text) if text.starts_with('$') && !text.starts_with("${") && !may_hold_a_path(&place, written) => {
                problems.push(format!("/{}: {text}", place.join("/")));
            }
            Value::Array(items) => pending.extend(items.iter().enumerate().map(|(index, item)| (inside(&place, &index.to_string()), item))),
            Value::Object(fields) => pending.extend(fields.iter().map(|(name, field)| (inside(&place, name), field))),
            _ => {}
        }
    }
    problems
}

fn inside(place: &[String], name: &str) -> Vec<String> {
    place.iter().cloned().chain([name.to_owned()]).collect()
}

fn may_hold_a_path(place: &[String], written: &Written) -> bool {
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    match place.as_slice() {
        ["States", state, "Parameters", ..] => *state == written.machine.start_at(),
        ["States", _, "Catch", _, "ResultPath"] | ["States", _, "CausePath" | "ErrorPath"] | ["States", _, "Choices", .., "Variable"] => {
            true
        }
        _ => false,
    }
}

fn other_parameters(written: &Written) -> Vec<String> {
    let found = &written.json["States"][written.machine.start_at()]["Parameters"];
    let names = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<BTreeSet<_>>());
    let mut paths = found.clone();
    // Which placeholder pins which tag is a deployment's business; the tags are ours.
    paths["pinnedTags"] = json!(names(&found["pinnedTags"]));
    let expected = json!({
        "request.$": "$",
        "executionId.$": "$$.Execution.Id",
        "startedAt.$": "$$.Execution.StartTime",
        "pinnedTags": ["applicationId", "costCenter", "environment"],
    });
    if paths == expected { Vec::new() } else { vec![paths.to_string()] }
}

/// The rejection of a request that is too large to be looked at has the words of one that is looked at.
fn odd_rejection(text: &str) -> Option<String> {
    let expected = json!({
        "error": ErrorName::InvalidRequest.name(),
        "message": "the request has 1 problem",
        "requestId": null,
        "problems": [{ "pointer": "", "expected": format!("a request of at most {MAX_REQUEST_BYTES} bytes of JSON") }],
        "problemsNotListed": 0,
    });
    let found: Value = serde_json::from_str(text).unwrap_or_default();
    (found != expected).then(|| format!("the rejection is {found}"))
}

fn odd_document(written: &Written) -> Vec<String> {
    let results = written.machine.states().filter_map(|(name, state)| match state {
        State::Pass(pass) => Some((name, pass.result.clone().unwrap_or_default())),
        _ => None,
    });
    results.filter_map(|(name, result)| odd(&result).map(|problem| format!("{name}: {problem}"))).collect()
}

fn odd(result: &Value) -> Option<String> {
    let text = result["cause"].as_str()?;
    if result["valid"] == false {
        return odd_rejection(text);
    }
    let document: Document = match serde_json::from_str(text) {
        Ok(document) => document,
        Err(error) => return Some(error.to_string()),
    };
    // Written by the type itself, so that no field is missing and none is another's.
    if serde_json::to_value(&document).ok() != serde_json::from_str(text).ok() {
        return Some("it has not the shape of a document".to_owned());
    }
    let error = document.error?;
    let name = ErrorName::StepMalfunction;
    let as_ours = error.name == name.name() && error.message == name.advice() && error.money_may_have_been_spent;
    let failed = document.outcome == Outcome::InvocationFailed && result["outcome"] == Outcome::InvocationFailed.word();
    (!as_ours || !failed).then(|| format!("it says {}: {}", error.name, error.message))
}
