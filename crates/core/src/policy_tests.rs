use super::*;
use crate::budget::Limit;
use crate::budget::{Mode, Unit};
use crate::fixtures::{HAIKU, SALES_ARN, policy, policy_document, with};
use crate::problem::Problem;
use crate::quantity::{NanoUsd, Rate, Tokens};
use crate::window::WindowSpec;
use expect_test::{Expect, expect};
use serde_json::json;

#[path = "policy_problem_tests.rs"]
mod problems;
#[path = "policy_warning_tests.rs"]
mod warnings;

const HAIKU_3: &str = "us.anthropic.claude-3-haiku-20240307-v1:0";

#[test]
fn the_policy_that_the_design_shows_compiles() {
    let policy = policy(&policy_document());
    assert_eq!(policy.tags["environment"].accept("prod").as_deref(), Some("production"));
    assert_eq!(policy.tags["environment"].accept("test"), None);
    assert_eq!(policy.tags["applicationId"], TagRule::Open);
    let sales = &policy.models["sales"];
    assert_eq!((sales.model_id.as_str(), sales.billed_id.as_str(), sales.model_metric.as_str()), (SALES_ARN, HAIKU_3, "abc123"));
    assert_eq!((sales.underlying.as_str(), sales.tags["costCenter"].as_str()), ("anthropic.claude-3-haiku-20240307-v1:0", "sales"));
    let found: Vec<_> = policy.budgets.iter().map(|budget| (budget.id.as_str(), budget.limits[0], budget.mode)).collect();
    let limit = |unit, amount| Limit { unit, amount };
    assert_eq!(
        found,
        [
            ("org-month", limit(Unit::Usd, 5_000 * NanoUsd::PER_USD), Mode::Enforce),
            ("app-day", limit(Unit::Tokens, 2_000_000), Mode::Enforce),
            ("haiku-minute", limit(Unit::Tokens, 100_000), Mode::Shadow),
        ]
    );
    let app_day = &policy.budgets[1];
    assert_eq!(
        (&app_day.matching["environment"], &app_day.per),
        (&BTreeSet::from(["production".to_owned()]), &vec!["applicationId".to_owned()])
    );
    let rules = (policy.rules.refused_parameters, policy.rules.unbudgeted, policy.rules.input_bound);
    assert_eq!(rules, (RefusedParameters::Drop, Unbudgeted::Deny, InputBound::Refine));
}

#[test]
fn every_field_of_a_budget_is_read() {
    let budgets = json!([
        { "id": "b1", "name": "several", "limit": { "usd": "0.25", "requests": 3, "inputTokens": 4, "outputTokens": 5, "tokens": 6 },
          "window": "month", "timeZone": "Europe/Berlin", "resetDay": 15,
          "match": { "environment": ["prod", "dev"], "underlying": "anthropic.claude-3-haiku-20240307-v1:0" }, "per": ["model", "environment"] },
        { "name": "weekly", "limit": { "tokens": 1 }, "window": "week", "resetDay": "friday" },
        { "name": "launch", "limit": { "usd": 1 }, "period": { "from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00+01:00" } },
    ]);
    let policy = policy(&with(policy_document(), &[("/budgets", budgets)]));
    let [several, weekly, launch] = &policy.budgets[..] else { panic!() };
    let limits: Vec<_> = several.limits.iter().map(|limit| (limit.unit.word(), limit.amount)).collect();
    assert_eq!(limits, [("usd", 250_000_000), ("tokens", 6), ("inputTokens", 4), ("outputTokens", 5), ("requests", 3)]);
    assert_eq!(
        (several.id.as_str(), several.name.as_str(), &several.per[..]),
        ("b1", "several", &["model".to_owned(), "environment".to_owned()][..])
    );
    assert_eq!(
        several.matching["environment"],
        BTreeSet::from(["dev".to_owned(), "production".to_owned()]),
        "a synonym counts as its value"
    );
    let start = |spec: &WindowSpec| spec.span("2026-11-20T12:00:00Z".parse().unwrap()).map(|span| span.start.to_string());
    assert_eq!(start(&several.window).as_deref(), Some("2026-11-14T23:00:00Z"));
    assert_eq!(start(&weekly.window).as_deref(), Some("2026-11-20T00:00:00Z"));
    assert_eq!(start(&launch.window).as_deref(), Some("2026-11-01T00:00:00Z"));
}

