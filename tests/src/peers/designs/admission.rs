//! Failures in who is let in.

use crate::peers::system::{Ask, Counters, Fate, Limit, System, Unit};
use std::collections::{BTreeMap, BTreeSet};

/// The usage of a call that may be billed.
pub fn billed(fate: Fate) -> Option<cost_sentry_core::price::Usage> {
    match fate {
        Fate::Answered(usage) | Fate::ClientGone(usage) => Some(usage),
        Fate::NotProcessed | Fate::NeverSent => None,
    }
}

/// Checks the limit that the key itself carries; this one's budget is a record of its own, to which the key refers.
pub struct OwnFieldOnly {
    own_limit: Option<i64>,
    referred: Counters,
}

impl System for OwnFieldOnly {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { own_limit: None, referred: Counters::new(limits) }
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        let spend = self.referred.of("few");
        self.own_limit.is_none_or(|limit| spend < limit)
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        if let Some(usage) = billed(fate) {
            self.referred.charge(&usage);
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.referred.of(budget)
    }
}

/// Looks at the counter, and adds to it when the call has ended.
pub struct AfterTheFact(Counters);

impl System for AfterTheFact {
    async fn start(limits: Vec<Limit>) -> Self {
        Self(Counters::new(limits))
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        self.0.are_below()
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        if let Some(usage) = billed(fate) {
            self.0.charge(&usage);
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.0.of(budget)
    }
}

/// A newcomer has no record, and so no budget, until its first call has ended and one was made.
pub struct NoDefaultYet {
    counters: Counters,
    known: BTreeSet<&'static str>,
}

impl System for NoDefaultYet {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { counters: Counters::new(limits), known: BTreeSet::new() }
    }

    async fn ask(&mut self, ask: &Ask) -> bool {
        !self.known.contains(ask.application) || self.counters.are_below()
    }

    async fn end(&mut self, ask: &Ask, fate: Fate) {
        self.known.insert(ask.application);
        if let Some(usage) = billed(fate) {
            self.counters.charge(&usage);
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.counters.of(budget)
    }
}

/// Checks the routes that are in its list; a pass-through is not.
pub struct BypassedRoute(Counters);

impl System for BypassedRoute {
    async fn start(limits: Vec<Limit>) -> Self {
        Self(Counters::new(limits))
    }

    async fn ask(&mut self, ask: &Ask) -> bool {
        let listed = ask.route == 0;
        !listed || self.0.are_below()
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        if let Some(usage) = billed(fate) {
            self.0.charge(&usage);
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.0.of(budget)
    }
}

/// Counts in the memory of each process, exactly.
pub struct PerProcess {
    limits: Vec<Limit>,
    processes: BTreeMap<usize, Counters>,
}

impl System for PerProcess {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { limits, processes: BTreeMap::new() }
    }

    async fn ask(&mut self, ask: &Ask) -> bool {
        let fresh = || Counters::new(self.limits.clone());
        self.processes.entry(ask.replica).or_insert_with(fresh).are_below()
    }

    async fn end(&mut self, ask: &Ask, fate: Fate) {
        if let (Some(usage), Some(own)) = (billed(fate), self.processes.get_mut(&ask.replica)) {
            own.charge(&usage);
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.processes.values().map(|own| own.of(budget)).sum()
    }
}

/// Allows whoever has no policy.
pub struct OpenWithoutPolicy(Counters);

impl System for OpenWithoutPolicy {
    async fn start(limits: Vec<Limit>) -> Self {
        Self(Counters::new(limits))
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        self.0.limits.is_empty() || self.0.are_below()
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        if let Some(usage) = billed(fate) {
            self.0.charge(&usage);
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.0.of(budget)
    }
}

/// Increments every limit first, and refuses where one is then over.
pub struct EveryLimitCounts(Counters);

impl System for EveryLimitCounts {
    async fn start(limits: Vec<Limit>) -> Self {
        Self(Counters::new(limits))
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        for limit in self.0.limits.clone() {
            self.0.add(limit.name, 1);
        }
        self.0.limits.iter().all(|limit| self.0.of(limit.name) <= limit.most)
    }

    async fn end(&mut self, _ask: &Ask, _fate: Fate) {}

    async fn spent(&mut self, budget: &str) -> i64 {
        self.0.of(budget)
    }
}

/// Holds the model's whole output window where a request sets no `max_tokens`.
pub struct WholeWindow(Counters);

/// Output tokens that the model can write at most.
const WINDOW: i64 = 8_192;

impl System for WholeWindow {
    async fn start(limits: Vec<Limit>) -> Self {
        Self(Counters::new(limits))
    }

    async fn ask(&mut self, ask: &Ask) -> bool {
        let hold = ask.max_tokens.unwrap_or(WINDOW);
        let fits = self.0.limits.iter().all(|limit| self.0.of(limit.name) + hold <= limit.most);
        if fits {
            for limit in self.0.limits.clone() {
                self.0.add(limit.name, hold);
            }
        }
        fits
    }

    async fn end(&mut self, _ask: &Ask, _fate: Fate) {}

    async fn spent(&mut self, budget: &str) -> i64 {
        self.0.of(budget)
    }
}

/// Shrinks a hold that does not fit to what is left, and lets it in while that is more than nothing.
pub struct ShrunkHold(Counters, BTreeMap<String, i64>);

impl System for ShrunkHold {
    async fn start(limits: Vec<Limit>) -> Self {
        Self(Counters::new(limits), BTreeMap::new())
    }

    async fn ask(&mut self, ask: &Ask) -> bool {
        let left = self.0.limits.iter().filter(|limit| limit.unit == Unit::Output).map(|limit| limit.most - self.0.of(limit.name));
        let hold = left.min().unwrap_or(0).min(ask.max_tokens.unwrap_or(WINDOW));
        if hold <= 0 {
            return false;
        }
        self.1.insert(ask.id.clone(), hold);
        self.0.add("out", hold);
        true
    }

    async fn end(&mut self, ask: &Ask, fate: Fate) {
        let used = billed(fate).map_or(0, |usage| i64::try_from(usage.output.0).unwrap());
        let hold = self.1.remove(&ask.id).unwrap_or(0);
        self.0.add("out", used - hold);
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.0.of(budget)
    }
}
