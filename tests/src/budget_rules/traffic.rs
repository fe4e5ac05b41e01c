//! A policy changes while requests come and go: what counts when it says, no limit in force is passed, and the books balance.
//!
//! Every crowd runs at once; the change is applied in the middle of one. What a crowd may do exactly is known before the change and
//! after it; [`Town::check_books`] holds every single decision against the policy that it names.

use super::town::{Books, InMemory, Town, policy, request};
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_core::reservation::State;
use serde_json::{Value, json};
use std::sync::Arc;

const NOON: &str = "2026-11-20T12:00:00Z";
const LATE: &str = "2026-11-20T23:59:59Z";
const MIDNIGHT: &str = "2026-11-21T00:00:00Z";

/// How many come at once.
const CROWD: usize = 12;

type Place<L> = Arc<Town<L>>;

/// A budget of so many requests a day, with more said of it.
fn budget(requests: u64, more: &Value) -> Value {
    let mut budget = json!({ "id": "b", "name": "b", "limit": { "requests": requests }, "window": "day" });
    budget.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    budget
}

/// A policy of one budget, within another that never refuses here.
fn one(budget: &Value) -> Value {
    policy(&json!([budget, { "name": "around", "limit": { "requests": 100_000 }, "window": "month" }]))
}

/// How many of a crowd were answered, and the outcomes of the others.
#[derive(Debug, PartialEq, Eq)]
struct Crowd {
    answered: usize,
    denied: usize,
}

fn running<L: Books>(town: &Place<L>, count: usize, environment: &'static str) -> Vec<tokio::task::JoinHandle<Value>> {
    let one = |_| {
        let town = Arc::clone(town);
        tokio::spawn(async move { Box::pin(town.run(&request(environment))).await.document().0 })
    };
    (0..count).map(one).collect()
}

async fn ended(running: Vec<tokio::task::JoinHandle<Value>>) -> Crowd {
    let mut crowd = Crowd { answered: 0, denied: 0 };
    for one in running {
        let document = one.await.unwrap();
        match document["outcome"].as_str() {
            Some("INVOCATION_SUCCEEDED") => crowd.answered += 1,
            Some("RATE_LIMIT_DENIED") => crowd.denied += 1,
            _ => panic!("{document}"),
        }
    }
    crowd
}

/// How many of a crowd are answered at a time.
async fn answered<L: Books>(town: &Place<L>, now: &str, count: usize, environment: &'static str) -> usize {
    town.set(now);
    ended(running(town, count, environment)).await.answered
}

/// A crowd, in the middle of which a policy is applied; how many of it were answered.
async fn answered_across<L: Books>(town: &Place<L>, now: &str, next: &Value) -> usize {
    town.set(now);
    let mut crowd = running(town, CROWD / 2, "dev");
    tokio::task::yield_now().await;
    town.apply(next).await;
    crowd.extend(running(town, CROWD / 2, "dev"));
    ended(crowd).await.answered
}

/// A changed limit counts at once, on what is counted already; nothing that was approved is taken back.
async fn limit<L: Books>(town: Place<L>) {
    town.set(NOON);
    town.apply(&one(&budget(10, &json!({})))).await;
    assert_eq!(answered(&town, NOON, 4, "dev").await, 4);
    let across = answered_across(&town, NOON, &one(&budget(20, &json!({})))).await;
    assert!((6..=CROWD).contains(&across), "{across}");
    assert_eq!(4 + across + answered(&town, NOON, 30, "dev").await, 20);
    let lower = one(&budget(5, &json!({})));
    town.apply(&lower).await;
    assert_eq!(answered(&town, LATE, CROWD, "dev").await, 0, "more is used than the new limit");
    assert_eq!(answered(&town, MIDNIGHT, CROWD, "dev").await, 5);
    town.check_books().await;
    // Lowered in the middle of a crowd: whoever was decided before it stays.
    town.apply(&one(&budget(8, &json!({})))).await;
    let across = answered_across(&town, MIDNIGHT, &one(&budget(6, &json!({})))).await;
    assert!((1..=3).contains(&across), "{across}");
    assert_eq!(answered(&town, MIDNIGHT, CROWD, "dev").await, 0, "5 and {across} are used of 6");
    town.check_books().await;
}

