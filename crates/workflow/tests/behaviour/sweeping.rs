//! `SweepReservations`.

use crate::ports::{Fault, ready};
use crate::stage::{INPUT_HELD, MAX_TOKENS, Stage, policy};
use cost_sentry_core::reservation::{ClaimId, State, Transition};
use cost_sentry_workflow::error::ErrorName;
use cost_sentry_workflow::ledger::drive;
use cost_sentry_workflow::ports::{Created, Ledger};
use cost_sentry_workflow::time_outs::SWEEP_BEGINS;
use serde_json::{Value, json};

const HELD: u64 = INPUT_HELD + MAX_TOKENS;

fn held(count: u64) -> i64 {
    i64::try_from(HELD * count).unwrap()
}

/// A stage with so many requests held.
fn stage(requests: usize) -> Stage {
    let stage = Stage::new(&policy(1_000_000));
    stage.approved();
    let first = stage.ledger.only();
    for n in 1..requests {
        let mut another = first.clone();
        another.tags.request_id = format!("request {n}");
        assert_eq!(ready(stage.ledger.create(&another)).unwrap(), Created::Created);
    }
    stage
}

/// Claims one of the stored reservations, under the lease that it has.
fn claim(stage: &Stage) {
    let stored = stage.ledger.books().reservations.into_values().find(|stored| stored.state == State::Held).unwrap();
    let claim = Transition::Claim {
        claim_id: ClaimId("a claim".to_owned()),
        request_hash: stored.request_hash.clone(),
        lease_end: stored.lease_end,
    };
    drop(ready(drive(&stage.ledger, stored, &claim)).unwrap());
}

fn points(stage: &Stage) -> Vec<(&'static str, f64)> {
    stage.heard.points.lock().unwrap().drain(..).map(|point| (point.name, point.value)).collect()
}

#[test]
fn a_lease_past_by_more_than_the_skew_is_ended_and_no_other() {
    let stage = stage(3);
    claim(&stage);
    for (pass, swept) in [(389, [0, 0, 0]), (1, [0, 0, 0]), (1, [2, 1, 0]), (1_000, [0, 0, 0])] {
        stage.edge.pass(pass);
        let [released, uncertain, left] = swept;
        assert_eq!(stage.sweep().unwrap(), json!({ "released": released, "uncertain": uncertain, "left": left }), "{pass}");
        assert_eq!(points(&stage), [("SweptLeases", f64::from(released + uncertain)), ("UncertainCharges", f64::from(uncertain))]);
    }
    assert_eq!(stage.tokens(), [held(1), 0, held(1)]);
    let lines = stage.heard.lines.lock().unwrap();
    let states: Vec<&str> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "RELEASED").count(), 2);
    assert!(lines.iter().all(|line| line["event"] == "swept" && line["requestId"].is_string() && line["tags"]["applicationId"] == "docs"));
}

#[test]
fn more_than_a_page_is_ended_in_one_run() {
    for requests in [99, 100, 101, 250] {
        let stage = stage(requests);
        stage.edge.pass(1_000);
        assert_eq!(stage.sweep().unwrap()["released"], requests);
        assert_eq!(stage.tokens(), [0, 0, 0]);
    }
}

#[test]
fn one_that_the_ledger_refuses_is_left_and_logged_and_the_others_are_ended() {
    let stage = stage(3);
    stage.edge.pass(1_000);
    stage.ledger.fail_after(1, "write", Fault::Unavailable);
    assert_eq!(stage.sweep().unwrap(), json!({ "released": 2, "uncertain": 0, "left": 1 }));
    let errors: Vec<Value> = stage.heard.lines.lock().unwrap().iter().filter(|line| line["event"] == "error").cloned().collect();
    assert_eq!((errors.len(), errors[0]["error"].as_str()), (1, Some("LedgerUnavailable")));
    assert_eq!(stage.sweep().unwrap(), json!({ "released": 1, "uncertain": 0, "left": 0 }));
}

#[test]
fn one_that_was_ended_since_it_was_listed_is_left_alone() {
    let stage = stage(2);
    stage.edge.pass(1_000);
    stage.sweep().unwrap();
    let books = stage.ledger.books();
    stage.ledger.fail("leases_past", Fault::Stale);
    assert_eq!(stage.sweep().unwrap(), json!({ "released": 0, "uncertain": 0, "left": 2 }));
    assert_eq!(stage.ledger.books(), books);
}

#[test]
fn no_page_is_begun_later_than_the_function_has_time_for() {
    // The second look at the clock is the one before the first page.
    for (millis, begins) in [(0, true), (1, false)] {
        let mut stage = stage(1);
        stage.edge = stage.edge.ticking(i64::from(SWEEP_BEGINS) * 1_000 + millis);
        stage.ledger.fail("leases_past", Fault::Unavailable);
        assert_eq!(stage.sweep().is_err(), begins, "{millis}");
    }
}

#[test]
fn a_page_of_which_none_can_be_ended_ends_the_run() {
    let stage = stage(100);
    stage.edge.pass(1_000);
    (0..100).for_each(|_| stage.ledger.fail("write", Fault::Contended));
    assert_eq!(stage.sweep().unwrap(), json!({ "released": 0, "uncertain": 0, "left": 100 }));
    assert_eq!(stage.sweep().unwrap()["released"], 100);
}

#[test]
fn a_sweep_that_cannot_look_or_cannot_count_is_an_error() {
    let mut stage = stage(1);
    stage.ledger.fail("leases_past", Fault::Unavailable);
    assert_eq!(stage.sweep().unwrap_err().name, ErrorName::LedgerUnavailable);
    stage.heard.refuses = true;
    assert_eq!(stage.sweep().unwrap_err().name, ErrorName::MetricsUnavailable);
}
