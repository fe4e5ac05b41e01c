//! The commands and their arguments.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Budgets in front of every Amazon Bedrock call.
#[derive(Debug, Parser)]
#[command(name = "cost-sentry", version, about = "Budgets in front of every Amazon Bedrock call", long_about = None, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send one request through the workflow, on this machine's embedded parts.
    #[command(after_help = "Example:\n  cost-sentry run examples/request.json\n  echo '{…}' | cost-sentry run - --json\n  \
        cost-sentry run examples/request.json --state-machine-arn ARN\n\n\
        Exit status: 0 answered, 2 invalid request, 3 denied by a budget, 4 invocation failed, 1 anything else.")]
    Run(Run),
    /// Check a policy and the state machine: every problem at once, ways around a budget as warnings.
    #[command(after_help = "Example:\n  cost-sentry check --policy my-policy.yaml\n  \
        cost-sentry check --policy my-policy.yaml --table cost-sentry-ledger\n\nExit status: 0 without problems, 1 with any.")]
    Check(Check),
    /// Say which budgets apply to a request, what it would hold on each and why, and what the answer would be. Holds nothing.
    #[command(after_help = "Example:\n  cost-sentry explain examples/request.json")]
    Explain(Explain),
    /// Run the local stack as one process, behind a Step Functions endpoint that any AWS SDK can talk to.
    #[command(
        after_help = "Example:\n  cost-sentry local --port 0\n\nThe first line on standard output is a JSON object with all endpoints. \
        With --port N, Step Functions is at N, DynamoDB at N+1, Bedrock at N+2, CloudWatch at N+3."
    )]
    Local(Local),
    /// Work with the stored policy.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// End what past runs left open: release holds and mark claims uncertain whose lease is past.
    #[command(after_help = "Example:\n  cost-sentry sweep --data .cost-sentry")]
    Sweep(Sweep),
    /// Recompute every counter from its reservations and recorded adjustments, and say whether the books balance. Changes nothing
    /// without --repair.
    #[command(
        after_help = "Example:\n  cost-sentry audit\n  cost-sentry audit --window month --budget org-month --table cost-sentry-ledger\n  \
        cost-sentry audit --repair --reason 'restored from a backup' --dry-run\n\n\
        Exit status: 0 the books balance, 5 a counter is out of balance, 6 none is known to be, but of some it cannot be said (a \
        reservation that cannot be read, a counter that never stood still), 1 anything else."
    )]
    Audit(Audit),
}

/// Work with the stored policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Check a policy, store it under its version, and make it the current one.
    #[command(
        after_help = "Example:\n  cost-sentry policy apply my-policy.yaml\n  cost-sentry policy apply my-policy.yaml --table cost-sentry-ledger"
    )]
    Apply(Apply),
    /// Print the JSON Schema of policy files, for editors that complete and check them.
    #[command(after_help = "Example:\n  cost-sentry policy schema > cost-sentry.schema.json\n\n\
        and as the first line of a policy beside it:\n  # yaml-language-server: $schema=cost-sentry.schema.json")]
    Schema,
}

/// Where the local books are kept.
#[derive(Debug, Clone, Args)]
pub struct Data {
    /// The folder that the local ledger is kept in; budgets survive in it from run to run.
    #[arg(long, value_name = "DIR", default_value = ".cost-sentry")]
    pub data: PathBuf,
}

/// Which policy counts.
#[derive(Debug, Clone, Args)]
pub struct Policy {
    /// The policy's YAML file; without it the shipped one counts.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The request's JSON file, or `-` for standard input.
    pub request: PathBuf,
    /// The policy.
    #[command(flatten)]
    pub policy: Policy,
    /// The books.
    #[command(flatten)]
    pub data: Data,
    /// How the simulated Bedrock behaves, a YAML file; without it `NAME.simulator.yaml` beside the policy, if there is one.
    #[arg(long, value_name = "FILE")]
    pub simulator: Option<PathBuf>,
    /// Print the outcome document alone, as JSON.
    #[arg(long)]
    pub json: bool,
    /// Start the execution on this state machine instead of the embedded parts; policy, books and simulator are then its own.
    #[arg(long, value_name = "ARN", conflicts_with_all = ["policy", "data", "simulator"])]
    pub state_machine_arn: Option<String>,
    /// The Step Functions endpoint, if not AWS's.
    #[arg(long, value_name = "URL", requires = "state_machine_arn")]
    pub endpoint_url: Option<String>,
    /// Allow endpoints from the environment that are not on this machine; they get real credentials and real requests.
    #[arg(long)]
    pub allow_remote_endpoints: bool,
}