#[test]
fn request_rules_and_a_models_own_limit_are_read() {
    let requests = json!({ "maxTokens": 4000, "refusedParameters": "reject", "unbudgeted": "allow", "inputBound": "bytes" });
    let policy = policy(&with(policy_document(), &[("/requests", requests), ("/models/sales/maxTokens", json!(100))]));
    let expected = Rules {
        max_tokens: Some(Tokens(4_000)),
        refused_parameters: RefusedParameters::Reject,
        unbudgeted: Unbudgeted::Allow,
        input_bound: InputBound::Bytes,
    };
    for (word, bound) in [("refine", InputBound::Refine), ("count-tokens", InputBound::CountTokens), ("heuristic", InputBound::Heuristic)] {
        let rules = self::policy(&with(policy_document(), &[("/requests", json!({ "inputBound": word }))])).rules;
        assert_eq!(rules.input_bound, bound);
    }
    assert_eq!((policy.rules, policy.models["sales"].max_tokens), (expected, Some(Tokens(100))));
}

#[test]
fn the_version_depends_on_the_content_and_not_on_the_order_of_keys() {
    let document = policy_document();
    let budget = json!({ "window": "month", "limit": { "usd": 5000 }, "name": "org-month" });
    let reordered = json!({
        "budgets": with(json!({ "list": document["budgets"] }), &[("/list/0", budget)])["list"],
        "models": { "sales": document["models"]["sales"], "claude-3-5-haiku": document["models"]["claude-3-5-haiku"] },
        "tags": { "applicationId": "open", "environment": document["tags"]["environment"] },
    });
    assert_ne!(reordered.to_string(), document.to_string(), "the test build keeps the order of keys");
    let version = policy(&document).version;
    assert_eq!(policy(&reordered).version, version);
    assert_eq!((version.len(), version.bytes().all(|byte| byte.is_ascii_hexdigit())), (16, true));
    expect!["be0ad9854fe35701"].assert_eq(&version);
    let swapped = with(document.clone(), &[("/budgets/0", document["budgets"][1].clone()), ("/budgets/1", document["budgets"][0].clone())]);
    for changed in [with(document, &[("/budgets/0/limit/usd", json!(5001))]), swapped] {
        assert_ne!(policy(&changed).version, version);
    }
}

#[test]
fn a_model_is_found_by_name_id_arn_and_listed_id_and_by_nothing_else() {
    let system_arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0";
    let policy = policy(&with(
        policy_document(),
        &[
            ("/modelIds", json!(["us.amazon.nova-micro-v1:0"])),
            ("/models/lite", json!({ "profile": system_arn })),
            ("/models/twin", json!({ "id": HAIKU, "maxTokens": 7 })),
        ],
    ));
    let check = |requested: &str, expected: Option<[&str; 5]>| {
        let found = policy.resolve(requested);
        let parts = found.as_ref().map(|(model, entry)| {
            assert_eq!(model.requested, requested);
            assert_eq!(entry.is_some(), policy.models.contains_key(&model.name));
            [&model.name, &model.model_id, &model.billed_id, &model.underlying, &model.model_metric].map(String::as_str)
        });
        assert_eq!(parts, expected, "{requested}");
    };
    let haiku = ["claude-3-5-haiku", HAIKU, HAIKU, "anthropic.claude-3-5-haiku-20241022-v1:0", HAIKU];
    check("claude-3-5-haiku", Some(haiku));
    check(HAIKU, Some(haiku));
    check("twin", Some(["twin", haiku[1], haiku[2], haiku[3], haiku[4]]));
    let sales = ["sales", SALES_ARN, HAIKU_3, "anthropic.claude-3-haiku-20240307-v1:0", "abc123"];
    check("sales", Some(sales));
    check(SALES_ARN, Some(sales));
    let lite = ["lite", system_arn, "us.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0"];
    check(system_arn, Some(lite));
    let micro = "us.amazon.nova-micro-v1:0";
    check(micro, Some([micro, micro, micro, "amazon.nova-micro-v1:0", micro]));
    for unknown in ["", "Sales", "abc123", HAIKU_3, "amazon.nova-micro-v1:0", "us.amazon.nova-lite-v1:0", &SALES_ARN.replace("abc", "abd")]
    {
        check(unknown, None);
    }
}

