//! `cargo run -p cost-sentry-verification --bin reality -- --clients 256`: many clients, budgets nearly spent, kills; see
//! `docs/verification.md`.

use clap::Parser;
use cost_sentry_verification::reality::{Options, run};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(&Options::parse(), |line| eprintln!("{line}"))).await {
        Ok(seen) => {
            println!("{seen}");
            if !seen.is_telling() {
                eprintln!("error: too little got through to tell anything: start fewer clients, or name a release build with --binary");
            }
            if seen.holds() && seen.is_telling() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
