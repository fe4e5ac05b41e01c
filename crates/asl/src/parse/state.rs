//! The states.

use serde_json::Value;

use super::fields::Fields;
use super::reader::Reader;
use super::{MAX_SECONDS, choice, handlers, template};
use crate::machine::{Fail, FailText, Pass, State, Task, Transition};
use crate::problem::nearest;

const TYPES: [&str; 5] = ["Choice", "Fail", "Pass", "Succeed", "Task"];

/// State types of the specification that the runner does not model.
const OTHER_TYPES: [&str; 3] = ["Map", "Parallel", "Wait"];

pub(super) fn read(value: &Value, pointer: &str, reader: &mut Reader) -> Option<State> {
    match type_of(value, pointer, reader) {
        Some("Task") => task(value, pointer, reader).map(State::Task),
        Some("Choice") => choice::read(value, pointer, reader).map(State::Choice),
        Some("Pass") => pass(value, pointer, reader).map(State::Pass),
        Some("Succeed") => succeed(value, pointer, reader),
        Some("Fail") => fail(value, pointer, reader).map(State::Fail),
        _ => {
            reader.opaque = true;
            None
        }
    }
}

/// The state's type, if the runner models it; a problem otherwise.
fn type_of<'v>(value: &'v Value, pointer: &str, reader: &mut Reader) -> Option<&'v str> {
    let Some(map) = value.as_object() else {
        reader.report(pointer, "a state must be an object");
        return None;
    };
    let at = format!("{pointer}/Type");
    match map.get("Type") {
        None => reader.report(pointer, "`Type` is missing"),
        Some(Value::String(name)) if TYPES.contains(&name.as_str()) => return Some(name),
        Some(Value::String(name)) if OTHER_TYPES.contains(&name.as_str()) => {
            reader.report(at, format!("the type {name} is not modelled by this runner, which knows {}", TYPES.join(", ")));
        }
        Some(Value::String(name)) => {
            let hint = nearest(name, TYPES)
                .map_or_else(|| format!("this runner knows {}", TYPES.join(", ")), |near| format!("did you mean `{near}`?"));
            reader.report(at, format!("unknown type `{name}`: {hint}"));
        }
        Some(_) => reader.report(at, "`Type` must be a string"),
    }
    None
}

fn task(value: &Value, pointer: &str, reader: &mut Reader) -> Option<Task> {
    let known = ["Type", "Comment", "Resource", "Parameters", "TimeoutSeconds", "Retry", "Catch", "Next", "End"];
    let fields = Fields::open(value, pointer, "a Task state", &known, reader)?;
    fields.string("Comment", reader);
    let resource = resource(&fields, reader);
    let parameters = fields.get("Parameters").map(|value| template::read(value, &fields.at("Parameters"), reader));
    let timeout_seconds = fields.integer("TimeoutSeconds", 1..=MAX_SECONDS, reader);
    let retry = handlers::retry(&fields, reader);
    let catch = handlers::catch(&fields, reader);
    let transition = transition(&fields, reader);
    Some(Task { resource: resource?, parameters, timeout_seconds, retry, catch, transition: transition? })
}

/// A Lambda function's ARN, with or without a version or alias.
fn resource(fields: &Fields<'_>, reader: &mut Reader) -> Option<String> {
    let text = fields.required_string("Resource", reader)?;
    let parts: Vec<&str> = text.split(':').collect();
    if let ["arn", _, "lambda", _, _, "function", name] | ["arn", _, "lambda", _, _, "function", name, _] = parts.as_slice()
        && !name.is_empty()
    {
        return Some(text.to_owned());
    }
    reader.report(
        fields.at("Resource"),
        "`Resource` must be a Lambda function's ARN: this runner models no service integrations or activities",
    );
    None
}

fn pass(value: &Value, pointer: &str, reader: &mut Reader) -> Option<Pass> {
    let fields = Fields::open(value, pointer, "a Pass state", &["Type", "Comment", "Result", "Next", "End"], reader)?;
    fields.string("Comment", reader);
    let transition = transition(&fields, reader);
    Some(Pass { result: fields.get("Result").cloned(), transition: transition? })
}

fn succeed(value: &Value, pointer: &str, reader: &mut Reader) -> Option<State> {
    reader.ends();
    let fields = Fields::open(value, pointer, "a Succeed state", &["Type", "Comment"], reader)?;
    fields.string("Comment", reader);
    Some(State::Succeed)
}

fn fail(value: &Value, pointer: &str, reader: &mut Reader) -> Option<Fail> {
    reader.ends();
    let known = ["Type", "Comment", "Error", "ErrorPath", "Cause", "CausePath"];
    let fields = Fields::open(value, pointer, "a Fail state", &known, reader)?;
    fields.string("Comment", reader);
    Some(Fail { error: fail_text(&fields, "Error", "ErrorPath", reader), cause: fail_text(&fields, "Cause", "CausePath", reader) })
}

fn fail_text(fields: &Fields<'_>, key: &str, path_key: &str, reader: &mut Reader) -> Option<FailText> {
    let text = fields.string(key, reader).map(|text| FailText::Static(text.to_owned()));
    let path = fields.input_path(path_key, reader).map(FailText::Path);
    if fields.get(key).is_some() && fields.get(path_key).is_some() {
        reader.report(fields.at(path_key), format!("a Fail state has `{key}` or `{path_key}`, not both"));
    }
    text.or(path)
}

/// `Next` or `"End": true`, exactly one of them.
fn transition(fields: &Fields<'_>, reader: &mut Reader) -> Option<Transition> {
    match (fields.get("Next"), fields.get("End")) {
        (Some(_), Some(_)) => reader.report(fields.pointer(), "a state has `Next` or `End`, not both"),
        (None, None) => {
            reader.opaque = true;
            reader.report(fields.pointer(), "a state needs `Next` or `\"End\": true`");
        }
        _ => {}
    }
    if fields.get("Next").is_some() {
        return fields.target("Next", reader).map(Transition::Next);
    }
    match fields.boolean("End", reader) {
        Some(true) => {
            reader.ends();
            Some(Transition::End)
        }
        Some(false) => {
            reader.opaque = true;
            reader.report(fields.at("End"), "`End` must be true: a state that does not end has `Next`");
            None
        }
        None => {
            reader.opaque = true;
            None
        }
    }
}
