//! The sweep between any two requests of an execution: once too early, when it must end nothing, and once when every lease is past.

use super::books::{Aftermath, Unwatched};
use super::scenario::{SCENARIOS, Scenario, Trial, each};
use super::wire::Interlude;
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::clients::{Clients, http_client};
use cost_sentry_aws::edge::SystemEdge;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_aws::log::Lines;
use cost_sentry_core::reservation::{ClaimId, State};
use cost_sentry_workflow::ports::Edge;
use cost_sentry_workflow::steps::SweepReservations;
use cost_sentry_workflow::time_outs::Leases;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// A clock that is so far ahead.
#[derive(Debug, Clone, Copy)]
struct Ahead(SignedDuration);

impl Edge for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::now() + self.0
    }

    fn draw_claim_id(&self) -> ClaimId {
        SystemEdge.draw_claim_id()
    }
}

/// A whole run of the sweep over connections of its own.
async fn sweep(trial: &Trial, ahead: SignedDuration) -> Interlude {
    let stack = &trial.world.stack;
    let clients = Clients::with_http_client(&stack.config, stack.endpoints.clone(), http_client()).await;
    let ledger = DynamoDbLedger::new(clients.dynamodb(), TABLE);
    let (log, edge) = (Lines::new(Vec::new()), Ahead(ahead));
    Interlude::new(async move {
        let sweep = SweepReservations { ledger, metrics: Unwatched, log, edge, leases: Leases::default() };
        Box::pin(sweep.sweep()).await.unwrap();
    })
}

async fn swept(expected: Arc<Aftermath>, scenario: Scenario, at: usize, minutes: i64) -> Vec<String> {
    let trial = Trial::new(scenario, None).await;
    trial.wire.before(at, sweep(&trial, SignedDuration::from_mins(minutes)).await);
    let found = Aftermath::of(&trial, &trial.run().await).await;
    let mut problems = found.problems.clone();
    problems.extend(found.charged_for_nothing());
    // What is held and was swept is lost, before anything is sent; what is claimed and was swept is ended all the same.
    let lost = found.error() == Some("LeaseLost") && found.state() == Some(State::Released);
    let ended = minutes > 6 && (lost || found.calls.len() < expected.calls.len() && found.state() == Some(State::Released));
    if !ended {
        problems.extend(found.differences(&expected));
    }
    let request = &trial.wire.requests()[at];
    problems.into_iter().map(|problem| format!("{}, swept {minutes} min ahead before {request:?}: {problem}", scenario.name)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_between_any_two_requests_loses_no_money_and_sends_no_second_call() {
    let mut cases = Vec::new();
    for scenario in SCENARIOS {
        let plain = Trial::new(scenario, None).await;
        let expected = Arc::new(Aftermath::of(&plain, &plain.run().await).await);
        let requests = plain.wire.requests().len();
        // Five minutes ahead no lease is past; in an hour all are.
        let both = |at| [5, 60].map(|minutes| swept(Arc::clone(&expected), scenario, at, minutes));
        cases.extend((0..requests).flat_map(both));
    }
    each(cases).await;
}
