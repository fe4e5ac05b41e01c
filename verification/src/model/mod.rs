//! The ledger, explored exhaustively: every order of single requests, with every kind of mishap, at most so many in one history.
//!
//! What runs is what ships: the steps of `workflow` and the state machine's file, whose decisions are `core`'s, on the memory ledger.
//! Each invocation is run again from its start with the answers that it got so far ([`functions`]); the first request that has no
//! answer is what it does next, and the model decides what becomes of it ([`explorer`], [`effects`]). So one step of the model is one request, and
//! the model cannot know the steps better than they know themselves.

pub mod check;
pub mod effects;
pub mod exchange;
pub mod explorer;
pub mod functions;
pub mod intern;
pub mod mishap;
pub mod planted;
pub mod properties;
pub mod stage;
pub mod store;
pub mod telling;
#[cfg(test)]
mod tests;
pub mod unfolding;
pub mod world;
