//! What the steps promise, each by itself: on the ledger in memory, at a time that stands still, with ports that fail when they are told to.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes snapshots that way")]
#![allow(clippy::similar_names, reason = "a stage has states, and some are stale")]

#[cfg(test)]
mod checking;
#[cfg(test)]
mod driving;
#[cfg(test)]
mod invoking;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod names;
#[cfg(test)]
mod points;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod sweeping;
#[cfg(test)]
mod validating;
