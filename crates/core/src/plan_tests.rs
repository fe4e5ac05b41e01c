use super::*;
use crate::budget::Unit;
use crate::estimate::Bound;
use crate::fixtures::{HAIKU, policy, policy_document, sample, with};
use crate::request::{Origin, validate};
use crate::tags::TagValues;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

const NOW: &str = "2026-11-20T12:30:15Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn request(policy: &Policy, changes: &[(&str, Value)]) -> Request {
    let pinned = TagValues::new();
    let origin = Origin { execution_id: "run-1", started_at: now(), pinned: &pinned };
    validate(&with(sample(), changes), policy, origin).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn budgets(budgets: &Value) -> Policy {
    policy(&with(policy_document(), &[("/budgets", budgets.clone())]))
}

fn planned(policy: &Policy, request: &Request) -> Result<Plan, NoPlan> {
    plan(policy, request, estimate(policy, request).unwrap(), now())
}

/// One line per charge: its counter, and unit, limit and hold of each amount.
fn check(policy: &Policy, changes: &[(&str, Value)], expected: &Expect) {
    let plan = planned(policy, &request(policy, changes)).unwrap();
    let amount = |amount: &UnitCharge| format!(" {} {} of {}", amount.unit.word(), amount.hold, amount.limit);
    let line = |charge: &Charge| format!("{}{}\n", charge.key().as_str(), charge.amounts.iter().map(amount).collect::<String>());
    expected.assert_eq(&plan.charges.iter().map(line).collect::<String>());
}

