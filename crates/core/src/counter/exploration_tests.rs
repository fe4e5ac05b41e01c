//! Every order in which the requests of a few holds and settlements can reach the items of one sharded counter.
//!
//! A step is one request to the store; the shards are read one by one, since a batch is no snapshot; and a few times in a history a
//! rewrite fails for others' sake, or is written and its answer lost. In every state the books must balance and the cuts be exact,
//! and no hold may ever take the counter over its limit. Defects planted in the store must each be found.

use super::hold::ROUNDS_FOR_OTHERS;
use super::{Answer, Ask, Change, Condition, CounterItem, Held, Holding, Move, Moved, Moving, Next, Rewrite};
use crate::budget::{CounterKey, Mode, Unit};
use crate::fixtures::{amount, charge, reservation, usage};
use crate::reservation::{Charge, ClaimId, Reservation, State, Step, Transition, Verdict, transition};
use crate::shard::Shard;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

/// How many shards the counter has.
const SHARDS: u8 = 2;

/// How a request ends once it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    Settle(u64),
    Release,
    Doubt,
}

/// One request: the limit that its policy names, what it holds, the shard that it tries first, and how it ends.
#[derive(Debug, Clone, Copy)]
struct Wish {
    limit: u64,
    hold: u64,
    shard: u8,
    end: End,
}

fn wish(limit: u64, hold: u64, shard: u8, end: End) -> Wish {
    Wish { limit, hold, shard, end }
}

/// What is broken in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    /// A hold is written without room on its shard.
    RoomUnchecked,
    /// A hold is written though its limit is not the one that the shards are cut from.
    LimitUnchecked,
    /// A hold is written on an overdrawn shard.
    OverdrawnUnchecked,
    /// A settlement above its hold is written without room, and nobody is stopped.
    ExcessUnchecked,
    /// Shards are cut below what is committed on them.
    CutUnchecked,
    /// Room is given away that is not there any more.
    ShiftUnchecked,
    /// Of a rewrite only the first item is written.
    RewriteTorn,
}

#[derive(Debug, Clone)]
enum Phase {
    Holding(Box<Holding>, Ask),
    Moving(Box<Moving>, Ask),
    Over(String),
}

#[derive(Debug, Clone)]
struct Process {
    wish: Wish,
    phase: Phase,
    /// What it has read of the items that it asked for.
    seen: BTreeMap<CounterKey, CounterItem>,
    read: usize,
}

#[derive(Debug, Clone)]
struct World {
    items: BTreeMap<CounterKey, CounterItem>,
    stored: BTreeMap<String, Rc<Reservation>>,
    processes: Vec<Rc<Process>>,
    mishaps: u8,
    /// How it came to this, for people.
    trail: Option<Rc<Trail>>,
}

/// One request of a history, and those before it.
#[derive(Debug)]
struct Trail {
    request: String,
    before: Option<Rc<Trail>>,
}

/// What a request to rewrite may meet with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Luck {
    Good,
    Conflict,
    AnswerLost,
}

fn held(number: usize, wish: Wish) -> Reservation {
    let shard = Shard { index: wish.shard, of: SHARDS };
    let charge = Charge { shard, ..charge("b", Mode::Enforce, vec![amount(Unit::Tokens, wish.limit, wish.hold, [0; 3])]) };
    let mut held = Reservation { version: 1, claim_id: None, ..reservation(State::Held, vec![charge]) };
    held.tags.request_id = format!("r{number}");
    held
}

fn step(reservation: &Reservation, event: &Transition) -> Step {
    match transition(reservation, event) {
        Verdict::Apply(step) => *step,
        other => panic!("{other:?}"),
    }
}

