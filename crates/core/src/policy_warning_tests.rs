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

#[test]
fn what_is_over_is_warned_of_from_its_end_on() {
    let ending = [budgets(json!([
        {
            "name": "all", "limit": { "usd": 1 }, "window": "day",
            "increases": [
                { "limit": { "usd": 1 }, "from": "2026-11-01T00:00:00Z", "until": "2027-11-01T00:00:00Z", "reason": "growth" },
                { "limit": { "usd": 1 }, "from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", "reason": "launch" },
            ],
        },
        { "name": "launch", "limit": { "usd": 1 }, "period": { "from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z" } },
    ]))];
    check(&ending, date(2026, 11, 30), &expect![[""]]);
    check(
        &ending,
        date(2026, 12, 1),
        &expect![[r"
            /budgets/0/increases/1: the increase is over: it adds nothing any more
            /budgets/1/period: the period is over: the budget applies to nothing any more
        "]],
    );
}

#[test]
fn a_price_under_which_nothing_is_billed_is_warned_of() {
    let price = |id: &str| json!({ "id": id, "from": "2026-12-01", "input": 1, "output": 2 });
    check(
        &[
            budgets(json!([{ "name": "all", "limit": { "usd": 1 }, "window": "day" }])),
            ("/modelIds", json!(["amazon.nova-lite-v1:0"])),
            ("/prices", json!([price(HAIKU), price("amazon.nova-lite-v1:0"), price("us.amazon.nova-lite-v1:0")])),
        ],
        EARLY,
        &expect![[r"
            /prices/2/id: no model of this policy is billed under this id: the price changes nothing
        "]],
    );
}

#[test]
fn a_tier_without_a_price_is_warned_of_where_an_enforced_budget_counts_dollars() {
    let all = json!({ "name": "all", "limit": { "usd": 1 }, "window": "day" });
    let flex = |budgets: Value| [("/budgets", budgets), ("/models/claude-3-5-haiku/serviceTier", json!("flex"))];
    let warned = expect![[r"
        /models/claude-3-5-haiku/serviceTier: no price is known in the service tier `flex`: every request that budget `all` applies to is refused until `prices` states one
    "]];
    check(&flex(json!([all])), EARLY, &warned);
    let of = |changes: &[(&str, Value)]| with(all.clone(), changes);
    let name = ("/match", json!({ "model": "claude-3-5-haiku", "modelId": HAIKU }));
    check(&flex(json!([of(&[("/limit", json!({ "tokens": 1, "usd": 1 })), name])])), EARLY, &warned);
    check(&flex(json!([of(&[("/limit", json!({ "tokens": 1 }))])])), EARLY, &expect![[""]]);
    check(&flex(json!([of(&[("/match", json!({ "model": "sales" }))])])), EARLY, &expect![[""]]);
    check(
        &flex(json!([of(&[("/limit", json!({ "tokens": 1 }))]), of(&[("/name", json!("s")), ("/mode", json!("shadow"))])])),
        EARLY,
        &expect![[""]],
    );
    let priced = json!([{ "id": HAIKU, "from": "2020-01-01", "input": 1, "output": 2, "tiers": { "flex": { "input": 1, "output": 1 } } }]);
    let [budgets, tier] = flex(json!([all]));
    check(&[budgets.clone(), tier, ("/prices", priced)], EARLY, &expect![[""]]);
    // A model newer than the catalog, before the day on which its price counts.
    let price = json!([{ "id": "anthropic.claude-omega-9", "from": "2026-12-01", "input": 1, "output": 2 }]);
    let omega = [budgets, ("/models/omega", json!({ "id": "anthropic.claude-omega-9" })), ("/prices", price)];
    check(
        &omega,
        date(2026, 11, 30),
        &expect![[r"
            /models/omega: no price is known in the service tier `default`: every request that budget `all` applies to is refused until `prices` states one
        "]],
    );
    check(&omega, date(2026, 12, 1), &expect![[""]]);
}

#[test]
fn more_budgets_than_a_request_can_hold_on_are_warned_of_where_they_meet() {
    let many = |count: usize| -> Value {
        let budget =
            |i| json!({ "name": format!("b{i:02}"), "limit": { "usd": 1 }, "window": "day", "match": { "applicationId": "docs" } });
        (0..count).map(budget).collect()
    };
    check(&[budgets(many(20))], EARLY, &expect![[""]]);
    check(
        &[budgets(many(21))],
        EARLY,
        &expect![[r"
            /budgets: 21 budgets apply to a request with model `claude-3-5-haiku` and applicationId `docs`, and at most 20 can: it would be refused
        "]],
    );
}

#[test]
fn a_tag_that_every_request_has_is_a_way_around_only_while_its_values_can_be_invented() {
    let two = budgets(json!([
        { "name": "all", "limit": { "usd": 5 }, "window": "day" },
        { "name": "docs", "limit": { "usd": 1 }, "window": "day", "match": { "applicationId": "docs" } },
    ]));
    check(
        std::slice::from_ref(&two),
        EARLY,
        &expect![[r"
            /budgets/1/match/applicationId: a request with another `applicationId`, or without it, is held to other budgets only: pin the tag, or map it to a profile
        "]],
    );
    check(&[two, ("/tags/applicationId", json!({ "allow": ["docs", "chat"] }))], EARLY, &expect![[""]]);
}
