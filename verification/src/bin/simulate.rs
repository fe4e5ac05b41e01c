//! `simulate`: any number of simulated executions, or one world again. See `docs/verification.md`.

use clap::Parser;
use cost_sentry_verification::simulation::campaign::{Campaign, replay_command, shown, world};
use cost_sentry_verification::simulation::run::machine;
use cost_sentry_verification::simulation::tally::{Counts, Tally};
use cost_sentry_verification::simulation::weather::Faults;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Whole executions of the shipped state machine and steps on the memory ledger, in virtual time, with seeded faults.
#[derive(Debug, Parser)]
#[command(
    name = "simulate",
    after_help = "Example:\n  cargo run -p cost-sentry-verification --bin simulate -- --executions 1000000 --seed 7\n  \
    cargo run -p cost-sentry-verification --bin simulate -- --world 0x2a --execution 3\n\n\
    Exit status: 0 if every promise was kept, 1 if not."
)]
struct Arguments {
    /// At least so many executions; they come in worlds of some hundreds.
    #[arg(long, default_value_t = 100_000)]
    executions: u64,
    /// From which the worlds are made: another seed, other worlds.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How much goes wrong.
    #[arg(long, value_enum, default_value_t = Faults::Mixed)]
    faults: Faults,
    /// On so many threads; as many as there are processors, unless said.
    #[arg(long)]
    threads: Option<usize>,
    /// Run this one world again, and print all that happens in it.
    #[arg(long, value_parser = world_seed, conflicts_with_all = ["executions", "seed", "threads"])]
    world: Option<u64>,
    /// Of that world, print what happens to this execution only.
    #[arg(long, requires = "world")]
    execution: Option<usize>,
    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

fn world_seed(text: &str) -> Result<u64, String> {
    let read = text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16));
    read.map_err(|_| "a world's seed, decimal or with 0x before it".to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.world {
        Some(seed) => replay(seed, &arguments),
        None => campaign(&arguments),
    }
}

fn replay(seed: u64, arguments: &Arguments) -> ExitCode {
    let outcome = machine().and_then(|machine| world(&machine, seed, arguments.faults, true));
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(text) => {
            eprintln!("error: {text}");
            return ExitCode::FAILURE;
        }
    };
    let mut out = std::io::stdout().lock();
    for line in outcome.lines.iter().filter(|line| arguments.execution.is_none() || line.execution == arguments.execution) {
        // A reader that has seen enough closes the pipe.
        if writeln!(out, "{}", shown(line)).is_err() {
            break;
        }
    }
    let seconds = outcome.tally.virtual_seconds;
    eprintln!("world {seed:#018x}: {} executions in {seconds} s of virtual time, trace {:016x}", outcome.tally.executions, outcome.hash);
    match outcome.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            eprintln!("error: {}", violation.text);
            ExitCode::FAILURE
        }
    }
}

fn campaign(arguments: &Arguments) -> ExitCode {
    let threads = arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let campaign = Campaign { executions: arguments.executions, seed: arguments.seed, faults: arguments.faults, threads };
    let (began, shown) = (Instant::now(), AtomicU64::new(0));
    let every = if std::io::stderr().is_terminal() { 1_000 } else { 50_000 };
    let result = campaign.run(|done| {
        if shown.fetch_max(done / every, Ordering::Relaxed) < done / every {
            eprintln!("{done} of {} executions, {} s", arguments.executions, began.elapsed().as_secs());
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    match result {
        Ok(tally) => {
            print(&tally, seconds, arguments);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            if arguments.json {
                let command = replay_command(failure.world_seed, failure.faults);
                println!(
                    "{}",
                    json!({ "kept": false, "world": format!("{:#018x}", failure.world_seed), "violation": failure.text, "replay": command })
                );
            }
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn print(tally: &Tally, seconds: f64, arguments: &Arguments) {
    if arguments.json {
        println!(
            "{}",
            json!({ "kept": true, "seed": arguments.seed, "faults": arguments.faults.word(), "seconds": seconds, "tally": tally })
        );
        return;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = tally.executions as f64 / seconds;
    let days = tally.virtual_seconds / 86_400;
    println!("{} executions in {} worlds, {} runs; {seconds:.1} s, {rate:.0} executions/s", tally.executions, tally.worlds, tally.runs);
    println!(
        "{} invocations, {} ledger requests, {} model calls, {} counters, {days} days of virtual time",
        tally.invocations, tally.ledger_requests, tally.calls, tally.counters
    );
    println!("overshoot {}, books out by {}, settlements above their hold {}", tally.overshoot, tally.books_out_by, tally.overages);
    println!("holds that found room on another shard than their own: {}", tally.on_other_shards);
    let tables = [("ends", &tally.ends), ("faults", &tally.faults), ("transitions", &tally.transitions), ("final states", &tally.states)];
    for (title, Counts(counts)) in tables {
        println!("\n{title}");
        for (name, count) in counts {
            println!("  {count:>9}  {name}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_in_the_documents_is_understood() {
        let document = include_str!("../../../docs/verification.md");
        let commands: Vec<&str> = document.lines().filter_map(|line| line.split_once("--bin simulate -- ")).map(|(_, rest)| rest).collect();
        assert!(!commands.is_empty());
        for command in commands {
            let words = std::iter::once("simulate").chain(command.split_whitespace());
            if let Err(error) = Arguments::try_parse_from(words) {
                // Help comes as an error.
                assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{command}: {error}");
            }
        }
    }
}
