//! The ledger in memory: a shell over `core`'s transitions, with the same promises as the DynamoDB ledger. For simulations and
//! as the other side of the equivalence tests.

use crate::ports::{CounterFigures, Created, Ledger, LedgerError, Written};
use cost_sentry_core::budget::{CounterKey, Mode};
use cost_sentry_core::reservation::{Charge, CounterDelta, Figures, Reservation, State, Step};
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
    /// By key, then unit; shadow counters among them.
    pub counters: BTreeMap<CounterKey, CounterFigures>,
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

    /// Forgets a counter, as a store does some time after the end of its window.
    pub fn expire(&self, counter: &CounterKey) {
        self.lock().counters.remove(counter);
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // A panic elsewhere leaves whole transitions behind, since each is applied under one lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn add(&mut self, delta: &CounterDelta) {
        let figures = self.counters.entry(delta.key.clone()).or_default().entry(delta.unit).or_default();
        figures.committed += delta.committed;
        figures.used += delta.used;
        figures.uncertain += delta.uncertain;
    }

    fn figures(&self, charge: &Charge) -> CounterFigures {
        self.counters.get(&charge.key()).cloned().unwrap_or_default()
    }

    fn has_room(&self, charge: &Charge) -> bool {
        let figures = self.figures(charge);
        charge.amounts.iter().all(|amount| {
            let committed = figures.get(&amount.unit).copied().unwrap_or_default().committed;
            amount.ceiling().is_some_and(|ceiling| i128::from(committed) <= i128::from(ceiling))
        })
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
        if reservation.state == State::Held {
            let refusing: Vec<_> = reservation.enforced().filter(|charge| !books.has_room(charge)).collect();
            if !refusing.is_empty() {
                return Ok(Created::NoRoom(refusing.iter().map(|charge| (charge.key(), books.figures(charge))).collect()));
            }
            reservation.hold_deltas().iter().for_each(|delta| books.add(delta));
        }
        books.reservations.insert(reservation.request_id().to_owned(), reservation.clone());
        Ok(Created::Created)
    }

    async fn find(&self, request_id: &str) -> Result<Option<Reservation>, LedgerError> {
        Ok(self.lock().reservations.get(request_id).cloned())
    }

    async fn write(&self, version: u64, step: &Step) -> Result<Written, LedgerError> {
        let mut books = self.lock();
        let stored = books.reservations.get(step.next.request_id());
        if stored.is_none_or(|stored| stored.version != version) {
            return Ok(Written::Changed(stored.cloned().map(Box::new)));
        }
        books.reservations.insert(step.next.request_id().to_owned(), step.next.clone());
        for delta in &step.deltas {
            if books.counters.contains_key(&delta.key) {
                books.add(delta);
            }
        }
        Ok(Written::Written)
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
