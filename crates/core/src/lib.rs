//! Decides: request, tags, catalog, price, budget, window, reservation, outcome.
//!
//! Invariant: nothing here reads a clock, a random source, the environment or the network; there is no async and no I/O.
//! Time, identifiers and the policy's text come in as arguments, and decisions go out as plain data for a shell to carry out.
//!
//! The way of a request through these modules: [`request::validate`] checks it against a [`policy::Policy`]; [`plan::estimate`] and
//! [`plan::plan`] say what it would hold on which budgets; [`reservation::transition`] says what each event does to what it holds;
//! [`outcome`] is what its client gets.
//!
//! Left out: storage, calls, metrics and their errors (`workflow`, `aws`), and the reading of YAML (`cli`).

pub mod audit;
pub mod budget;
mod canonical;
pub mod catalog;
pub mod counter;
pub mod estimate;
#[cfg(test)]
mod fixtures;
pub mod model;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod price;
pub mod problem;
pub mod quantity;
pub mod refusal;
pub mod request;
pub mod reservation;
pub mod shard;
pub mod tags;
pub mod warning;
pub mod window;
