//! Simulation: whole executions of the shipped state machine, by its runner, with the shipped steps, on the memory ledger, in virtual
//! time, with everything going wrong that a seed decides.
//!
//! One seed is one world: a few hundred requests within minutes of a window's edge, under a policy of its own with little room. A
//! [witness](books) looks at every write of the ledger, and the [ends](ends) are held to what the ledger holds and Bedrock did, once
//! nothing is under way any more.
//!
//! Invariant: a world's seed decides everything in it, so that a failure can be looked at again. No map is iterated whose order is not
//! that of its keys, no clock is read but the world's, nothing is drawn but from its chance, and each world has one thread.

pub mod bedrock;
pub mod books;
pub mod calls;
pub mod campaign;
pub mod chance;
pub mod ends;
pub mod executions;
pub mod executor;
pub mod facts;
pub mod functions;
pub mod holds;
pub mod ledger;
pub mod metrics;
pub mod policy;
pub mod repeats;
pub mod requests;
pub mod run;
pub mod services;
pub mod tally;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod weather;
pub mod world;
pub mod writes;
