//! The JSON Schema of policies and the policy's own reader agree: on what is good, on what is broken, on every field and word.
//!
//! The reader knows more (the catalog, and how parts fit together), so it may refuse what the schema accepts, never the other way round.

use crate::binary::repository;
use cost_sentry::commands::{SCHEMA, SHIPPED};
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn schema_accepts(policy: &Value) -> Result<(), String> {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let errors: Vec<String> = validator.iter_errors(policy).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
}

fn reader_accepts(policy: &Value) -> Result<(), String> {
    let parsed = Policy::parse(policy, Catalog::shipped().unwrap());
    parsed.map(|_| ()).map_err(|problems| format!("{:?}", problems.into_vec()))
}

/// A policy that uses every field.
fn whole() -> Value {
    json!({
        "tags": {
            "applicationId": "open",
            "costCenter": { "allow": ["sales", "support"], "synonyms": { "help": "support" } },
            "team": "open"
        },
        "models": {
            "haiku": { "id": "us.anthropic.claude-3-5-haiku-20241022-v1:0", "tags": { "costCenter": "support" }, "maxTokens": 4000, "serviceTier": "flex" },
            "sales": {
                "profile": "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123",
                "source": "us.anthropic.claude-3-haiku-20240307-v1:0"
            },
            "nova": { "profile": "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-lite-v1:0" }
        },
        "modelIds": ["amazon.nova-micro-v1:0"],
        "requests": { "maxTokens": 8000, "refusedParameters": "reject", "unbudgeted": "allow", "inputBound": "bytes" },
        "prices": [{
            "id": "us.amazon.nova-lite-v1:0", "from": "2026-12-01", "input": "0.06", "output": 0.24,
            "cacheRead": 0, "cacheWrite5m": "0.1", "cacheWrite1h": 1, "longContext": [{ "above": 200_000, "input": 2, "output": "3.5" }],
            "tiers": {
                "priority": { "input": 1, "output": 2 },
                "flex": { "input": "0.03", "output": 0.12, "cacheRead": 0, "cacheWrite5m": 1, "cacheWrite1h": 1, "longContext": [{ "above": 1, "output": 1 }] },
                "reserved": { "input": 0, "output": 0 }
            }
        }],
        "budgets": [
            {
                "id": "org", "name": "org-month", "window": "month", "timeZone": "Europe/Berlin", "resetDay": 15, "mode": "enforce", "shards": 64,
                "limit": { "usd": 5000.25, "tokens": 1, "inputTokens": 2, "outputTokens": 3, "requests": 4 },
                "frozen": false, "effective": "atOnce", "increases": [
                    { "limit": { "usd": "99.5", "requests": 4 }, "from": "2026-11-20T00:00:00Z", "until": "2026-11-27T00:00:00+01:00", "reason": "the launch" }
                ]
            },
            { "name": "week", "limit": { "usd": "0.000000001" }, "window": "week", "resetDay": "sunday", "per": ["applicationId", "model"] },
            { "name": "31st", "limit": { "requests": 1 }, "window": "month", "resetDay": "31", "mode": "shadow" },
            {
                "name": "launch", "limit": { "requests": 1 }, "match": { "costCenter": ["sales", "support"], "team": "red" },
                "period": { "from": "2027-01-01T00:00:00Z", "until": "2027-02-01T00:00:00+01:00" }
            }
        ]
    })
}

/// The whole policy with one value replaced, added, or (`null`) removed.
fn with(pointer: &str, value: Value) -> Value {
    let mut policy = whole();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match policy.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")) {
        Value::Object(fields) if value.is_null() => _ = fields.remove(name),
        Value::Object(fields) => _ = fields.insert(name.replace("~1", "/"), value),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    policy
}

#[test]
fn the_shipped_policy_the_examples_and_a_policy_with_every_field_are_accepted() {
    let mut policies = vec![("the whole".to_owned(), whole()), ("shipped".to_owned(), serde_saphyr::from_str(SHIPPED).unwrap())];
    for entry in fs::read_dir(repository().join("examples/policies")).unwrap() {
        let path = entry.unwrap().path();
        let is_script = path.file_stem().is_some_and(|stem| Path::new(stem).extension().is_some_and(|extension| extension == "simulator"));
        if path.extension().is_some_and(|extension| extension == "yaml") && !is_script {
            policies.push((path.display().to_string(), serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap()));
        }
    }
    assert!(policies.len() >= 3);
    for (name, policy) in policies {
        schema_accepts(&policy).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        reader_accepts(&policy).unwrap_or_else(|problems| panic!("{name}: {problems}"));
    }
}

