//! Budgets: a limit in one or more units, over a window, for the requests that match, with one counter per distinct scope.

mod index;

pub use index::Budgets;
pub(crate) use index::Index;

use crate::quantity::NanoUsd;
use crate::shard::Shard;
use crate::tags::Tags;
use crate::window::{Span, WindowSpec};
use jiff::Timestamp;
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

/// More of some units for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increase {
    /// What is added; units of the budget's own limit only.
    pub limits: Vec<Limit>,
    /// The first instant at which it counts.
    pub from: Timestamp,
    /// The first instant at which it does not any more.
    pub until: Timestamp,
    /// Why, for those who read the books.
    pub reason: String,
}

impl Increase {
    /// Whether it counts now.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// When a change of a budget that starts its counters anew counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effective {
    /// When the window ends that runs while the policy is applied.
    #[default]
    NextWindow,
    /// At once, from zero.
    AtOnce,
}

/// The definition that stays in force until the window ends in which another was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The first instant at which it does not count any more.
    pub until: Timestamp,
    /// The whole definition: its limit and mode too, since a limit that is meant for a day would be wrong for a minute.
    pub budget: Budget,
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
    /// What is added to the limits, and when.
    pub increases: Vec<Increase>,
    /// Whether it refuses every new hold: somebody stops the spending, or mends the books.
    pub frozen: bool,
    /// When a change that starts its counters anew counts.
    pub effective: Effective,
    /// When its counters started anew last, if a change made them: the window that was running then begins at this instant.
    pub since: Option<Timestamp>,
    /// The definition before the last change, for as long as that one is in force.
    pub before: Option<Box<Before>>,
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

    /// Every key once, with its value as [`Self::value`] says it.
    fn values(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let tags = self.tags.values.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let tags = tags.filter(|(key, _)| !Self::MODEL_KEYS.contains(key));
        [("model", self.model), ("modelId", self.model_id), ("underlying", self.underlying)].into_iter().chain(tags)
    }
}

impl Budget {
    /// The definition that is in force.
    pub fn at(&self, now: Timestamp) -> &Self {
        match &self.before {
            Some(before) if now < before.until => &before.budget,
            _ => self,
        }
    }

    /// The window that holds the instant, by this definition; one in which the counters started anew begins when they did.
    pub fn span(&self, now: Timestamp) -> Option<Span> {
        let span = self.window.span(now)?;
        let anew = self.since.filter(|since| span.contains(*since));
        Some(Span { start: anew.unwrap_or(span.start), end: span.end })
    }

    /// The limits now, increases among them.
    pub fn limits_at(&self, now: Timestamp) -> Vec<Limit> {
        let added = |unit: Unit| {
            let counting = self.increases.iter().filter(|increase| increase.counts(now)).flat_map(|increase| &increase.limits);
            counting.filter(|limit| limit.unit == unit).map(|limit| limit.amount).fold(0, u64::saturating_add)
        };
        let limit = |limit: &Limit| Limit { unit: limit.unit, amount: limit.amount.saturating_add(added(limit.unit)) };
        self.limits.iter().map(limit).collect()
    }

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

/// What a counter's key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterParts<'a> {
    /// The budget's stable id.
    pub budget: &'a str,
    /// The window's word, such as `day`.
    pub window: &'a str,
    /// The window's first instant.
    pub start: Timestamp,
    /// The counter within the budget.
    pub scope: &'a str,
    /// The item, of a counter that is spread over several.
    pub shard: Option<Shard>,
}

/// What the last part of a shard's key says.
fn shard(text: &str) -> Option<Shard> {
    let (index, of) = text.split_once('/')?;
    let shard = Shard { index: index.parse().ok()?, of: of.parse().ok()? };
    (shard.is_valid() && !shard.is_whole()).then_some(shard)
}

impl CounterKey {
    /// The only place where a counter's key is made; its text is stored, so it is pinned by a test.
    pub fn new(mode: Mode, budget: &str, window: &str, span: Span, scope: &str) -> Self {
        let kind = match mode {
            Mode::Enforce => 'C',
            Mode::Shadow => 'S',
        };
        Self(format!("{kind}#{budget}#{window}#{}#{scope}", span.start))
    }

    /// The key of a stored text; nothing where the text is no counter's.
    pub fn stored(text: &str) -> Option<Self> {
        let key = Self(text.to_owned());
        key.parts().is_some().then_some(key)
    }

    /// What the key says; a budget's id and a window's word hold no `#`, so that whatever else the scope ends in belongs to it.
    pub fn parts(&self) -> Option<CounterParts<'_>> {
        let mut parts = self.0.splitn(5, '#');
        let kind = parts.next()?;
        let (budget, window, start, scope) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (scope, shard) = match scope.rsplit_once('#') {
            Some((before, last)) => shard(last).map_or((scope, None), |shard| (before, Some(shard))),
            None => (scope, None),
        };
        matches!(kind, "C" | "S").then_some(CounterParts { budget, window, start: start.parse().ok()?, scope, shard })
    }

    /// All items of the counter, where the name is that of one of several.
    pub fn items(&self) -> Option<Vec<Self>> {
        let (counter, last) = self.0.rsplit_once('#')?;
        let counter = Self(counter.to_owned());
        Some(shard(last)?.all().map(|one| counter.clone().on(one)).collect())
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
    fn a_counter_key_reads_back_and_nothing_else_does() {
        let span = Span { start: "2026-11-01T00:00:00.5Z".parse().unwrap(), end: "2026-12-01T00:00:00Z".parse().unwrap() };
        for scope in ["", "applicationId=a", "costCenter=sales#7|environment=", "a=#0/1", "a=#16/16", "a=#0/0", "a=#0/65"] {
            for mode in [Mode::Enforce, Mode::Shadow] {
                for shard in [None, Some(Shard { index: 3, of: 16 })] {
                    let key = CounterKey::new(mode, "org-month", "month", span, scope).on(shard.unwrap_or_default());
                    let parts = CounterParts { budget: "org-month", window: "month", start: span.start, scope, shard };
                    assert_eq!(key.parts(), Some(parts));
                    assert_eq!(key.items().map(|items| items.iter().position(|item| *item == key)), shard.map(|_| Some(3)));
                    assert_eq!(CounterKey::stored(key.as_str()), Some(key));
                }
            }
        }
        for text in ["", "C#a#day", "C#a#day#yesterday#", "R#a#day#2026-11-01T00:00:00Z#", "A#C#a#day#2026-11-01T00:00:00Z#"] {
            assert_eq!(CounterKey::stored(text), None, "{text}");
        }
    }

    #[test]
    fn words_and_units_agree() {
        for (word, unit) in Unit::WORDS {
            assert_eq!(unit.word(), word);
            assert_eq!(serde_json::to_value(unit).unwrap(), word);
        }
    }
}
