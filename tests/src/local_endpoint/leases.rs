//! Leases shorter than a call: the sweep ends what its owner still works on, and nothing is lost by it.

use super::audit::Books;
use super::process::{Local, room_for};
use crate::binary::Desk;
use crate::harness::sample;
use aws_sdk_sfn::types::ExecutionStatus;
use cost_sentry_core::reservation::State;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_outlasts_its_lease_is_marked_uncertain_and_settled_when_it_is_answered() {
    let desk = Desk::new();
    let slow = desk.file("slow.yaml", "models: { '*': { latency: 6s } }");
    let local = Local::start(&desk, &room_for(10), &["--simulator", slow, "--lease", "1", "--sweep-every", "1"], &[]);
    let start = local.client().start_execution().state_machine_arn(local.standard()).input(sample().to_string());
    let started = start.send().await.unwrap();
    local.says("\"uncertain\":1", 1).await;
    let ended = local.ended(started.execution_arn()).await;
    assert_eq!(ended.status(), &ExecutionStatus::Succeeded, "{ended:?}");
    local.stop("TERM").expect(0);
    let books = Books::open(&desk).await;
    assert_eq!((books.count(State::Settled), books.reservations.len()), (1, 1));
    assert_eq!(books.counters.values().collect::<Vec<_>>(), [&[1, 1, 0]]);
}
