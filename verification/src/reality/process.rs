//! The built tool: the local endpoint as a process, and the audit of its books.

use super::{PATIENCE, Trouble};
use crate::reality::clients::Endpoint;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The data folder's name.
pub const BOOKS: &str = "books";

/// The built binary, and the folder that it works in.
#[derive(Debug)]
pub struct Tool {
    binary: PathBuf,
    desk: PathBuf,
}

/// What `cost-sentry audit --json` said.
#[derive(Debug)]
pub struct Audit {
    /// Its word.
    pub verdict: String,
    /// All of it.
    pub document: Value,
}

impl Tool {
    /// The binary that was named, or the one beside this program, built from the sources as they are now.
    pub fn find(binary: Option<&Path>, desk: &Path) -> Result<Self, Trouble> {
        let desk = desk.to_owned();
        if let Some(binary) = binary {
            return Ok(Self { binary: binary.canonicalize()?, desk });
        }
        let own = std::env::current_exe()?;
        let folders = own.ancestors().skip(1).find(|folder| ["debug", "release"].iter().any(|profile| folder.ends_with(profile)));
        let profile = folders.ok_or("this program is not in a target folder: name --binary")?;
        let mut cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "cost-sentry", "--target-dir"]).arg(profile.parent().unwrap_or(profile));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        if !cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).status()?.success() {
            return Err("cost-sentry cannot be built".into());
        }
        Ok(Self { binary: profile.join(format!("cost-sentry{}", std::env::consts::EXE_SUFFIX)), desk })
    }

    /// A command on the desk, with an environment that knows nothing of AWS.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.desk).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let foreign = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_"));
        foreign.for_each(|(name, _)| _ = command.env_remove(name));
        command.kill_on_drop(true);
        command
    }

    /// Audits the books as they are.
    pub async fn audit(&self) -> Result<Audit, Trouble> {
        let done = self.command(&["audit", "--data", BOOKS, "--window", "month", "--json"]).output().await?;
        let document: Value = serde_json::from_slice(&done.stdout)
            .map_err(|error| format!("the audit failed: {error}: {}", String::from_utf8_lossy(&done.stderr)))?;
        let verdict = document.get("verdict").and_then(Value::as_str).ok_or("an audit without a verdict")?.to_owned();
        let expected = match verdict.as_str() {
            "balanced" => 0,
            "outOfBalance" => 5,
            _ => 6,
        };
        if done.status.code() != Some(expected) {
            return Err(format!("the audit said {verdict} and ended with {}", done.status).into());
        }
        Ok(Audit { verdict, document })
    }
}

/// A running endpoint.
#[derive(Debug)]
pub struct Local {
    child: Child,
    endpoint: Endpoint,
}

impl Local {
    /// Starts one on the books; returns when it listens.
    pub async fn start(tool: &Tool, bedrock: &str) -> Result<Self, Trouble> {
        let mut command = tool.command(&["local", "--data", BOOKS, "--policy", "policy.yaml", "--port", "0"]);
        let mut child = command.env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", bedrock).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let first = tokio::time::timeout(PATIENCE, BufReader::new(stdout).lines().next_line()).await??;
        let announced: Value = serde_json::from_str(&first.ok_or("the endpoint ended before it listened")?)?;
        let field = |name: &str| announced.get(name).and_then(Value::as_str).map(str::to_owned).ok_or("a field is not announced");
        let endpoint =
            Endpoint { url: field("stepFunctions")?, standard: field("standardStateMachineArn")?, express: field("stateMachineArn")? };
        Ok(Self { child, endpoint })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// Kills it with signal 9.
    pub fn kill(mut self) -> Result<(), Trouble> {
        self.child.start_kill()?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                return Err("the killed process does not end".into());
            }
            std::thread::sleep(super::POLL);
        }
        Ok(())
    }

    /// Asks it to end, as a terminal would, and waits for that.
    pub async fn stop(mut self) -> Result<(), Trouble> {
        let id = self.child.id().ok_or("the process has ended by itself")?;
        Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        if status.success() { Ok(()) } else { Err(format!("the endpoint ended with {status}").into()) }
    }
}
