//! Adjustments: differences that somebody mended, on record.

use crate::budget::{CounterKey, Unit};
use crate::reservation::Figures;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which side of a difference was taken to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trusted {
    /// The reservations: the counter was set to what they add up to. The adjustment itself counts nothing.
    Reservations,
    /// The counter: it stays as it is. The adjustment counts in place of reservations that are gone.
    Counter,
}

/// One unit of an adjustment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjusted {
    /// What the counter showed.
    pub stored: Figures,
    /// What its reservations and earlier adjustments added up to.
    pub recomputed: Figures,
}

/// A recorded adjustment of one counter. None is ever changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// The counter.
    pub key: CounterKey,
    /// The first is 1, without gaps.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Which side was right.
    pub trusted: Trusted,
    /// The figures of both sides, for each unit that differed.
    pub amounts: BTreeMap<Unit, Adjusted>,
}

impl Adjustment {
    /// What it adds to what the counter should show.
    pub fn counted(&self) -> Vec<(Unit, Figures)> {
        self.differences(Trusted::Counter, |adjusted| adjusted.stored.minus(adjusted.recomputed))
    }

    /// What it added to the counter when it was written.
    pub fn moved(&self) -> Vec<(Unit, Figures)> {
        self.differences(Trusted::Reservations, |adjusted| adjusted.recomputed.minus(adjusted.stored))
    }

    fn differences(&self, trusted: Trusted, of: fn(&Adjusted) -> Figures) -> Vec<(Unit, Figures)> {
        let amounts = self.amounts.iter().filter(|_| self.trusted == trusted);
        amounts.map(|(unit, adjusted)| (*unit, of(adjusted))).collect()
    }
}
