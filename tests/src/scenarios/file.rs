//! A scenario's file as it is written.

use crate::harness::{SHIPPED, sample};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The clock where a file sets none: a Tuesday noon, far from every window's end but the minute's and the hour's.
const NOON: &str = "2026-11-10T12:00:00Z";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// What it shows, for people.
    #[expect(dead_code, reason = "for people")]
    why: String,
    /// `shipped`, `none`, a path from the repository's root, or the policy itself.
    #[serde(default)]
    policy: Value,
    /// What the simulated Bedrock does.
    #[serde(default)]
    pub script: Value,
    /// Nobody listens where Bedrock should be.
    #[serde(default)]
    pub bedrock_is_closed: bool,
    /// Another time-out for the call.
    pub converse_timeout_seconds: Option<u64>,
    /// When it all happens.
    clock: Option<Timestamp>,
    /// The requests, in order.
    pub requests: Vec<Request>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Request {
    /// What it is, for people.
    pub name: String,
    /// The whole request; without it the published sample.
    whole: Option<Value>,
    /// Values by pointer, put into the request; null takes one out.
    #[serde(default)]
    patch: BTreeMap<String, Value>,
    /// Lengthens a text until the request has so many bytes of JSON.
    pad: Option<Pad>,
    /// Another script from this request on.
    #[serde(default)]
    pub script: Value,
    /// Another time from the file's.
    clock: Option<Timestamp>,
    /// Other times in single states.
    #[serde(default)]
    pub clock_at: BTreeMap<String, Timestamp>,
    /// The execution began so long before the clock.
    #[serde(default)]
    started_seconds_ago: i64,
    /// Ends after `CheckRateLimit`: what it holds stays held.
    #[serde(default)]
    pub only_hold: bool,
    /// What must come of it.
    expect: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Pad {
    pointer: String,
    with: char,
    to_bytes: usize,
}

impl Scenario {
    /// The policy's text, or nothing where none is applied.
    pub fn policy(&self) -> Option<String> {
        match &self.policy {
            Value::Null => Some(SHIPPED.to_owned()),
            Value::String(name) if name == "none" => None,
            Value::String(path) => {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
                Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
            }
            document => Some(document.to_string()),
        }
    }

    /// When a request happens.
    pub fn now(&self, request: &Request) -> Timestamp {
        request.clock.or(self.clock).unwrap_or_else(|| NOON.parse().unwrap())
    }
}

impl Request {
    /// What is sent.
    pub fn document(&self) -> Value {
        let mut document = self.whole.clone().unwrap_or_else(sample);
        for (pointer, value) in &self.patch {
            put(&mut document, pointer, expanded(value));
        }
        if let Some(Pad { pointer, with, to_bytes }) = &self.pad {
            let missing = to_bytes.checked_sub(document.to_string().len()).expect("the request is longer already");
            let text = document.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            put(&mut document, pointer, json!(text + &with.to_string().repeat(missing)));
            assert_eq!(document.to_string().len(), *to_bytes, "one byte of JSON each, please");
        }
        document
    }

    /// When the execution began.
    pub fn started(&self, now: Timestamp) -> Timestamp {
        now - SignedDuration::from_secs(self.started_seconds_ago)
    }

    /// What the file expects; what it does not mention is as uneventful as can be.
    pub fn expected(&self) -> Value {
        let mut expected = json!({ "warnings": [], "retries": 0, "problems": [] });
        let fields = self.expect.as_object().unwrap().clone();
        assert!(fields.contains_key("outcome"), "{}: no outcome is expected", self.name);
        expected.as_object_mut().unwrap().extend(fields);
        expected
    }
}

/// A script as text, long texts written out; nothing for none.
pub fn script_text(script: &Value) -> String {
    if script.is_null() { String::new() } else { expanded(script).to_string() }
}

/// Writes out `{ repeat: TEXT, times: N }` wherever it stands.
fn expanded(value: &Value) -> Value {
    match value {
        Value::Object(fields) => match (fields.get("repeat"), fields.get("times")) {
            (Some(Value::String(text)), Some(times)) => json!(text.repeat(usize::try_from(times.as_u64().unwrap()).unwrap())),
            _ => fields.iter().map(|(name, field)| (name.clone(), expanded(field))).collect(),
        },
        Value::Array(items) => items.iter().map(expanded).collect(),
        other => other.clone(),
    }
}

/// Puts a value where the pointer says; null takes out what is there.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}: no such place")) {
        Value::Object(fields) if value.is_null() => {
            fields.remove(name).unwrap_or_else(|| panic!("{pointer}: nothing to take out"));
        }
        Value::Object(fields) => {
            fields.insert(name.to_owned(), value);
        }
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}: no such place"),
    }
}
