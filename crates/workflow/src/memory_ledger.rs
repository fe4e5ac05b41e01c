//! The ledger in memory: a shell over `core`'s transitions, with the same promises as the DynamoDB ledger. For simulations and
//! as the other side of the equivalence tests.

use crate::ports::{CounterFigures, Created, Ledger, LedgerError, Written};
use cost_sentry_core::budget::{CounterKey, Mode, Unit};
use cost_sentry_core::counter::{Answer, Ask, CounterItem, Cut, Held, Holding, Moved, Moving, Next, sum};
use cost_sentry_core::reservation::{Charge, CounterDelta, Figures, Reservation, State, Step, UnitCharge};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Reservations and counters behind one lock.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    books: Mutex<Books>,
}

/// What the ledger holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// By request id.
    pub reservations: BTreeMap<String, Reservation>,
    /// By key, then unit; shadow counters among them. A sharded counter has one entry per shard that anything was ever held on.
    pub counters: BTreeMap<CounterKey, CounterFigures>,
    /// How the limits of sharded counters are cut, by the shard's key.
    pub shards: BTreeMap<CounterKey, Shards>,
}

/// One shard's parts of its counter's limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shards {
    /// Per unit.
    pub cuts: BTreeMap<Unit, Cut>,
    /// Nothing is held here before the counter has been cut anew.
    pub overdrawn: bool,
}

impl From<Books> for MemoryLedger {
    /// A ledger that goes on from these books.
    fn from(books: Books) -> Self {
        Self { books: Mutex::new(books) }
    }
}

impl MemoryLedger {
    /// A copy of everything, taken at one moment.
    pub fn books(&self) -> Books {
        self.lock().clone()
    }

    /// Forgets one item of a counter, as a store does some time after the end of its window.
    pub fn expire(&self, item: &CounterKey) {
        let mut books = self.lock();
        books.counters.remove(item);
        books.shards.remove(item);
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // A panic elsewhere leaves whole transitions behind, since each is applied under one lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// What one item of a counter says, if there is one.
    pub fn item(&self, key: &CounterKey) -> Option<CounterItem> {
        let (figures, shards) = (self.counters.get(key), self.shards.get(key));
        if figures.is_none() && shards.is_none() {
            return None;
        }
        let Shards { cuts, overdrawn } = shards.cloned().unwrap_or_default();
        Some(CounterItem { figures: figures.cloned().unwrap_or_default(), cuts, overdrawn })
    }

    fn put(&mut self, key: &CounterKey, item: CounterItem) {
        let CounterItem { figures, cuts, overdrawn } = item;
        if !figures.is_empty() {
            self.counters.insert(key.clone(), figures);
        }
        if self.shards.contains_key(key) || overdrawn || !cuts.is_empty() {
            self.shards.insert(key.clone(), Shards { cuts, overdrawn });
        }
    }

    fn add(&mut self, delta: &CounterDelta) {
        let figures = self.counters.entry(delta.key.clone()).or_default().entry(delta.unit).or_default();
        figures.committed += delta.committed;
        figures.used += delta.used;
        figures.uncertain += delta.uncertain;
    }

    fn figures(&self, charge: &Charge) -> CounterFigures {
        sum(charge.counter_keys().iter().filter_map(|key| self.counters.get(key)))
    }

    /// Carries out one request.
    fn carry_out(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Write { reservation, version, moves } => {
                let stored = self.reservations.get(reservation.request_id());
                if stored.map(|stored| stored.version) != version {
                    return Answer::Stored(stored.cloned().map(Box::new));
                }
                let mut moved = Vec::new();
                let mut refused = Vec::new();
                for one in &moves {
                    let item = self.item(&one.key);
                    if one.condition.is_met(item.as_ref()) {
                        let mut item = item.unwrap_or_default();
                        one.apply(&mut item);
                        moved.push((&one.key, item));
                    } else {
                        refused.push((one.key.clone(), item));
                    }
                }
                if !refused.is_empty() {
                    return Answer::Refused(refused);
                }
                for (key, item) in moved {
                    self.put(key, item);
                }
                self.reservations.insert(reservation.request_id().to_owned(), *reservation);
                Answer::Done
            }
            Ask::Read(keys) => Answer::Items(keys.into_iter().filter_map(|key| Some((key.clone(), self.item(&key)?))).collect()),
            Ask::Rewrite(rewrites) => {
                let items: Vec<Option<CounterItem>> = rewrites.iter().map(|rewrite| self.item(&rewrite.key)).collect();
                if rewrites.iter().zip(&items).any(|(rewrite, item)| !rewrite.change.is_allowed(item.as_ref())) {
                    return Answer::Changed;
                }
                for (rewrite, item) in rewrites.iter().zip(items) {
                    let mut item = item.unwrap_or_default();
                    rewrite.change.apply(&mut item);
                    self.put(&rewrite.key, item);
                }
                Answer::Done
            }
        }
    }

