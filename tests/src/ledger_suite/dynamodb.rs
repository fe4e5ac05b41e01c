//! What only the DynamoDB stores have: items that expire, an index by day, and policies in chunks.

use super::books::{LEASE_END, at, claim, denied, held, release, settle, shadow, spread, tokens};
use super::{Embedded, drive_all, figures};
use cost_sentry::local::stack::TABLE;
use cost_sentry_core::reservation::{COUNTER_DAYS, Charge, Reservation};
use cost_sentry_core::window::Span;
use cost_sentry_workflow::ports::{Created, Ledger, PolicyError, PolicyStore};
use jiff::SignedDuration;
use serde_json::{Value, json};

async fn expires_at(store: &Embedded, key: &str) -> i64 {
    let key = aws_sdk_dynamodb::types::AttributeValue::S(key.to_owned());
    let output = store.stack.clients.dynamodb().get_item().table_name(TABLE).key("pk", key).send().await.unwrap();
    output.item.unwrap()["expiresAt"].as_n().unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_counter_expires_well_after_its_window_and_before_its_reservations() {
    const DAY: i64 = 86_400;
    let store = Embedded::start().await;
    let charges: Vec<Charge> = vec![tokens("exact", 1_000, 1), shadow(tokens("trial", 1_000, 1))];
    let reservation = held("r", charges.clone());
    store.ledger.create(&reservation).await.unwrap();
    store.ledger.count_shadow(&reservation.shadow_hold_deltas()).await;
    drive_all(&store.ledger, "r", &[claim("c1"), settle("c1", 1, 1)]).await;
    let end = charges[0].span.end.as_second();
    let kept = expires_at(&store, "R#r").await;
    for charge in charges {
        let expires = expires_at(&store, charge.key().as_str()).await;
        assert!(end + 15 * DAY <= expires && expires < kept, "{}: {} days", charge.budget, (expires - end) / DAY);
    }
}

#[tokio::test]
async fn a_shard_that_is_there_already_is_kept_as_long_as_the_latest_end_of_its_window_wants() {
    spread(4);
    let store = Embedded::start().await;
    let charge = tokens("b", 1_000, 1);
    let later = Span { end: charge.span.end + SignedDuration::from_hours(24), ..charge.span };
    for (round, span) in [charge.span, later].into_iter().enumerate() {
        for n in 0..40 {
            let reservation = held(&format!("r{round}-{n}"), vec![Charge { span, ..charge.clone() }]);
            assert_eq!(store.ledger.create(&reservation).await.unwrap(), Created::Created);
        }
        for key in held("r", vec![charge.clone()]).charges[0].counter_keys() {
            let kept = expires_at(&store, key.as_str()).await - span.end.as_second();
            assert_eq!(kept, COUNTER_DAYS * 86_400, "{}, {span:?}", key.as_str());
        }
    }
}

#[tokio::test]
async fn a_lease_that_the_index_still_lists_though_the_reservation_has_ended_is_nobody_s() {
    let store = Embedded::start().await;
    for id in ["ended", "open"] {
        store.ledger.create(&held(id, vec![tokens("b", 1_000, 1)])).await.unwrap();
    }
    drive_all(&store.ledger, "ended", &[release(None)]).await;
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let late = store.stack.clients.dynamodb().update_item().table_name(TABLE).key("pk", text("R#ended"));
    let late = late.update_expression("SET leasePartition = :p").expression_attribute_values(":p", text("L0"));
    late.send().await.unwrap();
    let past = store.ledger.leases_past(at("2026-11-21T00:00:00Z"), 10).await.unwrap();
    assert_eq!(past.iter().map(Reservation::request_id).collect::<Vec<_>>(), ["open"]);
}

#[tokio::test]
async fn counters_are_shown_by_key_and_those_that_are_not_there_left_out() {
    let store = Embedded::start().await;
    let (there, gone) = (tokens("b", 1_000, 7), tokens("nobody", 1_000, 7));
    store.ledger.create(&held("r", vec![there.clone()])).await.unwrap();
    let found = store.ledger.counters(&[there.key(), gone.key()]).await.unwrap();
    let [(key, shown)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((key.as_str(), figures(shown)), (there.key().as_str(), vec![[7, 0, 0]]));
}

#[tokio::test]
async fn a_day_lists_all_its_decisions_and_no_others() {
    let store = Embedded::start().await;
    let times = ["2026-11-19T23:59:59.999999Z", "2026-11-20T00:00:00Z", "2026-11-20T23:59:59.999999Z", "2026-11-21T00:00:00Z"];
    for (n, time) in times.iter().cycle().take(40).enumerate() {
        let (id, charges) = (format!("r{n}"), vec![tokens("b", 1_000, 1)]);
        let reservation = if n % 3 == 0 { denied(&id, charges) } else { held(&id, charges) };
        store.ledger.create(&Reservation { held_at: at(time), ..reservation }).await.unwrap();
    }
    let found = store.ledger.decided_on("2026-11-20".parse().unwrap()).await.unwrap();
    let mut found: Vec<usize> = found.iter().map(|reservation| reservation.request_id()[1..].parse().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, (0..40).filter(|n| [1, 2].contains(&(n % 4))).collect::<Vec<_>>());
}

#[tokio::test]
async fn leases_that_lead_to_nothing_take_nobody_s_place() {
    let store = Embedded::start().await;
    let client = store.stack.clients.dynamodb();
    for n in 0..40_i64 {
        let lease_end = at(LEASE_END) + SignedDuration::from_millis(n);
        store.ledger.create(&Reservation { lease_end, ..held(&format!("r{n:02}"), vec![tokens("b", 1_000, 1)]) }).await.unwrap();
    }
    // The index shows all of them, and of the first 30 only every tenth can be read.
    for n in (0..30).filter(|n| n % 10 != 0) {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(format!("R#r{n:02}"));
        let broken = client.update_item().table_name(TABLE).key("pk", key).update_expression("REMOVE h");
        broken.send().await.unwrap();
    }
    let readable: Vec<String> = (0..40).filter(|n| n % 10 == 0 || *n >= 30).map(|n| format!("r{n:02}")).collect();
    for most in [1, 2, 3, 4, 7, 12, 13, 14, 40, 100] {
        let found = store.ledger.leases_past(at("2026-11-21T00:00:00Z"), most).await.unwrap();
        let found: Vec<&str> = found.iter().map(Reservation::request_id).collect();
        assert_eq!(found, readable[..most.min(readable.len())], "{most}");
    }
}

/// A document of more than three chunks, with characters of several bytes across their borders.
fn large(version: &str) -> Value {
    json!({ "version": version, "text": "é€😀".repeat(110_000) })
}

#[tokio::test]
async fn a_policy_larger_than_an_item_reads_back_and_the_pointer_switches_at_once() {
    let store = Embedded::start().await;
    let policies = store.stack.policies();
    assert!(matches!(policies.current_version().await, Err(PolicyError::Absent)));
    let now = at("2026-11-20T12:00:00Z");
    for version in ["one", "two", "one"] {
        assert!(large(version).to_string().len() > 900_000);
        policies.apply(version, &large(version), now).await.unwrap();
        assert_eq!(policies.current_version().await.unwrap(), version);
        for known in ["one", "two"].into_iter().filter(|known| *known == "one" || version != "one") {
            assert!(policies.document(known).await.unwrap() == large(known), "{known} under {version}");
        }
    }
    // A reader at any moment finds a version, and that version whole.
    let writer = tokio::spawn(async move {
        for version in ["two", "one"].into_iter().cycle().take(6) {
            policies.apply(version, &large(version), now).await.unwrap();
        }
    });
    let policies = store.stack.policies();
    let mut seen = std::collections::BTreeSet::new();
    while !writer.is_finished() {
        let version = policies.current_version().await.unwrap();
        assert!(policies.document(&version).await.unwrap() == large(&version), "{version}");
        seen.insert(version);
    }
    writer.await.unwrap();
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn a_policy_that_misses_a_chunk_cannot_be_used() {
    let store = Embedded::start().await;
    let policies = store.stack.policies();
    policies.apply("one", &large("one"), at("2026-11-20T12:00:00Z")).await.unwrap();
    let key = aws_sdk_dynamodb::types::AttributeValue::S("P#one#2".to_owned());
    store.stack.clients.dynamodb().delete_item().table_name(TABLE).key("pk", key).send().await.unwrap();
    for version in ["one", "never-applied"] {
        assert!(matches!(policies.document(version).await, Err(PolicyError::Unusable(_))), "{version}");
    }
}

#[tokio::test]
async fn a_policy_follows_the_one_that_it_was_made_to_follow_or_none() {
    let store = Embedded::start().await;
    let (policies, now) = (store.stack.policies(), at("2026-11-20T12:00:00Z"));
    let check = async |before: Option<&str>, version: &str, applied: bool, current: &str| {
        assert_eq!(policies.apply_after(before, version, &large(version), now).await.unwrap(), applied, "{before:?} {version}");
        assert_eq!(policies.current_version().await.unwrap(), current);
    };
    check(None, "one", true, "one").await;
    check(None, "two", false, "one").await;
    check(Some("zero"), "two", false, "one").await;
    check(Some("one"), "two", true, "two").await;
    check(Some("one"), "three", false, "two").await;
}
