//! The command-line tool, and the local stack that it runs on a laptop.
//!
//! Left out: every decision (`core`), the steps (`workflow`), and the adapters (`aws`), which run here as they do on AWS.

// Printing is this crate's job; the terminal's text is built in `show` and tested there.

pub mod cli;
pub mod commands;
pub mod document;
pub mod host_prefix;
pub mod local;
pub mod show;
pub mod state_machine;
