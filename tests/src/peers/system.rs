//! What a script asks of a budget system, ours or another's.

use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// When every script begins.
pub const START: &str = "2026-11-20T10:00:00Z";

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests.
    Requests,
    /// Output tokens: held as `max_tokens`, charged as used.
    Output,
    /// Nano-dollars, at the rates of [`cost`].
    NanoUsd,
}

/// A budget.
#[derive(Debug, Clone)]
pub struct Limit {
    pub name: &'static str,
    pub unit: Unit,
    pub most: i64,
    /// `day` or `month`.
    pub window: &'static str,
    /// Whether each application has it for itself.
    pub each: bool,
}

impl Limit {
    pub fn new(name: &'static str, unit: Unit, most: i64) -> Self {
        Self { name, unit, most, window: "month", each: false }
    }
}

/// A request for one call.
#[derive(Debug, Clone)]
pub struct Ask {
    pub id: String,
    pub application: &'static str,
    /// The copy of the system that it reaches.
    pub replica: usize,
    /// The way that it takes to the model.
    pub route: usize,
    pub max_tokens: Option<i64>,
}

impl Ask {
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), application: "docs", replica: 0, route: 0, max_tokens: Some(100) }
    }
}

/// What becomes of an admitted call.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// Answered, with this usage.
    Answered(Usage),
    /// The client went away; the model finished, and was paid.
    ClientGone(Usage),
    /// Certainly not processed.
    NotProcessed,
    /// The process that was to send it is gone.
    NeverSent,
}

/// A budget system. What a design has no part of, it leaves out.
pub trait System: Sized {
    /// With these budgets in force.
    async fn start(limits: Vec<Limit>) -> Self;

    /// Installed, and never told any budget.
    async fn start_unconfigured() -> Self {
        Self::start(Vec::new()).await
    }

    /// Whether a request may send its call.
    async fn ask(&mut self, ask: &Ask) -> bool;

    /// The same for many, each of which looks before any of them writes.
    async fn ask_at_once(&mut self, asks: &[Ask]) -> Vec<bool> {
        let mut admitted = Vec::new();
        for ask in asks {
            admitted.push(self.ask(ask).await);
        }
        admitted
    }

    /// An admitted call ends.
    async fn end(&mut self, ask: &Ask, fate: Fate);

    /// Time passes, and what runs on a schedule runs.
    async fn at(&mut self, _now: Timestamp) {}

    /// Every process is killed with -9, and starts again.
    async fn kill(&mut self) {}

    /// One more budget comes into force.
    async fn add(&mut self, _limit: Limit) {}

    /// The first write of the next call's end fails.
    async fn commit_fails(&mut self) {}

    /// Nothing can be written any more.
    async fn store_is_gone(&mut self) {}

    /// What the budget's counter reads.
    async fn spent(&mut self, budget: &str) -> i64;
}

/// What a call costs in nano-dollars: 0.80 in, 4 out, 0.08 from the cache and 1 into it, in dollars per million tokens.
pub fn cost(usage: &Usage) -> i64 {
    let tokens = |tokens: Tokens| i64::try_from(tokens.0).unwrap();
    800 * tokens(usage.input) + 4_000 * tokens(usage.output) + 80 * tokens(usage.cache_read) + 1_000 * tokens(usage.cache_write)
}

/// What a unit is charged for a usage.
pub fn charged(unit: Unit, usage: &Usage) -> i64 {
    match unit {
        Unit::Requests => 1,
        Unit::Output => i64::try_from(usage.output.0).unwrap(),
        Unit::NanoUsd => cost(usage),
    }
}

/// So many output tokens.
pub fn output(tokens: u64) -> Usage {
    Usage { input: Tokens(10), output: Tokens(tokens), ..Usage::default() }
}

/// Budgets and what each counter reads: what most designs of others are made of.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    pub limits: Vec<Limit>,
    pub read: BTreeMap<String, i64>,
}

impl Counters {
    pub fn new(limits: Vec<Limit>) -> Self {
        Self { limits, read: BTreeMap::new() }
    }

    pub fn of(&self, name: &str) -> i64 {
        self.read.get(name).copied().unwrap_or(0)
    }

    pub fn add(&mut self, name: &str, amount: i64) {
        *self.read.entry(name.to_owned()).or_default() += amount;
    }

    /// Whether every counter is below its limit: the rule of those that charge after the fact.
    pub fn are_below(&self) -> bool {
        self.limits.iter().all(|limit| self.of(limit.name) < limit.most)
    }

    /// Adds what a usage comes to.
    pub fn charge(&mut self, usage: &Usage) {
        for limit in self.limits.clone() {
            self.add(limit.name, charged(limit.unit, usage));
        }
    }
}