/// What starts counters anew waits for the end of the window that runs: the whole old definition until then, the new one from zero.
async fn next_window<L: Books>(town: Place<L>, old: &Value, change: &Value, fits: usize) {
    town.set(NOON);
    town.apply(&one(&budget(10, old))).await;
    assert_eq!(answered(&town, NOON, 3, "dev").await, 3);
    town.set("2026-11-20T23:59:50Z");
    let held = town.hold(&request("dev")).await;
    let across = answered_across(&town, "2026-11-20T23:59:50Z", &one(&budget(4, change))).await;
    assert_eq!(3 + 1 + across, 10, "{change}: the old limit of the old window");
    let denied = town.run(&request("dev")).await.document().0;
    let report = &denied["rateLimit"]["budgets"][0];
    assert_eq!((&report["limit"], &report["resetsAt"]), (&json!(10), &json!(MIDNIGHT)), "{change}: {denied}");
    assert_eq!(answered(&town, LATE, CROWD, "dev").await, 0, "{change}");
    assert_eq!(answered(&town, MIDNIGHT, CROWD, "dev").await, fits, "{change}: the new limit, from zero");
    town.check_books().await;
    // What was held by the old definition is settled on its counter, though the new one counts by now.
    assert_eq!(town.finish(held).await["outcome"], "INVOCATION_SUCCEEDED", "{change}");
    let old = town.reservations().await.into_iter().filter(|one| one.charges[0].span.end.to_string() == MIDNIGHT);
    let settled: Vec<State> = old.map(|one| one.state).filter(|state| *state != State::Denied).collect();
    assert_eq!(settled, [State::Settled; 10], "{change}");
    town.check_books().await;
}

async fn window<L: Books>(town: Place<L>) {
    next_window(town, &json!({}), &json!({ "window": "hour" }), 4).await;
}

async fn time_zone<L: Books>(town: Place<L>) {
    next_window(town, &json!({}), &json!({ "timeZone": "America/New_York" }), 4).await;
}

async fn per<L: Books>(town: Place<L>) {
    next_window(Arc::clone(&town), &json!({}), &json!({ "per": ["environment"] }), 4).await;
    assert_eq!(answered(&town, MIDNIGHT, CROWD, "production").await, 4, "a counter of its own");
    assert_eq!(answered(&town, MIDNIGHT, CROWD, "dev").await, 0);
    town.check_books().await;
}

/// A week that ends at midnight, and that later begins on another day.
async fn reset_day<L: Books>(town: Place<L>) {
    let week = |day: &str| json!({ "window": "week", "resetDay": day });
    next_window(town, &week("saturday"), &week("tuesday"), 4).await;
}

async fn shards<L: Books>(town: Place<L>) {
    next_window(town, &json!({}), &json!({ "shards": 4 }), 4).await;
}

async fn fewer_shards<L: Books>(town: Place<L>) {
    next_window(town, &json!({ "shards": 5 }), &json!({ "shards": 3 }), 4).await;
}

/// A budget that is for other requests is so at once, and its counter stays.
async fn matching<L: Books>(town: Place<L>) {
    let of = |environment: &str| one(&budget(10, &json!({ "match": { "environment": environment } })));
    town.set(NOON);
    town.apply(&of("dev")).await;
    assert_eq!(answered(&town, NOON, 4, "dev").await, 4);
    let across = answered_across(&town, NOON, &of("production")).await;
    assert!((CROWD / 2..=CROWD).contains(&across), "{across}");
    assert_eq!(answered(&town, NOON, CROWD, "dev").await, CROWD, "nobody else's budget");
    let counted = town.reservations().await.into_iter().filter(|one| one.charges.iter().any(|charge| charge.budget == "b"));
    let counted = counted.filter(|one| one.state == State::Settled).count();
    assert_eq!(answered(&town, NOON, CROWD, "production").await, 10 - counted, "of what the others left");
    assert_eq!(answered(&town, MIDNIGHT, CROWD, "production").await, 10);
    town.check_books().await;
}

