//! The client examples, each in its own language against a running process: what they print, and their exit status.

use super::process::{Local, policy, room_for};
use crate::binary::{Desk, Done, finish, repository};
use jiff::{Timestamp, ToSpan};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A program in `.tools/clients`.
fn installed(path: &str) -> PathBuf {
    let path = repository().join(".tools/clients").join(path);
    assert!(path.exists(), "{} is not there; `./gate clients` installs it", path.display());
    path
}

/// The Rust example, built from the source as it is now.
fn rust_example() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).unwrap();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "cost-sentry", "--example", "start", "--target-dir"]).arg(target);
        assert!(cargo.current_dir(repository()).status().unwrap().success(), "the example cannot be built");
        target.join("debug/examples/start")
    };
    PATH.get_or_init(build).clone()
}

#[derive(Debug, Clone, Copy)]
enum Client {
    Boto3,
    AwsCli,
    TypeScript,
    Rust,
}

impl Client {
    fn command(self) -> Command {
        let program = |path: PathBuf, script: Option<PathBuf>| {
            let mut command = Command::new(path);
            command.args(script);
            command
        };
        match self {
            Self::Boto3 => program(installed("python/bin/python"), Some(repository().join("examples/clients/start.py"))),
            Self::AwsCli => {
                let mut paths = vec![installed("python/bin/aws").parent().unwrap().to_path_buf()];
                paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
                let mut command = Command::new(repository().join("examples/clients/start.sh"));
                command.env("PATH", std::env::join_paths(paths).unwrap());
                command
            }
            Self::TypeScript => program("node".into(), Some(installed("typescript/dist/start.js"))),
            Self::Rust => program(rust_example(), None),
        }
    }

    /// Runs the example as its users do: the endpoint, region and credentials come from the environment.
    fn start(self, local: &Local, desk: &Desk, arguments: &[&str], longest_wait: u32) -> std::process::Child {
        let mut command = self.command();
        let foreign = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_"));
        foreign.for_each(|(name, _)| _ = command.env_remove(name));
        command
            .env("AWS_ENDPOINT_URL_SFN", local.announced("stepFunctions"))
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("NODE_NO_WARNINGS", "1").env("HOME", desk.path("")).env("LONGEST_WAIT_SECONDS", longest_wait.to_string());
        command.args(arguments).current_dir(desk.path("")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn run(self, local: &Local, desk: &Desk, arguments: &[&str]) -> Done {
        finish(self.start(local, desk, arguments, 1))
    }
}

/// Answered, answered again under the same name without a second call, rejected, denied, denied for ever, failed.
fn check(client: Client) {
    let desk = Desk::new();
    let request = desk.sample();
    let local = Local::start(&desk, &room_for(2), &[], &[]);
    let (sync, standard) = (["sync", local.express(), request], ["async", local.standard(), request, "order-7"]);
    let answered =
        |done: Done| assert!(done.stdout.starts_with("This is a simulated answer") && done.stderr.is_empty(), "{client:?} {done:?}");
    answered(client.run(&local, &desk, &sync).expect(0));
    answered(client.run(&local, &desk, &standard).expect(0));
    // The budget is used up: only the name brings this answer.
    answered(client.run(&local, &desk, &standard).expect(0));
    let says = |done: Done, texts: &[&str]| {
        assert!(texts.iter().all(|text| done.stderr.contains(text)) && done.stdout.is_empty(), "{client:?} {done:?}");
    };
    for arguments in [&sync[..], &["async", local.standard(), request]] {
        says(client.run(&local, &desk, arguments).expect(3), &["denied", "few", "retry after: "]);
    }
    desk.file("bad.json", "{ \"model\": \"claude-3-5-haiku\", \"prompt\": { \"messages\": [] } }");
    says(
        client.run(&local, &desk, &["sync", local.express(), "bad.json"]).expect(2),
        &["rejected", "/prompt/messages", "/tags/applicationId"],
    );
    local.stop("TERM").expect(0);

    let refuses = desk.file("refuses.yaml", "models: { '*': { always: { error: AccessDeniedException } } }");
    let desk_of_failures = Desk::new();
    let local = Local::start(&desk_of_failures, &room_for(9), &["--simulator", desk.path(refuses).to_str().unwrap()], &[]);
    says(client.run(&local, &desk, &["sync", local.express(), request]).expect(4), &["failed", "ModelAccessDenied", "was not"]);
    local.stop("TERM").expect(0);

    let desk_of_tokens = Desk::new();
    let local = Local::start(&desk_of_tokens, &policy("{ name: tiny, limit: { tokens: 10 }, window: day }"), &[], &[]);
    says(client.run(&local, &desk, &["sync", local.express(), request]).expect(3), &["denied", "tiny", "never"]);
    local.stop("TERM").expect(0);
}

#[test]
fn boto3_tells_success_denial_failure_and_rejection_apart() {
    check(Client::Boto3);
}

#[test]
fn the_aws_cli_tells_success_denial_failure_and_rejection_apart() {
    check(Client::AwsCli);
}

#[test]
fn typescript_tells_success_denial_failure_and_rejection_apart() {
    check(Client::TypeScript);
}

#[test]
fn rust_tells_success_denial_failure_and_rejection_apart() {
    check(Client::Rust);
}

#[test]
fn every_client_waits_as_long_as_a_denial_says_and_is_answered_then() {
    rust_example();
    let desk = Desk::new();
    let request = desk.sample();
    // No room in a period that ends soon; then only the other budget counts.
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let (from, until) = (now - 1.minute(), now + 20.seconds());
    let budgets = format!(
        "{{ name: short, limit: {{ tokens: 3000 }}, period: {{ from: \"{from}\", until: \"{until}\" }} }}, {{ name: long, limit: {{ requests: 99 }}, window: month }}"
    );
    let used_up = desk.file("used.yaml", "models: { '*': { usage: { inputTokens: 1000, outputTokens: 2000 } } }");
    let local = Local::start(&desk, &policy(&budgets), &["--simulator", used_up], &[]);
    let sync = ["sync", local.express(), request];
    Client::Rust.run(&local, &desk, &sync).expect(0);
    let clients = [Client::Boto3, Client::AwsCli, Client::TypeScript, Client::Rust];
    let waiting = clients.map(|client| client.start(&local, &desk, &sync, 60));
    for (client, child) in clients.iter().zip(waiting) {
        let done = finish(child).expect(0);
        assert!(done.stderr.contains("denied") && done.stdout.starts_with("This is a simulated answer"), "{client:?} {done:?}");
    }
    assert!(Timestamp::now() >= until);
}
