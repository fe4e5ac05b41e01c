//! Runs that are killed at any moment, and the sweep after them.

use crate::binary::Desk;
use crate::harness::MemoryLog;
use crate::scenarios::clock::StoppedClock;
use cost_sentry::local::stack::{Options, Stack};
use cost_sentry_aws::log::Lines;
use cost_sentry_aws::metrics::CloudWatch;
use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::reservation::{Figures, Reservation, State};
use cost_sentry_workflow::steps::SweepReservations;
use cost_sentry_workflow::time_outs::Leases;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use std::collections::BTreeMap;
use std::process::Child;
use std::time::{Duration, Instant};

const RUNS: usize = 30;
/// So many at a time: more would only wait for a processor.
const AT_ONCE: usize = 6;
const SLOW: &str =
    "models: { '*': { latency: 200ms, next: [{ error: ThrottlingException }], usage: { inputTokens: 100, outputTokens: 200 } } }";

/// Runs in waves, each killed a little later than the one before it, and one that nobody kills.
fn burst(desk: &Desk) {
    let script = desk.file("script.yaml", SLOW);
    let arguments = ["run", desk.sample(), "--simulator", script, "--data", "books"];
    for wave in 0..RUNS / AT_ONCE {
        let mut running: Vec<Child> = (0..AT_ONCE).map(|_| desk.command(&arguments).spawn().unwrap()).collect();
        for child in &mut running {
            std::thread::sleep(Duration::from_millis(60 + 50 * wave as u64));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    desk.run(&arguments).expect(0);
}

/// A run that is killed when its call is on its way for certain.
async fn killed_in_the_call(desk: &Desk, stack: &Stack) {
    let script = desk.file("slow.yaml", "models: { '*': { latency: 100s } }");
    let in_the_call = |reservation: &Reservation| reservation.state == State::Claimed && reservation.version == 2;
    let before = reservations(stack).await.iter().filter(|found| in_the_call(found)).count();
    let mut child = desk.command(&["run", desk.sample(), "--simulator", script, "--data", "books"]).spawn().unwrap();
    let began = Instant::now();
    while reservations(stack).await.iter().filter(|found| in_the_call(found)).count() == before {
        if child.try_wait().unwrap().is_some() || began.elapsed() > Duration::from_mins(5) {
            child.kill().unwrap();
            panic!("the run never claims: {:?}", child.wait_with_output());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn reservations(stack: &Stack) -> Vec<Reservation> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let mut all = Vec::new();
    for day in [today.yesterday().unwrap(), today, today.saturating_add(1.day())] {
        all.extend(stack.ledger().decided_on(day).await.unwrap());
    }
    all
}

/// Every counter that a reservation falls on is the sum of its reservations.
async fn assert_books_balance(stack: &Stack, reservations: &[Reservation]) {
    let mut sums: BTreeMap<(CounterKey, Unit), Figures> = BTreeMap::new();
    for reservation in reservations {
        for charge in reservation.enforced() {
            charge.amounts.iter().for_each(|amount| _ = sums.entry((charge.key(), amount.unit)).or_default());
        }
        for (key, unit, share) in reservation.shares() {
            let sum = sums.entry((key, unit)).or_default();
            sum.committed += share.committed;
            sum.used += share.used;
            sum.uncertain += share.uncertain;
        }
    }
    assert!(sums.len() >= 3);
    for ((key, unit), sum) in sums {
        let stored = stack.ledger().counters(std::slice::from_ref(&key)).await.unwrap();
        assert_eq!(stored[0].1[&unit], sum, "{}", key.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kills_at_any_moment_the_sweep_ends_every_reservation_as_the_table_says() {
    let desk = Desk::new();
    burst(&desk);
    let stack = Stack::start(Options { data: Some(desk.books()), ..Options::default() }).await.unwrap();
    killed_in_the_call(&desk, &stack).await;
    let before: BTreeMap<String, Reservation> =
        reservations(&stack).await.into_iter().map(|reservation| (reservation.request_id().to_owned(), reservation)).collect();
    assert_books_balance(&stack, &before.values().cloned().collect::<Vec<_>>()).await;
    let count = |state: State| before.values().filter(|reservation| reservation.state == state).count() as u64;
    assert!(count(State::Claimed) > 0);

    let log: MemoryLog = Lines::new(Vec::new());
    let metrics = CloudWatch::new(stack.config.metrics, || stack.clients.cloudwatch(), log.clone());
    let edge = StoppedClock(Timestamp::now() + SignedDuration::from_hours(1));
    let swept = SweepReservations { ledger: stack.ledger(), metrics, log, edge, leases: Leases::default() }.sweep().await.unwrap();
    assert_eq!((swept.released, swept.uncertain, swept.left), (count(State::Held), count(State::Claimed), 0));

    let after = reservations(&stack).await;
    assert_eq!(after.len(), before.len());
    for reservation in &after {
        let expected = match before[reservation.request_id()].state {
            State::Held => State::Released,
            State::Claimed => State::Uncertain,
            ended => ended,
        };
        assert_eq!(reservation.state, expected, "{}", reservation.request_id());
    }
    assert_books_balance(&stack, &after).await;
}
