use super::*;
use crate::fixtures::{SALES_ARN, policy, policy_document, sample, with};
use expect_test::{Expect, expect};
use serde_json::json;
use std::collections::BTreeSet;

#[path = "bad_request_tests.rs"]
mod bad_requests;
#[path = "parameter_tests.rs"]
mod parameters;

const EXECUTION: &str = "arn:aws:states:us-east-1:123456789012:express:cost-sentry:run-1:6f1c1d3e";

fn origin(pinned: &TagValues) -> Origin<'_> {
    Origin { execution_id: EXECUTION, started_at: "2026-11-20T12:30:00.123456789Z".parse().unwrap(), pinned }
}

fn parse(policy: &Policy, request: &Value) -> Request {
    validate(request, policy, origin(&TagValues::new())).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn pointers(policy: &Policy, request: &Value, pinned: &TagValues) -> Vec<String> {
    let problems = validate(request, policy, origin(pinned)).err().map(Problems::into_vec).unwrap_or_default();
    problems.into_iter().map(|problem| problem.pointer).collect()
}

fn tags(pairs: &[(&str, &str)]) -> TagValues {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_published_sample_works_as_it_is() {
    let request = parse(&policy(&policy_document()), &sample());
    expect![[r#"
        {
          "model": {
            "requested": "claude-3-5-haiku",
            "name": "claude-3-5-haiku",
            "modelId": "us.anthropic.claude-3-5-haiku-20241022-v1:0",
            "billedId": "us.anthropic.claude-3-5-haiku-20241022-v1:0",
            "underlying": "anthropic.claude-3-5-haiku-20241022-v1:0",
            "modelMetric": "us.anthropic.claude-3-5-haiku-20241022-v1:0"
          },
          "prompt": {
            "system": [],
            "messages": [
              {
                "role": "user",
                "content": [
                  "Explain the benefits of using S3 using only 100 words."
                ]
              },
              {
                "role": "assistant",
                "content": [
                  "You are a helpful AWS expert."
                ]
              }
            ]
          },
          "inference": {
            "maxTokens": 2000,
            "temperature": 0.7,
            "topP": 0.9,
            "additionalModelRequestFields": {
              "top_k": 50
            }
          },
          "tags": {
            "applicationId": "aws-documentation-helper",
            "costCenter": "support",
            "environment": "production",
            "requestId": "5107bb84-9800-8c44-ad22-6292a340d75d",
            "timestamp": "2026-11-20T12:30:00.123456Z",
            "modelMetric": "us.anthropic.claude-3-5-haiku-20241022-v1:0"
          },
          "warnings": []
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&request).unwrap());
}

#[test]
fn a_request_id_is_a_uuid_that_the_execution_alone_decides() {
    let none = TagValues::new();
    let id = |execution_id: &str| Origin { execution_id, ..origin(&none) }.request_id();
    expect!["5107bb84-9800-8c44-ad22-6292a340d75d"].assert_eq(&id(EXECUTION));
    let later = Origin { started_at: "2027-01-01T00:00:00Z".parse().unwrap(), ..origin(&none) };
    assert_eq!(later.request_id(), id(EXECUTION));
    assert_ne!(id(&EXECUTION.replace("run-1", "run-2")), id(EXECUTION));
    for i in 0..200 {
        let id = id(&format!("execution {i}"));
        let shape: String = id
            .chars()
            .map(|c| {
                if c == '-' {
                    '-'
                } else if c.is_ascii_digit() || ('a'..='f').contains(&c) {
                    'x'
                } else {
                    '?'
                }
            })
            .collect();
        assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "{id}");
        assert!(id.as_bytes()[14] == b'8' && b"89ab".contains(&id.as_bytes()[19]), "{id} is of version 8, RFC 9562's variant");
    }
}

#[test]
fn the_hash_covers_everything_but_the_timestamp() {
    let policy = policy(&policy_document());
    let request = parse(&policy, &sample());
    let mut later = request.clone();
    "2027-01-01T00:00:00.000000Z".clone_into(&mut later.tags.timestamp);
    assert_eq!(later.hash(), request.hash());
    expect!["60128e645232855b4bb25d3cca22b8cc"].assert_eq(&request.hash());
    let none = TagValues::new();
    let again = Origin { execution_id: "another", ..origin(&none) };
    let mut hashes = BTreeSet::from([request.hash(), validate(&sample(), &policy, again).unwrap().hash()]);
    let changes: [&[(&str, Value)]; 8] = [
        &[("/tags/costCenter", json!("sales"))],
        &[("/tags/costCenter", json!("sales")), ("/model", json!("sales"))],
        &[("/tags/team", json!("blue"))],
        &[("/prompt/messages/0/content", json!("Explain the benefits of using S3 using only 101 words."))],
        &[("/prompt/messages/1", json!(null))],
        &[("/prompt/parameters/max_tokens", json!(2001))],
        &[("/prompt/parameters/temperature", json!(0.700_000_1))],
        &[("/prompt/parameters/top_k", json!(51))],
    ];
    for change in changes {
        assert!(hashes.insert(parse(&policy, &with(sample(), change)).hash()), "{change:?} does not change the hash");
    }
}

#[test]
fn a_request_keeps_its_hash_on_its_way_through_json() {
    let policy = policy(&policy_document());
    for denominator in 1..400_u32 {
        let temperature = 1.0 / f64::from(denominator);
        let request = parse(&policy, &with(sample(), &[("/prompt/parameters/temperature", json!(temperature))]));
        let mut text = serde_json::to_string(&request).unwrap();
        for _ in 0..3 {
            let read: Request = serde_json::from_str(&text).unwrap();
            assert_eq!((&read, read.hash()), (&request, request.hash()), "1/{denominator}");
            text = serde_json::to_string(&serde_json::from_str::<Value>(&text).unwrap()).unwrap();
        }
    }
}

#[test]
fn messages_of_one_role_in_a_row_are_one_turn_and_system_messages_go_apart() {
    let check = |messages: Value, expected: &Expect| {
        let request = parse(&policy(&policy_document()), &with(sample(), &[("/prompt/messages", messages)]));
        expected.assert_eq(&serde_json::to_string(&request.prompt).unwrap());
    };
    let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
    check(json!([turn("user", "a")]), &expect![[r#"{"system":[],"messages":[{"role":"user","content":["a"]}]}"#]]);
    check(
        json!([turn("user", "a"), turn("user", " b "), turn("assistant", "c"), turn("user", "d")]),
        &expect![[
            r#"{"system":[],"messages":[{"role":"user","content":["a"," b "]},{"role":"assistant","content":["c"]},{"role":"user","content":["d"]}]}"#
        ]],
    );
    let apart = json!([
        turn("system", "s"),
        turn("user", "a"),
        turn("system", "t"),
        turn("user", "b"),
        turn("assistant", "c"),
        turn("assistant", "d")
    ]);
    check(
        apart,
        &expect![[r#"{"system":["s","t"],"messages":[{"role":"user","content":["a","b"]},{"role":"assistant","content":["c","d"]}]}"#]],
    );
}

#[test]
fn tags_come_from_the_request_the_profile_and_the_deployment() {
    let policy = policy(&policy_document());
    let check = |model: &str, own: Value, pinned: &[(&str, &str)], expected: &[(&str, &str)]| {
        let request = with(sample(), &[("/model", json!(model)), ("/tags", own)]);
        let request = validate(&request, &policy, origin(&tags(pinned))).unwrap();
        assert_eq!(request.tags.values, tags(expected));
    };
    let own = json!({ "applicationId": "docs" });
    check("claude-3-5-haiku", own.clone(), &[], &[("applicationId", "docs")]);
    check("sales", own.clone(), &[], &[("applicationId", "docs"), ("costCenter", "sales")]);
    check(SALES_ARN, json!({ "applicationId": "docs", "costCenter": "sales" }), &[], &[("applicationId", "docs"), ("costCenter", "sales")]);
    let pinned = [("environment", "production"), ("team", "blue")];
    let settled = [("applicationId", "docs"), ("environment", "production"), ("team", "blue")];
    check("claude-3-5-haiku", own, &pinned, &settled);
    check("claude-3-5-haiku", json!({ "applicationId": "docs", "environment": "prod", "team": "blue" }), &pinned, &settled);
    check("claude-3-5-haiku", json!({}), &[("applicationId", "docs"), ("environment", "prod")], &settled[..2]);
    let ten: serde_json::Map<_, _> =
        (0..10).map(|i| (format!("own{i}"), json!("v"))).chain([("applicationId".to_owned(), json!("x".repeat(256)))]).collect();
    let request = parse(&policy, &with(sample(), &[("/tags", ten.into())]));
    assert_eq!(request.tags.values.len(), 11);
}

#[test]
fn tags_that_contradict_the_profile_or_the_deployment_are_problems() {
    let policy = policy(&policy_document());
    let check = |model: &str, own: Value, pinned: &[(&str, &str)], expected: &[&str]| {
        let request = with(sample(), &[("/model", json!(model)), ("/tags", own)]);
        assert_eq!(pointers(&policy, &request, &tags(pinned)), expected, "{request} {pinned:?}");
    };
    check("sales", json!({ "applicationId": "a", "costCenter": "support" }), &[], &["/tags/costCenter"]);
    check("sales", json!({ "applicationId": "a" }), &[("costCenter", "support")], &["/model"]);
    check("sales", json!({ "applicationId": "a" }), &[("costCenter", "sales")], &[]);
    let own = json!({ "applicationId": "a", "environment": "dev", "a/b": "c" });
    check("claude-3-5-haiku", own.clone(), &[("environment", "prod"), ("a/b", "d")], &["/tags/a~1b", "/tags/environment"]);
    check("claude-3-5-haiku", own, &[("applicationId", "b")], &["/tags/applicationId"]);
    check("claude-3-5-haiku", json!({ "applicationId": "a", "environment": "qa" }), &[("environment", "prod")], &["/tags/environment"]);
}

#[test]
fn a_request_of_exactly_the_most_bytes_is_read() {
    let policy = policy(&policy_document());
    let rest = with(sample(), &[("/prompt/messages/0/content", json!(""))]).to_string().len();
    let check = |bytes: usize, expected: &[&str]| {
        let request = with(sample(), &[("/prompt/messages/0/content", json!("x".repeat(bytes - rest)))]);
        assert_eq!(pointers(&policy, &request, &TagValues::new()), expected, "{bytes}");
    };
    check(200_000, &[]);
    check(200_001, &[""]);
}

#[test]
fn a_prompt_never_shows_in_debug() {
    let secret = "the merger is on Friday";
    let messages = json!([{ "role": "system", "content": secret }, { "role": "user", "content": secret }]);
    let request = parse(&policy(&policy_document()), &with(sample(), &[("/prompt/messages", messages)]));
    let shown = format!("{request:?} {request:#?} {:?}", request.prompt.messages[0]);
    assert!(!shown.contains("merger") && shown.contains("Prompt(1 system texts, [Message(User, 1 texts)])"), "{shown}");
}
