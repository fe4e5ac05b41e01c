//! `cost-sentry local` as a process of its own, spoken to as AWS is: through an SDK's client, or a client of another language.

mod at_once;
mod audit;
mod clients;
mod crashes;
mod full_disk;
mod lambda;
mod leases;
mod operations;
pub mod process;
mod refusals;
mod starting_and_stopping;
mod twice;
