//! `cost-sentry local`: the local stack as one process, behind a Step Functions endpoint.

use super::following::apply_to;
use super::run::{script, stack_failure};
use super::{Failure, policy};
use crate::cli;
use crate::local::lambda::LambdaTasks;
use crate::local::stack::{Options, Ports, Stack, TABLE};
use crate::local::step_functions::StepFunctions;
use crate::local::step_functions::arn::MachineType;
use crate::local::step_functions::executions::{Executions, Parts, Record, Report};
use crate::local::tasks::LocalTasks;
use crate::show::{plural, style};
use crate::state_machine;
use cost_sentry_asl::{TaskError, Tasks};
use cost_sentry_aws::log::Lines;
use cost_sentry_workflow::time_outs::Leases;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The journal of acknowledged executions, and who may write it.
const JOURNAL_FILE: &str = "executions.jsonl";
const LOCK_FILE: &str = "local.lock";

/// The functions, wherever they run.
enum Functions {
    /// In this process.
    Here(LocalTasks<Lines<File>>),
    /// Behind a Lambda endpoint.
    There(Box<LambdaTasks>),
}

impl Tasks for Functions {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        match self {
            Self::Here(tasks) => tasks.invoke(resource, input).await,
            Self::There(tasks) => tasks.invoke(resource, input).await,
        }
    }
}

/// Tells of each execution on standard error.
struct Console;

impl Report for Console {
    fn ended(&self, record: &Record) {
        let Some(ended) = &record.ended else { return };
        let millis = ended.stopped_at.duration_since(record.started.started_at).as_millis();
        let outcome = match (&ended.error, &ended.output) {
            (Some(error), _) => style::bad(error),
            (None, Some(_)) => style::good("InvocationSucceeded"),
            (None, None) => String::new(),
        };
        let kind = record.started.machine.word().to_lowercase();
        anstream::eprintln!(
            "{:.3} {kind:<8} {:>9} {millis:>6} ms {} {outcome}",
            ended.stopped_at,
            ended.status.to_string(),
            record.started.name
        );
    }
}

/// Runs the command, until it is told to stop.
pub async fn local(arguments: cli::Local) -> Result<u8, Failure> {
    // Before anybody knows of this process, so that whoever does can end it cleanly.
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| Failure::from_error(&error))?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| Failure::from_error(&error))?;
    let file = policy::load(arguments.policy.policy.as_deref())?;
    let script = script(arguments.simulator.as_deref(), arguments.policy.policy.as_deref(), &file.policy)?;
    std::fs::create_dir_all(&arguments.data.data).map_err(|error| folder_failure(&arguments.data.data, &error))?;
    let _lock = lock(&arguments.data.data)?;
    let port = arguments.port;
    let offset = |n: u16| if port == 0 { 0 } else { port.saturating_add(n) };
    let options = Options {
        data: Some(arguments.data.data.clone()),
        script,
        ports: Ports { dynamodb: offset(1), bedrock_runtime: offset(2), cloudwatch: offset(3) },
        leases: arguments.lease.map_or_else(Leases::default, Leases::on_one_clock),
        allow_remote_endpoints: arguments.allow_remote_endpoints,
        http_client: None,
    };
    let stack = Stack::start(options).await.map_err(|error| port_failure(stack_failure(error), port))?;
    let applied = apply_to(&stack.policies(), &file, Timestamp::now()).await?;
    anstream::eprint!("{}", crate::show::changes::text(&applied.changes));
    let log = Lines::new(super::run::log_file(&arguments.data.data)?);
    let functions = match &arguments.lambda_endpoint {
        Some(url) => Functions::There(Box::new(LambdaTasks::new(url))),
        None => Functions::Here(stack.tasks(log.clone())),
    };
    let (executions, resumed) = executions(functions, &arguments)?;
    let listening = StepFunctions::start(port, executions.clone()).await;
    let endpoint = listening.map_err(|error| port_failure(Failure::new(format!("127.0.0.1:{port}: {error}")), port))?;
    announce(&stack, &endpoint);
    anstream::eprintln!("policy: {} ({}), books: {}", file.name, applied.policy.version, arguments.data.data.display());
    if resumed > 0 {
        anstream::eprintln!("started again {} that an earlier process left", plural(resumed as u64, "execution"));
    }
    let sweeping = tokio::spawn(sweep_forever(stack.sweep(log), Duration::from_secs(arguments.sweep_every)));
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    sweeping.abort();
    endpoint.shutdown().await;
    let left = executions.leave();
    if left > 0 {
        anstream::eprintln!(
            "stopped with {} running; asynchronous ones start again with the next `cost-sentry local`",
            plural(left as u64, "execution")
        );
    }
    Ok(0)
}

fn executions(functions: Functions, arguments: &cli::Local) -> Result<(Executions<Functions>, usize), Failure> {
    let machine = state_machine::local().map_err(|problems| {
        Failure::new(format!("the state machine is broken: {}", problems.first().map(ToString::to_string).unwrap_or_default()))
    })?;
    let definition = state_machine::local_text();
    let journal = arguments.data.data.join(JOURNAL_FILE);
    let parts = Parts {
        machine,
        definition,
        tasks: functions,
        journal: Some(&journal),
        report: Box::new(Console),
        express_twice: arguments.express_twice,
    };
    Executions::open(parts)
        .map_err(|error| Failure::from_error(&error).hint("the data folder must be writable, and its disk must have room"))
}

/// One process at a time writes the journal; the lock goes with the process, however it ends.
fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join(LOCK_FILE);
    let file = File::create(&path).map_err(|error| folder_failure(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::new(format!("another `cost-sentry local` uses {}", folder.display()))
            .hint("stop it, or name another folder with --data DIR")),
        Err(TryLockError::Error(error)) => Err(folder_failure(&path, &error)),
    }
}

fn folder_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} could not be used: {error}", path.display()))
        .hint("the data folder must be a folder that can be written; --data DIR names another")
}

fn port_failure(failure: Failure, port: u16) -> Failure {
    if failure.message.contains("in use") {
        let hint = format!("ports {port} to {} must be free; --port N names others, --port 0 lets the system pick", port.saturating_add(3));
        return Failure { hint: Some(hint), ..failure };
    }
    failure
}

/// The first line of standard output: where everything is.
fn announce(stack: &Stack, endpoint: &StepFunctions) {
    let endpoints = &stack.endpoints;
    println!(
        "{}",
        json!({
            "stepFunctions": endpoint.endpoint(),
            "dynamodb": endpoints.dynamodb,
            "bedrock": endpoints.bedrock_runtime,
            "cloudwatch": endpoints.cloudwatch,
            "table": TABLE,
            "stateMachineArn": MachineType::Express.machine_arn(),
            "standardStateMachineArn": MachineType::Standard.machine_arn(),
        })
    );
}

async fn sweep_forever(sweep: cost_sentry_aws::steps::SweepReservations<Lines<File>>, every: Duration) {
    loop {
        match sweep.run(Value::Null).await {
            Ok(swept) if ["released", "uncertain"].iter().any(|name| swept.get(name).is_some_and(|count| *count != 0)) => {
                anstream::eprintln!("swept {swept}");
            }
            Ok(_) => {}
            Err(error) => anstream::eprintln!("{}", style::error(&format!("the sweep failed: {error}"))),
        }
        tokio::time::sleep(every).await;
    }
}
