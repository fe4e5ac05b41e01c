//! Reading a table that answers in pages, and one that moves meanwhile.

use super::books_under_test::{Damage, OPEN, another, app, audit_at, audit_of, counter, damage, differences, fill, filled, on, on_now};
use super::wire::{SmallPages, with_something_before};
use crate::ledger_suite::books::{at, claim, held, release, settle, tokens};
use crate::ledger_suite::{Embedded, drive_all};
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::{AuditOf, DynamoDbLedger};
use cost_sentry_aws::table::PARTITIONS;
use cost_sentry_core::audit::{Selection, Standing, Verdict};
use cost_sentry_core::reservation::{Charge, Reservation};
use cost_sentry_core::window::Span;
use cost_sentry_workflow::ports::Ledger;
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[tokio::test]
async fn pages_and_batches_that_come_in_parts_are_read_to_their_end() {
    let store = filled().await;
    for n in 0..60 {
        let scope = format!("applicationId=a{n}");
        store.ledger.create(&held(&format!("r{n}"), vec![app(), Charge { scope, ..tokens("each", 1_000, 7) }])).await.unwrap();
    }
    let whole = audit_at(&store.ledger, OPEN).await;
    let pages = SmallPages::default();
    let config = store.stack.clients.dynamodb().config().to_builder().interceptor(pages.clone()).build();
    let small = audit_at(&DynamoDbLedger::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE), OPEN).await;
    assert_eq!((whole.verdict(), whole.reservations, whole.findings.len()), (Verdict::Balanced, 66, 63));
    assert_eq!(small, whole);
    assert!(pages.0.load(Ordering::Relaxed) > 100);
}

/// An audit of the filled ledger, during which, each time that the counter of `app` is about to be read, a request is held, or released
/// again, so many times in all.
async fn while_moving(moves: usize) -> &'static str {
    let store = filled().await;
    let (ledger, count) = (store.ledger.clone(), Arc::new(AtomicUsize::new(0)));
    let before = move |body: String| {
        let (ledger, count) = (ledger.clone(), Arc::clone(&count));
        async move {
            if !body.contains("\"C#app") {
                return;
            }
            let n = count.fetch_add(1, Ordering::Relaxed);
            if n < moves {
                let id = format!("moving-{}", n / 2);
                if n % 2 == 0 {
                    ledger.create(&another(&id)).await.unwrap();
                } else {
                    drive_all(&ledger, &id, &[release(None)]).await;
                }
            }
        }
    };
    let client = with_something_before(&store.stack.clients.dynamodb(), before);
    let report = audit_at(&DynamoDbLedger::new(client, TABLE), OPEN).await;
    assert_eq!(on(&report, "org").standing, Standing::Balanced, "what stands still is judged");
    assert_eq!(audit_at(&store.ledger, OPEN).await.verdict(), Verdict::Balanced);
    on(&report, "app").standing.word()
}

#[tokio::test]
async fn a_counter_that_moves_is_looked_at_again_and_never_called_wrong() {
    for moves in [0, 1, 2, 3, 6] {
        assert_eq!(while_moving(moves).await, "balanced", "{moves} moves");
    }
    assert_eq!(while_moving(usize::MAX).await, "moving");
}

#[tokio::test]
async fn a_difference_is_seen_while_other_counters_move() {
    let store = filled().await;
    let (ledger, count) = (store.ledger.clone(), Arc::new(AtomicUsize::new(0)));
    damage(&store.stack.clients.dynamodb(), &[Damage::Add(counter(&app()), "c_tok", 1)]).await;
    let before = move |body: String| {
        let (ledger, count) = (ledger.clone(), Arc::clone(&count));
        async move {
            if body.contains("\"C#") {
                let id = format!("elsewhere-{}", count.fetch_add(1, Ordering::Relaxed));
                ledger.create(&on_now(&id, tokens("elsewhere", 1_000_000, 1))).await.unwrap();
            }
        }
    };
    let client = with_something_before(&store.stack.clients.dynamodb(), before);
    let report = audit_at(&DynamoDbLedger::new(client, TABLE), OPEN).await;
    assert_eq!((on(&report, "app").standing.word(), on(&report, "elsewhere").standing.word()), ("differs", "moving"));
    assert_eq!(report.verdict(), Verdict::OutOfBalance);
}

