//! Many at once: never over a limit, never a call too many, and the books always add up.
//!
//! In memory 1,000 rounds; over HTTP fewer, unless more are asked for: `CONCURRENCY_ROUNDS=1000 cargo test -p cost-sentry-tests concurrency`.

use crate::harness::{World, sample};
use crate::ledger_suite::books::{claim, held, settle, spread, tokens};
use crate::ledger_suite::{Embedded, figures};
use cost_sentry::commands::new_execution;
use cost_sentry_core::reservation::{Figures, Reservation};
use cost_sentry_workflow::ledger::{Driven, drive};
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::ports::{Created, Ledger};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many want the same budget at the same time.
const TASKS: usize = 64;

/// How many rounds over HTTP.
fn rounds(otherwise: u32) -> u32 {
    std::env::var("CONCURRENCY_ROUNDS").map_or(otherwise, |text| text.parse().expect("a number of rounds"))
}

/// One round: 64 tasks hold 7 to 9 tokens each on a budget with little room left, and settle what they got, above or below it.
async fn round<L: Ledger + 'static>(ledger: &Arc<L>, round: usize) {
    let (budget, limit, spent) = (format!("b{round}"), 1_000, 800);
    let asked = 7 + u64::try_from(round % 3).unwrap();
    let reservation = |task: &str, hold| held(&format!("{round}-{task}"), vec![tokens(&budget, limit, hold)]);
    let counter = [tokens(&budget, limit, asked)];
    let shown = || async { figures(&ledger.figures(&counter).await.unwrap()[0]) };
    let before = create(Arc::clone(ledger), reservation("before", spent)).await.unwrap();
    close(Arc::clone(ledger), before, spent).await;

    let creating = |task: usize| tokio::spawn(create(Arc::clone(ledger), reservation(&task.to_string(), asked)));
    let mut approved = Vec::new();
    for task in (0..TASKS).map(creating).collect::<Vec<_>>() {
        approved.extend(task.await.unwrap());
    }
    let fitting = (limit - spent) / asked;
    assert_eq!(u64::try_from(approved.len()).unwrap(), fitting, "round {round}");
    let committed = (spent + fitting * asked).cast_signed();
    assert_eq!(shown().await, [[committed, spent.cast_signed(), 0]], "round {round}");

    let used: Vec<u64> = (0..fitting).map(|nth| nth % 2 * 2 * asked).collect();
    let closing = |(reservation, used)| tokio::spawn(close(Arc::clone(ledger), reservation, used));
    for task in approved.into_iter().zip(used.clone()).map(closing).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let total = (spent + used.iter().sum::<u64>()).cast_signed();
    assert_eq!(shown().await, [[total, total, 0]], "round {round}");
}

/// Creates a reservation: itself, if it was approved.
async fn create<L: Ledger>(ledger: Arc<L>, reservation: Reservation) -> Option<Reservation> {
    match ledger.create(&reservation).await.unwrap() {
        Created::Created => Some(reservation),
        Created::OnOtherShards(placed) => Some(*placed),
        Created::NoRoom(_) => None,
        Created::Exists(stored) => panic!("{stored:?}"),
    }
}