#[test]
fn a_request_is_held_for_on_the_budgets_that_match_it_and_on_its_own_counter_of_each() {
    let design = policy(&policy_document());
    check(
        &design,
        &[],
        &expect![[r"
        C#org-month#month#2026-11-01T00:00:00Z# usd 8143200 of 5000000000000
        C#app-day#day#2026-11-20T00:00:00Z#applicationId=aws-documentation-helper tokens 2179 of 2000000
        S#haiku-minute#minute#2026-11-20T12:30:00Z# tokens 2179 of 100000
    "]],
    );
    check(
        &design,
        &[("/tags/environment", json!("dev"))],
        &expect![[r"
        C#org-month#month#2026-11-01T00:00:00Z# usd 8143200 of 5000000000000
        S#haiku-minute#minute#2026-11-20T12:30:00Z# tokens 2179 of 100000
    "]],
    );
    check(
        &design,
        &[("/tags/environment", json!(null))],
        &expect![[r"
        C#org-month#month#2026-11-01T00:00:00Z# usd 8143200 of 5000000000000
        S#haiku-minute#minute#2026-11-20T12:30:00Z# tokens 2179 of 100000
    "]],
    );
    check(
        &design,
        &[("/model", json!("sales")), ("/tags/costCenter", json!(null)), ("/tags/applicationId", json!("crm"))],
        &expect![[r"
        C#org-month#month#2026-11-01T00:00:00Z# usd 2544750 of 5000000000000
        C#app-day#day#2026-11-20T00:00:00Z#applicationId=crm tokens 2179 of 2000000
    "]],
    );
    let scoped = budgets(&json!([
        { "name": "all", "limit": { "usd": 1 }, "window": "day", "per": ["model", "costCenter", "modelId", "underlying"] },
        { "id": "b-2", "name": "some", "limit": { "requests": 9 }, "period": { "from": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z" },
          "match": { "model": ["sales", "claude-3-5-haiku"], "underlying": "anthropic.claude-3-5-haiku-20241022-v1:0", "modelId": HAIKU } },
        { "name": "over", "limit": { "requests": 9 }, "period": { "from": "2026-10-20T00:00:00Z", "until": "2026-11-20T12:30:15Z" } },
        { "name": "enclosing", "limit": { "usd": 1 }, "window": "hour" },
    ]));
    check(
        &scoped,
        &[],
        &expect![[r"
        C#all#day#2026-11-20T00:00:00Z#model=claude-3-5-haiku|costCenter=support|modelId=us.anthropic.claude-3-5-haiku-20241022-v1:0|underlying=anthropic.claude-3-5-haiku-20241022-v1:0 usd 8143200 of 1000000000
        C#b-2#period#2026-11-20T00:00:00Z# requests 1 of 9
        C#enclosing#hour#2026-11-20T12:00:00Z# usd 8143200 of 1000000000
    "]],
    );
    check(
        &scoped,
        &[("/tags/costCenter", json!(null))],
        &expect![[r"
        C#all#day#2026-11-20T00:00:00Z#model=claude-3-5-haiku|costCenter=|modelId=us.anthropic.claude-3-5-haiku-20241022-v1:0|underlying=anthropic.claude-3-5-haiku-20241022-v1:0 usd 8143200 of 1000000000
        C#b-2#period#2026-11-20T00:00:00Z# requests 1 of 9
        C#enclosing#hour#2026-11-20T12:00:00Z# usd 8143200 of 1000000000
    "]],
    );
}

#[test]
fn a_spread_counter_s_charge_goes_to_the_shard_that_the_request_s_id_names() {
    let spread = budgets(&json!([
        { "name": "one", "limit": { "requests": 9 }, "window": "day", "shards": 1 },
        { "name": "four", "limit": { "requests": 9 }, "window": "day", "per": ["model"], "shards": 4 },
        { "name": "trial", "limit": { "requests": 9 }, "window": "day", "shards": 64, "mode": "shadow" },
    ]));
    check(
        &spread,
        &[],
        &expect![[r"
            C#one#day#2026-11-20T00:00:00Z# requests 1 of 9
            C#four#day#2026-11-20T00:00:00Z#model=claude-3-5-haiku#0/4 requests 1 of 9
            S#trial#day#2026-11-20T00:00:00Z##24/64 requests 1 of 9
        "]],
    );
}

#[test]
fn each_unit_holds_the_worst_case() {
    let policy = budgets(&json!([
        { "name": "all", "limit": { "usd": 1, "tokens": 5000, "inputTokens": 5000, "outputTokens": 5000, "requests": 5 }, "window": "day" }
    ]));
    // 54 bytes and a message's template, twice, and the prompt's: at 0.8 and 4 dollars a million tokens.
    check(
        &policy,
        &[("/prompt/messages/1/content", json!("x".repeat(54)))],
        &expect![[r"
        C#all#day#2026-11-20T00:00:00Z# usd 8163200 of 1000000000 tokens 2204 of 5000 inputTokens 204 of 5000 outputTokens 2000 of 5000 requests 1 of 5
    "]],
    );
    check(
        &policy,
        &[("/prompt/parameters", json!(null)), ("/prompt/messages/1", json!(null))],
        &expect![[r"
        C#all#day#2026-11-20T00:00:00Z# usd 8299200 of 1000000000 tokens 2182 of 5000 inputTokens 134 of 5000 outputTokens 2048 of 5000 requests 1 of 5
    "]],
    );
}

#[test]
fn the_window_and_the_price_are_those_of_the_moment() {
    let prices = json!([{ "id": HAIKU, "from": "2026-12-01", "input": 0, "output": 1 }]);
    let policy = policy(&with(policy_document(), &[("/prices", prices)]));
    let request = request(&policy, &[]);
    let at = |now: &str| {
        let plan = plan(&policy, &request, estimate(&policy, &request).unwrap(), now.parse().unwrap()).unwrap();
        (plan.charges[0].span.start.to_string(), plan.charges[0].amounts[0].hold)
    };
    let input = estimate(&policy, &request).unwrap().input.0;
    assert_eq!(at("2026-11-30T23:59:59.999Z"), ("2026-11-01T00:00:00Z".to_owned(), input * 800 + 2_000 * 4_000));
    assert_eq!(at("2026-12-01T00:00:00Z"), ("2026-12-01T00:00:00Z".to_owned(), 2_000 * 1_000));
}

#[test]
fn without_a_price_or_an_enforced_budget_there_is_no_plan() {
    let usd = |mode: &str| json!({ "name": mode, "limit": { "usd": 1 }, "window": "day", "mode": mode });
    let calls = json!({ "name": "calls", "limit": { "requests": 1 }, "window": "day" });
    let allow = |mut policy: Policy| {
        policy.rules.unbudgeted = Unbudgeted::Allow;
        policy
    };
    let check = |policy: &Policy, priced: bool, expected: Result<(usize, bool), NoPlan>| {
        let mut policy = policy.clone();
        for entry in policy.models.values_mut().filter(|_| !priced) {
            "anthropic.claude-99".clone_into(&mut entry.billed_id);
        }
        let request = request(&policy, &[]);
        assert_eq!(planned(&policy, &request).map(|plan| (plan.charges.len(), plan.unbudgeted)), expected);
    };
    let no_price = || NoPlan::NoPrice { budget: "enforce".to_owned(), tier: ServiceTier::Default };
    check(&budgets(&json!([usd("enforce"), calls])), true, Ok((2, false)));
    check(&budgets(&json!([usd("enforce"), calls])), false, Err(no_price()));
    check(&allow(budgets(&json!([usd("enforce")]))), false, Err(no_price()));
    // A shadow that can't count is left out; what is enforced can.
    check(&budgets(&json!([usd("shadow"), calls])), false, Ok((1, false)));
    check(&budgets(&json!([usd("shadow")])), true, Err(NoPlan::NoBudget));
    check(&budgets(&json!([])), true, Err(NoPlan::NoBudget));
    check(&allow(budgets(&json!([usd("shadow")]))), true, Ok((1, true)));
    check(&allow(budgets(&json!([]))), true, Ok((0, true)));
}

#[test]
fn a_model_that_the_policy_no_longer_knows_has_no_plan() {
    let policy = policy(&policy_document());
    let mut request = request(&policy, &[]);
    let before = estimate(&policy, &request).unwrap();
    "anthropic.claude-99".clone_into(&mut request.model.underlying);
    assert_eq!(estimate(&policy, &request), Err(NoPlan::UnknownModel));
    assert_eq!(plan(&policy, &request, before, now()), Err(NoPlan::UnknownModel));
}

#[test]
fn more_budgets_than_one_transaction_holds_are_no_plan() {
    let many = |count: usize| {
        let budget =
            |i| json!({ "name": format!("b{i}"), "limit": { "usd": 1 }, "window": "day", "match": { "environment": "production" } });
        budgets(&(0..count).map(budget).collect::<Vec<_>>().into())
    };
    let check = |count: usize, expected: Result<usize, NoPlan>| {
        let policy = many(count);
        assert_eq!(planned(&policy, &request(&policy, &[])).map(|plan| plan.charges.len()), expected);
    };
    check(20, Ok(20));
    check(21, Err(NoPlan::TooManyBudgets { count: 21 }));
}

#[test]
fn a_plan_fits_when_every_enforced_hold_fits_beside_what_is_committed() {
    let policy = budgets(&json!([
        { "name": "a", "limit": { "tokens": 10_000, "requests": 5 }, "window": "day" },
        { "name": "s", "limit": { "tokens": 10 }, "window": "day", "mode": "shadow" },
    ]));
    let plan = planned(&policy, &request(&policy, &[])).unwrap();
    let hold = plan.charges[0].amounts[0].hold;
    let check = |committed: [i64; 2], fits: bool| {
        let mut plan = plan.clone();
        for (amount, committed) in plan.charges[0].amounts.iter_mut().zip(committed) {
            amount.figures.committed = committed;
        }
        assert_eq!((plan.fits(), plan.never_fits()), (fits, false), "{committed:?}");
    };
    let ceiling = i64::try_from(10_000 - hold).unwrap();
    check([0, 0], true);
    check([ceiling, 4], true);
    check([ceiling + 1, 4], false);
    check([ceiling, 5], false);
    check([-50, 0], true);
    assert!(plan.charges[1].amounts[0].never_fits(), "a shadow refuses nothing");
}

/// With `max_tokens` as given, on empty counters.
fn fits(policy: &Policy, request: &Request, max_tokens: u64) -> bool {
    let estimate = Estimate { max_tokens: Tokens(max_tokens), ..estimate(policy, request).unwrap() };
    plan(policy, request, estimate, now()).unwrap().fits()
}

#[test]
fn the_largest_max_tokens_fits_empty_counters_and_one_more_does_not() {
    let mut found = [0; 3];
    for limit in (1..2_600).step_by(37).chain([170, 171, 2_155, 2_156, 2_157, 5_000]) {
        let dollars = format!("0.{:09}", limit * 4_000 + 137);
        for (unit, amount) in [
            ("tokens", json!(limit)),
            ("outputTokens", json!(limit)),
            ("inputTokens", json!(limit)),
            ("requests", json!(limit)),
            ("usd", json!(dollars)),
        ] {
            let policy = budgets(&json!([
                { "name": "x", "limit": { unit: amount }, "window": "day" },
                { "name": "roomy", "limit": { "tokens": 1_000_000, "usd": 5 }, "window": "day" },
                { "name": "shadow", "limit": { "tokens": 1 }, "window": "day", "mode": "shadow" },
            ]));
            let request = request(&policy, &[]);
            let plan = planned(&policy, &request).unwrap();
            assert_eq!(plan.never_fits(), !plan.fits(), "{unit} {amount}: empty counters");
            match plan.largest_max_tokens() {
                None => {
                    assert!(!fits(&policy, &request, 1), "{unit} {amount}: one token would fit");
                    found[0] += 1;
                }
                Some(Tokens(2_000)) => {
                    assert!(plan.fits(), "{unit} {amount}: what was asked for");
                    found[1] += 1;
                }
                Some(Tokens(largest)) => {
                    assert!(fits(&policy, &request, largest) && !fits(&policy, &request, largest + 1), "{unit} {amount}: {largest}");
                    found[2] += 1;
                }
            }
        }
    }
    assert!(found.iter().all(|cases| *cases >= 5), "{found:?}");
}

#[test]
fn a_counted_input_makes_the_hold_smaller_and_says_so() {
    let policy = policy(&policy_document());
    let request = request(&policy, &[]);
    let first = estimate(&policy, &request).unwrap();
    let plan = plan(&policy, &request, first.counted(Tokens(25)), now()).unwrap();
    assert_eq!((plan.estimate.bound, plan.charges[1].amounts[0].hold), (Bound::CountTokens, 2_025));
    assert!(first.bound == Bound::Bytes && first.input > Tokens(25));
}

#[test]
fn bedrock_counts_when_the_policy_says_and_only_the_tokens_of_models_that_it_can_count() {
    let counted = json!({ "id": "us.anthropic.claude-haiku-4-5-20251001-v1:0" });
    for (word, [refine, at_once]) in
        [("bytes", [false, false]), ("refine", [true, false]), ("count-tokens", [false, true]), ("heuristic", [false, false])]
    {
        let policy =
            policy(&with(policy_document(), &[("/models/counted", counted.clone()), ("/requests", json!({ "inputBound": word }))]));
        let counts = |model: &str| {
            let request = request(&policy, &[("/model", json!(model))]);
            [InputBound::Refine, InputBound::CountTokens].map(|bound| counts_tokens(&policy, &request, bound))
        };
        assert_eq!((counts("counted"), counts("claude-3-5-haiku")), ([refine, at_once], [false, false]), "{word}");
    }
}

#[test]
fn a_reservation_records_the_plan_and_whose_it_is() {
    let policy = policy(&policy_document());
    let request = request(&policy, &[]);
    let plan = planned(&policy, &request).unwrap();
    let lease_end = "2026-11-20T12:40:00Z".parse().unwrap();
    let held = plan.clone().reserve(&request, State::Held, now(), lease_end);
    assert_eq!((held.state, held.version, held.claim_id.as_ref(), held.lease_end, held.held_at), (State::Held, 1, None, lease_end, now()));
    assert_eq!((&held.charges, &held.prices, held.estimate), (&plan.charges, &plan.prices, plan.estimate));
    assert_eq!((held.request_hash.as_str(), held.policy_version.as_str()), (request.hash().as_str(), policy.version.as_str()));
    assert_eq!((held.request_id(), &held.model), (request.tags.request_id.as_str(), &request.model));
    assert_eq!(held.largest_max_tokens, None);
    let denied = plan.reserve(&request, State::Denied, now(), lease_end);
    assert_eq!(denied.largest_max_tokens, None, "as it is, it fits in another window");
    let small = budgets(&json!([{ "name": "x", "limit": { "outputTokens": 50 }, "window": "day" }]));
    let denied = planned(&small, &request).unwrap().reserve(&request, State::Denied, now(), lease_end);
    assert_eq!((denied.state, denied.largest_max_tokens), (State::Denied, Some(Tokens(50))));
    assert_eq!(denied.enforced().map(|charge| charge.amounts[0].unit).collect::<Vec<_>>(), [Unit::OutputTokens]);
}

#[test]
fn the_definition_in_force_is_planned_with_the_limits_that_count_now() {
    let increase =
        json!([{ "limit": { "tokens": 50 }, "from": "2026-11-20T12:30:15Z", "until": "2026-11-20T12:30:16Z", "reason": "test" }]);
    let reviewed = |budgets: Value| with(policy_document(), &[("/budgets", budgets)]);
    let old = reviewed(json!([{ "name": "b", "limit": { "tokens": 100 }, "window": "hour", "increases": increase }]));
    let new = reviewed(json!([{ "name": "b", "limit": { "tokens": 7 }, "window": "day", "frozen": true }]));
    let before = self::policy(&new).succeed(&new, &self::policy(&old), now()).policy;
    let check = |at: &str, limit: u64, window: &str, start: &str, frozen: bool| {
        let at = at.parse().unwrap();
        let request = request(&before, &[]);
        let plan = plan(&before, &request, estimate(&before, &request).unwrap(), at).unwrap();
        let charge = &plan.charges[0];
        let found = (charge.amounts[0].limit, charge.window.as_str(), charge.span.start.to_string(), charge.frozen, plan.is_frozen());
        assert_eq!(found, (limit, window, start.to_owned(), frozen, frozen), "{at}");
        assert!(!plan.fits() && charge.key().as_str().starts_with(&format!("C#b#{window}#{start}#")), "{at}");
    };
    // A freeze does not wait, the rest does, and the limit that an increase makes counts to the last instant.
    check("2026-11-20T12:30:15Z", 150, "hour", "2026-11-20T12:00:00Z", true);
    check("2026-11-20T12:30:15.999999999Z", 150, "hour", "2026-11-20T12:00:00Z", true);
    check("2026-11-20T12:30:16Z", 100, "hour", "2026-11-20T12:00:00Z", true);
    check("2026-11-20T12:59:59.999999999Z", 100, "hour", "2026-11-20T12:00:00Z", true);
    check("2026-11-20T13:00:00Z", 7, "day", "2026-11-20T13:00:00Z", true);
    check("2026-11-21T00:00:00Z", 7, "day", "2026-11-21T00:00:00Z", true);
}

#[test]
fn a_frozen_shadow_refuses_nothing() {
    let policy = budgets(&json!([
        { "name": "s", "limit": { "tokens": 100_000 }, "window": "day", "mode": "shadow", "frozen": true },
        { "name": "b", "limit": { "tokens": 100_000 }, "window": "day" },
    ]));
    let plan = planned(&policy, &request(&policy, &[])).unwrap();
    assert_eq!((plan.fits(), plan.is_frozen(), plan.charges[0].fits()), (true, false, false));
}

#[test]
fn the_hold_is_made_at_the_rates_of_the_tier_that_is_sent() {
    let tier = |tier: &str| {
        let model = json!({ "id": "us.amazon.nova-pro-v1:0", "serviceTier": tier });
        let policy = self::policy(&with(policy_document(), &[("/models/nova", model)]));
        let request = request(&policy, &[("/model", json!("nova"))]);
        let plan = planned(&policy, &request).unwrap();
        let held = plan.charges[0].amounts[0].hold;
        let reservation = plan.reserve(&request, State::Held, now(), now());
        assert_eq!(reservation.prices.as_ref().unwrap().tier.map(ServiceTier::word), Some(tier), "the books say in which tier");
        assert_eq!(request.inference.service_tier.map(ServiceTier::word), Some(tier));
        held
    };
    let standard = tier("default");
    assert_eq!((tier("flex") * 2, tier("reserved"), tier("priority") * 4), (standard, standard, standard * 7));
}
