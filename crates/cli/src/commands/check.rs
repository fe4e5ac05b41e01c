//! `cost-sentry check`: the policy and the state machine, every problem at once.

use super::{FAILED, Failure, policy};
use crate::cli;
use crate::document::{self, PlacedProblem};
use crate::{show, state_machine};
use cost_sentry_core::problem::Problem;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// What a check found in one file.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// The file.
    pub file: String,
    /// What makes it unusable.
    pub problems: Vec<PlacedProblem>,
    /// What is worth a second look.
    pub warnings: Vec<PlacedProblem>,
}

/// Runs the command.
pub fn check(arguments: &cli::Check) -> Result<u8, Failure> {
    let (name, text) = policy::text(arguments.policy.policy.as_deref())?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (problems, warnings) = match policy::compile(&text) {
        Ok((_, policy)) => (Vec::new(), document::place(&text, &policy.warnings(today), "")),
        Err(problems) => (problems, Vec::new()),
    };
    let found = [Findings { file: name, problems, warnings }, check_state_machine()];
    let text = if arguments.json { json(&found)? } else { show::findings::text(&found) };
    super::print(&text)?;
    Ok(if found.iter().all(|findings| findings.problems.is_empty()) { 0 } else { FAILED })
}

fn check_state_machine() -> Findings {
    let problems = state_machine::local().err().unwrap_or_default();
    let problems: Vec<Problem> =
        problems.into_iter().map(|problem| Problem { pointer: problem.pointer, expected: problem.message }).collect();
    let problems = document::place(state_machine::FILE, &problems, "");
    Findings { file: "the state machine".to_owned(), problems, warnings: Vec::new() }
}

fn json(found: &[Findings]) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(found).map_err(|error| Failure::from_error(&error))?;
    Ok(text + "\n")
}
