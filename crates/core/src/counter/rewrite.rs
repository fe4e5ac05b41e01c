//! Rewrites: how room moves between the shards of a counter, several items in one transaction.

use super::{CounterItem, Cut};
use crate::budget::{CounterKey, Unit};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A change of one item. All rewrites of one request are carried out, or none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rewrite {
    /// The item.
    pub key: CounterKey,
    /// The end of the counter's window: some time after it the item may be forgotten.
    pub window_end: Timestamp,
    /// What becomes of it.
    pub change: Change,
}

/// What becomes of an item in a rewrite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// The units' parts are as said here and no other unit has one; the item is not overdrawn any more. Only where no part is smaller
    /// than what is committed: parts of all shards that add up to the limit are then exact, whatever was before. And only where nobody
    /// else has cut anew meanwhile, lest two undo each other's work. Starts the item where it is not there. Always a change of all
    /// shards at once.
    Cut {
        /// Per unit.
        parts: BTreeMap<Unit, Part>,
        /// Whether it was overdrawn when that was decided.
        was_overdrawn: bool,
    },
    /// Room is given away or taken over. Only where the item is not overdrawn, is cut from the same limit, and keeps no less than
    /// nothing. The shifts of one request add up to nothing.
    Shift(BTreeMap<Unit, Shift>),
    /// The item is overdrawn. Always a change of all shards at once. Starts the item where it is not there.
    Overdraw,
}

/// A shard's part of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The limit that the item was cut from when that was decided.
    pub was: Option<u64>,
    /// The whole limit.
    pub limit: u64,
    /// What of it is this shard's, spoken for or not.
    pub share: i64,
}

/// Room that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shift {
    /// The limit that the shards are cut from.
    pub limit: u64,
    /// What is added to the room.
    pub room: i64,
}

impl Change {
    /// Whether an item, or its absence, allows the change.
    pub fn is_allowed(&self, item: Option<&CounterItem>) -> bool {
        match self {
            Self::Cut { parts, was_overdrawn } => {
                let untouched = |(unit, part): (&Unit, &Part)| {
                    let limit = item.and_then(|item| item.cuts.get(unit)).map(|cut| cut.limit);
                    limit == part.was && item.map_or(0, |item| item.committed(*unit)) <= part.share
                };
                item.is_some_and(|item| item.overdrawn) == *was_overdrawn && parts.iter().all(untouched)
            }
            Self::Shift(shifts) => item.is_some_and(|item| {
                let keeps = |(unit, shift): (&Unit, &Shift)| {
                    item.cuts.get(unit).is_some_and(|cut| cut.limit == shift.limit && cut.room >= shift.room.saturating_neg())
                };
                !item.overdrawn && shifts.iter().all(keeps)
            }),
            Self::Overdraw => true,
        }
    }

    /// The item afterwards.
    pub fn apply(&self, item: &mut CounterItem) {
        match self {
            Self::Cut { parts, .. } => {
                let cut = |(unit, part): (&Unit, &Part)| {
                    (*unit, Cut { limit: part.limit, room: part.share.saturating_sub(item.committed(*unit)) })
                };
                item.cuts = parts.iter().map(cut).collect();
                item.overdrawn = false;
            }
            Self::Shift(shifts) => {
                for (unit, shift) in shifts {
                    if let Some(cut) = item.cuts.get_mut(unit) {
                        cut.room = cut.room.saturating_add(shift.room);
                    }
                }
            }
            Self::Overdraw => item.overdrawn = true,
        }
    }
}
