//! Text to [`StateMachine`], with every problem on the way.

mod choice;
mod fields;
mod graph;
mod handlers;
mod reader;
mod state;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use self::fields::Fields;
use self::reader::Reader;
use crate::json;
use crate::machine::{Definition, StateMachine};
use crate::problem::{Problem, join};
use crate::substitution::placeholders;

const TOP: [&str; 6] = ["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"];

/// Step Functions' limit on a state's name, in characters.
const MAX_NAME_CHARS: usize = 80;

/// The most seconds that Step Functions takes for a time-out or an interval.
const MAX_SECONDS: u64 = 99_999_999;

impl StateMachine {
    /// Reads and checks a state machine file whose placeholders were replaced before (see [`substitute`](crate::substitute)).
    ///
    /// Errors with every problem at once, by pointer: what is no JSON or no Amazon States Language, what this runner
    /// does not model, and what cannot work, such as a state that nothing leads to.
    pub fn parse(text: &str) -> Result<StateMachine, Vec<Problem>> {
        let mut reader = Reader::default();
        let definition = json::read(text, &mut reader.problems).and_then(|value| {
            report_placeholders(&value, "", &mut reader);
            definition(&value, &mut reader)
        });
        reader.problems.sort();
        match definition {
            Some(definition) if reader.problems.is_empty() => Ok(StateMachine { definition: Arc::new(definition) }),
            _ => Err(reader.problems),
        }
    }
}

fn definition(value: &Value, reader: &mut Reader) -> Option<Definition> {
    let fields = Fields::open(value, "", "a state machine", &TOP, reader)?;
    fields.string("Comment", reader);
    fields.constant("Version", "1.0", reader);
    fields.constant("QueryLanguage", "JSONPath", reader);
    let timeout_seconds = fields.integer("TimeoutSeconds", 1..=MAX_SECONDS, reader);
    let start_at = fields.required_string("StartAt", reader);
    let states = fields.required("States", reader)?;
    let states_pointer = fields.at("States");
    let Some(entries) = states.as_object() else {
        reader.report(states_pointer, "`States` must be an object of states by name");
        return None;
    };
    if entries.is_empty() {
        reader.report(states_pointer, "`States` is empty: a state machine has at least one state");
        return None;
    }
    let mut parsed = BTreeMap::new();
    for (name, value) in entries {
        let pointer = join(&states_pointer, name);
        check_name(name, &pointer, reader);
        reader.enter(name);
        if let Some(state) = state::read(value, &pointer, reader) {
            parsed.insert(name.clone(), state);
        }
    }
    let names: Vec<&str> = entries.keys().map(String::as_str).collect();
    graph::check(start_at, &names, reader);
    Some(Definition { start_at: start_at?.to_owned(), timeout_seconds, states: parsed })
}

fn check_name(name: &str, pointer: &str, reader: &mut Reader) {
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        reader.report(pointer.to_owned(), format!("a state's name has 1 to {MAX_NAME_CHARS} characters"));
    }
}

/// A placeholder that is still there would be taken for a plain string.
fn report_placeholders(value: &Value, pointer: &str, reader: &mut Reader) {
    let report = |text: &str, pointer: &str, reader: &mut Reader| {
        for name in placeholders(text) {
            reader.report(pointer.to_owned(), format!("the placeholder `${{{name}}}` has no value: substitute it first"));
        }
    };
    match value {
        Value::String(text) => report(text, pointer, reader),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                report_placeholders(item, &join(pointer, &index.to_string()), reader);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let pointer = join(pointer, key);
                report(key, &pointer, reader);
                report_placeholders(item, &pointer, reader);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
