//! This ledger beside other ways of keeping calls within a budget.

use clap::Parser;
use cost_sentry_verification::side_by_side::{Failed, Options, compare, svg};
use std::path::PathBuf;
use std::process::ExitCode;

/// Sends the same seeded requests through this ledger and through other ways of keeping calls within a budget.
///
/// First in virtual time (calls of seconds, a nearly spent budget; a seed gives the same result each time), then as races between threads.
/// The features add designs: `limitador` the crate of that name, `embedded` the ledger on an embedded DynamoDB.
#[derive(Debug, Parser)]
#[command(
    name = "side-by-side",
    after_help = "Example: cargo run --release -p cost-sentry-verification --features limitador,embedded --bin side-by-side -- --seeds 5 --svg side-by-side.svg"
)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, each a run of every design.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Requests per seed.
    #[arg(long, default_value_t = 6_000, value_parser = positive)]
    requests: usize,
    /// Requests that arrive per second, on average.
    #[arg(long, default_value_t = 10.0)]
    per_second: f64,
    /// Workers: at most so many requests are served at a time.
    #[arg(long, default_value_t = 64, value_parser = positive)]
    workers: usize,
    /// How much of what all requests would use there is room for, in percent.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=100))]
    room: u64,
    /// The same for a budget that few requests exhaust, in the table on input bounds.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    tight_room: u64,
    /// How much of the limit is spent before, in percent.
    #[arg(long, default_value_t = 95, value_parser = clap::value_parser!(u64).range(0..=99))]
    spent: u64,
    /// Of a thousand processes, how many die after the answer, in the table on deaths.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    deaths: u64,
    /// How many races; designs behind HTTP run one for each forty.
    #[arg(long, default_value_t = 400)]
    races: usize,
    /// Threads in a race.
    #[arg(long, default_value_t = 8, value_parser = positive)]
    threads: usize,
    /// Requests in a race.
    #[arg(long, default_value_t = 200, value_parser = positive)]
    race_requests: usize,
    /// Write the plot to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "a whole number, at least 1".to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("error: {failed}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failed> {
    if arguments.per_second <= 0.0 || !arguments.per_second.is_finite() {
        return Err(Failed::because("--per-second")(&"a number above 0 is expected"));
    }
    let options = Options {
        seed: arguments.seed,
        seeds: arguments.seeds,
        requests: arguments.requests,
        per_second: arguments.per_second,
        workers: arguments.workers,
        room_percent: arguments.room,
        tight_room_percent: arguments.tight_room,
        spent_percent: arguments.spent,
        deaths_per_thousand: arguments.deaths,
        races: arguments.races,
        threads: arguments.threads,
        race_requests: arguments.race_requests,
    };
    for (feature, on) in [("limitador", cfg!(feature = "limitador")), ("embedded", cfg!(feature = "embedded"))] {
        if !on {
            eprintln!("without `--features {feature}`, which adds a design to the comparison");
        }
    }
    let report = compare(options, |doing| eprintln!("{doing}"))?;
    if let Some(path) = &arguments.svg {
        std::fs::write(path, svg(&report)?).map_err(|error| Failed::because("the plot could not be written")(&error))?;
    }
    if arguments.json {
        println!("{}", serde_json::json!(report));
    } else {
        print!("{report}");
    }
    Ok(())
}
