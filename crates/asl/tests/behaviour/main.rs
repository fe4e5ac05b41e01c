//! What the crate promises, through its public interface.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes snapshots that way")]

#[cfg(test)]
mod catching;
#[cfg(test)]
mod choosing;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod history;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod parsing;
#[cfg(test)]
mod payloads;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod retrying;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod substitution;
#[cfg(test)]
mod timing;
