use super::*;
use crate::budget::{Before, Effective, Limit, Mode, Unit};
use crate::tags::{TagValues, Tags};
use crate::window::{Window, WindowSpec};
use proptest::prelude::*;
use std::collections::BTreeSet;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const KEYS: [&str; 6] = ["model", "modelId", "underlying", "applicationId", "costCenter", "team"];

fn budget(name: &str, matching: &[(&str, &[&str])]) -> Budget {
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>();
    Budget {
        id: name.to_owned(),
        name: name.to_owned(),
        limits: vec![Limit { unit: Unit::Requests, amount: 1 }],
        window: WindowSpec::calendar(Window::Day, None, None).unwrap(),
        matching: matching.iter().map(|(key, allowed)| ((*key).to_owned(), values(allowed))).collect(),
        per: Vec::new(),
        mode: Mode::Enforce,
        increases: Vec::new(),
        frozen: false,
        shards: 1,
        effective: Effective::NextWindow,
        since: None,
        before: None,
    }
}

/// A request by its three model names and its tags.
#[derive(Debug, Clone)]
struct Asked {
    model: [String; 3],
    tags: Tags,
}

impl Asked {
    fn new(model: [&str; 3], tags: &[(&str, &str)]) -> Self {
        let values: TagValues = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let tags = Tags { values, request_id: String::new(), timestamp: String::new(), model_metric: String::new() };
        Self { model: model.map(str::to_owned), tags }
    }

    fn subject(&self) -> Subject<'_> {
        let [model, model_id, underlying] = &self.model;
        Subject { model, model_id, underlying, tags: &self.tags }
    }
}

fn names<'a>(found: impl Iterator<Item = &'a Budget>) -> Vec<&'a str> {
    found.map(|budget| budget.name.as_str()).collect()
}

fn positions(budgets: &Budgets, asked: &Asked) -> Vec<usize> {
    budgets.index.candidates(asked.subject().values()).iter().map(|found| found.position).collect()
}

/// Few values, so that many budgets share them and many requests meet several.
fn a_value() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")]
}

fn a_match() -> impl Strategy<Value = BTreeMap<&'static str, BTreeSet<&'static str>>> {
    prop::collection::btree_map(prop::sample::select(&KEYS[..]), prop::collection::btree_set(a_value(), 1..4), 0..4)
}

fn a_request() -> impl Strategy<Value = Asked> {
    let tags = prop::collection::btree_map(prop::sample::select(&KEYS[..]), a_value(), 0..5);
    ([a_value(), a_value(), a_value()], tags)
        .prop_map(|(model, tags)| Asked::new(model, &tags.iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>()))
}

proptest! {
    #[test]
    fn the_index_finds_what_a_look_at_every_budget_finds_in_the_same_order(
        matches in prop::collection::vec(a_match(), 0..60),
        requests in prop::collection::vec(a_request(), 1..20),
    ) {
        let list = matches.iter().enumerate().map(|(i, matching)| {
            let matching: Vec<(&str, Vec<&str>)> = matching.iter().map(|(key, values)| (*key, values.iter().copied().collect())).collect();
            let matching: Vec<(&str, &[&str])> = matching.iter().map(|(key, values)| (*key, &values[..])).collect();
            budget(&format!("b{i}"), &matching)
        });
        let budgets = Budgets::from(list.collect::<Vec<_>>());
        for request in &requests {
            let linear = budgets.iter().filter(|budget| budget.applies_to(request.subject()));
            prop_assert_eq!(names(budgets.of(request.subject(), NOW)), names(linear));
        }
    }
}

#[test]
fn a_request_looks_only_at_its_own_teams_budgets_and_at_those_for_all() {
    let teams: Vec<String> = (0..1_000).map(|i| format!("team{i}")).collect();
    let of_team = |team: &String| budget(team, &[("team", &[team.as_str()]), ("model", &["a"])]);
    let mut list = vec![budget("all", &[])];
    list.extend(teams.iter().map(of_team));
    list.push(budget("last", &[("model", &["a", "b"]), ("underlying", &["z"])]));
    let budgets = Budgets::from(list);
    let asked = Asked::new(["a", "x", "z"], &[("team", "team7")]);
    assert_eq!(names(budgets.of(asked.subject(), NOW)), ["all", "team7", "last"]);
    assert_eq!(positions(&budgets, &asked), [0, 8, 1_001]);
    let stranger = Asked::new(["b", "x", "y"], &[("team", "none")]);
    assert_eq!((names(budgets.of(stranger.subject(), NOW)), positions(&budgets, &stranger)), (vec!["all"], vec![0]));
}

#[test]
fn a_definition_that_stays_in_force_is_found_for_the_requests_that_it_is_for() {
    let until = NOW + jiff::SignedDuration::from_secs(60);
    let before = Before { until, budget: budget("old", &[("team", &["a"])]) };
    let changed = Budget { before: Some(Box::new(before)), ..budget("new", &[("team", &["b"])]) };
    let budgets = Budgets::from(vec![changed]);
    let found = |team: &str, now: Timestamp| {
        let asked = Asked::new(["m", "x", "y"], &[("team", team)]);
        budgets.of(asked.subject(), now).map(|budget| budget.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!((found("a", NOW), found("b", NOW)), (vec!["old".to_owned()], vec![]));
    assert_eq!((found("a", until), found("b", until)), (vec![], vec!["new".to_owned()]));
}

#[test]
fn lists_are_the_same_when_their_budgets_are_in_the_same_order() {
    let list = |names: &[&str]| Budgets::from(names.iter().map(|name| budget(name, &[("team", &["a"])])).collect::<Vec<_>>());
    assert_eq!(list(&["a", "b"]), list(&["a", "b"]));
    for other in [&["b", "a"][..], &["a"], &["a", "b", "c"], &["a", "c"]] {
        assert_ne!(list(&["a", "b"]), list(other));
    }
}
