//! What CloudWatch is told: the points after each kind of end, by either delivery.

mod canary;
mod log_line;

use crate::harness::{SHIPPED, World, sample};
use crate::scenarios::clock::StoppedClock;
use cost_sentry::commands::new_execution;
use cost_sentry::local::stack::Options;
use cost_sentry::local::tasks::LocalTasks;
use cost_sentry_asl::Tasks;
use cost_sentry_aws::config::MetricsDelivery;
use cost_sentry_aws::log::Lines;
use cost_sentry_aws::metrics::CloudWatch;
use cost_sentry_workflow::steps::SweepReservations;
use cost_sentry_workflow::time_outs::Leases;
use expect_test::{Expect, expect};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One request may be settled, in one window that never ends.
const ONE_REQUEST: &str = r#"{
    models: { claude-3-5-haiku: { id: "us.anthropic.claude-3-5-haiku-20241022-v1:0" } },
    budgets: [{ name: only-one, limit: { requests: 1, usd: 10 }, period: { from: "2020-01-01T00:00:00Z", until: "2100-01-01T00:00:00Z" } }],
}"#;
/// One failure that is released, then answers.
const FAILS_ONCE: &str = "models: { '*': { next: [{ error: AccessDeniedException }],
    usage: { inputTokens: 100, outputTokens: 200, cacheReadInputTokens: 10, cacheWriteInputTokens: 5 } } }";

/// A metric's sum, by name and dimensions, as one line each.
fn lines<'a>(points: impl IntoIterator<Item = (&'a str, &'a BTreeMap<String, String>, f64, Option<&'a str>)>) -> String {
    let mut sums: BTreeMap<String, (f64, String)> = BTreeMap::new();
    for (name, dimensions, value, unit) in points {
        let dimensions: Vec<String> = dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let sum = sums.entry(format!("{name} {{{}}}", dimensions.join(", "))).or_default();
        *sum = (sum.0 + value, unit.unwrap_or("no unit").to_owned());
    }
    let lines: Vec<String> = sums.iter().map(|(metric, (sum, unit))| format!("{metric} = {sum:.6} {unit}\n")).collect();
    lines.concat()
}

/// The sink's sums.
fn sunk(world: &World) -> String {
    let data = world.stack.sink.as_ref().unwrap().data();
    assert!(data.iter().all(|datum| datum.namespace == "GenAIRateLimiting" && datum.timestamp.is_some()), "{data:?}");
    lines(data.iter().map(|datum| (datum.name.as_str(), &datum.dimensions, datum.value, datum.unit.as_deref())))
}

fn check(world: &World, expected: &Expect) {
    expected.assert_eq(&sunk(world));
}

