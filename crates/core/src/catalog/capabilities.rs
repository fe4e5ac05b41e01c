//! What a model accepts.

use super::data::{CountTokensEndpoint, FamilyRow, Flag, PriceRow};
use crate::price::Caching;
use crate::quantity::Tokens;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The highest temperature that Converse takes, whatever the model (`InferenceConfiguration` in the service's own model).
pub const MAX_TEMPERATURE: f64 = 1.0;
/// The highest `top_p` that Converse takes, whatever the model.
pub const MAX_TOP_P: f64 = 1.0;

/// How a model takes `top_k`, which Converse has no field for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TopK {
    /// `additionalModelRequestFields: {"top_k": n}`.
    Claude,
    /// `additionalModelRequestFields: {"inferenceConfig": {"topK": n}}`.
    Nova,
    /// It does not take it.
    None,
}

/// What a model accepts, and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a model, each read by its name")]
pub struct Capabilities {
    /// The model's name for people.
    pub name: String,
    /// Whether it takes temperature, `top_p` and `top_k` at all.
    pub sampling: bool,
    /// Whether it takes temperature and `top_p` together.
    pub temperature_with_top_p: bool,
    /// The form in which it takes `top_k`.
    pub top_k: TopK,
    /// Whether it takes a system prompt.
    pub system_prompt: bool,
    /// Whether it takes a conversation that ends with a message of the assistant's.
    pub prefill: bool,
    /// Whether it spends hidden output tokens on every call.
    pub thinking_always_on: bool,
    /// Whether Bedrock's `CountTokens` serves it.
    pub count_tokens: bool,
    /// The largest input as published, the largest where its ids differ; `None` where unknown.
    pub max_input: Option<Tokens>,
    /// The largest `maxTokens`; `None` where unknown.
    pub max_output: Option<Tokens>,
    /// `maxTokens` for a request that names none; never above `max_output`.
    pub default_max_tokens: Tokens,
    /// Whether it may bill cache writes unasked.
    pub caching: Caching,
    /// The day from which the model may be gone.
    pub end_of_life: Option<Date>,
}

impl Capabilities {
    /// What holds for a family, and so for a model that nothing else is known of.
    pub(super) fn of_family(underlying: &str, family: &FamilyRow) -> Self {
        Self {
            name: if family.name.is_empty() { underlying.to_owned() } else { family.name.clone() },
            sampling: true,
            temperature_with_top_p: family.temperature_with_top_p.is_yes(),
            top_k: family.top_k,
            system_prompt: family.system_prompt.is_yes(),
            prefill: family.prefill.is_yes(),
            thinking_always_on: family.always_thinks.is_yes(),
            count_tokens: false,
            max_input: None,
            max_output: None,
            default_max_tokens: Tokens(family.default_max_tokens),
            caching: family.caching,
            end_of_life: None,
        }
    }

    /// The same where the model's own row is silent, and what the row says where it is not.
    pub(super) fn stated_by(self, row: &PriceRow, largest_input: Option<u64>) -> Self {
        let max_output = row.max_out.map(Tokens);
        Self {
            sampling: row.supports_sampling.map_or(self.sampling, Flag::is_true),
            prefill: row.supports_prefill.map_or(self.prefill, Flag::is_true),
            thinking_always_on: row.thinking_always_on.map_or(self.thinking_always_on, Flag::is_true),
            count_tokens: row.count_tokens_endpoint == Some(CountTokensEndpoint::Bedrock),
            max_input: largest_input.map(Tokens),
            max_output,
            default_max_tokens: max_output.map_or(self.default_max_tokens, |most| self.default_max_tokens.min(most)),
            end_of_life: row.deprecation,
            ..self
        }
    }

    /// An upper bound on the input that the model can take: `max_input` and a twentieth more, since published limits are rounded
    /// (128,000 for 131,072; 1,000,000 for 1,048,576) and a bound must not be.
    pub fn input_ceiling(&self) -> Option<Tokens> {
        self.max_input.map(|most| most.saturating_add(Tokens(most.0.div_ceil(20))))
    }
}
