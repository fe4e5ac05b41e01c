//! What holds for any input whatever, for each door through which input comes: requests, policies, state machines, stored items, and
//! the payloads between steps.
//!
//! A property takes bytes and panics where it does not hold. The fuzzer in `fuzz/` looks for such bytes; a test here goes through the
//! fuzzer's corpus and through fixed random bytes, so that every ordinary test run has it too.
//!
//! Left out: how the bytes are found, and everything that needs a network, a store or a clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a property that does not hold panics: that is how a fuzzer is told"
)]

#[path = "../../../crates/cli/src/document.rs"]
mod document;
mod edits;
mod input;
#[cfg(feature = "items")]
pub mod items;
pub mod machine;
pub mod payloads;
mod pointers;
pub mod policy;
pub mod request;
mod samples;
mod stage;
#[cfg(test)]
mod tests;

/// A property, on any input.
pub type Property = fn(&[u8]);

/// Every property by its name, which is the fuzz target's and its corpus's too.
pub const PROPERTIES: &[(&str, Property)] = &[
    ("request", request::check),
    ("policy", policy::check),
    ("machine", machine::check),
    ("payloads", payloads::check),
    #[cfg(feature = "items")]
    ("items", items::check),
];

/// Every name and every short text of a valid document, for the fuzzer's dictionary.
pub fn words() -> Vec<String> {
    let mut documents = samples::requests();
    documents.extend(samples::policy_documents());
    documents.extend(machine::documents());
    edits::vocabulary(&documents)
}
