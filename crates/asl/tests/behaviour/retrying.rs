use cost_sentry_asl::{EventKind, MAX_ERROR_CHARS};
use serde_json::{Value, json};

use crate::stage::{fails, ok, play, play_with_chance, task};

/// Runs a task with these retriers whose calls fail in turn and then succeed; expects these waits.
fn check(retry: &Value, errors: &[&str], delays: &[f64], succeeds: bool) {
    let machine = task(&json!({ "Retry": retry }));
    let play = play(&machine, json!({}), errors.iter().map(|error| fails(error)).chain([ok(json!("done"))]));
    assert_eq!(play.delays(), delays, "{retry} {errors:?}");
    if succeeds {
        assert_eq!(play.output(), &json!("done"));
        assert_eq!(play.calls.len(), errors.len() + 1);
    } else {
        assert_eq!(play.failure(), (*errors.last().unwrap(), "because"), "{retry}");
    }
}

#[test]
fn without_a_retrier_the_first_failure_is_final() {
    let play = play(&task(&json!({})), json!({}), [fails("Oops")]);
    assert_eq!(play.failure(), ("Oops", "because"));
}

#[test]
fn defaults_are_three_attempts_after_one_two_and_four_seconds() {
    let retry = json!([{ "ErrorEquals": ["Oops"] }]);
    check(&retry, &["Oops", "Oops", "Oops"], &[1.0, 2.0, 4.0], true);
    check(&retry, &["Oops", "Oops", "Oops", "Oops"], &[1.0, 2.0, 4.0], false);
}

#[test]
fn interval_backoff_and_the_longest_delay_are_honoured() {
    let retry = json!([{ "ErrorEquals": ["Oops"], "IntervalSeconds": 3, "BackoffRate": 1.5, "MaxDelaySeconds": 6, "MaxAttempts": 4 }]);
    check(&retry, &["Oops", "Oops", "Oops", "Oops"], &[3.0, 4.5, 6.0, 6.0], true);
    check(&json!([{ "ErrorEquals": ["Oops"], "BackoffRate": 1 }]), &["Oops", "Oops"], &[1.0, 1.0], true);
    check(&json!([{ "ErrorEquals": ["Oops"], "BackoffRate": 1e300 }]), &["Oops", "Oops", "Oops"], &[1.0, 31_536_000.0, 31_536_000.0], true);
}

#[test]
fn no_attempts_means_never() {
    check(&json!([{ "ErrorEquals": ["Oops"], "MaxAttempts": 0 }, { "ErrorEquals": ["States.ALL"] }]), &["Oops"], &[], false);
}

#[test]
fn the_first_retrier_that_names_the_error_decides_and_counts_for_itself() {
    let retry = json!([
        { "ErrorEquals": ["A", "B"], "MaxAttempts": 1, "IntervalSeconds": 5 },
        { "ErrorEquals": ["States.ALL"], "MaxAttempts": 2 },
    ]);
    check(&retry, &["A", "C", "C"], &[5.0, 1.0, 2.0], true);
    check(&retry, &["C", "A", "C"], &[1.0, 5.0, 2.0], true);
    check(&retry, &["A", "B"], &[5.0], false);
    check(&retry, &["C", "C", "C"], &[1.0, 2.0], false);
}

#[test]
fn wildcards_take_what_the_guide_says() {
    let all = json!([{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 1 }]);
    let failed = json!([{ "ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1 }]);
    for (retry, error, retried) in [
        (&all, "Oops", true),
        (&all, "States.Timeout", true),
        (&all, "States.DataLimitExceeded", false),
        (&all, "States.Runtime", false),
        (&failed, "Oops", true),
        (&failed, "Lambda.Unknown", true),
        (&failed, "States.Timeout", false),
        (&json!([{ "ErrorEquals": ["oops"] }]), "Oops", false),
    ] {
        check(retry, &[error], if retried { &[1.0] } else { &[] }, retried);
    }
}

#[test]
fn full_jitter_draws_between_zero_and_the_delay() {
    let machine = task(&json!({ "Retry": [{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 8, "JitterStrategy": "FULL" }] }));
    let steady = task(&json!({ "Retry": [{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 8, "JitterStrategy": "NONE" }] }));
    for (machine, fraction, delays) in [
        (&machine, 0.0, [0.0, 0.0]),
        (&machine, 0.25, [2.0, 4.0]),
        (&machine, 7.0, [8.0, 16.0]),
        (&machine, f64::NAN, [0.0, 0.0]),
        (&steady, 0.25, [8.0, 16.0]),
    ] {
        let play = play_with_chance(fraction, machine, json!({}), [fails("A"), fails("A"), ok(json!(1))]);
        assert_eq!(play.delays(), delays, "{fraction}");
    }
}

#[test]
fn a_retry_is_told_with_its_number_and_its_most() {
    let machine = task(&json!({ "Retry": [{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 5 }] }));
    let play = play(&machine, json!({}), [fails("A"), fails("B"), ok(json!(1))]);
    let retries: Vec<_> = play
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::RetryScheduled { state, error, attempt, max, .. } => Some((state.as_str(), error.as_str(), *attempt, *max)),
            _ => None,
        })
        .collect();
    assert_eq!(retries, [("Work", "A", 1, 5), ("Work", "B", 2, 5)]);
}

#[test]
fn names_are_cut_before_they_are_matched() {
    let name = "N".repeat(MAX_ERROR_CHARS);
    let machine = task(&json!({ "Retry": [{ "ErrorEquals": [name] }] }));
    let play = play(&machine, json!({}), [fails(&format!("{name}N")), ok(json!(1))]);
    assert_eq!(play.output(), &json!(1));
}

#[test]
fn retries_count_anew_at_every_visit() {
    let machine = crate::stage::machine(&json!({ "StartAt": "Work", "States": {
        "Work": { "Type": "Task", "Resource": crate::stage::ARN, "Next": "Again", "Retry": [{ "ErrorEquals": ["A"], "MaxAttempts": 1 }],
            "Parameters": { "n.$": "$$.State.RetryCount", "done.$": "$.done" } },
        "Again": { "Type": "Choice", "Choices": [{ "Variable": "$.done", "BooleanEquals": true, "Next": "End" }], "Default": "Work" },
        "End": { "Type": "Succeed" },
    } }));
    let play =
        play(&machine, json!({ "done": false }), [fails("A"), ok(json!({ "done": false })), fails("A"), ok(json!({ "done": true }))]);
    assert_eq!(play.output(), &json!({ "done": true }));
    assert_eq!(play.calls.iter().map(|call| call["n"].clone()).collect::<Vec<_>>(), [0, 1, 0, 1]);
}
