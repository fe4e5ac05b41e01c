//! Any later transition, request by request.

use super::room::{Way, way};
use super::{Answer, Ask, Condition, CounterItem, Move, Next, Rewrite, moves, shards};
use crate::budget::{CounterKey, Unit};
use crate::reservation::{Charge, Figures, Reservation, Step};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How often room is made anew for what a call used beyond its hold, while others take it away. More often than a hold: this is paid.
const ROUNDS: u32 = 40;

/// What came of a transition's write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// It is stored, and the counters moved with it.
    Moved,
    /// The stored reservation is not the one that was decided on; nothing moved. What is stored now, if anything.
    Changed(Option<Box<Reservation>>),
    /// Others got there first, round after round; nothing moved.
    Contended,
}

/// A transition's write under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    version: u64,
    step: Step,
    /// Items that have expired: left out.
    pub(super) expired: BTreeSet<CounterKey>,
    pub(super) rounds: u32,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Writing,
    /// The shards of the counters of these items are being read.
    Reading(Vec<CounterKey>),
    /// Room is being moved; what is still to move.
    Moving(VecDeque<Vec<Rewrite>>),
}

impl Moving {
    /// Begins a transition that was decided on a version, with the first request.
    pub fn start(version: u64, step: &Step) -> (Self, Ask) {
        let moving = Self { version, step: step.clone(), expired: BTreeSet::new(), rounds: 0, stage: Stage::Writing };
        let ask = moving.write();
        (moving, ask)
    }

    /// What an answer means.
    pub fn answer(&mut self, answer: Answer) -> Next<Moved> {
        match (std::mem::replace(&mut self.stage, Stage::Writing), answer) {
            (Stage::Writing, Answer::Done) => Next::End(Moved::Moved),
            (Stage::Writing, Answer::Stored(stored)) => Next::End(Moved::Changed(stored)),
            (Stage::Writing, Answer::Refused(refused)) => self.refused(refused),
            (Stage::Reading(short), Answer::Items(found)) => self.read(short, &found),
            (Stage::Moving(left), Answer::Done | Answer::Changed) => self.go_on(left, 0),
            // No store answers so.
            _ => Next::End(Moved::Contended),
        }
    }

    fn charge(&self, key: &CounterKey) -> Option<&Charge> {
        self.step.next.enforced().find(|charge| charge.key() == *key)
    }

    fn moves(&self) -> Vec<Move> {
        let condition = |key: &CounterKey, amounts: &BTreeMap<Unit, Figures>| {
            let sharded = self.charge(key).is_some_and(|charge| !charge.shard.is_whole());
            let excess = excess(amounts);
            (if sharded && !excess.is_empty() { Condition::Excess(excess) } else { Condition::Exists }, sharded)
        };
        let mut moves = moves(&self.step.deltas, condition);
        moves.retain(|moved| !self.expired.contains(&moved.key));
        moves
    }

    fn write(&self) -> Ask {
        Ask::Write { reservation: Box::new(self.step.next.clone()), version: Some(self.version), moves: self.moves() }
    }

    fn refused(&mut self, refused: Vec<(CounterKey, Option<CounterItem>)>) -> Next<Moved> {
        let (mut short, mut keys) = (Vec::new(), Vec::new());
        let before = self.expired.len();
        for (key, item) in refused {
            match (item, self.charge(&key)) {
                (Some(_), Some(charge)) => {
                    keys.extend(charge.counter_keys());
                    short.push(key);
                }
                _ => {
                    self.expired.insert(key);
                }
            }
        }
        if !short.is_empty() {
            self.stage = Stage::Reading(short);
            return Next::Ask(Ask::Read(keys), 0);
        }
        if self.expired.len() == before { Next::End(Moved::Contended) } else { Next::Ask(self.write(), 0) }
    }

    fn read(&mut self, short: Vec<CounterKey>, found: &BTreeMap<CounterKey, CounterItem>) -> Next<Moved> {
        let moves = self.moves();
        let mut rewrites = VecDeque::new();
        for key in short {
            let (Some(charge), Some(one)) = (self.charge(&key), moves.iter().find(|one| one.key == key)) else { continue };
            match way(charge, &shards(charge, found), &excess(&one.amounts)) {
                Way::Open => {}
                Way::Expired => {
                    self.expired.insert(key);
                }
                Way::After(next) => rewrites.push_back(next),
            }
        }
        // The first round has waited for nobody yet.
        let lost = self.rounds;
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > ROUNDS {
            return Next::End(Moved::Contended);
        }
        self.go_on(rewrites, lost)
    }

    /// What is left to move, and then the transition, at once: the room may be gone soon.
    fn go_on(&mut self, mut left: VecDeque<Vec<Rewrite>>, lost: u32) -> Next<Moved> {
        match left.pop_front() {
            Some(next) => {
                self.stage = Stage::Moving(left);
                Next::Ask(Ask::Rewrite(next), lost)
            }
            None => Next::Ask(self.write(), lost),
        }
    }
}

/// What is taken beyond what was held, per unit.
fn excess(amounts: &BTreeMap<Unit, Figures>) -> BTreeMap<Unit, u64> {
    amounts.iter().filter(|(_, amount)| amount.committed > 0).map(|(unit, amount)| (*unit, amount.committed.unsigned_abs())).collect()
}

#[cfg(test)]
#[path = "moving_tests.rs"]
mod tests;
