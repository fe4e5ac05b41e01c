//! Driving a transition.

use crate::ports::{Fault, ready};
use crate::stage::{Stage, policy};
use cost_sentry_core::reservation::{ClaimId, Refused, Reservation, State, Transition};
use cost_sentry_workflow::ledger::{Driven, drive, drive_stored};
use cost_sentry_workflow::ports::LedgerError;

fn held() -> (Stage, Reservation) {
    let stage = Stage::new(&policy(1_000));
    stage.approved();
    let stored = stage.ledger.only();
    (stage, stored)
}

fn claim(reservation: &Reservation) -> Transition {
    let request_hash = reservation.request_hash.clone();
    Transition::Claim { claim_id: ClaimId("mine".to_owned()), request_hash, lease_end: reservation.lease_end }
}

#[test]
fn a_stale_copy_is_decided_on_anew_with_what_is_stored() {
    let (stage, stale) = held();
    assert!(matches!(ready(drive(&stage.ledger, stale.clone(), &claim(&stale))).unwrap(), Driven::Stands(_)));
    let doubt = Transition::Doubt { claim_id: ClaimId("mine".to_owned()) };
    // By the stale copy there is no claim that could be doubted.
    assert!(matches!(ready(drive(&stage.ledger, stale.clone(), &doubt)).unwrap(), Driven::Refused(Refused::LeaseLost, _)));
    let release = Transition::Release { claim_id: None };
    let driven = ready(drive(&stage.ledger, stale, &release)).unwrap();
    let Driven::Refused(Refused::ClaimedElsewhere, stored) = driven else { panic!("{driven:?}") };
    assert_eq!(*stored, stage.ledger.only());
}

#[test]
fn a_repeat_stands_without_a_write_and_an_absent_one_is_absent() {
    let (stage, reservation) = held();
    let id = reservation.request_id();
    assert!(matches!(ready(drive_stored(&stage.ledger, id, &claim(&reservation))).unwrap(), Driven::Stands(_)));
    stage.ledger.fail("write", Fault::Unavailable);
    let Driven::Stands(again) = ready(drive_stored(&stage.ledger, id, &claim(&reservation))).unwrap() else { panic!("not done") };
    assert_eq!((again.state, again.version), (State::Claimed, 2));
    assert_eq!(ready(drive_stored(&stage.ledger, "unknown", &claim(&reservation))).unwrap(), Driven::Absent);
    let empty = Stage::new(&policy(1_000));
    assert_eq!(ready(drive(&empty.ledger, reservation.clone(), &claim(&reservation))).unwrap(), Driven::Absent);
}

#[test]
fn shadow_counters_move_with_the_transition() {
    let (stage, reservation) = held();
    let before = stage.shadow_tokens();
    assert!(before[0] > 0);
    drop(ready(drive(&stage.ledger, reservation, &Transition::Release { claim_id: None })).unwrap());
    assert_eq!(stage.shadow_tokens(), [0, 0, 0]);
}

#[test]
fn a_ledger_that_fails_is_an_error() {
    let (stage, reservation) = held();
    stage.ledger.fail("write", Fault::Contended);
    let error = ready(drive(&stage.ledger, reservation.clone(), &claim(&reservation))).unwrap_err();
    assert!(matches!(error, LedgerError::Contended));
}