impl World {
    fn new(wishes: &[Wish], mishaps: u8) -> Self {
        let process = |(number, wish): (usize, &Wish)| {
            let (holding, ask) = Holding::start(&held(number, *wish));
            Rc::new(Process { wish: *wish, phase: Phase::Holding(Box::new(holding), ask), seen: BTreeMap::new(), read: 0 })
        };
        let processes = wishes.iter().enumerate().map(process).collect();
        Self { items: BTreeMap::new(), stored: BTreeMap::new(), processes, mishaps, trail: None }
    }

    /// All worlds that are one request further.
    fn successors(&self, defect: Defect) -> Vec<Result<Self, String>> {
        let mut successors = Vec::new();
        for at in 0..self.processes.len() {
            let rewrites = match &self.processes[at].phase {
                Phase::Holding(_, ask) | Phase::Moving(_, ask) => matches!(ask, Ask::Rewrite(_)),
                Phase::Over(_) => continue,
            };
            successors.push(self.clone().advance(at, Luck::Good, defect));
            if rewrites && self.mishaps > 0 {
                successors.push(self.clone().advance(at, Luck::Conflict, defect));
                successors.push(self.clone().advance(at, Luck::AnswerLost, defect));
            }
        }
        successors
    }

    fn advance(mut self, at: usize, luck: Luck, defect: Defect) -> Result<Self, String> {
        let (Phase::Holding(_, ask) | Phase::Moving(_, ask)) = self.processes[at].phase.clone() else { return Ok(self) };
        if let Ask::Read(keys) = &ask {
            let process = Rc::make_mut(&mut self.processes[at]);
            if let Some(key) = keys.get(process.read) {
                process.seen.extend(self.items.get(key).map(|item| (key.clone(), item.clone())));
                process.read += 1;
            }
            if process.read < keys.len() {
                return Ok(self);
            }
        }
        let answer = match ask {
            Ask::Write { reservation, version, moves } => self.write(*reservation, version, &moves, defect)?,
            Ask::Read(_) => {
                let process = Rc::make_mut(&mut self.processes[at]);
                process.read = 0;
                Answer::Items(std::mem::take(&mut process.seen))
            }
            Ask::Rewrite(rewrites) => {
                self.mishaps -= u8::from(luck != Luck::Good);
                let answer = if luck == Luck::Conflict { Answer::Changed } else { self.rewrite(&rewrites, defect) };
                if luck == Luck::AnswerLost { Answer::Changed } else { answer }
            }
        };
        let items: Vec<String> = self.items.values().map(said).collect();
        let request = format!("r{at} {luck:?} {answer} | {}", items.join(", "), answer = word(&answer));
        self.trail = Some(Rc::new(Trail { request, before: self.trail.take() }));
        self.answer(at, answer);
        self.check().map_err(|error| format!("{error}\n{}", self.history()))?;
        Ok(self)
    }

    fn write(&mut self, next: Reservation, version: Option<u64>, moves: &[Move], defect: Defect) -> Result<Answer, String> {
        let stored = self.stored.get(next.request_id());
        if stored.map(|stored| stored.version) != version {
            return Ok(Answer::Stored(stored.map(|stored| Box::new(Reservation::clone(stored)))));
        }
        let refused: Vec<_> = moves
            .iter()
            .filter(|one| !is_met(&one.condition, self.items.get(&one.key), defect))
            .map(|one| (one.key.clone(), self.items.get(&one.key).cloned()))
            .collect();
        if !refused.is_empty() {
            return Ok(Answer::Refused(refused));
        }
        for one in moves {
            one.apply(self.items.entry(one.key.clone()).or_default());
        }
        let limit = next.charges[0].amounts[0].limit;
        let committed: i64 = self.items.values().map(|item| item.committed(Unit::Tokens)).sum();
        if next.state == State::Held && committed > limit.cast_signed() {
            return Err(format!("{} held up to {committed} of {limit}", next.request_id()));
        }
        self.stored.insert(next.request_id().to_owned(), Rc::new(next));
        Ok(Answer::Done)
    }

