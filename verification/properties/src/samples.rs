//! What valid input looks like: the repository's own policies, requests and state machine. Edits begin at these.

use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::request::Origin;
use cost_sentry_core::tags::TagValues;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The shipped policy, the one that the tests of bad requests use, and one of every kind of budget and rule.
const POLICIES: [&str; 3] = [
    include_str!("../../../crates/cli/policy/cost-sentry.yaml"),
    include_str!("../../../tests/data/policies/bad-requests.json"),
    include_str!("every-rule.yaml"),
];
/// The shipped state machine.
const MACHINE: &str = include_str!("../../../statemachine/cost-sentry.asl.json");
/// The published request.
const REQUEST: &str = include_str!("../../../examples/request.json");

/// The policies as documents.
pub fn policy_documents() -> Vec<Value> {
    POLICIES.iter().map(|text| crate::document::read(text).unwrap()).collect()
}

/// The policies, compiled.
pub fn policies() -> Vec<Policy> {
    policy_documents().iter().map(|document| Policy::parse(document, Catalog::shipped().unwrap()).unwrap()).collect()
}

/// Requests: the published one, and one for each model of the policies, with all that a request can have.
pub fn requests() -> Vec<Value> {
    let full = |model: &String| {
        json!({
            "model": model,
            "prompt": {
                "messages": [
                    { "role": "system", "content": "Be brief." },
                    { "role": "user", "content": "Grüße, \u{1f600}!" },
                    { "role": "assistant", "content": "Hello." },
                    { "role": "user", "content": "And you?" }
                ],
                "parameters": { "max_tokens": 100, "temperature": 0.1, "top_k": 7 }
            },
            "tags": { "applicationId": "docs", "environment": "prod", "team": "Team A/B" }
        })
    };
    let models: std::collections::BTreeSet<String> = policies().iter().flat_map(|policy| policy.models.keys().cloned()).collect();
    std::iter::once(serde_json::from_str(REQUEST).unwrap()).chain(models.iter().map(full)).collect()
}

/// The state machine with every placeholder filled in.
pub fn machine() -> String {
    let value = |name: String| {
        let value = match name.strip_suffix("FunctionArn") {
            Some(function) => format!("arn:aws:lambda:us-east-1:123456789012:function:{function}"),
            None => String::new(),
        };
        (name, value)
    };
    let values = cost_sentry_asl::placeholders(MACHINE).into_iter().map(value).collect();
    cost_sentry_asl::substitute(MACHINE, &values).unwrap()
}

/// An execution that began at noon.
pub fn origin(pinned: &TagValues) -> Origin<'_> {
    let execution_id = "arn:aws:states:us-east-1:123456789012:execution:cost-sentry:any";
    Origin { execution_id, started_at: noon(), pinned }
}

/// Noon of an ordinary day.
pub fn noon() -> Timestamp {
    "2026-11-20T12:00:00.000001Z".parse().unwrap()
}

/// Moments at which windows begin, end, or are short or long: midnights, month's ends, leap days, changes of the clocks, and the ends of time.
pub fn moments() -> Vec<Timestamp> {
    let texts = [
        "2026-11-20T12:00:00.000001Z",
        "2026-03-08T09:59:59.999999Z",
        "2026-03-29T01:00:00Z",
        "2026-10-25T00:30:00Z",
        "2026-11-01T08:30:00Z",
        "2028-02-29T23:59:59.999999Z",
        "2026-12-31T23:59:59.999999Z",
        "2027-01-01T00:00:00Z",
        "2026-01-31T05:00:00Z",
        "1970-01-01T00:00:00Z",
    ];
    let known = texts.iter().map(|text| text.parse().unwrap());
    known.chain([Timestamp::MIN, Timestamp::MAX]).collect()
}
