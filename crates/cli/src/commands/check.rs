//! `cost-sentry check`: the policy and the state machine, every problem at once.

use super::following::{Following, follow, local_books, table_hint, table_store};
use super::policy::PolicyFile;
use super::{FAILED, Failure, policy};
use crate::cli;
use crate::document::{self, PlacedProblem};
use crate::{show, state_machine};
use cost_sentry_core::policy::Change;
use cost_sentry_core::problem::Problem;
use jiff::Timestamp;
use serde::Serialize;

/// What a check found in one file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The file.
    pub file: String,
    /// What makes it unusable.
    pub problems: Vec<PlacedProblem>,
    /// What is worth a second look.
    pub warnings: Vec<PlacedProblem>,
    /// What applying it would change, where a policy is applied already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_change: Option<WouldChange>,
}

/// What applying a policy would change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WouldChange {
    /// Where the policy is that would be followed.
    pub place: String,
    /// Whether the same document is current there already.
    pub is_current: bool,
    /// Budget by budget; of a policy that is current already, what still waits for the end of a window.
    pub changes: Vec<Change>,
}

/// Runs the command.
pub async fn check(arguments: &cli::Check) -> Result<u8, Failure> {
    let (name, text) = policy::text(arguments.policy.policy.as_deref())?;
    let now = Timestamp::now();
    let findings = match policy::compile(&text) {
        Ok((document, policy)) => {
            let warnings = document::place(&text, &policy.warnings(now), "");
            let file = PolicyFile { name: name.clone(), document, policy };
            let would_change = would_change(arguments, &file, now).await?;
            Findings { file: name, problems: Vec::new(), warnings, would_change }
        }
        Err(problems) => Findings { file: name, problems, warnings: Vec::new(), would_change: None },
    };
    let found = [findings, check_state_machine()];
    let text = if arguments.json { json(&found)? } else { show::findings::text(&found) };
    super::print(&text)?;
    Ok(if found.iter().all(|findings| findings.problems.is_empty()) { 0 } else { FAILED })
}

/// What applying the policy would change, in the table that is named or else in the local books, if there are any.
async fn would_change(arguments: &cli::Check, file: &PolicyFile, now: Timestamp) -> Result<Option<WouldChange>, Failure> {
    if let Some(table) = &arguments.table {
        let store = table_store(table).await?;
        let following = follow(&store, file, now).await.map_err(table_hint)?;
        return Ok(Some(WouldChange::of(&following, format!("table {table}"), now)));
    }
    let folder = &arguments.data.data;
    let Some(stack) = local_books(folder).await? else { return Ok(None) };
    let following = follow(&stack.policies(), file, now).await?;
    Ok(Some(WouldChange::of(&following, folder.display().to_string(), now)))
}

impl WouldChange {
    fn of(following: &Following, place: String, now: Timestamp) -> Self {
        Self { place, is_current: matches!(following, Following::Same(_)), changes: following.changes(now) }
    }
}

fn check_state_machine() -> Findings {
    let problems = state_machine::local().err().unwrap_or_default();
    let problems: Vec<Problem> =
        problems.into_iter().map(|problem| Problem { pointer: problem.pointer, expected: problem.message }).collect();
    let problems = document::place(state_machine::FILE, &problems, "");
    Findings { file: "the state machine".to_owned(), problems, warnings: Vec::new(), would_change: None }
}

fn json(found: &[Findings]) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(found).map_err(|error| Failure::from_error(&error))?;
    Ok(text + "\n")
}
