//! The log line: one for each request, with exactly the fields that `log_line.rs` documents.

use super::{FAILS_ONCE, ONE_REQUEST};
use crate::harness::{World, sample};
use crate::scenarios::clock::StoppedClock;
use cost_sentry_aws::log::Lines;
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::metrics::Point;
use cost_sentry_workflow::ports::{Metrics, MetricsError};
use cost_sentry_workflow::steps::RecordMetrics;
use expect_test::{Expect, expect};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Mutex;

/// The lines about requests, without what differs from run to run.
async fn request_lines(world: &World, requests: &[Value]) -> Vec<Value> {
    for request in requests {
        world.run(request).await;
    }
    let lines = world.log_lines().into_iter().filter(|line| line["event"] == "request");
    let mut lines: Vec<Value> = lines.collect();
    for line in &mut lines {
        for (pointer, length) in [("/tags/requestId", 36), ("/tags/timestamp", 27), ("/policyVersion", 16)] {
            let value = line.pointer_mut(pointer).unwrap();
            assert_eq!(value.as_str().map(str::len), Some(length), "{pointer}");
            *value = json!("…");
        }
        for duration in line["durationsMs"].as_object_mut().unwrap().values_mut() {
            assert!(duration.take().as_u64().is_some_and(|millis| millis < 60_000));
        }
    }
    lines
}

fn check(line: &Value, expected: &Expect) {
    // Sorted by key, whatever the JSON library's order.
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort();
                names.into_iter().map(|name| (name.clone(), sorted(&fields[name]))).collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    let fields = sorted(line);
    let lines = fields.as_object().unwrap().iter().map(|(name, field)| format!("{name}: {field}\n"));
    expected.assert_eq(&lines.collect::<String>());
}

