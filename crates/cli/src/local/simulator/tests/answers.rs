//! What a request gets without HTTP: checks, token figures, cutting, the record.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::local::simulator::play::Play;
use crate::local::simulator::{Answered, Fault, Operation, Script};

fn reply(script: &str, operation: Operation, body: &Value) -> Answered {
    let play = Play::new(Script::parse(script).expect(script));
    play.reply(operation, "m".to_owned(), body.to_string().as_bytes(), Timestamp::UNIX_EPOCH).answered
}

fn answer(script: &str, body: &Value) -> Value {
    match reply(script, Operation::Converse, body) {
        Answered::Answer(answer) => answer,
        fault @ Answered::Fault { .. } => panic!("{fault:?}"),
    }
}

fn user(text: &str) -> Value {
    json!({ "role": "user", "content": [{ "text": text }] })
}

fn assistant(text: &str) -> Value {
    json!({ "role": "assistant", "content": [{ "text": text }] })
}

#[test]
fn the_default_answer_has_bedrock_s_shape_and_says_that_it_is_simulated() {
    let body = json!({ "messages": [user("Hello"), assistant("Hi"), user("Bye")], "system": [{ "text": "Be brief." }] });
    let text = "This is a simulated answer of m to 3 message(s), 19 bytes long. No model was called, and nothing was spent.";
    let expected = json!({
        "metrics": { "latencyMs": 0 },
        "output": { "message": { "role": "assistant", "content": [{ "text": text }] } },
        "stopReason": "end_turn",
        "usage": { "inputTokens": 14, "outputTokens": 27, "totalTokens": 41 },
        "serviceTier": { "type": "default" },
    });
    assert_eq!(answer("", &body), expected);
}

#[test]
fn an_answer_is_cut_at_max_tokens_between_characters() {
    let body = json!({ "messages": [user("Hello")], "inferenceConfig": { "maxTokens": 2 } });
    let cut = answer("models: { '*': { answer: 'ééééééé' } }", &body);
    assert_eq!(cut.pointer("/output/message/content/0/text"), Some(&json!("éééé")));
    assert_eq!(cut.pointer("/stopReason"), Some(&json!("max_tokens")));
    assert_eq!(cut.pointer("/usage/outputTokens"), Some(&json!(2)));
}

#[test]
fn usage_is_fixed_ruled_or_counted_and_the_caches_are_no_part_of_the_input() {
    let body = json!({ "messages": [user(&"x".repeat(400))], "inferenceConfig": { "maxTokens": 50 } });
    let cases = [
        ("{}", "end_turn", json!({ "inputTokens": 103, "outputTokens": 1, "totalTokens": 104 })),
        ("{ inputBytesPerToken: 2 }", "end_turn", json!({ "inputTokens": 203, "outputTokens": 1, "totalTokens": 204 })),
        ("{ inputTokens: 7, outputTokens: maxTokens }", "max_tokens", json!({ "inputTokens": 7, "outputTokens": 50, "totalTokens": 57 })),
        // A fixed figure stands even above maxTokens: overage must be possible to play.
        ("{ outputTokens: 90 }", "end_turn", json!({ "inputTokens": 103, "outputTokens": 90, "totalTokens": 193 })),
        (
            "{ inputTokens: 3, cacheReadInputTokens: 40, cacheWriteInputTokens: 0 }",
            "end_turn",
            json!({ "inputTokens": 3, "outputTokens": 1, "totalTokens": 44, "cacheReadInputTokens": 40, "cacheWriteInputTokens": 0 }),
        ),
        (
            "{ cacheReadInputTokens: 100, cacheWriteInputTokens: 2 }",
            "end_turn",
            json!({ "inputTokens": 1, "outputTokens": 1, "totalTokens": 104, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 2 }),
        ),
    ];
    for (usage, stop_reason, expected) in cases {
        let answer = answer(&format!("models: {{ '*': {{ answer: Yes., usage: {usage} }} }}"), &body);
        assert_eq!(answer.get("usage"), Some(&expected), "{usage}");
        assert_eq!(answer.get("stopReason"), Some(&json!(stop_reason)), "{usage}");
    }
}

#[test]
fn count_tokens_counts_the_whole_input_and_takes_no_turn() {
    let body = json!({ "input": { "converse": { "messages": [user("12345678")], "system": [{ "text": "1234" }] } } });
    let script = "models: { '*': { next: [{ error: timeout }] } }";
    assert_eq!(reply(script, Operation::CountTokens, &body), Answered::Answer(json!({ "inputTokens": 6 })));
    let cached = "models: { '*': { usage: { inputTokens: 5, cacheReadInputTokens: 40 } } }";
    assert_eq!(reply(cached, Operation::CountTokens, &body), Answered::Answer(json!({ "inputTokens": 45 })));
    let refused = reply("", Operation::CountTokens, &json!({ "input": { "invokeModel": { "body": "" } } }));
    assert_eq!(refused.fault(), Some(Fault::ValidationException));
}

#[test]
fn a_request_that_bedrock_refuses_is_refused() {
    let config = |config: Value| json!({ "messages": [user("a")], "inferenceConfig": config });
    let cases = [
        ("no messages", json!({})),
        ("messages are empty", json!({ "messages": [] })),
        ("the assistant begins", json!({ "messages": [assistant("a")] })),
        ("an unknown role", json!({ "messages": [{ "role": "system", "content": [{ "text": "a" }] }] })),
        ("two user messages in a row", json!({ "messages": [user("a"), user("b")] })),
        ("a message without content", json!({ "messages": [{ "role": "user", "content": [] }] })),
        ("a blank text", json!({ "messages": [user(" ")] })),
        ("maxTokens is 0", config(json!({ "maxTokens": 0 }))),
        ("maxTokens is no integer", config(json!({ "maxTokens": "many" }))),
        ("temperature is above 1", config(json!({ "temperature": 1.1 }))),
        ("topP is negative", config(json!({ "topP": -0.1 }))),
        ("not an object", json!("hello")),
    ];
    for (name, body) in cases {
        assert_eq!(reply("", Operation::Converse, &body).fault(), Some(Fault::ValidationException), "{name}");
    }
    let prefilled =
        json!({ "messages": [user("a"), assistant("b")], "inferenceConfig": { "maxTokens": 1, "temperature": 1, "topP": 0.0 } });
    assert_eq!(reply("", Operation::Converse, &prefilled).fault(), None);
}

#[test]
fn a_refused_request_takes_no_turn_and_is_recorded() {
    let play = Play::new(Script::parse("models: { '*': { next: [{ answer: once }] } }").expect("a script"));
    let good = json!({ "messages": [user("a")] }).to_string();
    for body in ["{}", &good, "not JSON"] {
        play.reply(Operation::Converse, "m".to_owned(), body.as_bytes(), Timestamp::UNIX_EPOCH);
    }
    let faults: Vec<_> = play.calls().iter().map(|call| call.answered.fault()).collect();
    assert_eq!(faults, [Some(Fault::ValidationException), None, Some(Fault::ValidationException)]);
    assert_eq!(play.calls()[2].body, Value::Null);
}
