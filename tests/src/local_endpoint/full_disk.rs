//! A disk without room, simulated by the largest size that a file of the process may have.

use super::audit::Books;
use super::process::{Local, command, room_for};
use crate::binary::Desk;
use crate::harness::sample;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use cost_sentry::local::simulator::{Script, Simulator};
use cost_sentry_core::reservation::State;
use serde_json::Value;
use std::process::{Command, Stdio};

const BEDROCK: &str = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME";
/// Files may grow by so much: for some executions, not for all.
const ROOM_BYTES: u64 = 256 * 1024;

/// The largest file of a desk's books.
fn largest(desk: &Desk) -> u64 {
    std::fs::read_dir(desk.books()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).max().unwrap()
}

/// The command in a shell that lets no file grow beyond a size; going beyond is an error then, not a signal.
fn limited(command: &Command, bytes: u64) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"", "bash"]).arg((bytes / 1024).to_string());
    shell.arg(command.get_program()).args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_executions_by_name_and_nothing_is_called_that_is_not_in_the_books() {
    let bedrock = Simulator::start(Script::default()).await.unwrap();
    let desk = Desk::new();
    let policy = room_for(100_000);
    Local::start(&desk, &policy, &[], &[]).stop("TERM").expect(0);
    let mut command = command(&desk, &policy, &[]);
    command.env(BEDROCK, bedrock.endpoint());
    let mut local = Local::spawn(limited(&command, largest(&desk) + ROOM_BYTES));
    let client = local.client();
    let (mut answered, mut failed, mut acknowledged) = (0, Vec::new(), Vec::new());
    for n in 0..2_000 {
        if failed.len() == 3 {
            break;
        }
        let start = client.start_execution().state_machine_arn(local.standard()).name(format!("run-{n}")).input(sample().to_string());
        match start.send().await {
            Err(error) => failed.push(error.code().unwrap_or("no answer").to_owned()),
            Ok(started) => {
                acknowledged.push(started.execution_arn().to_owned());
                let ended = local.ended(started.execution_arn()).await;
                if ended.error().is_none() {
                    answered += 1;
                } else {
                    let document: Value = serde_json::from_str(ended.cause().unwrap()).unwrap();
                    failed.push(document["error"]["name"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    println!("{answered} answered, then {failed:?}");
    assert!(answered > 0 && failed.len() == 3, "{answered} {failed:?}");
    let known = ["ServiceUnavailable", "LedgerUnavailable", "InvocationUncertain"];
    assert!(failed.iter().all(|name| known.contains(&name.as_str())), "{failed:?}");
    assert!(local.is_running());
    local.client().list_state_machines().send().await.unwrap();
    local.stop("TERM").expect(0);

    // With room again, whatever was acknowledged has an end, and the books know of every call.
    let local = Local::start(&desk, &policy, &[], &[(BEDROCK, &bedrock.endpoint())]);
    for arn in &acknowledged {
        local.ended(arn).await;
    }
    local.stop("TERM").expect(0);
    let books = Books::open(&desk).await;
    for call in bedrock.calls() {
        let id = call.body["requestMetadata"]["requestId"].as_str().unwrap().to_owned();
        let known = books.reservations.iter().find(|reservation| reservation.request_id() == id).unwrap_or_else(|| panic!("{id}"));
        assert!(matches!(known.state, State::Settled | State::Uncertain | State::Claimed), "{known:?}");
    }
}
