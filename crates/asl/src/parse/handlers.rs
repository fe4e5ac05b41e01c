//! A Task's `Retry` and `Catch`.

use serde_json::Value;

use super::MAX_SECONDS;
use super::fields::Fields;
use super::reader::Reader;
use crate::machine::{Catcher, Jitter, Retrier};
use crate::path::Path;
use crate::run::error_names;

/// The most that Step Functions takes for `MaxDelaySeconds`, exclusive.
const MAX_DELAY_SECONDS: u64 = 31_622_400;

pub(super) fn retry(fields: &Fields<'_>, reader: &mut Reader) -> Vec<Retrier> {
    let items = fields.list("Retry", reader);
    let last = items.len().saturating_sub(1);
    items.into_iter().enumerate().filter_map(|(index, (pointer, item))| retrier(item, &pointer, index == last, reader)).collect()
}

pub(super) fn catch(fields: &Fields<'_>, reader: &mut Reader) -> Vec<Catcher> {
    let items = fields.list("Catch", reader);
    let last = items.len().saturating_sub(1);
    items.into_iter().enumerate().filter_map(|(index, (pointer, item))| catcher(item, &pointer, index == last, reader)).collect()
}

fn retrier(value: &Value, pointer: &str, is_last: bool, reader: &mut Reader) -> Option<Retrier> {
    let known = ["ErrorEquals", "Comment", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy"];
    let fields = Fields::open(value, pointer, "a retrier", &known, reader)?;
    fields.string("Comment", reader);
    let error_equals = error_equals(&fields, is_last, reader);
    let jitter = match fields.string("JitterStrategy", reader) {
        Some("FULL") => Jitter::Full,
        None | Some("NONE") => Jitter::None,
        Some(_) => {
            reader.report(fields.at("JitterStrategy"), "`JitterStrategy` must be \"FULL\" or \"NONE\"");
            Jitter::None
        }
    };
    Some(Retrier {
        error_equals,
        interval_seconds: fields.integer("IntervalSeconds", 1..=MAX_SECONDS, reader).unwrap_or(1),
        backoff_rate: fields.number("BackoffRate", 1.0, reader).unwrap_or(2.0),
        max_attempts: fields.integer("MaxAttempts", 0..=MAX_SECONDS, reader).unwrap_or(3),
        max_delay_seconds: fields.integer("MaxDelaySeconds", 1..=MAX_DELAY_SECONDS - 1, reader),
        jitter,
    })
}

fn catcher(value: &Value, pointer: &str, is_last: bool, reader: &mut Reader) -> Option<Catcher> {
    let Some(fields) = Fields::open(value, pointer, "a catcher", &["ErrorEquals", "Comment", "ResultPath", "Next"], reader) else {
        reader.opaque = true;
        return None;
    };
    fields.string("Comment", reader);
    let error_equals = error_equals(&fields, is_last, reader);
    let result_path = match fields.get("ResultPath") {
        None => Some(Path::whole()),
        Some(Value::Null) => None,
        Some(_) => fields.input_path("ResultPath", reader),
    };
    fields.required("Next", reader);
    let next = fields.target("Next", reader);
    Some(Catcher { error_equals, result_path, next: next? })
}

/// Error names: at least one, and `States.ALL` only alone and in the last handler.
fn error_equals(fields: &Fields<'_>, is_last: bool, reader: &mut Reader) -> Vec<String> {
    fields.required("ErrorEquals", reader);
    let items = fields.list("ErrorEquals", reader);
    let mut names = Vec::new();
    for (pointer, item) in &items {
        match item.as_str() {
            Some(name) if !name.is_empty() => {
                if name == error_names::ALL && items.len() > 1 {
                    reader.report(pointer, "`States.ALL` must stand alone");
                }
                if name == error_names::ALL && !is_last {
                    reader.report(pointer, "`States.ALL` must be in the last of its list: what follows is never reached");
                }
                names.push(name.to_owned());
            }
            _ => reader.report(pointer, "an error name must be a string, and not an empty one"),
        }
    }
    names
}
