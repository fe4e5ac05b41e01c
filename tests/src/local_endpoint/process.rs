//! A running `cost-sentry local`, and clients for it.

use crate::binary::{Desk, Done};
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use cost_sentry::host_prefix::WithoutHostPrefix;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_secs(90);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// A policy with one model and these budgets.
pub fn policy(budgets: &str) -> String {
    format!("{{ models: {{ claude-3-5-haiku: {{ id: \"us.anthropic.claude-3-5-haiku-20241022-v1:0\" }} }}, budgets: [{budgets}] }}")
}

/// A policy with room for so many requests.
pub fn room_for(requests: u32) -> String {
    policy(&format!("{{ name: few, limit: {{ requests: {requests} }}, window: month }}"))
}

/// A running process; killed when dropped.
pub struct Local {
    child: Child,
    announced: Value,
    stderr: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

impl Local {
    /// Starts one on the desk's books under a policy, on ports that the system picks.
    pub fn start(desk: &Desk, policy: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(desk, policy, arguments);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// Starts what the command says, and waits for its first line.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut pipe, text) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&stderr));
        let reading = std::thread::spawn(move || {
            let mut line = String::new();
            while pipe.read_line(&mut line).is_ok_and(|read| read > 0) {
                text.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        let Ok(announced) = serde_json::from_str(&first) else {
            let _ = child.kill();
            let _ = reading.join();
            panic!("{first:?}: {}", stderr.lock().unwrap());
        };
        Self { child, announced, stderr, reading: Some(reading) }
    }

    /// A field of the first line.
    pub fn announced(&self, name: &str) -> &str {
        self.announced[name].as_str().unwrap()
    }

    /// What was written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// The Express state machine's ARN.
    pub fn express(&self) -> &str {
        self.announced("stateMachineArn")
    }

    /// The Standard state machine's ARN.
    pub fn standard(&self) -> &str {
        self.announced("standardStateMachineArn")
    }

    /// A client with connections of its own, which repeats nothing.
    pub fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(self.announced("stepFunctions"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .interceptor(WithoutHostPrefix)
            .build();
        Client::from_conf(config)
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, and waits for the end.
    pub fn stop(mut self, signal: &str) -> Done {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        let mut stdout = String::new();
        let status = self.child.wait().unwrap().code().unwrap_or(-1);
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.reading.take().unwrap().join().unwrap();
        let done = Done { status, stdout, stderr: self.stderr() };
        assert!(!done.stderr.contains("panicked at"), "{done:?}");
        done
    }

    /// Waits until a Standard execution has ended.
    pub async fn ended(&self, arn: &str) -> DescribeExecutionOutput {
        let client = self.client();
        let began = Instant::now();
        loop {
            let described = client.describe_execution().execution_arn(arn).send().await.unwrap();
            if *described.status() != ExecutionStatus::Running {
                return described;
            }
            assert!(began.elapsed() < DEADLINE, "{arn} runs on\n{}", self.stderr());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until standard error has so many lines that hold this text.
    pub async fn says(&self, text: &str, times: usize) {
        eventually(|| self.stderr().lines().filter(|line| line.contains(text)).count() >= times).await;
    }
}

/// Waits until it is so.
pub async fn eventually(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "waited in vain");
        tokio::time::sleep(POLL).await;
    }
}

/// The command that [`Local::start`] runs.
pub fn command(desk: &Desk, policy: &str, arguments: &[&str]) -> Command {
    command_on(0, desk, policy, arguments)
}

/// The same on a port of one's own choice.
pub fn command_on(port: u16, desk: &Desk, policy: &str, arguments: &[&str]) -> Command {
    let policy = desk.file("policy.yaml", policy);
    let mut command = desk.command(&["local", "--data", "books", "--policy", policy]);
    command.args(["--port", &port.to_string()]).args(arguments);
    command
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
