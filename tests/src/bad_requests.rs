//! Every file under `tests/data/bad-requests` (its README says what the fields mean) through the whole workflow, and texts that are
//! not even JSON through the binary.

use crate::binary::Desk;
use crate::harness::{Ended, World};
use cost_sentry::local::stack::TABLE;
use cost_sentry_asl::End;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::tags::KNOWN;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LISTED: usize = 50;
/// What a request may hold and a rejection say all the same: names of the contract.
const NAMES: [&str; 12] =
    ["model", "prompt", "tags", "messages", "parameters", "role", "content", "system", "user", "assistant", "text", "tool"];

struct BadRequest {
    name: String,
    request: Value,
    problems: Vec<Value>,
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn files() -> Vec<BadRequest> {
    let paths = std::fs::read_dir(data("bad-requests")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    paths.sort();
    assert!(paths.len() >= 60, "only {} files", paths.len());
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> BadRequest {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut request = file["request"].take();
    if let Some(repeat) = file.get("repeat") {
        let times = usize::try_from(repeat["times"].as_u64().unwrap()).unwrap();
        *request.pointer_mut(repeat["pointer"].as_str().unwrap()).unwrap() = json!(repeat["text"].as_str().unwrap().repeat(times));
    }
    BadRequest { name, request, problems: file["problems"].as_array().unwrap().clone() }
}

async fn world() -> World {
    World::new(&std::fs::read_to_string(data("policies/bad-requests.json")).unwrap()).await
}

/// The keys of everything in the table.
async fn keys(world: &World) -> Vec<String> {
    let scan = world.stack.clients.dynamodb().scan().table_name(TABLE).into_paginator().items().send();
    let items = scan.collect::<Result<Vec<_>, _>>().await.unwrap();
    items.iter().map(|item| item["pk"].as_s().unwrap().clone()).collect()
}

/// The rejection's cause, as text and as JSON.
fn rejection(name: &str, ended: &Ended) -> (String, Value) {
    let End::Failed { error, cause } = &ended.end else { panic!("{name}: {:?}", ended.end) };
    assert_eq!(error, "InvalidRequest", "{name}");
    (cause.clone(), serde_json::from_str(cause).unwrap())
}

fn check_problems(bad: &BadRequest, cause: &Value) {
    let BadRequest { name, problems, .. } = bad;
    assert_eq!(cause["error"], "InvalidRequest", "{name}");
    let pointers = |problems: &[Value]| problems.iter().take(LISTED).map(|problem| problem["pointer"].clone()).collect::<Vec<_>>();
    let found = cause["problems"].as_array().unwrap();
    assert_eq!(pointers(found), pointers(problems), "{name}");
    for (found, problem) in found.iter().zip(problems) {
        let (found, expected) = (found["expected"].as_str().unwrap(), problem["expected"].as_str().unwrap());
        assert!(found.contains(expected), "{name}: {found:?} for {expected:?}");
    }
    let all = found.len() as u64 + cause["problemsNotListed"].as_u64().unwrap();
    assert_eq!(cause["message"], format!("the request has {all} problem{}", if all == 1 { "" } else { "s" }), "{name}");
    assert!(cause["requestId"].as_str().is_some_and(|id| id.len() == 36), "{name}");
}

/// The strings of a document, and the names of its fields.
fn collect<'a>(value: &'a Value, values: &mut BTreeSet<&'a str>, names: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => _ = values.insert(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, values, names)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            names.insert(name);
            collect(value, values, names);
        }),
        _ => {}
    }
}

/// Words of Rust, and values of the request, are nobody's business; pointers name what the client named.
fn check_silence(bad: &BadRequest, cause: &str, policy: &Policy) {
    let BadRequest { name, request, .. } = bad;
    for word in ["::", "serde", "Error(", "Some(", "invalid type", "panicked"] {
        assert!(!cause.contains(word), "{name}: {word} in {cause}");
    }
    let (mut values, mut names) = (BTreeSet::new(), BTreeSet::new());
    collect(request, &mut values, &mut names);
    let is_known = |value: &str| {
        NAMES.contains(&value)
            || KNOWN.contains(&value)
            || policy.models.contains_key(value)
            || names.iter().any(|name| name.contains(value))
    };
    for value in values.into_iter().filter(|value| value.chars().count() > 3 && !is_known(value)) {
        assert!(!cause.contains(value), "{name}: {value:?} in {cause}");
    }
}

#[tokio::test]
async fn a_bad_request_is_rejected_with_every_problem_and_leaves_no_trace_but_a_count() {
    let world = world().await;
    let before = keys(&world).await;
    for (number, bad) in files().iter().enumerate() {
        let ended = world.run(&bad.request).await;
        let (text, cause) = rejection(&bad.name, &ended);
        check_problems(bad, &cause);
        check_silence(bad, &text, &world.policy);
        assert!(text.len() <= 30_000, "{}: {} bytes", bad.name, text.len());
        let lines = world.log_lines();
        assert_eq!(lines.len(), number + 1, "{}: one line each: {:?}", bad.name, lines.last());
    }
    assert_eq!(keys(&world).await, before, "nothing is stored");
    assert!(before.iter().all(|key| key.starts_with("P#")), "{before:?}");
    assert!(world.stack.simulator.as_ref().unwrap().calls().is_empty(), "nothing is sent");
    assert!(world.stack.sink.as_ref().unwrap().data().is_empty(), "nothing is counted but by the log");
}

#[tokio::test]
async fn each_invalid_request_is_one_line_of_the_embedded_metric_format() {
    let world = world().await;
    world.run(&json!({ "canary": "canary" })).await;
    let mut lines = world.log_lines();
    assert!(lines[0]["_aws"]["Timestamp"].take().as_i64().is_some_and(|millis| millis > 1_700_000_000_000));
    let metric = json!({
        "Namespace": "GenAIRateLimiting",
        "Dimensions": [[]],
        "Metrics": [{ "Name": "InvalidRequests", "Unit": "Count" }],
    });
    let expected = json!({ "_aws": { "Timestamp": null, "CloudWatchMetrics": [metric] }, "InvalidRequests": 1 });
    assert_eq!(lines, [expected]);
}

#[test]
fn what_is_not_json_is_refused_with_its_place_and_without_its_text() {
    let desk = Desk::new();
    let check = |text: &[u8], place: &str| {
        std::fs::write(desk.path("bad.json"), text).unwrap();
        for (command, extra) in [("run", "--json"), ("explain", "--json")] {
            let done = desk.run(&[command, "bad.json", "--data", "books", extra]).expect(1);
            let first = done.stderr.lines().next().unwrap_or_default();
            assert_eq!(first, format!("error: bad.json{place}"), "{done:?}");
            assert!(done.stderr.contains("\nhint: ") && done.stdout.is_empty(), "{done:?}");
            assert!(!done.stderr.contains("canary") && !done.stderr.contains("::"), "{done:?}");
        }
    };
    check(b"", ":1:0: this is not JSON");
    check(b"{", ":1:1: this is not JSON");
    check(b"canary", ":1:1: this is not JSON");
    check(b"{\n  \"model\": \"canary\",\n  canary\n}", ":3:3: this is not JSON");
    check(b"{\"model\": \"canary\"} canary", ":1:21: this is not JSON");
    check(b"{\"model\": 'canary'}", ":1:11: this is not JSON");
    assert!(!desk.books().exists(), "no books for nothing");
    let done = desk.run_on(&["run", "-", "--data", "books"], "canary").expect(1);
    assert!(done.stderr.starts_with("error: standard input:1:1: this is not JSON"), "{done:?}");
}
