//! Failures in what a call is charged.

use super::admission::billed;
use crate::peers::system::{Ask, Counters, Fate, Limit, System, Unit, charged, cost};
use cost_sentry_core::price::Usage;

/// Counters with a rule of their own for what a call comes to.
macro_rules! booked {
    ($(#[$doc:meta])* $name:ident, |$fate:ident, $counters:ident| $book:expr) => {
        $(#[$doc])*
        pub struct $name(Counters);

        impl System for $name {
            async fn start(limits: Vec<Limit>) -> Self {
                Self(Counters::new(limits))
            }

            async fn ask(&mut self, _ask: &Ask) -> bool {
                self.0.are_below()
            }

            async fn end(&mut self, _ask: &Ask, $fate: Fate) {
                let $counters = &mut self.0;
                $book;
            }

            async fn spent(&mut self, budget: &str) -> i64 {
                self.0.of(budget)
            }
        }
    };
}

/// Adds a cost in nano-dollars.
fn book(counters: &mut Counters, fate: Fate, cost: impl Fn(&Usage) -> i64) {
    if let Some(usage) = billed(fate) {
        counters.add("usd", cost(&usage));
    }
}

fn count(tokens: cost_sentry_core::quantity::Tokens) -> i64 {
    i64::try_from(tokens.0).unwrap()
}

/// Input and output at their rates, nothing else.
fn plain(usage: &Usage) -> i64 {
    800 * count(usage.input) + 4_000 * count(usage.output)
}

booked! {
    /// Knows no price for what the cache serves.
    CacheForFree, |fate, counters| book(counters, fate, plain)
}

booked! {
    /// Takes the input for all of it, with what went into the cache, and adds that at its own rate once more.
    CacheTwice, |fate, counters| book(counters, fate, |usage| {
        plain(usage) + 800 * count(usage.cache_write) + 1_000 * count(usage.cache_write)
    })
}

booked! {
    /// Takes what the cache served out of the input, in which Bedrock never had it.
    NegativeCache, |fate, counters| book(counters, fate, |usage| {
        800 * (count(usage.input) - count(usage.cache_read)) + 4_000 * count(usage.output) + 80 * count(usage.cache_read)
    })
}

booked! {
    /// Decreases in whole dollars.
    WholeNumbers, |fate, counters| book(counters, fate, |usage| cost(usage) / 1_000_000_000 * 1_000_000_000)
}

booked! {
    /// Takes the running total, and at the end of the stream takes it again.
    EndIsReadTwice, |fate, counters| if let Some(usage) = billed(fate) {
        counters.charge(&usage);
    }
}

booked! {
    /// Books in the last step of delivering the answer, which a client that has gone away never reaches.
    StreamsOnly, |fate, counters| if let Fate::Answered(usage) = fate {
        counters.charge(&usage);
    }
}

/// Holds on several accounts at once, and pairs the receipts with the requests by their places, though the store returns them in an
/// order of its own.
pub struct Receipts {
    counters: Counters,
    /// Of the one call: which account's receipt stands in the place of which request.
    receipts: Vec<&'static str>,
}

fn hold(unit: Unit, ask: &Ask) -> i64 {
    if unit == Unit::Requests { 1 } else { ask.max_tokens.unwrap_or(0) }
}

impl System for Receipts {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { counters: Counters::new(limits), receipts: Vec::new() }
    }

    async fn ask(&mut self, ask: &Ask) -> bool {
        for limit in self.counters.limits.clone() {
            self.counters.add(limit.name, hold(limit.unit, ask));
        }
        self.receipts = self.counters.limits.iter().map(|limit| limit.name).collect();
        self.receipts.sort_unstable();
        true
    }

    async fn end(&mut self, ask: &Ask, fate: Fate) {
        for (limit, account) in self.counters.limits.clone().into_iter().zip(self.receipts.clone()) {
            let used = billed(fate).map_or(0, |usage| charged(limit.unit, &usage));
            self.counters.add(account, used - hold(limit.unit, ask));
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.counters.of(budget)
    }
}

/// Takes more than was held only while that fits, and else nothing more.
pub struct AsNeeded(Counters);

impl System for AsNeeded {
    async fn start(limits: Vec<Limit>) -> Self {
        Self(Counters::new(limits))
    }

    async fn ask(&mut self, ask: &Ask) -> bool {
        let hold = ask.max_tokens.unwrap_or(0);
        let fits = self.0.limits.iter().all(|limit| self.0.of(limit.name) + hold <= limit.most);
        if fits {
            self.0.add("out", hold);
        }
        fits
    }

    async fn end(&mut self, ask: &Ask, fate: Fate) {
        let more = billed(fate).map_or(0, |usage| count(usage.output)) - ask.max_tokens.unwrap_or(0);
        let most = self.0.limits.iter().map(|limit| limit.most).min().unwrap_or(0);
        if self.0.of("out") + more <= most {
            self.0.add("out", more);
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.0.of(budget)
    }
}
