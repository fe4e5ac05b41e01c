//! Token figures of a simulated answer: fixed by the script, or counted from the bytes.
//!
//! Left out: real tokenizers. One token per four bytes is plausible for English, and never above one per byte.

use std::fmt;
use std::num::NonZeroU64;

use serde::de::{Deserializer, Error as _, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

/// Bytes of text per token where the script says nothing.
pub(super) const BYTES_PER_TOKEN: u64 = 4;
/// Tokens that each message costs beside its text.
const TOKENS_PER_MESSAGE: u64 = 3;
/// The largest figure a script can fix: four of them still fit the SDK's 32-bit total.
const LARGEST_FIGURE: u64 = 500_000_000;

/// Bedrock's `usage`, in tokens; `input_tokens` excludes cache reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "Bedrock's own names")]
pub(super) struct Usage {
    /// Input tokens that were neither read from a cache nor written to one.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Input + output + cache reads + cache writes.
    pub total_tokens: u64,
    /// Input tokens read from a cache; absent where the script does not give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_input_tokens: Option<u64>,
    /// Input tokens written to a cache; absent where the script does not give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_input_tokens: Option<u64>,
}

/// The script's `usage`: each figure fixed, ruled or left to be counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "UsageFields")]
pub(super) struct UsageRule {
    input_tokens: Option<u64>,
    input_bytes_per_token: Option<NonZeroU64>,
    pub(super) output_tokens: Option<OutputTokens>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

/// The script's `outputTokens`: a figure, or the word `maxTokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputTokens {
    Fixed(u64),
    MaxTokens,
}

/// The size of a request's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InputSize {
    /// UTF-8 bytes of all messages and system prompts.
    pub(super) bytes: u64,
    /// Messages, without system prompts.
    pub(super) messages: u64,
}

impl UsageRule {
    /// Every input token, cache reads and writes included: what `CountTokens` answers.
    pub(super) fn whole_input(&self, size: InputSize) -> u64 {
        self.input(size) + self.cached()
    }

    /// The usage of one answer that spent `output_tokens`.
    pub(super) fn usage(&self, size: InputSize, output_tokens: u64) -> Usage {
        let input_tokens = self.input(size);
        Usage {
            input_tokens,
            output_tokens,
            total_tokens: input_tokens + self.cached() + output_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            cache_write_input_tokens: self.cache_write_input_tokens,
        }
    }

    /// Input outside the caches: the fixed figure, or what was counted less what the caches took.
    fn input(&self, size: InputSize) -> u64 {
        self.input_tokens.unwrap_or_else(|| {
            let per_token = self.input_bytes_per_token.map_or(BYTES_PER_TOKEN, NonZeroU64::get);
            let counted = size.bytes.div_ceil(per_token) + size.messages * TOKENS_PER_MESSAGE;
            counted.saturating_sub(self.cached())
        })
    }

    fn cached(&self) -> u64 {
        self.cache_read_input_tokens.unwrap_or(0) + self.cache_write_input_tokens.unwrap_or(0)
    }
}

/// The fields as written, before the rules between them are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct UsageFields {
    input_tokens: Option<Figure>,
    input_bytes_per_token: Option<NonZeroU64>,
    output_tokens: Option<OutputTokens>,
    cache_read_input_tokens: Option<Figure>,
    cache_write_input_tokens: Option<Figure>,
}

impl TryFrom<UsageFields> for UsageRule {
    type Error = &'static str;

    fn try_from(fields: UsageFields) -> Result<Self, Self::Error> {
        if fields.input_tokens.is_some() && fields.input_bytes_per_token.is_some() {
            return Err("inputTokens and inputBytesPerToken exclude each other");
        }
        Ok(Self {
            input_tokens: fields.input_tokens.map(|figure| figure.0),
            input_bytes_per_token: fields.input_bytes_per_token,
            output_tokens: fields.output_tokens,
            cache_read_input_tokens: fields.cache_read_input_tokens.map(|figure| figure.0),
            cache_write_input_tokens: fields.cache_write_input_tokens.map(|figure| figure.0),
        })
    }
}

/// A token figure within [`LARGEST_FIGURE`].
struct Figure(u64);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let figure = u64::deserialize(deserializer)?;
        if figure > LARGEST_FIGURE {
            return Err(D::Error::invalid_value(Unexpected::Unsigned(figure), &"at most 500000000 tokens"));
        }
        Ok(Self(figure))
    }
}

impl<'de> Deserialize<'de> for OutputTokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OutputTokensVisitor)
    }
}

struct OutputTokensVisitor;

impl Visitor<'_> for OutputTokensVisitor {
    type Value = OutputTokens;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of tokens, at most 500000000, or maxTokens")
    }

    fn visit_u64<E: serde::de::Error>(self, figure: u64) -> Result<Self::Value, E> {
        if figure > LARGEST_FIGURE {
            return Err(E::invalid_value(Unexpected::Unsigned(figure), &self));
        }
        Ok(OutputTokens::Fixed(figure))
    }

    fn visit_i64<E: serde::de::Error>(self, figure: i64) -> Result<Self::Value, E> {
        match u64::try_from(figure) {
            Ok(figure) => self.visit_u64(figure),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(figure), &self)),
        }
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
        match word {
            "maxTokens" => Ok(OutputTokens::MaxTokens),
            _ => Err(E::unknown_variant(word, &["maxTokens"])),
        }
    }
}