    fn hold(&mut self, reservation: &Reservation) -> Held {
        let (mut holding, mut ask) = Holding::start(reservation);
        loop {
            let answer = self.carry_out(ask);
            match holding.answer(answer) {
                Next::Ask(next, _) => ask = next,
                Next::End(held) => return held,
            }
        }
    }

    fn move_on(&mut self, version: u64, step: &Step) -> Moved {
        let (mut moving, mut ask) = Moving::start(version, step);
        loop {
            let answer = self.carry_out(ask);
            match moving.answer(answer) {
                Next::Ask(next, _) => ask = next,
                Next::End(moved) => return moved,
            }
        }
    }
}

impl Ledger for MemoryLedger {
    async fn figures(&self, charges: &[Charge]) -> Result<Vec<CounterFigures>, LedgerError> {
        let books = self.lock();
        Ok(charges.iter().map(|charge| books.figures(charge)).collect())
    }

    async fn create(&self, reservation: &Reservation) -> Result<Created, LedgerError> {
        let mut books = self.lock();
        if let Some(stored) = books.reservations.get(reservation.request_id()) {
            return Ok(Created::Exists(Box::new(stored.clone())));
        }
        if reservation.state != State::Held {
            books.reservations.insert(reservation.request_id().to_owned(), reservation.clone());
            return Ok(Created::Created);
        }
        if reservation.enforced().flat_map(|charge| &charge.amounts).any(UnitCharge::never_fits) {
            let mut charges: Vec<Charge> = reservation.enforced().cloned().collect();
            for charge in &mut charges {
                charge.show(&books.figures(charge));
            }
            let refusing = charges.iter().filter(|charge| !charge.fits());
            return Ok(Created::NoRoom(refusing.map(|charge| (charge.key(), books.figures(charge))).collect()));
        }
        match books.hold(reservation) {
            Held::Held(placed) if *placed == *reservation => Ok(Created::Created),
            Held::Held(placed) => Ok(Created::OnOtherShards(placed)),
            Held::Exists(stored) => Ok(Created::Exists(stored)),
            Held::NoRoom(refusing) => Ok(Created::NoRoom(refusing)),
            Held::Contended => Err(LedgerError::Contended),
        }
    }

    async fn find(&self, request_id: &str) -> Result<Option<Reservation>, LedgerError> {
        Ok(self.lock().reservations.get(request_id).cloned())
    }

    async fn write(&self, version: u64, step: &Step) -> Result<Written, LedgerError> {
        match self.lock().move_on(version, step) {
            Moved::Moved => Ok(Written::Written),
            Moved::Changed(stored) => Ok(Written::Changed(stored)),
            Moved::Contended => Err(LedgerError::Contended),
        }
    }

    async fn leases_past(&self, before: Timestamp, most: usize) -> Result<Vec<Reservation>, LedgerError> {
        let books = self.lock();
        let mut past: Vec<_> = books.reservations.values().filter(|stored| stored.state.is_open() && stored.lease_end < before).collect();
        past.sort_by(|a, b| (a.lease_end, a.request_id()).cmp(&(b.lease_end, b.request_id())));
        Ok(past.into_iter().take(most).cloned().collect())
    }

    async fn count_shadow(&self, deltas: &[CounterDelta]) {
        let mut books = self.lock();
        deltas.iter().filter(|delta| delta.key.mode() == Mode::Shadow).for_each(|delta| books.add(delta));
    }
}

impl Books {
    /// What the counters must show, from the reservations alone.
    pub fn recount(&self) -> BTreeMap<CounterKey, CounterFigures> {
        let mut counters: BTreeMap<CounterKey, CounterFigures> = BTreeMap::new();
        for reservation in self.reservations.values() {
            for (key, unit, share) in reservation.shares() {
                let figures: &mut Figures = counters.entry(key).or_default().entry(unit).or_default();
                figures.committed += share.committed;
                figures.used += share.used;
                figures.uncertain += share.uncertain;
            }
        }
        counters
    }
}
