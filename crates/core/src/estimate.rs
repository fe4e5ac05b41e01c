//! The worst case of a request: how many tokens it can use at most, and what they can cost at most.

use crate::budget::Unit;
use crate::price::{Caching, Prices};
use crate::quantity::{NanoUsd, Tokens};
use crate::request::Prompt;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Tokens that a model's own template may add to a message (role markers, separators): more than any template known to us adds.
const TEMPLATE_PER_MESSAGE: u64 = 16;
/// Tokens that a model's own template may add once.
const TEMPLATE_ONCE: u64 = 64;

/// How the bound on the input was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// From the text's bytes: no tokenizer known to us makes more tokens than bytes.
    Bytes,
    /// Counted by Bedrock.
    CountTokens,
    /// From what texts usually come to: no bound, since a text may come to more.
    Heuristic,
}

/// A bound on what one request can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// At most so many input tokens.
    pub input: Tokens,
    /// How that was found.
    pub bound: Bound,
    /// At most so many output tokens, hidden thinking included: the `maxTokens` that is sent.
    pub max_tokens: Tokens,
}

impl Estimate {
    /// The bound from bytes alone, at most the model's context.
    pub fn from_bytes(prompt: &Prompt, max_tokens: Tokens, max_input: Option<Tokens>) -> Self {
        let bytes = texts(prompt).map(most_bytes).fold(TEMPLATE_ONCE, u64::saturating_add);
        let input = Tokens(bytes.saturating_add(template(prompt)));
        Self { input: max_input.map_or(input, |most| input.min(most)), bound: Bound::Bytes, max_tokens }
    }

    /// What the input usually comes to, and rarely more: a token per three characters of ASCII and two per any other character, where
    /// prose in English takes one per four and in Chinese one or two per character. Never more than the bound from bytes.
    pub fn heuristic(prompt: &Prompt, max_tokens: Tokens, max_input: Option<Tokens>) -> Self {
        let bytes = Self::from_bytes(prompt, max_tokens, max_input);
        let tokens = texts(prompt).map(usual_tokens).fold(TEMPLATE_ONCE, u64::saturating_add);
        let input = bytes.input.min(Tokens(tokens.saturating_add(template(prompt))));
        Self { input, bound: Bound::Heuristic, max_tokens }
    }

    /// The same request, with its input counted by Bedrock.
    #[must_use]
    pub fn counted(self, input: Tokens) -> Self {
        Self { input, bound: Bound::CountTokens, ..self }
    }

    /// The most this can cost: the input at the dearest rate it can reach, and every output token.
    pub fn cost(&self, prices: &Prices, caching: Caching) -> NanoUsd {
        let dearest = prices.dearest(self.input, caching);
        NanoUsd::cost([(self.input, dearest.input), (self.max_tokens, dearest.output)])
    }

    /// The hold in a unit; nothing where it needs a price and there is none.
    pub fn hold(&self, unit: Unit, cost: Option<NanoUsd>) -> Option<u64> {
        match unit {
            Unit::Usd => cost.map(|cost| cost.0),
            Unit::Tokens => Some(self.input.saturating_add(self.max_tokens).0),
            Unit::InputTokens => Some(self.input.0),
            Unit::OutputTokens => Some(self.max_tokens.0),
            Unit::Requests => Some(1),
        }
    }

    /// The largest `max_tokens` with which this request would fit a limit that nothing else uses; nothing where its input alone is too large.
    pub fn largest_max_tokens(&self, unit: Unit, limit: u64, prices: Option<&Prices>, caching: Caching) -> Option<Tokens> {
        let room = match unit {
            Unit::Usd => {
                let dearest = prices?.dearest(self.input, caching);
                let pico = u128::from(limit).saturating_mul(1_000);
                let input = u128::from(self.input.0).saturating_mul(u128::from(dearest.input.0));
                let left = pico.checked_sub(input)?;
                match dearest.output.0 {
                    0 => u64::MAX,
                    rate => u64::try_from(left / u128::from(rate)).unwrap_or(u64::MAX),
                }
            }
            Unit::Tokens => limit.checked_sub(self.input.0)?,
            Unit::InputTokens => (self.input.0 <= limit).then_some(u64::MAX)?,
            Unit::OutputTokens => limit,
            Unit::Requests => (limit >= 1).then_some(u64::MAX)?,
        };
        (room >= 1).then_some(Tokens(room))
    }
}

