//! The commands, one file each.

mod audit;
mod check;
mod execution;
mod explain;
mod following;
mod local;
mod policy;
mod remote;
mod run;
mod sweep;

pub use check::Findings;
pub use execution::{execute, new_execution};
pub use following::{Applied, apply_to};
pub use policy::{PolicyFile, SCHEMA, SHIPPED};

use crate::cli::{Cli, Command, PolicyCommand};
use std::io::Write;
use std::process::ExitCode;

/// Why a command could not do its work: a sentence, what it came from, and what to do.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, and where.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error with all that it came from.
    pub fn from_error(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            message = format!("{message}: {cause}");
            next = cause.source();
        }
        Self::new(message)
    }
}

/// The exit status for anything that is not an outcome.
const FAILED: u8 = 1;

/// Runs a command; its exit status.
pub async fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Run(arguments) => Box::pin(run::run(arguments)).await,
        Command::Check(arguments) => Box::pin(check::check(&arguments)).await,
        Command::Explain(arguments) => Box::pin(explain::explain(arguments)).await,
        Command::Local(arguments) => Box::pin(local::local(arguments)).await,
        Command::Policy(PolicyCommand::Apply(arguments)) => Box::pin(policy::apply(arguments)).await,
        Command::Policy(PolicyCommand::Schema) => policy::schema(),
        Command::Audit(arguments) => Box::pin(audit::audit(arguments)).await,
        Command::Sweep(arguments) => Box::pin(sweep::sweep(arguments)).await,
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            anstream::eprintln!("{}", crate::show::style::error(&failure.message));
            if let Some(hint) = failure.hint {
                anstream::eprintln!("hint: {hint}");
            }
            ExitCode::from(FAILED)
        }
    }
}

/// Prints a command's result on standard output. A reader that stops reading, such as `head`, has what it wanted.
fn print(text: &str) -> Result<(), Failure> {
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}
