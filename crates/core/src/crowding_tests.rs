//! Where more budgets may meet on one request than it can hold on.

use super::crowding::{Crowding, search};
use crate::fixtures::{policy, policy_document, with};
use crate::tags::TagValues;
use serde_json::{Value, json};

fn crowding(budgets: &[Value]) -> Crowding {
    let changes = [
        ("/tags/team", json!({ "allow": ["red", "blue"], "synonyms": { "rouge": "red" } })),
        ("/models/sales/tags/team", json!("rouge")),
        ("/budgets", json!(budgets)),
    ];
    search(&policy(&with(policy_document(), &changes)))
}

fn named(prefix: &str, count: usize, matching: &Value) -> Vec<Value> {
    let one = |n| json!({ "name": format!("{prefix}{n}"), "limit": { "requests": 1 }, "window": "day", "match": matching });
    (0..count).map(one).collect()
}

/// A model, tags, and how many budgets meet there.
type Meeting<'a> = (&'a str, &'a [(&'a str, &'a str)], usize);

#[track_caller]
fn check(groups: &[(usize, Value)], expected: Option<Meeting<'_>>) {
    let budgets: Vec<Value> =
        groups.iter().enumerate().flat_map(|(i, (count, matching))| named(&format!("g{i}-"), *count, matching)).collect();
    let expected = expected.map_or(Crowding::None, |(model, tags, count)| Crowding::Found {
        model: model.to_owned(),
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<TagValues>(),
        count,
    });
    assert_eq!(crowding(&budgets), expected, "{groups:?}");
}

#[test]
fn budgets_that_meet_on_one_request_are_found_and_others_are_not() {
    let (all, red, blue) = (json!({}), json!({ "team": "red" }), json!({ "team": "blue" }));
    check(&[(20, all.clone())], None);
    check(&[(10, all.clone()), (11, red.clone())], Some(("claude-3-5-haiku", &[("team", "red")], 21)));
    check(&[(10, all.clone()), (10, red.clone()), (10, blue.clone())], None);
    check(
        &[(10, all.clone()), (10, red.clone()), (9, blue), (1, json!({ "team": ["red", "blue"] }))],
        Some(("claude-3-5-haiku", &[("team", "red")], 21)),
    );
    // A request may be without the tag, but not with two values of it; and two tags meet.
    check(
        &[(20, red.clone()), (5, json!({ "environment": "dev" }))],
        Some(("claude-3-5-haiku", &[("environment", "dev"), ("team", "red")], 25)),
    );
    // A model decides its id and what is behind it.
    let other = json!({ "underlying": "anthropic.claude-3-haiku-20240307-v1:0" });
    check(&[(20, all.clone()), (1, json!({ "model": "sales" }))], Some(("sales", &[], 21)));
    check(&[(11, json!({ "model": "claude-3-5-haiku" })), (11, other.clone())], None);
    check(&[(11, json!({ "model": "sales" })), (11, other)], Some(("sales", &[], 22)));
    // A profile's own tag cannot be contradicted.
    let (sales_blue, sales_red) = (json!({ "model": "sales", "team": "blue" }), json!({ "model": "sales", "team": "red" }));
    check(&[(20, all.clone()), (1, sales_blue)], None);
    check(&[(20, all), (1, sales_red)], Some(("sales", &[("team", "red")], 21)));
}

#[test]
fn periods_that_do_not_overlap_never_meet() {
    let period = |n: u32, months: u32| {
        let instant = |n: u32| format!("20{:02}-{:02}-01T00:00:00Z", 30 + n / 12, n % 12 + 1);
        json!({ "name": format!("p{n}"), "limit": { "requests": 1 }, "period": { "from": instant(n), "until": instant(n + months) } })
    };
    assert_eq!(crowding(&(0..60).map(|n| period(n, 20)).collect::<Vec<_>>()), Crowding::None);
    assert!(matches!(crowding(&(0..60).map(|n| period(n, 21)).collect::<Vec<_>>()), Crowding::Found { count: 21, .. }));
}

#[test]
fn ten_thousand_budgets_are_looked_through_in_bounded_work() {
    let one = |n: usize| {
        let matching = json!({ "applicationId": format!("app-{}", n / 20), "environment": (["production", "staging", "dev"][n % 3]) });
        json!({ "name": format!("b{n}"), "limit": { "requests": 1 }, "window": "day", "match": matching })
    };
    let mut budgets: Vec<Value> = (0..10_000).map(one).collect();
    assert_eq!(crowding(&budgets), Crowding::None);
    budgets.extend(named("more", 14, &json!({ "environment": "dev" })));
    assert!(matches!(crowding(&budgets), Crowding::Found { count: 21, .. }));
    // Made to be hard: every budget names half of the values of each of twelve tags. Whatever the answer, it comes.
    let hard = |n: usize| {
        let values = |key: usize| {
            (0..8).filter(|value| (n * 31 + key * 17 + value * n) % 7 < 4).map(|value| format!("v{value}")).collect::<Vec<_>>()
        };
        let matching: serde_json::Map<_, _> = (0..9).map(|key| (format!("dimension-{key}"), json!(values(key)))).collect();
        json!({ "name": format!("h{n}"), "limit": { "requests": 1 }, "window": "day", "match": matching })
    };
    let tags: serde_json::Map<_, _> = (0..9).map(|key| (format!("dimension-{key}"), json!("open"))).collect();
    let hard: Vec<Value> =
        (0..300).map(hard).filter(|budget| budget["match"].as_object().unwrap().values().all(|values| values != &json!([]))).collect();
    let mut changes: Vec<(String, Value)> = tags.into_iter().map(|(tag, rule)| (format!("/tags/{tag}"), rule)).collect();
    changes.push(("/budgets".to_owned(), json!(hard)));
    let changes: Vec<(&str, Value)> = changes.iter().map(|(pointer, value)| (pointer.as_str(), value.clone())).collect();
    _ = search(&policy(&with(policy_document(), &changes)));
}

#[test]
fn where_there_are_too_many_combinations_the_search_gives_up_and_says_so() {
    // A thousand budgets never meet, but each of twenty thousand values of another tag may come with any of them.
    let one = |key: &str, n: usize| json!({ "name": format!("{key}{n}"), "limit": { "requests": 1 }, "window": "day", "match": { key: format!("{key}{n}") } });
    let values: Vec<String> = (0..20_000).map(|n| format!("any{n}")).collect();
    let mut budgets = named("any", 1, &json!({ "applicationId": values }));
    budgets.extend((0..1_000).flat_map(|n| [one("applicationId", n), one("costCenter", n)]));
    assert_eq!(crowding(&budgets), Crowding::Unknown);
    let few: Vec<Value> = budgets.into_iter().skip(1).collect();
    assert_eq!(crowding(&few), Crowding::None);
}
