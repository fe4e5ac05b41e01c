//! Each operation of the Step Functions endpoint, as an SDK's client sees it.

use super::process::{Local, eventually, room_for};
use crate::binary::Desk;
use crate::harness::sample;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent, HistoryEventType, StateMachineType, SyncExecutionStatus};
use serde_json::Value;

fn json(text: Option<&str>) -> Value {
    serde_json::from_str(text.unwrap()).unwrap()
}

/// Every failure, for a model that answers nothing but this.
fn fails_always(desk: &Desk) -> [&str; 2] {
    ["--simulator", desk.file("simulator.yaml", "models: { '*': { always: { error: AccessDeniedException } } }")]
}

async fn start(local: &Local, name: &str) -> String {
    let start = local.client().start_execution().state_machine_arn(local.standard()).name(name).input(sample().to_string());
    start.send().await.unwrap().execution_arn().to_owned()
}

#[tokio::test]
async fn a_synchronous_execution_answers_with_its_outcome() {
    let desk = Desk::new();
    let local = Local::start(&desk, &room_for(1), &[], &[]);
    let request = || local.client().start_sync_execution().state_machine_arn(local.express()).input(sample().to_string()).send();
    let answered = request().await.unwrap();
    assert_eq!(*answered.status(), SyncExecutionStatus::Succeeded);
    assert_eq!(json(answered.output())["outcome"], "INVOCATION_SUCCEEDED");
    assert!(answered.billing_details().unwrap().billed_duration_in_milliseconds() >= 100);
    assert!(answered.start_date() <= answered.stop_date() && answered.execution_arn().contains(":express:cost-sentry:"));
    let denied = request().await.unwrap();
    assert_eq!((denied.status(), denied.error()), (&SyncExecutionStatus::Failed, Some("RateLimitDenied")));
    let document = json(denied.cause());
    assert_eq!(document["outcome"], "RATE_LIMIT_DENIED");
    assert!(document["rateLimit"]["retryAfterSeconds"].as_u64().is_some(), "{document}");
    assert!(denied.output().is_none());
}

#[tokio::test]
async fn a_failed_execution_carries_its_document_as_cause_on_both_types() {
    let desk = Desk::new();
    let local = Local::start(&desk, &room_for(10), &fails_always(&desk), &[]);
    let client = local.client();
    let sync = client.start_sync_execution().state_machine_arn(local.express()).input(sample().to_string()).send().await.unwrap();
    let standard = local.ended(&start(&local, "failing").await).await;
    for (error, cause) in [(sync.error(), sync.cause()), (standard.error(), standard.cause())] {
        assert_eq!(error, Some("InvocationFailed"));
        let document = json(cause);
        assert_eq!((&document["outcome"], &document["error"]["name"]), (&"INVOCATION_FAILED".into(), &"ModelAccessDenied".into()));
    }
}

#[tokio::test]
async fn an_asynchronous_express_execution_runs_without_a_record() {
    let desk = Desk::new();
    let local = Local::start(&desk, &room_for(10), &[], &[]);
    let start = local.client().start_execution().state_machine_arn(local.express()).name("unseen").input(sample().to_string());
    let started = start.send().await.unwrap();
    assert!(started.execution_arn().contains(":express:cost-sentry:unseen:"), "{}", started.execution_arn());
    local.says("unseen", 1).await;
}

#[tokio::test]
async fn standard_executions_are_described_and_listed_by_status_and_page() {
    let desk = Desk::new();
    let local = Local::start(&desk, &room_for(3), &[], &[]);
    let client = local.client();
    let mut arns = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let arn = start(&local, name).await;
        let described = local.ended(&arn).await;
        let is_denied = arns.len() >= 3;
        let expected = if is_denied { ExecutionStatus::Failed } else { ExecutionStatus::Succeeded };
        assert_eq!((described.status(), described.name(), described.input()), (&expected, Some(name), Some(sample().to_string().as_str())));
        assert_eq!((described.error(), described.output().is_none()), (is_denied.then_some("RateLimitDenied"), is_denied));
        assert!(described.stop_date() >= Some(described.start_date()));
        arns.push(arn);
    }
    let list = || client.list_executions().state_machine_arn(local.standard());
    let names = |page: &[aws_sdk_sfn::types::ExecutionListItem]| page.iter().map(|entry| entry.name().to_owned()).collect::<String>();
    assert_eq!(names(list().send().await.unwrap().executions()), "edcba");
    assert_eq!(names(list().status_filter(ExecutionStatus::Failed).send().await.unwrap().executions()), "ed");
    assert_eq!(names(list().status_filter(ExecutionStatus::Running).send().await.unwrap().executions()), "");
    let mut pages = list().max_results(2).into_paginator().send();
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        seen.push(names(page.unwrap().executions()));
    }
    assert_eq!(seen, ["ed", "cb", "a"]);
}

