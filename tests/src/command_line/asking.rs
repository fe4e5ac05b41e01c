//! `check` and `explain`: they say, and change nothing.

use super::TWO;
use crate::binary::{Desk, Done, repository};
use crate::harness::sample;
use cost_sentry::local::stack::{Options, Stack};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::PathBuf;

#[test]
fn check_finds_nothing_wrong_with_what_ships() {
    let desk = Desk::new();
    let examples = repository().join("examples/policies");
    let shipped = std::fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
    let is_policy = |path: &PathBuf| path.extension() == Some(OsStr::new("yaml")) && path.with_extension("").extension().is_none();
    let policies: Vec<String> = shipped.filter(is_policy).map(|path| path.display().to_string()).collect();
    assert!(!policies.is_empty());
    for policy in &policies {
        let done = desk.run(&["check", "--policy", policy]).expect(0);
        assert!(done.stdout.contains(&format!("good: {policy}\n")) && done.stdout.contains("\n0 problems, "), "{done:?}");
    }
    let done = desk.run(&["check"]).expect(0);
    assert!(done.stdout.contains("good: the shipped policy\ngood: the state machine\n0 problems, "), "{done:?}");
}

#[test]
fn check_names_every_problem_with_its_line_and_column() {
    let desk = Desk::new();
    let broken = "models:\n  haiku: { id: no.such-model }\nbudgets:\n  - name: day\n    limit: { usd: -1 }\n    window: fortnight\n    mod: shadow\n";
    let policy = desk.file("broken.yaml", broken);
    let done = desk.run(&["check", "--policy", policy]).expect(1);
    let places: Vec<&str> = done.stdout.lines().filter_map(|line| line.strip_prefix("problem: broken.yaml:")).collect();
    let places: Vec<String> = places.iter().map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
    assert_eq!(
        places,
        ["2:12: /models/haiku/id", "7:5: /budgets/0/mod", "5:14: /budgets/0/limit/usd", "6:5: /budgets/0/window"],
        "{done:?}"
    );
    assert!(done.stdout.ends_with("4 problems, 0 warnings\n"), "{done:?}");

    let found = desk.run(&["check", "--policy", policy, "--json"]).expect(1).json();
    assert_eq!(found[0]["problems"].as_array().unwrap().len(), 4);
    let last = found[0]["problems"][3].clone();
    assert_eq!((&last["line"], &last["column"], &last["pointer"]), (&json!(6), &json!(5), &json!("/budgets/0/window")));
    assert_eq!(found[1], json!({ "file": "the state machine", "problems": [], "warnings": [] }));
}

#[test]
fn check_places_what_is_not_even_yaml_and_warns_of_ways_around_a_budget() {
    let desk = Desk::new();
    let check = |text: &str, status: i32, line: &str| {
        let done = desk.run(&["check", "--policy", desk.file("policy.yaml", text)]).expect(status);
        assert!(done.stdout.lines().any(|found| found.starts_with(line)), "{line}: {done:?}");
        assert!(!done.stdout.contains("::") && done.stderr.is_empty(), "{done:?}");
    };
    check("models: [\n", 1, "problem: policy.yaml:");
    check("models: {}\nmodels: {}\n", 1, "problem: policy.yaml:2:1: ");
    check("", 1, "problem: policy.yaml:");
    let two_names = TWO.replace("budgets:", "  other: { id: \"us.anthropic.claude-3-5-haiku-20241022-v1:0\" }\nbudgets:");
    check(&two_names, 0, "warning: policy.yaml:3:3: /models/other: ");
}

/// What is in the books, of all days that a test can touch.
async fn reservations(desk: &Desk) -> usize {
    let stack = Stack::start(Options { data: Some(desk.books()), ..Options::default() }).await.unwrap();
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let mut count = 0;
    for day in [today.yesterday().unwrap(), today, today.saturating_add(1.day())] {
        count += stack.ledger().decided_on(day).await.unwrap().len();
    }
    count
}

/// Where a request stands with its budgets, without what only a finished one has.
fn standings(document: &Value) -> Vec<Value> {
    let fields = ["name", "scope", "unit", "limit", "used", "held", "uncertain", "charge", "resetsAt", "mode", "standing", "reason"];
    let budgets = document["rateLimit"]["budgets"].as_array().into_iter().flatten();
    budgets.map(|budget| fields.iter().map(|field| budget[*field].clone()).collect()).collect()
}

#[tokio::test]
async fn an_explanation_holds_nothing_and_agrees_with_the_run_that_follows() {
    let desk = Desk::new();
    let policy = desk.file(
        "policy.yaml",
        &format!("{TWO}  - {{ name: words, limit: {{ tokens: 3000 }}, period: {{ from: \"2020-01-01T00:00:00Z\", until: \"2100-01-01T00:00:00Z\" }}, match: {{ environment: production }} }}\n"),
    );
    let script = desk.file("script.yaml", "models: { '*': { usage: { inputTokens: 100, outputTokens: 200 } } }");
    let with = |pointer: &str, value: Value| {
        let mut request = sample();
        *request.pointer_mut(pointer).unwrap() = value;
        request
    };
    let cases = [
        ("it fits", sample(), "APPROVED", 0),
        ("it never fits", with("/prompt/parameters/max_tokens", json!(4000)), "RATE_LIMIT_DENIED", 3),
        ("it is invalid", with("/prompt/parameters/max_tokens", json!("x")), "REQUEST_REJECTED", 2),
        ("another fits", with("/tags/environment", json!("dev")), "APPROVED", 0),
        ("both are gone", sample(), "RATE_LIMIT_DENIED", 3),
    ];
    let mut stored = 0;
    for (name, request, answer, status) in cases {
        let request = desk.file("request.json", &request.to_string());
        let explain = || desk.run(&["explain", request, "--policy", policy, "--data", "books", "--json"]).expect(status);
        let (first, second) = (explain().json(), explain().json());
        assert_eq!(first["answer"], answer, "{name}");
        assert_eq!(standings(&first), standings(&second), "{name}: the counters do not move");
        assert_eq!(reservations(&desk).await, stored, "{name}: nothing is held");
        let people = desk.run(&["explain", request, "--policy", policy, "--data", "books"]).expect(status);
        assert!(people.stdout.contains(answer), "{people:?}");

        let ran = run(&desk, request, policy, script).expect(status).json();
        assert_eq!(standings(&first), standings(&ran), "{name}");
        assert_eq!(first["rateLimit"]["largestMaxTokens"], ran["rateLimit"]["largestMaxTokens"], "{name}");
        assert_eq!(first["rateLimit"]["retryAfterSeconds"].is_string(), ran["rateLimit"]["retryAfterSeconds"].is_string(), "{name}");
        assert_eq!(first["problems"], ran["problems"], "{name}");
        stored += usize::from(status != 2);
    }
}

fn run(desk: &Desk, request: &str, policy: &str, script: &str) -> Done {
    desk.run(&["run", request, "--policy", policy, "--simulator", script, "--data", "books", "--json"])
}

#[test]
fn an_explanation_of_what_no_budget_covers_says_why() {
    let desk = Desk::new();
    let policy = desk.file("policy.yaml", &TWO.replace("name: two,", "name: two, match: { environment: dev },"));
    let done = desk.run(&["explain", desk.sample(), "--policy", policy, "--data", "books", "--json"]).expect(4);
    assert_eq!(done.json()["answer"], "INVOCATION_FAILED");
    assert!(done.json()["why"].as_str().unwrap().starts_with("no enforced budget applies to this request"), "{done:?}");
}
