//! What cannot be done is said in a sentence, with a hint, and exit status 1.

use super::TWO;
use crate::binary::{Desk, Done};

/// One sentence on standard error that starts like this, and a hint with these words.
fn check(done: Done, sentence: &str, hint: &str) {
    let done = done.expect(1);
    assert!(done.stderr.starts_with(&format!("error: {sentence}")), "{sentence}: {done:?}");
    let found = done.stderr.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_else(|| panic!("no hint: {done:?}"));
    assert!(found.contains(hint), "{hint}: {done:?}");
    for word in ["::", "Os {", "Error(", "unwrap", "RUST_BACKTRACE"] {
        assert!(!done.stderr.contains(word), "{word}: {done:?}");
    }
    assert!(done.stdout.is_empty(), "{done:?}");
}

#[test]
fn a_request_that_cannot_be_read() {
    let desk = Desk::new();
    check(desk.run(&["run", "none.json"]), "none.json: ", "a request's JSON file");
    check(desk.run(&["explain", "."]), ".: ", "a request's JSON file");
    assert!(!desk.path(".cost-sentry").exists(), "no books for nothing");
}

#[test]
fn books_that_are_no_folder() {
    let desk = Desk::new();
    desk.file("books", "I am a file.");
    for arguments in [&["run", "request.json"][..], &["explain", "request.json"], &["sweep"], &["policy", "apply", "policy.yaml"]] {
        desk.sample();
        desk.file("policy.yaml", TWO);
        check(desk.run(&[arguments, &["--data", "books"]].concat()), "the folder books could not be created: ", "--data DIR");
    }
    std::fs::create_dir(desk.path("strange")).unwrap();
    desk.file("strange/ledger.sqlite", &"This is no database. ".repeat(100));
    check(desk.run(&["run", "request.json", "--data", "strange"]), "the local ledger could not be opened: ", "ledger.sqlite");
}

#[test]
fn a_policy_that_cannot_be_used() {
    let desk = Desk::new();
    let request = desk.sample();
    desk.file("broken.yaml", "models: {}\nbudgets: []\nbudget: 1\n");
    for command in [&["run", request][..], &["explain", request]] {
        let with = |policy: &str| desk.run(&[command, &["--policy", policy]].concat());
        check(with("none.yaml"), "none.yaml: ", "a policy's YAML file");
        check(with("."), ".: ", "a policy's YAML file");
        check(with("broken.yaml"), "the policy cannot be used:\n  broken.yaml:3:1: /budget: ", "cost-sentry check --policy broken.yaml");
    }
    check(desk.run(&["policy", "apply", "broken.yaml"]), "the policy cannot be used:\n  broken.yaml:3:1: ", "cost-sentry check");
    check(desk.run(&["check", "--policy", "none.yaml"]), "none.yaml: ", "a policy's YAML file");
    assert!(!desk.path(".cost-sentry").exists(), "no books for nothing");
}

#[test]
fn a_simulator_script_that_cannot_be_used() {
    let desk = Desk::new();
    let request = desk.sample();
    let with = |text: &str| desk.run(&["run", request, "--simulator", desk.file("script.yaml", text), "--data", "books"]);
    check(
        with("models: { claude-3-5-haikuu: {} }"),
        "script.yaml: no model of the policy is called `claude-3-5-haikuu`",
        "the nearest name is `claude-3-5-haiku`",
    );
    check(
        with("models: { '*': { anwser: x } }"),
        "script.yaml: line 1, column 18: unknown field `anwser`; did you mean `answer`?",
        "--simulator",
    );
    check(desk.run(&["run", request, "--simulator", "none.yaml"]), "none.yaml: ", "--simulator");
    assert!(!desk.books().exists(), "no books for nothing");
}

#[test]
fn a_configuration_that_is_wrong() {
    let desk = Desk::new();
    let done = desk.run_with(
        &["run", desk.sample(), "--data", "books"],
        &[("COST_SENTRY_METRICS", "x"), ("COST_SENTRY_CONVERSE_TIMEOUT_SECONDS", "0")],
    );
    let all =
        "error: the environment is not complete: COST_SENTRY_METRICS must be `put` or `emf`; COST_SENTRY_CONVERSE_TIMEOUT_SECONDS must be";
    assert!(done.expect(1).stderr.starts_with(all));
}
