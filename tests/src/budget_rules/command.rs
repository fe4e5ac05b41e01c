//! `check`, `policy apply` and `explain` say what a change does, and when.

use crate::binary::Desk;
use serde_json::{Value, json};

const DAY: &str = "{ models: { nova: { id: us.amazon.nova-lite-v1:0 } }, budgets: [{ name: b, limit: { requests: 10 }, window: day }] }";

fn period(from: &str, until: &str) -> String {
    DAY.replace("window: day", &format!("period: {{ from: '{from}', until: '{until}' }}"))
}

/// A window that runs whenever this test does, whose end is known.
fn ages() -> String {
    period("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
}

const WAITS: &str = "`b`: 10 requests per period 2020-01-01T00:00:00Z to 2100-01-01T00:00:00Z, enforced stays in force until \
    2100-01-01T00:00:00Z; then 10 requests per day in UTC, enforced counts, from zero";

fn apply(desk: &Desk) -> String {
    desk.run(&["policy", "apply", "policy.yaml", "--data", "books"]).expect(0).stdout
}

fn check(desk: &Desk) -> String {
    desk.run(&["check", "--policy", "policy.yaml", "--data", "books"]).expect(0).stdout
}

#[test]
fn what_a_change_does_is_said_before_it_is_applied_when_it_is_and_while_it_waits() {
    let desk = Desk::new();
    desk.file("policy.yaml", &ages());
    assert!(!check(&desk).contains("change:"), "nothing is applied yet");
    assert!(!desk.path("books").exists(), "looking creates nothing");
    assert!(!apply(&desk).contains("change:"), "the first policy changes nothing");
    desk.file("policy.yaml", DAY);
    let said = format!("policy.yaml would, applied in books now, change:\nchange: {WAITS}\n");
    assert!(check(&desk).contains(&said), "{}", check(&desk));
    let applied = apply(&desk);
    assert!(applied.contains("is now current in books\n") && applied.ends_with(&format!("change: {WAITS}\n")), "{applied}");
    let again = apply(&desk);
    assert_eq!(again, applied.replace("is now current", "was current already"), "the same file, with the same version");
    let waits = format!("policy.yaml is current in books already, and waits for:\nchange: {WAITS}\n");
    assert!(check(&desk).contains(&waits), "{}", check(&desk));
    // The request is held to what is in force, whoever asks.
    let request = desk.file("request.json", &request().to_string()).to_owned();
    let end = |document: &Value| document["rateLimit"]["budgets"][0]["resetsAt"].clone();
    let explained = desk.run(&["explain", &request, "--policy", "policy.yaml", "--data", "books", "--json"]).expect(0).json();
    assert_eq!(end(&explained), "2100-01-01T00:00:00Z");
    let run = desk.run(&["run", &request, "--policy", "policy.yaml", "--data", "books", "--json"]).expect(0).json();
    assert_eq!(end(&run), "2100-01-01T00:00:00Z");
    assert_eq!(explained["policyVersion"], applied.split(' ').nth(1).unwrap());
}

#[test]
fn a_budget_that_nothing_bounds_until_a_change_counts_is_refused_before_it_is_applied() {
    let desk = Desk::new();
    let policy = |org: &str, app: &str| {
        let org = format!("{{ name: org, limit: {{ usd: 10 }}, window: month{org} }}");
        format!("{{ models: {{ nova: {{ id: us.amazon.nova-lite-v1:0 }} }}, budgets: [{org}{app}] }}")
    };
    let app = ", { name: app, limit: { usd: 1 }, window: day, per: [applicationId] }";
    desk.file("policy.yaml", &policy(", mode: shadow", ""));
    apply(&desk);
    desk.file("policy.yaml", &policy("", app));
    for command in [&["check", "--policy", "policy.yaml", "--data", "books"][..], &["policy", "apply", "policy.yaml", "--data", "books"]] {
        let refused = desk.run(command).expect(1).stderr;
        assert!(refused.contains("budget `app`: until ") && refused.contains("hint: list the values under `tags`"), "{refused}");
    }
    desk.file("policy.yaml", &policy(", effective: atOnce", app));
    apply(&desk);
}

#[test]
fn changes_are_data_too() {
    let desk = Desk::new();
    desk.file("policy.yaml", &ages());
    apply(&desk);
    desk.file("policy.yaml", DAY);
    let change = json!({ "budget": "b", "fields": ["window"], "from": "2100-01-01T00:00:00Z", "counts": "fromZero", "says": WAITS });
    let checked = desk.run(&["check", "--policy", "policy.yaml", "--data", "books", "--json"]).expect(0).json();
    assert_eq!(checked[0]["wouldChange"], json!({ "place": "books", "isCurrent": false, "changes": [change] }));
    let applied = desk.run(&["policy", "apply", "policy.yaml", "--data", "books", "--json"]).expect(0).json();
    assert_eq!((&applied["applied"], &applied["changes"], &applied["place"]), (&json!(true), &json!([change]), &json!("books")));
    let again = desk.run(&["policy", "apply", "policy.yaml", "--data", "books", "--json"]).expect(0).json();
    assert_eq!((&again["applied"], &again["changes"], &again["version"]), (&json!(false), &json!([change]), &applied["version"]));
    desk.file("policy.yaml", &DAY.replace("10", "9"));
    let cheaper = desk.run(&["policy", "apply", "policy.yaml", "--data", "books", "--json"]).expect(0).json();
    assert_eq!(cheaper["changes"][0]["from"], "2100-01-01T00:00:00Z", "a second change waits as long, and replaces the first");
    assert_eq!(cheaper["changes"].as_array().unwrap().len(), 1);
}

#[test]
fn a_freeze_an_increase_and_a_tier_are_explained() {
    let desk = Desk::new();
    let request = desk.file("request.json", &request().to_string()).to_owned();
    let explain = |policy: &str, status: i32| {
        desk.file("policy.yaml", policy);
        desk.run(&["explain", &request, "--policy", "policy.yaml", "--data", "books"]).expect(status).stdout
    };
    let frozen = explain(&DAY.replace("window: day", "window: day, frozen: true"), 3);
    assert!(frozen.contains("the budget is frozen: it takes no new request until its policy says so"), "{frozen}");
    assert!(frozen.contains("retry:    when the budget is frozen no more\n"), "{frozen}");
    let increase =
        "increases: [{ limit: { requests: 5 }, from: '2020-01-01T00:00:00Z', until: '2100-01-01T00:00:00Z', reason: the launch }]";
    let more = explain(&DAY.replace("window: day", &format!("window: day, {increase}")), 0);
    assert!(more.contains("limit 15 requests"), "{more}");
    assert!(more.contains("The limit of b has 5 requests more until 2100-01-01T00:00:00Z: the launch\n"), "{more}");
    let tier = DAY.replace("us.amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0, serviceTier: flex").replace("requests: 10", "usd: 1");
    let flex = explain(&tier, 0);
    assert!(flex.contains("tier:     flex\n") && flex.contains("at 0.40 per million input and 1.60 per million output"), "{flex}");
    let heuristic = explain(&DAY.replace("budgets:", "requests: { inputBound: heuristic }, budgets:"), 0);
    assert!(heuristic.contains("input:    about 82 tokens (an estimate from its characters, which may be too low)\n"), "{heuristic}");
    let sonnet = DAY.replace("us.amazon.nova-lite-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    let counted = explain(&sonnet.replace("budgets:", "requests: { inputBound: count-tokens }, budgets:"), 0);
    assert!(counted.contains("the workflow would have the input counted first, and hold what is counted"), "{counted}");
}

#[test]
fn what_check_can_foresee_it_says() {
    let desk = Desk::new();
    let says = |policy: &str, expected: &str| {
        desk.file("policy.yaml", policy);
        let found = check(&desk);
        assert!(found.contains(expected), "{found}");
    };
    says(&DAY.replace("budgets:", "requests: { inputBound: heuristic }, budgets:"), "/requests/inputBound: an estimate, no bound: ");
    let past = "increases: [{ limit: { requests: 5 }, from: '2020-01-01T00:00:00Z', until: '2020-01-02T00:00:00Z', reason: over }]";
    says(
        &DAY.replace("window: day", &format!("window: day, {past}")),
        "/budgets/0/increases/0: the increase is over: it adds nothing any more",
    );
    let tier = DAY.replace("us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0, serviceTier: flex").replace("requests: 10", "usd: 1");
    says(
        &tier,
        "/models/nova/serviceTier: no price is known in the service tier `flex`: every request that budget `b` applies to is refused until",
    );
    let one = |n| format!("{{ name: b{n}, limit: {{ requests: 1 }}, window: day, match: {{ costCenter: sales }} }}");
    let many = (0..21).map(one).collect::<Vec<_>>().join(", ");
    let many = format!("{{ models: {{ nova: {{ id: us.amazon.nova-lite-v1:0 }} }}, budgets: [{many}] }}");
    says(
        &many,
        "/budgets: 21 budgets apply to a request with model `nova` and costCenter `sales`, and at most 20 can: it would be refused",
    );
}

fn request() -> Value {
    json!({
        "model": "nova",
        "prompt": { "messages": [{ "role": "user", "content": "Hello" }], "parameters": { "max_tokens": 100 } },
        "tags": { "applicationId": "docs" }
    })
}
