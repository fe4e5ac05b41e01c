//! Where a charge finds room: on which shard, or after which rewrite.

use super::rewrite::{Change, Part, Rewrite, Shift};
use super::{Asked, CounterItem};
use crate::budget::Unit;
use crate::reservation::Charge;
use crate::shard::Shard;
use std::collections::BTreeMap;

/// Where a hold goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: what is committed on all shards together leaves too little of the limit.
    Full,
    /// On this shard, which has room.
    On(Shard),
    /// On this shard, once room was moved.
    After(Shard, Vec<Rewrite>),
}

/// Whether a shard has room for a hold, whose limits are those that it was cut from.
pub(super) fn has_room(item: &CounterItem, asked: &BTreeMap<Unit, Asked>) -> bool {
    asked.iter().all(|(unit, asked)| {
        let room = |cut: &super::Cut| cut.limit == asked.limit && i128::from(cut.room) >= i128::from(asked.hold);
        item.cuts.get(unit).is_some_and(room)
    })
}

/// Whether a shard has room for what a settlement takes beyond its hold. A unit that it is not cut in needs none: nothing is held there
/// before all shards have been cut in it.
pub(super) fn has_room_for(item: &CounterItem, excess: &BTreeMap<Unit, u64>) -> bool {
    excess.iter().all(|(unit, excess)| item.cuts.get(unit).is_none_or(|cut| i128::from(cut.room) >= i128::from(*excess)))
}

/// What a charge's hold asks, per unit.
pub(super) fn asked(charge: &Charge) -> BTreeMap<Unit, Asked> {
    charge.amounts.iter().map(|amount| (amount.unit, Asked { limit: amount.limit, hold: amount.hold })).collect()
}

/// For so many rounds room is gathered near the charge's own shard, so that not all who look for room meet on one.
const ROUNDS_NEARBY: u32 = 3;

/// Where the hold of a charge goes, from what all shards of its counter say, in their order; rounds of looking for room count from 0.
pub fn place(charge: &Charge, items: &[Option<CounterItem>], round: u32) -> Place {
    let asked = asked(charge);
    if asked.iter().any(|(unit, asked)| left(items, *unit, asked.limit) < i128::from(asked.hold)) {
        return Place::Full;
    }
    let cut_so = |item: &CounterItem| {
        !item.overdrawn && asked.iter().all(|(unit, asked)| item.cuts.get(unit).is_some_and(|cut| cut.limit == asked.limit))
    };
    if !items.iter().all(|item| item.as_ref().is_some_and(cut_so)) {
        return Place::After(charge.shard, cut(charge, items));
    }
    let item = |shard: &Shard| items.get(usize::from(shard.index)).and_then(Option::as_ref);
    if let Some(shard) = charge.shard.from_here().find(|shard| item(shard).is_some_and(|item| has_room(item, &asked))) {
        return Place::On(shard);
    }
    let short_of = |shard: &Shard| item(shard).map(|item| missing(item, &asked));
    // In the end to where most of it is already: two that gather for themselves might for ever take it from each other.
    let near = if round < ROUNDS_NEARBY { usize::from(charge.shard.of).isqrt().max(1) } else { 0 };
    let shard = charge.shard.from_here().take(near).min_by_key(short_of).or_else(|| charge.shard.all().min_by_key(short_of));
    let shard = shard.unwrap_or(charge.shard);
    let needs = asked.iter().map(|(unit, asked)| (*unit, asked.hold)).collect();
    // What was read at different moments may not add up; cutting anew does not depend on that.
    match gather(charge, shard, items, &needs) {
        Some(rewrites) => Place::After(shard, rewrites),
        None => Place::After(charge.shard, cut(charge, items)),
    }
}

/// How much of a hold a shard has no room for, in thousandths, in the unit where it misses most.
fn missing(item: &CounterItem, asked: &BTreeMap<Unit, Asked>) -> i128 {
    let missing = |(unit, asked): (&Unit, &Asked)| {
        let room = item.cuts.get(unit).map_or(0, |cut| i128::from(cut.room));
        (i128::from(asked.hold) - room).max(0) * 1_000 / i128::from(asked.hold).max(1)
    };
    asked.iter().map(missing).max().unwrap_or(0)
}

/// What is left of a limit beside all that is committed.
fn left(items: &[Option<CounterItem>], unit: Unit, limit: u64) -> i128 {
    let committed: i128 = items.iter().flatten().map(|item| i128::from(item.committed(unit))).sum();
    i128::from(limit) - committed
}

/// Whether a counter was just marked overdrawn by a settlement that is still to come: then no shard is short of room yet.
pub(super) fn is_about_to_be_overdrawn(items: &[Option<CounterItem>]) -> bool {
    let mut cuts = items.iter().flatten().flat_map(|item| item.cuts.values());
    items.iter().flatten().any(|item| item.overdrawn) && cuts.all(|cut| cut.room >= 0)
}

