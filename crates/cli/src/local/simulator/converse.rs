//! Converse as Bedrock serves it: the checks of a request, and the shape of an answer.
//!
//! Only rules that hold for every model are checked. What single models refuse (a trailing assistant message, two
//! sampling parameters at once) is for the script to say. Left out: tools, images, guardrails, streaming.

use serde_json::{Value, json};

use super::script::Turn;
use super::usage::{BYTES_PER_TOKEN, InputSize, OutputTokens};

/// The output limit where a request gives none.
const DEFAULT_MAX_TOKENS: u64 = 4_096;

/// A request that passed the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) size: InputSize,
    max_tokens: u64,
    /// The service tier that the request named, or the standard one.
    tier: &'static str,
}

impl Asked {
    /// Checks a Converse body (for `CountTokens`, the `converse` member of its input); an error is Bedrock's message.
    pub(super) fn parse(body: &Value) -> Result<Self, String> {
        let messages = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        check_conversation(messages)?;
        let system = body.get("system").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let blocks = messages.iter().filter_map(|message| message.get("content")?.as_array()).flatten();
        let bytes = blocks.chain(system).map(block_bytes).sum();
        let config = body.get("inferenceConfig").unwrap_or(&Value::Null);
        let size = InputSize { bytes, messages: u64::try_from(messages.len()).unwrap_or(u64::MAX) };
        Ok(Self { size, max_tokens: check_inference(config)?, tier: check_tier(body)? })
    }
}

/// Messages alternate from the user on, and none is empty.
fn check_conversation(messages: &[Value]) -> Result<(), String> {
    if messages.is_empty() {
        return Err("The messages field is required and must not be empty.".to_owned());
    }
    let mut expected = "user";
    for (index, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !matches!(role, "user" | "assistant") {
            return Err(format!(
                "Value at 'messages.{}.member.role' failed to satisfy constraint: Member must satisfy enum value set: [user, assistant]",
                index + 1
            ));
        }
        if role != expected && index == 0 {
            return Err(
                "A conversation must start with a user message. Try again with a conversation that starts with a user message.".to_owned()
            );
        }
        if role != expected {
            return Err("A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.".to_owned());
        }
        expected = if role == "user" { "assistant" } else { "user" };
        check_content(index, message)?;
    }
    Ok(())
}

fn check_content(index: usize, message: &Value) -> Result<(), String> {
    let blocks = message.get("content").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if blocks.is_empty() {
        return Err(format!(
            "The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to the content field and try again."
        ));
    }
    let blank = |block: &Value| block.get("text").is_some_and(|text| text.as_str().is_none_or(|text| text.trim().is_empty()));
    match blocks.iter().position(blank) {
        Some(block) => Err(format!(
            "The text field in the ContentBlock object at messages.{index}.content.{block} is blank. Add text to the text field, and try again."
        )),
        None => Ok(()),
    }
}

/// The service tier: one of Converse's words. Which models have which tier is for the script to say.
fn check_tier(body: &Value) -> Result<&'static str, String> {
    let Some(tier) = body.get("serviceTier") else { return Ok("default") };
    let named = tier.get("type").and_then(Value::as_str);
    ["default", "priority", "flex", "reserved"].into_iter().find(|word| named == Some(word)).ok_or_else(|| {
        "Value at 'serviceTier.type' failed to satisfy constraint: Member must satisfy enum value set: [priority, default, flex, reserved]"
            .to_owned()
    })
}

/// The output limit, in tokens.
fn check_inference(config: &Value) -> Result<u64, String> {
    for name in ["temperature", "topP"] {
        let outside = |value: &Value| value.as_f64().is_none_or(|value| !(0.0..=1.0).contains(&value));
        if config.get(name).is_some_and(outside) {
            return Err(format!("Value at 'inferenceConfig.{name}' failed to satisfy constraint: Member must be between 0 and 1"));
        }
    }
    match config.get("maxTokens").map(Value::as_u64) {
        None => Ok(DEFAULT_MAX_TOKENS),
        Some(Some(max_tokens)) if max_tokens >= 1 => Ok(max_tokens),
        Some(_) => {
            Err("Value at 'inferenceConfig.maxTokens' failed to satisfy constraint: Member must have value greater than or equal to 1"
                .to_owned())
        }
    }
}

fn block_bytes(block: &Value) -> u64 {
    let bytes = block.get("text").and_then(Value::as_str).map_or_else(|| block.to_string().len(), str::len);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The body of an HTTP 200 to Converse.
///
/// Output tokens are counted from the text, which is cut at the request's `maxTokens`; a figure that the script fixes
/// stands as it is, even above `maxTokens`, and then the text is not cut.
pub(super) fn answer(model_id: &str, asked: Asked, turn: &Turn) -> Value {
    let rule = turn.usage.clone().unwrap_or_default();
    let text = turn.answer.clone().unwrap_or_else(|| default_text(model_id, asked));
    let (text, output_tokens, at_limit) = match rule.output_tokens {
        Some(OutputTokens::Fixed(figure)) => (text, figure, false),
        Some(OutputTokens::MaxTokens) => (text, asked.max_tokens, true),
        None => cut(text, asked.max_tokens),
    };
    let stop_reason = turn.stop_reason.as_deref().unwrap_or(if at_limit { "max_tokens" } else { "end_turn" });
    json!({
        "output": { "message": { "role": "assistant", "content": [{ "text": text }] } },
        "stopReason": stop_reason,
        "usage": rule.usage(asked.size, output_tokens),
        "metrics": { "latencyMs": turn.latency_ms() },
        "serviceTier": { "type": asked.tier },
    })
}

/// The body of an HTTP 200 to `CountTokens`.
pub(super) fn token_count(asked: Asked, turn: &Turn) -> Value {
    json!({ "inputTokens": turn.usage.clone().unwrap_or_default().whole_input(asked.size) })
}

fn default_text(model_id: &str, asked: Asked) -> String {
    let InputSize { bytes, messages } = asked.size;
    format!(
        "This is a simulated answer of {model_id} to {messages} message(s), {bytes} bytes long. No model was called, and nothing was spent."
    )
}

/// The text within `max_tokens`, its tokens, and whether it was cut.
fn cut(mut text: String, max_tokens: u64) -> (String, u64, bool) {
    let tokens = u64::try_from(text.len()).unwrap_or(u64::MAX).div_ceil(BYTES_PER_TOKEN);
    if tokens <= max_tokens {
        return (text, tokens, false);
    }
    let bytes = usize::try_from(max_tokens.saturating_mul(BYTES_PER_TOKEN)).unwrap_or(usize::MAX);
    text.truncate(text.floor_char_boundary(bytes));
    (text, max_tokens, true)
}