#[tokio::test]
async fn every_request_has_one_line_with_all_that_is_documented() {
    let world = World::with_script(ONE_REQUEST, FAILS_ONCE).await;
    let mut tagged = sample();
    tagged["tags"]["team"] = json!("blue");
    let lines = request_lines(&world, &[sample(), tagged, sample()]).await;
    assert_eq!(lines.len(), 3);
    check(
        &lines[0],
        &expect![[r#"
        charges: [{"budget":"only-one","charged":null,"hold":8143200,"mode":"enforce","scope":"","unit":"usd"},{"budget":"only-one","charged":null,"hold":1,"mode":"enforce","scope":"","unit":"requests"}]
        decision: "APPROVED"
        durationsMs: {"checkRateLimit":null,"invokeModel":null,"recordMetrics":null,"validateAndSetContext":null}
        error: "ModelAccessDenied"
        event: "request"
        model: {"modelId":"us.anthropic.claude-3-5-haiku-20241022-v1:0","name":"claude-3-5-haiku","requested":"claude-3-5-haiku"}
        moneyMayHaveBeenSpent: false
        outcome: "INVOCATION_FAILED"
        policyVersion: "…"
        reservation: "RELEASED"
        tags: {"applicationId":"aws-documentation-helper","costCenter":"support","environment":"production","modelMetric":"us.anthropic.claude-3-5-haiku-20241022-v1:0","requestId":"…","timestamp":"…"}
        usage: null
        warnings: []
    "#]],
    );
    check(
        &lines[1],
        &expect![[r#"
        charges: [{"budget":"only-one","charged":885800,"hold":8143200,"mode":"enforce","scope":"","unit":"usd"},{"budget":"only-one","charged":1,"hold":1,"mode":"enforce","scope":"","unit":"requests"}]
        decision: "APPROVED"
        durationsMs: {"checkRateLimit":null,"invokeModel":null,"recordMetrics":null,"validateAndSetContext":null}
        error: null
        event: "request"
        model: {"modelId":"us.anthropic.claude-3-5-haiku-20241022-v1:0","name":"claude-3-5-haiku","requested":"claude-3-5-haiku"}
        moneyMayHaveBeenSpent: true
        outcome: "INVOCATION_SUCCEEDED"
        policyVersion: "…"
        reservation: "SETTLED"
        tags: {"applicationId":"aws-documentation-helper","costCenter":"support","environment":"production","modelMetric":"us.anthropic.claude-3-5-haiku-20241022-v1:0","requestId":"…","team":"blue","timestamp":"…"}
        usage: {"cacheReadInputTokens":10,"cacheWriteInputTokens":5,"costUsd":"0.0008858","inputTokens":100,"outputTokens":200,"totalTokens":315}
        warnings: []
    "#]],
    );
    check(
        &lines[2],
        &expect![[r#"
        charges: [{"budget":"only-one","charged":null,"hold":8143200,"mode":"enforce","scope":"","unit":"usd"},{"budget":"only-one","charged":null,"hold":1,"mode":"enforce","scope":"","unit":"requests"}]
        decision: "DENIED"
        durationsMs: {"checkRateLimit":null,"recordMetrics":null,"validateAndSetContext":null}
        error: null
        event: "request"
        model: {"modelId":"us.anthropic.claude-3-5-haiku-20241022-v1:0","name":"claude-3-5-haiku","requested":"claude-3-5-haiku"}
        moneyMayHaveBeenSpent: false
        outcome: "RATE_LIMIT_DENIED"
        policyVersion: "…"
        reservation: "DENIED"
        tags: {"applicationId":"aws-documentation-helper","costCenter":"support","environment":"production","modelMetric":"us.anthropic.claude-3-5-haiku-20241022-v1:0","requestId":"…","timestamp":"…"}
        usage: null
        warnings: []
    "#]],
    );
}

#[tokio::test]
async fn the_fields_of_a_line_are_always_all_there() {
    let script =
        "models: { '*': { next: [{ error: InternalServerException }, {}], answer: x, usage: { inputTokens: 1, outputTokens: 9000 } } }";
    let answered = World::with_script(ONE_REQUEST, script).await;
    let unread = World::without_policy(ONE_REQUEST, cost_sentry::local::stack::Options::default()).await;
    let unbudgeted = World::new(&ONE_REQUEST.replace("period:", "match: { environment: dev }, period:")).await;
    for world in [&answered, &unread, &unbudgeted] {
        world.run(&sample()).await;
        world.run(&sample()).await;
        let lines = world.log_lines();
        let lines: Vec<_> = lines.iter().filter(|line| line["event"] == "request").collect();
        assert_eq!(lines.len(), 2);
        for line in lines {
            let mut names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(
                names,
                [
                    "charges",
                    "decision",
                    "durationsMs",
                    "error",
                    "event",
                    "model",
                    "moneyMayHaveBeenSpent",
                    "outcome",
                    "policyVersion",
                    "reservation",
                    "tags",
                    "usage",
                    "warnings"
                ]
            );
        }
    }
}

/// CloudWatch, which refuses so often before it takes anything.
struct Refusing(Mutex<usize>);

impl Metrics for Refusing {
    async fn put(&self, _points: &[Point], _at: Timestamp) -> Result<(), MetricsError> {
        let mut left = self.0.lock().unwrap();
        let refused = *left > 0;
        *left = left.saturating_sub(1);
        if refused { Err(MetricsError("refused".into())) } else { Ok(()) }
    }
}

#[tokio::test]
async fn only_the_attempt_that_delivers_the_metrics_writes_the_request_s_line() {
    for refusals in 0..3 {
        let log = Lines::new(Vec::new());
        let metrics = Refusing(Mutex::new(refusals));
        let edge = StoppedClock(Timestamp::UNIX_EPOCH);
        let step = RecordMetrics { ledger: MemoryLedger::default(), metrics, log: log.clone(), edge };
        let input = || json!({ "Error": "PolicyUnavailable", "Cause": "" });
        let mut tries = 1;
        while let Err(thrown) = step.run(input()).await {
            assert_eq!(thrown.name.name(), "MetricsUnavailable");
            tries += 1;
        }
        let text = log.with(|bytes| String::from_utf8(bytes.clone()).unwrap());
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone()).collect();
        let mut expected = vec!["unrecorded"; refusals];
        expected.push("request");
        assert_eq!((tries, events), (refusals + 1, expected.into_iter().map(Value::from).collect()));
    }
}
