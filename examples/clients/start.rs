//! One request through Cost Sentry with the AWS SDK for Rust: started, its outcome read, a denial waited out.
//!
//! usage: `start sync|async STATE_MACHINE_ARN REQUEST.json [NAME]`

#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null")]

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{BehaviorVersion, ConfigBag, Intercept, RuntimeComponents, retry::RetryConfig};
use aws_sdk_sfn::error::BoxError;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_smithy_http_client::{Builder, tls::Provider, tls::rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::endpoint::EndpointPrefix;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut as Context;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

const ATTEMPTS: u32 = 3;

/// AWS serves synchronous executions at a host of their own, `sync-…`; a local endpoint has one host for all.
#[derive(Debug)]
struct OneHost;

impl Intercept for OneHost {
    fn name(&self) -> &'static str {
        "OneHost"
    }

    fn modify_before_retry_loop(&self, _: &mut Context<'_>, _: &RuntimeComponents, bag: &mut ConfigBag) -> Result<(), BoxError> {
        bag.interceptor_state().unset::<EndpointPrefix>();
        Ok(())
    }
}

/// How an execution ended: its error's name, nothing on success; and the document.
struct Ended(Option<String>, Value);

/// Sorts an answer's fields.
fn ended(status: &str, output: Option<&str>, error: Option<&str>, cause: Option<&str>) -> Ended {
    let document = serde_json::from_str(output.or(cause).unwrap_or_default()).unwrap_or_default();
    Ended((status != "SUCCEEDED").then(|| error.unwrap_or(status).to_owned()), document)
}

/// Express: at most five minutes. HTTP 200 says that the execution ran, not how it ended: `status` does.
async fn run_sync(sfn: &Client, arn: &str, request: &str) -> Result<Ended, BoxError> {
    // One attempt: a repeated synchronous start is a second execution, and paid for.
    let mut once = aws_sdk_sfn::config::Builder::new().retry_config(RetryConfig::disabled());
    if std::env::var_os("AWS_ENDPOINT_URL_SFN").is_some() {
        once = once.interceptor(OneHost);
    }
    let ran = sfn.start_sync_execution().state_machine_arn(arn).input(request).customize().config_override(once).send().await?;
    Ok(ended(ran.status().as_str(), ran.output(), ran.error(), ran.cause()))
}

/// Standard: the name makes the start safe to repeat. One that was used leads to the execution that it started.
async fn run_async(sfn: &Client, arn: &str, request: &str, name: &str) -> Result<Ended, BoxError> {
    match sfn.start_execution().state_machine_arn(arn).name(name).input(request).send().await {
        Err(error) if !error.as_service_error().is_some_and(StartExecutionError::is_execution_already_exists) => return Err(error.into()),
        _ => {}
    }
    let execution = format!("{}:{name}", arn.replace(":stateMachine:", ":execution:"));
    loop {
        let ran = sfn.describe_execution().execution_arn(&execution).send().await?;
        if ran.status().as_str() != "RUNNING" {
            return Ok(ended(ran.status().as_str(), ran.output(), ran.error(), ran.cause()));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Prints what came of it: the exit status, or after how many seconds to try again.
fn tell(Ended(error, document): &Ended) -> Result<u8, Duration> {
    let status = match error.as_deref() {
        None => {
            println!("{}", document["response"]["content"].as_str().unwrap_or_default());
            0
        }
        Some("InvalidRequest") => {
            eprintln!("rejected: {}", document["problems"]);
            2
        }
        Some("RateLimitDenied") => {
            let wait = &document["rateLimit"]["retryAfterSeconds"];
            eprintln!("denied: {}; retry after: {wait}", document["rateLimit"]["budgets"]);
            // A number, or "never".
            return wait.as_u64().map_or(Ok(3), |seconds| Err(Duration::from_secs(seconds)));
        }
        Some("InvocationFailed") => {
            let spent = document["error"]["moneyMayHaveBeenSpent"] != false;
            eprintln!("failed: {}; money {} spent", document["error"]["name"], if spent { "may have been" } else { "was not" });
            4
        }
        Some(other) => {
            eprintln!("not answered: {other}");
            1
        }
    };
    Ok(status)
}

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, arn, path, name @ ..] = arguments.as_slice() else { return Err("usage: start sync|async ARN REQUEST.json [NAME]".into()) };
    let request = std::fs::read_to_string(path)?;
    let name = name.first().cloned().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let longest_wait = Duration::from_secs(std::env::var("LONGEST_WAIT_SECONDS").map_or(Ok(300), |text| text.parse())?);
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let sfn = Client::new(&aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await);
    for attempt in 1.. {
        let ended = match mode.as_str() {
            "sync" => run_sync(&sfn, arn, &request).await?,
            _ => run_async(&sfn, arn, &request, &format!("{name}-{attempt}")).await?,
        };
        match tell(&ended) {
            Ok(status) => return Ok(status.into()),
            Err(wait) if wait > longest_wait || attempt == ATTEMPTS => break,
            Err(wait) => tokio::time::sleep(wait).await,
        }
    }
    Ok(ExitCode::from(3))
}
