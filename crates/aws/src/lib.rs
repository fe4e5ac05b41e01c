//! The workflow's ports on Amazon DynamoDB, Bedrock and CloudWatch: the only place where SDK types appear.
//!
//! Left out: every decision (`core`), and the order of things (`workflow`). Nothing here differs between a laptop and AWS but the
//! endpoints that [`clients::Clients`] is given.

pub mod clients;
pub mod config;
pub mod converse;
pub mod edge;
pub mod ledger;
pub mod log;
pub mod metrics;
pub mod policy_store;
pub mod steps;
pub mod table;
