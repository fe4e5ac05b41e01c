//! A second pair of eyes on the ledger: after every write it works out from the reservations what every counter must show, by rules of
//! its own, and holds the ledger to it. Which writes there may be is in [`super::writes`].

use super::facts::Facts;
use super::requests::Asked;
use cost_sentry_core::budget::{CounterKey, Mode, Unit};
use cost_sentry_core::price::Usage;
use cost_sentry_core::reservation::{Charge, Reservation, State, UnitCharge};
use cost_sentry_core::shard::Shard;
use cost_sentry_workflow::memory_ledger::Books;
use cost_sentry_workflow::ports::CounterFigures;
use std::collections::BTreeMap;
use std::time::Duration;

/// Committed, used and uncertain.
pub type Shown = [i64; 3];

/// What the ledger must hold.
#[derive(Default)]
pub struct Witness {
    /// By request id, as last written, and when.
    pub reservations: BTreeMap<String, (Reservation, Duration)>,
    /// What each counter and unit must show, and what it showed before, since when.
    pub counters: BTreeMap<(CounterKey, Unit), Vec<(Duration, Shown)>>,
}

impl Witness {
    /// What a counter must show now.
    pub fn shown(&self, key: &CounterKey, unit: Unit) -> Shown {
        self.history(key, unit).last().map_or([0; 3], |(_, shown)| *shown)
    }

    fn history(&self, key: &CounterKey, unit: Unit) -> &[(Duration, Shown)] {
        self.counters.get(&(key.clone(), unit)).map_or(&[], Vec::as_slice)
    }

    /// Whether a counter showed this at some time since then.
    pub fn showed(&self, key: &CounterKey, unit: Unit, shown: Shown, since: Duration) -> bool {
        let history = self.history(key, unit);
        let earlier = history.partition_point(|(at, _)| *at < since);
        let never_moved = earlier == 0 && shown == [0; 3];
        never_moved || history.iter().skip(earlier.saturating_sub(1)).any(|(_, known)| *known == shown)
    }

    /// How many reservations somebody has still to end.
    pub fn open(&self) -> impl Iterator<Item = &(Reservation, Duration)> {
        self.reservations.values().filter(|(stored, _)| matches!(stored.state, State::Held | State::Claimed))
    }
}

/// What a reservation accounts for on one of its amounts: by its state alone.
fn share(reservation: &Reservation, asked: &Asked, amount: &UnitCharge) -> Shown {
    let hold = amount.hold.cast_signed();
    match reservation.state {
        State::Held | State::Claimed => [hold, 0, 0],
        State::Uncertain => [hold, 0, hold],
        State::Denied | State::Released => [0; 3],
        State::Settled => {
            let actual = reservation.usage.map_or(hold, |usage| actual(amount.unit, &usage, asked).cast_signed());
            [actual, actual, 0]
        }
    }
}

/// What a usage comes to in a unit, at the prices of the world.
pub fn actual(unit: Unit, usage: &Usage, asked: &Asked) -> u64 {
    let [input, output, read, write] = [usage.input.0, usage.output.0, usage.cache_read.0, usage.cache_write.0];
    match unit {
        Unit::Usd => asked.cost([input, output, read, write]),
        Unit::Tokens => input + output + read + write,
        Unit::InputTokens => input + read + write,
        Unit::OutputTokens => output,
        Unit::Requests => 1,
    }
}

/// A counter and unit that moved: before, and after.
pub type Move = (CounterKey, Unit, Shown, Shown);

/// Works out what the counters must show after a reservation changed.
pub fn moved(facts: &mut Facts, asked: &Asked, old: Option<&Reservation>, next: &Reservation, now: Duration) -> Vec<Move> {
    let mut moves = Vec::new();
    for charge in next.charges.iter().filter(|charge| charge.mode == Mode::Enforce) {
        for amount in &charge.amounts {
            let before = old.map_or([0; 3], |old| share(old, asked, amount));
            let after = share(next, asked, amount);
            facts.tally.overages += u64::from(next.state == State::Settled && after[0] > amount.hold.cast_signed());
            if before == after {
                continue;
            }
            let history = facts.witness.counters.entry((counter_of(charge), amount.unit)).or_default();
            let was = history.last().map_or([0; 3], |(_, shown)| *shown);
            let mut is = was;
            is.iter_mut().zip(before.iter().zip(after)).for_each(|(is, (before, after))| *is += after - before);
            history.push((now, is));
            moves.push((counter_of(charge), amount.unit, was, is));
        }
    }
    moves
}

/// What is wrong with the counters of these charges, as the ledger shows them.
pub fn differences(facts: &Facts, charges: &[Charge], shown: &[CounterFigures]) -> Option<String> {
    charges.iter().zip(shown).filter(|(charge, _)| charge.mode == Mode::Enforce).find_map(|(charge, shown)| {
        charge.amounts.iter().find_map(|amount| {
            let figures = shown.get(&amount.unit).copied().unwrap_or_default();
            let found = [figures.committed, figures.used, figures.uncertain];
            let expected = facts.witness.shown(&counter_of(charge), amount.unit);
            let at = (counter_of(charge), amount.unit.word());
            (found != expected).then(|| format!("{} shows {found:?} {}, and its reservations come to {expected:?}", at.0.as_str(), at.1))
        })
    })
}

/// The counter that a charge falls on, on whichever of its shards.
pub fn counter_of(charge: &Charge) -> CounterKey {
    charge.key_on(Shard::WHOLE)
}

/// Whether an item is the counter's, or one of its shards'. No scope here has a `#`, so that only a shard's key goes on with one.
pub fn is_item_of(item: &CounterKey, counter: &CounterKey) -> bool {
    item.as_str().strip_prefix(counter.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}

/// What is wrong with the whole books: the ledger's counters, the shipped recount of its reservations, and the witness must agree.
pub fn unbalanced(witness: &Witness, books: &Books) -> Option<String> {
    let recounted = books.recount();
    let of = |counters: &BTreeMap<CounterKey, CounterFigures>, key: &CounterKey, unit: Unit| {
        let items = counters.range(key..).take_while(|(item, _)| item.as_str().starts_with(key.as_str()));
        items
            .filter(|(item, _)| is_item_of(item, key))
            .filter_map(|(_, units)| units.get(&unit))
            .fold([0; 3], |[committed, used, uncertain], figures| {
                [committed + figures.committed, used + figures.used, uncertain + figures.uncertain]
            })
    };
    witness.counters.keys().find_map(|(key, unit)| {
        let (expected, counter, recount) = (witness.shown(key, *unit), of(&books.counters, key, *unit), of(&recounted, key, *unit));
        let wrong = counter != expected || recount != expected;
        wrong.then(|| {
            format!("{} in {}: the counter shows {counter:?}, recounted {recount:?}, witnessed {expected:?}", key.as_str(), unit.word())
        })
    })
}
