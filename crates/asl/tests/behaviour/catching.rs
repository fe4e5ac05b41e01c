use cost_sentry_asl::End;
use expect_test::expect;
use serde_json::{Value, json};

use crate::stage::{fails, ok, play, task};

/// The output that a catcher with this `ResultPath` (absent when `None`) makes of `input`.
fn check(result_path: Option<Value>, input: Value, expected: &Value) {
    let mut catcher = json!({ "ErrorEquals": ["States.ALL"], "Next": "Caught" });
    if let Some(path) = result_path {
        catcher["ResultPath"] = path;
    }
    let machine = task(&json!({ "Catch": [catcher], "Parameters": { "not": "kept" } }));
    assert_eq!(play(&machine, input, [fails("Oops")]).output(), expected);
}

fn error() -> Value {
    json!({ "Error": "Oops", "Cause": "because" })
}

#[test]
fn the_error_goes_where_result_path_says_in_the_raw_input() {
    check(None, json!({ "a": 1 }), &error());
    check(Some(json!("$")), json!({ "a": 1 }), &error());
    check(Some(json!(null)), json!({ "a": 1 }), &json!({ "a": 1 }));
    check(Some(json!("$.error")), json!({ "a": 1 }), &json!({ "a": 1, "error": error() }));
    check(Some(json!("$.a")), json!({ "a": 1 }), &json!({ "a": error() }));
    check(Some(json!("$.a.b")), json!({ "a": { "c": 1 } }), &json!({ "a": { "b": error(), "c": 1 } }));
    check(Some(json!("$.a.b")), json!({}), &json!({ "a": { "b": error() } }));
    check(Some(json!("$")), json!(7), &error());
    check(Some(json!(null)), json!(7), &json!(7));
}

#[test]
fn a_result_path_through_something_that_is_no_object_ends_the_execution() {
    for (path, input) in [("$.a", json!("text")), ("$.a", json!(null)), ("$.a", json!([])), ("$.a.b", json!({ "a": 1 }))] {
        let machine = task(&json!({ "Catch": [
            { "ErrorEquals": ["Oops"], "Next": "Caught", "ResultPath": path },
            { "ErrorEquals": ["States.ALL"], "Next": "Caught" },
        ] }));
        let play = play(&machine, input, [fails("Oops")]);
        let (error, cause) = play.failure();
        assert_eq!(error, "States.ResultPathMatchFailure");
        assert!(cause.contains(path), "{cause}");
    }
}

#[test]
fn the_first_catcher_that_names_the_error_decides() {
    let machine = task(&json!({ "Catch": [
        { "ErrorEquals": ["A", "B"], "Next": "Caught", "ResultPath": "$.first" },
        { "ErrorEquals": ["States.TaskFailed"], "Next": "Caught", "ResultPath": "$.second" },
        { "ErrorEquals": ["States.ALL"], "Next": "Caught", "ResultPath": "$.third" },
    ] }));
    for (error, key) in [("B", "first"), ("C", "second"), ("States.Timeout", "third")] {
        assert!(play(&machine, json!({}), [fails(error)]).output().get(key).is_some(), "{error}");
    }
    for error in ["States.Nothing", "c"] {
        assert!(play(&machine, json!({}), [fails(error)]).output().get("second").is_some(), "{error}");
    }
}

#[test]
fn an_error_that_no_catcher_names_ends_the_execution() {
    let machine = task(&json!({ "Catch": [{ "ErrorEquals": ["A"], "Next": "Caught" }] }));
    assert_eq!(play(&machine, json!({}), [fails("B")]).end, End::Failed { error: "B".into(), cause: "because".into() });
}

#[test]
fn states_all_catches_neither_limits_nor_runtime_errors_but_their_own_names_do() {
    for error in ["States.DataLimitExceeded", "States.Runtime"] {
        let all = task(&json!({ "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Caught" }] }));
        assert_eq!(play(&all, json!({}), [fails(error)]).failure().0, error);
        let own = task(&json!({ "Catch": [{ "ErrorEquals": [error], "Next": "Caught" }] }));
        assert_eq!(play(&own, json!({}), [fails(error)]).output()["Error"], json!(error));
    }
}

#[test]
fn catchers_come_after_the_last_retry_and_are_left_like_any_state() {
    let machine = task(&json!({
        "Retry": [{ "ErrorEquals": ["A"], "MaxAttempts": 1 }],
        "Catch": [{ "ErrorEquals": ["A"], "Next": "Caught", "ResultPath": null }],
    }));
    expect![[r#"
        0 ExecutionStarted { input: Object {"a": Number(1)} }
        0 StateEntered { name: "Work", state_type: "Task", input: Object {"a": Number(1)} }
        0 TaskScheduled { resource: "arn:aws:lambda:us-east-1:123456789012:function:work", input: Object {"a": Number(1)}, timeout_seconds: None }
        0 TaskStarted
        0 TaskFailed { error: "A", cause: "because" }
        0 RetryScheduled { state: "Work", error: "A", attempt: 1, max: 1, delay: 1s }
        1 TaskScheduled { resource: "arn:aws:lambda:us-east-1:123456789012:function:work", input: Object {"a": Number(1)}, timeout_seconds: None }
        1 TaskStarted
        1 TaskFailed { error: "A", cause: "because" }
        1 StateExited { name: "Work", state_type: "Task", output: Object {"a": Number(1)} }
        1 StateEntered { name: "Caught", state_type: "Succeed", input: Object {"a": Number(1)} }
        1 StateExited { name: "Caught", state_type: "Succeed", output: Object {"a": Number(1)} }
        1 ExecutionSucceeded { output: Object {"a": Number(1)} }
    "#]]
    .assert_eq(&play(&machine, json!({ "a": 1 }), [fails("A"), fails("A")]).transcript());
    assert_eq!(play(&machine, json!({}), [fails("A"), ok(json!("fine"))]).output(), &json!("fine"));
}
