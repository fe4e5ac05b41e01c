//! What is counted in a world, and over all of them.

use serde::Serialize;
use std::collections::BTreeMap;

/// How often each thing came up, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<String, u64>);

impl Counts {
    /// One more of this.
    pub fn add(&mut self, name: impl Into<String>) {
        *self.0.entry(name.into()).or_default() += 1;
    }

    /// How often this came up.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name.clone()).or_default() += count;
        }
    }
}

/// Everything that is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Worlds.
    pub worlds: u64,
    /// Executions: different ids.
    pub executions: u64,
    /// Runs of the state machine: more, since some executions are run twice or driven again.
    pub runs: u64,
    /// Invocations of functions.
    pub invocations: u64,
    /// Requests to the ledger.
    pub ledger_requests: u64,
    /// Calls of a model.
    pub calls: u64,
    /// Counters at the end, one per budget, scope and window that came up.
    pub counters: u64,
    /// Seconds of virtual time.
    pub virtual_seconds: u64,
    /// How runs ended.
    pub ends: Counts,
    /// What went wrong.
    pub faults: Counts,
    /// The transitions of reservations, and by which step.
    pub transitions: Counts,
    /// The states in which reservations were at the end.
    pub states: Counts,
    /// The most nano-dollars, tokens or requests by which a hold took a counter over its limit.
    pub overshoot: u64,
    /// By how much counters differ from the sums over their reservations, in their units.
    pub books_out_by: u64,
    /// Settlements above their holds, which alone may take a counter over its limit.
    pub overages: u64,
    /// Holds that found room on another shard than the one that they tried first.
    pub on_other_shards: u64,
}

impl Tally {
    /// Takes in another world's.
    pub fn merge(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.executions += other.executions;
        self.runs += other.runs;
        self.invocations += other.invocations;
        self.ledger_requests += other.ledger_requests;
        self.calls += other.calls;
        self.counters += other.counters;
        self.virtual_seconds += other.virtual_seconds;
        self.ends.merge(&other.ends);
        self.faults.merge(&other.faults);
        self.transitions.merge(&other.transitions);
        self.states.merge(&other.states);
        self.overshoot = self.overshoot.max(other.overshoot);
        self.books_out_by = self.books_out_by.max(other.books_out_by);
        self.overages += other.overages;
        self.on_other_shards += other.on_other_shards;
    }
}
