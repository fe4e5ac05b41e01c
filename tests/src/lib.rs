//! Scenarios over the whole: the shipped state machine, the real steps and adapters, on the embedded parts. One test binary.
//!
//! Cases are data under `tests/data`; each module here is one question that they answer.

#[cfg(test)]
mod harness;
#[cfg(test)]
mod template;
