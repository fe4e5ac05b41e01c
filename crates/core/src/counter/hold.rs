//! A hold, request by request.

use super::room::{Place, asked, is_about_to_be_overdrawn, place};
use super::{Answer, Ask, Condition, CounterItem, Next, Rewrite, moves, shards, sum};
use crate::budget::{CounterKey, Unit};
use crate::reservation::{Charge, Figures, Reservation};
use std::collections::{BTreeMap, VecDeque};

/// How often room is looked for anew while others take it away. Each such round is another's progress.
const ROUNDS: u32 = 12;
/// For so many rounds a settlement that has just stopped all holds goes first: what is paid comes before what is asked for.
pub(super) const ROUNDS_FOR_OTHERS: u32 = 3;

/// What came of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It is stored so, and its holds count.
    Held(Box<Reservation>),
    /// One of that id is stored already; nothing moved.
    Exists(Box<Reservation>),
    /// At least one counter has no room; nothing is held. The keys that were asked for, and what the whole counters show.
    NoRoom(Vec<(CounterKey, BTreeMap<Unit, Figures>)>),
    /// Others got there first, round after round; nothing is held.
    Contended,
}

/// A hold under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// As it was asked for.
    given: Reservation,
    /// As it is being tried: on which shards.
    pub(super) placed: Reservation,
    pub(super) rounds: u32,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Writing,
    /// The shards of counters that were short are being read; these have one item, and no room.
    Reading {
        full: Vec<(CounterKey, BTreeMap<Unit, Figures>)>,
        short: Vec<usize>,
    },
    /// Room is being moved; what is still to move.
    Moving(VecDeque<Vec<Rewrite>>),
}

impl Holding {
    /// Begins, with the first request. No hold may be larger than its limit, which no condition could express.
    pub fn start(reservation: &Reservation) -> (Self, Ask) {
        let holding = Self { given: reservation.clone(), placed: reservation.clone(), rounds: 0, stage: Stage::Writing };
        let ask = holding.write();
        (holding, ask)
    }

    /// What an answer means.
    pub fn answer(&mut self, answer: Answer) -> Next<Held> {
        match (std::mem::replace(&mut self.stage, Stage::Writing), answer) {
            (Stage::Writing, Answer::Done) => Next::End(Held::Held(Box::new(self.placed.clone()))),
            (Stage::Writing, Answer::Stored(Some(stored))) => Next::End(Held::Exists(stored)),
            (Stage::Writing, Answer::Refused(refused)) => self.refused(&refused),
            (Stage::Reading { full, short }, Answer::Items(found)) => self.read(full, &short, &found),
            (Stage::Moving(left), Answer::Done | Answer::Changed) => self.go_on(left, 0),
            // No store answers so.
            _ => Next::End(Held::Contended),
        }
    }

    fn write(&self) -> Ask {
        let deltas = self.placed.hold_deltas();
        let charges: BTreeMap<CounterKey, &Charge> = self.placed.enforced().map(|charge| (charge.key(), charge)).collect();
        let condition = |key: &CounterKey, _: &_| match charges.get(key) {
            Some(charge) if !charge.shard.is_whole() => (Condition::Room(asked(charge)), true),
            charge => {
                let amounts = charge.into_iter().flat_map(|charge| &charge.amounts);
                // A hold above its limit never gets here.
                (Condition::AtMost(amounts.map(|amount| (amount.unit, amount.ceiling().unwrap_or(0))).collect()), false)
            }
        };
        Ask::Write { reservation: Box::new(self.placed.clone()), version: None, moves: moves(&deltas, condition) }
    }

    fn refused(&mut self, refused: &[(CounterKey, Option<CounterItem>)]) -> Next<Held> {
        let (mut full, mut short, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for (at, charge) in self.placed.charges.iter().enumerate().filter(|(_, charge)| charge.is_enforced()) {
            let Some((key, item)) = refused.iter().find(|(key, _)| *key == charge.key()) else { continue };
            if charge.shard.is_whole() {
                full.push((key.clone(), item.as_ref().map(|item| item.figures.clone()).unwrap_or_default()));
            } else {
                short.push(at);
                keys.extend(charge.counter_keys());
            }
        }
        if short.is_empty() {
            return Next::End(Held::NoRoom(full));
        }
        self.stage = Stage::Reading { full, short };
        Next::Ask(Ask::Read(keys), 0)
    }

    fn read(
        &mut self,
        mut full: Vec<(CounterKey, BTreeMap<Unit, Figures>)>,
        short: &[usize],
        found: &BTreeMap<CounterKey, CounterItem>,
    ) -> Next<Held> {
        // The first round has waited for nobody yet.
        let lost = self.rounds;
        self.rounds = self.rounds.saturating_add(1);
        let (mut rewrites, mut about_to_settle) = (VecDeque::new(), false);
        for at in short {
            let (Some(given), Some(charge)) = (self.given.charges.get(*at), self.placed.charges.get_mut(*at)) else { continue };
            let items = shards(given, found);
            about_to_settle |= is_about_to_be_overdrawn(&items);
            match place(given, &items, lost) {
                Place::Full => full.push((given.key(), sum(items.iter().flatten().map(|item| &item.figures)))),
                Place::On(shard) => charge.shard = shard,
                Place::After(shard, moved) => {
                    charge.shard = shard;
                    rewrites.push_back(moved);
                }
            }
        }
        if !full.is_empty() {
            return Next::End(Held::NoRoom(full));
        }
        if self.rounds > ROUNDS {
            return Next::End(Held::Contended);
        }
        if about_to_settle && self.rounds <= ROUNDS_FOR_OTHERS {
            let charges = short.iter().filter_map(|at| self.given.charges.get(*at));
            let keys = charges.flat_map(Charge::counter_keys).collect();
            self.stage = Stage::Reading { full, short: short.to_vec() };
            return Next::Ask(Ask::Read(keys), self.rounds);
        }
        self.go_on(rewrites, lost)
    }

    /// What is left to move, and then the hold, at once: the room may be gone soon.
    fn go_on(&mut self, mut left: VecDeque<Vec<Rewrite>>, lost: u32) -> Next<Held> {
        match left.pop_front() {
            Some(next) => {
                self.stage = Stage::Moving(left);
                Next::Ask(Ask::Rewrite(next), lost)
            }
            None => Next::Ask(self.write(), lost),
        }
    }
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
