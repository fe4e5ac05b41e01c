//! What clients ask: drawn requests, a few of them wrong, and what the answer to each must agree with.

use super::chance::Chance;
use super::policy::{MODELS, ModelDrawn, TAGS};
use serde_json::{Value, json};

/// A request as drawn.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which of [`MODELS`].
    pub model: usize,
    /// The values of [`TAGS`], in their order.
    pub tags: [&'static str; 3],
    /// Bytes of the user's message, all of them ASCII.
    pub user_bytes: u64,
    /// Bytes of the system message, if there is one.
    pub system_bytes: Option<u64>,
    /// What is asked for.
    pub max_tokens: u64,
    /// What is wrong with it, if anything.
    pub wrong: Option<Wrong>,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// A model that the policy does not know.
    Model,
    /// A tag that the policy does not list.
    Tag,
    /// A misspelt limit.
    Field,
}

impl Asked {
    /// Draws a request.
    pub fn draw(chance: &Chance) -> Self {
        let tags = TAGS.map(|(_, values)| chance.pick(values).copied().unwrap_or_default());
        let wrong = chance.one_in(50).then(|| chance.pick(&[Wrong::Model, Wrong::Tag, Wrong::Field]).copied()).flatten();
        Self {
            model: chance.index(MODELS.len()),
            tags,
            user_bytes: chance.number(1..=if chance.one_in(20) { 6_000 } else { 800 }),
            system_bytes: chance.one_in(3).then(|| chance.number(1..=200)),
            max_tokens: chance.number(1..=if chance.one_in(20) { 4_000 } else { 1_600 }),
            wrong,
        }
    }

    /// The model.
    pub fn model(&self) -> &'static ModelDrawn {
        MODELS.get(self.model).unwrap_or(&MODELS[0])
    }

    /// The value of a budget's key.
    pub fn value(&self, key: &str) -> Option<&str> {
        if key == "model" {
            return Some(self.model().name);
        }
        TAGS.iter().zip(self.tags).find(|((name, _), _)| *name == key).map(|(_, value)| value)
    }

    /// The execution's input.
    pub fn document(&self) -> Value {
        let text = |bytes: u64| "a".repeat(usize::try_from(bytes).unwrap_or(1));
        let mut messages = vec![json!({ "role": "user", "content": text(self.user_bytes) })];
        if let Some(bytes) = self.system_bytes {
            messages.insert(0, json!({ "role": "system", "content": text(bytes) }));
        }
        let model = if self.wrong == Some(Wrong::Model) { "nobody" } else { self.model().name };
        let field = if self.wrong == Some(Wrong::Field) { "max_token" } else { "max_tokens" };
        let mut tags: serde_json::Map<String, Value> =
            TAGS.iter().zip(self.tags).map(|((name, _), value)| ((*name).to_owned(), json!(value))).collect();
        if self.wrong == Some(Wrong::Tag) {
            tags.insert("environment".to_owned(), json!("elsewhere"));
        }
        json!({ "model": model, "prompt": { "messages": messages, "parameters": { field: self.max_tokens } }, "tags": tags })
    }

    /// The bound on input tokens by bytes, worked out from the documented rule: every byte, 16 a text, 64 once.
    pub fn bytes_bound(&self) -> u64 {
        let texts = 1 + u64::from(self.system_bytes.is_some());
        self.user_bytes + self.system_bytes.unwrap_or(0) + 16 * texts + 64
    }

    /// What tokens cost in nano-dollars, rounded up once: input, output, cache reads, cache writes.
    pub fn cost(&self, tokens: [u64; 4]) -> u64 {
        let pico: u64 = tokens.iter().zip(self.model().rates).map(|(tokens, rate)| tokens * rate).sum();
        pico.div_ceil(1_000)
    }
}
