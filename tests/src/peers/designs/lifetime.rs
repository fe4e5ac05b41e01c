//! Failures in how long something is remembered: holds, spend, windows.

use super::admission::billed;
use crate::peers::system::{Ask, Counters, Fate, Limit, START, System};
use jiff::{SignedDuration, Timestamp};

/// Holds before the call and settles after it; a call that fails before its usage is known takes a way out on which nobody releases.
pub struct UnreleasedHolds(Counters);

impl System for UnreleasedHolds {
    async fn start(limits: Vec<Limit>) -> Self {
        Self(Counters::new(limits))
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        let fits = self.0.are_below();
        if fits {
            self.0.add("few", 1);
        }
        fits
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        if let Some(usage) = billed(fate) {
            self.0.add("few", -1);
            self.0.charge(&usage);
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.0.of(budget)
    }
}

/// A hold ends by itself after a minute, whether its call has ended or not.
pub struct ShortHolds {
    limits: Vec<Limit>,
    now: Timestamp,
    holds: Vec<Timestamp>,
}

impl System for ShortHolds {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { limits, now: START.parse().unwrap(), holds: Vec::new() }
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        let now = self.now;
        self.holds.retain(|held| now.duration_since(*held) < SignedDuration::from_secs(60));
        let fits = self.limits.iter().all(|limit| i64::try_from(self.holds.len()).unwrap() < limit.most);
        if fits {
            self.holds.push(now);
        }
        fits
    }

    async fn end(&mut self, _ask: &Ask, _fate: Fate) {}

    async fn at(&mut self, now: Timestamp) {
        self.now = now;
    }

    async fn spent(&mut self, _budget: &str) -> i64 {
        i64::try_from(self.holds.len()).unwrap()
    }
}

/// A counter in a cache and a record in a database; when the cache forgets, the counter is filled from the record, and what this
/// process has counted since it started is added, though the record has it by then.
pub struct Reseeded {
    record: Counters,
    counted: Counters,
    forgotten: bool,
}

impl System for Reseeded {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { record: Counters::new(limits.clone()), counted: Counters::new(limits), forgotten: false }
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        self.counted.are_below()
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        if let Some(usage) = billed(fate) {
            self.counted.charge(&usage);
        }
    }

    async fn at(&mut self, _now: Timestamp) {
        self.record = self.counted.clone();
        self.forgotten = true;
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.counted.of(budget) + if self.forgotten { self.record.of(budget) } else { 0 }
    }
}

/// Spend waits in a buffer; it is taken out first and committed then, and a commit that fails has nothing to put back.
pub struct DestructiveDrain {
    record: Counters,
    fails: bool,
}

impl System for DestructiveDrain {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { record: Counters::new(limits), fails: false }
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        self.record.are_below()
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        let drained = billed(fate);
        if std::mem::take(&mut self.fails) {
            return;
        }
        if let Some(usage) = drained {
            self.record.charge(&usage);
        }
    }

    async fn commit_fails(&mut self) {
        self.fails = true;
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.record.of(budget)
    }
}

/// Writes spend into a buffer, if there is one; where there is none it returns, and says nothing.
pub struct SilentBuffer {
    record: Counters,
    buffer: bool,
}

impl System for SilentBuffer {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { record: Counters::new(limits), buffer: true }
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        self.record.are_below()
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        if let (true, Some(usage)) = (self.buffer, billed(fate)) {
            self.record.charge(&usage);
        }
    }

    async fn store_is_gone(&mut self) {
        self.buffer = false;
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.record.of(budget)
    }
}

/// A job that resets every budget whose next reset is past or unknown; a new one's is unknown.
pub struct ResetWithoutDate {
    counters: Counters,
    resets_at: Option<Timestamp>,
}

impl System for ResetWithoutDate {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { counters: Counters::new(limits), resets_at: None }
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        self.counters.are_below()
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        if let Some(usage) = billed(fate) {
            self.counters.charge(&usage);
        }
    }

    async fn at(&mut self, now: Timestamp) {
        if self.resets_at.is_none_or(|resets_at| resets_at <= now) {
            self.counters.read.clear();
            self.resets_at = Some(now + SignedDuration::from_hours(24 * 30));
        }
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.counters.of(budget)
    }
}

/// One spend for life, compared with whatever limit is in force.
pub struct LifetimeSpend {
    limits: Vec<Limit>,
    spend: i64,
}

impl System for LifetimeSpend {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { limits, spend: 0 }
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        self.limits.iter().all(|limit| self.spend < limit.most)
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        self.spend += i64::from(billed(fate).is_some());
    }

    async fn add(&mut self, limit: Limit) {
        self.limits.push(limit);
    }

    async fn spent(&mut self, _budget: &str) -> i64 {
        self.spend
    }
}

/// Counts exactly in memory; what was spent goes to the database with the next flush, which a kill comes before.
pub struct UnwrittenSpend {
    written: Counters,
    memory: Counters,
}

impl System for UnwrittenSpend {
    async fn start(limits: Vec<Limit>) -> Self {
        Self { written: Counters::new(limits.clone()), memory: Counters::new(limits) }
    }

    async fn ask(&mut self, _ask: &Ask) -> bool {
        self.memory.are_below()
    }

    async fn end(&mut self, _ask: &Ask, fate: Fate) {
        if let Some(usage) = billed(fate) {
            self.memory.charge(&usage);
        }
    }

    async fn kill(&mut self) {
        self.memory = self.written.clone();
    }

    async fn spent(&mut self, budget: &str) -> i64 {
        self.memory.of(budget)
    }
}
