//! Names that others rely on: of errors, steps and time-outs.

use crate::stage::{noon, sorted};
use cost_sentry_workflow::error::{ErrorName, Handling, Thrown};
use cost_sentry_workflow::ports::Answer;
use cost_sentry_workflow::steps::{STEPS, StepName};
use cost_sentry_workflow::time_outs::{CHECK_RATE_LIMIT, Leases, reserve, seconds};
use expect_test::expect;
use std::collections::BTreeSet;

#[test]
fn every_error_has_a_name_that_reads_back_and_a_sentence_that_advises() {
    let names: BTreeSet<&str> = ErrorName::ALL.into_iter().map(ErrorName::name).collect();
    let sentences: BTreeSet<&str> = ErrorName::ALL.into_iter().map(ErrorName::advice).collect();
    assert_eq!((names.len(), sentences.len()), (ErrorName::ALL.len(), ErrorName::ALL.len()));
    for error in ErrorName::ALL {
        assert_eq!(ErrorName::parse(error.name()), Some(error));
        assert_eq!((error.to_string(), format!("{error:?}")), (error.name().to_owned(), error.name().to_owned()));
        assert!(error.advice().ends_with('.') && error.advice().contains(' '));
    }
    assert_eq!(ErrorName::parse("States.Timeout"), None);
}

#[test]
fn what_the_state_machine_retries_and_catches_stays_as_it_is() {
    let retried: Vec<_> = ErrorName::ALL.into_iter().filter(|error| error.handling() == Handling::Retried).map(ErrorName::name).collect();
    expect!["PolicyUnavailable LedgerUnavailable LedgerContended ModelThrottled ModelNotReady ModelUnreachable MetricsUnavailable"]
        .assert_eq(&retried.join(" "));
    let caught: Vec<_> = ErrorName::ALL.into_iter().filter(|error| error.handling() == Handling::Caught).collect();
    assert_eq!(caught, [ErrorName::ContractViolation]);
}

#[test]
fn an_error_logs_its_whole_chain() {
    let thrown = Thrown::new(ErrorName::LedgerContended, "once more");
    assert_eq!(thrown.to_string(), "once more");
    expect![[r#"{"causes":[],"error":"LedgerContended","event":"error","message":"once more"}"#]]
        .assert_eq(&sorted(&thrown.log_line()).to_string());
}

#[test]
fn a_step_has_one_name_in_four_spellings() {
    let step = STEPS[1];
    let spellings = [step.binary(), step.module(), step.function(), step.placeholder()];
    assert_eq!(spellings, ["check-rate-limit", "check_rate_limit", "CheckRateLimitFunction", "CheckRateLimitFunctionArn"]);
    assert_eq!(StepName { state: "A", time_outs: CHECK_RATE_LIMIT }.module(), "a");
    assert_eq!(STEPS.map(|step| step.state), ["ValidateAndSetContext", "CheckRateLimit", "InvokeModel", "RecordMetrics"]);
}

#[test]
fn what_must_remain_is_the_call_and_its_recording() {
    assert_eq!(reserve(), seconds(205 + 39));
    assert_eq!(seconds(90).as_secs(), 90);
    let leases = Leases::default();
    assert_eq!((leases.from(noon()).duration_since(noon()), leases.skew), (seconds(330), seconds(60)));
    let local = Leases::on_one_clock(7);
    assert_eq!((local.lease, local.skew), (seconds(7), seconds(0)));
}

#[test]
fn an_answer_never_shows_in_debug() {
    let answer = Answer { text: "the merger is on Friday".to_owned(), stop_reason: "end_turn".to_owned(), usage: None };
    assert_eq!(format!("{answer:?}"), "Answer(23 bytes, end_turn, None)");
}
