//! The books of a stopped process, opened through the library and added up.

use crate::binary::Desk;
use cost_sentry::local::stack::{Options, Stack};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::reservation::{Figures, Reservation, State};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use std::collections::BTreeMap;

/// Committed, used and uncertain of each counter and unit.
type Sums = BTreeMap<(String, Unit), [i64; 3]>;

/// Open books.
pub struct Books {
    pub stack: Stack,
    pub reservations: Vec<Reservation>,
    pub counters: Sums,
}

impl Books {
    /// Opens a desk's books and checks that every counter is the sum of its reservations' shares.
    pub async fn open(desk: &Desk) -> Self {
        let stack = Stack::start(Options { data: Some(desk.books()), ..Options::default() }).await.unwrap();
        Self { stack, reservations: Vec::new(), counters: Sums::new() }.read_again().await
    }

    /// Reads them again, and checks them again.
    pub async fn read_again(mut self) -> Self {
        let ledger = self.stack.ledger();
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        self.reservations = ledger.decided_on(today).await.unwrap();
        self.reservations.extend(ledger.decided_on(today - 1.day()).await.unwrap());
        let mut sums = Sums::new();
        let mut keys = Vec::new();
        for reservation in &self.reservations {
            keys.extend(reservation.enforced().map(cost_sentry_core::reservation::Charge::key));
            for (key, unit, share) in reservation.shares() {
                let sum = sums.entry((key.as_str().to_owned(), unit)).or_default();
                add(sum, &share);
            }
        }
        keys.sort();
        keys.dedup();
        self.counters = Sums::new();
        for (key, shown) in ledger.counters(&keys).await.unwrap() {
            for (unit, figures) in shown {
                add(self.counters.entry((key.clone(), unit)).or_default(), &figures);
            }
        }
        let without_nothing = |sums: &Sums| sums.clone().into_iter().filter(|(_, sum)| *sum != [0; 3]).collect::<Sums>();
        assert_eq!(without_nothing(&self.counters), without_nothing(&sums));
        self
    }

    /// How many reservations stand like this.
    pub fn count(&self, state: State) -> usize {
        self.reservations.iter().filter(|reservation| reservation.state == state).count()
    }
}

fn add(sum: &mut [i64; 3], figures: &Figures) {
    for (sum, figure) in sum.iter_mut().zip([figures.committed, figures.used, figures.uncertain]) {
        *sum += figure;
    }
}