#[tokio::test]
async fn the_sink_after_one_of_each_outcome() {
    let world = World::with_script(ONE_REQUEST, FAILS_ONCE).await;
    let mut ends = Vec::new();
    for _ in 0..3 {
        ends.push(world.run(&sample()).await.document().0["outcome"].clone());
    }
    assert_eq!(ends, ["INVOCATION_FAILED", "INVOCATION_SUCCEEDED", "RATE_LIMIT_DENIED"]);
    check(
        &world,
        &expect![[r"
        BudgetUtilization {Budget=only-one} = 300.171722 Percent
        InputTokens {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 115.000000 Count
        InvocationFailed {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 1.000000 Count
        OutputTokens {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 200.000000 Count
        RateLimitApproved {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 2.000000 Count
        RateLimitDenied {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 1.000000 Count
        SpendUsd {Application=aws-documentation-helper, CostCenter=support} = 0.000886 None
        TotalRequests {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 3.000000 Count
    "]],
    );
}

#[tokio::test]
async fn a_missing_tag_is_none_and_a_profile_is_its_whole_arn() {
    let world = World::with_script(SHIPPED, "models: { '*': { usage: { inputTokens: 1, outputTokens: 2 } } }").await;
    world.run(&json!({ "model": "nova-lite", "prompt": { "messages": [{ "role": "user", "content": "Hi" }] }, "tags": { "applicationId": "a" } })).await;
    world
        .run(
            &json!({ "model": "sales", "prompt": { "messages": [{ "role": "user", "content": "Hi" }] }, "tags": { "applicationId": "a" } }),
        )
        .await;
    let data = world.stack.sink.as_ref().unwrap().data();
    let total = data.iter().filter(|datum| datum.name == "TotalRequests").map(|datum| json!(datum.dimensions));
    expect![[r#"
        {"Application":"a","CostCenter":"none","Environment":"none","Model":"nova-lite","ModelId":"amazon.nova-lite-v1:0"}
        {"Application":"a","CostCenter":"sales","Environment":"none","Model":"sales","ModelId":"arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/salesexample"}
    "#]].assert_eq(&total.map(|dimensions| format!("{dimensions}\n")).collect::<Vec<_>>().concat());
    for datum in data.iter().filter(|datum| datum.dimensions.contains_key("Model")) {
        assert_eq!(datum.dimensions.len(), 5, "{datum:?}");
    }
}

#[tokio::test]
async fn a_request_that_nobody_could_decide_on_is_a_sentry_error() {
    let world = World::without_policy(SHIPPED, Options::default()).await;
    world.run(&sample()).await;
    check(
        &world,
        &expect![[r"
        SentryErrors {} = 1.000000 Count
        TotalRequests {Application=none, CostCenter=none, Environment=none, Model=none, ModelId=none} = 1.000000 Count
    "]],
    );
    let world = World::new(&ONE_REQUEST.replace("period:", "match: { environment: dev }, period:")).await;
    world.run(&sample()).await;
    check(
        &world,
        &expect![[r"
        SentryErrors {} = 1.000000 Count
        TotalRequests {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 1.000000 Count
    "]],
    );
}

#[tokio::test]
async fn a_second_execution_of_one_id_counts_as_that_and_as_nothing_else() {
    let world = World::with_script(ONE_REQUEST, "").await;
    let execution = new_execution();
    world.run_as(&execution, &sample()).await;
    world.stack.sink.as_ref().unwrap().clear();
    let ended = world.run_as(&execution, &sample()).await;
    assert_eq!(ended.document().0["error"]["name"], "InvocationUncertain");
    check(
        &world,
        &expect![[r"
        DuplicateExecutions {} = 1.000000 Count
    "]],
    );
}

#[tokio::test]
async fn doubt_and_overage_are_counted() {
    let script = "models: { '*': { next: [{ error: InternalServerException }], usage: { inputTokens: 1000, outputTokens: 5000 } } }";
    let world = World::with_script(&ONE_REQUEST.replace("requests: 1", "requests: 2"), script).await;
    world.run(&sample()).await;
    world.run(&sample()).await;
    check(
        &world,
        &expect![[r"
        BudgetUtilization {Budget=only-one} = 150.244296 Percent
        InputTokens {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 1000.000000 Count
        InvocationFailed {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 1.000000 Count
        OutputTokens {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 5000.000000 Count
        OverageTokens {} = 3821.000000 Count
        RateLimitApproved {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 2.000000 Count
        SpendUsd {Application=aws-documentation-helper, CostCenter=support} = 0.020800 None
        TotalRequests {Application=aws-documentation-helper, CostCenter=support, Environment=production, Model=claude-3-5-haiku, ModelId=us.anthropic.claude-3-5-haiku-20241022-v1:0} = 2.000000 Count
        UncertainCharges {} = 1.000000 Count
    "]],
    );
}

#[tokio::test]
async fn the_sweep_counts_what_it_ends() {
    let world = World::new(SHIPPED).await;
    let now = Timestamp::now();
    hold(&world, now).await;
    let metrics = CloudWatch::new(MetricsDelivery::Put, || world.stack.clients.cloudwatch(), world.log.clone());
    let edge = StoppedClock(now + SignedDuration::from_hours(1));
    let sweep = SweepReservations { ledger: world.stack.ledger(), metrics, log: world.log.clone(), edge, leases: Leases::default() };
    assert_eq!(sweep.run(Value::Null).await.unwrap(), json!({ "released": 1, "uncertain": 0, "left": 0 }));
    check(
        &world,
        &expect![[r"
        SweptLeases {} = 1.000000 Count
        UncertainCharges {} = 0.000000 Count
    "]],
    );
}

/// The first two states alone.
async fn hold(world: &World, now: Timestamp) {
    let tasks = world.stack.tasks(world.log.clone());
    let function = |binary| cost_sentry::state_machine::function_arn(binary);
    let start = json!({ "request": sample(), "executionId": new_execution().id, "startedAt": now, "pinnedTags": {} });
    let validated = tasks.invoke(&function("validate-and-set-context"), start).await.unwrap();
    let approved = tasks.invoke(&function("check-rate-limit"), validated).await.unwrap();
    assert_eq!(approved["decision"], "APPROVED");
}

/// Three answers, a failure, a doubt, a denial, one without a budget and a bad one.
async fn mixed_run(world: &World, tasks: &impl Tasks) {
    let unbudgeted = |mut request: Value| {
        request["tags"]["environment"] = json!("dev");
        request
    };
    let machine = crate::harness::machine();
    for request in [sample(), sample(), unbudgeted(sample()), sample(), sample(), sample(), json!({ "model": "x" }), sample()] {
        world.run_on(&machine, &new_execution(), &request, tasks).await;
    }
}

fn mixed_policy() -> String {
    ONE_REQUEST.replace("requests: 1", "requests: 4").replace("period:", "match: { environment: production }, period:")
}

const MIXED_SCRIPT: &str = "models: { '*': { next: [{}, { error: ThrottlingException }, {}, { error: ValidationException },
    { error: ServiceUnavailableException }, {}], usage: { inputTokens: 1, outputTokens: 2 } } }";

#[tokio::test]
async fn total_requests_are_the_approved_the_denied_and_the_sentry_errors() {
    let world = World::with_script(&mixed_policy(), MIXED_SCRIPT).await;
    mixed_run(&world, &world.stack.tasks(world.log.clone())).await;
    let sum = |name: &str| -> f64 {
        world.stack.sink.as_ref().unwrap().data().iter().filter(|datum| datum.name == name).map(|datum| datum.value).sum()
    };
    let names = ["TotalRequests", "RateLimitApproved", "RateLimitDenied", "SentryErrors", "InvocationFailed"];
    let sums = names.map(|name| format!("{name} {}", sum(name)));
    assert_eq!(sums, ["TotalRequests 7", "RateLimitApproved 5", "RateLimitDenied 1", "SentryErrors 1", "InvocationFailed 2"]);
}

#[tokio::test]
async fn both_deliveries_give_the_same_points() {
    let put = World::with_script(&mixed_policy(), MIXED_SCRIPT).await;
    mixed_run(&put, &put.stack.tasks(put.log.clone())).await;

    let mut embedded = World::with_script(&mixed_policy(), MIXED_SCRIPT).await;
    embedded.stack.config.metrics = MetricsDelivery::EmbeddedMetricFormat;
    let log = Lines::new(Vec::new());
    mixed_run(&embedded, &LocalTasks::new(&embedded.stack.config, &embedded.stack.clients, log.clone())).await;
    assert!(embedded.stack.sink.as_ref().unwrap().data().is_empty());
    let text = log.with(|bytes| String::from_utf8(bytes.clone()).unwrap());
    let points: Vec<_> = text.lines().filter_map(|line| embedded_point(&serde_json::from_str(line).unwrap())).collect();
    let points = points.iter().filter(|(name, ..)| name != "InvalidRequests");
    assert_eq!(lines(points.map(|(name, dimensions, value, unit)| (name.as_str(), dimensions, *value, Some(unit.as_str())))), sunk(&put));
}

/// A line of the Embedded Metric Format as CloudWatch reads it.
fn embedded_point(line: &Value) -> Option<(String, BTreeMap<String, String>, f64, String)> {
    let directive = &line.get("_aws")?["CloudWatchMetrics"][0];
    assert_eq!(directive["Namespace"], "GenAIRateLimiting");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names = directive["Dimensions"][0].as_array().unwrap().iter().map(text);
    let dimensions = names.map(|name| (name.clone(), text(&line[&name]))).collect();
    let metric = &directive["Metrics"][0];
    Some((text(&metric["Name"]), dimensions, line[&text(&metric["Name"])].as_f64().unwrap(), text(&metric["Unit"])))
}
