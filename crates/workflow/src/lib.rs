//! The workflow's steps behind ports: what each state does, with a ledger, a model, metrics and a policy that it knows only by their promises.
//!
//! One step, one file, the same name everywhere: `CheckRateLimit` in the state machine is [`steps::check_rate_limit`].
//! A refusal is a value that a step returns; an error is a malfunction that it throws, and it throws only what the state machine may
//! retry, or catches.
//!
//! Left out: the stores and services themselves (`aws`), the decisions (`core`), and the order of the steps (the state machine).

pub mod error;
pub mod ledger;
pub mod log_line;
pub mod memory_ledger;
pub mod metrics;
pub mod patience;
pub mod payload;
pub mod policy_cache;
pub mod ports;
pub mod steps;
pub mod time_outs;
