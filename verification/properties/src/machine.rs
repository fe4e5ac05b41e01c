//! State machines: any text is parsed, or refused with problems that lead somewhere. What is parsed runs to an end within the
//! history's bound whatever its functions do, the same one every time, and what leaves it keeps to the quotas.

use crate::input::{self, Chance, Input};
use crate::stage::{Stage, execution};
use crate::{edits, pointers, samples};
use cost_sentry_asl::{
    End, EventKind, MAX_CAUSE_CHARS, MAX_DATA_BYTES, MAX_ERROR_CHARS, MAX_EVENTS, StateMachine, placeholders, run, substitute,
};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// One of every state and field that the runner models, in a loop that only its functions can leave.
const EVERY_STATE: &str = include_str!("every-state.asl.json");

static VALID: LazyLock<Vec<Value>> = LazyLock::new(documents);
static VOCABULARY: LazyLock<Vec<String>> = LazyLock::new(|| edits::vocabulary(&VALID));

/// The valid machines.
pub(crate) fn documents() -> Vec<Value> {
    [samples::machine().as_str(), EVERY_STATE].map(|text| serde_json::from_str(text).unwrap()).to_vec()
}

/// The property.
pub fn check(input: &[u8]) {
    let text = match input::read(input, &VALID, &VOCABULARY) {
        Input::Document(_, document) => document.to_string(),
        Input::Text(text) => String::from_utf8_lossy(text).into_owned(),
    };
    check_substitution(&text);
    match StateMachine::parse(&text) {
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a problem");
            let document: Option<Value> = serde_json::from_str(&text).ok();
            for problem in problems {
                assert!(!problem.message.is_empty());
                if let Some(document) = &document {
                    pointers::check(document, &problem.pointer);
                }
            }
        }
        Ok(machine) => {
            let document: Value = serde_json::from_str(&text).expect("a machine that is no JSON");
            assert!(document.pointer("/States").and_then(|states| states.get(machine.start_at())).is_some());
            let chance = Chance::of(input);
            let first = play(&machine, &chance);
            assert_eq!(first, play(&machine, &chance), "another end to the same execution");
        }
    }
}

fn play(machine: &StateMachine, chance: &Chance) -> (End, u64) {
    let stage = Stage::new(chance.clone(), samples::noon());
    let input = match chance.clone().below(16) {
        0 => json!(null),
        1..8 => json!({ "outcome": "INVOCATION_SUCCEEDED", "decision": "APPROVED", "valid": true, "n": 1.5, "cause": "x" }),
        8 => json!({ "padding": "x".repeat(MAX_DATA_BYTES - 20) }),
        _ => samples::requests()[0].clone(),
    };
    let end = stage.play(run(machine, &execution(samples::noon()), input, &stage, &stage, &stage));
    let end = end.expect("every call has a time-out, so every execution an end");
    let (events, last) = stage.history();
    assert!(events <= MAX_EVENTS, "{events} events");
    match &end {
        End::Succeeded { output } => {
            assert!(output.to_string().len() <= MAX_DATA_BYTES);
            assert!(matches!(last, Some(EventKind::ExecutionSucceeded { .. })));
        }
        End::Failed { error, cause } => {
            assert!(error.chars().count() <= MAX_ERROR_CHARS && cause.chars().count() <= MAX_CAUSE_CHARS);
            assert!(matches!(last, Some(EventKind::ExecutionFailed { .. })));
        }
        End::TimedOut => assert!(matches!(last, Some(EventKind::ExecutionTimedOut))),
    }
    (end, events)
}

/// Every placeholder is found, and once each has a value none of them is left.
fn check_substitution(text: &str) {
    let names = placeholders(text);
    let values = names.iter().map(|name| (name.clone(), "value".to_owned())).collect();
    let substituted = substitute(text, &values).expect("a value for every placeholder, and no other");
    assert!(names.is_empty() == (substituted == text), "changed without a placeholder, or not changed with one");
}
