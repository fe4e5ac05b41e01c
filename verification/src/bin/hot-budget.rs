//! `hot-budget`: how many requests a second one budget takes, by shards and workers. See `docs/verification.md`.

use clap::Parser;
use cost_sentry_verification::hot_budget::report::Report;
use cost_sentry_verification::hot_budget::run::run;
use cost_sentry_verification::hot_budget::{Model, Room, Settings, plot};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// One hot budget in a model of DynamoDB, in virtual time: the ledger's own decisions on shards, conflicts, throttling and retries.
#[derive(Debug, Parser)]
#[command(
    name = "hot-budget",
    after_help = "Example:\n  cargo run -p cost-sentry-verification --bin hot-budget -- --shards 1,16 --workers 64,1024 --room half\n\n\
    Exit status: 0; 1 where a hold passed the limit; 2 where the drawing could not be written."
)]
struct Arguments {
    /// Numbers of shards.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,64", value_parser = clap::value_parser!(u8).range(1..=64))]
    shards: Vec<u8>,
    /// Numbers of workers, each with one request at a time.
    #[arg(long, value_delimiter = ',', default_value = "16,32,40,64,96,112,128,256,384,512,1024,1536,2048,4096", value_parser = clap::value_parser!(u32).range(1..))]
    workers: Vec<u32>,
    /// How much room the budget has: far more than is asked, or for half of the workers at a time.
    #[arg(long, value_enum, default_value_t = Room::Plenty)]
    room: Room,
    /// Seconds that count, in virtual time; five go before.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// From which all chance comes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write units per second that one item takes.
    #[arg(long, default_value_t = Model::default().write_units_per_second, value_parser = clap::value_parser!(u32).range(1..))]
    write_units: u32,
    /// How long a transaction holds its items, in milliseconds (median).
    #[arg(long, default_value_t = Model::default().held_ms)]
    held_ms: f64,
    /// How long a transaction takes, there and back, in milliseconds (median); more than it holds its items.
    #[arg(long, default_value_t = Model::default().transaction_ms)]
    transaction_ms: f64,
    /// How long a read takes, there and back, in milliseconds (median).
    #[arg(long, default_value_t = Model::default().read_ms)]
    read_ms: f64,
    /// How long a model call takes, in milliseconds (median).
    #[arg(long, default_value_t = Model::default().call_ms)]
    call_ms: f64,
    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
    /// Write the curves to this file, as SVG.
    #[arg(long)]
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let model = Model {
        write_units_per_second: arguments.write_units,
        held_ms: arguments.held_ms,
        transaction_ms: arguments.transaction_ms.max(arguments.held_ms),
        read_ms: arguments.read_ms,
        call_ms: arguments.call_ms,
        ..Model::default()
    };
    let mut rows = Vec::new();
    for &shards in &arguments.shards {
        for &workers in &arguments.workers {
            progress(&format!("{shards} shards, {workers} workers"));
            rows.push(run(Settings { shards, workers, room: arguments.room, seconds: arguments.seconds, seed: arguments.seed, model }));
        }
    }
    progress("");
    let report = Report { model, room: arguments.room, seconds: arguments.seconds, seed: arguments.seed, rows };
    let text = if arguments.json { serde_json::json!(report).to_string() + "\n" } else { report.text() };
    if std::io::stdout().write_all(text.as_bytes()).is_err() {
        return ExitCode::from(2);
    }
    if let Some(path) = arguments.svg {
        let written = plot::svg(&report).and_then(|svg| std::fs::write(&path, svg).map_err(|error| error.to_string()));
        if let Err(error) = written {
            let _ = writeln!(std::io::stderr(), "error: {} could not be written: {error}", path.display());
            return ExitCode::from(2);
        }
    }
    if report.rows.iter().any(|row| row.over > 0) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One line that is written over, on a terminal only.
fn progress(line: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{line}");
        let _ = stderr.flush();
    }
}
