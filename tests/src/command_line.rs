//! The built binary, as people and scripts use it.

mod asking;
mod at_once;
mod endpoints;
mod failing;
mod killed;

use crate::binary::{Desk, Done};
use expect_test::expect;
use serde_json::{Value, json};

/// Room for two requests in a window that never ends.
const TWO: &str = r#"models:
  claude-3-5-haiku: { id: "us.anthropic.claude-3-5-haiku-20241022-v1:0" }
budgets:
  - { name: two, limit: { requests: 2 }, period: { from: "2020-01-01T00:00:00Z", until: "2100-01-01T00:00:00Z" } }
"#;

/// A run of the sample with this policy and the desk's books.
fn run(desk: &Desk, more: &[&str]) -> Done {
    desk.run(&[&["run", desk.sample(), "--policy", desk.file("policy.yaml", TWO), "--data", "books"], more].concat())
}

#[test]
fn the_exit_status_tells_how_it_ended() {
    let desk = Desk::new();
    let fails = desk.file("fails.yaml", "models: { '*': { always: { error: AccessDeniedException } } }");
    run(&desk, &[]).expect(0);
    run(&desk, &["--simulator", fails]).expect(4);
    run(&desk, &[]).expect(0);
    run(&desk, &[]).expect(3);
    desk.run_on(&["run", "-", "--data", "other-books"], "{}").expect(2);
    desk.run(&["run", "no-such-file.json"]).expect(1);
    desk.run(&["run"]).expect(2);
}

#[test]
fn with_json_standard_output_is_the_document_alone_and_the_states_go_to_standard_error() {
    let desk = Desk::new();
    let fails = desk.file("fails.yaml", "models: { '*': { always: { error: AccessDeniedException } } }");
    let check = |arguments: &[&str], status: i32, outcome: &str, states: &[&str]| {
        let done = run(&desk, &[&["--json"], arguments].concat()).expect(status);
        assert_eq!(done.json()["outcome"], outcome, "{done:?}");
        assert!(done.stdout.ends_with("}\n") && done.stdout.lines().count() == 1, "{done:?}");
        for state in states {
            assert!(done.stderr.contains(state), "{state}: {done:?}");
        }
    };
    check(&[], 0, "INVOCATION_SUCCEEDED", &["▶ ValidateAndSetContext", "◇ IsApproved", "▶ InvokeModel", "■ InvocationSucceeded"]);
    check(&["--simulator", fails], 4, "INVOCATION_FAILED", &["▶ RecordMetrics", "■ InvocationFailed"]);
    check(&[], 0, "INVOCATION_SUCCEEDED", &[]);
    check(&[], 3, "RATE_LIMIT_DENIED", &["▶ CheckRateLimit", "■ RateLimitDenied"]);
    let rejected = desk.run_on(&["run", "-", "--data", "books", "--json"], "{}").expect(2);
    assert_eq!(rejected.json()["error"], "InvalidRequest");
    assert!(rejected.stderr.contains("■ RequestRejected"), "{rejected:?}");
}

#[test]
fn a_call_that_takes_too_long_ends_with_its_time_out() {
    let desk = Desk::new();
    let never = desk.file("never.yaml", "models: { '*': { latency: 100s } }");
    let arguments = ["run", desk.sample(), "--simulator", never, "--data", "books", "--json"];
    let done = desk.run_with(&arguments, &[("COST_SENTRY_CONVERSE_TIMEOUT_SECONDS", "1")]).expect(4).json();
    assert_eq!(done["error"]["name"], "ModelTimedOut");
    assert_eq!(done["error"]["moneyMayHaveBeenSpent"], true);
}