#[tokio::test]
async fn a_counter_that_appears_meanwhile_is_judged_if_it_was_asked_for_and_else_left_out() {
    let store = filled().await;
    let (ledger, count) = (store.ledger.clone(), Arc::new(AtomicUsize::new(0)));
    let before = move |body: String| {
        let (ledger, count) = (ledger.clone(), Arc::clone(&count));
        async move {
            // Not where the counters are looked for, but where they are judged.
            if body.contains("\"C#app") && count.fetch_add(1, Ordering::Relaxed) == 1 {
                let day = Span { start: at("2026-11-20T00:00:00Z"), end: at("2026-11-21T00:00:00Z") };
                let daily = Charge { window: "day".to_owned(), span: day, ..tokens("daily", 1_000, 1) };
                let charges = vec![tokens("fresh", 1_000, 1), daily];
                ledger.create(&Reservation { charges, ..another("fresh") }).await.unwrap();
            }
        }
    };
    let client = with_something_before(&store.stack.clients.dynamodb(), before);
    let report = audit_at(&DynamoDbLedger::new(client, TABLE), OPEN).await;
    assert_eq!((on(&report, "fresh").standing.word(), report.verdict()), ("balanced", Verdict::Balanced));
    assert!(report.findings.iter().all(|finding| finding.key.parts().unwrap().window == "hour"), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audits_among_traffic_never_find_a_difference() {
    let store = Embedded::start().await;
    fill(&store.ledger).await;
    let done = Arc::new(AtomicUsize::new(0));
    let working = (0..8).map(|worker| {
        let (ledger, done) = (store.ledger.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            for n in 0..25 {
                let id = format!("w{worker}-{n}");
                ledger.create(&another(&id)).await.unwrap();
                let end = if n % 3 == 0 { vec![release(None)] } else { vec![claim(&id), settle(&id, n, 3)] };
                drive_all(&ledger, &id, &end).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let working: Vec<_> = working.collect();
    let mut audits = 0;
    while done.load(Ordering::Relaxed) < 200 {
        let report = audit_at(&store.ledger, OPEN).await;
        assert_ne!(report.verdict(), Verdict::OutOfBalance, "{report:#?}");
        audits += 1;
        if working.iter().all(tokio::task::JoinHandle::is_finished) {
            break;
        }
    }
    for worker in working {
        worker.await.unwrap();
    }
    println!("{audits} audits among 200 requests");
    assert_eq!(audit_at(&store.ledger, OPEN).await.verdict(), Verdict::Balanced);
}

#[tokio::test]
async fn what_the_index_lists_late_is_no_difference() {
    let store = filled().await;
    // As the index shows it before it has caught up: the reservation is not listed, and then is.
    let late = another("late");
    store.ledger.create(&late).await.unwrap();
    let client = store.stack.clients.dynamodb();
    let listed = item(&client, "R#late").await;
    let mut unlisted = listed.clone();
    unlisted.remove("dayPartition");
    client.put_item().table_name(TABLE).set_item(Some(unlisted)).send().await.unwrap();
    let now = Reservation::clone(&late).held_at + SignedDuration::from_secs(5);
    let selection = Selection::parse("hour", now).unwrap();
    assert_eq!(differences(on(&audit_of(&store.ledger, &selection, now).await, "app")).len(), 1);

    // The index has caught up when it is asked for the third time: after the first look at all, and the second after that. And only when
    // so much time has passed since the counter was read.
    let lag = Duration::from_millis(200);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::new(Mutex::new(None::<Instant>));
    let caught_up = Arc::new(tokio::sync::OnceCell::new());
    let (behind, put) = (client.clone(), listed);
    let before = move |body: String| {
        let is_question = body.contains("KeyConditionExpression") && body.contains("\"2026-11-20#");
        let nth = asked.fetch_add(usize::from(is_question), Ordering::SeqCst);
        let mut counted = counted.lock().unwrap();
        if body.contains("\"C#app") {
            *counted = Some(Instant::now());
        }
        let is_late = counted.is_some_and(|counted| counted.elapsed() >= lag);
        let (caught_up, client, put) = (Arc::clone(&caught_up), behind.clone(), put.clone());
        async move {
            if is_question && is_late && nth >= 2 * usize::try_from(PARTITIONS).unwrap() {
                let catch_up = || async { _ = client.put_item().table_name(TABLE).set_item(Some(put)).send().await.unwrap() };
                caught_up.get_or_init(catch_up).await;
            }
        }
    };
    let ledger = DynamoDbLedger::new(with_something_before(&client, before), TABLE);
    let progress = |_| {};
    let of = AuditOf { selection: &selection, policy: None, now, lag, progress: &progress };
    assert_eq!(ledger.audit(&of).await.unwrap().verdict(), Verdict::Balanced);
}

/// How many requests an audit takes of the ledger with this damage, at a time, where the index may lag so much.
async fn requests(damages: &[Damage], now: Timestamp, lag: Duration) -> usize {
    let store = filled().await;
    damage(&store.stack.clients.dynamodb(), damages).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let before = move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    };
    let ledger = DynamoDbLedger::new(with_something_before(&store.stack.clients.dynamodb(), before), TABLE);
    let (selection, progress) = (Selection::parse("hour", now).unwrap(), |_| {});
    ledger.audit(&AuditOf { selection: &selection, policy: None, now, lag, progress: &progress }).await.unwrap();
    asked.load(Ordering::Relaxed)
}

#[tokio::test]
async fn only_what_differs_lately_and_where_the_index_lags_is_looked_at_twice() {
    let (none, wrong) = (Vec::new(), vec![Damage::Add(counter(&app()), "c_tok", 7)]);
    let (some, lately) = (Duration::from_millis(1), at(OPEN));
    let once = requests(&none, lately, Duration::ZERO).await;
    assert_eq!(requests(&none, lately, some).await, once, "what balances");
    assert_eq!(requests(&wrong, lately, Duration::ZERO).await, once, "where the index never lags");
    assert!(requests(&wrong, lately, some).await > once);
    let recent = SignedDuration::from_mins(10);
    let closed = app().span.end + recent;
    let once = requests(&none, closed, some).await;
    assert_eq!(requests(&wrong, closed, some).await, once, "what closed so long ago");
    assert!(requests(&wrong, closed - SignedDuration::from_micros(1), some).await > once);
}

async fn item(client: &aws_sdk_dynamodb::Client, key: &str) -> std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> {
    let key = aws_sdk_dynamodb::types::AttributeValue::S(key.to_owned());
    client.get_item().table_name(TABLE).key("pk", key).send().await.unwrap().item.unwrap()
}
