//! `ValidateAndSetContext`.

use crate::stage::{HAIKU, Stage, policy, request, sorted, start};
use cost_sentry_workflow::error::ErrorName;
use cost_sentry_workflow::payload::Start;
use expect_test::expect;
use serde_json::{Value, json};

fn stage() -> Stage {
    Stage::new(&policy(1_000))
}

#[test]
fn a_good_request_leaves_with_its_context_its_model_and_every_tag() {
    let mut stage = stage();
    stage.edge = stage.edge.ticking(25);
    let validated = stage.validated();
    assert_eq!(validated["valid"], true);
    assert_eq!(validated["request"]["model"]["modelId"], HAIKU);
    let tags = &validated["request"]["tags"];
    let found = ["applicationId", "costCenter", "environment", "team", "timestamp"].map(|name| tags[name].as_str().unwrap());
    assert_eq!(found, ["docs", "sales", "dev", "blue", "2026-11-20T12:00:00.000000Z"], "an empty pinned tag fixes nothing");
    let context = json!({
        "startedAt": "2026-11-20T12:00:00Z", "deadline": "2026-11-20T12:04:55Z", "durationsMs": { "validateAndSetContext": 25 },
    });
    assert_eq!(validated["context"], context);
    assert!(stage.heard.lines.lock().unwrap().is_empty());
}

#[test]
fn a_bad_request_is_a_value_with_its_problems_and_counts_as_invalid() {
    let stage = stage();
    let rejected = stage.validate(start(&json!({ "model": "haiku", "prompt": {}, "tags": { "applicationId": "docs" } }))).unwrap();
    assert_eq!(rejected["valid"], false);
    let cause: Value = serde_json::from_str(rejected["cause"].as_str().unwrap()).unwrap();
    expect![[r#"
        {
          "error": "InvalidRequest",
          "message": "the request has 1 problem",
          "problems": [
            {
              "expected": "a list of at least one message, each with `role` and `content`",
              "pointer": "/prompt/messages"
            }
          ],
          "problemsNotListed": 0,
          "requestId": "02f84304-a000-8028-a60a-6344295cb061"
        }"#]]
    .assert_eq(&format!("{:#}", sorted(&cause)));
    let lines = stage.heard.lines.lock().unwrap();
    assert_eq!(lines.len(), 1);
    expect![[r#"{"InvalidRequests":1,"_aws":{"CloudWatchMetrics":[{"Dimensions":[[]],"Metrics":[{"Name":"InvalidRequests","Unit":"Count"}],"Namespace":"GenAIRateLimiting"}],"Timestamp":1795176030000}}"#]]
    .assert_eq(&sorted(&lines[0]).to_string());
}

#[test]
fn fifty_problems_are_listed_or_as_many_as_a_cause_has_room_for_and_the_rest_is_counted() {
    let check = |fields: usize, name: &str, listed: std::ops::RangeInclusive<u64>| {
        let mut request = request();
        for i in 0..fields {
            request[format!("{name}{i}")] = json!(1);
        }
        let rejected = stage().validate(start(&request)).unwrap();
        let text = rejected["cause"].as_str().unwrap();
        let cause: Value = serde_json::from_str(text).unwrap();
        let shown = u64::try_from(cause["problems"].as_array().unwrap().len()).unwrap();
        assert!(text.len() <= 30_000 && listed.contains(&shown), "{} bytes, {shown} listed", text.len());
        assert_eq!(cause["problemsNotListed"], u64::try_from(fields).unwrap() - shown);
        assert_eq!(cause["message"], format!("the request has {fields} problems"));
    };
    check(2, "zz", 2..=2);
    check(50, "zz", 50..=50);
    check(60, "zz", 50..=50);
    // Six bytes of JSON for each character, and two hundred characters of each name.
    check(60, &"\u{1}".repeat(198), 20..=30);
}

#[test]
fn what_no_state_hands_over_is_a_violation_and_a_missing_policy_is_to_be_retried() {
    for broken in [json!(null), json!({}), json!({ "request": {}, "executionId": 7, "startedAt": "x", "pinnedTags": {} })] {
        assert_eq!(stage().validate(broken).unwrap_err().name, ErrorName::ContractViolation);
    }
    let stage = stage();
    *stage.store.current.lock().unwrap() = None;
    let thrown = stage.validate(start(&request())).unwrap_err();
    assert_eq!(thrown.name, ErrorName::PolicyUnavailable);
    expect![[r#"{"causes":["no policy is applied: apply one with `cost-sentry policy apply`"],"error":"PolicyUnavailable","event":"error","message":"no policy is applied: apply one with `cost-sentry policy apply`"}"#]]
    .assert_eq(&sorted(&thrown.log_line()).to_string());
}

#[test]
fn a_payload_that_cannot_be_read_is_reported_without_a_word_of_it() {
    let thrown = stage().validate(json!({ "request": "the merger is on Friday" })).unwrap_err();
    let line = thrown.log_line().to_string();
    assert!(!line.contains("merger") && line.contains("unreadable payload (Data)"), "{line}");
    let start: Start = serde_json::from_value(start(&json!("the merger is on Friday"))).unwrap();
    assert_eq!(format!("{start:?}"), "Start(execution 1, 2026-11-20T12:00:00Z)");
}
