//! `cost-sentry`: see `cost-sentry --help`.

use clap::Parser;
use cost_sentry::cli::Cli;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(cost_sentry::commands::run(Cli::parse())).await
}
