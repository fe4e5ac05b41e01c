//! Time-outs: the file's are the table's, and they nest.

use super::ends::RECORDER;
use super::{Rule, Written};
use cost_sentry_workflow::steps::STEPS;
use cost_sentry_workflow::time_outs::{CONVERSE, EXECUTION, LEASE, RECORD_METRICS_WITH_RETRIES};

/// Where an Express execution is ended by Step Functions itself, without a Catch, in seconds.
const EXPRESS: u64 = 300;

pub const RULES: &[Rule] = &[
    Rule {
        name: "the time-outs are the table's, and nest",
        violations: other_time_outs,
        defects: &[
            ("/TimeoutSeconds", "301"),
            ("/TimeoutSeconds", "200"),
            ("/States/InvokeModel/TimeoutSeconds", "180"),
            ("/States/RecordMetrics/TimeoutSeconds", "10"),
        ],
    },
    Rule {
        name: "the record is written in the time that is kept for it",
        violations: late_records,
        defects: &[
            ("/States/RecordMetrics/Retry/0/MaxAttempts", "3"),
            ("/States/RecordMetrics/Retry/0/IntervalSeconds", "2"),
            ("/States/RecordMetrics/Retry/-", r#"{ "ErrorEquals": ["Lambda.Unknown"], "MaxAttempts": 1 }"#),
        ],
    },
];

fn other_time_outs(written: &Written) -> Vec<String> {
    let mut problems = Vec::new();
    let execution = written.machine.timeout_seconds();
    if execution != Some(u64::from(EXECUTION)) || execution.is_none_or(|seconds| seconds >= EXPRESS || seconds >= u64::from(LEASE)) {
        problems.push(format!("the execution has {execution:?} seconds"));
    }
    for (name, task) in written.tasks() {
        let Some(step) = STEPS.iter().find(|step| step.state == name) else { continue };
        let within = |outer: Option<u64>| task.timeout_seconds.is_some_and(|seconds| outer.is_none_or(|outer| seconds < outer));
        if task.timeout_seconds != Some(u64::from(step.time_outs.task))
            || step.time_outs.function >= step.time_outs.task
            || !within(execution)
        {
            problems.push(format!("{name} has {:?} seconds", task.timeout_seconds));
        }
    }
    let calling = STEPS.iter().find(|step| step.time_outs.function > CONVERSE);
    problems.extend(calling.is_none().then(|| "no function outlasts the call".to_owned()));
    problems
}

/// Every retrier used up, every attempt as long as it may be, every wait the longest.
#[expect(clippy::cast_precision_loss, reason = "seconds, far below 2^52")]
fn late_records(written: &Written) -> Vec<String> {
    let Some((name, task)) = written.tasks().find(|(name, _)| *name == RECORDER) else {
        return Vec::new();
    };
    let Some(step) = STEPS.iter().find(|step| step.state == name) else { return Vec::new() };
    let attempt = f64::from(step.time_outs.task);
    let mut longest = attempt;
    for retrier in &task.retry {
        for retry in 0..retrier.max_attempts {
            let wait = retrier.interval_seconds as f64 * retrier.backoff_rate.powi(i32::try_from(retry).unwrap());
            longest += attempt + retrier.max_delay_seconds.map_or(wait, |most| wait.min(most as f64));
        }
    }
    let kept = f64::from(RECORD_METRICS_WITH_RETRIES);
    if longest <= kept { Vec::new() } else { vec![format!("{name} may take {longest} seconds, {kept} are kept for it")] }
}
