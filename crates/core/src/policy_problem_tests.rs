//! Broken policies: every problem at once, each at its place.

use super::{Policy, SALES_ARN, assert_lines, policy_document, with};
use crate::catalog::Catalog;
use crate::problem::{Problem, Problems};
use expect_test::expect;
use serde_json::{Value, json};

fn problems(document: &Value) -> Vec<Problem> {
    let parsed = Policy::parse(document, Catalog::shipped().unwrap());
    parsed.map(|policy| policy.version).err().map(Problems::into_vec).unwrap_or_default()
}

fn check(changes: &[(&str, Value)], pointers: &[&str]) {
    let found: Vec<String> = problems(&with(policy_document(), changes)).into_iter().map(|problem| problem.pointer).collect();
    assert_eq!(found, pointers, "{changes:?}");
}

fn budget(change: &[(&str, Value)], pointers: &[&str]) {
    let budget = with(json!({ "name": "b", "limit": { "usd": 1 }, "window": "day" }), change);
    check(&[("/budgets/-", budget)], pointers);
}

#[test]
fn a_document_that_is_no_policy_says_what_one_has() {
    for document in [json!(null), json!([]), json!("policy"), json!(1)] {
        assert_eq!(problems(&document).len(), 1, "{document}");
    }
    assert_lines(
        &problems(&json!({})),
        &expect![[r"
            /models: an object of models by name
            /budgets: a list of budgets
        "]],
    );
}

#[test]
fn every_problem_of_a_thoroughly_broken_policy_is_named_at_once() {
    let document = json!({
        "budget": [],
        "tags": { "environment": { "allow": ["production", 7], "synonym": {} }, "team": "closed" },
        "models": { "Haiku": { "id": "us.anthropic.claude-3-5-haiku-20241022-v1:0" }, "x": { "id": "gpt-9" }, "y": { "profile": "arn:aws:s3" } },
        "requests": { "maxTokens": 0, "refusedParameters": "ignore" },
        "prices": [{ "id": "x", "from": "2026-13-01", "input": -1, "ouput": 2 }],
        "budgets": [{ "name": "a", "limit": { "dollars": 5 }, "window": "year", "match": { "environment": "qa" } }, "month"],
    });
    assert_lines(
        &problems(&document),
        &expect![[r"
            /budget: no field of this name; the nearest known name is `budgets`
            /tags/environment/synonym: no field of this name; the nearest known name is `synonyms`
            /tags/environment/allow/1: a tag value: 1 to 256 letters, digits, inner spaces and + - = . _ : / @
            /tags/team: the word `open`, or an object with `allow`
            /prices/0/ouput: no field of this name; the nearest known name is `output`
            /prices/0/from: the first day on which the price counts, as YYYY-MM-DD
            /prices/0/input: US dollars per million tokens, with at most six decimals
            /prices/0/output: US dollars per million tokens, with at most six decimals
            /models/Haiku: a name of 1 to 64 lower-case letters, digits and - . _ : that starts with a letter or a digit
            /models/x/id: the id of a foundation model or a system profile that the catalog knows, such as `us.amazon.nova-lite-v1:0`, or that `prices` prices
            /models/y/profile: an inference profile's ARN: arn:aws:bedrock:REGION:ACCOUNT:application-inference-profile/ID, or …:inference-profile/ID
            /requests/maxTokens: a whole number of tokens, at least 1
            /requests/refusedParameters: one of `drop` and `reject`
            /budgets/0/limit/dollars: no field of this name; known here: `usd`, `tokens`, `inputTokens`, `outputTokens` and `requests`
            /budgets/0/window: one of `minute`, `hour`, `day`, `week` and `month`
            /budgets/0/match/environment: a value that `environment` can have: this one never matches, so the budget would never count
            /budgets/1: an object with `id`, `name`, `limit`, `window`, `timeZone`, `resetDay`, `period`, `match`, `per`, `mode`, `increases`, `frozen`, `effective` and `shards`
        "]],
    );
}

#[test]
fn broken_tags_are_problems() {
    check(&[("/tags", json!([]))], &["/tags"]);
    check(&[("/tags/team", json!(["a"]))], &["/tags/team"]);
    check(&[("/tags/team", json!({}))], &["/tags/team/allow"]);
    check(&[("/tags/team", json!({ "allow": [] }))], &["/tags/team/allow"]);
    check(&[("/tags/team", json!({ "allow": "a" }))], &["/tags/team/allow"]);
    check(
        &[("/tags/team", json!({ "allow": ["a", "b\n", 3], "synonyms": { "c": "d" } }))],
        &["/tags/team/allow/1", "/tags/team/allow/2", "/tags/team/synonyms/c"],
    );
    check(&[("/tags/team", json!({ "allow": ["a"], "synonyms": ["b"] }))], &["/tags/team/synonyms"]);
}

#[test]
fn broken_models_are_problems() {
    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x1";
    check(&[("/models", json!({}))], &["/models", "/budgets/2/match/model"]);
    check(&[("/models", json!([]))], &["/models", "/budgets/2/match/model"]);
    check(&[("/models/Sales", json!({ "id": "amazon.nova-lite-v1:0" }))], &["/models/Sales"]);
    check(&[("/models/a", json!("amazon.nova-lite-v1:0"))], &["/models/a"]);
    check(&[("/models/a", json!({}))], &["/models/a"]);
    check(&[("/models/a", json!({ "id": "amazon.nova-lite-v1:0", "profile": arn }))], &["/models/a"]);
    check(&[("/models/a", json!({ "id": "amazon.nova-lite-v1:0", "source": "x" }))], &["/models/a/source"]);
    check(&[("/models/a", json!({ "id": "amazon.nova-lite-v9:0", "maxTokens": "many" }))], &["/models/a/maxTokens", "/models/a/id"]);
    check(&[("/models/a", json!({ "id": 5, "tags": { "costCenter": "" } }))], &["/models/a/tags/costCenter", "/models/a/id"]);
    check(&[("/models/a", json!({ "profile": "abc123" }))], &["/models/a/profile"]);
    check(&[("/models/a", json!({ "profile": arn }))], &["/models/a/source"]);
    check(&[("/models/a", json!({ "profile": arn, "source": "claude" }))], &["/models/a/source"]);
    check(&[("/models/a", json!({ "profile": arn.replace("application-", "") }))], &["/models/a/profile"]);
    check(&[("/modelIds", json!("amazon.nova-lite-v1:0"))], &["/modelIds"]);
    check(&[("/modelIds", json!(["amazon.nova-lite-v1:0", "lite", arn]))], &["/modelIds/1", "/modelIds/2"]);
}

#[test]
fn a_profiles_tag_is_pointed_at_whatever_its_name_and_its_models() {
    let tags = json!({ "team/a": { "allow": ["x"] } });
    check(&[("/tags", tags.clone()), ("/models/sales/tags", json!({ "team/a": "y" }))], &["/models/sales/tags/team~1a"]);
    let sales = json!({ "profile": SALES_ARN, "source": "us.anthropic.claude-3-haiku-20240307-v1:0", "tags": { "team/a": "y" } });
    check(&[("/tags", tags), ("/models/a~1b", sales)], &["/models/a~1b", "/models/a~1b/tags/team~1a"]);
}

#[test]
fn broken_rules_and_prices_are_problems() {
    check(&[("/requests", json!("allow"))], &["/requests"]);
    check(
        &[("/requests", json!({ "unbudgeted": "yes", "inputBound": 1, "maxTokens": 1.5, "max_tokens": 5 }))],
        &["/requests/max_tokens", "/requests/maxTokens", "/requests/unbudgeted", "/requests/inputBound"],
    );
    check(&[("/prices", json!({}))], &["/prices"]);
    check(&[("/prices", json!(["cheap", {}]))], &["/prices/0", "/prices/1/id", "/prices/1/from", "/prices/1/input", "/prices/1/output"]);
    let price = json!({ "id": 1, "from": "today", "input": 0.000_000_1, "output": "1e3", "cacheRead": null });
    check(
        &[("/prices", json!([price]))],
        &["/prices/0/id", "/prices/0/from", "/prices/0/input", "/prices/0/output", "/prices/0/cacheRead"],
    );
}

#[test]
fn broken_budgets_are_problems() {
    budget(&[], &[]);
    check(&[("/budgets", json!({}))], &["/budgets"]);
    check(&[("/budgets/-", json!({}))], &["/budgets/3/name", "/budgets/3/limit", "/budgets/3/window"]);
    budget(&[("/name", json!("-b"))], &["/budgets/3/name"]);
    budget(&[("/name", json!("org-month"))], &["/budgets/3/name"]);
    budget(&[("/id", json!("app-day"))], &["/budgets/3/name"]);
    budget(&[("/id", json!("a|b"))], &["/budgets/3/id"]);
    budget(&[("/limit", json!(5))], &["/budgets/3/limit"]);
    budget(&[("/limit", json!({}))], &["/budgets/3/limit"]);
    let limits = json!({ "usd": 0, "tokens": 1.5, "requests": -1, "inputTokens": "5", "outputTokens": 9_000_000_000_000_000_000_u64 });
    let pointers = ["usd", "tokens", "inputTokens", "outputTokens", "requests"].map(|unit| format!("/budgets/3/limit/{unit}"));
    budget(&[("/limit", limits)], &pointers.each_ref().map(String::as_str));
    budget(&[("/window", json!(null))], &["/budgets/3/window"]);
    budget(&[("/window", json!("fortnight"))], &["/budgets/3/window"]);
    budget(&[("/window", json!(1))], &["/budgets/3/window"]);
    budget(&[("/timeZone", json!("Mars/Olympus"))], &["/budgets/3/window"]);
    budget(&[("/timeZone", json!(1))], &["/budgets/3/timeZone"]);
    budget(&[("/resetDay", json!(3))], &["/budgets/3/window"]);
    budget(&[("/window", json!("month")), ("/resetDay", json!(32))], &["/budgets/3/resetDay"]);
    let period = json!({ "from": "2026-11-01T00:00:00Z", "until": "2026-11-01T00:00:00Z" });
    budget(&[("/period", period.clone())], &["/budgets/3/window"]);
    budget(&[("/window", json!(null)), ("/period", period)], &["/budgets/3/period"]);
    budget(
        &[("/window", json!(null)), ("/period", json!({ "from": "2026-11-01" }))],
        &["/budgets/3/period/from", "/budgets/3/period/until"],
    );
    let period = json!({ "from": "2026-11-01T00:00:00.5Z", "until": "2026-12-01T00:00:00.000001Z" });
    budget(&[("/window", json!(null)), ("/period", period)], &["/budgets/3/period/from", "/budgets/3/period/until"]);
    budget(&[("/mode", json!("warn")), ("/limits", json!({}))], &["/budgets/3/limits", "/budgets/3/mode"]);
    for shards in [json!(0), json!(65), json!(256), json!(-1), json!(1.5), json!("4"), json!([4])] {
        budget(&[("/shards", shards)], &["/budgets/3/shards"]);
    }
}

#[test]
fn an_amount_that_no_limit_can_have_is_answered_in_its_unit() {
    let limits = json!({ "usd": "0.0000000001", "tokens": 0, "requests": "many" });
    let document = with(policy_document(), &[("/budgets/1/limit", limits)]);
    assert_lines(
        &problems(&document),
        &expect![[r"
            /budgets/1/limit/usd: US dollars above 0, with at most nine decimals
            /budgets/1/limit/tokens: a whole number, at least 1
            /budgets/1/limit/requests: a whole number, at least 1
        "]],
    );
}

#[test]
fn a_limit_with_all_its_increases_is_at_most_what_the_ledger_can_count() {
    let check = |limit: &str, added: &str, pointers: &[&str]| {
        let increases = json!([with(whole_again(), &[("/limit/usd", json!(added))])]);
        budget(&[("/limit/usd", json!(limit)), ("/increases", increases)], pointers);
    };
    check("1", "7378697628.483820644", &[]);
    check("1", "7378697628.483820645", &["/budgets/3/increases"]);
    check("7378697629.483820644", "0.000000001", &["/budgets/3/increases"]);
    budget(&[("/limit/usd", json!("7378697629.483820644"))], &[]);
    budget(&[("/limit/usd", json!("7378697629.483820645"))], &["/budgets/3/limit/usd"]);
}

#[test]
fn broken_increases_freezes_and_tiers_are_problems() {
    let whole = json!({ "limit": { "usd": 100 }, "from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", "reason": "launch" });
    let increase = |change: &[(&str, Value)], pointers: &[&str]| {
        let pointers: Vec<String> = pointers.iter().map(|pointer| format!("/budgets/3/increases/0{pointer}")).collect();
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        budget(&[("/increases", json!([with(whole.clone(), change)]))], &pointers);
    };
    increase(&[], &[]);
    increase(&[("/limit", json!({ "tokens": 5 }))], &["/limit/tokens"]);
    increase(&[("/limit", json!({ "usd": 0 }))], &["/limit/usd"]);
    increase(&[("/limit", json!({}))], &["/limit"]);
    increase(&[("/until", json!("2026-11-01T00:00:00Z"))], &["/until"]);
    increase(&[("/until", json!("2026-10-01T00:00:00Z"))], &["/until"]);
    increase(&[("/from", json!("2026-11-01"))], &["/from"]);
    increase(&[("/reason", json!(" "))], &["/reason"]);
    increase(&[("/reason", json!("x".repeat(201)))], &["/reason"]);
    increase(
        &[("/limit", Value::Null), ("/from", Value::Null), ("/until", Value::Null), ("/reason", Value::Null)],
        &["/limit", "/from", "/until", "/reason"],
    );
    increase(&[("/why", json!("x"))], &["/why"]);
    budget(&[("/increases", json!({}))], &["/budgets/3/increases"]);
    budget(&[("/increases", json!([with(whole, &[("/limit/usd", json!(7_300_000_000_u64))]), whole_again()]))], &["/budgets/3/increases"]);
    budget(&[("/frozen", json!("yes"))], &["/budgets/3/frozen"]);
    budget(&[("/effective", json!("now"))], &["/budgets/3/effective"]);
    check(&[("/models/claude-3-5-haiku/serviceTier", json!("fast"))], &["/models/claude-3-5-haiku/serviceTier"]);
}

fn whole_again() -> Value {
    json!({ "limit": { "usd": 100_000_000 }, "from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z", "reason": "launch" })
}

#[test]
fn broken_tier_prices_and_steps_are_problems() {
    let price = |change: &[(&str, Value)], pointers: &[&str]| {
        let pointers: Vec<String> = pointers.iter().map(|pointer| format!("/prices/0{pointer}")).collect();
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        let price = json!({ "id": "us.amazon.nova-lite-v1:0", "from": "2026-12-01", "input": 1, "output": 2 });
        check(&[("/prices", json!([with(price, change)]))], &pointers);
    };
    price(&[("/tiers", json!({ "flex": { "input": 1, "output": 1 }, "reserved": { "input": 1, "output": 1, "cacheRead": 0 } }))], &[]);
    price(&[("/tiers", json!([]))], &["/tiers"]);
    price(&[("/tiers", json!({ "default": { "input": 1, "output": 1 } }))], &["/tiers/default"]);
    price(&[("/tiers", json!({ "flex": { "input": 1 } }))], &["/tiers/flex/output"]);
    price(&[("/tiers", json!({ "flex": { "input": 1, "output": 1, "from": "2026-12-01" } }))], &["/tiers/flex/from"]);
    price(&[("/longContext", json!([{ "above": 200_000, "input": 2 }, { "above": 300_000, "output": 3 }]))], &[]);
    price(&[("/longContext", json!({}))], &["/longContext"]);
    price(&[("/longContext", json!([{ "above": 5, "input": 2 }, { "above": 5, "input": 2 }]))], &["/longContext/1/above"]);
    price(&[("/longContext", json!([{ "above": 5 }, { "input": 2 }, 7]))], &["/longContext/0", "/longContext/1/above", "/longContext/2"]);
}

#[test]
fn a_match_that_can_never_be_and_a_key_that_nobody_knows_are_problems() {
    budget(&[("/match", json!("prod"))], &["/budgets/3/match"]);
    budget(&[("/match", json!({ "model": "haiku" }))], &["/budgets/3/match/model"]);
    budget(&[("/match", json!({ "environment": ["prod", "qa"] }))], &["/budgets/3/match/environment/1"]);
    budget(&[("/match", json!({ "environment": [] }))], &["/budgets/3/match/environment"]);
    budget(&[("/match", json!({ "costCenter": ["a b", "é"] }))], &["/budgets/3/match/costCenter/1"]);
    budget(&[("/match", json!({ "enviroment": "prod" }))], &["/budgets/3/match/enviroment"]);
    budget(&[("/per", json!("environment"))], &["/budgets/3/per"]);
    budget(&[("/per", json!(["environment", "aplicationId", 7]))], &["/budgets/3/per/1", "/budgets/3/per/2"]);
    // The id that is called, and the model under it, and nothing else: a profile's source or a prefix too many would never match.
    let (called, under) = ("us.anthropic.claude-3-5-haiku-20241022-v1:0", "anthropic.claude-3-5-haiku-20241022-v1:0");
    budget(&[("/match", json!({ "modelId": called, "underlying": under }))], &[]);
    budget(&[("/match", json!({ "modelId": [called, under] }))], &["/budgets/3/match/modelId/1"]);
    budget(&[("/match", json!({ "underlying": [called, under] }))], &["/budgets/3/match/underlying/0"]);
    let listed = ("/modelIds", json!(["us.amazon.nova-lite-v1:0"]));
    let of = |key: &str, value: &str| json!({ "name": "b", "limit": { "usd": 1 }, "window": "day", "match": { key: value } });
    check(&[listed.clone(), ("/budgets/-", of("modelId", "us.amazon.nova-lite-v1:0"))], &[]);
    check(&[listed, ("/budgets/-", of("underlying", "amazon.nova-lite-v1:0"))], &[]);
    // A tag that `tags` names is a key like the known ones.
    let team = ("/tags/team", json!({ "allow": ["a"] }));
    let by_team = json!({ "name": "b", "limit": { "usd": 1 }, "window": "day", "match": { "team": "a" }, "per": ["team"] });
    check(&[team, ("/budgets/-", by_team)], &[]);
}

#[test]
fn an_id_is_matched_as_the_name_that_calls_it_and_by_itself_only_where_none_does() {
    let id = "us.amazon.nova-lite-v1:0";
    let of = |value: &str| json!({ "name": "b", "limit": { "usd": 1 }, "window": "day", "match": { "model": value } });
    let (listed, named) = (("/modelIds", json!([id])), ("/models/lite", json!({ "id": id })));
    check(&[("/budgets/-", of(id))], &["/budgets/3/match/model"]);
    check(&[listed.clone(), ("/budgets/-", of(id))], &[]);
    check(&[listed.clone(), named.clone(), ("/budgets/-", of(id))], &["/budgets/3/match/model"]);
    check(&[listed, named, ("/budgets/-", of("lite"))], &[]);
}

#[test]
fn a_scope_that_callers_can_invent_wants_a_list_or_a_budget_around_it() {
    let without_org =
        with(policy_document(), &[("/budgets/0", json!({ "name": "x", "limit": { "usd": 1 }, "window": "day", "mode": "shadow" }))]);
    let check = |change: &[(&str, Value)], pointers: &[&str]| {
        let found: Vec<String> = problems(&with(without_org.clone(), change)).into_iter().map(|problem| problem.pointer).collect();
        assert_eq!(found, pointers, "{change:?}");
    };
    check(&[], &["/budgets/1/per"]);
    check(&[("/budgets/0/mode", json!("enforce"))], &[]);
    check(&[("/budgets/0/mode", json!("enforce")), ("/budgets/0/match", json!({ "environment": ["production", "dev"] }))], &[]);
    check(&[("/budgets/0/mode", json!("enforce")), ("/budgets/0/match", json!({ "environment": "dev" }))], &["/budgets/1/per"]);
    check(&[("/budgets/0/mode", json!("enforce")), ("/budgets/0/per", json!(["costCenter"]))], &["/budgets/0/per", "/budgets/1/per"]);
    check(&[("/tags/applicationId", json!({ "allow": ["docs"] }))], &[]);
    check(&[("/budgets/1/match/applicationId", json!(["docs", "chat"]))], &[]);
    check(&[("/budgets/1/mode", json!("shadow"))], &[]);
    check(&[("/budgets/1/per", json!(["model", "environment"]))], &[]);
}

#[test]
fn a_period_bounds_invented_scopes_only_while_it_lasts() {
    let period = |from: &str, until: &str| json!({ "from": format!("{from}T00:00:00Z"), "until": format!("{until}T00:00:00Z") });
    let of = |name: &str, period: Value| json!({ "name": name, "limit": { "usd": 1 }, "period": period });
    let around = |outer: [&str; 2], pointers: &[&str]| {
        let inner = with(of("inner", period("2026-11-10", "2026-11-20")), &[("/per", json!(["applicationId"]))]);
        check(&[("/budgets", json!([of("outer", period(outer[0], outer[1])), inner]))], pointers);
    };
    around(["2026-11-10", "2026-11-20"], &[]);
    around(["2026-11-01", "2026-12-01"], &[]);
    around(["2026-11-11", "2026-11-20"], &["/budgets/1/per"]);
    around(["2026-11-10", "2026-11-19"], &["/budgets/1/per"]);
    around(["2026-01-01", "2026-02-01"], &["/budgets/1/per"]);
    let daily = json!({ "name": "daily", "limit": { "usd": 1 }, "window": "day", "per": ["applicationId"] });
    check(&[("/budgets", json!([of("outer", period("2026-11-01", "2036-11-01")), daily]))], &["/budgets/1/per"]);
}

#[test]
fn a_scope_whose_counters_could_not_be_named_is_a_problem() {
    // Seven keys, each with its value of 256 characters and two signs: 1,900 bytes where the names have 94.
    let names =
        |last: usize| ["a", "b", "c", "d", "e", "f"].into_iter().map(|n| n.repeat(15)).chain(["g".repeat(last)]).collect::<Vec<_>>();
    let with_keys = |last: usize, pointers: &[&str]| {
        let tags: serde_json::Map<String, Value> = names(last).into_iter().map(|name| (name, json!({ "allow": ["x"] }))).collect();
        let budget = json!({ "name": "b", "limit": { "usd": 1 }, "window": "day", "per": names(last) });
        check(&[("/tags", tags.into()), ("/budgets", json!([budget]))], pointers);
    };
    with_keys(4, &[]);
    with_keys(5, &["/budgets/0/per"]);
}

#[test]
fn more_budgets_on_every_request_than_one_transaction_holds_are_a_problem() {
    let budgets = |count: usize| {
        (0..count).map(|i| json!({ "name": format!("b{i}"), "limit": { "usd": 1 }, "window": "day" })).collect::<Vec<_>>().into()
    };
    check(&[("/budgets", budgets(20))], &[]);
    check(&[("/budgets", budgets(21))], &["/budgets"]);
}

#[test]
fn what_would_quietly_do_nothing_is_a_problem() {
    let misspelt = json!({ "allow": ["a"] });
    check(&[("/tags/enviroment", misspelt.clone())], &["/tags/enviroment"]);
    check(&[("/tags/requestId", misspelt)], &["/tags/requestId"]);
    let synonyms = json!({ "allow": ["a", "b"], "synonyms": { "a": "b" } });
    check(&[("/tags/team", synonyms)], &["/tags/team/synonyms/a"]);
    let model = json!({ "id": "amazon.nova-lite-v1:0", "tags": { "environment": "mars" } });
    check(&[("/models/lost", model)], &["/models/lost/tags/environment"]);
}

#[test]
fn a_model_newer_than_the_catalog_wants_a_price_of_its_own() {
    let model = json!({ "id": "anthropic.claude-omega-9" });
    let price = json!({ "id": "anthropic.claude-omega-9", "from": "2026-01-01", "input": 1, "output": "2.5" });
    check(&[("/models/omega", model.clone())], &["/models/omega/id"]);
    check(&[("/models/omega", model.clone()), ("/prices", json!([price]))], &[]);
    // Which of two prices of one day is meant, nobody could tell.
    let later = with(price.clone(), &[("/from", json!("2026-02-01"))]);
    check(&[("/models/omega", model.clone()), ("/prices", json!([price, later]))], &[]);
    check(&[("/models/omega", model), ("/prices", json!([price, price]))], &["/prices/1/from"]);
}