/// What is wrong outside the budgets, by pointer: put there, or (`null`) left out.
fn broken() -> Vec<(&'static str, Value)> {
    vec![
        ("/models", Value::Null),
        ("/models", json!({})),
        ("/models", json!([])),
        ("/budgets", Value::Null),
        ("/budgets", json!({})),
        ("/budget", json!([])),
        ("/tags", json!(["applicationId"])),
        ("/tags/requestId", json!("open")),
        ("/tags/aws:x", json!("open")),
        ("/tags/AWS:x", json!("open")),
        ("/tags/model", json!("open")),
        ("/tags/a b", json!("open")),
        ("/tags/team", json!("closed")),
        ("/tags/team", json!({})),
        ("/tags/team", json!({ "allow": [] })),
        ("/tags/team", json!({ "allow": ["a*"] })),
        ("/tags/team", json!({ "allow": [" a"] })),
        ("/tags/team", json!({ "allow": [""] })),
        ("/tags/team", json!({ "allow": ["a"], "synonyms": ["b"] })),
        ("/tags/team", json!({ "allow": ["a"], "synonyms": { "b": 1 } })),
        ("/tags/team", json!({ "allow": ["a"], "open": true })),
        ("/models/Haiku", json!({ "id": "us.amazon.nova-lite-v1:0" })),
        ("/models/haiku", json!("us.amazon.nova-lite-v1:0")),
        ("/models/haiku", json!({})),
        ("/models/haiku/id", json!("haiku")),
        ("/models/haiku/id", json!("a:b")),
        ("/models/haiku/id", json!(3)),
        ("/models/haiku/source", json!("us.amazon.nova-lite-v1:0")),
        ("/models/haiku/profile", json!("arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-lite-v1:0")),
        ("/models/haiku/maxTokens", json!(0)),
        ("/models/haiku/maxTokens", json!("many")),
        ("/models/haiku/tags", json!({ "costCenter": 7 })),
        ("/models/sales/source", Value::Null),
        ("/models/sales/profile", json!("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc123")),
        ("/models/sales/profile", json!("arn:aws:s3:us-east-1:111122223333:application-inference-profile/abc123")),
        ("/modelIds", json!("amazon.nova-micro-v1:0")),
        ("/modelIds/0", json!("nova")),
        ("/requests", json!([])),
        ("/requests/maxTokens", json!(-1)),
        ("/requests/unbudgeted", json!("yes")),
        ("/requests/inputBound", json!(true)),
        ("/requests/refusedParameter", json!("drop")),
        ("/prices", json!({})),
        ("/prices/0/id", Value::Null),
        ("/prices/0/from", json!("tomorrow")),
        ("/prices/0/from", json!(2026)),
        ("/prices/0/input", Value::Null),
        ("/prices/0/input", json!(-1)),
        ("/prices/0/output", json!("0.1234567")),
        ("/prices/0/output", json!("1e3")),
        ("/prices/0/cacheWrite", json!(1)),
    ]
}

/// What is wrong with budgets.
fn broken_budgets() -> Vec<(&'static str, Value)> {
    vec![
        ("/budgets/0/name", Value::Null),
        ("/budgets/0/name", json!("org month")),
        ("/budgets/0/name", json!("")),
        ("/budgets/0/id", json!("-a")),
        ("/budgets/0/limit", Value::Null),
        ("/budgets/0/limit", json!({})),
        ("/budgets/0/limit", json!({ "eur": 5 })),
        ("/budgets/0/limit/usd", json!(0)),
        ("/budgets/0/limit/usd", json!("0.00")),
        ("/budgets/0/limit/usd", json!("0.0000000001")),
        ("/budgets/0/limit/usd", json!(-5)),
        ("/budgets/0/limit/tokens", json!(0)),
        ("/budgets/0/limit/tokens", json!(1.5)),
        ("/budgets/0/limit/requests", json!(u64::MAX)),
        ("/budgets/0/window", Value::Null),
        ("/budgets/0/window", json!("year")),
        ("/budgets/0/window", json!("day")),
        ("/budgets/0/window", json!("week")),
        ("/budgets/0/resetDay", json!(0)),
        ("/budgets/0/resetDay", json!(32)),
        ("/budgets/0/resetDay", json!("monday")),
        ("/budgets/0/timeZone", json!(1)),
        ("/budgets/0/mode", json!("warn")),
        ("/budgets/0/frozen", json!("no")),
        ("/budgets/0/effective", json!("soon")),
        ("/budgets/0/increases", json!({})),
        ("/budgets/0/increases/0/reason", Value::Null),
        ("/budgets/0/increases/0/reason", json!("")),
        ("/budgets/0/increases/0/reason", json!("  ")),
        ("/budgets/0/increases/0/from", json!("2026-11-20")),
        ("/budgets/0/increases/0/until", Value::Null),
        ("/budgets/0/increases/0/limit", json!({})),
        ("/budgets/0/increases/0/limit/eur", json!(1)),
        ("/budgets/0/increases/0/limit/requests", json!(0)),
        ("/models/haiku/serviceTier", json!("fast")),
        ("/prices/0/tiers", json!([])),
        ("/prices/0/tiers/default", json!({ "input": 1, "output": 1 })),
        ("/prices/0/tiers/flex/output", Value::Null),
        ("/prices/0/tiers/flex/from", json!("2026-12-01")),
        ("/prices/0/tiers/flex/longContext/0/above", json!(-1)),
        ("/prices/0/longContext", json!({})),
        ("/prices/0/longContext/0", json!({ "above": 5 })),
        ("/prices/0/longContext/0/above", Value::Null),
        ("/budgets/0/shards", json!(0)),
        ("/budgets/0/shards", json!(65)),
        ("/budgets/0/shards", json!("4")),
        ("/budgets/0/shards", json!(1.5)),
        ("/budgets/0/period", json!({ "from": "2027-01-01T00:00:00Z", "until": "2027-02-01T00:00:00Z" })),
        ("/budgets/1/resetDay", json!(3)),
        ("/budgets/1/per", json!("model")),
        ("/budgets/1/per", json!([1])),
        ("/budgets/3/period/from", Value::Null),
        ("/budgets/3/period/until", json!("2027-02-01")),
        ("/budgets/3/period/until", json!("2027-02-01T00:00:00")),
        ("/budgets/3/period/for", json!("a month")),
        ("/budgets/3/timeZone", json!("UTC")),
        ("/budgets/3/resetDay", json!(1)),
        ("/budgets/3/match", json!(["costCenter"])),
        ("/budgets/3/match/costCenter", json!([])),
        ("/budgets/3/match/costCenter", json!(5)),
        ("/budgets/3/match/team", json!("*")),
    ]
}

