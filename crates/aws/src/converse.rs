//! The model on Bedrock's Converse, and the counting of tokens on CountTokens.

use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::converse::{ConverseError, ConverseOutput};
use aws_sdk_bedrockruntime::types::{
    CacheDetail, CacheTtl, ContentBlock, ConversationRole, ConverseTokensRequest, CountTokensInput, InferenceConfiguration, Message,
    ServiceTierType, SystemContentBlock, TokenUsage,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::{Document, Number};
use cost_sentry_core::price::{ServiceTier, Usage};
use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::{Inference, Prompt, Role};
use cost_sentry_workflow::ports::{Answer, Call, CallFailed, Model, TokenCounter};
use serde_json::Value;
use std::error::Error;

/// Bedrock, for the one call.
#[derive(Debug, Clone)]
pub struct BedrockModel {
    client: aws_sdk_bedrockruntime::Client,
}

/// Bedrock, for counting.
#[derive(Debug, Clone)]
pub struct BedrockTokenCounter {
    client: aws_sdk_bedrockruntime::Client,
}

impl BedrockModel {
    /// Over a client that makes one attempt per request.
    pub fn new(client: aws_sdk_bedrockruntime::Client) -> Self {
        Self { client }
    }
}

impl BedrockTokenCounter {
    /// Over a client with a short time-out.
    pub fn new(client: aws_sdk_bedrockruntime::Client) -> Self {
        Self { client }
    }
}

impl Model for BedrockModel {
    async fn converse(&self, call: Call<'_>) -> Result<Answer, CallFailed> {
        let request = self
            .client
            .converse()
            .model_id(call.model_id)
            .set_messages(Some(messages(call.prompt).ok_or(CallFailed::Rejected)?))
            .set_system(system(call.prompt))
            .inference_config(inference_config(call.inference))
            .set_additional_model_request_fields(call.inference.additional_model_request_fields.as_ref().map(document))
            .set_service_tier(call.inference.service_tier.and_then(service_tier))
            .request_metadata("requestId", call.request_id);
        match request.send().await {
            Ok(output) => Ok(answer(output)),
            Err(error) => Err(call_failed(&error)),
        }
    }
}

impl TokenCounter for BedrockTokenCounter {
    async fn count_tokens(&self, model_id: &str, prompt: &Prompt) -> Option<Tokens> {
        let input = ConverseTokensRequest::builder().set_messages(messages(prompt)).set_system(system(prompt)).build();
        let request = self.client.count_tokens().model_id(model_id).input(CountTokensInput::Converse(input));
        let output = request.send().await.ok()?;
        // The SDK reads a count that is missing as zero, and no prompt has none.
        u64::try_from(output.input_tokens()).ok().filter(|count| *count > 0).map(Tokens)
    }
}

fn messages(prompt: &Prompt) -> Option<Vec<Message>> {
    let message = |message: &cost_sentry_core::request::Message| {
        let role = match message.role {
            Role::User => ConversationRole::User,
            Role::Assistant => ConversationRole::Assistant,
        };
        let content = message.content.iter().cloned().map(ContentBlock::Text).collect();
        Message::builder().role(role).set_content(Some(content)).build().ok()
    };
    prompt.messages.iter().map(message).collect()
}

fn system(prompt: &Prompt) -> Option<Vec<SystemContentBlock>> {
    (!prompt.system.is_empty()).then(|| prompt.system.iter().cloned().map(SystemContentBlock::Text).collect())
}

fn inference_config(inference: &Inference) -> InferenceConfiguration {
    InferenceConfiguration::builder()
        .max_tokens(i32::try_from(inference.max_tokens.0).unwrap_or(i32::MAX))
        .set_temperature(inference.temperature.map(single))
        .set_top_p(inference.top_p.map(single))
        .build()
}

fn service_tier(tier: ServiceTier) -> Option<aws_sdk_bedrockruntime::types::ServiceTier> {
    aws_sdk_bedrockruntime::types::ServiceTier::builder().r#type(ServiceTierType::from(tier.word())).build().ok()
}

#[expect(clippy::cast_possible_truncation, reason = "Converse takes single precision, and both parameters lie between 0 and 1")]
fn single(value: f64) -> f32 {
    value as f32
}

fn document(value: &Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(flag) => Document::Bool(*flag),
        Value::Number(number) => Document::Number(match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => Number::PosInt(positive),
            (None, Some(negative)) => Number::NegInt(negative),
            (None, None) => Number::Float(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => Document::String(text.clone()),
        Value::Array(items) => Document::Array(items.iter().map(document).collect()),
        Value::Object(fields) => Document::Object(fields.iter().map(|(name, field)| (name.clone(), document(field))).collect()),
    }
}

fn answer(output: ConverseOutput) -> Answer {
    let usage = output.usage.as_ref().and_then(usage);
    let stop_reason = output.stop_reason.as_str().to_owned();
    let message = output.output.and_then(|output| output.as_message().ok().cloned());
    let texts = message.map(|message| message.content).unwrap_or_default();
    let text = texts.iter().filter_map(|block| block.as_text().ok()).map(String::as_str).collect::<Vec<_>>().join("");
    Answer { text, stop_reason, usage }
}

/// A usage with a figure below zero is none, and so is one that misses a figure: better uncertain than wrong. The SDK reads what is
/// missing as zero, even a whole usage; but no call is without input, and a total is neither above its parts nor below those it always has.
fn usage(reported: &TokenUsage) -> Option<Usage> {
    let tokens = |count: i32| u64::try_from(count).ok().map(Tokens);
    let for_an_hour = |detail: &&CacheDetail| *detail.ttl() == CacheTtl::OneHour;
    let hour: i32 = reported.cache_details().iter().filter(for_an_hour).map(CacheDetail::input_tokens).fold(0, i32::saturating_add);
    let usage = Usage {
        input: tokens(reported.input_tokens())?,
        output: tokens(reported.output_tokens())?,
        cache_read: tokens(reported.cache_read_input_tokens().unwrap_or(0))?,
        cache_write: tokens(reported.cache_write_input_tokens().unwrap_or(0))?,
        cache_write_1h: tokens(hour)?,
    };
    let (total, least) = (tokens(reported.total_tokens())?, Tokens(usage.input.0.saturating_add(usage.output.0)));
    (usage.total_input().0 > 0 && least <= total && total <= usage.total()).then_some(usage)
}

/// What is certain about a failed call. Everything that is not known to have been left undone may have been billed.
fn call_failed<R: std::fmt::Debug + Send + Sync + 'static>(error: &SdkError<ConverseError, R>) -> CallFailed {
    match error {
        SdkError::ConstructionFailure(_) => CallFailed::Rejected,
        SdkError::TimeoutError(_) => CallFailed::TimedOut,
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) if never_connected(connector) => CallFailed::Unreachable,
            Some(connector) if connector.is_timeout() => CallFailed::TimedOut,
            _ => CallFailed::ConnectionLost,
        },
        SdkError::ServiceError(service) => match service.err() {
            ConverseError::ThrottlingException(_) => CallFailed::Throttled,
            ConverseError::ModelNotReadyException(_) => CallFailed::NotReady,
            ConverseError::ValidationException(_) => CallFailed::Rejected,
            ConverseError::AccessDeniedException(_) => CallFailed::AccessDenied,
            ConverseError::ResourceNotFoundException(_) => CallFailed::NotFound,
            ConverseError::ModelTimeoutException(_) => CallFailed::TimedOut,
            other if other.code() == Some("ThrottlingException") => CallFailed::Throttled,
            _ => CallFailed::Failed,
        },
        _ => CallFailed::ConnectionLost,
    }
}

/// Whether the connection was never opened, so that nothing was sent: the HTTP client says so itself.
fn never_connected(error: &ConnectorError) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect) {
            return true;
        }
        next = error.source();
    }
    false
}