    fn rewrite(&mut self, rewrites: &[Rewrite], defect: Defect) -> Answer {
        let unchecked = |change: &Change| match change {
            Change::Cut { .. } => defect == Defect::CutUnchecked,
            Change::Shift(_) => defect == Defect::ShiftUnchecked,
            Change::Overdraw => false,
        };
        if rewrites.iter().any(|rewrite| !unchecked(&rewrite.change) && !rewrite.change.is_allowed(self.items.get(&rewrite.key))) {
            return Answer::Changed;
        }
        let written = if defect == Defect::RewriteTorn { 1 } else { rewrites.len() };
        for rewrite in rewrites.iter().take(written) {
            rewrite.change.apply(self.items.entry(rewrite.key.clone()).or_default());
        }
        Answer::Done
    }

    fn answer(&mut self, at: usize, answer: Answer) {
        let process = Rc::make_mut(&mut self.processes[at]);
        process.phase = match process.phase.clone() {
            Phase::Holding(mut holding, _) => match holding.answer(answer) {
                Next::Ask(ask, _) => {
                    // Nobody's patience ends here: so histories of any length fold into finitely many states.
                    holding.rounds = holding.rounds.min(ROUNDS_FOR_OTHERS);
                    Phase::Holding(holding, ask)
                }
                Next::End(Held::Held(placed)) => {
                    let claim_id = ClaimId("c".to_owned());
                    let (request_hash, lease_end) = (placed.request_hash.clone(), placed.lease_end);
                    // A claim touches its own reservation only: no order of it and others' requests can count.
                    let claimed = step(&placed, &Transition::Claim { claim_id: claim_id.clone(), request_hash, lease_end }).next;
                    let end = match process.wish.end {
                        End::Settle(used) => Transition::Settle { claim_id, usage: usage(used, 0) },
                        End::Release => Transition::Release { claim_id: Some(claim_id) },
                        End::Doubt => Transition::Doubt { claim_id },
                    };
                    let (moving, ask) = Moving::start(claimed.version, &step(&claimed, &end));
                    self.stored.insert(claimed.request_id().to_owned(), Rc::new(claimed));
                    Phase::Moving(Box::new(moving), ask)
                }
                Next::End(Held::NoRoom(_)) => Phase::Over("refused".to_owned()),
                Next::End(other) => Phase::Over(format!("{other:?}")),
            },
            Phase::Moving(mut moving, _) => match moving.answer(answer) {
                Next::Ask(ask, _) => {
                    moving.rounds = 0;
                    Phase::Moving(moving, ask)
                }
                Next::End(Moved::Moved) => Phase::Over("ended".to_owned()),
                Next::End(other) => Phase::Over(format!("{other:?}")),
            },
            over @ Phase::Over(_) => over,
        };
    }

    /// What must be so in every state.
    fn check(&self) -> Result<(), String> {
        let mut sums: BTreeMap<CounterKey, [i64; 3]> = BTreeMap::new();
        for (key, _, share) in self.stored.values().flat_map(|stored| stored.shares()) {
            let sum = sums.entry(key).or_default();
            sum.iter_mut().zip([share.committed, share.used, share.uncertain]).for_each(|(sum, figure)| *sum += figure);
        }
        for (key, item) in &self.items {
            let shown = item.figures.get(&Unit::Tokens).copied().unwrap_or_default();
            let shown = [shown.committed, shown.used, shown.uncertain];
            if shown != sums.get(key).copied().unwrap_or_default() {
                return Err(format!("{key:?} shows {shown:?}"));
            }
        }
        let cuts: Vec<_> = self.items.values().filter_map(|item| item.cuts.get(&Unit::Tokens)).collect();
        let total: i64 =
            self.items.values().map(|item| item.committed(Unit::Tokens)).sum::<i64>() + cuts.iter().map(|cut| cut.room).sum::<i64>();
        let uniform = cuts.iter().all(|cut| cut.limit.cast_signed() == total) && [0, usize::from(SHARDS)].contains(&cuts.len());
        let overdrawn = self.items.values().filter(|item| item.overdrawn).count();
        let whole = cuts.iter().all(|cut| cut.room >= 0) || overdrawn == usize::from(SHARDS);
        if uniform && whole { Ok(()) } else { Err(format!("the cuts of {:?}", self.items)) }
    }

