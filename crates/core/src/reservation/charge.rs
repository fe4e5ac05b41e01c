//! Charges: one budget's share of a reservation.

use crate::budget::{CounterKey, Mode, Unit};
use crate::price::{Prices, Usage};
use crate::quantity::NanoUsd;
use crate::shard::Shard;
use crate::window::Span;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a counter holds in one unit. Held = committed − used − uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Figures {
    /// All that is spoken for.
    pub committed: i64,
    /// What settled requests really used.
    pub used: i64,
    /// What requests that may have been billed had held.
    pub uncertain: i64,
}

impl Figures {
    /// What requests in flight hold.
    pub fn held(self) -> i64 {
        self.committed.saturating_sub(self.used).saturating_sub(self.uncertain)
    }

    /// Each figure and the other's.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with(other, i64::saturating_add)
    }

    /// Each figure without the other's.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.with(other, i64::saturating_sub)
    }

    fn with(self, other: Self, operation: fn(i64, i64) -> i64) -> Self {
        Self {
            committed: operation(self.committed, other.committed),
            used: operation(self.used, other.used),
            uncertain: operation(self.uncertain, other.uncertain),
        }
    }
}

/// One unit of a charge: what was asked against which limit, and what the counter showed when that was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnitCharge {
    /// The unit of all amounts here.
    pub unit: Unit,
    /// The limit then.
    pub limit: u64,
    /// The worst case of the request.
    pub hold: u64,
    /// A snapshot of the counter without this request.
    pub figures: Figures,
}

impl UnitCharge {
    /// The most that may be committed for the hold to fit, or nothing where the hold is larger than the whole limit.
    pub fn ceiling(&self) -> Option<u64> {
        self.limit.checked_sub(self.hold)
    }

    /// Whether the hold fits beside what the snapshot shows.
    pub fn fits(&self) -> bool {
        self.ceiling().is_some_and(|ceiling| i128::from(self.figures.committed) <= i128::from(ceiling))
    }

    /// Whether it can never fit: larger than the whole limit.
    pub fn never_fits(&self) -> bool {
        self.ceiling().is_none()
    }

    /// Whether it would fit if the requests in flight came to nothing.
    pub fn fits_without_held(&self) -> bool {
        let spent = i128::from(self.figures.used) + i128::from(self.figures.uncertain);
        self.ceiling().is_some_and(|ceiling| spent <= i128::from(ceiling))
    }

    /// What this usage really comes to in this unit.
    pub fn actual(&self, usage: &Usage, cost: Option<NanoUsd>) -> u64 {
        match self.unit {
            Unit::Usd => cost.map_or(self.hold, |cost| cost.0),
            Unit::Tokens => usage.total().0,
            Unit::InputTokens => usage.total_input().0,
            Unit::OutputTokens => usage.output.0,
            Unit::Requests => 1,
        }
    }
}

/// One budget's share of a reservation: which counter, and the amounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// The budget's stable id.
    pub budget: String,
    /// What people call the budget.
    pub name: String,
    /// The window's word, such as `day`.
    pub window: String,
    /// The window that held: the one that is charged, even after midnight.
    #[serde(flatten)]
    pub span: Span,
    /// The counter within the budget.
    pub scope: String,
    /// Enforced or shadow.
    pub mode: Mode,
    /// Whether the budget was frozen: then nothing new is held on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// The counter's item that it falls on: before the hold, the one to try first.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// Per unit, at least one.
    pub amounts: Vec<UnitCharge>,
}

impl Charge {
    /// The stored key of the counter's item that the charge falls on.
    pub fn key(&self) -> CounterKey {
        self.key_on(self.shard)
    }

    /// The stored key of any item of the counter.
    pub fn key_on(&self, shard: Shard) -> CounterKey {
        CounterKey::new(self.mode, &self.budget, &self.window, self.span, &self.scope).on(shard)
    }

    /// The stored keys of all items of the counter, in the order of the shards.
    pub fn counter_keys(&self) -> Vec<CounterKey> {
        self.shard.all().map(|shard| self.key_on(shard)).collect()
    }

    /// Takes over what the counter shows; a unit that it has no figures for has not been used.
    pub fn show(&mut self, figures: &BTreeMap<Unit, Figures>) {
        for amount in &mut self.amounts {
            amount.figures = figures.get(&amount.unit).copied().unwrap_or_default();
        }
    }

    /// Whether it counts in the hold.
    pub fn is_enforced(&self) -> bool {
        self.mode == Mode::Enforce
    }

    /// Whether the budget takes new holds, and every unit fits beside what the snapshot shows.
    pub fn fits(&self) -> bool {
        !self.frozen && self.amounts.iter().all(UnitCharge::fits)
    }

    /// When the counter starts anew.
    pub fn resets_at(&self) -> Timestamp {
        self.span.end
    }
}

/// The cost of a usage at the prices it was held at.
pub(super) fn cost(prices: Option<&Prices>, usage: &Usage) -> Option<NanoUsd> {
    prices.map(|prices| prices.cost(usage))
}
