//! `RecordMetrics`.

use crate::ports::Fault;
use crate::stage::{INPUT_HELD, MAX_TOKENS, Stage, answer, policy, request, sorted, start, usage};
use cost_sentry_core::reservation::State;
use cost_sentry_workflow::error::ErrorName;
use cost_sentry_workflow::ports::CallFailed;
use expect_test::expect;
use serde_json::{Value, json};

fn held() -> i64 {
    i64::try_from(INPUT_HELD + MAX_TOKENS).unwrap()
}

fn stage() -> Stage {
    let mut stage = Stage::new(&policy(1_000));
    stage.edge = stage.edge.ticking(5);
    stage
}

/// A payload as a catcher leaves it.
fn caught(mut input: Value, error: &str) -> Value {
    input["failure"] = json!({ "Error": error, "Cause": "{}" });
    input
}

fn names(stage: &Stage) -> Vec<&'static str> {
    stage.heard.points.lock().unwrap().iter().map(|point| point.name).collect()
}

fn cause(end: &Value) -> Value {
    serde_json::from_str(end["cause"].as_str().unwrap()).unwrap()
}

#[test]
fn a_success_ends_with_the_document_alone_a_line_and_its_points() {
    let stage = stage();
    let ended = stage.invoke(stage.approved(), [answer(Some(usage(10, 20)))]).unwrap();
    let end = stage.record(ended.clone()).unwrap();
    assert_eq!((end["outcome"].as_str(), &end["response"]), (Some("INVOCATION_SUCCEEDED"), &ended["response"]));
    assert!(end.get("record").is_none() && end.get("decision").is_none() && end.get("cause").is_none());
    let lines = stage.heard.lines.lock().unwrap();
    assert_eq!(lines.len(), 1);
    let mut line = lines[0].clone();
    line["policyVersion"] = json!(line["policyVersion"].as_str().unwrap().len());
    line["tags"]["requestId"] = json!("R");
    expect![[r#"
        {
          "charges": [
            {
              "budget": "day",
              "charged": 88000,
              "hold": 470400,
              "mode": "enforce",
              "scope": "",
              "unit": "usd"
            },
            {
              "budget": "day",
              "charged": 30,
              "hold": 188,
              "mode": "enforce",
              "scope": "",
              "unit": "tokens"
            },
            {
              "budget": "watched",
              "charged": 30,
              "hold": 188,
              "mode": "shadow",
              "scope": "",
              "unit": "tokens"
            }
          ],
          "decision": "APPROVED",
          "durationsMs": {
            "checkRateLimit": 5,
            "invokeModel": 5,
            "recordMetrics": 5,
            "validateAndSetContext": 5
          },
          "error": null,
          "event": "request",
          "model": {
            "modelId": "us.anthropic.claude-3-5-haiku-20241022-v1:0",
            "name": "haiku",
            "requested": "haiku"
          },
          "moneyMayHaveBeenSpent": true,
          "outcome": "INVOCATION_SUCCEEDED",
          "policyVersion": 16,
          "reservation": "SETTLED",
          "tags": {
            "applicationId": "docs",
            "costCenter": "sales",
            "environment": "dev",
            "modelMetric": "us.anthropic.claude-3-5-haiku-20241022-v1:0",
            "requestId": "R",
            "team": "blue",
            "timestamp": "2026-11-20T12:00:00.000000Z"
          },
          "usage": {
            "cacheReadInputTokens": 0,
            "cacheWriteInputTokens": 0,
            "costUsd": "0.000088",
            "inputTokens": 10,
            "outputTokens": 20,
            "totalTokens": 30
          },
          "warnings": []
        }"#]]
    .assert_eq(&format!("{:#}", sorted(&line)));
    drop(lines);
    expect!["TotalRequests RateLimitApproved InputTokens OutputTokens SpendUsd BudgetUtilization BudgetUtilization BudgetUtilization"]
        .assert_eq(&names(&stage).join(" "));
}

#[test]
fn a_denial_and_a_failure_end_with_their_document_as_the_cause() {
    let denying = Stage::new(&policy(100));
    let end = denying.record(denying.check(denying.validated()).unwrap()).unwrap();
    assert_eq!((end["outcome"].as_str(), cause(&end)["outcome"].as_str()), (Some("RATE_LIMIT_DENIED"), Some("RATE_LIMIT_DENIED")));
    expect!["TotalRequests RateLimitDenied BudgetUtilization BudgetUtilization BudgetUtilization"].assert_eq(&names(&denying).join(" "));

    let failing = stage();
    let end = failing.record(failing.invoke(failing.approved(), [Err(CallFailed::TimedOut)]).unwrap()).unwrap();
    assert_eq!((end["outcome"].as_str(), cause(&end)["error"]["name"].as_str()), (Some("INVOCATION_FAILED"), Some("ModelTimedOut")));
    assert!(end.as_object().unwrap().len() == 2);
    expect!["TotalRequests RateLimitApproved InvocationFailed UncertainCharges BudgetUtilization BudgetUtilization BudgetUtilization"]
        .assert_eq(&names(&failing).join(" "));
}

#[test]
fn what_could_not_be_written_before_is_written_now_and_again_changes_nothing() {
    let check = |result, state: State, tokens: [i64; 3]| {
        let stage = stage();
        let approved = stage.approved();
        stage.ledger.fail_after(1, "write", Fault::Unavailable);
        let ended = stage.invoke(approved, [result]).unwrap();
        stage.record(ended.clone()).unwrap();
        assert_eq!((stage.ledger.only().state, stage.tokens()), (state, tokens));
        let reported = stage.heard.lines.lock().unwrap()[0]["reservation"].clone();
        assert_eq!(reported, serde_json::to_value(state).unwrap());
        let books = stage.ledger.books();
        stage.record(ended).unwrap();
        assert_eq!(stage.ledger.books(), books);
    };
    check(answer(Some(usage(10, 20))), State::Settled, [30, 30, 0]);
    check(answer(None), State::Uncertain, [held(), 0, held()]);
    check(Err(CallFailed::TimedOut), State::Uncertain, [held(), 0, held()]);
    check(Err(CallFailed::Rejected), State::Released, [0, 0, 0]);
}

#[test]
fn a_ledger_that_fails_here_too_is_an_error_to_be_retried() {
    let stage = stage();
    let approved = stage.approved();
    stage.ledger.fail_after(1, "write", Fault::Unavailable);
    let ended = stage.invoke(approved.clone(), [answer(Some(usage(10, 20)))]).unwrap();
    stage.ledger.fail("find", Fault::Unavailable);
    assert_eq!(stage.record(ended.clone()).unwrap_err().name, ErrorName::LedgerUnavailable);
    stage.ledger.fail("write", Fault::Contended);
    assert_eq!(stage.record(ended).unwrap_err().name, ErrorName::LedgerContended);
    stage.ledger.fail("find", Fault::Unreadable);
    assert_eq!(stage.record(caught(approved, "States.Timeout")).unwrap_err().name, ErrorName::ContractViolation);
    assert!(names(&stage).is_empty());
}

#[test]
fn an_interrupted_execution_gives_back_what_it_holds_and_names_the_error() {
    let stage = stage();
    let approved = stage.approved();
    let end = stage.record(caught(approved, "ModelThrottled")).unwrap();
    assert_eq!((stage.ledger.only().state, stage.tokens()), (State::Released, [0, 0, 0]));
    assert_eq!(
        (cause(&end)["error"]["name"].as_str(), &cause(&end)["error"]["moneyMayHaveBeenSpent"]),
        (Some("ModelThrottled"), &json!(false))
    );
    let line = &stage.heard.lines.lock().unwrap()[0];
    assert_eq!(
        (&line["decision"], &line["reservation"], &line["model"]["name"]),
        (&json!("APPROVED"), &json!("RELEASED"), &json!("haiku"))
    );
}

#[test]
fn an_interrupted_execution_that_claimed_leaves_its_claim_to_the_sweep() {
    let stage = stage();
    let approved = stage.approved();
    stage.ledger.fail_after(1, "write", Fault::Unavailable);
    stage.invoke(approved.clone(), [answer(Some(usage(10, 20)))]).unwrap();
    let end = stage.record(caught(approved, "Sandbox.Timedout")).unwrap();
    assert_eq!((stage.ledger.only().state, stage.tokens()), (State::Claimed, [held(), 0, 0]));
    let error = &cause(&end)["error"];
    assert_eq!((error["name"].as_str(), &error["moneyMayHaveBeenSpent"]), (Some("StepMalfunction"), &json!(true)));
}

#[test]
fn an_interrupted_execution_that_had_settled_reports_what_it_used() {
    let stage = stage();
    let approved = stage.approved();
    stage.invoke(approved.clone(), [answer(Some(usage(10, 20)))]).unwrap();
    let end = stage.record(caught(approved, "States.Timeout")).unwrap();
    assert_eq!((&cause(&end)["usage"]["totalTokens"], &cause(&end)["error"]["moneyMayHaveBeenSpent"]), (&json!(30), &json!(true)));
    assert_eq!(stage.tokens(), [30, 30, 0]);
}

#[test]
fn an_execution_interrupted_before_its_hold_was_known_gives_back_its_own_only() {
    let stage = stage();
    let validated = stage.validated();
    stage.ledger.fail("create", Fault::Lost);
    stage.check(validated.clone()).unwrap_err();
    assert_eq!(stage.tokens(), [held(), 0, 0]);
    stage.record(caught(validated.clone(), "LedgerUnavailable")).unwrap();
    assert_eq!(stage.tokens(), [0, 0, 0]);
    let line = stage.heard.lines.lock().unwrap()[0].clone();
    assert_eq!((&line["decision"], &line["reservation"]), (&json!("UNDECIDED"), &json!("RELEASED")));

    // Nothing is stored.
    let empty = self::stage();
    let end = empty.record(caught(validated, "PolicyUnavailable")).unwrap();
    assert_eq!(cause(&end)["error"]["moneyMayHaveBeenSpent"], false);
    assert_eq!(empty.heard.lines.lock().unwrap()[0]["reservation"], Value::Null);

    // What another request holds under the same id is not its own.
    let other = self::stage();
    other.approved();
    let mut request = request();
    request["prompt"]["messages"][0]["content"] = json!("Another question");
    let another = other.validate(start(&request)).unwrap();
    other.record(caught(another, "LedgerUnavailable")).unwrap();
    assert_eq!(other.tokens(), [held(), 0, 0]);
}

#[test]
fn an_execution_whose_request_nobody_read_is_recorded_with_nothing_but_the_error() {
    let stage = stage();
    let end = stage.record(json!({ "Error": "PolicyUnavailable", "Cause": "{}" })).unwrap();
    let document = cause(&end);
    assert_eq!((&document["tags"], &document["error"]["name"]), (&Value::Null, &json!("PolicyUnavailable")));
    assert_eq!(document["error"]["moneyMayHaveBeenSpent"], false);
    let end = stage.record(json!({ "Error": "Lambda.Unknown", "Cause": "{}" })).unwrap();
    assert_eq!(cause(&end)["error"]["name"], "StepMalfunction");
    assert_eq!(stage.heard.lines.lock().unwrap()[0]["durationsMs"], json!({ "recordMetrics": 5 }));
    expect!["TotalRequests SentryErrors TotalRequests SentryErrors"].assert_eq(&names(&stage).join(" "));
}

#[test]
fn metrics_that_are_not_taken_are_an_error_to_be_retried_after_the_line_was_written() {
    let mut stage = stage();
    let ended = stage.invoke(stage.approved(), [answer(Some(usage(10, 20)))]).unwrap();
    stage.heard.refuses = true;
    let thrown = stage.record(ended).unwrap_err();
    assert_eq!((thrown.name, thrown.to_string().as_str()), (ErrorName::MetricsUnavailable, "the metrics were not taken"));
    assert_eq!(thrown.log_line()["causes"], json!(["the metrics were not taken", "no metrics today"]));
    assert_eq!(stage.heard.lines.lock().unwrap().len(), 1);
}

#[test]
fn what_no_state_hands_over_is_a_violation() {
    for broken in [json!(null), json!({ "record": {} }), json!({ "request": {} }), json!({})] {
        assert_eq!(stage().record(broken).unwrap_err().name, ErrorName::ContractViolation);
    }
}