#[test]
fn a_price_override_counts_from_its_day_on_for_its_id_alone() {
    let prices = json!([
        { "id": HAIKU, "from": "2026-12-01", "input": 0.7, "output": 3 },
        { "id": HAIKU, "from": "2026-11-01", "input": "0.75", "output": 3.5, "cacheRead": 0.01, "cacheWrite5m": 2, "cacheWrite1h": 3 },
    ]);
    let policy = policy(&with(policy_document(), &[("/prices", prices)]));
    let check = |id: &str, now: &str, input: u64, output: u64| {
        let found = policy.prices_at(id, now.parse().unwrap()).unwrap();
        assert_eq!((found.input, found.output), (Rate(input), Rate(output)), "{id} {now}");
    };
    check(HAIKU, "2026-10-31T23:59:59.999Z", 800_000, 4_000_000);
    check(HAIKU, "2026-11-01T00:00:00Z", 750_000, 3_500_000);
    check(HAIKU, "2026-11-30T23:59:59Z", 750_000, 3_500_000);
    check(HAIKU, "2026-12-01T00:00:00Z", 700_000, 3_000_000);
    check("anthropic.claude-3-5-haiku-20241022-v1:0", "2026-12-01T00:00:00Z", 800_000, 4_000_000);
    let november = policy.prices_at(HAIKU, "2026-11-20T00:00:00Z".parse().unwrap()).unwrap();
    let cache = (november.cache_read, november.cache_write_5m, november.cache_write_1h);
    assert_eq!(cache, (Some(Rate(10_000)), Some(Rate(2_000_000)), Some(Rate(3_000_000))));
    assert_eq!(policy.prices_at("anthropic.claude-99", "2026-11-20T00:00:00Z".parse().unwrap()), None);
}

#[test]
fn an_override_speaks_for_the_tiers_that_it_states_and_for_those_billed_as_standard() {
    let id = "us.amazon.nova-pro-v1:0";
    let step = json!([{ "above": 200_000, "input": 4 }]);
    let prices = json!([
        { "id": id, "from": "2026-12-01", "input": 1, "output": 2, "longContext": step, "tiers": { "flex": { "input": 0.5, "output": 1, "cacheRead": 0.1 } } },
        { "id": id, "from": "2027-01-01", "input": 1, "output": 2, "tiers": { "reserved": { "input": 0, "output": 0 } } },
    ]);
    let policy = policy(&with(policy_document(), &[("/prices", prices)]));
    let check = |tier: ServiceTier, now: &str, expected: Option<(u64, u64)>| {
        let found = policy.prices_in(id, Some(tier), now.parse().unwrap());
        assert_eq!(found.as_ref().map(|prices| (prices.input.0, prices.output.0)), expected, "{tier:?} {now}");
        assert!(found.is_none_or(|prices| prices.tier == Some(tier)), "what is held says in which tier");
    };
    let (shipped, december, january) = ("2026-11-30T23:59:59Z", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z");
    check(ServiceTier::Default, shipped, Some((800_000, 3_200_000)));
    check(ServiceTier::Flex, shipped, Some((400_000, 1_600_000)));
    check(ServiceTier::Priority, shipped, Some((1_400_000, 5_600_000)));
    check(ServiceTier::Reserved, shipped, Some((800_000, 3_200_000)));
    check(ServiceTier::Default, december, Some((1_000_000, 2_000_000)));
    check(ServiceTier::Flex, december, Some((500_000, 1_000_000)));
    check(ServiceTier::Priority, december, None);
    check(ServiceTier::Reserved, december, Some((1_000_000, 2_000_000)));
    check(ServiceTier::Flex, january, None);
    check(ServiceTier::Reserved, january, Some((0, 0)));
    let december = policy.prices_at(id, december.parse().unwrap()).unwrap();
    assert_eq!(
        (december.tier, december.at(Tokens(200_000)).input, december.at(Tokens(200_001)).input),
        (None, Rate(1_000_000), Rate(4_000_000))
    );
}

/// Problems and warnings, one line each.
fn assert_lines(problems: &[Problem], expected: &Expect) {
    let lines: String = problems.iter().flat_map(|problem| [&problem.pointer, ": ", &problem.expected, "\n"]).collect();
    expected.assert_eq(&lines);
}
