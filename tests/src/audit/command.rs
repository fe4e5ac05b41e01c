//! The command, on a data folder and beside a running endpoint.

use super::books_under_test::{Damage, damage};
use crate::binary::{Desk, Done};
use crate::harness::sample;
use crate::local_endpoint::process::{Local, policy};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use cost_sentry::local::stack::{Options, Stack};
use serde_json::{Value, json};

/// An enforced and a shadow budget, of a week: little to be read.
const BUDGETS: &str = "{ name: open, limit: { requests: 1000, usd: 5 }, window: week }, \
                       { name: trial, limit: { tokens: 100000 }, window: week, mode: shadow }";

fn audit(desk: &Desk, more: &[&str]) -> Done {
    desk.run(&[&["audit", "--data", "books"], more].concat())
}

fn counter<'a>(document: &'a Value, name: &str) -> &'a Value {
    let counters = document["counters"].as_array().unwrap();
    counters.iter().find(|counter| counter["name"] == name).unwrap_or_else(|| panic!("{name}: {document:#}"))
}

/// A client of the running process's DynamoDB.
fn dynamodb(local: &Local) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(local.announced("dynamodb"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Without what the moment of an audit changes.
fn lasting(mut document: Value) -> Value {
    document["at"] = Value::Null;
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_says_the_same_of_the_folder_of_its_running_process_and_through_the_process_itself() {
    let desk = Desk::new();
    let local = Local::start(&desk, &policy(BUDGETS), &[], &[]);
    for _ in 0..3 {
        let client = local.client();
        let start = client.start_sync_execution().state_machine_arn(local.express()).input(sample().to_string());
        assert_eq!(start.send().await.unwrap().status().as_str(), "SUCCEEDED");
    }
    let url = local.announced("dynamodb").to_owned();
    let through = || desk.run_with(&["audit", "--data", "nowhere", "--json"], &[("AWS_ENDPOINT_URL_DYNAMODB", &url)]);
    let beside = audit(&desk, &["--json"]).expect(0).json();
    assert_eq!(lasting(beside.clone()), lasting(through().expect(0).json()));
    assert_eq!((&beside["verdict"], &beside["reservations"]), (&json!("balanced"), &json!(3)));
    assert_eq!(counter(&beside, "open")["standing"], "balanced");
    assert_eq!(counter(&beside, "trial")["standing"], "approximate");

    let key = counter(&beside, "open")["key"].as_str().unwrap().to_owned();
    damage(&dynamodb(&local), &[Damage::Add(key.clone(), "c_req", 2), Damage::Add(key, "u_usd", -1)]).await;
    let wrong = audit(&desk, &["--json"]).expect(5).json();
    assert_eq!(lasting(wrong.clone()), lasting(through().expect(5).json()));
    let [usd, requests] = [0, 1].map(|n| counter(&wrong, "open")["units"][n].clone());
    assert_eq!(requests["difference"], json!({ "committed": 2, "used": 0, "uncertain": 0 }));
    assert_eq!(usd["difference"], json!({ "committed": "0.00", "used": "-0.000000001", "uncertain": "0.00" }));

    let text = audit(&desk, &[]).expect(5).stdout;
    assert!(text.contains("5 ≠ 3 (+2)") && text.contains("✗ open, week from"), "{text}");
    assert!(text.ends_with("the books are out of balance: 1 counter\n"), "{text}");
    audit(&desk, &["--budget", "trial"]).expect(0);
    audit(&desk, &["--window", "day"]).expect(0);
    audit(&desk, &["--window", "week"]).expect(5);
    local.stop("TERM").expect(0);
    assert_eq!(lasting(audit(&desk, &["--json"]).expect(5).json()), lasting(wrong));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_mended_where_that_may_be_and_only_when_somebody_says_so() {
    let desk = Desk::new();
    let stack = Stack::start(Options { data: Some(desk.books()), ..Options::default() }).await.unwrap();
    // Hours of a day long past.
    super::books_under_test::fill(&stack.ledger()).await;
    let closed = ["--window", "2026-11-20"];
    let now_open = crate::ledger_suite::books::at("2026-11-20T12:30:00Z").as_second() > jiff::Timestamp::now().as_second();
    assert!(!now_open, "this machine's clock is wrong");
    let key = super::books_under_test::counter(&super::books_under_test::app());
    damage(&stack.clients.dynamodb(), &[Damage::Add(key, "c_tok", 7)]).await;
    drop(stack);

    let repair = |more: &[&str]| audit(&desk, &[&closed[..], &["--repair", "--by", "ada", "--reason", "a test"], more].concat());
    let shown = repair(&["--dry-run"]).expect(5).stdout;
    let would = "app, hour from 2026-11-20T12:00:00Z: set the counter to what its reservations say: tokens committed -7";
    assert!(shown.contains(would), "{shown}");
    let asked = repair(&[]).expect(1).stderr;
    assert!(asked.contains("nobody can be asked") && asked.contains("hint: --yes"), "{asked}");
    assert_eq!(audit(&desk, &[&closed[..], &["--json"]].concat()).expect(5).json()["verdict"], "outOfBalance");

    let mended = repair(&["--yes"]).expect(0).stdout;
    assert!(mended.contains("mended: app, hour from") && mended.ends_with("the books balance\n"), "{mended}");
    assert!(mended.contains("by ada") && mended.contains("(\"a test\")"), "{mended}");
    let after = audit(&desk, &[&closed[..], &["--json"]].concat()).expect(0).json();
    let adjustment = &counter(&after, "app")["adjustments"][0];
    assert_eq!((&adjustment["by"], &adjustment["reason"], &adjustment["number"]), (&json!("ada"), &json!("a test"), &json!(1)));
    assert_eq!(adjustment["amounts"][0]["stored"]["committed"], json!(1927));
    assert_eq!(adjustment["amounts"][0]["recomputed"]["committed"], json!(1920));
    assert!(repair(&["--yes"]).expect(0).stdout.contains("nothing is to be mended"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_window_is_not_mended() {
    let desk = Desk::new();
    desk.run(&["run", desk.sample(), "--policy", desk.file("policy.yaml", &policy(BUDGETS)), "--data", "books"]).expect(0);
    let key = counter(&audit(&desk, &["--json"]).expect(0).json(), "open")["key"].as_str().unwrap().to_owned();
    let stack = Stack::start(Options { data: Some(desk.books()), ..Options::default() }).await.unwrap();
    damage(&stack.clients.dynamodb(), &[Damage::Add(key, "c_req", 1)]).await;
    drop(stack);
    let done = audit(&desk, &["--repair", "--reason", "a test", "--yes", "--json"]).expect(5).json();
    let (repair, open) = (&done["repairs"][0], counter(&done, "open"));
    assert_eq!((&repair["result"], &repair["closes"]), (&json!("refused"), &open["until"]));
    assert!(repair["why"].as_str().unwrap().contains("freeze the budget `open`"), "{repair}");
    assert_eq!(open["adjustments"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_was_frozen_while_a_change_of_it_waits_is_mended_all_the_same() {
    let desk = Desk::new();
    desk.run(&["run", desk.sample(), "--policy", desk.file("policy.yaml", &policy(BUDGETS)), "--data", "books"]).expect(0);
    for more in ["shards: 4", "shards: 4, frozen: true"] {
        let changed = BUDGETS.replacen("window: week", &format!("window: week, {more}"), 1);
        desk.run(&["policy", "apply", desk.file("policy.yaml", &policy(&changed)), "--data", "books"]).expect(0);
    }
    let before = audit(&desk, &["--json", "--budget", "open"]).expect(0);
    assert!(!before.stderr.contains("another version"), "{before:?}");
    let key = counter(&before.json(), "open")["key"].as_str().unwrap().to_owned();
    let stack = Stack::start(Options { data: Some(desk.books()), ..Options::default() }).await.unwrap();
    damage(&stack.clients.dynamodb(), &[Damage::Add(key, "c_req", 1)]).await;
    drop(stack);
    let done = audit(&desk, &["--repair", "--reason", "a test", "--yes", "--json"]).expect(0).json();
    assert_eq!(done["repairs"][0]["result"], "mended", "{done:#}");
}

#[test]
fn what_cannot_be_audited_is_said_and_never_balanced() {
    let desk = Desk::new();
    let check = |arguments: &[&str], status: i32, says: &str| {
        let done = audit(&desk, arguments).expect(status);
        assert!(done.stderr.contains(says), "{done:?}");
    };
    check(&[], 1, "books holds no ledger");
    desk.run(&["run", desk.sample(), "--policy", desk.file("policy.yaml", &policy(BUDGETS)), "--data", "books"]).expect(0);
    check(&["--budget", "opne"], 1, "the policy has open, trial");
    check(&["--window", "yesterday"], 1, "a date such as `2026-11-20`");
    check(&["--repair"], 2, "--reason");
    check(&["--yes"], 2, "--repair");
}
