//! Reading scripts: what is taken, what is refused and in which words, and whose turn it is.

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::{Expect, expect};
use serde::Deserialize;

use crate::local::simulator::script::Turn;
use crate::local::simulator::{Fault, Script};

fn refused(text: &str, expected: &Expect) {
    let error = Script::parse(text).expect_err(text);
    expected.assert_eq(&error.to_string());
}

fn fault(turn: &Turn) -> Option<Fault> {
    turn.failing.as_ref().map(|failure| failure.fault)
}

#[test]
fn a_script_without_entries_is_the_default() {
    for text in ["", "# nothing yet\n", "models: {}\n", "---\n"] {
        assert_eq!(Script::parse(text), Ok(Script::default()), "{text:?}");
    }
}

#[test]
fn a_refusal_says_where_and_names_the_nearest_known_word() {
    refused("model: {}\n", &expect!["line 1, column 1: unknown field `model`; did you mean `models`?"]);
    refused("models:\n  m:\n    latancy: 250ms\n", &expect!["line 3, column 5: unknown field `latancy`; did you mean `latency`?"]);
    refused(
        "models:\n  m:\n    usage: { inputToken: 1 }\n",
        &expect!["line 3, column 14: unknown field `inputToken`; did you mean `inputTokens`?"],
    );
    refused(
        "models:\n  m:\n    next:\n      - { error: ThrotlingException }\n",
        &expect!["line 4, column 18: unknown name `ThrotlingException`; did you mean `ThrottlingException`?"],
    );
    refused(
        "models:\n  m:\n    next:\n      - { error: timeOut }\n",
        &expect!["line 4, column 18: unknown name `timeOut`; did you mean `timeout`?"],
    );
    refused(
        "models:\n  m:\n    always: { error: Zebra }\n",
        &expect![
            "line 3, column 22: unknown name `Zebra`; known: ValidationException, AccessDeniedException, ResourceNotFoundException, ModelTimeoutException, ModelErrorException, ThrottlingException, ModelNotReadyException, InternalServerException, ServiceUnavailableException, timeout, lostConnection"
        ],
    );
    refused(
        "models:\n  m:\n    usage: { outputTokens: maxToken }\n",
        &expect!["line 3, column 14: unknown name `maxToken`; did you mean `maxTokens`?"],
    );
}

