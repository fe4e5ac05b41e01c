//! What survives when the process is killed.

use super::audit::Books;
use super::process::{Local, eventually, policy};
use crate::binary::Desk;
use crate::harness::sample;
use cost_sentry::local::simulator::{Script, Simulator};
use cost_sentry_aws::edge::SystemEdge;
use cost_sentry_aws::log::Lines;
use cost_sentry_aws::metrics::CloudWatch;
use cost_sentry_core::reservation::{ClaimId, State};
use cost_sentry_workflow::ports::{Edge, PolicyStore};
use cost_sentry_workflow::steps::SweepReservations;
use cost_sentry_workflow::time_outs::Leases;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const EXECUTIONS: usize = 200;

/// A clock that is an hour ahead.
#[derive(Debug)]
struct AnHourLater;

impl Edge for AnHourLater {
    fn now(&self) -> Timestamp {
        Timestamp::now() + 1.hour()
    }

    fn draw_claim_id(&self) -> ClaimId {
        SystemEdge.draw_claim_id()
    }
}

async fn sweep_an_hour_later(books: &Books) {
    let clients = books.stack.clients.clone();
    let (ledger, log) = (books.stack.ledger(), Lines::new(Vec::new()));
    let metrics = CloudWatch::new(books.stack.config.metrics, || clients.cloudwatch(), log.clone());
    SweepReservations { ledger, metrics, log, edge: AnHourLater, leases: Leases::default() }.sweep().await.unwrap();
}

/// Starts executions until the endpoint is gone; the ARNs of those that were acknowledged are added as they are.
fn start_many(local: &Local, acknowledged: &Arc<Mutex<Vec<String>>>) -> Vec<tokio::task::JoinHandle<()>> {
    let start = |worker: usize| {
        let (client, arn, acknowledged) = (local.client(), local.standard().to_owned(), Arc::clone(acknowledged));
        tokio::spawn(async move {
            for n in (worker..EXECUTIONS).step_by(16) {
                let start = client.start_execution().state_machine_arn(&arn).name(format!("run-{n}")).input(sample().to_string());
                let Ok(started) = start.send().await else { return };
                acknowledged.lock().unwrap().push(started.execution_arn().to_owned());
            }
        })
    };
    (0..16).map(start).collect()
}

/// Kills the process once so many executions are acknowledged and the model was called so often; then every acknowledged one ends.
async fn check(acknowledged_before: usize, calls_before: usize) {
    let bedrock = Simulator::start(Script::parse("models: { '*': { latency: 150ms } }").unwrap()).await.unwrap();
    let desk = Desk::new();
    let policy = policy(
        "{ name: few, limit: { requests: 120 }, window: month }, { name: tokens, limit: { tokens: 100000000 }, window: month }, \
         { name: day, limit: { usd: 100 }, window: day, per: [applicationId] }",
    );
    let variables = [("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &*bedrock.endpoint())];
    let local = Local::start(&desk, &policy, &[], &variables);
    let acknowledged = Arc::default();
    let starting = start_many(&local, &acknowledged);
    eventually(|| acknowledged.lock().unwrap().len() >= acknowledged_before && bedrock.calls().len() >= calls_before).await;
    local.stop("KILL");
    for task in starting {
        task.await.unwrap();
    }
    let books = Books::open(&desk).await;
    let version = books.stack.policies().current_version().await.unwrap();
    let open = books.reservations.iter().filter(|reservation| reservation.state.is_open()).count();
    drop(books);

    let local = Local::start(&desk, &policy, &[], &variables);
    local.says(&version, 1).await;
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() >= acknowledged_before);
    let mut endings = BTreeMap::<String, usize>::new();
    for arn in &acknowledged {
        let ended = local.ended(arn).await;
        let document: Value = serde_json::from_str(ended.output().or(ended.cause()).unwrap()).unwrap();
        let ending = document.pointer("/error/name").unwrap_or(&document["outcome"]);
        *endings.entry(ending.as_str().unwrap().to_owned()).or_default() += 1;
    }
    println!("{} acknowledged, {open} reservations open when killed; {endings:?}", acknowledged.len());
    local.stop("TERM").expect(0);

    let books = Books::open(&desk).await;
    assert_eq!(books.stack.policies().current_version().await.unwrap(), version);
    sweep_an_hour_later(&books).await;
    let books = books.read_again().await;
    assert!(books.reservations.iter().all(|reservation| !reservation.state.is_open()));
    // What was released made room for others.
    assert!(books.count(State::Settled) + books.count(State::Uncertain) <= 120);
    // At most one call for each request, and none that the books don't know.
    let mut called: Vec<String> =
        bedrock.calls().iter().map(|call| call.body["requestMetadata"]["requestId"].as_str().unwrap().to_owned()).collect();
    called.sort();
    assert!(called.windows(2).all(|two| two[0] != two[1]), "a request was sent twice");
    let paid =
        |id: &str| books.reservations.iter().any(|one| one.request_id() == id && matches!(one.state, State::Settled | State::Uncertain));
    assert!(called.iter().all(|id| paid(id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_execution_ends_after_a_kill_and_the_books_add_up() {
    Box::pin(check(100, 20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_where_the_kill_comes_with_the_first_executions() {
    Box::pin(check(5, 0)).await;
}
