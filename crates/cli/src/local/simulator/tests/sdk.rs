//! The simulator as the AWS SDK sees it.

use std::error::Error;
use std::time::Duration;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::RequestId;
use aws_sdk_bedrockruntime::operation::converse::{ConverseError, ConverseOutput};
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ConversationRole, ConverseTokensRequest, CountTokensInput, InferenceConfiguration, Message, StopReason,
};
use serde_json::json;

use crate::local::simulator::{Fault, Operation, Script, Simulator};

const ARN: &str = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123";

async fn started(script: &str) -> (Simulator, Client) {
    let simulator = Simulator::start(Script::parse(script).expect(script)).await.expect("a port");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(simulator.endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    (simulator, Client::from_conf(config))
}

fn message() -> Message {
    Message::builder().role(ConversationRole::User).content(ContentBlock::Text("Hello".into())).build().expect("a message")
}

async fn converse(client: &Client, model: &str) -> Result<ConverseOutput, SdkError<ConverseError>> {
    let limits = InferenceConfiguration::builder().max_tokens(100).build();
    client.converse().model_id(model).messages(message()).inference_config(limits).send().await
}

fn with_error(error: &str) -> String {
    format!("models: {{ '*': {{ always: {{ error: {error} }} }} }}")
}

#[tokio::test]
async fn the_sdk_reads_an_answer_and_the_call_is_recorded() {
    let script = format!("models: {{ '{ARN}': {{ answer: Yes., usage: {{ inputTokens: 12, cacheReadInputTokens: 30 }} }} }}");
    let (simulator, client) = started(&script).await;
    let output = converse(&client, ARN).await.expect("an answer");
    let usage = output.usage().expect("usage");
    assert_eq!((usage.input_tokens(), usage.output_tokens(), usage.total_tokens()), (12, 1, 43));
    assert_eq!((usage.cache_read_input_tokens(), usage.cache_write_input_tokens()), (Some(30), None));
    assert_eq!(output.stop_reason(), &StopReason::EndTurn);
    let text = output.output().and_then(|output| output.as_message().ok()).and_then(|message| message.content()[0].as_text().ok());
    assert_eq!(text.map(String::as_str), Some("Yes."));
    assert_eq!(output.request_id(), Some("00000000-0000-4000-8000-000000000001"));

    let calls = simulator.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].model_id.as_str(), calls[0].operation), (ARN, Operation::Converse));
    assert_eq!(calls[0].body.pointer("/inferenceConfig/maxTokens"), Some(&json!(100)));
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_sdk_reads_a_token_count() {
    let (_simulator, client) = started("").await;
    let input = CountTokensInput::Converse(ConverseTokensRequest::builder().messages(message()).build());
    let output = client.count_tokens().model_id("m").input(input).send().await.expect("a count");
    assert_eq!(output.input_tokens(), 5);
}

#[tokio::test]
async fn the_sdk_knows_every_error_by_name_status_and_message() {
    for fault in Fault::ALL {
        let Some(status) = fault.status() else { continue };
        let (_simulator, client) = started(&with_error(fault.name())).await;
        let error = converse(&client, "m").await.expect_err("a fault");
        assert_eq!(error.raw_response().map(|response| response.status().as_u16()), Some(status), "{fault:?}");
        let error = error.into_service_error();
        assert_eq!((error.code(), error.message()), (Some(fault.name()), Some(fault.message())));
    }
}

#[tokio::test]
async fn a_lost_connection_was_sent_and_got_no_byte_back() {
    let (simulator, client) = started(&with_error("lostConnection")).await;
    let error = converse(&client, "m").await.expect_err("no answer");
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if !failure.is_timeout()), "{error:?}");
    let cause = std::iter::successors(Some(&error as &dyn Error), |error| (*error).source()).last().map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("connection closed before message completed"));
    assert_eq!(simulator.calls().len(), 1, "the whole request had been read");
    simulator.set_script(Script::default());
    converse(&client, "m").await.expect("the next call gets a connection of its own");
}

#[tokio::test]
async fn a_time_out_lasts_until_the_client_hangs_up_or_the_simulator_stops() {
    let (simulator, client) = started(&with_error("timeout")).await;
    let soon = TimeoutConfig::builder().read_timeout(Duration::from_millis(20)).build();
    let call = client.converse().model_id("m").messages(message()).customize();
    let error = call.config_override(Config::builder().timeout_config(soon)).send().await.expect_err("no answer");
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
    let waiting = tokio::spawn(async move { converse(&client, "m").await });
    while simulator.calls().len() < 2 && !waiting.is_finished() {
        tokio::task::yield_now().await;
    }
    simulator.shutdown().await;
    let error = waiting.await.expect("no panic").expect_err("no answer");
    assert!(!matches!(error, SdkError::ServiceError(_)), "{error:?}");
}

#[tokio::test]
async fn many_clients_share_one_script_and_each_turn_is_taken_once() {
    let (simulator, client) = started("models: { '*': { next: [{ error: ThrottlingException, times: 20 }], latency: 1ms } }").await;
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { converse(&client, "m").await.is_err() })
        })
        .collect();
    let mut failed = 0;
    for call in calls {
        failed += u32::from(call.await.expect("no panic"));
    }
    assert_eq!((failed, simulator.calls().len()), (20, 64));
}

#[tokio::test]
async fn a_dropped_simulator_refuses_connections() {
    let (simulator, client) = started("").await;
    simulator.shutdown().await;
    let error = converse(&client, "m").await.expect_err("nobody listens");
    assert!(error.source().is_some() && matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
}
