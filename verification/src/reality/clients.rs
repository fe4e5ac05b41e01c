//! Clients, each with connections of its own, that go on through kills.

use super::{APPLICATIONS, Options, PATIENCE, POLL, Seen, Trouble};
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_sdk_sfn::types::ExecutionStatus;
use cost_sentry::host_prefix::WithoutHostPrefix;
use cost_sentry::local::simulator::{Answered, Operation, Simulator};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The first wait before it is asked whether an execution has ended.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait between two questions whether an execution has ended.
const LONGEST: Duration = Duration::from_secs(2);

/// Where the running process listens, and what it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Of Step Functions.
    pub url: String,
    /// The Standard state machine.
    pub standard: String,
    /// The Express state machine.
    pub express: String,
}

/// What the clients have seen so far.
#[derive(Debug, Default)]
pub struct Tally {
    next: AtomicUsize,
    acknowledged: AtomicUsize,
    cut_off: AtomicUsize,
    ended: AtomicUsize,
    endings: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    fn end(&self, ending: String) {
        *self.endings.lock().unwrap_or_else(PoisonError::into_inner).entry(ending).or_default() += 1;
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    /// Executions whose end a client was told.
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// Executions that a client has begun with, and that have not ended.
    pub fn under_way(&self) -> usize {
        self.next.load(Ordering::SeqCst).saturating_sub(self.ended())
    }

    /// Acknowledged executions that never ended.
    pub fn lost(&self) -> u64 {
        (self.acknowledged.load(Ordering::SeqCst).saturating_sub(self.ended.load(Ordering::SeqCst))) as u64
    }

    /// Hands over what was seen.
    pub fn endings(&self, seen: &mut Seen) {
        seen.endings.clone_from(&self.endings.lock().unwrap_or_else(PoisonError::into_inner));
        seen.acknowledged = self.acknowledged.load(Ordering::SeqCst) as u64;
        seen.cut_off = self.cut_off.load(Ordering::SeqCst) as u64;
    }

    /// Waits until it is so, while there is progress.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Trouble> {
        let (mut last, mut since) = (0, Instant::now());
        while !is_so(self) {
            let now = self.ended();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                return Err(format!("waited in vain for {what}; {now} executions ended").into());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

/// The ids of the requests whose calls the simulator answered, and so bills.
pub fn paid(bedrock: &Simulator) -> Vec<String> {
    let calls = bedrock.calls().into_iter().filter(|call| call.operation == Operation::Converse);
    let answered = calls.filter(|call| matches!(call.answered, Answered::Answer(_)));
    answered.map(|call| call.body.pointer("/requestMetadata/requestId").and_then(Value::as_str).unwrap_or("?").to_owned()).collect()
}

/// Starts all clients.
pub fn start(options: &Options, endpoint: &watch::Receiver<Endpoint>, tally: &Arc<Tally>) -> Vec<JoinHandle<Result<(), Trouble>>> {
    let executions = options.executions;
    let client = |n: usize| {
        let worker = Worker { endpoint: endpoint.clone(), tally: Arc::clone(tally), client: None };
        tokio::spawn(worker.work(executions, n % 4 == 3))
    };
    (0..options.clients).map(client).collect()
}

struct Worker {
    endpoint: watch::Receiver<Endpoint>,
    tally: Arc<Tally>,
    client: Option<(Endpoint, Client)>,
}

fn request(n: usize) -> String {
    json!({
        "model": "claude-3-5-haiku",
        "prompt": { "messages": [{ "role": "user", "content": format!("Question {n:05}?") }], "parameters": { "max_tokens": 40 } },
        "tags": { "applicationId": format!("app-{}", n as u64 % APPLICATIONS) },
    })
    .to_string()
}

impl Worker {
    async fn work(mut self, executions: usize, synchronous: bool) -> Result<(), Trouble> {
        loop {
            let n = self.tally.next.fetch_add(1, Ordering::SeqCst);
            if n >= executions {
                return Ok(());
            }
            if synchronous { self.ask(n).await? } else { self.start_and_wait(n).await? }
        }
    }

    /// A client of the process that runs now.
    fn client(&mut self) -> (Endpoint, Client) {
        let now = self.endpoint.borrow().clone();
        match &self.client {
            Some(known) if known.0 == now => known.clone(),
            _ => self.client.insert((now.clone(), connect(&now.url))).clone(),
        }
    }

    /// A synchronous execution: where the process is killed meanwhile, nobody will tell its client how it ended, and it asks again.
    async fn ask(&mut self, n: usize) -> Result<(), Trouble> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let (asked, client) = self.client();
            match client.start_sync_execution().state_machine_arn(&asked.express).input(request(n)).send().await {
                Ok(ended) => {
                    self.tally.acknowledged.fetch_add(1, Ordering::SeqCst);
                    self.tally.end(ending(ended.output().or(ended.cause()).unwrap_or_default()));
                    return Ok(());
                }
                Err(_) => _ = self.tally.cut_off.fetch_add(1, Ordering::SeqCst),
            }
            // Where the next process listens may not be known yet.
            if *self.endpoint.borrow_and_update() == asked {
                let _ = tokio::time::timeout(LONGEST, self.endpoint.changed()).await;
            }
        }
        Err(format!("request {n} is never answered").into())
    }

    /// One Standard execution: started until that is acknowledged, asked for until it has ended.
    async fn start_and_wait(&mut self, n: usize) -> Result<(), Trouble> {
        let (began, name) = (Instant::now(), format!("run-{n}"));
        let mut wait = FIRST;
        let mut known: Option<String> = None;
        loop {
            let (endpoint, client) = self.client();
            if let Some(arn) = &known {
                if let Ok(described) = client.describe_execution().execution_arn(arn).send().await
                    && *described.status() != ExecutionStatus::Running
                {
                    self.tally.end(ending(described.output().or(described.cause()).unwrap_or_default()));
                    return Ok(());
                }
            } else {
                let start = client.start_execution().state_machine_arn(&endpoint.standard).name(&name).input(request(n));
                known = match start.send().await {
                    Ok(started) => Some(started.execution_arn().to_owned()),
                    // Acknowledged to nobody, and ended already: its ARN follows from its name.
                    Err(error) if error.as_service_error().is_some_and(StartExecutionError::is_execution_already_exists) => {
                        Some(format!("{}:{name}", endpoint.standard.replace(":stateMachine:", ":execution:")))
                    }
                    Err(_) => None,
                };
                self.tally.acknowledged.fetch_add(usize::from(known.is_some()), Ordering::SeqCst);
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{name} does not end").into());
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST);
        }
    }
}

/// How an execution ended: its error's name, or its outcome.
fn ending(document: &str) -> String {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let word = document.pointer("/error/name").or_else(|| document.get("outcome"));
    word.and_then(Value::as_str).unwrap_or("without a document").to_owned()
}

/// A client that repeats nothing.
fn connect(url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .interceptor(WithoutHostPrefix)
        .build();
    Client::from_conf(config)
}
