//! Faults on the wire: for every request that an execution sends, everything that can go wrong with it.

use super::books::Aftermath;
use super::scenario::{SCENARIOS, Scenario, Trial, each};
use super::wire::{Extent, Fault, Mishap, Request};
use crate::contract;
use crate::harness::Ended;
use cost_sentry_asl::EventKind;
use cost_sentry_core::reservation::State;
use std::sync::Arc;

/// An undisturbed execution.
struct Plain {
    scenario: Scenario,
    requests: Vec<Request>,
    aftermath: Aftermath,
}

async fn plain(scenario: Scenario) -> Plain {
    let trial = Trial::new(scenario, None).await;
    let ended = trial.run().await;
    let aftermath = Aftermath::of(&trial, &ended).await;
    assert_eq!(aftermath.problems, Vec::<String>::new(), "{}", scenario.name);
    assert_eq!(aftermath.calls.len(), scenario.calls, "{}", scenario.name);
    Plain { scenario, requests: trial.wire.requests(), aftermath }
}

async fn faulty(plain: Arc<Plain>, fault: Fault) -> Vec<String> {
    let trial = Trial::new(plain.scenario, Some(fault)).await;
    let ended = trial.run().await;
    let found = Aftermath::of(&trial, &ended).await;
    let request = &plain.requests[fault.at];
    let mut problems = found.problems.clone();
    if trial.wire.requests().get(..=fault.at) != plain.requests.get(..=fault.at) {
        problems.push("up to the fault, the requests differ from the plain run's".to_owned());
    }
    problems.extend(undeclared(&ended, fault.mishap));
    if fault.extent != Extent::Rest {
        // Nobody can know whether a call was sent if its connection broke, or if its function ended while it held the claim.
        let in_doubt = request.is_call() && fault.mishap != Mishap::Refused || fault.mishap.is_crash();
        if found.calls.is_empty() && found.state() == Some(State::Uncertain) && !in_doubt {
            problems.push("uncertain, though the call was never sent".to_owned());
        }
        problems.extend(found.charged_for_nothing());
        if found.failed.is_none() && found.state() != Some(State::Settled) {
            problems.push(format!("the client got the answer, and the ledger was not told what it cost: {:?}", found.state()));
        }
    }
    if fault.extent == Extent::Once && !fault.mishap.is_crash() {
        problems.extend(mended(&plain, request, fault.mishap, &found));
    }
    problems.into_iter().map(|problem| format!("{}: {request:?} {fault:?}: {problem}", plain.scenario.name)).collect()
}

/// One lost request or answer changes nothing for the client, unless it was the call's own.
fn mended(plain: &Plain, request: &Request, mishap: Mishap, found: &Aftermath) -> Vec<String> {
    if request.is_call() && mishap != Mishap::Refused {
        let told = found.error() == Some("ModelConnectionLost") && found.state() == Some(State::Uncertain);
        return if told { Vec::new() } else { vec![format!("the call's fate is unknown, the client was told {}", found.document)] };
    }
    if !request.is_a_bedrock_request() || request.is_call() {
        return found.differences(&plain.aftermath);
    }
    // The input was not counted: the figures differ, the decision does not.
    let same = found.failed == plain.aftermath.failed && found.counters == plain.aftermath.counters;
    if same { Vec::new() } else { vec![format!("another end: {}", found.document)] }
}

/// Errors of attempts that the contract does not know of.
fn undeclared(ended: &Ended, mishap: Mishap) -> Vec<String> {
    let mut problems = Vec::new();
    let mut state = "";
    for event in &ended.events {
        match &event.kind {
            EventKind::StateEntered { name, .. } => state = name,
            EventKind::TaskFailed { error, .. } => {
                let crashed = mishap.is_crash() && error == "Lambda.Unknown";
                let declared = contract::thrown_by(state).iter().any(|thrown| thrown.name() == error);
                if !crashed && !declared {
                    problems.push(format!("{state} threw {error}"));
                }
            }
            _ => {}
        }
    }
    problems
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_a_request_the_books_balance_and_no_second_call_is_sent() {
    let mut cases = Vec::new();
    for scenario in SCENARIOS {
        let plain = Arc::new(Box::pin(plain(scenario)).await);
        for at in 0..plain.requests.len() {
            for mishap in Mishap::ALL {
                let extents = if mishap.can_meet(&plain.requests[at]) { mishap.extents() } else { &[] };
                cases.extend(extents.iter().map(|extent| faulty(Arc::clone(&plain), Fault { at, mishap, extent: *extent })));
            }
        }
    }
    each(cases).await;
}
