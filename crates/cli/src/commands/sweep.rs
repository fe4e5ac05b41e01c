//! `cost-sentry sweep`: ends what past runs left open.

use super::Failure;
use super::run::stack_failure;
use crate::cli;
use crate::local::stack::{Options, Stack};
use crate::show::plural;
use cost_sentry_aws::log::Lines;
use cost_sentry_workflow::time_outs;

/// Runs the command.
pub async fn sweep(arguments: cli::Sweep) -> Result<u8, Failure> {
    let options = Options { data: Some(arguments.data.data.clone()), ..Options::default() };
    let stack = Stack::start(options).await.map_err(stack_failure)?;
    let swept = stack.sweep(Lines::new(std::io::stderr())).sweep().await.map_err(|error| Failure::from_error(&error))?;
    if arguments.json {
        println!("{}", serde_json::to_string(&swept).map_err(|error| Failure::from_error(&error))?);
    } else {
        println!(
            "released {}, marked {} uncertain; a reservation is ended {} seconds after its step last touched it",
            plural(swept.released, "hold"),
            plural(swept.uncertain, "claim"),
            time_outs::LEASE + time_outs::SKEW,
        );
    }
    Ok(0)
}