#[test]
fn what_is_broken_is_refused_by_the_schema_and_by_the_reader() {
    for (pointer, value) in [broken(), broken_budgets()].concat() {
        let policy = with(pointer, value.clone());
        assert!(schema_accepts(&policy).is_err(), "the schema accepts {pointer}: {value}");
        assert!(reader_accepts(&policy).is_err(), "the reader accepts {pointer}: {value}");
    }
}

/// Calls `see` for every object of the schema that names its fields: its pointer and the fields.
pub fn objects(schema: &Value, pointer: &str, see: &mut impl FnMut(String, Vec<String>)) {
    if let (Some(properties), false) = (schema.get("properties").and_then(Value::as_object), schema["additionalProperties"].is_null()) {
        see(pointer.to_owned(), properties.keys().cloned().collect());
    }
    let fields = schema.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value));
    let items = schema.as_array().into_iter().flatten().enumerate().map(|(i, value)| (i.to_string(), value));
    for (name, value) in fields.chain(items) {
        objects(value, &format!("{pointer}/{name}"), see);
    }
}

/// The words in backticks that the reader lists for a pointer when `value` stands there.
fn listed(pointer: &str, value: Value) -> BTreeSet<String> {
    let Err(problems) = Policy::parse(&with(pointer, value), Catalog::shipped().unwrap()) else { panic!("{pointer} is accepted") };
    let problems = problems.into_vec();
    let problem = problems.iter().find(|problem| problem.pointer == pointer).unwrap_or_else(|| panic!("{pointer}: {problems:?}"));
    Regex::new("`([^`]+)`").unwrap().captures_iter(&problem.expected).map(|found| found[1].to_owned()).collect()
}

#[test]
fn the_schema_has_every_field_that_the_reader_knows_and_no_other() {
    let places = [
        ("", ""),
        ("/$defs/tagRule/oneOf/1", "/tags/costCenter"),
        ("/$defs/model", "/models/haiku"),
        ("/$defs/requests", "/requests"),
        ("/$defs/price", "/prices/0"),
        ("/$defs/price/properties/tiers", "/prices/0/tiers"),
        ("/$defs/tierPrice", "/prices/0/tiers/flex"),
        ("/$defs/steps/items", "/prices/0/longContext/0"),
        ("/$defs/increase", "/budgets/0/increases/0"),
        ("/$defs/budget", "/budgets/0"),
        ("/$defs/limit", "/budgets/0/limit"),
        ("/$defs/budget/properties/period", "/budgets/3/period"),
    ];
    let mut seen = 0;
    objects(&schema(), "", &mut |pointer, fields| {
        let place = places.iter().find(|(in_schema, _)| *in_schema == pointer).unwrap_or_else(|| panic!("no place for {pointer}"));
        assert_eq!(listed(&format!("{}/zzzzzz", place.1), json!(1)), fields.into_iter().collect(), "{pointer}");
        seen += 1;
    });
    assert_eq!(seen, places.len());
}

#[test]
fn the_schema_has_every_word_that_the_reader_knows_and_no_other() {
    let places = [
        ("/$defs/requests/properties/refusedParameters/enum", "/requests/refusedParameters"),
        ("/$defs/requests/properties/unbudgeted/enum", "/requests/unbudgeted"),
        ("/$defs/requests/properties/inputBound/enum", "/requests/inputBound"),
        ("/$defs/budget/properties/window/enum", "/budgets/0/window"),
        ("/$defs/budget/properties/mode/enum", "/budgets/0/mode"),
        ("/$defs/budget/properties/effective/enum", "/budgets/0/effective"),
        ("/$defs/model/properties/serviceTier/enum", "/models/haiku/serviceTier"),
    ];
    for (in_schema, pointer) in places {
        let schema = schema();
        let words = schema.pointer(in_schema).unwrap().as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned());
        assert_eq!(listed(pointer, json!("zzzzzz")), words.collect(), "{pointer}");
    }
}
