//! Budgets' windows and changes through the shipped state machine and the real steps, by a clock that is set, on both ledgers.

mod calendar;
mod command;
mod town;
mod traffic;
