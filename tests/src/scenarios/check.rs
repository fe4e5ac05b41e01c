//! What was expected against what was found, field by field.

use serde_json::{Map, Value};

/// A field that is not as expected.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub field: String,
    pub expected: String,
    pub found: String,
}

impl Mismatch {
    /// A file that could not be played to its end.
    pub fn panicked(error: &tokio::task::JoinError) -> Self {
        Self { field: "the test itself".to_owned(), expected: "no panic".to_owned(), found: error.to_string() }
    }
}

/// Objects whose keys must be all there are; of any other object only the expected fields are looked at.
const WHOLE: [&str; 2] = ["budgets", "counters"];

/// Everything in which `found` is not as `expected`.
pub fn compare(expected: &Value, found: &Value) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    walk("", expected, Some(found), &mut mismatches);
    mismatches
}

fn walk(field: &str, expected: &Value, found: Option<&Value>, mismatches: &mut Vec<Mismatch>) {
    match (expected, found) {
        (Value::Object(fields), Some(Value::Object(found))) => {
            for (name, expected) in fields {
                let at = if field.is_empty() { name.clone() } else { format!("{field} › {name}") };
                walk(&at, expected, found.get(name), mismatches);
            }
            if WHOLE.contains(&field) {
                mismatches.extend(strangers(field, fields, found));
            }
        }
        (expected, found) if found == Some(expected) => {}
        (expected, found) => mismatches.push(Mismatch {
            field: field.to_owned(),
            expected: expected.to_string(),
            found: found.map_or_else(|| "nothing".to_owned(), Value::to_string),
        }),
    }
}

fn strangers(field: &str, expected: &Map<String, Value>, found: &Map<String, Value>) -> Vec<Mismatch> {
    let unexpected = found.iter().filter(|(name, _)| !expected.contains_key(*name));
    let mismatch = |(name, value): (&String, &Value)| Mismatch {
        field: format!("{field} › {name}"),
        expected: "nothing".to_owned(),
        found: value.to_string(),
    };
    unexpected.map(mismatch).collect()
}

#[test]
fn a_mismatch_names_the_field_and_both_values() {
    use serde_json::json;
    let check = |expected: Value, found: Value, mismatches: &[(&str, &str, &str)]| {
        let all = compare(&expected, &found);
        let all: Vec<_> = all.iter().map(|one| (one.field.as_str(), one.expected.as_str(), one.found.as_str())).collect();
        assert_eq!(all, mismatches);
    };
    check(json!({ "a": 1 }), json!({ "a": 1, "b": 2 }), &[]);
    check(json!({ "a": 1, "b": { "c": null } }), json!({ "a": 2, "b": { "c": 3 } }), &[("a", "1", "2"), ("b › c", "null", "3")]);
    check(json!({ "a": null }), json!({}), &[("a", "null", "nothing")]);
    check(json!({ "a": [1] }), json!({ "a": [1, 2] }), &[("a", "[1]", "[1,2]")]);
    check(json!({ "budgets": {} }), json!({ "budgets": { "x": 1 } }), &[("budgets › x", "nothing", "1")]);
}
