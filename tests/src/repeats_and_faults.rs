//! Every step repeated, every request lost, every error thrown: what the client gets, what is sent, and what the books say then.
//!
//! Nothing here names a step that it does not find in the state machine, nor a request that a plain run did not send.

mod books;
mod clocks;
mod redrives;
mod repeats;
mod requests;
mod scenario;
mod sweeps;
mod tasks;
mod thrown;
mod wire;
