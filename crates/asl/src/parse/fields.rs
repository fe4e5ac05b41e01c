//! One JSON object of the file, field by field. Whatever is wrong with a field is reported where it is asked for, and the
//! field then counts as absent.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::reader::Reader;
use crate::path::{Path, Root};
use crate::problem::{join, nearest};

/// Fields of the specification that some state, rule or handler has, and the runner models nowhere or not everywhere.
/// Comparison operators are told by their form, see [`is_comparison`].
const LANGUAGE: &str = "And Arguments Assign BackoffRate Branches Catch Cause CausePath Choices Comment Condition Credentials Default End \
    Error ErrorEquals ErrorPath HeartbeatSeconds HeartbeatSecondsPath InputPath IntervalSeconds ItemBatcher \
    ItemProcessor ItemReader ItemSelector Items ItemsPath Iterator JitterStrategy Label MaxAttempts MaxConcurrency \
    MaxConcurrencyPath MaxDelaySeconds Next Not Or Output OutputPath Parameters QueryLanguage Resource Result \
    ResultPath ResultSelector ResultWriter Retry Seconds SecondsPath Timestamp TimestampPath TimeoutSeconds \
    TimeoutSecondsPath ToleratedFailureCount ToleratedFailureCountPath ToleratedFailurePercentage \
    ToleratedFailurePercentagePath Variable";

fn is_comparison(name: &str) -> bool {
    let name = name.strip_suffix("Path").unwrap_or(name);
    let typed = ["String", "Numeric", "Timestamp", "Boolean"].iter().find_map(|kind| name.strip_prefix(kind));
    let tests = ["IsBoolean", "IsNull", "IsNumeric", "IsPresent", "IsString", "IsTimestamp", "StringMatches"];
    tests.contains(&name)
        || typed.is_some_and(|relation| ["Equals", "GreaterThan", "GreaterThanEquals", "LessThan", "LessThanEquals"].contains(&relation))
}

/// An object whose keys are known.
pub(super) struct Fields<'v> {
    map: &'v Map<String, Value>,
    pointer: String,
    /// Whether a field was reported that the runner does not know.
    strange: bool,
}

impl<'v> Fields<'v> {
    /// Opens `value`, which is `what` ("a Task state") and has the fields `known`; any other field is a problem.
    /// `None` when it is no object.
    pub fn open(value: &'v Value, pointer: &str, what: &str, known: &[&str], reader: &mut Reader) -> Option<Fields<'v>> {
        let Some(map) = value.as_object() else {
            reader.report(pointer, format!("{what} must be an object, not {}", kind(value)));
            return None;
        };
        let strange: Vec<&String> = map.keys().filter(|key| !known.contains(&key.as_str())).collect();
        for key in &strange {
            let message = if LANGUAGE.split(' ').any(|name| name == *key) || is_comparison(key) {
                format!("`{key}` in {what} is not modelled by this runner, which knows {}", known.join(", "))
            } else if let Some(near) = nearest(key, known.iter().copied()) {
                format!("unknown field `{key}` in {what}: did you mean `{near}`?")
            } else {
                format!("unknown field `{key}` in {what}, which has {}", known.join(", "))
            };
            reader.report(join(pointer, key), message);
        }
        Some(Fields { map, pointer: pointer.to_owned(), strange: !strange.is_empty() })
    }

    /// The pointer to this object.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Whether a field was reported that the runner does not know: then one that seems missing may only be misspelt.
    pub fn has_strangers(&self) -> bool {
        self.strange
    }

    /// The pointer to the field `key`.
    pub fn at(&self, key: &str) -> String {
        join(&self.pointer, key)
    }

    /// The field as it is.
    pub fn get(&self, key: &str) -> Option<&'v Value> {
        self.map.get(key)
    }

    /// The field as it is; a problem when absent.
    pub fn required(&self, key: &str, reader: &mut Reader) -> Option<&'v Value> {
        let value = self.get(key);
        if value.is_none() {
            reader.report(self.pointer.clone(), format!("`{key}` is missing"));
        }
        value
    }

    fn wrong(&self, key: &str, value: &Value, expected: impl Display, reader: &mut Reader) {
        reader.report(self.at(key), format!("`{key}` must be {expected}, not {}", kind(value)));
    }

    pub fn string(&self, key: &str, reader: &mut Reader) -> Option<&'v str> {
        let value = self.get(key)?;
        let text = value.as_str();
        if text.is_none() {
            self.wrong(key, value, "a string", reader);
        }
        text
    }

    pub fn required_string(&self, key: &str, reader: &mut Reader) -> Option<&'v str> {
        self.required(key, reader)?;
        self.string(key, reader)
    }

    pub fn boolean(&self, key: &str, reader: &mut Reader) -> Option<bool> {
        let value = self.get(key)?;
        let boolean = value.as_bool();
        if boolean.is_none() {
            self.wrong(key, value, "true or false", reader);
        }
        boolean
    }

    /// An integer within `range`.
    pub fn integer(&self, key: &str, range: RangeInclusive<u64>, reader: &mut Reader) -> Option<u64> {
        let value = self.get(key)?;
        let integer = value.as_u64().filter(|integer| range.contains(integer));
        if integer.is_none() {
            self.wrong(key, value, format!("an integer from {} to {}", range.start(), range.end()), reader);
        }
        integer
    }

    /// A number of at least `least`.
    pub fn number(&self, key: &str, least: f64, reader: &mut Reader) -> Option<f64> {
        let value = self.get(key)?;
        let number = value.as_f64().filter(|number| *number >= least);
        if number.is_none() {
            self.wrong(key, value, format!("a number of at least {least}"), reader);
        }
        number
    }

    /// A field that may be there but can only say one thing.
    pub fn constant(&self, key: &str, expected: &str, reader: &mut Reader) {
        if let Some(value) = self.get(key).filter(|value| value.as_str() != Some(expected)) {
            self.wrong(key, value, format!("\"{expected}\""), reader);
        }
    }

    /// The items of an array with their pointers.
    pub fn list(&self, key: &str, reader: &mut Reader) -> Vec<(String, &'v Value)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.wrong(key, value, "an array", reader);
            return Vec::new();
        };
        if items.is_empty() {
            reader.report(self.at(key), format!("`{key}` must not be empty"));
        }
        let pointer = self.at(key);
        items.iter().enumerate().map(|(index, item)| (join(&pointer, &index.to_string()), item)).collect()
    }

    /// A reference path into the input, which is all that a field of this name takes.
    pub fn input_path(&self, key: &str, reader: &mut Reader) -> Option<Path> {
        let text = self.string(key, reader)?;
        match Path::parse(text) {
            Ok(path) if path.root() == Root::Input => return Some(path),
            Ok(_) => reader.report(self.at(key), format!("`{key}` must start with `$`, not with `$$`")),
            Err(error) => reader.report(self.at(key), error.to_string()),
        }
        None
    }

    /// The name of a next state.
    pub fn target(&self, key: &str, reader: &mut Reader) -> Option<String> {
        let name = self.string(key, reader);
        match name {
            Some(name) => reader.leads_to(name, self.at(key)),
            // What it would have led to is unknown.
            None => reader.opaque = true,
        }
        name.map(str::to_owned)
    }
}

/// What a value is, in words; never the value itself.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "this boolean",
        Value::Number(_) => "this number",
        Value::String(_) => "this string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
