//! `InvokeModel`.

use crate::ports::Fault;
use crate::stage::{HAIKU, INPUT_HELD, MAX_TOKENS, Stage, answer, policy, request, usage};
use cost_sentry_core::reservation::{ClaimId, State, Transition};
use cost_sentry_workflow::error::{ErrorName, Handling};
use cost_sentry_workflow::ledger::{Driven, drive_stored};
use cost_sentry_workflow::ports::CallFailed;
use serde_json::{Value, json};

const LIMIT: u64 = 1_000;

fn held() -> i64 {
    i64::try_from(INPUT_HELD + MAX_TOKENS).unwrap()
}

fn stage() -> Stage {
    Stage::new(&policy(LIMIT))
}

fn error(ended: &Value) -> &str {
    ended["error"]["name"].as_str().unwrap_or_default()
}

fn codes(ended: &Value) -> Vec<&str> {
    ended["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn an_answer_is_delivered_and_what_it_used_is_settled() {
    let stage = stage();
    let approved = stage.approved();
    let (ended, calls) = stage.invoke_seeing(approved.clone(), [answer(Some(usage(10, 20)))]);
    let ended = ended.unwrap();
    let request_id = approved["request"]["tags"]["requestId"].as_str().unwrap().to_owned();
    assert_eq!(calls, [(HAIKU.to_owned(), request_id, MAX_TOKENS)]);
    assert_eq!(ended["outcome"], "INVOCATION_SUCCEEDED");
    assert_eq!(ended["decision"], "APPROVED");
    assert_eq!(ended["response"], json!({ "role": "assistant", "content": "Answer", "stopReason": "end_turn" }));
    assert_eq!((&ended["usage"]["totalTokens"], &ended["usage"]["costUsd"]), (&json!(30), &json!("0.000088")));
    assert!(ended.get("cause").is_none() && codes(&ended).is_empty());
    assert_eq!((stage.tokens(), stage.shadow_tokens()), ([30, 30, 0], [30, 30, 0]));
    let stored = stage.ledger.only();
    assert_eq!((stored.state, stored.claim_id.as_ref()), (State::Settled, Some(&ClaimId("claim 1".to_owned()))));
    assert_eq!(ended["record"]["reservation"], serde_json::to_value(&stored).unwrap());
    assert_eq!((&ended["record"]["pending"], &ended["record"]["modelName"]), (&Value::Null, &json!("haiku")));
    assert!(ended["tags"]["requestId"].is_string() && ended["model"]["modelId"] == HAIKU && ended["rateLimit"]["budgets"].is_array());
}

#[test]
fn a_failure_says_what_the_budgets_show_and_what_the_client_was_warned_of() {
    let stage = stage();
    let ended = stage.invoke(stage.approved(), [Err(CallFailed::Rejected)]).unwrap();
    assert_eq!(ended["rateLimit"]["budgets"][0]["name"], "day");
    assert_eq!(codes(&ended), Vec::<&str>::new());
    // Nothing refuses here, and the policy allows that.
    let mut watched = policy(1);
    watched["requests"] = json!({ "unbudgeted": "allow" });
    watched["budgets"].as_array_mut().unwrap().remove(0);
    let stage = Stage::new(&watched);
    let ended = stage.invoke(stage.approved(), [Err(CallFailed::Rejected)]).unwrap();
    assert_eq!(codes(&ended).len(), 1, "{}", ended["warnings"]);
}

#[test]
fn the_claim_is_written_before_the_call_with_a_lease_of_its_own() {
    let mut stage = stage();
    stage.edge = stage.edge.ticking(1_500);
    let approved = stage.approved();
    stage.edge.pass(7);
    let ended = stage.invoke(approved.clone(), [Err(CallFailed::TimedOut)]).unwrap();
    let stored = stage.ledger.only();
    let renewed = stored.lease_end.duration_since(stored.held_at).as_secs();
    assert!(renewed > 330 + 7, "{renewed}");
    assert_eq!(ended["record"]["context"]["durationsMs"]["invokeModel"], 1_500);
}

#[test]
fn usage_beyond_the_hold_is_charged_and_said() {
    for (output, overage) in [(MAX_TOKENS, false), (MAX_TOKENS + 1, true)] {
        let stage = stage();
        let ended = stage.invoke(stage.approved(), [answer(Some(usage(INPUT_HELD, output)))]).unwrap();
        assert_eq!(codes(&ended), if overage { vec!["OVERAGE"] } else { vec![] });
        let charged = i64::try_from(INPUT_HELD + output).unwrap();
        assert_eq!(stage.tokens(), [charged, charged, 0]);
    }
}

#[test]
fn an_answer_without_a_usage_is_delivered_and_stays_charged_in_doubt() {
    let stage = stage();
    let ended = stage.invoke(stage.approved(), [answer(None)]).unwrap();
    assert_eq!(ended["outcome"], "INVOCATION_SUCCEEDED");
    assert_eq!((codes(&ended).len(), &ended["usage"]), (1, &Value::Null));
    assert_eq!((stage.tokens(), stage.ledger.only().state), ([held(), 0, held()], State::Uncertain));
}

#[test]
fn what_may_have_been_billed_stays_charged_and_what_was_not_processed_is_given_back() {
    let check = |failed, name: &str, spent: bool| {
        let stage = stage();
        let ended = stage.invoke(stage.approved(), [Err(failed)]).unwrap();
        assert_eq!((ended["outcome"].as_str(), error(&ended)), (Some("INVOCATION_FAILED"), name));
        assert_eq!(ended["error"]["moneyMayHaveBeenSpent"], spent);
        assert_eq!(ended["error"]["message"], ErrorName::parse(name).unwrap().advice());
        let (tokens, state) = if spent { ([held(), 0, held()], State::Uncertain) } else { ([0, 0, 0], State::Released) };
        assert_eq!((stage.tokens(), stage.ledger.only().state), (tokens, state), "{failed:?}");
        assert!(ended["cause"].as_str().unwrap().contains(name));
    };
    check(CallFailed::TimedOut, "ModelTimedOut", true);
    check(CallFailed::Failed, "ModelFailed", true);
    check(CallFailed::ConnectionLost, "ModelConnectionLost", true);
    check(CallFailed::Rejected, "ModelRejectedRequest", false);
    check(CallFailed::AccessDenied, "ModelAccessDenied", false);
    check(CallFailed::NotFound, "ModelNotFound", false);
}

#[test]
fn what_is_worth_retrying_is_thrown_once_it_is_held_again_and_the_retry_may_send() {
    let check = |failed, name: ErrorName| {
        let stage = stage();
        let approved = stage.approved();
        let thrown = stage.invoke(approved.clone(), [Err(failed)]).unwrap_err();
        assert_eq!((thrown.name, thrown.name.handling()), (name, Handling::Retried));
        assert_eq!(thrown.message, name.advice());
        assert_eq!((stage.tokens(), stage.ledger.only().state), ([held(), 0, 0], State::Held));
        let ended = stage.invoke(approved, [answer(Some(usage(10, 20)))]).unwrap();
        assert_eq!(ended["outcome"], "INVOCATION_SUCCEEDED");
        assert_eq!(stage.ledger.only().claim_id, Some(ClaimId("claim 2".to_owned())));
    };
    check(CallFailed::Throttled, ErrorName::ModelThrottled);
    check(CallFailed::NotReady, ErrorName::ModelNotReady);
    check(CallFailed::Unreachable, ErrorName::ModelUnreachable);
}

#[test]
fn a_second_invocation_sends_nothing_and_moves_nothing() {
    for first in [answer(Some(usage(10, 20))), answer(None), Err(CallFailed::TimedOut)] {
        let stage = stage();
        let approved = stage.approved();
        stage.invoke(approved.clone(), [first]).unwrap();
        let books = stage.ledger.books();
        let (ended, calls) = stage.invoke_seeing(approved, []);
        let ended = ended.unwrap();
        assert_eq!((ended["decision"].as_str(), error(&ended)), (Some("DUPLICATE"), "InvocationUncertain"));
        assert_eq!(ended["error"]["moneyMayHaveBeenSpent"], true);
        assert!(calls.is_empty() && stage.ledger.books() == books);
    }
}

#[test]
fn a_hold_that_is_gone_sends_nothing() {
    let stage = stage();
    let approved = stage.approved();
    stage.edge.pass(330 + 61);
    stage.sweep().unwrap();
    stage.edge.pass(-391);
    let ended = stage.invoke(approved.clone(), []).unwrap();
    assert_eq!((ended["decision"].as_str(), error(&ended)), (Some("APPROVED"), "LeaseLost"));
    assert_eq!(ended["error"]["moneyMayHaveBeenSpent"], false);

    let forgotten = Stage::new(&policy(LIMIT));
    assert_eq!(error(&forgotten.invoke(approved, []).unwrap()), "LeaseLost");
}

#[test]
fn another_request_than_the_one_that_holds_sends_nothing() {
    let stage = stage();
    let mut approved = stage.approved();
    approved["request"]["prompt"]["messages"][0]["content"] = json!(["Another question"]);
    let ended = stage.invoke(approved, []).unwrap();
    assert_eq!((ended["decision"].as_str(), error(&ended)), (Some("APPROVED"), "ContractViolation"));
    assert_eq!(stage.ledger.only().state, State::Held);
}

#[test]
fn too_late_for_the_call_gives_back_what_is_held() {
    for (seconds, name) in [(21, ""), (22, "DeadlineExceeded")] {
        let stage = stage();
        let approved = stage.approved();
        stage.edge.pass(seconds);
        let answers = if name.is_empty() { vec![answer(Some(usage(10, 20)))] } else { vec![] };
        let ended = stage.invoke(approved, answers).unwrap();
        assert_eq!(error(&ended), name, "{seconds}");
        let state = if name.is_empty() { State::Settled } else { State::Released };
        assert_eq!(stage.ledger.only().state, state);
        assert_eq!(ended["record"]["reservation"], serde_json::to_value(stage.ledger.only()).unwrap());
    }
}

#[test]
fn too_late_beside_an_invocation_at_work_leaves_it_alone() {
    let stage = stage();
    let approved = stage.approved();
    stage.invoke(approved.clone(), [Err(CallFailed::TimedOut)]).unwrap();
    let books = stage.ledger.books();
    stage.edge.pass(100);
    let ended = stage.invoke(approved.clone(), []).unwrap();
    assert_eq!((ended["decision"].as_str(), error(&ended)), (Some("DUPLICATE"), "InvocationUncertain"));
    assert_eq!(stage.ledger.books(), books);
    // One that was never held has nothing to give back.
    let forgotten = Stage::new(&policy(LIMIT));
    forgotten.edge.pass(100);
    let ended = forgotten.invoke(approved, []).unwrap();
    assert_eq!((error(&ended), &ended["record"]["pending"]), ("DeadlineExceeded", &Value::Null));
}

#[test]
fn a_claim_that_cannot_be_written_sends_nothing_and_leaves_its_end_to_the_recorder() {
    let check = |fault, name: &str, state: State| {
        let stage = stage();
        let approved = stage.approved();
        stage.ledger.fail("write", fault);
        let ended = stage.invoke(approved, []).unwrap();
        assert_eq!(error(&ended), name);
        // Another invocation might have sent, for all that this one could see; the recorder looks, and then says what is so.
        assert_eq!(ended["error"]["moneyMayHaveBeenSpent"], true);
        assert_eq!(ended["record"]["pending"], json!({ "claimId": "claim 1", "call": "notProcessed" }));
        assert_eq!(stage.ledger.only().state, state);
        let recorded = stage.record(ended).unwrap();
        let cause: Value = serde_json::from_str(recorded["cause"].as_str().unwrap()).unwrap();
        assert_eq!(cause["error"], json!({ "name": name, "message": cause["error"]["message"], "moneyMayHaveBeenSpent": false }));
        assert_eq!(stage.ledger.only().state, State::Released);
    };
    check(Fault::Unavailable, "LedgerUnavailable", State::Held);
    check(Fault::Lost, "LedgerUnavailable", State::Claimed);
    check(Fault::Contended, "LedgerContended", State::Held);
}

#[test]
fn an_end_that_cannot_be_written_is_left_to_the_recorder_with_all_that_is_known() {
    let check = |result, outcome: &str, call: Value| {
        let stage = stage();
        let approved = stage.approved();
        stage.ledger.fail_after(1, "write", Fault::Unavailable);
        let ended = stage.invoke(approved, [result]).unwrap();
        assert_eq!(ended["outcome"], outcome);
        assert_eq!(ended["record"]["pending"], json!({ "claimId": "claim 1", "call": call }));
        assert_eq!(stage.ledger.only().state, State::Claimed);
        ended
    };
    let used = json!({ "answered": { "usage": { "input": 10, "output": 20, "cacheRead": 0, "cacheWrite": 0 } } });
    let ended = check(answer(Some(usage(10, 20))), "INVOCATION_SUCCEEDED", used);
    assert_eq!(ended["usage"]["costUsd"], "0.000088");
    check(answer(None), "INVOCATION_SUCCEEDED", json!("doubt"));
    let ended = check(Err(CallFailed::TimedOut), "INVOCATION_FAILED", json!("doubt"));
    // What may have been billed stays so when the ledger was told.
    let late = stage();
    let approved = late.approved();
    late.ledger.fail_after(1, "write", Fault::Unavailable);
    let recorded = late.record(late.invoke(approved, [Err(CallFailed::TimedOut)]).unwrap()).unwrap();
    let cause: Value = serde_json::from_str(recorded["cause"].as_str().unwrap()).unwrap();
    assert_eq!((late.ledger.only().state, &cause["error"]), (State::Uncertain, &ended["error"]));
    assert_eq!(cause["error"]["moneyMayHaveBeenSpent"], true);
    check(Err(CallFailed::Rejected), "INVOCATION_FAILED", json!("notProcessed"));
    check(Err(CallFailed::Throttled), "INVOCATION_FAILED", json!("notProcessed"));
}

#[test]
fn a_throttled_call_whose_claim_another_invocation_took_over_says_that_money_may_be_spent() {
    let stage = stage();
    let approved = stage.approved();
    stage.ledger.fail_after(1, "write", Fault::Overtaken);
    let ended = stage.invoke(approved, [Err(CallFailed::Throttled)]).unwrap();
    assert_eq!((error(&ended), &ended["error"]["moneyMayHaveBeenSpent"]), ("InvocationUncertain", &json!(true)));
    assert_eq!((&ended["record"]["decision"], &ended["record"]["pending"]), (&json!("DUPLICATE"), &Value::Null));
    let stored = stage.ledger.only();
    assert_eq!((stored.state, stored.claim_id), (State::Claimed, Some(ClaimId("another's".to_owned()))));
}

#[test]
fn a_release_that_cannot_be_written_when_it_is_too_late_is_left_to_the_recorder() {
    let stage = stage();
    let approved = stage.approved();
    stage.edge.pass(100);
    stage.ledger.fail("write", Fault::Unavailable);
    let ended = stage.invoke(approved, []).unwrap();
    assert_eq!(error(&ended), "DeadlineExceeded");
    assert_eq!(ended["record"]["pending"], json!({ "claimId": "claim 1", "call": "notProcessed" }));
}

#[test]
fn a_claim_that_the_sweep_ended_during_the_call_is_settled_all_the_same() {
    let stage = stage();
    let approved = stage.approved();
    let request_id = approved["request"]["tags"]["requestId"].as_str().unwrap();
    stage.ledger.fail_after(1, "write", Fault::Unavailable);
    stage.invoke(approved.clone(), [answer(Some(usage(10, 20)))]).unwrap();
    stage.edge.pass(330 + 61);
    stage.sweep().unwrap();
    assert_eq!(stage.tokens(), [held(), 0, held()]);
    let settle = Transition::Settle { claim_id: ClaimId("claim 1".to_owned()), usage: usage(10, 20) };
    let driven = crate::ports::ready(drive_stored(&stage.ledger, request_id, &settle)).unwrap();
    assert!(matches!(driven, Driven::Stands(_)));
    assert_eq!(stage.tokens(), [30, 30, 0]);
}

#[test]
fn what_no_state_hands_over_is_a_violation() {
    for broken in [json!(null), json!({}), request()] {
        assert_eq!(stage().invoke(broken, []).unwrap_err().name, ErrorName::ContractViolation);
    }
}