#[test]
fn a_wrong_type_or_range_is_refused_where_it_stands() {
    refused("models: [m]\n", &expect!["line 1, column 9: expected a mapping (`key: value`)"]);
    refused(
        "models:\n  m:\n    latency: soon\n",
        &expect![[r#"line 3, column 5: expected a latency such as 250ms, 2s or 250 (milliseconds), found string "soon""#]],
    );
    refused(
        "models:\n  m:\n    latency: -1\n",
        &expect!["line 3, column 5: expected a latency such as 250ms, 2s or 250 (milliseconds), found integer `-1`"],
    );
    refused(
        "models:\n  m:\n    latency: 1.5\n",
        &expect!["line 3, column 5: expected a latency such as 250ms, 2s or 250 (milliseconds), found floating point `1.5`"],
    );
    refused("models:\n  m:\n    usage: { inputTokens: many }\n", &expect!["line 3, column 27: expected a whole number"]);
    refused(
        "models:\n  m:\n    usage: { inputTokens: 500000001 }\n",
        &expect!["line 3, column 14: expected at most 500000000 tokens, found integer `500000001`"],
    );
    refused(
        "models:\n  m:\n    usage: { outputTokens: -3 }\n",
        &expect!["line 3, column 14: expected a number of tokens, at most 500000000, or maxTokens, found integer `-3`"],
    );
    refused(
        "models:\n  m:\n    next:\n      - { error: timeout, times: 0 }\n",
        &expect!["line 4, column 27: expected a whole number, at least 1, found integer `0`"],
    );
    refused("models:\n  m:\n    answer: [a]\n", &expect!["line 3, column 13: expected a text"]);
    refused("models:\n  m: {}\n  m: {}\n", &expect!["line 3, column 3: `m` occurs twice"]);
    refused("models:\n  m:\n", &expect!["line 2, column 4: expected a mapping (`key: value`)"]);
    refused("models:\n  m: {\n", &expect!["line 2, column 6: unclosed bracket '{'"]);
}

#[test]
fn settings_that_exclude_each_other_are_refused() {
    refused(
        "models:\n  m:\n    usage: { inputTokens: 1, inputBytesPerToken: 4 }\n",
        &expect!["line 3, column 12: inputTokens and inputBytesPerToken exclude each other"],
    );
    refused(
        "models:\n  m:\n    next:\n      - { error: timeout, answer: a }\n",
        &expect!["line 4, column 9: error excludes answer, stopReason and usage"],
    );
    refused("models:\n  m:\n    next:\n      - { message: a }\n", &expect!["line 4, column 9: message goes with error"]);
    refused(
        "models:\n  m:\n    next:\n      - { error: lostConnection, message: a }\n",
        &expect!["line 4, column 9: this error sends no answer, so no message"],
    );
    refused(
        "models:\n  m:\n    always: { answer: a }\n",
        &expect!["line 3, column 15: unknown field `answer`; known: error, message, latency"],
    );
}

#[test]
fn a_latency_is_a_number_of_milliseconds_or_has_a_unit() {
    for (text, milliseconds) in [("250ms", 250), ("2s", 2_000), ("250", 250), ("0", 0), ("'3s'", 3_000)] {
        let mut script = Script::parse(&format!("models: {{ m: {{ latency: {text} }} }}")).expect(text);
        assert_eq!(script.take_turn("m").latency(), Duration::from_millis(milliseconds), "{text}");
    }
}

#[test]
fn turns_are_taken_in_order_and_then_the_model_s_own_settings_apply() {
    let text = "
models:
  m:
    answer: at last
    next:
      - { error: ThrottlingException, times: 2 }
      - { error: timeout }
      - { answer: once }
";
    let mut script = Script::parse(text).expect(text);
    let played: Vec<_> = (0..6)
        .map(|_| {
            let turn = script.take_turn("m");
            fault(&turn).map_or_else(|| turn.answer.clone().unwrap_or_default(), |fault| fault.name().to_owned())
        })
        .collect();
    assert_eq!(played, ["ThrottlingException", "ThrottlingException", "timeout", "once", "at last", "at last"]);
}

#[test]
fn always_fails_once_the_turns_are_used_up_and_count_tokens_stays_apart() {
    let text = "models: { m: { next: [{ answer: once }], always: { error: AccessDeniedException }, countTokens: { error: ValidationException } } }";
    let mut script = Script::parse(text).expect(text);
    assert_eq!(fault(&script.count_turn("m")), Some(Fault::ValidationException));
    assert_eq!(fault(&script.take_turn("m")), None);
    assert_eq!(fault(&script.take_turn("m")), Some(Fault::AccessDeniedException));
    assert_eq!(fault(&script.take_turn("m")), Some(Fault::AccessDeniedException));
}

#[test]
fn an_entry_is_found_by_id_then_by_alias_then_by_the_star() {
    let text = "models: { us.haiku-v1:0: { answer: by id }, haiku: { answer: by alias }, sales: { answer: by alias of an ARN }, '*': { answer: by star } }";
    let arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123";
    let aliases = BTreeMap::from(
        [("haiku", "haiku-v1:0"), ("other", "us.haiku-v1:0"), ("sales", arn)].map(|(alias, id)| (alias.to_owned(), id.to_owned())),
    );
    let mut script = Script::parse(text).expect(text).with_aliases(&aliases);
    for (id, answer) in [("us.haiku-v1:0", "by id"), ("haiku-v1:0", "by alias"), (arn, "by alias of an ARN"), ("nova", "by star")] {
        assert_eq!(script.take_turn(id).answer.as_deref(), Some(answer), "{id}");
    }
    assert_eq!(script.names().collect::<Vec<_>>(), ["*", "haiku", "sales", "us.haiku-v1:0"]);
}

#[test]
fn every_fault_is_read_by_the_name_it_says() {
    for fault in Fault::ALL {
        let name = serde_json::Value::from(fault.name());
        assert_eq!(Fault::deserialize(name).ok(), Some(fault));
    }
}
