use cost_sentry_asl::{End, EventKind, StateMachine};
use serde_json::{Value, json};

use crate::stage::{ARN, Answer, Play, fails, machine, ok, play, task};

fn timed(seconds: u64, fields: Value) -> StateMachine {
    let mut work = fields;
    work["Type"] = json!("Task");
    work["Resource"] = json!(ARN);
    work["End"] = json!(true);
    let states = json!({ "Work": work, "Caught": { "Type": "Succeed" }, "Start": { "Type": "Choice",
        "Choices": [{ "Variable": "$$.State.RetryCount", "NumericEquals": 1, "Next": "Caught" }], "Default": "Work" } });
    machine(&json!({ "StartAt": "Start", "TimeoutSeconds": seconds, "States": states }))
}

fn seconds(play: &Play) -> i64 {
    let (first, last) = (play.events.first().unwrap(), play.events.last().unwrap());
    last.at.duration_since(first.at).as_secs()
}

#[test]
fn an_attempt_that_takes_too_long_fails_with_states_timeout() {
    let machine = task(&json!({ "TimeoutSeconds": 10, "Catch": [{ "ErrorEquals": ["States.Timeout"], "Next": "Caught" }] }));
    let late = play(&machine, json!({}), [ok(json!("late")).after(11)]);
    assert_eq!(late.output(), &json!({ "Error": "States.Timeout", "Cause": "" }));
    assert_eq!(seconds(&late), 10);
    assert!(late.events.iter().any(|event| event.kind == EventKind::TaskTimedOut { error: "States.Timeout".into(), cause: String::new() }));
    let exact = play(&machine, json!({}), [ok(json!("in time")).after(10)]);
    assert_eq!(exact.output(), &json!("in time"));
}

#[test]
fn every_attempt_has_the_whole_time() {
    let machine = task(&json!({ "TimeoutSeconds": 10, "Retry": [{ "ErrorEquals": ["States.Timeout"], "IntervalSeconds": 5 }] }));
    let play = play(&machine, json!({}), [ok(json!(1)).after(99), fails("States.Timeout").after(9), ok(json!(2)).after(9)]);
    assert_eq!(play.output(), &json!(2));
    assert_eq!(seconds(&play), 10 + 5 + 9 + 10 + 9);
}

#[test]
fn an_attempt_without_a_time_out_has_99_999_999_seconds() {
    assert_eq!(play(&task(&json!({})), json!({}), [ok(json!(1)).after(99_999_999)]).output(), &json!(1));
    assert_eq!(play(&task(&json!({})), json!({}), [ok(json!(1)).after(100_000_000)]).failure(), ("States.Timeout", ""));
}

#[test]
fn an_execution_that_takes_too_long_is_timed_out_and_nothing_catches_it() {
    let catching = json!({ "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Caught" }] });
    let retrying = json!({ "Retry": [{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 60 }] });
    let in_call: Vec<Answer> = vec![ok(json!(1)).after(31)];
    let in_wait: Vec<Answer> = vec![fails("A")];
    for (fields, answers) in [(catching, in_call), (retrying, in_wait)] {
        let play = play(&timed(30, fields), json!({}), answers);
        assert_eq!(play.end, End::TimedOut);
        assert_eq!(seconds(&play), 30);
        assert_eq!(play.events.last().unwrap().kind, EventKind::ExecutionTimedOut);
    }
    assert_eq!(play(&timed(30, json!({})), json!({}), [ok(json!(1)).after(30)]).output(), &json!(1));
}
