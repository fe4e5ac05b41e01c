//! What the endpoint refuses: AWS's error names, HTTP 400.

use super::process::{Local, room_for};
use crate::binary::Desk;
use crate::harness::sample;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::operation::start_execution::builders::StartExecutionFluentBuilder;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// The error's name and its HTTP status.
fn refused<T: std::fmt::Debug, E: ProvideErrorMetadata>(answer: Result<T, SdkError<E, HttpResponse>>) -> (String, u16) {
    let error = answer.unwrap_err();
    (error.code().unwrap_or_default().to_owned(), error.raw_response().unwrap().status().as_u16())
}

fn named(name: &str) -> (String, u16) {
    (name.to_owned(), 400)
}

const UNKNOWN_MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:another";
const UNKNOWN_EXECUTION: &str = "arn:aws:states:us-east-1:000000000000:execution:cost-sentry-standard:unknown";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:invoke-model";

#[tokio::test]
async fn arns_that_name_nothing_or_something_else_are_refused() {
    let desk = Desk::new();
    let local = Local::start(&desk, &room_for(10), &[], &[]);
    let client = local.client();
    let machines = [
        ("nonsense", "InvalidArn"),
        (FUNCTION, "InvalidArn"),
        (UNKNOWN_EXECUTION, "InvalidArn"),
        (UNKNOWN_MACHINE, "StateMachineDoesNotExist"),
    ];
    for (arn, expected) in machines {
        assert_eq!(refused(client.start_execution().state_machine_arn(arn).send().await), named(expected), "{arn}");
        assert_eq!(refused(client.start_sync_execution().state_machine_arn(arn).send().await), named(expected), "{arn}");
        assert_eq!(refused(client.describe_state_machine().state_machine_arn(arn).send().await), named(expected), "{arn}");
        assert_eq!(refused(client.list_executions().state_machine_arn(arn).send().await), named(expected), "{arn}");
    }
    let start = client.start_execution().state_machine_arn(local.express()).input(sample().to_string());
    let express = start.send().await.unwrap().execution_arn().to_owned();
    let executions = [
        ("nonsense", "InvalidArn"),
        (FUNCTION, "InvalidArn"),
        (local.standard(), "InvalidArn"),
        (&express, "InvalidArn"),
        (UNKNOWN_EXECUTION, "ExecutionDoesNotExist"),
    ];
    for (arn, expected) in executions {
        assert_eq!(refused(client.describe_execution().execution_arn(arn).send().await), named(expected), "{arn}");
        assert_eq!(refused(client.get_execution_history().execution_arn(arn).send().await), named(expected), "{arn}");
        assert_eq!(refused(client.stop_execution().execution_arn(arn).send().await), named(expected), "{arn}");
    }
}

#[tokio::test]
async fn an_operation_that_a_type_does_not_have_is_refused() {
    let desk = Desk::new();
    let local = Local::start(&desk, &room_for(10), &[], &[]);
    let client = local.client();
    let synchronous = client.start_sync_execution().state_machine_arn(local.standard()).input("{}");
    assert_eq!(refused(synchronous.send().await), named("StateMachineTypeNotSupported"));
    let listed = client.list_executions().state_machine_arn(local.express());
    assert_eq!(refused(listed.send().await), named("StateMachineTypeNotSupported"));
    let token = client.list_executions().state_machine_arn(local.standard()).next_token("x");
    assert_eq!(refused(token.send().await), named("InvalidToken"));
    let many = client.list_executions().state_machine_arn(local.standard()).max_results(1_001);
    assert_eq!(refused(many.send().await), named("ValidationException"));
}

#[tokio::test]
async fn inputs_and_names_outside_their_bounds_are_refused_on_both_types() {
    let desk = Desk::new();
    let local = Local::start(&desk, &room_for(10), &[], &[]);
    let client = local.client();
    let long = format!("\"{}\"", "x".repeat(300_000));
    for arn in [local.standard(), local.express()] {
        let start = || client.start_execution().state_machine_arn(arn);
        assert_eq!(refused(start().input("{ not JSON").send().await), named("InvalidExecutionInput"));
        assert_eq!(refused(start().input(&long).send().await), named("ValidationException"));
        let too_long = "x".repeat(81);
        for name in ["", "a b", "a/b", "a:b", "a*b", "tab\t", "né\u{7f}", &too_long] {
            assert_eq!(refused(start().name(name).send().await), named("InvalidName"), "{name:?}");
        }
    }
    let sync = || client.start_sync_execution().state_machine_arn(local.express());
    assert_eq!(refused(sync().input("{ not JSON").send().await), named("InvalidExecutionInput"));
    assert_eq!(refused(sync().input(&long).send().await), named("ValidationException"));
    // 262,144 bytes exactly are taken; with what the first state adds they are too many for it. Fewer reach the workflow's own check.
    for (bytes, expected) in [(262_144, "InvalidRequest"), (250_000, "InvalidRequest")] {
        let input = format!("\"{}\"", "x".repeat(bytes - 2));
        assert_eq!(sync().input(&input).send().await.unwrap().error(), Some(expected), "{bytes}");
    }
}

#[tokio::test]
async fn a_standard_name_is_idempotent_while_the_same_input_runs_and_taken_after() {
    let desk = Desk::new();
    let slow = desk.file("slow.yaml", "models: { '*': { latency: 2s } }");
    let local = Local::start(&desk, &room_for(10), &["--simulator", slow], &[]);
    let client = local.client();
    let start = |input: &str| client.start_execution().state_machine_arn(local.standard()).name("order-7").input(input);
    let sent = |start: StartExecutionFluentBuilder| async { start.send().await };
    let input = sample().to_string();
    let first = sent(start(&input)).await.unwrap();
    let again = sent(start(&input)).await.unwrap();
    assert_eq!((first.execution_arn(), first.start_date()), (again.execution_arn(), again.start_date()));
    let other = input.replace("S3", "EBS");
    assert_eq!(refused(sent(start(&other)).await), named("ExecutionAlreadyExists"));
    local.ended(first.execution_arn()).await;
    assert_eq!(refused(sent(start(&input)).await), named("ExecutionAlreadyExists"));
    // Express names are not unique.
    let express = || client.start_execution().state_machine_arn(local.express()).name("order-7").input(&input);
    let (one, two) = (express().send().await.unwrap(), express().send().await.unwrap());
    assert_ne!(one.execution_arn(), two.execution_arn());
}
