//! `max_tokens` and the sampling parameters, by model and policy.

use super::{parse, pointers};
use crate::fixtures::{policy, policy_document, sample, with};
use crate::tags::TagValues;
use serde_json::{Value, json};

/// A policy with one model of each kind, and these rules.
fn document(rules: &Value) -> Value {
    with(
        policy_document(),
        &[
            ("/requests", rules.clone()),
            ("/models/nova-lite", json!({ "id": "amazon.nova-lite-v1:0" })),
            ("/models/sonnet", json!({ "id": "us.anthropic.claude-sonnet-4-5-20250929-v1:0" })),
            ("/models/opus", json!({ "id": "us.anthropic.claude-opus-4-8" })),
            ("/models/titan", json!({ "id": "amazon.titan-text-lite-v1" })),
            ("/models/small", json!({ "id": "amazon.nova-micro-v1:0", "maxTokens": 300 })),
            ("/models/thinks", json!({ "id": "us.anthropic.claude-fable-5" })),
        ],
    )
}

fn asks(model: &str, parameters: &Value) -> Value {
    let messages = json!([{ "role": "user", "content": "What is a lifecycle rule?" }]);
    with(
        sample(),
        &[
            ("/model", json!(model)),
            ("/prompt/messages", messages),
            ("/prompt/parameters", parameters.clone()),
            ("/tags/costCenter", json!(null)),
        ],
    )
}

/// What is sent, and each warning as `CODE first words`.
fn check(rules: &Value, model: &str, parameters: &Value, sent: &Value, warnings: &[&str]) {
    let request = parse(&policy(&document(rules)), &asks(model, parameters));
    assert_eq!(serde_json::to_value(&request.inference).unwrap(), *sent, "{model} {parameters}");
    let found: Vec<String> = request.warnings.iter().map(|warning| format!("{}: {}", warning.code, warning.message)).collect();
    assert_eq!(found, warnings, "{model} {parameters}");
}

#[test]
fn max_tokens_is_always_sent_and_capped_by_model_and_policy() {
    let free = json!({});
    check(&free, "nova-lite", &json!({}), &json!({ "maxTokens": 2048 }), &[]);
    check(&free, "nova-lite", &json!({ "max_tokens": 1 }), &json!({ "maxTokens": 1 }), &[]);
    check(&free, "nova-lite", &json!({ "max_tokens": 10_000 }), &json!({ "maxTokens": 10_000 }), &[]);
    check(&free, "thinks", &json!({}), &json!({ "maxTokens": 8192 }), &[]);
    let capped = json!({ "maxTokens": 1000 });
    check(&capped, "nova-lite", &json!({}), &json!({ "maxTokens": 1000 }), &[]);
    check(&capped, "nova-lite", &json!({ "max_tokens": 1000 }), &json!({ "maxTokens": 1000 }), &[]);
    let lowered = "MAX_TOKENS_CAPPED: max_tokens 1001 was lowered to the policy's 1000";
    check(&capped, "nova-lite", &json!({ "max_tokens": 1001 }), &json!({ "maxTokens": 1000 }), &[lowered]);
    // A model's own entry counts where it is lower.
    check(&capped, "small", &json!({}), &json!({ "maxTokens": 300 }), &[]);
    let lowered = "MAX_TOKENS_CAPPED: max_tokens 999 was lowered to the policy's 300";
    check(&capped, "small", &json!({ "max_tokens": 999 }), &json!({ "maxTokens": 300 }), &[lowered]);
    check(&json!({ "maxTokens": 200 }), "small", &json!({}), &json!({ "maxTokens": 200 }), &[]);
    // More than the model gives is refused, whatever the policy would lower it to.
    let policy = policy(&document(&capped));
    assert_eq!(
        pointers(&policy, &asks("nova-lite", &json!({ "max_tokens": 10_001 })), &TagValues::new()),
        ["/prompt/parameters/max_tokens"]
    );
}

#[test]
fn the_other_parameters_are_sent_only_when_given_and_in_the_models_own_form() {
    let all = json!({ "max_tokens": 9, "temperature": 1, "top_p": 0, "top_k": 500 });
    let sent = |fields: Value| json!({ "maxTokens": 9, "temperature": 1.0, "topP": 0.0, "additionalModelRequestFields": fields });
    check(&json!({}), "claude-3-5-haiku", &all, &sent(json!({ "top_k": 500 })), &[]);
    check(&json!({}), "nova-lite", &all, &sent(json!({ "inferenceConfig": { "topK": 500 } })), &[]);
    check(&json!({}), "sonnet", &json!({ "top_p": 0.5 }), &json!({ "maxTokens": 2048, "topP": 0.5 }), &[]);
    check(
        &json!({}),
        "sonnet",
        &json!({ "temperature": 0.5, "top_k": 1 }),
        &json!({ "maxTokens": 2048, "temperature": 0.5, "additionalModelRequestFields": { "top_k": 1 } }),
        &[],
    );
}

#[test]
fn what_a_model_refuses_is_dropped_with_a_warning_or_rejected() {
    let both = json!({ "max_tokens": 9, "temperature": 0.7, "top_p": 0.9, "top_k": 50 });
    let not_both = "PARAMETER_DROPPED: `top_p` was not sent: this model takes `temperature` or `top_p`, not both";
    let sent = json!({ "maxTokens": 9, "temperature": 0.7, "additionalModelRequestFields": { "top_k": 50 } });
    check(&json!({}), "sonnet", &both, &sent, &[not_both]);
    let none = |name| format!("PARAMETER_DROPPED: `{name}` was not sent: this model takes no sampling parameters");
    let [temperature, top_p, top_k] = ["temperature", "top_p", "top_k"].map(none);
    check(&json!({ "refusedParameters": "drop" }), "opus", &both, &json!({ "maxTokens": 9 }), &[&temperature, &top_p, &top_k]);
    check(&json!({}), "opus", &json!({ "top_k": 50 }), &json!({ "maxTokens": 2048 }), &[&top_k]);
    check(
        &json!({}),
        "titan",
        &json!({ "top_k": 50 }),
        &json!({ "maxTokens": 2048 }),
        &["PARAMETER_DROPPED: `top_k` was not sent: this model does not have it"],
    );
    let rejecting = policy(&document(&json!({ "refusedParameters": "reject" })));
    let rejected = |model: &str, parameters: &Value| pointers(&rejecting, &asks(model, parameters), &TagValues::new());
    let at = |name: &str| format!("/prompt/parameters/{name}");
    assert_eq!(rejected("sonnet", &both), [at("top_p")]);
    assert_eq!(rejected("opus", &both), [at("temperature"), at("top_p"), at("top_k")]);
    assert_eq!(rejected("titan", &both), [at("top_k")]);
    assert_eq!(rejected("claude-3-5-haiku", &both), [""; 0]);
}
