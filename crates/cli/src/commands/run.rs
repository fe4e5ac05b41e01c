//! `cost-sentry run`: one request through the workflow.

use super::execution::{execute, new_execution, read_request};
use super::following::apply_to;
use super::{FAILED, Failure, policy, remote};
use crate::cli;
use crate::local::simulator::Script;
use crate::local::stack::{Options, Ports, Stack, StackError};
use crate::show::{self, progress::Progress};
use cost_sentry_asl::End;
use cost_sentry_aws::log::Lines;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::problem::nearest;
use cost_sentry_workflow::time_outs::Leases;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// The log of all runs on a data folder.
const LOG_FILE: &str = "log.jsonl";

/// Runs the command.
pub async fn run(arguments: cli::Run) -> Result<u8, Failure> {
    let request = read_request(&arguments.request)?;
    if let Some(arn) = &arguments.state_machine_arn {
        let client = remote::client(arguments.endpoint_url.as_deref()).await;
        return finish(&remote::run(&client, arn, &request).await?, arguments.json);
    }
    let file = policy::load(arguments.policy.policy.as_deref())?;
    let script = script(arguments.simulator.as_deref(), arguments.policy.policy.as_deref(), &file.policy)?;
    let options = Options {
        data: Some(arguments.data.data.clone()),
        script,
        ports: Ports::default(),
        leases: Leases::default(),
        allow_remote_endpoints: arguments.allow_remote_endpoints,
        http_client: None,
    };
    let stack = Stack::start(options).await.map_err(stack_failure)?;
    let log = Lines::new(log_file(&arguments.data.data)?);
    let applied = apply_to(&stack.policies(), &file, Timestamp::now()).await?;
    anstream::eprint!("{}", show::changes::text(&applied.changes));
    let swept = stack.sweep(log.clone()).sweep().await.map_err(|error| Failure::from_error(&error))?;
    if swept.released + swept.uncertain > 0 {
        eprintln!("ended {} left open by earlier runs", show::plural(swept.released + swept.uncertain, "reservation"));
    }
    eprintln!("policy: {} ({}), books: {}", file.name, applied.policy.version, arguments.data.data.display());
    let execution = new_execution();
    let progress = Progress::new(execution.start_time);
    let end = execute(&stack, log, &execution, request, &progress).await?;
    finish(&end, arguments.json)
}

/// Prints the outcome; the exit status that tells it to a script.
fn finish(end: &End, as_json: bool) -> Result<u8, Failure> {
    let (document, status) = outcome(end)?;
    let text = if as_json { format!("{document}\n") } else { show::outcome::text(&document) };
    super::print(&text)?;
    Ok(status)
}

/// The client's document of an end, and the exit status.
fn outcome(end: &End) -> Result<(Value, u8), Failure> {
    match end {
        End::Succeeded { output } => Ok((output.clone(), 0)),
        End::Failed { error, cause } => {
            let status = match error.as_str() {
                "InvalidRequest" => 2,
                "RateLimitDenied" => 3,
                "InvocationFailed" => 4,
                _ => FAILED,
            };
            let document = serde_json::from_str(cause).unwrap_or_else(|_| json!({ "error": error, "message": cause }));
            Ok((document, status))
        }
        End::TimedOut => {
            Err(Failure::new("the execution ran out of time").hint("the books keep what was held; the next run after the lease ends it"))
        }
    }
}

/// The simulator's script: the file named, or the one beside the policy, or none.
pub(super) fn script(named: Option<&Path>, policy_path: Option<&Path>, policy: &Policy) -> Result<Script, Failure> {
    let beside: Option<PathBuf> = policy_path.map(|path| path.with_extension("simulator.yaml")).filter(|path| path.is_file());
    let Some(path) = named.map(Path::to_path_buf).or(beside) else {
        return Ok(Script::default());
    };
    let failure = |error: &dyn std::fmt::Display| {
        Failure::new(format!("{}: {error}", path.display()))
            .hint("--simulator names a YAML file of what the simulated Bedrock answers, by model")
    };
    let text = std::fs::read_to_string(&path).map_err(|error| failure(&error))?;
    let script = Script::parse(&text).map_err(|error| failure(&error))?;
    let known = |name: &str| name == "*" || policy.resolve(name).is_some();
    if let Some(stranger) = script.names().find(|name| !known(name)) {
        let failure = Failure::new(format!("{}: no model of the policy is called `{stranger}`", path.display()));
        let models: Vec<&str> = policy.models.keys().map(String::as_str).collect();
        let near = nearest(stranger, &models).map(|near| format!("the nearest name is `{near}`; "));
        return Err(failure.hint(near.unwrap_or_default() + "`*` stands for every model without an entry"));
    }
    let aliases = policy.models.iter().map(|(name, entry)| (name.clone(), entry.model_id.clone())).collect();
    Ok(script.with_aliases(&aliases))
}

/// Where the books are elsewhere, the folder is there for the log alone.
pub(super) fn log_file(folder: &Path) -> Result<File, Failure> {
    let path = folder.join(LOG_FILE);
    let file = std::fs::create_dir_all(folder).and_then(|()| OpenOptions::new().create(true).append(true).open(&path));
    file.map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// The stack's failure with what to do about it.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(super) fn stack_failure(error: StackError) -> Failure {
    let failure = Failure::from_error(&error);
    match error {
        StackError::DynamoDb(_) => {
            failure.hint("the folder must be writable, and its ledger.sqlite one that this version made; --data DIR names another")
        }
        StackError::Io { .. } => failure.hint("--data DIR names another folder"),
        StackError::NewerFormat { .. } => failure.hint("use that version, or another folder with --data DIR"),
        StackError::Table(_) | StackError::Config(_) | StackError::RemoteEndpoint { .. } => failure,
    }
}
