//! Budgets: a limit in one or more units, over a window, for the requests that match, with one counter per distinct scope.

use crate::quantity::NanoUsd;
use crate::shard::Shard;
use crate::tags::Tags;
use crate::window::{Span, WindowSpec};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a limit counts. Amounts of `usd` are nano-dollars, all others are whole numbers of the thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Money, in nano-dollars.
    Usd,
    /// Input, output and cache tokens together.
    Tokens,
    /// Input tokens, cache reads and writes included.
    InputTokens,
    /// Output tokens, hidden thinking included.
    OutputTokens,
    /// Calls.
    Requests,
}

impl Unit {
    /// The policy's word for each unit.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("usd", Self::Usd),
        ("tokens", Self::Tokens),
        ("inputTokens", Self::InputTokens),
        ("outputTokens", Self::OutputTokens),
        ("requests", Self::Requests),
    ];

    /// The policy's word for this unit.
    pub fn word(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
            Self::InputTokens => "inputTokens",
            Self::OutputTokens => "outputTokens",
            Self::Requests => "requests",
        }
    }

    /// An amount of this unit as text: dollars as a decimal, all else as a whole number.
    pub fn text(self, amount: u64) -> String {
        match self {
            Self::Usd => NanoUsd(amount).to_string(),
            _ => amount.to_string(),
        }
    }
}

/// Whether a budget refuses, or only says what it would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Refuses what does not fit.
    #[default]
    Enforce,
    /// Counts, approximately, and never refuses.
    Shadow,
}

/// So much of a unit in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The unit.
    pub unit: Unit,
    /// The amount, in the unit.
    pub amount: u64,
}

/// A budget of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Stable: a budget that is renamed under the same id keeps its counts.
    pub id: String,
    /// What people and CloudWatch call it.
    pub name: String,
    /// At least one; all must have room.
    pub limits: Vec<Limit>,
    /// When its counters start anew.
    pub window: WindowSpec,
    /// The requests it is for: each key must have one of its values. Empty: all.
    pub matching: BTreeMap<String, BTreeSet<String>>,
    /// One counter per distinct combination of these keys' values.
    pub per: Vec<String>,
    /// Whether it refuses.
    pub mode: Mode,
    /// How many items each of its counters is spread over: 1 to [`Shard::MOST`].
    pub shards: u8,
}

/// What a budget's keys are looked up in: the model under its three names, and the tags.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The catalog name, or the id where the request named one that has no name.
    pub model: &'a str,
    /// The id or ARN that is called.
    pub model_id: &'a str,
    /// The foundation model that answers.
    pub underlying: &'a str,
    /// The request's tags.
    pub tags: &'a Tags,
}

impl<'a> Subject<'a> {
    /// The keys that name a model rather than a tag.
    pub const MODEL_KEYS: [&'static str; 3] = ["model", "modelId", "underlying"];

    /// The value of a `match` or `per` key for this request, where it has one.
    pub fn value(&self, key: &str) -> Option<&'a str> {
        match key {
            "model" => Some(self.model),
            "modelId" => Some(self.model_id),
            "underlying" => Some(self.underlying),
            tag => self.tags.values.get(tag).map(String::as_str),
        }
    }
}

impl Budget {
    /// Whether the budget is for this request.
    pub fn applies_to(&self, subject: Subject<'_>) -> bool {
        self.matching.iter().all(|(key, values)| subject.value(key).is_some_and(|value| values.contains(value)))
    }

    /// Which of the budget's counters the request falls on: `key=value` per key, joined by `|`, which no value can hold. A request
    /// without the tag shares one counter with all others without it.
    pub fn scope(&self, subject: Subject<'_>) -> String {
        let parts: Vec<String> = self.per.iter().map(|key| format!("{key}={}", subject.value(key).unwrap_or_default())).collect();
        parts.join("|")
    }
}

/// A counter's name: a budget, one of its scopes, one of its windows, and whether it is exact or a shadow's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey(String);

impl CounterKey {
    /// The only place where a counter's key is made; its text is stored, so it is pinned by a test.
    pub fn new(mode: Mode, budget: &str, window: &str, span: Span, scope: &str) -> Self {
        let kind = match mode {
            Mode::Enforce => 'C',
            Mode::Shadow => 'S',
        };
        Self(format!("{kind}#{budget}#{window}#{}#{scope}", span.start))
    }

    /// One item of a counter of that name. Counters of different numbers of items have nothing in common, so the number is part of it;
    /// the only item of a counter goes by the counter's own name.
    #[must_use]
    pub fn on(self, shard: Shard) -> Self {
        if shard.is_whole() { self } else { Self(format!("{}#{}/{}", self.0, shard.index, shard.of)) }
    }

    /// Whether the counter is exact, or a shadow's.
    pub fn mode(&self) -> Mode {
        if self.0.starts_with('C') { Mode::Enforce } else { Mode::Shadow }
    }

    /// The stored text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_key_stays_as_it_is_stored() {
        let span = Span { start: "2026-11-01T00:00:00Z".parse().unwrap(), end: "2026-12-01T00:00:00Z".parse().unwrap() };
        let key = |mode, scope| CounterKey::new(mode, "org-month", "month", span, scope).as_str().to_owned();
        assert_eq!(key(Mode::Enforce, ""), "C#org-month#month#2026-11-01T00:00:00Z#");
        assert_eq!(
            key(Mode::Shadow, "costCenter=sales|environment="),
            "S#org-month#month#2026-11-01T00:00:00Z#costCenter=sales|environment="
        );
        let shard = |index, of| CounterKey::new(Mode::Enforce, "org-month", "month", span, "model=a/b").on(Shard { index, of });
        assert_eq!(shard(0, 1).as_str(), "C#org-month#month#2026-11-01T00:00:00Z#model=a/b");
        assert_eq!(shard(7, 16).as_str(), "C#org-month#month#2026-11-01T00:00:00Z#model=a/b#7/16");
    }

    #[test]
    fn words_and_units_agree() {
        for (word, unit) in Unit::WORDS {
            assert_eq!(unit.word(), word);
            assert_eq!(serde_json::to_value(unit).unwrap(), word);
        }
    }
}
