use std::time::Duration;

use cost_sentry_asl::{Clock, End, TaskError, Tasks, run};
use expect_test::expect;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::stage::{ARN, execution, fails, machine, ok, play};

#[test]
fn the_history_tells_everything_in_order() {
    let machine = machine(&json!({ "StartAt": "Work", "TimeoutSeconds": 60, "States": {
        "Work": { "Type": "Task", "Resource": ARN, "TimeoutSeconds": 5, "Parameters": { "a.$": "$.a" }, "Next": "Ask",
            "Retry": [{ "ErrorEquals": ["States.ALL"] }] },
        "Ask": { "Type": "Choice", "Choices": [{ "Variable": "$.ok", "BooleanEquals": true, "Next": "Fine" }], "Default": "Bad" },
        "Fine": { "Type": "Succeed" },
        "Bad": { "Type": "Fail", "Error": "Bad" },
    } }));
    expect![[r#"
        0 ExecutionStarted { input: Object {"a": Number(1)} }
        0 StateEntered { name: "Work", state_type: "Task", input: Object {"a": Number(1)} }
        0 TaskScheduled { resource: "arn:aws:lambda:us-east-1:123456789012:function:work", input: Object {"a": Number(1)}, timeout_seconds: Some(5) }
        0 TaskStarted
        5 TaskTimedOut { error: "States.Timeout", cause: "" }
        5 RetryScheduled { state: "Work", error: "States.Timeout", attempt: 1, max: 3, delay: 1s }
        6 TaskScheduled { resource: "arn:aws:lambda:us-east-1:123456789012:function:work", input: Object {"a": Number(1)}, timeout_seconds: Some(5) }
        6 TaskStarted
        8 TaskSucceeded { output: Object {"ok": Bool(true)} }
        8 StateExited { name: "Work", state_type: "Task", output: Object {"ok": Bool(true)} }
        8 StateEntered { name: "Ask", state_type: "Choice", input: Object {"ok": Bool(true)} }
        8 StateExited { name: "Ask", state_type: "Choice", output: Object {"ok": Bool(true)} }
        8 StateEntered { name: "Fine", state_type: "Succeed", input: Object {"ok": Bool(true)} }
        8 StateExited { name: "Fine", state_type: "Succeed", output: Object {"ok": Bool(true)} }
        8 ExecutionSucceeded { output: Object {"ok": Bool(true)} }
    "#]]
    .assert_eq(&play(&machine, json!({ "a": 1 }), [ok(json!(0)).after(9), ok(json!({ "ok": true })).after(2)]).transcript());
    let failed = play(&machine, json!({ "a": 1 }), [ok(json!({ "ok": 0 }))]).transcript();
    expect![[r#"
        Entered { name: "Bad", state_type: "Fail", input: Object {"ok": Number(0)} }
        0 ExecutionFailed { error: "Bad", cause: "" }
    "#]]
    .assert_eq(&failed[failed.rfind("Entered").unwrap()..]);
}

#[test]
fn an_uncaught_failure_leaves_no_state() {
    let machine = machine(&json!({ "StartAt": "Work", "States": { "Work": { "Type": "Task", "Resource": ARN, "End": true } } }));
    let transcript = play(&machine, json!(1), [fails("A")]).transcript();
    assert!(!transcript.contains("StateExited"), "{transcript}");
    assert!(transcript.ends_with("ExecutionFailed { error: \"A\", cause: \"because\" }\n"), "{transcript}");
}

struct Echo;

impl Tasks for Echo {
    async fn invoke(&self, _resource: &str, input: Value) -> Result<Value, TaskError> {
        Ok(input)
    }
}

impl Clock for Echo {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn sleep(&self, _duration: Duration) {
        std::future::pending::<()>().await;
    }

    fn fraction(&self) -> f64 {
        0.0
    }
}

#[test]
fn an_execution_can_be_spawned_and_nobody_need_watch() {
    let machine = machine(&json!({ "StartAt": "Work", "States": { "Work": { "Type": "Task", "Resource": ARN, "End": true } } }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let end = runtime.block_on(async { tokio::spawn(async move { run(&machine, &execution(), json!(1), &Echo, &Echo, &()).await }).await });
    assert_eq!(end.unwrap(), End::Succeeded { output: json!(1) });
}