#[test]
fn people_read_the_outcome_without_colour_where_no_terminal_is() {
    let desk = Desk::new();
    let script = desk.file("script.yaml", "models: { '*': { answer: S3 keeps things., usage: { inputTokens: 100, outputTokens: 200 } } }");
    let done = run(&desk, &["--simulator", script]).expect(0);
    assert!(!done.stdout.contains('\u{1b}') && !done.stderr.contains('\u{1b}'), "{done:?}");
    for line in ["INVOCATION_SUCCEEDED", "answer:   S3 keeps things.", "100 in, 200 out, 300 tokens, 0.00088 USD", "two"] {
        assert!(done.stdout.contains(line), "{line}: {done:?}");
    }
    run(&desk, &[]).expect(0);
    let denied = run(&desk, &[]).expect(3);
    for line in ["RATE_LIMIT_DENIED", "1 requests asked, 0 of 2 left until 2100-01-01T00:00:00Z", "retry:"] {
        assert!(denied.stdout.contains(line), "{line}: {denied:?}");
    }
}

#[test]
fn budgets_persist_from_run_to_run_in_their_folder_and_nowhere_else() {
    let desk = Desk::new();
    let used = |done: &Done| done.json()["rateLimit"]["budgets"][0]["used"].clone();
    assert_eq!(used(&run(&desk, &["--json"]).expect(0)), 0);
    assert_eq!(used(&run(&desk, &["--json"]).expect(0)), 1);
    assert_eq!(used(&run(&desk, &["--json"]).expect(3)), 2);
    let elsewhere = desk.run(&["run", "request.json", "--policy", "policy.yaml", "--data", "elsewhere", "--json"]).expect(0);
    assert_eq!(used(&elsewhere), 0);
    let mut names: Vec<_> = std::fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["books", "elsewhere", "policy.yaml", "request.json"]);
    let log = std::fs::read_to_string(desk.books().join("log.jsonl")).unwrap();
    let outcomes: Vec<Value> = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"].clone()).collect();
    assert_eq!(outcomes, ["INVOCATION_SUCCEEDED", "INVOCATION_SUCCEEDED", "RATE_LIMIT_DENIED"]);
}

#[test]
fn a_policy_is_applied_once_and_then_current_already() {
    let desk = Desk::new();
    desk.file("policy.yaml", TWO);
    let apply = || desk.run(&["policy", "apply", "policy.yaml", "--data", "books"]).expect(0).stdout;
    let (first, second) = (apply(), apply());
    let version = first.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(version.len(), 16, "{first}");
    assert_eq!(first, format!("policy {version} (policy.yaml) is now current in books\n"));
    assert_eq!(second, format!("policy {version} (policy.yaml) was current already in books\n"));
    desk.file("policy.yaml", &format!("# A comment is no other policy.\n{TWO}"));
    assert_eq!(apply(), second);
    desk.file("policy.yaml", &TWO.replace("requests: 2", "requests: 3"));
    let limit = "change: `two`: the limit is 3 requests instead of 2 requests; at once, and the counts so far stay\n";
    assert!(apply().ends_with(&format!("is now current in books\n{limit}")));
}

#[test]
fn a_sweep_with_nothing_to_end_says_so() {
    let desk = Desk::new();
    run(&desk, &[]).expect(0);
    assert_eq!(desk.run(&["sweep", "--data", "books", "--json"]).expect(0).json(), json!({ "released": 0, "uncertain": 0, "left": 0 }));
    expect![[r"
        released 0 holds, marked 0 claims uncertain; a reservation is ended 390 seconds after its step last touched it
    "]]
    .assert_eq(&desk.run(&["sweep", "--data", "books"]).expect(0).stdout);
}

#[test]
fn every_command_has_help_with_an_example() {
    let desk = Desk::new();
    for command in [&["run"][..], &["check"], &["explain"], &["policy", "apply"], &["policy", "schema"], &["sweep"]] {
        let done = desk.run(&[command, &["--help"]].concat()).expect(0);
        assert!(done.stdout.contains("Usage: cost-sentry ") && done.stdout.contains("\nExample:\n"), "{done:?}");
    }
    let help = desk.run(&["--help"]).expect(0).stdout;
    for command in ["run", "check", "explain", "policy", "sweep"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    assert!(desk.run(&["--version"]).expect(0).stdout.starts_with("cost-sentry "));
    assert!(desk.run(&["rum"]).expect(2).stderr.contains("run"), "a misspelt command is guessed");
}
