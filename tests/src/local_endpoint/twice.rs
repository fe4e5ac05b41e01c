//! An asynchronous Express execution that runs twice, as AWS may do.

use super::audit::Books;
use super::process::{Local, room_for};
use crate::binary::Desk;
use crate::harness::sample;
use cost_sentry::local::metrics_sink::MetricsSink;
use cost_sentry::local::simulator::{Script, Simulator};
use cost_sentry_core::reservation::State;

const EXECUTIONS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn the_second_run_of_an_execution_calls_nothing_and_moves_nothing() {
    let bedrock = Simulator::start(Script::default()).await.unwrap();
    let cloudwatch = MetricsSink::start().await.unwrap();
    let desk = Desk::new();
    let elsewhere = [("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &*bedrock.endpoint()), ("AWS_ENDPOINT_URL_CLOUDWATCH", &cloudwatch.endpoint())];
    let local = Local::start(&desk, &room_for(1_000), &["--express-twice"], &elsewhere);
    let client = local.client();
    for n in 0..EXECUTIONS {
        let start = client.start_execution().state_machine_arn(local.express()).name(format!("run-{n}")).input(sample().to_string());
        start.send().await.unwrap();
    }
    local.says(" express ", 2 * EXECUTIONS).await;
    let done = local.stop("TERM").expect(0);
    for n in 0..EXECUTIONS {
        let lines: Vec<&str> = done.stderr.lines().filter(|line| line.contains(&format!(" run-{n} "))).collect();
        let ends = |end: &str| lines.iter().filter(|line| line.contains(end)).count();
        assert_eq!((ends("InvocationSucceeded"), ends("InvocationFailed")), (1, 1), "{lines:?}");
    }
    let log = std::fs::read_to_string(desk.books().join("log.jsonl")).unwrap();
    assert_eq!(log.matches("InvocationUncertain").count(), EXECUTIONS);
    let mut ids: Vec<String> = bedrock.calls().iter().map(|call| call.body["requestMetadata"]["requestId"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), bedrock.calls().len()), (EXECUTIONS, EXECUTIONS));
    let sum = |name: &str| cloudwatch.data().iter().filter(|datum| datum.name == name).fold(0.0, |sum, datum| sum + datum.value);
    let names = ["DuplicateExecutions", "TotalRequests", "RateLimitApproved", "InvocationFailed", "UncertainCharges", "SentryErrors"];
    assert_eq!(format!("{:?}", names.map(sum)), "[10.0, 10.0, 10.0, 0.0, 0.0, 0.0]");
    let books = Books::open(&desk).await;
    assert_eq!((books.count(State::Settled), books.reservations.len()), (EXECUTIONS, EXECUTIONS));
    assert_eq!(books.counters.values().collect::<Vec<_>>(), [&[10, 10, 0]]);
}
