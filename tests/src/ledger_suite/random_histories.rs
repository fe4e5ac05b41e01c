//! The same random histories on both stores: after every operation the same answers, reservations and counters.

use super::Embedded;
use super::books::{amount, at, charge, claim, denied, doubt, held, release, settle, shadow, spread, sweep, unclaim};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::reservation::{Charge, Figures, Reservation, State, Transition, Verdict, transition};
use cost_sentry_workflow::ledger::{drive, drive_stored};
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::ports::{CounterFigures, Created, Ledger};
use fastrand::Rng;
use std::collections::BTreeMap;

const HISTORIES: u64 = 80;
const OPERATIONS: usize = 40;
/// So few budgets and ids that histories collide with themselves, and so little room that some holds are refused.
const BUDGETS: usize = 3;
const IDS: u64 = 6;
/// The limits of two versions of the policy that are in force at once.
const LIMITS: [u64; 2] = [2_000, 1_600];

/// One history, on both stores at once.
struct History<'a> {
    seed: u64,
    rng: Rng,
    memory: &'a MemoryLedger,
    dynamodb: &'a Embedded,
    /// Copies of reservations as they once were.
    stale: Vec<Reservation>,
    trail: Vec<String>,
}

/// The answers of both stores, which must be the same.
macro_rules! on_both {
    ($history:ident, $ledger:ident => $answer:expr) => {{
        let memory = {
            let $ledger = $history.memory;
            $answer
        };
        let dynamodb = {
            let $ledger = &$history.dynamodb.ledger;
            $answer
        };
        assert_eq!(memory, dynamodb, "seed {}: {:#?}", $history.seed, $history.trail);
        memory
    }};
}

impl History<'_> {
    fn generation(&mut self) -> u8 {
        u8::from(self.rng.u8(..4) == 0)
    }

    fn id(&mut self) -> String {
        format!("h{}-{}", self.seed, self.rng.u64(..IDS))
    }

    /// The counter of a budget, with what a request would hold on it.
    fn charge(&mut self, budget: usize) -> Charge {
        let limit = LIMITS[usize::from(self.generation())];
        let mut hold = |most| self.rng.u64(..=most);
        let amounts = [amount(Unit::Tokens, limit, hold(900)), amount(Unit::Requests, 4, 1), amount(Unit::Usd, 9_000, hold(9_010))];
        let mut charge = charge(&format!("b{budget}"), &amounts[..=budget]);
        charge.scope = format!("history={}", self.seed);
        charge
    }

    /// Every counter that the history can touch.
    fn counters(&mut self) -> Vec<Charge> {
        let exact: Vec<Charge> = (0..BUDGETS).map(|budget| self.charge(budget)).collect();
        exact.iter().cloned().chain(exact.iter().cloned().map(shadow)).collect()
    }

    fn reservation(&mut self) -> Reservation {
        let mut charges = Vec::new();
        for budget in 0..BUDGETS {
            let charge = self.charge(budget);
            match self.rng.u8(..5) {
                0 => {}
                1 => charges.push(shadow(charge)),
                _ => charges.push(charge),
            }
        }
        let id = self.id();
        if self.rng.u8(..8) == 0 { denied(&id, charges) } else { held(&id, charges) }
    }

    fn event(&mut self) -> Transition {
        let claim_id = self.rng.choice(["c1", "c1", "c1", "c2"]).unwrap();
        match self.rng.u8(..10) {
            0..=3 => claim(claim_id),
            4 => unclaim(claim_id),
            5..=6 => settle(claim_id, self.rng.u64(..800), self.rng.u64(..300)),
            7 => doubt(claim_id),
            8 => release(self.rng.bool().then_some(claim_id)),
            _ => sweep(),
        }
    }

    async fn operate(&mut self) {
        match self.rng.u8(..12) {
            0..=3 => self.create().await,
            4..=7 => {
                let (id, event) = (self.id(), self.event());
                self.trail.push(format!("drive {id} {event:?}"));
                let _ = on_both!(self, ledger => drive_stored(ledger, &id, &event).await.unwrap());
            }
            8..=9 => self.drive_stale().await,
            10 => {
                let (before, most) = (at("2026-11-20T12:46:00Z"), self.rng.usize(1..30));
                self.trail.push(format!("leases, at most {most}"));
                on_both!(self, ledger => ledger.leases_past(before, most).await.unwrap());
            }
            _ => {
                let budget = self.rng.usize(..BUDGETS);
                let charge = self.charge(budget);
                self.trail.push(format!("expire {:?}", charge.key()));
                super::Store::expire(self.memory, &charge).await;
                super::Store::expire(self.dynamodb, &charge).await;
            }
        }
    }

    async fn create(&mut self) {
        let reservation = self.reservation();
        self.trail.push(format!("create {:?} {} {:?}", reservation.state, reservation.request_id(), reservation.charges));
        let created = on_both!(self, ledger => sorted(ledger.create(&reservation).await.unwrap()));
        if created == Created::Created && reservation.state == State::Held {
            on_both!(self, ledger => ledger.count_shadow(&reservation.shadow_hold_deltas()).await);
        }
    }

    /// Drives, or writes, from a copy that may be out of date.
    async fn drive_stale(&mut self) {
        let Some(known) = self.rng.choice(&self.stale).cloned() else { return };
        let event = self.event();
        self.trail.push(format!("from version {} of {}: {event:?}", known.version, known.request_id()));
        if self.rng.bool() {
            let _ = on_both!(self, ledger => drive(ledger, known.clone(), &event).await.unwrap());
        } else if let Verdict::Apply(step) = transition(&known, &event) {
            on_both!(self, ledger => ledger.write(known.version, &step).await.unwrap());
        }
    }

    /// Both stores hold the same.
    async fn compare(&mut self) {
        let counters = self.counters();
        on_both!(self, ledger => ledger.figures(&counters).await.unwrap());
        let id = self.id();
        self.stale.extend(on_both!(self, ledger => ledger.find(&id).await.unwrap()));
    }
}

