//! Answers, over a real socket, since the SDK fills in what an answer misses: the text, the stop reason, and the usage if it is certain.

use super::client;
use super::failures::{called, hello};
use super::server::{Server, json_reply};
use cost_sentry_aws::converse::BedrockTokenCounter;
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_workflow::ports::TokenCounter;
use serde_json::{Value, json};

async fn usage(reported: &Value) -> Option<Usage> {
    let message = json!({ "role": "assistant", "content": [{ "text": "Hi." }] });
    let mut body = json!({ "output": { "message": message }, "stopReason": "end_turn", "metrics": { "latencyMs": 1 } });
    if !reported.is_null() {
        body["usage"] = reported.clone();
    }
    called(&reported.to_string(), json_reply(200, None, &body.to_string())).await.unwrap().usage
}

/// Input, output, cache read, cache write, and the part of that which is kept for an hour.
fn figures(usage: Usage) -> [u64; 5] {
    [usage.input, usage.output, usage.cache_read, usage.cache_write, usage.cache_write_1h].map(|tokens| tokens.0)
}

#[tokio::test]
async fn a_usage_that_is_certain_is_read_and_any_other_is_none() {
    let with_cache = |details: Value| {
        json!({
            "inputTokens": 5, "outputTokens": 7, "totalTokens": 112, "cacheReadInputTokens": 30, "cacheWriteInputTokens": 70,
            "cacheDetails": details,
        })
    };
    let detail = |ttl: &str, tokens: i64| json!({ "ttl": ttl, "inputTokens": tokens });
    let cases = [
        (json!({ "inputTokens": 5, "outputTokens": 7, "totalTokens": 12 }), Some([5, 7, 0, 0, 0])),
        (json!({ "inputTokens": 5, "outputTokens": 0, "totalTokens": 5 }), Some([5, 0, 0, 0, 0])),
        (json!({ "inputTokens": 0, "outputTokens": 7, "totalTokens": 7, "cacheReadInputTokens": 30 }), Some([0, 7, 30, 0, 0])),
        // Whether the total counts cached tokens is not said.
        (json!({ "inputTokens": 5, "outputTokens": 7, "totalTokens": 12, "cacheReadInputTokens": 30 }), Some([5, 7, 30, 0, 0])),
        (with_cache(json!([detail("1h", 40), detail("5m", 30)])), Some([5, 7, 30, 70, 40])),
        (with_cache(json!([detail("1h", 40), detail("1h", 2), detail("1w", 3)])), Some([5, 7, 30, 70, 42])),
        (with_cache(json!([])), Some([5, 7, 30, 70, 0])),
        (with_cache(json!([detail("1h", -1)])), None),
        // Missing altogether, or in part.
        (Value::Null, None),
        (json!({}), None),
        (json!({ "outputTokens": 7, "totalTokens": 12 }), None),
        (json!({ "outputTokens": 7 }), None),
        (json!({ "inputTokens": 5, "totalTokens": 12 }), None),
        (json!({ "inputTokens": 5 }), None),
        (json!({ "inputTokens": 5, "outputTokens": 7 }), None),
        (json!({ "inputTokens": 5, "outputTokens": 7, "totalTokens": 11 }), None),
        (json!({ "inputTokens": 0, "outputTokens": 0, "totalTokens": 0 }), None),
        // Below zero.
        (json!({ "inputTokens": -5, "outputTokens": 7, "totalTokens": 12 }), None),
        (json!({ "inputTokens": 5, "outputTokens": -7, "totalTokens": 12 }), None),
        (json!({ "inputTokens": 5, "outputTokens": 7, "totalTokens": -12 }), None),
        (json!({ "inputTokens": 5, "outputTokens": 7, "totalTokens": 12, "cacheWriteInputTokens": -1 }), None),
    ];
    for (reported, expected) in cases {
        assert_eq!(usage(&reported).await.map(figures), expected, "{reported}");
    }
}

#[tokio::test]
async fn an_answer_is_the_text_of_all_its_blocks_and_keeps_bedrock_s_word_for_its_end() {
    let thinking = json!({ "reasoningContent": { "reasoningText": { "text": "Hm.", "signature": "s" } } });
    let cases = [
        (json!([{ "text": "One" }, thinking, { "text": " two" }]), "max_tokens", "One two"),
        (json!([thinking]), "end_turn", ""),
        (json!([]), "some_new_reason", ""),
        (json!([{ "someNewBlock": {} }, { "text": "Three" }]), "guardrail_intervened", "Three"),
    ];
    for (content, stop_reason, expected) in cases {
        let usage = json!({ "inputTokens": 5, "outputTokens": 7, "totalTokens": 12 });
        let message = json!({ "role": "assistant", "content": content });
        let body = json!({ "output": { "message": message }, "stopReason": stop_reason, "usage": usage, "metrics": { "latencyMs": 1 } });
        let answer = called(stop_reason, json_reply(200, None, &body.to_string())).await.unwrap();
        assert_eq!((answer.text.as_str(), answer.stop_reason.as_str()), (expected, stop_reason));
    }
}

#[tokio::test]
async fn a_token_count_is_a_number_above_zero_or_nothing() {
    let cases = [(200, r#"{"inputTokens":17}"#, Some(17)), (200, r#"{"inputTokens":0}"#, None), (200, "{}", None)];
    let failing = [(200, r#"{"inputTokens":-1}"#, None), (200, "no JSON", None), (500, "{}", None), (429, "{}", None)];
    for (status, body, expected) in cases.into_iter().chain(failing) {
        let server = Server::start(json_reply(status, None, body));
        let counter = BedrockTokenCounter::new(client(Some(server.endpoint.clone())).await);
        let count = counter.count_tokens("amazon.nova-lite-v1:0", &hello().prompt).await;
        assert_eq!(count, expected.map(Tokens), "{status} {body}");
        assert_eq!(server.requests(), 1, "{status} {body}");
    }
}
