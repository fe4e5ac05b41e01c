//! `cost-sentry policy apply` and `policy schema`, and the reading of policy files for all commands.

use super::Failure;
use super::following::{Applied, apply_to, table_hint, table_store};
use crate::cli;
use crate::document::{self, PlacedProblem};
use crate::local::stack::{Options, Stack};
use crate::show;
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// The policy that ships.
pub const SHIPPED: &str = include_str!("../../policy/cost-sentry.yaml");
/// The JSON Schema of policy files. [`Policy::parse`] decides; a test holds the two together.
pub const SCHEMA: &str = include_str!("../../policy/cost-sentry.schema.json");

/// A policy file, read and compiled.
#[derive(Debug)]
pub struct PolicyFile {
    /// What people call it: its path, or that it is the shipped one.
    pub name: String,
    /// The same as JSON, as it is stored.
    pub document: Value,
    /// The policy.
    pub policy: Policy,
}

/// The text of a policy file, and its name.
pub fn text(path: Option<&Path>) -> Result<(String, String), Failure> {
    match path {
        None => Ok(("the shipped policy".to_owned(), SHIPPED.to_owned())),
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let unread = |error| {
                Failure::new(format!("{}: {error}", path.display())).hint("name a policy's YAML file, such as a copy of the shipped one")
            };
            Ok((path.display().to_string(), text.map_err(unread)?))
        }
    }
}

/// Compiles a policy's text; every problem with its place.
pub fn compile(text: &str) -> Result<(Value, Policy), Vec<PlacedProblem>> {
    let document = document::read(text).map_err(|problem| vec![problem])?;
    let catalog = Catalog::shipped()
        .map_err(|error| vec![PlacedProblem { place: None, pointer: String::new(), message: format!("the shipped catalog: {error}") }])?;
    match Policy::parse(&document, catalog) {
        Ok(policy) => Ok((document, policy)),
        Err(problems) => Err(document::place(text, problems.as_slice(), "expected ")),
    }
}

/// Reads and compiles a policy file, or says everything that is wrong with it.
pub fn load(path: Option<&Path>) -> Result<PolicyFile, Failure> {
    let (name, text) = text(path)?;
    match compile(&text) {
        Ok((document, policy)) => Ok(PolicyFile { name, document, policy }),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(|problem| format!("{name}:{problem}")).collect();
            let failure = Failure::new(format!("the policy cannot be used:\n  {}", lines.join("\n  ")));
            Err(failure.hint(format!(
                "cost-sentry check{} shows all of it",
                path.map(|path| format!(" --policy {}", path.display())).unwrap_or_default()
            )))
        }
    }
}

/// Runs the command.
pub async fn apply(arguments: cli::Apply) -> Result<u8, Failure> {
    let file = load(Some(&arguments.policy))?;
    let now = Timestamp::now();
    let (applied, place) = if let Some(table) = &arguments.table {
        let store = table_store(table).await?;
        (apply_to(&store, &file, now).await.map_err(table_hint)?, format!("table {table}"))
    } else {
        let options = Options { data: Some(arguments.data.data.clone()), ..Options::default() };
        let stack = Stack::start(options).await.map_err(super::run::stack_failure)?;
        (apply_to(&stack.policies(), &file, now).await?, arguments.data.data.display().to_string())
    };
    let text = if arguments.json {
        let Applied { policy, changed, changes } = applied;
        let document = json!({ "version": policy.version, "file": file.name, "place": place, "applied": changed, "changes": changes });
        format!("{document}\n")
    } else {
        let done = if applied.changed { "is now current" } else { "was current already" };
        let headline = format!("policy {} ({}) {done} in {place}\n", applied.policy.version, file.name);
        headline + &show::changes::text(&applied.changes)
    };
    super::print(&text)?;
    Ok(0)
}

/// Runs `policy schema`.
pub fn schema() -> Result<u8, Failure> {
    let written = anstream::stdout().write_all(SCHEMA.as_bytes());
    written.map_err(|error| Failure::new(format!("the schema could not be printed: {error}")))?;
    Ok(0)
}