fn texts(prompt: &Prompt) -> impl Iterator<Item = &str> {
    prompt.system.iter().chain(prompt.messages.iter().flat_map(|message| &message.content)).map(String::as_str)
}

/// What the model's template may add for the parts of a prompt.
fn template(prompt: &Prompt) -> u64 {
    TEMPLATE_PER_MESSAGE.saturating_mul(u64::try_from(texts(prompt).count()).unwrap_or(u64::MAX))
}

/// What a text usually comes to.
fn usual_tokens(text: &str) -> u64 {
    let characters = text.chars().count();
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let tokens = ascii.div_ceil(3).saturating_add(characters.saturating_sub(ascii).saturating_mul(2));
    u64::try_from(tokens).unwrap_or(u64::MAX)
}

/// The most bytes that a tokenizer may see: the text as it is, or in the normal forms NFC and NFKC that some tokenizers apply first
/// (NFKC turns three bytes of U+FDFA into 33).
fn most_bytes(text: &str) -> u64 {
    let raw = text.len();
    if text.is_ascii() {
        return u64::try_from(raw).unwrap_or(u64::MAX);
    }
    let composed: usize = text.nfc().map(char::len_utf8).sum();
    let compatible: usize = text.nfkc().map(char::len_utf8).sum();
    u64::try_from(raw.max(composed).max(compatible)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Message, Role};

    fn prompt(text: &str) -> Prompt {
        Prompt { system: Vec::new(), messages: vec![Message { role: Role::User, content: vec![text.to_owned()] }] }
    }

    #[test]
    fn the_bound_covers_every_normal_form_and_stops_at_the_context() {
        let check = |text: &str, most: Option<u64>, expected: u64| {
            let estimate = Estimate::from_bytes(&prompt(text), Tokens(10), most.map(Tokens));
            assert_eq!(estimate.input, Tokens(expected), "{text:?}");
        };
        check("abcd", None, 4 + 16 + 64);
        check("\u{fdfa}", None, 33 + 16 + 64);
        check("e\u{301}", None, 3 + 16 + 64);
        check(&"x".repeat(5_000), Some(1_000), 1_000);
    }

    #[test]
    fn the_heuristic_is_what_texts_usually_come_to_and_never_above_the_bound_from_bytes() {
        let check = |text: &str, most: Option<u64>, expected: u64| {
            let estimate = Estimate::heuristic(&prompt(text), Tokens(10), most.map(Tokens));
            assert_eq!((estimate.input, estimate.bound), (Tokens(expected), Bound::Heuristic), "{text:?}");
            assert!(estimate.input <= Estimate::from_bytes(&prompt(text), Tokens(10), most.map(Tokens)).input, "{text:?}");
        };
        check("Explain S3.", None, 4 + 16 + 64);
        check("\u{4f60}\u{597d}", None, 4 + 16 + 64);
        check("caf\u{e9}", None, 1 + 2 + 16 + 64);
        check(&"x".repeat(5_000), Some(1_000), 1_000);
        check("", None, 16 + 64);
    }

    #[test]
    fn the_largest_max_tokens_just_fits() {
        let estimate = Estimate { input: Tokens(100), bound: Bound::Bytes, max_tokens: Tokens(500) };
        let check = |unit, limit, expected: Option<u64>| {
            assert_eq!(estimate.largest_max_tokens(unit, limit, None, Caching::Explicit), expected.map(Tokens), "{unit:?} {limit}");
        };
        check(Unit::Tokens, 300, Some(200));
        check(Unit::Tokens, 100, None);
        check(Unit::OutputTokens, 50, Some(50));
        check(Unit::InputTokens, 99, None);
        check(Unit::Usd, 1, None);
    }
}
