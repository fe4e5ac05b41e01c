//! What people see: plain text that makes sense without colour.

pub mod audit;
pub mod bar;
pub mod changes;
pub mod explanation;
pub mod findings;
pub mod outcome;
pub mod progress;
pub mod style;

/// `1 hold`, `2 holds`.
pub fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
