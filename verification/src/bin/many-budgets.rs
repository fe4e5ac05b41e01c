//! What a policy of ten thousand budgets costs a request, against one of ten.

use clap::Parser;
use cost_sentry_verification::many_budgets::{Options, measure};
use std::process::ExitCode;

/// Measures CheckRateLimit under a small and a large policy of which the same six budgets apply to each request.
///
/// The shipped step runs on the ledger in memory; both policies take turns, request by request, in one process. Build it with --release, or the figures
/// say more about the compiler than about the step.
#[derive(Debug, Parser)]
#[command(name = "many-budgets", after_help = "Example: cargo run --release -p cost-sentry-verification --bin many-budgets -- --rounds 41")]
struct Arguments {
    /// Budgets in the small policy: at least 6.
    #[arg(long, default_value_t = 10)]
    small: usize,
    /// Budgets in the large policy: at least 6.
    #[arg(long, default_value_t = 10_000)]
    large: usize,
    /// How often both are measured.
    #[arg(long, default_value_t = 41)]
    rounds: usize,
    /// Requests per policy and round.
    #[arg(long, default_value_t = 500)]
    requests: usize,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options { sizes: [arguments.small, arguments.large], rounds: arguments.rounds, requests: arguments.requests };
    let progress = |round| {
        if round % 10 == 0 {
            eprintln!("round {round} of {}", arguments.rounds);
        }
    };
    match measure(options, progress).await {
        Ok(figures) if arguments.json => println!("{}", serde_json::json!(figures)),
        Ok(figures) => print!("{figures}"),
        Err(failed) => {
            eprintln!("error: {failed}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
