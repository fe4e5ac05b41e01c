//! Scenarios over the whole: the shipped state machine, the real steps and adapters, on the embedded parts. One test binary.
//!
//! Cases are data under `tests/data`; each module here is one question that they answer.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod bad_requests;
#[cfg(test)]
mod binary;
#[cfg(test)]
mod budget_rules;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod converse;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod ledger_faults;
#[cfg(test)]
mod ledger_suite;
#[cfg(test)]
mod local_endpoint;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod policy_schema;
#[cfg(test)]
mod repeats_and_faults;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod template;
