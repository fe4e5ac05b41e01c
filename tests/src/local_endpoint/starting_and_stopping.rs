//! How the process begins and ends: cleanly, or with one sentence and a hint.

use super::process::{Local, command_on, room_for};
use crate::binary::{Desk, finish};
use crate::harness::sample;
use aws_sdk_sfn::types::ExecutionStatus;
use std::net::TcpListener;

/// Ends with status 1, one sentence that says this, and one hint.
fn refuses(desk: &Desk, port: u16, says: &[&str]) {
    let done = finish(command_on(port, desk, &room_for(1), &[]).spawn().unwrap()).expect(1);
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert!(matches!(lines.as_slice(), [first, hint] if first.starts_with("error: ") && hint.starts_with("hint: ")), "{done:?}");
    for text in says {
        assert!(done.stderr.contains(text), "{text}: {done:?}");
    }
    assert_eq!(done.stdout, "");
}

#[tokio::test]
async fn a_terminated_process_ends_cleanly_and_its_running_executions_go_on_with_the_next() {
    let desk = Desk::new();
    let slow = desk.file("slow.yaml", "models: { '*': { latency: 60s } }");
    let local = Local::start(&desk, &room_for(10), &["--simulator", slow], &[]);
    let client = local.client();
    let start = |name: &str| client.start_execution().state_machine_arn(local.standard()).name(name).input(sample().to_string());
    let rejected = client.start_execution().state_machine_arn(local.standard()).name("rejected").input("{}").send().await.unwrap();
    local.ended(rejected.execution_arn()).await;
    let slow = start("slow").send().await.unwrap().execution_arn().to_owned();
    let done = local.stop("TERM").expect(0);
    assert!(done.stderr.contains("stopped with 1 execution running"), "{done:?}");
    assert_eq!(done.stdout, "");

    let local = Local::start(&desk, &room_for(10), &[], &[]);
    local.says("started again 1 execution", 1).await;
    let ended = local.ended(&slow).await;
    // Its call may have been sent before the end: then it is never repeated.
    assert!(matches!(ended.status(), ExecutionStatus::Succeeded | ExecutionStatus::Failed), "{ended:?}");
    assert_eq!(local.ended(rejected.execution_arn()).await.error(), Some("InvalidRequest"));
    local.stop("INT").expect(0);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    // Each of the four services may be the one whose port is taken.
    for offset in 0..4 {
        let first = port - offset;
        refuses(&Desk::new(), first, &["in use", &format!("ports {first} to "), "--port 0"]);
    }
}

#[test]
fn a_data_folder_that_is_a_file_is_named() {
    let desk = Desk::new();
    desk.file("books", "not a folder");
    refuses(&desk, 0, &["books", "--data DIR"]);
}

#[test]
fn a_data_folder_from_a_newer_version_is_left_alone() {
    let desk = Desk::new();
    std::fs::create_dir(desk.books()).unwrap();
    std::fs::write(desk.books().join("FORMAT"), "2\n").unwrap();
    refuses(&desk, 0, &["books", "newer version", "--data DIR"]);
    assert!(!desk.books().join("ledger.sqlite").exists());
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let desk = Desk::new();
    let first = Local::start(&desk, &room_for(1), &[], &[]);
    refuses(&desk, 0, &["another `cost-sentry local` uses", "--data DIR"]);
    first.stop("TERM").expect(0);
    Local::start(&desk, &room_for(1), &[], &[]).stop("TERM").expect(0);
}