/// Claims and settles a reservation, as its one invocation does.
async fn close<L: Ledger>(ledger: Arc<L>, reservation: Reservation, used: u64) {
    let id = reservation.request_id().to_owned();
    let mut known = reservation;
    for event in [claim(&id), settle(&id, used, 0)] {
        let driven = drive(&*ledger, known, &event).await.unwrap();
        let Driven::Stands(stored) = driven else { panic!("{driven:?}") };
        known = *stored;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_what_fits_is_approved_in_memory() {
    let ledger = Arc::new(MemoryLedger::default());
    for n in 0..1_000 {
        round(&ledger, n).await;
    }
    let books = ledger.books();
    assert_eq!(books.recount(), books.counters);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_what_fits_is_approved_on_dynamodb() {
    let store = Embedded::start().await;
    let ledger = Arc::new(store.ledger.clone());
    for n in 0..rounds(50) {
        round(&ledger, usize::try_from(n).unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_what_fits_is_approved_on_shards_in_memory() {
    for shards in [2, 4, 64] {
        spread(shards);
        let ledger = Arc::new(MemoryLedger::default());
        for n in 0..100 {
            round(&ledger, n).await;
        }
        let mut books = ledger.books();
        books.counters.retain(|_, shown| shown.values().any(|figures| *figures != Figures::default()));
        let mut sums = books.recount();
        sums.retain(|_, shown| shown.values().any(|figures| *figures != Figures::default()));
        assert_eq!(sums, books.counters, "{shards} shards");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_what_fits_is_approved_on_shards_on_dynamodb() {
    let store = Embedded::start().await;
    let ledger = Arc::new(store.ledger.clone());
    for (n, shards) in [2, 4, 4, 8].into_iter().enumerate() {
        spread(shards);
        round(&ledger, n).await;
    }
}

/// A policy with one budget, by requests.
fn policy(requests: u64, shards: u8) -> String {
    format!(
        "{{ models: {{ claude-3-5-haiku: {{ id: \"us.anthropic.claude-3-5-haiku-20241022-v1:0\" }} }}, \
           budgets: [{{ name: few, limit: {{ requests: {requests} }}, window: month, shards: {shards} }}] }}"
    )
}

/// How executions ended: how many by which error, or `success`.
async fn endings(world: &Arc<World>, executions: Vec<cost_sentry_asl::Execution>) -> BTreeMap<String, usize> {
    let running: Vec<_> = executions
        .into_iter()
        .map(|execution| {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                let (document, _) = world.run_as(&execution, &sample()).await.document();
                document.pointer("/error/name").and_then(Value::as_str).map_or(document["outcome"].to_string(), str::to_owned)
            })
        })
        .collect();
    let mut endings = BTreeMap::new();
    for execution in running {
        *endings.entry(execution.await.unwrap()).or_default() += 1;
    }
    endings
}

fn metric(world: &World, name: &str) -> f64 {
    world.stack.sink.as_ref().unwrap().data().iter().filter(|datum| datum.name == name).map(|datum| datum.value).sum()
}

/// What the one budget's counter shows.
async fn shown(world: &World) -> Vec<[i64; 3]> {
    let calls = world.calls();
    let id = calls[0].body["requestMetadata"]["requestId"].as_str().unwrap();
    let reservation = world.reservation(id).await.unwrap();
    figures(&world.stack.ledger().figures(&reservation.charges).await.unwrap()[0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_executions_of_one_id_send_one_call_and_settle_once() {
    let rounds = rounds(40);
    let world = Arc::new(World::new(&policy(u64::from(rounds), 1)).await);
    for _ in 0..rounds {
        let execution = new_execution();
        let endings = endings(&world, vec![execution.clone(), execution]).await;
        let expected = [("\"INVOCATION_SUCCEEDED\"".to_owned(), 1), ("InvocationUncertain".to_owned(), 1)];
        assert_eq!(endings, BTreeMap::from(expected));
    }
    let mut ids: Vec<String> = world.calls().iter().map(|call| call.body["requestMetadata"]["requestId"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(shown(&world).await, [[i64::from(rounds), i64::from(rounds), 0]]);
    let rounds = usize::try_from(rounds).unwrap();
    assert_eq!((ids.len(), world.calls().len()), (rounds, rounds));
    for once in ["TotalRequests", "RateLimitApproved", "SpendUsd", "DuplicateExecutions", "BudgetUtilization"] {
        let points = world.stack.sink.as_ref().unwrap().data().iter().filter(|datum| datum.name == once).count();
        assert_eq!(points, rounds, "{once}");
    }
    for never in ["InvocationFailed", "RateLimitDenied", "SentryErrors", "UncertainCharges", "OverageTokens"] {
        assert!(metric(&world, never).abs() < f64::EPSILON, "{never}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_executions_at_once_exactly_as_many_as_have_room_call_the_model() {
    exactly_as_many_as_have_room_call_the_model(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_executions_at_once_exactly_as_many_as_have_room_on_all_shards_call_the_model() {
    exactly_as_many_as_have_room_call_the_model(4).await;
}

async fn exactly_as_many_as_have_room_call_the_model(shards: u8) {
    let world = Arc::new(World::new(&policy(10, shards)).await);
    let endings = endings(&world, (0..TASKS).map(|_| new_execution()).collect()).await;
    let expected = [("\"INVOCATION_SUCCEEDED\"".to_owned(), 10), ("\"RATE_LIMIT_DENIED\"".to_owned(), TASKS - 10)];
    assert_eq!(endings, BTreeMap::from(expected));
    assert_eq!(world.calls().len(), 10);
    assert_eq!(shown(&world).await, [[10, 10, 0]]);
    let counts = ["TotalRequests", "RateLimitApproved", "RateLimitDenied", "SentryErrors"].map(|name| metric(&world, name));
    assert!(counts.iter().zip([64.0, 10.0, 54.0, 0.0]).all(|(found, expected)| (found - expected).abs() < 0.5), "{counts:?}");
}