/// How a settlement above its hold gets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// The item has expired: nobody holds on it any more.
    Expired,
    /// It is open by now.
    Open,
    /// It is open after this.
    After(Vec<Rewrite>),
}

/// The way for so much beyond the hold of a charge, from what all shards of its counter say.
pub(super) fn way(charge: &Charge, items: &[Option<CounterItem>], excess: &BTreeMap<Unit, u64>) -> Way {
    let Some(own) = items.get(usize::from(charge.shard.index)).and_then(Option::as_ref) else { return Way::Expired };
    if own.overdrawn || has_room_for(own, excess) {
        return Way::Open;
    }
    let needs = excess.iter().filter(|(unit, _)| own.cuts.contains_key(unit)).map(|(unit, excess)| (*unit, *excess)).collect();
    Way::After(gather(charge, charge.shard, items, &needs).unwrap_or_else(|| all(charge, |_| Change::Overdraw)))
}

/// The shifts that give a shard so much room from the nearest others that have some; nothing where they have too little.
fn gather(charge: &Charge, to: Shard, items: &[Option<CounterItem>], needs: &BTreeMap<Unit, u64>) -> Option<Vec<Rewrite>> {
    let mut shifts: BTreeMap<Shard, BTreeMap<Unit, Shift>> = BTreeMap::new();
    for (unit, need) in needs {
        let cut = |shard: Shard| items.get(usize::from(shard.index))?.as_ref()?.cuts.get(unit);
        let own = cut(to)?;
        let mut missing = i64::try_from(*need).ok()?.saturating_sub(own.room);
        let limit = own.limit;
        for shard in to.from_here().skip(1) {
            let Some(room) = cut(shard).filter(|cut| cut.limit == limit).map(|cut| cut.room) else { continue };
            let taken = room.min(missing);
            if taken > 0 {
                missing = missing.saturating_sub(taken);
                shifts.entry(shard).or_default().insert(*unit, Shift { limit, room: taken.saturating_neg() });
                let own = shifts.entry(to).or_default().entry(*unit).or_insert(Shift { limit, room: 0 });
                own.room = own.room.saturating_add(taken);
            }
        }
        if missing > 0 {
            return None;
        }
    }
    let rewrite = |(shard, shifts)| Rewrite { key: charge.key_on(shard), window_end: charge.span.end, change: Change::Shift(shifts) };
    Some(shifts.into_iter().map(rewrite).collect())
}

/// All shards cut anew for the limits of a charge, with room for its hold on its own shard.
fn cut(charge: &Charge, items: &[Option<CounterItem>]) -> Vec<Rewrite> {
    let item = |shard: Shard| items.get(usize::from(shard.index)).and_then(Option::as_ref);
    let mut parts: BTreeMap<Shard, BTreeMap<Unit, Part>> = BTreeMap::new();
    for (unit, asked) in asked(charge) {
        let room = u64::try_from(left(items, unit, asked.limit)).unwrap_or(0);
        for (shard, room) in charge.shard.from_here().zip(deal(room, asked.hold, charge.shard.of)) {
            let committed = item(shard).map_or(0, |item| item.committed(unit));
            let share = committed.saturating_add(i64::try_from(room).unwrap_or(i64::MAX));
            let was = item(shard).and_then(|item| item.cuts.get(&unit)).map(|cut| cut.limit);
            parts.entry(shard).or_default().insert(unit, Part { was, limit: asked.limit, share });
        }
    }
    all(charge, |shard| Change::Cut {
        parts: parts.remove(&shard).unwrap_or_default(),
        was_overdrawn: item(shard).is_some_and(|item| item.overdrawn),
    })
}

fn all(charge: &Charge, mut of: impl FnMut(Shard) -> Change) -> Vec<Rewrite> {
    let rewrite = |shard| Rewrite { key: charge.key_on(shard), window_end: charge.span.end, change: of(shard) };
    charge.shard.all().map(rewrite).collect()
}

/// Room dealt to so many shards, the first of which needs so much of it: evenly where that is enough for one such hold on each, else in
/// whole holds as far as they go, since half a hold's room on every shard would be of use to nobody.
fn deal(room: u64, hold: u64, shards: u8) -> Vec<u64> {
    let count = u64::from(shards.max(1));
    let portion = if room / count >= hold { room / count } else { hold };
    let mut left = room;
    let mut dealt: Vec<u64> = (0..count)
        .map(|_| {
            let given = if left >= portion { portion } else { 0 };
            left = left.saturating_sub(given);
            given
        })
        .collect();
    if let Some(first) = dealt.first_mut() {
        *first = first.saturating_add(left);
    }
    dealt
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