/// A shadow becomes enforced with the next window, or at once, from zero either way.
async fn shadow_to_enforce<L: Books>(town: Place<L>) {
    town.set(NOON);
    town.apply(&one(&budget(3, &json!({ "mode": "shadow" })))).await;
    assert_eq!(answered(&town, NOON, 5, "dev").await, 5);
    assert_eq!(answered_across(&town, NOON, &one(&budget(3, &json!({})))).await, CROWD);
    assert_eq!(answered(&town, LATE, CROWD, "dev").await, CROWD, "a shadow until the window ends");
    assert_eq!(answered(&town, MIDNIGHT, CROWD, "dev").await, 3, "exact from zero");
    town.check_books().await;
    let shadow = one(&budget(3, &json!({ "mode": "shadow" })));
    town.apply(&shadow).await;
    assert_eq!(answered(&town, "2026-11-21T10:00:00Z", CROWD, "dev").await, CROWD, "to shadow at once");
    let at_once = one(&budget(2, &json!({ "effective": "atOnce" })));
    town.set("2026-11-21T11:00:00Z");
    let mut crowd = running(&town, CROWD, "dev");
    town.apply(&at_once).await;
    crowd.extend(running(&town, CROWD, "dev"));
    ended(crowd).await;
    let exact = town.reservations().await.into_iter().filter(|one| {
        let counted = one
            .charges
            .iter()
            .any(|charge| charge.budget == "b" && charge.is_enforced() && charge.span.start.to_string() == "2026-11-21T11:00:00Z");
        counted && one.state == State::Settled
    });
    assert_eq!(exact.count(), 2, "exactly two, although three were counted in the same day when it was enforced before");
    assert_eq!(answered(&town, "2026-11-21T23:59:59Z", CROWD, "dev").await, 0);
    assert_eq!(answered(&town, "2026-11-22T00:00:00Z", CROWD, "dev").await, 2);
    town.check_books().await;
}

/// A new name under the same id keeps the counts.
async fn name<L: Books>(town: Place<L>) {
    town.set(NOON);
    town.apply(&one(&budget(10, &json!({})))).await;
    assert_eq!(answered(&town, NOON, 4, "dev").await, 4);
    let across = answered_across(&town, NOON, &one(&budget(10, &json!({ "name": "renamed" })))).await;
    assert_eq!(4 + across, 10);
    let denied = town.run(&request("dev")).await.document().0;
    assert_eq!(denied["rateLimit"]["budgets"][0]["name"], "renamed");
    town.check_books().await;
}

/// A temporary increase counts from its first instant to its last; a removed one at once.
async fn increase<L: Books>(town: Place<L>) {
    town.set(NOON);
    town.apply(&one(&budget(5, &json!({})))).await;
    assert_eq!(answered(&town, NOON, CROWD, "dev").await, 5);
    let increases =
        json!([{ "limit": { "requests": 3 }, "from": "2026-11-20T13:00:00Z", "until": "2026-11-20T14:00:00Z", "reason": "launch" }]);
    assert_eq!(answered_across(&town, "2026-11-20T12:30:00Z", &one(&budget(5, &json!({ "increases": increases })))).await, 0);
    assert_eq!(answered(&town, "2026-11-20T13:00:00Z", CROWD, "dev").await, 3);
    assert_eq!(answered(&town, "2026-11-20T14:00:00Z", CROWD, "dev").await, 0);
    assert_eq!(answered(&town, MIDNIGHT, CROWD, "dev").await, 5, "the next day has its own limit alone");
    town.check_books().await;
}

