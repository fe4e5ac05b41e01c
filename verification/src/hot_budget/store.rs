//! The model of DynamoDB, as far as it matters to a hot item.
//!
//! - Each item lies on a partition of its own, which takes so many write units a second and saves up no more than one second's; a
//!   transaction takes two units per item (all are smaller than 1 KB). Without units left, the request is throttled.
//! - A transaction holds its items for a while; another that meets one of them meanwhile is cancelled at once, and has cost its units.
//! - Conditions are looked at when a transaction arrives, and a failed one costs as much. What it writes shows once it is through.
//! - Reads are free of both, and see each item as it is at that moment.
//!
//! Left out: the reservations' own items, which are spread, and meet nobody but themselves.

use super::Model;
use cost_sentry_core::budget::CounterKey;
use cost_sentry_core::counter::{Answer, Ask, CounterItem, sum};
use cost_sentry_core::reservation::State;
use std::collections::BTreeMap;

/// Virtual time, in microseconds.
pub type Micros = u64;

/// Write units that a transaction takes per item.
const UNITS: f64 = 2.0;

/// What became of a request on its arrival.
#[derive(Debug)]
pub enum Arrived {
    /// It is answered, and changes nothing.
    Answered(Answer),
    /// It changes these items once it is through.
    Through(Vec<(CounterKey, CounterItem)>),
    /// It met another.
    Conflict,
    /// A partition had no units left.
    Throttled,
}

#[derive(Debug, Default)]
struct Stored {
    item: Option<CounterItem>,
    held_until: Micros,
    units: f64,
    counted_at: Micros,
}

/// The counter's items.
#[derive(Debug)]
pub struct Store {
    items: BTreeMap<CounterKey, Stored>,
    units_per_second: f64,
    /// Write units taken since the beginning.
    pub units: f64,
    /// The most that was ever committed beyond a hold's limit when it was written.
    pub over: i64,
    committed: i64,
}

impl Store {
    /// An empty table.
    pub fn new(model: &Model) -> Self {
        Self { items: BTreeMap::new(), units_per_second: f64::from(model.write_units_per_second), units: 0.0, over: i64::MIN, committed: 0 }
    }

    /// All that is committed on all shards.
    pub fn committed(&self) -> i64 {
        self.committed
    }

    /// A request arrives, and would hold what it changes until that time.
    pub fn arrive(&mut self, ask: &Ask, now: Micros, held_until: Micros) -> Arrived {
        let keys: Vec<&CounterKey> = match ask {
            Ask::Read(keys) => {
                let found = keys.iter().filter_map(|key| Some((key.clone(), self.items.get(key)?.item.clone()?)));
                return Arrived::Answered(Answer::Items(found.collect()));
            }
            Ask::Write { moves, .. } => moves.iter().map(|one| &one.key).collect(),
            Ask::Rewrite(rewrites) => rewrites.iter().map(|rewrite| &rewrite.key).collect(),
        };
        if !self.take_units(&keys, now) {
            return Arrived::Throttled;
        }
        if keys.iter().any(|key| self.items.get(*key).is_some_and(|stored| stored.held_until > now)) {
            return Arrived::Conflict;
        }
        let arrived = self.decide(ask);
        if let Arrived::Through(changed) = &arrived {
            for (key, _) in changed {
                self.items.entry(key.clone()).or_default().held_until = held_until;
            }
        }
        arrived
    }

    fn take_units(&mut self, keys: &[&CounterKey], now: Micros) -> bool {
        let rate = self.units_per_second;
        let mut enough = true;
        for key in keys {
            let stored = self.items.entry((*key).clone()).or_insert_with(|| Stored { units: rate, counted_at: now, ..Stored::default() });
            #[expect(clippy::cast_precision_loss, reason = "microseconds of minutes")]
            let passed = (now - stored.counted_at) as f64 / 1e6;
            stored.units = (stored.units + passed * rate).min(rate);
            stored.counted_at = now;
            enough &= stored.units >= UNITS;
        }
        if enough {
            for key in keys {
                if let Some(stored) = self.items.get_mut(*key) {
                    stored.units -= UNITS;
                    self.units += UNITS;
                }
            }
        }
        enough
    }

    fn decide(&self, ask: &Ask) -> Arrived {
        let item = |key: &CounterKey| self.items.get(key).and_then(|stored| stored.item.clone());
        let mut changed = Vec::new();
        match ask {
            Ask::Read(_) => {}
            Ask::Write { moves, .. } => {
                let mut refused = Vec::new();
                for one in moves {
                    let found = item(&one.key);
                    if one.condition.is_met(found.as_ref()) {
                        let mut next = found.unwrap_or_default();
                        one.apply(&mut next);
                        changed.push((one.key.clone(), next));
                    } else {
                        refused.push((one.key.clone(), found));
                    }
                }
                if !refused.is_empty() {
                    return Arrived::Answered(Answer::Refused(refused));
                }
            }
            Ask::Rewrite(rewrites) => {
                for rewrite in rewrites {
                    let found = item(&rewrite.key);
                    if !rewrite.change.is_allowed(found.as_ref()) {
                        return Arrived::Answered(Answer::Changed);
                    }
                    let mut next = found.unwrap_or_default();
                    rewrite.change.apply(&mut next);
                    changed.push((rewrite.key.clone(), next));
                }
            }
        }
        Arrived::Through(changed)
    }

    /// A request is through: what it wrote shows.
    pub fn commit(&mut self, ask: &Ask, changed: Vec<(CounterKey, CounterItem)>) {
        for (key, next) in changed {
            let stored = self.items.entry(key).or_default();
            self.committed += committed(&next) - stored.item.as_ref().map_or(0, committed);
            stored.item = Some(next);
        }
        if let Ask::Write { reservation, .. } = ask
            && reservation.state == State::Held
        {
            let limits = reservation.enforced().flat_map(|charge| &charge.amounts).map(|amount| amount.limit.cast_signed());
            self.over = limits.map(|limit| self.committed - limit).fold(self.over, i64::max);
        }
    }
}

fn committed(item: &CounterItem) -> i64 {
    sum([&item.figures]).values().map(|figures| figures.committed).sum()
}
