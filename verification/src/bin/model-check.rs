//! `model-check`: explores every reachable state of the ledger's model, or shows what it says of a planted bug.

use clap::{Parser, ValueEnum};
use cost_sentry_verification::model::check::{self, Found};
use cost_sentry_verification::model::explorer::Size;
use cost_sentry_verification::model::planted::Bug;
use cost_sentry_verification::model::stage::Kind;
use cost_sentry_verification::model::telling::kinds;
use serde_json::{Value, json};
use std::error::Error;
use std::process::ExitCode;

/// Explores every reachable state of the ledger's model: each order of single requests, with every kind of mishap.
///
/// Exits with 1 where a property does not hold, and shows a history that breaks it.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:\n  model-check                                        what the gate runs\n  \
    model-check --mishaps 3 --requests both,both       more mishaps, fewer requests\n  \
    model-check --mishaps 1 --requests both,both --planted all    every planted bug with its shortest history")]
struct Arguments {
    /// How many mishaps one history may have.
    #[arg(long, value_name = "K", default_value_t = 2)]
    mishaps: u8,
    /// The requests: each under both budgets, or under the one for all only.
    #[arg(long, value_delimiter = ',', value_enum, default_value = "both,both,all")]
    requests: Vec<Budgets>,
    /// How many threads explore.
    #[arg(long, value_name = "N", default_value_t = std::thread::available_parallelism().map_or(2, std::num::NonZero::get))]
    threads: usize,
    /// Plants this bug, or each in turn with `all`, and looks for the shortest history that shows it.
    #[arg(long, value_name = "BUG", value_parser = clap::builder::PossibleValuesParser::new(bugs()))]
    planted: Option<String>,
    /// Prints one JSON document instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Budgets {
    /// Both budgets apply.
    Both,
    /// Only the budget for all requests applies.
    All,
}

fn bugs() -> Vec<&'static str> {
    Bug::ALL.into_iter().map(|(name, _)| name).chain(["all"]).collect()
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("model-check: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let kind = |budgets: &Budgets| if matches!(budgets, Budgets::Both) { Kind::Both } else { Kind::AllOnly };
    let size = Size { requests: arguments.requests.iter().map(kind).collect(), mishaps: arguments.mishaps };
    match &arguments.planted {
        Some(name) => planted(&size, name, arguments.json),
        None => explore(size, arguments),
    }
}

fn explore(size: Size, arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let (requests, mishaps) = (kinds(&size.requests), size.mishaps);
    eprintln!("requests {requests}, at most {mishaps} mishaps in a history");
    let found = check::explore(size, arguments.threads, |states, depth| eprint!("\r{states} states, depth {depth} "))?;
    eprintln!();
    if arguments.json {
        println!("{}", report(&found, &requests, mishaps));
    } else {
        println!("{}", found.summary());
        for (name, history) in &found.violated {
            println!("\nDoes not hold: {name}");
            for line in history {
                println!("  {line}");
            }
        }
        for name in &found.unseen {
            println!("not seen at this size: {name}");
        }
    }
    Ok(found.violated.is_empty())
}

fn report(found: &Found, requests: &str, mishaps: u8) -> Value {
    let violated: Vec<Value> = found.violated.iter().map(|(name, history)| json!({ "property": name, "history": history })).collect();
    json!({
        "requests": requests, "mishaps": mishaps, "states": found.states, "steps": found.steps, "depth": found.depth,
        "seconds": found.took.as_secs_f64(), "points": found.points, "violated": violated, "unseen": found.unseen,
    })
}

/// Whether each bug is found.
fn planted(size: &Size, name: &str, as_json: bool) -> Result<bool, Box<dyn Error>> {
    let (mut all_found, mut reports) = (true, Vec::new());
    for (name, bug) in Bug::ALL.into_iter().filter(|(known, _)| name == "all" || *known == name) {
        let Some((property, history)) = check::counterexample(size, bug)? else {
            all_found = false;
            eprintln!("{name}: not found at this size; try more --mishaps");
            continue;
        };
        if as_json {
            reports.push(json!({ "bug": name, "property": property, "history": history }));
        } else {
            println!("{name}: breaks \"{property}\" after {} steps", history.len());
            for line in history {
                println!("  {line}");
            }
        }
    }
    if as_json {
        println!("{}", Value::from(reports));
    }
    Ok(all_found)
}
