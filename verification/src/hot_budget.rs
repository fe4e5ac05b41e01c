//! One hot budget in a model of DynamoDB: how many requests a second its counter takes, on so many shards, from so many workers.
//!
//! Virtual time, seeded. What is imitated is DynamoDB ([`store`]) and the worker around the ledger ([`worker`]); what a request is,
//! what its answer means and where a charge goes are the shipped decisions of `core::counter`, and the patience is the ledger's own.

pub mod books;
pub mod plot;
pub mod report;
pub mod run;
pub mod store;
pub mod worker;

use serde::Serialize;

/// How much room the budget has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Room {
    /// Far more than is ever asked.
    Plenty,
    /// For half of the workers' holds at a time. All of a hold comes back, so that it stays so.
    Half,
    /// As much as the workers use in half of the time: then it is used up, to the last hold that fits.
    Spent,
}

/// What is modelled.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Write units per second that one item's partition takes.
    pub write_units_per_second: u32,
    /// How long a transaction holds its items, in milliseconds: another that meets one of them then is cancelled.
    pub held_ms: f64,
    /// How long a transaction takes, there and back, in milliseconds (median).
    pub transaction_ms: f64,
    /// How long a read takes, there and back, in milliseconds (median).
    pub read_ms: f64,
    /// How long a model call takes, in milliseconds (median).
    pub call_ms: f64,
    /// The standard deviation of the logarithm of all these times.
    pub sigma: f64,
}

impl Default for Model {
    fn default() -> Self {
        Self { write_units_per_second: 1_000, held_ms: 5.0, transaction_ms: 12.0, read_ms: 4.0, call_ms: 1_000.0, sigma: 0.4 }
    }
}

/// One simulation.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The counter's items.
    pub shards: u8,
    /// How many ask at a time, one request after the other each.
    pub workers: u32,
    /// The budget.
    pub room: Room,
    /// Seconds that count; as many go before as it takes for the workers to fall out of step.
    pub seconds: u32,
    /// From which all chance comes.
    pub seed: u64,
    /// The model.
    pub model: Model,
}

/// What came of a simulation, per second or per request as it says.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// The counter's items.
    pub shards: u8,
    /// How many asked at a time.
    pub workers: u32,
    /// Held, called and settled requests per second.
    pub goodput: f64,
    /// Of the requests that were decided, those refused for want of room, in percent.
    pub refused_percent: f64,
    /// Of all requests, those that the ledger gave up on (`LedgerContended`), in percent.
    pub contended_percent: f64,
    /// Settlements that were given up: the sweep would end them as uncertain, with the whole hold charged.
    pub unsettled: u64,
    /// How long holding took, in milliseconds: the median.
    pub hold_ms_p50: f64,
    /// The same, of 99 in 100.
    pub hold_ms_p99: f64,
    /// Transactions that met another, per granted request.
    pub conflicts: f64,
    /// Requests that a partition had no write units for, per granted request.
    pub throttled: f64,
    /// Rewrites of several shards, per granted request.
    pub rewrites: f64,
    /// Write units on counters, per granted request.
    pub write_units: f64,
    /// What is left of the limit at the end, in tokens: less than a hold, once the budget is spent.
    pub left: i64,
    /// The most that was ever committed beyond the limit: nothing, or the ledger is broken.
    pub over: i64,
}
