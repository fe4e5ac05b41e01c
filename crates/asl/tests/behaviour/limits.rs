use cost_sentry_asl::{MAX_CAUSE_CHARS, MAX_DATA_BYTES, MAX_ERROR_CHARS, MAX_EVENTS};
use serde_json::{Value, json};

use crate::stage::{ARN, fails_with, machine, ok, play, task};

/// A JSON string whose text has so many bytes, quotes included.
fn text(bytes: usize) -> Value {
    json!("x".repeat(bytes - 2))
}

#[test]
fn an_executions_input_may_have_262144_bytes() {
    let machine = machine(&json!({ "StartAt": "End", "States": { "End": { "Type": "Succeed" } } }));
    assert_eq!(play(&machine, text(MAX_DATA_BYTES), []).output(), &text(262_144));
    assert_eq!(play(&machine, text(MAX_DATA_BYTES + 1), []).failure().0, "States.DataLimitExceeded");
    // Bytes as written, not characters: an escape counts for two, an é as well.
    assert_eq!(play(&machine, json!("\n".repeat(MAX_DATA_BYTES / 2)), []).failure().0, "States.DataLimitExceeded");
    assert_eq!(play(&machine, json!("é".repeat(MAX_DATA_BYTES / 2)), []).failure().0, "States.DataLimitExceeded");
}

#[test]
fn a_result_or_payload_that_is_too_large_fails_the_attempt_and_only_its_own_name_catches_it() {
    let large = || ok(text(MAX_DATA_BYTES + 1));
    let all = task(&json!({ "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Caught" }] }));
    let cause = format!("The state/task '{ARN}' returned a result with a size exceeding the maximum number of bytes service limit.");
    assert_eq!(play(&all, json!({}), [large()]).failure(), ("States.DataLimitExceeded", cause.as_str()));
    assert_eq!(play(&all, json!({}), [ok(text(MAX_DATA_BYTES))]).output(), &text(MAX_DATA_BYTES));

    let own = json!([{ "ErrorEquals": ["States.DataLimitExceeded"], "Next": "Caught", "ResultPath": null }]);
    assert_eq!(play(&task(&json!({ "Catch": own })), json!(5), [large()]).output(), &json!(5));
    let doubled = task(&json!({ "Catch": own, "Parameters": { "a.$": "$", "b.$": "$" } }));
    let input = text(MAX_DATA_BYTES / 2 + 1);
    assert_eq!(play(&doubled, input.clone(), []).output(), &input);
}

#[test]
fn a_states_output_that_is_too_large_ends_the_execution() {
    let pass =
        machine(&json!({ "StartAt": "Grow", "States": { "Grow": { "Type": "Pass", "Result": text(MAX_DATA_BYTES + 1), "End": true } } }));
    assert_eq!(play(&pass, json!({}), []).failure().0, "States.DataLimitExceeded");

    let catching =
        task(&json!({ "Catch": [{ "ErrorEquals": ["States.DataLimitExceeded", "A"], "Next": "Caught", "ResultPath": "$.error" }] }));
    let input = json!({ "text": text(MAX_DATA_BYTES - 20) });
    assert_eq!(play(&catching, input, [fails_with("A", "because")]).failure().0, "States.DataLimitExceeded");
}

#[test]
fn errors_and_causes_are_cut_by_characters() {
    let (error, cause) = ("é".repeat(MAX_ERROR_CHARS), "é".repeat(MAX_CAUSE_CHARS));
    let longer = || fails_with(&format!("{error}é"), &format!("{cause}é"));
    assert_eq!(play(&task(&json!({})), json!({}), [longer()]).failure(), (error.as_str(), cause.as_str()));
    let catching = task(&json!({ "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Caught" }] }));
    assert_eq!(play(&catching, json!({}), [longer()]).output(), &json!({ "Error": error, "Cause": cause }));
    let fail = machine(&json!({ "StartAt": "Stop", "States": { "Stop": { "Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c" } } }));
    let input = json!({ "e": format!("{error}é"), "c": format!("{cause}é") });
    assert_eq!(play(&fail, input, []).failure(), (error.as_str(), cause.as_str()));
}

#[test]
fn an_execution_that_never_ends_runs_out_of_history() {
    let machine = machine(&json!({ "StartAt": "Ask", "States": {
        "Ask": { "Type": "Choice", "Choices": [{ "Variable": "$.go", "BooleanEquals": true, "Next": "Ask" }], "Default": "End" },
        "End": { "Type": "Succeed" },
    } }));
    let play = play(&machine, json!({ "go": true }), []);
    assert_eq!(play.failure(), ("States.Runtime", "The execution reached the maximum number of history events (25000)."));
    assert_eq!(play.events.len() as u64, MAX_EVENTS);
}