fn types(events: &[HistoryEvent]) -> Vec<&str> {
    events.iter().map(|event| event.r#type().as_str()).collect()
}

/// A Task state that went well, in AWS's words.
const TASK: [&str; 5] =
    ["TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded", "TaskStateExited"];
const CHOICE: [&str; 2] = ["ChoiceStateEntered", "ChoiceStateExited"];

#[tokio::test]
async fn a_history_has_aws_event_types_in_order_with_ids_pages_and_both_directions() {
    let desk = Desk::new();
    let local = Local::start(&desk, &room_for(1), &[], &[]);
    let client = local.client();
    let (answered, denied) = (start(&local, "answered").await, start(&local, "denied").await);
    let failed = [&answered, &denied];
    let mut by_outcome = Vec::new();
    for arn in failed {
        by_outcome.push((local.ended(arn).await.status().clone(), arn.clone()));
    }
    // Which of the two had the room is theirs to settle.
    by_outcome.sort_by_key(|(status, _)| *status != ExecutionStatus::Succeeded);
    let history = |arn: &str| client.get_execution_history().execution_arn(arn);
    let answered = history(&by_outcome[0].1).send().await.unwrap();
    let expected = [
        &["ExecutionStarted"][..],
        &TASK,
        &CHOICE,
        &TASK,
        &CHOICE,
        &TASK,
        &TASK,
        &CHOICE,
        &["SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded"],
    ];
    assert_eq!(types(answered.events()), expected.concat());
    let denied = history(&by_outcome[1].1).send().await.unwrap();
    let expected = [&["ExecutionStarted"][..], &TASK, &CHOICE, &TASK, &CHOICE, &TASK, &CHOICE, &["FailStateEntered", "ExecutionFailed"]];
    assert_eq!(types(denied.events()), expected.concat());
    let ids: Vec<(i64, i64)> = answered.events().iter().map(|event| (event.id(), event.previous_event_id())).collect();
    assert_eq!(ids, (1..=answered.events().len().try_into().unwrap()).map(|id| (id, id - 1)).collect::<Vec<_>>());
    assert!(answered.events().is_sorted_by_key(HistoryEvent::timestamp));
    let started = answered.events()[0].execution_started_event_details().unwrap();
    assert_eq!(started.input(), Some(sample().to_string().as_str()));
    let arn = &by_outcome[0].1;
    let bare = history(arn).include_execution_data(false).send().await.unwrap();
    assert_eq!(bare.events()[0].execution_started_event_details().unwrap().input(), None);
    assert_eq!(bare.events()[1].state_entered_event_details().unwrap().name(), "ValidateAndSetContext");
    let mut reversed = history(arn).reverse_order(true).send().await.unwrap().events().to_vec();
    reversed.reverse();
    assert_eq!(reversed, answered.events());
    let mut pages = history(arn).max_results(10).into_paginator().items().send();
    let mut all = Vec::new();
    while let Some(event) = pages.next().await {
        all.push(event.unwrap());
    }
    assert_eq!(all, answered.events());
}

#[tokio::test]
async fn a_stopped_execution_is_aborted_with_the_reason_given() {
    let desk = Desk::new();
    let slow = desk.file("slow.yaml", "models: { '*': { latency: 60s } }");
    let local = Local::start(&desk, &room_for(10), &["--simulator", slow], &[]);
    let client = local.client();
    let arn = start(&local, "slow").await;
    let running =
        client.list_executions().state_machine_arn(local.standard()).status_filter(ExecutionStatus::Running).send().await.unwrap();
    assert_eq!(running.executions().len(), 1);
    client.stop_execution().execution_arn(&arn).error("Enough").cause("it was slow").send().await.unwrap();
    let stopped = client.describe_execution().execution_arn(&arn).send().await.unwrap();
    assert_eq!(*stopped.status(), ExecutionStatus::Aborted);
    assert_eq!((stopped.error(), stopped.cause()), (Some("Enough"), Some("it was slow")));
    let history = client.get_execution_history().execution_arn(&arn).send().await.unwrap();
    assert_eq!(*history.events().last().unwrap().r#type(), HistoryEventType::ExecutionAborted);
    eventually(|| local.stderr().contains("ABORTED")).await;
}

#[tokio::test]
async fn both_state_machines_are_described_and_listed_with_the_definition_that_ships() {
    let desk = Desk::new();
    let local = Local::start(&desk, &room_for(1), &[], &[]);
    let client = local.client();
    let mut definitions = Vec::new();
    for (arn, expected) in [(local.express(), StateMachineType::Express), (local.standard(), StateMachineType::Standard)] {
        let described = client.describe_state_machine().state_machine_arn(arn).send().await.unwrap();
        assert_eq!((described.r#type(), described.state_machine_arn()), (&expected, arn));
        definitions.push(described.definition().to_owned());
    }
    assert_eq!(definitions[0], definitions[1]);
    assert!(!definitions[0].contains("${"), "substituted");
    let listed = client.list_state_machines().send().await.unwrap();
    let arns: Vec<&str> = listed.state_machines().iter().map(aws_sdk_sfn::types::StateMachineListItem::state_machine_arn).collect();
    assert_eq!(arns, [local.express(), local.standard()]);
    let validate = |definition: &str| client.validate_state_machine_definition().definition(definition).send();
    let good = validate(&definitions[0]).await.unwrap();
    assert_eq!((good.result().as_str(), good.diagnostics().len()), ("OK", 0));
    let broken = validate(&definitions[0].replace("\"Next\": \"IsValid\"", "\"Next\": \"Nowhere\"")).await.unwrap();
    assert_eq!(broken.result().as_str(), "FAIL");
    assert!(broken.diagnostics().iter().any(|diagnostic| diagnostic.message().contains("Nowhere")), "{:?}", broken.diagnostics());
}
