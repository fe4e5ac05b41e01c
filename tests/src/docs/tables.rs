//! The tables of errors, time-outs, warnings, metrics, log fields, variables and crates say what the code says.

use super::{document, documents, files, first_words, repository, rows, section};
use crate::harness::{SHIPPED, World, sample};
use cost_sentry_aws::config::VARIABLES;
use cost_sentry_core::reservation::ClaimId;
use cost_sentry_workflow::error::{ErrorName, Handling, Thrown};
use cost_sentry_workflow::metrics::{NAMESPACE, Point};
use cost_sentry_workflow::ports::{Edge, Ledger, Metrics, MetricsError};
use cost_sentry_workflow::steps::{STEPS, SweepReservations};
use cost_sentry_workflow::time_outs;
use cost_sentry_workflow::time_outs::Leases;
use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const STATE_MACHINE: &str = "statemachine/README.md";
const METRICS: &str = "docs/metrics-and-log.md";

fn source(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

fn captured(pattern: &str, text: &str) -> BTreeSet<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

fn set(words: impl IntoIterator<Item = impl Into<String>>) -> BTreeSet<String> {
    words.into_iter().map(Into::into).collect()
}

#[test]
fn the_table_of_errors_has_every_name_with_its_handling_and_its_sentence() {
    let document = document(STATE_MACHINE);
    let rows = rows(section(&document, "Errors"));
    for error in ErrorName::ALL {
        let found: Vec<_> = rows.iter().filter(|cells| cells[0] == format!("`{error}`")).collect();
        assert_eq!(found.len(), 1, "{error}");
        let handling = match error.handling() {
            Handling::Retried => "retried",
            Handling::Caught => "caught",
            Handling::Reported => "reported",
        };
        assert_eq!((found[0][2].as_str(), found[0][4].as_str()), (handling, error.advice()), "{error}");
    }
    assert_eq!(rows.len(), ErrorName::ALL.len() + 2, "a row for an error that does not exist");
}

#[test]
fn the_ends_and_every_state_are_in_the_state_machines_document() {
    let machine: Value = serde_json::from_str(&source("statemachine/cost-sentry.asl.json")).unwrap();
    let document = document(STATE_MACHINE);
    let ends = rows(section(&document, "How it ends"));
    for (name, state) in machine["States"].as_object().unwrap() {
        assert!(document.text.contains(&format!("> {name}")), "{name} is not in the diagram");
        let kind = state["Type"].as_str().unwrap();
        if matches!(kind, "Succeed" | "Fail") {
            let row = ends.iter().find(|cells| cells[0] == format!("`{name}`")).unwrap_or_else(|| panic!("{name} is not in the table"));
            let error = state["Error"].as_str().map(|error| format!("`{error}`")).unwrap_or_default();
            assert_eq!((row[1].as_str(), row[2].as_str()), (kind, error.as_str()), "{name}");
        }
    }
}

#[test]
fn the_tables_of_time_outs_have_every_number() {
    let document = document(STATE_MACHINE);
    let rows = rows(section(&document, "Time-outs"));
    let numbers = |name: &str| rows.iter().find(|cells| cells[0].starts_with(name)).unwrap_or_else(|| panic!("{name}"))[1..].join(" ");
    for step in STEPS {
        assert_eq!(numbers(step.state), format!("{} {}", step.time_outs.function, step.time_outs.task), "{}", step.state);
    }
    let single = [
        ("one Converse call", time_outs::CONVERSE),
        ("one CountTokens call", time_outs::COUNT_TOKENS),
        ("one ledger request", time_outs::LEDGER_REQUEST),
        ("one transition", time_outs::LEDGER_TRANSITION),
        ("its shadow counters", time_outs::SHADOW),
        ("the policy's document", time_outs::POLICY_DOCUMENT),
        ("metrics, with", time_outs::METRICS),
        ("RecordMetrics with", time_outs::RECORD_METRICS_WITH_RETRIES),
        ("the execution", time_outs::EXECUTION),
        ("a lease", time_outs::LEASE),
        ("clock skew", time_outs::SKEW),
    ];
    for (name, seconds) in single {
        assert_eq!(numbers(name), seconds.to_string(), "{name}");
    }
}

#[test]
fn the_table_of_warnings_has_every_code() {
    let codes = captured(r#"code: "([A-Z_]+)""#, &source("crates/core/src/warning.rs"));
    assert_eq!(set(first_words(section(&document(STATE_MACHINE), "Warnings"))), codes);
}

#[test]
fn the_table_of_metrics_has_every_metric() {
    let metrics = document(METRICS);
    let constants = captured(r#"pub const [A-Z_]+: &str = "([A-Z]\w+)";"#, &source("crates/workflow/src/metrics.rs"));
    let names: BTreeSet<String> = constants.into_iter().filter(|name| name != NAMESPACE).collect();
    assert_eq!(set(first_words(section(&metrics, "Metrics"))), names);
    assert!(metrics.text.contains(&format!("namespace is `{NAMESPACE}`")));
    let dimensions = captured(r#"\("([A-Z]\w+)", "#, &source("crates/workflow/src/metrics.rs"));
    assert!(dimensions.len() >= 6, "{dimensions:?}");
    for dimension in dimensions {
        assert!(metrics.text.contains(&format!("`{dimension}`")), "{dimension}");
    }
}

#[test]
fn the_table_of_variables_has_every_variable_and_no_document_another() {
    assert_eq!(first_words(section(&document("docs/architecture.md"), "Configuration")), VARIABLES);
    for document in documents() {
        let named = captured(r"\b(COST_SENTRY_[A-Z_]+)", &document.text);
        let strangers: Vec<_> = named.iter().filter(|name| !VARIABLES.contains(&name.as_str())).collect();
        assert!(strangers.is_empty(), "{}: {strangers:?}", document.path);
    }
}

#[test]
fn the_table_of_crates_has_what_each_depends_on() {
    let rows = rows(section(&document("docs/architecture.md"), "Which crate may know which"));
    let crates: Vec<String> = files().into_iter().filter(|path| path.starts_with("crates/") && path.ends_with("/Cargo.toml")).collect();
    for path in &crates {
        let name = path.split('/').nth(1).unwrap();
        let text = source(path);
        let normal = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        let row = rows.iter().find(|cells| cells[0] == format!("`{name}`")).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(captured("`([a-z]+)`", &row[1]), captured(r"(?m)^cost-sentry-([a-z]+)", normal), "{name}");
    }
    assert_eq!(rows.len(), crates.len() + 2);
}

/// The field names of a JSON object, and of what is in it; a tag's or a budget's own name is none.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        found.insert(key.clone());
        if key != "tags" {
            keys(value, found);
            value.as_array().into_iter().flatten().for_each(|item| keys(item, found));
        }
    }
}

fn check_fields(line: &Value) {
    let text = document(METRICS).text;
    let mut found = BTreeSet::new();
    keys(line, &mut found);
    let missing: Vec<_> = found.iter().filter(|key| !text.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "{missing:?} of {line}");
    let event = line["event"].as_str().unwrap();
    assert!(text.contains(&format!("| `event` | `{event}` |")), "{event}");
}

#[tokio::test]
async fn the_tables_of_log_lines_have_every_field_of_a_finished_request() {
    let world = World::new(SHIPPED).await;
    world.run(&sample()).await;
    let lines = world.log_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    check_fields(&lines[0]);
    let top = set(lines[0].as_object().unwrap().keys().cloned());
    let text = document(METRICS).text;
    let table = text.split("**A finished request**").nth(1).unwrap().split("**A reservation").next().unwrap();
    assert_eq!(set(first_words(table)), top);
}

#[test]
fn the_tables_of_log_lines_have_every_field_of_an_error() {
    let source = Some("x".parse::<u8>().unwrap_err().into());
    check_fields(&Thrown { name: ErrorName::NoPrice, message: String::new(), source }.log_line());
}

/// An hour from now.
struct Later;

impl Edge for Later {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_hours(1)
    }

    fn draw_claim_id(&self) -> ClaimId {
        ClaimId(String::new())
    }
}

/// Metrics that go nowhere.
struct Nowhere;

impl Metrics for Nowhere {
    async fn put(&self, _: &[Point], _: Timestamp) -> Result<(), MetricsError> {
        Ok(())
    }
}

#[tokio::test]
async fn the_tables_of_log_lines_have_every_field_of_a_swept_reservation() {
    let world = World::new(SHIPPED).await;
    let ledger = world.stack.ledger();
    ledger.create(&super::ledger::held()).await.unwrap();
    let sweep = SweepReservations { ledger, metrics: Nowhere, log: world.log.clone(), edge: Later, leases: Leases::default() };
    sweep.run(Value::Null).await.unwrap();
    let lines = world.log_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    check_fields(&lines[0]);
}

#[test]
fn the_tables_of_the_policy_have_every_field_of_its_schema() {
    let schema: Value = serde_json::from_str(cost_sentry::commands::SCHEMA).unwrap();
    let policy = document("docs/policy.md");
    let named = set(first_words(&policy.text));
    let mut fields: BTreeSet<String> = BTreeSet::new();
    crate::policy_schema::objects(&schema, "", &mut |_, properties| fields.extend(properties));
    assert_eq!(named, fields);
}