    /// What must be so when nothing is left to do.
    fn check_end(&self) -> Result<(), String> {
        for process in &self.processes {
            let Phase::Over(word) = &process.phase else { return Err("something is left to do".to_owned()) };
            if word != "refused" && word != "ended" {
                return Err(format!("{word}\n{}", self.history()));
            }
        }
        Ok(())
    }

    fn history(&self) -> String {
        let mut at = self.trail.as_ref();
        let mut lines = Vec::new();
        while let Some(trail) = at {
            lines.push(trail.request.clone());
            at = trail.before.as_ref();
        }
        lines.reverse();
        lines.join("\n")
    }

    /// All that decides how things go on from here.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.items, self.mishaps).hash(&mut hasher);
        for stored in self.stored.values() {
            (stored.request_id(), stored.state, stored.charges[0].shard).hash(&mut hasher);
        }
        for process in &self.processes {
            (&process.seen, process.read).hash(&mut hasher);
            let ask = match &process.phase {
                Phase::Holding(holding, ask) => {
                    (0, holding.rounds, &holding.stage, holding.placed.charges[0].shard).hash(&mut hasher);
                    Some(ask)
                }
                Phase::Moving(moving, ask) => {
                    (1, moving.rounds, &moving.stage, &moving.expired).hash(&mut hasher);
                    Some(ask)
                }
                Phase::Over(word) => {
                    (2, word).hash(&mut hasher);
                    None
                }
            };
            if let Some(Ask::Rewrite(rewrites)) = ask {
                rewrites.hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

fn said(item: &CounterItem) -> String {
    let room = item.cuts.get(&Unit::Tokens).map_or(String::new(), |cut| format!("+{} of {}", cut.room, cut.limit));
    format!("{}{room}{}", item.committed(Unit::Tokens), if item.overdrawn { "!" } else { "" })
}

fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Done => "done",
        Answer::Stored(_) => "stored before",
        Answer::Refused(_) => "refused",
        Answer::Items(_) => "read",
        Answer::Changed => "not rewritten",
    }
}

fn is_met(condition: &Condition, item: Option<&CounterItem>, defect: Defect) -> bool {
    match (condition, defect) {
        (Condition::Room(asked), Defect::RoomUnchecked) => {
            let no_hold = asked.iter().map(|(unit, asked)| (*unit, super::Asked { hold: 0, ..*asked })).collect();
            Condition::Room(no_hold).is_met(item)
        }
        (Condition::Room(asked), Defect::LimitUnchecked) => {
            let any_limit = |(unit, asked): (&Unit, &super::Asked)| {
                let limit = item.and_then(|item| item.cuts.get(unit)).map_or(asked.limit, |cut| cut.limit);
                (*unit, super::Asked { limit, ..*asked })
            };
            Condition::Room(asked.iter().map(any_limit).collect()).is_met(item)
        }
        (Condition::Room(_), Defect::OverdrawnUnchecked) => {
            condition.is_met(item.map(|item| CounterItem { overdrawn: false, ..item.clone() }).as_ref())
        }
        (Condition::Excess(_), Defect::ExcessUnchecked) => item.is_some(),
        _ => condition.is_met(item),
    }
}

/// What an exploration saw.
#[derive(Debug, Default)]
struct Seen {
    states: usize,
    depth: usize,
    /// How the requests ended, over all histories.
    ends: BTreeSet<Vec<String>>,
}

/// Explores everything, the shortest histories first.
fn explore(wishes: &[Wish], mishaps: u8, defect: Defect) -> Result<Seen, String> {
    let first = World::new(wishes, mishaps);
    let (mut known, mut seen) = (HashSet::from([first.fingerprint()]), Seen::default());
    let mut layer = vec![first];
    while !layer.is_empty() {
        seen.depth += 1;
        let mut next = Vec::new();
        for world in layer {
            seen.states += 1;
            let successors = world.successors(defect);
            if successors.is_empty() {
                world.check_end()?;
                let word = |process: &Rc<Process>| if let Phase::Over(word) = &process.phase { word.clone() } else { String::new() };
                seen.ends.insert(world.processes.iter().map(word).collect());
            }
            for successor in successors {
                let successor = successor.map_err(|error| format!("at depth {}: {error}", seen.depth))?;
                if known.insert(successor.fingerprint()) {
                    next.push(successor);
                }
            }
        }
        layer = next;
    }
    Ok(seen)
}

/// Requests for a counter of two shards, so that they meet in every way.
fn scenarios() -> Vec<(&'static str, Vec<Wish>)> {
    use End::{Doubt, Release, Settle};
    vec![
        ("room for two of three", vec![wish(10, 4, 0, Settle(2)), wish(10, 4, 1, Release), wish(10, 4, 0, Doubt)]),
        ("holds larger than a shard's part", vec![wish(10, 6, 0, Settle(1)), wish(10, 6, 1, Settle(6)), wish(10, 3, 1, Release)]),
        ("usage above the hold, with room elsewhere", vec![wish(10, 2, 0, Settle(7)), wish(10, 2, 1, Release), wish(10, 3, 0, Settle(3))]),
        ("usage above the limit", vec![wish(10, 2, 0, Settle(12)), wish(10, 3, 1, Release), wish(10, 2, 1, Settle(2))]),
        ("two above the limit at once", vec![wish(10, 3, 0, Settle(9)), wish(10, 3, 1, Settle(9)), wish(10, 2, 0, Release)]),
        ("a higher limit beside the old one", vec![wish(6, 3, 0, Settle(1)), wish(10, 4, 1, Release), wish(6, 3, 1, Settle(3))]),
        ("a lower limit, and usage above the hold", vec![wish(10, 4, 0, Settle(8)), wish(7, 3, 1, Release), wish(10, 2, 1, Settle(2))]),
    ]
}

#[test]
fn in_no_order_of_requests_is_a_limit_passed_or_a_charge_lost() {
    for (name, wishes) in scenarios() {
        let seen = explore(&wishes, 1, Defect::None).unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}: {} states, {} requests deep, {:?}", seen.states, seen.depth, seen.ends);
        // All held and ended in some order, and where there is room for all of them, in every order.
        assert!(seen.states > 1_000 && seen.ends.iter().any(|end| end.contains(&"ended".to_owned())), "{name}: {seen:?}");
    }
}

#[test]
fn every_planted_defect_is_found() {
    use Defect::{CutUnchecked, ExcessUnchecked, LimitUnchecked, OverdrawnUnchecked, RewriteTorn, RoomUnchecked, ShiftUnchecked};
    let cases = [
        (RoomUnchecked, "room for two of three"),
        (LimitUnchecked, "a lower limit, and usage above the hold"),
        (OverdrawnUnchecked, "usage above the limit"),
        (ExcessUnchecked, "usage above the limit"),
        (CutUnchecked, "a lower limit, and usage above the hold"),
        (ShiftUnchecked, "usage above the hold, with room elsewhere"),
        (RewriteTorn, "two above the limit at once"),
    ];
    let scenarios: BTreeMap<_, _> = scenarios().into_iter().collect();
    for (defect, scenario) in cases {
        let found = explore(&scenarios[scenario], 1, defect);
        println!("{defect:?}: {}", found.as_ref().err().map_or("not found", String::as_str));
        assert!(found.is_err(), "{defect:?} was not found");
    }
}
