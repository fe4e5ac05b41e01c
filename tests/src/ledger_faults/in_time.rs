//! How long a transition may take: however slow DynamoDB is, the ledger gives up within the table's time for one, so that no step is
//! outlasted by its own retries. Time is virtual here, and nothing but the client's own time-outs lets it pass.

use super::wire::Mishap::{self, Cancelled, Silence, Slow};
use super::wire::Place::Last;
use super::wire::{Wire, error, internal};
use super::{charges, created, outcome};
use crate::ledger_suite::books::{claim, held, settle, shadow, tokens};
use crate::ledger_suite::{Embedded, word};
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_core::reservation::Reservation;
use cost_sentry_workflow::ledger::{drive, drive_stored};
use cost_sentry_workflow::ports::Ledger;
use cost_sentry_workflow::time_outs;
use std::time::Duration;
use tokio::time::Instant;

/// A ledger on whose wire this goes on for good, with time standing still but for the client's waits.
async fn slow(mishap: Mishap) -> (Embedded, DynamoDbLedger, Reservation) {
    let store = Embedded::start().await;
    let known = held("r", charges("r"));
    store.ledger.create(&known).await.unwrap();
    let (wire, client) = Wire::lay(&store);
    wire.script([], Some(mishap));
    tokio::time::pause();
    (store, DynamoDbLedger::new(client, TABLE), known)
}

fn slowly(mishap: Mishap) -> Mishap {
    Slow(Duration::from_millis(1_400), Box::new(mishap))
}

#[tokio::test]
async fn a_transition_ends_within_its_time_however_slow_the_store_is() {
    let most = u64::from(time_outs::LEDGER_TRANSITION);
    let slowly_in_the_way = slowly(Cancelled("TransactionConflict", Last));
    for mishap in [Silence, slowly_in_the_way, slowly(error("ThrottlingException")), slowly(internal())] {
        for event in [claim("c1"), settle("c1", 1, 1)] {
            let (_store, ledger, mut known) = slow(mishap.clone()).await;
            if matches!(event, cost_sentry_core::reservation::Transition::Settle { .. }) {
                known.state = cost_sentry_core::reservation::State::Claimed;
                known.claim_id = Some(cost_sentry_core::reservation::ClaimId("c1".to_owned()));
            }
            for stored in [false, true] {
                let began = Instant::now();
                let driven = if stored { drive_stored(&ledger, "r", &event).await } else { drive(&ledger, known.clone(), &event).await };
                let found = outcome(driven, |driven| word(&driven));
                assert!(["Unavailable", "Contended"].contains(&found.as_str()), "{mishap:?}, {event:?}: {found}");
                assert!(began.elapsed().as_secs() <= most, "{mishap:?}, {event:?}, stored: {stored}: {:?}", began.elapsed());
            }
            tokio::time::resume();
        }
    }
}

#[tokio::test]
async fn a_request_ends_within_its_time_and_leaves_room_for_a_second_attempt() {
    let (_store, ledger, known) = slow(Silence).await;
    let began = Instant::now();
    assert_eq!(outcome(ledger.create(&known).await, created), "Unavailable");
    assert_eq!(began.elapsed().as_secs(), u64::from(time_outs::LEDGER_REQUEST));
    tokio::time::resume();
}

#[tokio::test]
async fn shadow_counters_wait_for_their_own_time_and_no_longer() {
    let (_store, ledger, _) = slow(Silence).await;
    let many: Vec<_> = (0..20).map(|n| shadow(tokens(&format!("trial-{n}"), 10, 600))).collect();
    let began = Instant::now();
    ledger.count_shadow(&held("r", many).shadow_hold_deltas()).await;
    assert_eq!(began.elapsed().as_secs(), u64::from(time_outs::SHADOW));
    tokio::time::resume();
}

#[tokio::test]
async fn an_answer_that_never_comes_is_asked_for_again() {
    let store = Embedded::start().await;
    let (wire, client) = Wire::lay(&store);
    wire.script([Silence], None);
    let ledger = DynamoDbLedger::new(client, TABLE);
    assert_eq!(outcome(ledger.create(&held("r", charges("r"))).await, created), "Created");
    assert_eq!(wire.requests(), 2);
}
