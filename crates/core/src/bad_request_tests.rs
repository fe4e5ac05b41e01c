//! Every file under `tests/data/bad-requests`: its README says what the fields mean.

use super::origin;
use crate::catalog::Catalog;
use crate::policy::Policy;
use crate::problem::{Problem, Problems};
use crate::request::validate;
use crate::tags::{KNOWN, TagValues};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How many problems an outcome names.
const NAMED: usize = 50;
/// Names that a problem may show though a request holds the same text.
const KNOWN_NAMES: [&str; 10] = ["model", "prompt", "tags", "messages", "parameters", "role", "content", "system", "user", "assistant"];

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name)
}

/// Checks each file with what `validate` says of it.
fn for_each(mut check: impl FnMut(&str, &Value, &Value, &[Problem], &Policy)) -> usize {
    let policy = Policy::parse(&read(&data("policies/bad-requests.json")), Catalog::shipped().unwrap()).unwrap();
    let entries = std::fs::read_dir(data("bad-requests")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    for path in &files {
        let file = read(path);
        let mut request = file["request"].clone();
        if let Some(repeat) = file.get("repeat") {
            let times = usize::try_from(repeat["times"].as_u64().unwrap()).unwrap();
            *request.pointer_mut(repeat["pointer"].as_str().unwrap()).unwrap() = repeat["text"].as_str().unwrap().repeat(times).into();
        }
        let none = TagValues::new();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let found = validate(&request, &policy, origin(&none)).err().map(Problems::into_vec).unwrap_or_default();
        assert!(!found.is_empty(), "{name} is taken for a good request");
        check(name, &file, &request, &found, &policy);
    }
    files.len()
}

#[test]
fn every_problem_of_a_bad_request_is_named_in_order_at_its_place() {
    let files = for_each(|name, file, _, found, _| {
        assert!(file["why"].as_str().is_some_and(|why| !why.is_empty()), "{name} says why");
        let text = |problem: &Value, field: &str| problem[field].as_str().unwrap().to_owned();
        let expected: Vec<_> = file["problems"].as_array().unwrap().iter().map(|p| (text(p, "pointer"), text(p, "expected"))).collect();
        let pointers: Vec<&str> = found.iter().take(NAMED).map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, expected.iter().map(|(pointer, _)| pointer).collect::<Vec<_>>(), "{name}: {found:#?}");
        for (problem, (_, expected)) in found.iter().zip(&expected) {
            assert!(!expected.is_empty() && problem.expected.contains(expected), "{name}: {problem:?} for {expected}");
        }
    });
    assert!(files >= 60, "only {files} files");
}

#[test]
fn a_problem_never_repeats_a_value() {
    for_each(|name, _, request, found, policy| {
        let (mut values, mut names) = (BTreeSet::new(), BTreeSet::new());
        collect(request, &mut values, &mut names);
        let known = |value: &str| KNOWN_NAMES.contains(&value) || KNOWN.contains(&value) || policy.models.contains_key(value);
        for value in values.into_iter().filter(|value| value.chars().count() > 3 && !known(value)) {
            for Problem { pointer, expected } in found {
                assert!(!expected.contains(value), "{name}: {value:?} in {expected:?}");
                assert!(!pointer.contains(value) || names.iter().any(|name| name.contains(value)), "{name}: {value:?} in {pointer:?}");
            }
        }
    });
}

/// The strings in a document, and the names of its fields.
fn collect<'a>(value: &'a Value, values: &mut BTreeSet<&'a str>, names: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => drop(values.insert(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, values, names)),
        Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(name);
                collect(value, values, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