/// A freeze refuses every new hold at once; what is in flight is settled; the counts are there when it ends.
async fn freeze<L: Books>(town: Place<L>) {
    town.set(NOON);
    town.apply(&one(&budget(20, &json!({})))).await;
    let held = town.hold(&request("dev")).await;
    let across = answered_across(&town, NOON, &one(&budget(20, &json!({ "frozen": true })))).await;
    let crowd = ended(running(&town, CROWD, "dev")).await;
    assert_eq!(crowd, Crowd { answered: 0, denied: CROWD }, "after {across}");
    let denied = town.run(&request("dev")).await.document().0;
    assert_eq!(
        (&denied["rateLimit"]["budgets"][0]["standing"], &denied["rateLimit"]["retryAfterEstimate"]),
        (&json!("frozen"), &json!("frozen"))
    );
    assert_eq!(town.finish(held).await["outcome"], "INVOCATION_SUCCEEDED", "in flight");
    town.check_books().await;
    town.apply(&one(&budget(20, &json!({})))).await;
    assert_eq!(1 + across + answered(&town, NOON, 2 * CROWD, "dev").await, 20);
    town.check_books().await;
}

/// A removed budget refuses nothing any more, and what it holds is settled on its counter; back again, it goes on where it stood.
async fn removal<L: Books>(town: Place<L>) {
    town.set(NOON);
    let with = one(&budget(4, &json!({})));
    town.apply(&with).await;
    let held = town.hold(&request("dev")).await;
    assert_eq!(answered(&town, NOON, CROWD, "dev").await, 3);
    let without = policy(&json!([{ "name": "around", "limit": { "requests": 100_000 }, "window": "month" }]));
    answered_across(&town, NOON, &without).await;
    assert_eq!(answered(&town, NOON, CROWD, "dev").await, CROWD);
    assert_eq!(town.finish(held).await["outcome"], "INVOCATION_SUCCEEDED");
    town.apply(&with).await;
    assert_eq!(answered(&town, NOON, CROWD, "dev").await, 0);
    town.check_books().await;
}

/// One test per change and ledger.
macro_rules! on_both_ledgers {
    ($($change:ident => $in_memory:ident, $on_dynamodb:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $in_memory() {
            let town: Place<InMemory> = Town::in_memory().await;
            Box::pin($change(town)).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $on_dynamodb() {
            let town: Place<DynamoDbLedger> = Town::on_dynamodb().await;
            Box::pin($change(town)).await;
        }
    )*};
}

on_both_ledgers! {
    limit => a_changed_limit_counts_at_once_in_memory, a_changed_limit_counts_at_once_on_dynamodb;
    window => a_changed_window_waits_for_the_one_that_runs_in_memory, a_changed_window_waits_for_the_one_that_runs_on_dynamodb;
    time_zone => a_changed_time_zone_waits_for_the_window_that_runs_in_memory, a_changed_time_zone_waits_for_the_window_that_runs_on_dynamodb;
    reset_day => a_changed_reset_day_waits_for_the_week_that_runs_in_memory, a_changed_reset_day_waits_for_the_week_that_runs_on_dynamodb;
    shards => shards_wait_for_the_window_that_runs_in_memory, shards_wait_for_the_window_that_runs_on_dynamodb;
    fewer_shards => fewer_shards_wait_for_the_window_that_runs_in_memory, fewer_shards_wait_for_the_window_that_runs_on_dynamodb;
    matching => a_changed_match_counts_at_once_in_memory, a_changed_match_counts_at_once_on_dynamodb;
    per => a_changed_scope_waits_for_the_window_that_runs_in_memory, a_changed_scope_waits_for_the_window_that_runs_on_dynamodb;
    shadow_to_enforce => a_shadow_becomes_enforced_from_zero_in_memory, a_shadow_becomes_enforced_from_zero_on_dynamodb;
    name => a_new_name_keeps_the_counts_in_memory, a_new_name_keeps_the_counts_on_dynamodb;
    increase => an_increase_counts_while_it_says_in_memory, an_increase_counts_while_it_says_on_dynamodb;
    freeze => a_freeze_stops_new_holds_and_nothing_else_in_memory, a_freeze_stops_new_holds_and_nothing_else_on_dynamodb;
    removal => a_removed_budget_settles_what_it_holds_in_memory, a_removed_budget_settles_what_it_holds_on_dynamodb;
}
