//! Counters: what their items say, on which condition they move, and how the room of a sharded counter moves between its shards.
//!
//! A charge always falls on one shard. A shard holds what was committed on it and, per unit, a *cut*: the limit, and the room that is
//! left here of it. Whoever finds no room on a shard looks at all of them, and moves room rather than splitting the charge.
//!
//! Invariants, per unit, of a counter whose shards are cut from the limit L: (1) Σ (committed + room) = L; (2) no room is below zero,
//! unless every shard is marked *overdrawn*; (3) on an overdrawn shard nothing is held. So what is held where there is room keeps
//! Σ committed within L.
//!
//! [`Holding`] and [`Moving`] say which request to send a store next and what its answer means; a store carries out [`Ask`]s, each
//! whole or not at all, and adds nothing of its own.

#[cfg(test)]
mod exploration_tests;
#[cfg(test)]
mod fixtures;
mod hold;
#[cfg(test)]
mod item_tests;
mod moving;
mod rewrite;
mod room;

pub use hold::{Held, Holding};
pub use moving::{Moved, Moving};
pub use rewrite::{Change, Part, Rewrite, Shift};
pub use room::{Place, place};

use crate::budget::{CounterKey, Unit};
use crate::reservation::{Charge, CounterDelta, Figures, Reservation};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// One unit's part of a sharded counter's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cut {
    /// The whole limit that all shards were cut from.
    pub limit: u64,
    /// What is left of this shard's part of it.
    pub room: i64,
}

/// What one stored item of a counter says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CounterItem {
    /// Per unit that anything was ever committed in.
    pub figures: BTreeMap<Unit, Figures>,
    /// Per unit that this shard has a part of. Empty on a counter of one item, whose limit is the policy's alone.
    pub cuts: BTreeMap<Unit, Cut>,
    /// The whole counter may be spent beyond its limit: nothing is held until it has been cut anew.
    pub overdrawn: bool,
}

impl CounterItem {
    fn committed(&self, unit: Unit) -> i64 {
        self.figures.get(&unit).map_or(0, |figures| figures.committed)
    }
}

/// On which a counter's item moves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Of each unit at most so much is committed, or nothing yet: a hold on a counter of one item.
    AtMost(BTreeMap<Unit, u64>),
    /// It is not overdrawn, and each unit is cut from this limit with at least so much room: a hold on a shard.
    Room(BTreeMap<Unit, Asked>),
    /// It has not expired: any later move that takes no room.
    Exists,
    /// It has not expired and is overdrawn, or has so much room in each of these units that it is cut in: a settlement above its hold.
    Excess(BTreeMap<Unit, u64>),
}

/// What a hold asks of a shard in one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asked {
    /// The limit in force.
    pub limit: u64,
    /// The hold.
    pub hold: u64,
}

impl Condition {
    /// Whether an item, or its absence, meets the condition.
    pub fn is_met(&self, item: Option<&CounterItem>) -> bool {
        match self {
            Self::AtMost(ceilings) => ceilings.iter().all(|(unit, most)| {
                let committed = item.map_or(0, |item| item.committed(*unit));
                i128::from(committed) <= i128::from(*most)
            }),
            Self::Room(asked) => item.is_some_and(|item| !item.overdrawn && room::has_room(item, asked)),
            Self::Exists => item.is_some(),
            Self::Excess(excess) => item.is_some_and(|item| item.overdrawn || room::has_room_for(item, excess)),
        }
    }
}

/// How one counter's item moves with its reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The item.
    pub key: CounterKey,
    /// The end of the counter's window: some time after it the item may be forgotten.
    pub window_end: Timestamp,
    /// What is added, per unit.
    pub amounts: BTreeMap<Unit, Figures>,
    /// Whether what is committed is taken out of the item's room.
    pub sharded: bool,
    /// When not to.
    pub condition: Condition,
}

impl Move {
    /// The item afterwards.
    pub fn apply(&self, item: &mut CounterItem) {
        for (unit, amount) in &self.amounts {
            let figures = item.figures.entry(*unit).or_default();
            figures.committed = figures.committed.saturating_add(amount.committed);
            figures.used = figures.used.saturating_add(amount.used);
            figures.uncertain = figures.uncertain.saturating_add(amount.uncertain);
            if let Some(cut) = item.cuts.get_mut(unit).filter(|_| self.sharded) {
                cut.room = cut.room.saturating_sub(amount.committed);
            }
        }
    }
}

/// One request to a store: carried out whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Write the reservation, if it does not exist (without a version) or is stored at this version, and move these items.
    Write {
        /// What to store.
        reservation: Box<Reservation>,
        /// The version that it was decided on.
        version: Option<u64>,
        /// One per item.
        moves: Vec<Move>,
    },
    /// Read these items, each as it is now.
    Read(Vec<CounterKey>),
    /// Move room between the items of one counter.
    Rewrite(Vec<Rewrite>),
}

/// What came of a request. Trouble that is not listed, such as a store that does not answer, ends the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was carried out.
    Done,
    /// Nothing was written: the reservation's condition failed. What is stored.
    Stored(Option<Box<Reservation>>),
    /// Nothing was written: these items' conditions failed. What they say, where they exist.
    Refused(Vec<(CounterKey, Option<CounterItem>)>),
    /// The items that exist.
    Items(BTreeMap<CounterKey, CounterItem>),
    /// Nothing was rewritten: the items have changed, or others were in the way.
    Changed,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<T> {
    /// Send this, after some patience that grows with how often others got there first.
    Ask(Ask, u32),
    /// It is over.
    End(T),
}

/// The items of a charge's counter, in the order of the shards.
fn shards(charge: &Charge, found: &BTreeMap<CounterKey, CounterItem>) -> Vec<Option<CounterItem>> {
    charge.counter_keys().iter().map(|key| found.get(key).cloned()).collect()
}

/// What all items of a counter show together; a unit that none has figures for is left out.
pub fn sum<'a>(items: impl IntoIterator<Item = &'a BTreeMap<Unit, Figures>>) -> BTreeMap<Unit, Figures> {
    let mut sums: BTreeMap<Unit, Figures> = BTreeMap::new();
    for (unit, figures) in items.into_iter().flatten() {
        let sum = sums.entry(*unit).or_default();
        sum.committed = sum.committed.saturating_add(figures.committed);
        sum.used = sum.used.saturating_add(figures.used);
        sum.uncertain = sum.uncertain.saturating_add(figures.uncertain);
    }
    sums
}

/// The moves of these deltas, one per item, each on the condition that belongs to it.
fn moves(deltas: &[CounterDelta], condition: impl Fn(&CounterKey, &BTreeMap<Unit, Figures>) -> (Condition, bool)) -> Vec<Move> {
    let mut moves: BTreeMap<CounterKey, (Timestamp, BTreeMap<Unit, Figures>)> = BTreeMap::new();
    for delta in deltas {
        let (_, amounts) = moves.entry(delta.key.clone()).or_insert_with(|| (delta.window_end, BTreeMap::new()));
        amounts.insert(delta.unit, Figures { committed: delta.committed, used: delta.used, uncertain: delta.uncertain });
    }
    let finish = |(key, (window_end, amounts)): (CounterKey, (Timestamp, BTreeMap<Unit, Figures>))| {
        let (condition, sharded) = condition(&key, &amounts);
        Move { key, window_end, amounts, sharded, condition }
    };
    moves.into_iter().map(finish).collect()
}