/// A refusal's counters come in no order.
fn sorted(created: Created) -> Created {
    match created {
        Created::NoRoom(mut refusing) => {
            refusing.sort_by(|(a, _), (b, _)| a.cmp(b));
            Created::NoRoom(refusing)
        }
        other => other,
    }
}

#[tokio::test]
async fn both_stores_give_the_same_answers_and_keep_the_same_books_after_any_history() {
    same_after_any_history(1, HISTORIES).await;
}

#[tokio::test]
async fn both_stores_give_the_same_answers_on_shards_and_cut_them_in_the_same_way() {
    same_after_any_history(3, HISTORIES / 2).await;
}

async fn same_after_any_history(shards: u8, histories: u64) {
    spread(shards);
    let (memory, dynamodb) = (MemoryLedger::default(), Embedded::start().await);
    for seed in 0..histories {
        let (rng, stale, trail) = (Rng::with_seed(seed), Vec::new(), Vec::new());
        let mut history = History { seed, rng, memory: &memory, dynamodb: &dynamodb, stale, trail };
        for _ in 0..OPERATIONS {
            history.operate().await;
            history.compare().await;
        }
        for n in 0..IDS {
            let id = format!("h{seed}-{n}");
            on_both!(history, ledger => ledger.find(&id).await.unwrap());
        }
    }
    // The histories reach what they are for.
    let mut reached: BTreeMap<State, usize> = BTreeMap::new();
    memory.books().reservations.values().for_each(|stored| *reached.entry(stored.state).or_default() += 1);
    assert!(State::ALL.iter().all(|state| reached.get(state).copied().unwrap_or(0) > 10), "{reached:?}");
}

#[tokio::test]
async fn the_books_equal_the_sums_over_their_reservations_after_any_history() {
    let (memory, dynamodb) = (MemoryLedger::default(), Embedded::start().await);
    let seed = HISTORIES;
    let (rng, stale, trail) = (Rng::with_seed(seed), Vec::new(), Vec::new());
    let mut history = History { seed, rng, memory: &memory, dynamodb: &dynamodb, stale, trail };
    for _ in 0..20 * OPERATIONS {
        match history.rng.u8(..3) {
            0 => history.create().await,
            1 => history.drive_stale().await,
            _ => {
                let (id, event) = (history.id(), history.event());
                let _ = on_both!(history, ledger => drive_stored(ledger, &id, &event).await.unwrap());
            }
        }
        history.compare().await;
        let books = memory.books();
        let exact = books.counters.iter().filter(|(key, _)| key.as_str().starts_with("C#"));
        let shown: BTreeMap<_, CounterFigures> = exact.map(|(key, figures)| (key.clone(), figures.clone())).collect();
        let zero = |figures: &CounterFigures| figures.values().all(|figures| *figures == Figures::default());
        let mut sums = books.recount();
        for key in shown.keys() {
            sums.entry(key.clone()).or_default();
        }
        for (key, sum) in sums {
            let shown = shown.get(&key).cloned().unwrap_or_default();
            assert!(shown == sum || zero(&shown) && zero(&sum), "{key:?}: {shown:?}, not {sum:?}");
        }
    }
}