/// Arguments of `local`.
#[derive(Debug, Args)]
pub struct Local {
    /// The Step Functions endpoint's port; the other services follow it. 0 lets the system pick all of them.
    #[arg(long, value_name = "N", default_value_t = 8083, value_parser = clap::value_parser!(u16).range(..=65532))]
    pub port: u16,
    /// The policy.
    #[command(flatten)]
    pub policy: Policy,
    /// The books.
    #[command(flatten)]
    pub data: Data,
    /// How the simulated Bedrock behaves, a YAML file; without it `NAME.simulator.yaml` beside the policy, if there is one.
    #[arg(long, value_name = "FILE")]
    pub simulator: Option<PathBuf>,
    /// Invoke the functions at this Lambda endpoint, such as that of `cargo lambda watch`, instead of in this process.
    #[arg(long, value_name = "URL")]
    pub lambda_endpoint: Option<String>,
    /// Seconds that a hold or a claim stands before the sweep may end it, instead of AWS's 330 and 60 more for clocks that disagree.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub lease: Option<u32>,
    /// Seconds between sweeps of reservations that nobody ended.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub sweep_every: u64,
    /// Run each asynchronous Express execution twice, as AWS may do.
    #[arg(long)]
    pub express_twice: bool,
    /// Allow endpoints from the environment that are not on this machine; they get real credentials and real requests.
    #[arg(long)]
    pub allow_remote_endpoints: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The policy.
    #[command(flatten)]
    pub policy: Policy,
    /// The books whose policy it would follow: with any there, what applying it would change is said too, and when.
    #[command(flatten)]
    pub data: Data,
    /// A DynamoDB table on AWS instead of the local books.
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The request's JSON file, or `-` for standard input.
    pub request: PathBuf,
    /// The policy.
    #[command(flatten)]
    pub policy: Policy,
    /// The books.
    #[command(flatten)]
    pub data: Data,
    /// Print the explanation as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `policy apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The policy's YAML file.
    pub policy: PathBuf,
    /// The books.
    #[command(flatten)]
    pub data: Data,
    /// A DynamoDB table on AWS instead of the local books; credentials and region as the AWS CLI finds them.
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// Print what was applied, and what it changes and when, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `sweep`.
#[derive(Debug, Args)]
pub struct Sweep {
    /// The books.
    #[command(flatten)]
    pub data: Data,
    /// Print what was ended as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct Audit {
    /// The books.
    #[command(flatten)]
    pub data: Data,
    /// A DynamoDB table on AWS instead of the local books; credentials and region as the AWS CLI finds them.
    #[arg(long, value_name = "NAME", conflicts_with = "data")]
    pub table: Option<String>,
    /// Which windows: a kind (minute, hour, day, week, month, period), all, a UTC date, or a range of dates such as
    /// 2026-11-01..2026-11-20. Without it, and of a kind: those that are open, or closed within the last three days.
    #[arg(long, value_name = "WINDOWS")]
    pub window: Option<String>,
    /// Only the counters of this budget, by its name or its id.
    #[arg(long, value_name = "NAME")]
    pub budget: Option<String>,
    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,
    /// Mend what differs, each as a recorded adjustment: only in windows that have closed, or of budgets that are frozen.
    #[arg(long, requires = "reason")]
    pub repair: bool,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", requires = "repair")]
    pub reason: Option<String>,
    /// Who, for the record; the user's name in the environment, if not given.
    #[arg(long, value_name = "NAME", requires = "repair")]
    pub by: Option<String>,
    /// Which side is right: the counter is set to what its reservations say, or stays, and the adjustment stands for reservations that
    /// are lost.
    #[arg(long, value_enum, default_value_t, requires = "repair")]
    pub trust: Trust,
    /// Say what would be mended, and mend nothing.
    #[arg(long, requires = "repair", conflicts_with = "yes")]
    pub dry_run: bool,
    /// Mend without asking.
    #[arg(long, requires = "repair")]
    pub yes: bool,
}

/// Which side of a difference is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Trust {
    /// The reservations.
    #[default]
    Reservations,
    /// The counter.
    Counter,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_has_help_with_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        let mut seen = 0;
        let mut open: Vec<clap::Command> = command.get_subcommands().cloned().collect();
        while let Some(mut command) = open.pop() {
            open.extend(command.get_subcommands().cloned());
            if command.get_subcommands().next().is_none() {
                seen += 1;
                assert!(command.render_long_help().to_string().contains("Example:"), "{}", command.get_name());
            }
        }
        assert!(seen >= 5);
    }
}
