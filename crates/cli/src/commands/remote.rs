//! `cost-sentry run --state-machine-arn`: the same request on a state machine that is deployed, or served by `cost-sentry local`.

use super::Failure;
use crate::host_prefix::WithoutHostPrefix;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::Credentials;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::operation::start_sync_execution::StartSyncExecutionOutput;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent, StateMachineType, SyncExecutionStatus};
use cost_sentry_asl::End;
use cost_sentry_aws::clients::http_client;
use cost_sentry_workflow::time_outs;
use serde_json::Value;
use std::time::Duration;

/// How often a Standard execution is asked for its history.
const POLL: Duration = Duration::from_millis(300);
/// Longer than any execution takes, for the synchronous call.
const LONGEST: Duration = Duration::from_secs(time_outs::EXECUTION as u64 + 15);

/// A client for the Step Functions service, on AWS or at an endpoint.
pub async fn client(endpoint_url: Option<&str>) -> Client {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
    let is_local = endpoint_url.is_some_and(crate::local::stack::is_loopback);
    if is_local {
        loader = loader.region(Region::new("us-east-1")).credentials_provider(Credentials::new("local", "local", None, None, "local"));
    }
    let shared = loader.load().await;
    let time_outs = aws_sdk_sfn::config::timeout::TimeoutConfig::builder().operation_timeout(LONGEST).build();
    let mut config = aws_sdk_sfn::config::Builder::from(&shared).timeout_config(time_outs);
    if let Some(url) = endpoint_url {
        config = config.endpoint_url(url).interceptor(WithoutHostPrefix);
    }
    Client::from_conf(config.build())
}

/// Runs a request: synchronously on an Express state machine, else by asking until it has ended.
pub async fn run(client: &Client, arn: &str, request: &Value) -> Result<End, Failure> {
    let described = client.describe_state_machine().state_machine_arn(arn).send().await.map_err(|error| failure(&error))?;
    if *described.r#type() == StateMachineType::Express {
        let started = client.start_sync_execution().state_machine_arn(arn).input(request.to_string()).send().await;
        return Ok(synchronous(&started.map_err(|error| failure(&error))?));
    }
    let started = client.start_execution().state_machine_arn(arn).input(request.to_string()).send().await;
    let started = started.map_err(|error| failure(&error))?;
    eprintln!("execution {}", started.execution_arn());
    follow(client, started.execution_arn()).await
}

/// HTTP 200 says that the execution was run, not how it ended: the status does.
fn synchronous(answer: &StartSyncExecutionOutput) -> End {
    match answer.status() {
        SyncExecutionStatus::Succeeded => End::Succeeded { output: parse(answer.output()) },
        SyncExecutionStatus::TimedOut => End::TimedOut,
        _ => failed(answer.error(), answer.cause()),
    }
}

async fn follow(client: &Client, arn: &str) -> Result<End, Failure> {
    let mut shown = 0;
    loop {
        let described = client.describe_execution().execution_arn(arn).send().await.map_err(|error| failure(&error))?;
        shown = show_states(client, arn, shown).await;
        match described.status() {
            ExecutionStatus::Running | ExecutionStatus::PendingRedrive => tokio::time::sleep(POLL).await,
            ExecutionStatus::Succeeded => return Ok(End::Succeeded { output: parse(described.output()) }),
            ExecutionStatus::TimedOut => return Ok(End::TimedOut),
            _ => return Ok(failed(described.error(), described.cause())),
        }
    }
}

/// Prints the states entered since the last time; how many events were seen. A history that cannot be read is only not shown.
async fn show_states(client: &Client, arn: &str, shown: usize) -> usize {
    let request = client.get_execution_history().execution_arn(arn).include_execution_data(false).max_results(1_000);
    let Ok(history) = request.send().await else { return shown };
    for event in history.events().iter().skip(shown) {
        if let Some(entered) = HistoryEvent::state_entered_event_details(event) {
            eprintln!("▶ {}", entered.name());
        }
    }
    history.events().len()
}

fn parse(output: Option<&str>) -> Value {
    output.and_then(|output| serde_json::from_str(output).ok()).unwrap_or_default()
}

fn failed(error: Option<&str>, cause: Option<&str>) -> End {
    End::Failed { error: error.unwrap_or("Unknown").to_owned(), cause: cause.unwrap_or_default().to_owned() }
}

fn failure<E: std::error::Error + ProvideErrorMetadata + 'static>(error: &E) -> Failure {
    let message = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("Step Functions answered {code}: {message}"),
        (Some(code), None) => format!("Step Functions answered {code}"),
        _ => format!("Step Functions could not be reached: {}", Failure::from_error(error).message),
    };
    Failure::new(message)
        .hint("check the ARN, the region and the credentials; --endpoint-url names another endpoint, such as that of `cost-sentry local`")
}
