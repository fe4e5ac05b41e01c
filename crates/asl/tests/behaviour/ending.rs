use serde_json::{Value, json};

use crate::stage::{machine, play};

/// How a Fail state with these fields ends, given the input.
fn check(fields: Value, input: Value, error: &str, cause: &str) {
    let mut state = fields;
    state["Type"] = json!("Fail");
    let machine = machine(&json!({ "StartAt": "Stop", "States": { "Stop": state } }));
    assert_eq!(play(&machine, input, []).failure(), (error, cause));
}

#[test]
fn a_fail_state_names_error_and_cause_or_takes_them_from_its_input() {
    check(json!({}), json!({}), "", "");
    check(json!({ "Error": "E", "Cause": "C" }), json!({}), "E", "C");
    check(json!({ "ErrorPath": "$.e", "CausePath": "$.c.d" }), json!({ "e": "E", "c": { "d": "C" } }), "E", "C");
    check(json!({ "Error": "E", "CausePath": "$" }), json!("all"), "E", "all");
}

#[test]
fn a_fail_states_path_must_lead_to_a_string() {
    let prefix =
        "An error occurred while executing the state 'Stop' (entered at the event id #2). The JSONPath '$.c' specified for the field";
    check(
        json!({ "Error": "E", "CausePath": "$.c" }),
        json!({ "c": 1 }),
        "States.Runtime",
        &format!("{prefix} 'CausePath' must lead to a string."),
    );
    check(
        json!({ "ErrorPath": "$.c", "Cause": "C" }),
        json!({ "d": 1 }),
        "States.Runtime",
        &format!("{prefix} 'ErrorPath' could not be found in the input '{{\"d\":1}}'"),
    );
}

#[test]
fn succeed_and_pass_hand_on_what_they_have() {
    let one = |state: Value| machine(&json!({ "StartAt": "Only", "States": { "Only": state } }));
    let input = json!({ "a": [1, null] });
    for (state, output) in [
        (json!({ "Type": "Succeed" }), input.clone()),
        (json!({ "Type": "Pass", "End": true }), input.clone()),
        (json!({ "Type": "Pass", "Result": { "x.$": "$.a" }, "End": true }), json!({ "x.$": "$.a" })),
        (json!({ "Type": "Pass", "Result": null, "End": true }), json!(null)),
    ] {
        assert_eq!(play(&one(state), input.clone(), []).output(), &output);
    }
}
