//! Several runs on one folder at once.

use super::TWO;
use crate::binary::{Desk, Done, finish};
use std::process::Child;

/// So many runs of the sample, started together.
fn runs(desk: &Desk, count: usize, policy: &str) -> Vec<Done> {
    let (request, policy) = (desk.sample(), desk.file("policy.yaml", policy));
    let script = desk.file("script.yaml", "models: { '*': { latency: 300ms, usage: { inputTokens: 100, outputTokens: 200 } } }");
    let arguments = ["run", request, "--policy", policy, "--simulator", script, "--data", "books", "--json"];
    let running: Vec<Child> = (0..count).map(|_| desk.command(&arguments).spawn().unwrap()).collect();
    running.into_iter().map(finish).collect()
}

fn check(count: usize, policy: &str, fitting: usize) {
    let desk = Desk::new();
    let done = runs(&desk, count, policy);
    let with = |status: i32, outcome: &str| done.iter().filter(|done| done.status == status && done.json()["outcome"] == outcome).count();
    let (answered, denied) = (with(0, "INVOCATION_SUCCEEDED"), with(3, "RATE_LIMIT_DENIED"));
    assert_eq!((answered, denied), (fitting, count - fitting), "{done:#?}");
    let last = runs(&desk, 1, policy).remove(0).json();
    let budget = &last["rateLimit"]["budgets"][0];
    let figures = [&budget["used"], &budget["held"], &budget["uncertain"]].map(|figure| figure.as_u64().unwrap());
    assert_eq!(figures, [fitting as u64, 0, 0], "all is settled: {last}");
}

#[test]
fn two_runs_at_once_share_a_budget_with_room_for_both() {
    check(2, TWO, 2);
}

#[test]
fn of_twelve_runs_at_once_exactly_those_that_fit_are_approved() {
    check(12, &TWO.replace("requests: 2", "requests: 5"), 5);
}
