//! Many clients at once.

use super::audit::Books;
use super::process::{Local, room_for};
use crate::binary::Desk;
use crate::harness::sample;
use cost_sentry::local::simulator::{Script, Simulator};
use cost_sentry_core::reservation::State;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const EXECUTIONS: usize = 200;
const CONNECTIONS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_executions_from_64_connections_exactly_the_50_with_room_call_the_model() {
    let bedrock = Simulator::start(Script::default()).await.unwrap();
    let desk = Desk::new();
    let local = Arc::new(Local::start(&desk, &room_for(50), &[], &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &bedrock.endpoint())]));
    let started = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (local, started) = (Arc::clone(&local), Arc::clone(&started));
            tokio::spawn(async move {
                let client = local.client();
                let mut endings = Vec::new();
                while started.fetch_add(1, Ordering::Relaxed) < EXECUTIONS {
                    let start = client.start_sync_execution().state_machine_arn(local.express()).input(sample().to_string());
                    let ended = start.send().await.unwrap();
                    endings.push(ended.error().unwrap_or(ended.status().as_str()).to_owned());
                }
                endings
            })
        })
        .collect();
    let mut endings = BTreeMap::<String, usize>::new();
    for connection in connections {
        for ending in connection.await.unwrap() {
            *endings.entry(ending).or_default() += 1;
        }
    }
    let took = began.elapsed();
    println!(
        "{:.0} synchronous executions per second, {CONNECTIONS} connections",
        f64::from(u16::try_from(EXECUTIONS).unwrap()) / took.as_secs_f64()
    );
    assert_eq!(endings, BTreeMap::from([("SUCCEEDED".to_owned(), 50), ("RateLimitDenied".to_owned(), 150)]));
    assert_eq!(bedrock.calls().len(), 50);
    Arc::into_inner(local).unwrap().stop("TERM").expect(0);
    let books = Books::open(&desk).await;
    assert_eq!((books.count(State::Settled), books.count(State::Denied)), (50, 150));
    assert_eq!(books.counters.values().collect::<Vec<_>>(), [&[50, 50, 0]]);
}
