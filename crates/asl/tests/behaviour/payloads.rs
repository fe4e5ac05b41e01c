use serde_json::{Value, json};

use crate::stage::{ARN, fails, machine, ok, play, task};

/// What the function gets of `input` with these `Parameters`.
fn check(parameters: &Value, input: Value, expected: &Value) {
    let machine = task(&json!({ "Parameters": parameters }));
    assert_eq!(&play(&machine, input, [ok(json!(null))]).calls[0], expected, "{parameters}");
}

#[test]
fn without_parameters_the_function_gets_the_input_and_its_result_is_the_output() {
    for input in [json!({ "a": 1 }), json!("text"), json!(null)] {
        let play = play(&task(&json!({})), input.clone(), [ok(json!([1]))]);
        assert_eq!(play.calls, [input]);
        assert_eq!(play.output(), &json!([1]));
    }
}

#[test]
fn parameters_mix_static_values_and_paths_at_any_depth() {
    check(&json!({}), json!({ "a": 1 }), &json!({}));
    check(&json!({ "all.$": "$", "s": "$.a", "n": null }), json!({ "a": 1 }), &json!({ "all": { "a": 1 }, "s": "$.a", "n": null }));
    check(
        &json!({ "deep": { "list": [1, { "b.$": "$.a.b" }] }, ".$": "$.a" }),
        json!({ "a": { "b": null } }),
        &json!({ "deep": { "list": [1, { "b": null }] }, "": { "b": null } }),
    );
}

#[test]
fn the_context_object_tells_execution_state_and_machine() {
    check(
        &json!({
            "id.$": "$$.Execution.Id", "input.$": "$$.Execution.Input", "part.$": "$$.Execution.Input.a.b", "name.$": "$$.Execution.Name",
            "role.$": "$$.Execution.RoleArn", "start.$": "$$.Execution.StartTime", "redrives.$": "$$.Execution.RedriveCount",
            "entered.$": "$$.State.EnteredTime", "state.$": "$$.State.Name", "retries.$": "$$.State.RetryCount",
            "machine.$": "$$.StateMachine.Id", "machineName.$": "$$.StateMachine.Name",
        }),
        json!({ "a": { "b": 5 } }),
        &json!({
            "id": "arn:aws:states:us-east-1:123456789012:execution:flow:run-1", "input": { "a": { "b": 5 } }, "part": 5, "name": "run-1",
            "role": "arn:aws:iam::123456789012:role/flow", "start": "2026-11-20T09:08:07.006Z", "redrives": 2,
            "entered": "2026-11-20T09:08:07.006Z", "state": "Work", "retries": 0,
            "machine": "arn:aws:states:us-east-1:123456789012:stateMachine:flow", "machineName": "flow",
        }),
    );
}

#[test]
fn the_executions_input_is_still_there_in_a_later_state() {
    let machine = machine(&json!({ "StartAt": "Lose", "States": {
        "Lose": { "Type": "Pass", "Result": 1, "Next": "Work" },
        "Work": { "Type": "Task", "Resource": ARN, "Parameters": { "was.$": "$$.Execution.Input", "is.$": "$" }, "End": true },
    } }));
    assert_eq!(play(&machine, json!("first"), [ok(json!(0))]).calls, [json!({ "was": "first", "is": 1 })]);
}

#[test]
fn every_attempt_sees_its_retry_count_and_the_same_time_of_entry() {
    let machine = task(&json!({
        "Parameters": { "n.$": "$$.State.RetryCount", "at.$": "$$.State.EnteredTime" },
        "Retry": [{ "ErrorEquals": ["A"], "MaxAttempts": 1 }, { "ErrorEquals": ["B"], "MaxAttempts": 1 }],
    }));
    let at = "2026-11-20T09:08:07.006Z";
    let play = play(&machine, json!({}), [fails("A"), fails("B"), ok(json!(0))]);
    assert_eq!(play.calls, [json!({ "n": 0, "at": at }), json!({ "n": 1, "at": at }), json!({ "n": 2, "at": at })]);
}

#[test]
fn a_path_that_leads_nowhere_ends_the_execution_uncaught_and_unretried() {
    let machine = task(&json!({
        "Parameters": { "x": { "y.$": "$.a.b" } },
        "Retry": [{ "ErrorEquals": ["States.ALL"] }],
        "Catch": [{ "ErrorEquals": ["States.Runtime"], "Next": "Caught" }],
    }));
    let play = play(&machine, json!({ "a": "no" }), []);
    let cause = "An error occurred while executing the state 'Work' (entered at the event id #2). \
                 The JSONPath '$.a.b' specified for the field 'y.$' could not be found in the input '{\"a\":\"no\"}'";
    assert_eq!(play.failure(), ("States.Runtime", cause));
}
