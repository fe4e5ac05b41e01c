//! What `check` warns of: ways around a budget, and models near their end of life.

use super::{HAIKU, policy, policy_document, with};
use crate::problem::Problem;
use expect_test::{Expect, expect};
use jiff::civil::{Date, date};
use serde_json::{Value, json};

/// Long before any end of life.
const EARLY: Date = date(2020, 1, 1);

fn check(changes: &[(&str, Value)], today: Date, expected: &Expect) {
    let found: Vec<Problem> =
        policy(&with(policy_document(), changes)).warnings(today.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp());
    super::assert_lines(&found, expected);
}

fn budgets(budgets: Value) -> (&'static str, Value) {
    ("/budgets", budgets)
}

#[test]
fn the_ways_around_a_budget_are_named() {
    check(
        &[],
        EARLY,
        &expect![[r"
        /budgets/1/match/environment: a request with another `environment`, or without it, is held to other budgets only: pin the tag, or map it to a profile
    "]],
    );
    let haiku = json!({ "name": "haiku", "limit": { "usd": 1 }, "window": "day", "match": { "model": "claude-3-5-haiku" } });
    let other_names = [
        budgets(json!([haiku])),
        ("/models/cheap", json!({ "id": "eu.anthropic.claude-3-5-haiku-20241022-v1:0" })),
        ("/modelIds", json!(["anthropic.claude-3-5-haiku-20241022-v1:0", "amazon.nova-lite-v1:0"])),
    ];
    check(
        &other_names,
        EARLY,
        &expect![[r"
        /budgets/0/match/model: the same model is reached without this budget as `cheap` and `anthropic.claude-3-5-haiku-20241022-v1:0`; match `underlying` to count it all
    "]],
    );
    check(
        &[("/models/twin", json!({ "id": HAIKU }))],
        EARLY,
        &expect![[r"
        /models/twin: calls the same id as `claude-3-5-haiku`; a request that names the id counts as `claude-3-5-haiku`
        /budgets/1/match/environment: a request with another `environment`, or without it, is held to other budgets only: pin the tag, or map it to a profile
    "]],
    );
}

#[test]
fn a_budget_on_a_listed_id_is_warned_of_like_one_on_a_name() {
    let nova = json!({ "name": "nova", "limit": { "requests": 1 }, "window": "day", "match": { "model": "amazon.nova-lite-v1:0" } });
    let ids = ("/modelIds", json!(["amazon.nova-lite-v1:0", "eu.amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"]));
    check(
        &[budgets(json!([nova])), ids.clone(), ("/models/lite", json!({ "id": "us.amazon.nova-lite-v1:0" }))],
        EARLY,
        &expect![[r"
        /budgets/0/match/model: the same model is reached without this budget as `lite` and `eu.amazon.nova-lite-v1:0`; match `underlying` to count it all
    "]],
    );
    // No other name or id reaches this one.
    let micro = json!({ "name": "micro", "limit": { "requests": 1 }, "window": "day", "match": { "model": "amazon.nova-micro-v1:0" } });
    check(&[budgets(json!([micro])), ids], EARLY, &expect![[""]]);
}

#[test]
fn a_tag_that_a_caller_can_leave_out_is_a_way_around_unless_that_ends_without_a_budget() {
    let only = |key: &str, value: &str| budgets(json!([{ "name": "b", "limit": { "usd": 1 }, "window": "day", "match": { key: value } }]));
    check(&[only("costCenter", "sales")], EARLY, &expect![[""]]);
    check(
        &[only("costCenter", "sales"), ("/requests", json!({ "unbudgeted": "allow" }))],
        EARLY,
        &expect![[r"
        /budgets/0/match/costCenter: a request with another `costCenter`, or without it, may be held to no budget at all: pin the tag, or map it to a profile
    "]],
    );
    check(
        &[only("a/b", "c"), ("/tags/a~1b", json!("open")), ("/requests", json!({ "unbudgeted": "allow" }))],
        EARLY,
        &expect![[r"
        /budgets/0/match/a~1b: a request with another `a/b`, or without it, may be held to no budget at all: pin the tag, or map it to a profile
    "]],
    );
}

#[test]
fn a_policy_that_enforces_nothing_is_warned_of() {
    let shadow = json!([{ "name": "b", "limit": { "usd": 1 }, "window": "day", "match": { "costCenter": "a" }, "mode": "shadow" }]);
    check(
        &[budgets(shadow)],
        EARLY,
        &expect![[r"
        /budgets: no budget is enforced: every request is refused, or with `unbudgeted: allow` none is
    "]],
    );
    check(
        &[budgets(json!([]))],
        EARLY,
        &expect![[r"
        /budgets: no budget is enforced: every request is refused, or with `unbudgeted: allow` none is
    "]],
    );
}

#[test]
fn a_model_is_warned_of_from_ninety_days_before_its_end_of_life() {
    let sonnet = [
        ("/models", json!({ "sonnet": { "id": "us.anthropic.claude-sonnet-4-5-20250929-v1:0" } })),
        budgets(json!([{ "name": "b", "limit": { "usd": 1 }, "window": "day" }])),
    ];
    check(&sonnet, date(2027, 1, 7), &expect![[""]]);
    check(
        &sonnet,
        date(2027, 1, 8),
        &expect![[r"
        /models/sonnet: the model's end of life is 2027-04-08
    "]],
    );
    check(
        &sonnet,
        date(2027, 4, 7),
        &expect![[r"
        /models/sonnet: the model's end of life is 2027-04-08
    "]],
    );
    check(
        &sonnet,
        date(2027, 4, 8),
        &expect![[r"
        /models/sonnet: the model's end of life was 2027-04-08: calls may fail
    "]],
    );
}

#[test]
fn of_many_ways_around_a_budget_some_are_named_and_the_others_counted() {
    let source = "us.anthropic.claude-3-haiku-20240307-v1:0";
    let profile = |i: usize| format!("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/p{i}");
    let models: serde_json::Map<_, _> = (0..14).map(|i| (format!("m{i:02}"), json!({ "profile": profile(i), "source": source }))).collect();
    let own = json!({ "name": "own", "limit": { "usd": 1 }, "window": "day", "match": { "model": ["m00", "m13", "anthropic.claude-3-haiku-20240307-v1:0"] } });
    check(
        &[
            ("/models", models.into()),
            ("/modelIds", json!(["anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-lite-v1:0"])),
            budgets(json!([own])),
        ],
        EARLY,
        &expect![[r"
            /budgets/0/match/model: the same model is reached without this budget as `m01`, `m02`, `m03`, `m04`, `m05`, `m06`, `m07`, `m08`, `m09`, `m10` and 2 more; match `underlying` to count it all
        "]],
    );
}
