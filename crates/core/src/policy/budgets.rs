//! The policy's `budgets` section.

use super::BUDGETS_PER_REQUEST;
use super::increases;
use super::models::{ModelEntry, decimal};
use super::sections::tag_value;
use crate::budget::{Budget, Effective, Index, Limit, Mode, Subject, Unit};
use crate::catalog::Catalog;
use crate::problem::{At, Problems};
use crate::quantity::NanoUsd;
use crate::shard::Shard;
use crate::tags::{KNOWN, TagRule};
use crate::window::{ResetDay, Window, WindowSpec};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The largest limit in any unit: four fifths of what a signed 64-bit count holds, so that sums stay within it (about 7.4 billion dollars).
pub(super) const LARGEST_LIMIT: u64 = i64::MAX as u64 / 5 * 4;
/// The most bytes of a scope: with all else that names a counter, it must fit a key of 2,048 (Amazon DynamoDB quotas).
const LONGEST_SCOPE: usize = 1_900;
/// The most characters of a tag's value, of one byte each.
const LONGEST_VALUE: usize = 256;

const FIELDS: [&str; 14] = [
    "id",
    "name",
    "limit",
    "window",
    "timeZone",
    "resetDay",
    "period",
    "match",
    "per",
    "mode",
    "increases",
    "frozen",
    "effective",
    "shards",
];
const KEY_EXPECTED: &str = "`model`, `modelId`, `underlying`, a known tag, or a tag that `tags` names";
const NAME_EXPECTED: &str = "a name of 1 to 64 letters, digits and - . _ that starts with a letter or a digit";

/// The names that a budget's `match` and `per` may use. A definition that was checked when it was applied, and stays in force for a
/// while, may use names that its successor's policy does not know any more: there they are not looked up.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub tags: &'a BTreeMap<String, TagRule>,
    pub models: &'a BTreeMap<String, ModelEntry>,
    pub model_ids: &'a BTreeSet<String>,
    pub catalog: &'a Catalog,
}

pub(super) fn parse(problems: &mut Problems, at: &At<'_>, names: Names<'_>) -> Vec<Budget> {
    let Some(items) = at.items() else {
        problems.add(&at.pointer, "a list of budgets");
        return Vec::new();
    };
    let mut budgets = Vec::new();
    let mut seen = BTreeSet::new();
    for item in &items {
        if let Some(budget) = budget(problems, item, Some(names)) {
            for word in BTreeSet::from([&budget.id, &budget.name]) {
                if !seen.insert(word.clone()) {
                    problems.add(item.child("name"), "a name and an id that no other budget has");
                }
            }
            budgets.push((item.pointer.clone(), budget));
        }
    }
    check_scopes(problems, &budgets, names.tags);
    // What meets only for some requests, or at some times, `Policy::warnings` looks for.
    let meets_always = |budget: &Budget| budget.matching.is_empty() && matches!(budget.window, WindowSpec::Calendar(_));
    let always = budgets.iter().filter(|(_, budget)| meets_always(budget)).count();
    if always > BUDGETS_PER_REQUEST {
        problems.add(&at.pointer, format!("at most {BUDGETS_PER_REQUEST} budgets that apply to the same request"));
    }
    budgets.into_iter().map(|(_, budget)| budget).collect()
}

pub(super) fn budget(problems: &mut Problems, at: &At<'_>, names: Option<Names<'_>>) -> Option<Budget> {
    if !problems.object(at, &FIELDS) {
        return None;
    }
    let before = problems.len();
    let name = problems.required(at, "name", NAME_EXPECTED).and_then(|field| identifier(problems, &field));
    let id = at.get("id").map(|field| identifier(problems, &field));
    let limits = match problems.required(at, "limit", "an object with a unit and its amount, such as `usd: 5000`") {
        Some(field) => limits(problems, &field),
        None => Vec::new(),
    };
    let window = window(problems, at);
    let matching = at.get("match").map(|field| matching(problems, &field, names)).unwrap_or_default();
    let per = at.get("per").map(|field| per(problems, &field, names)).unwrap_or_default();
    let words = [("enforce", Mode::Enforce), ("shadow", Mode::Shadow)];
    let mode = at.get("mode").and_then(|field| problems.word(&field, &words)).unwrap_or_default();
    let increases = at.get("increases").map(|field| increases::parse(problems, &field, &limits)).unwrap_or_default();
    let frozen = at.get("frozen").is_some_and(|field| flag(problems, &field));
    let words = [("nextWindow", Effective::NextWindow), ("atOnce", Effective::AtOnce)];
    let effective = at.get("effective").and_then(|field| problems.word(&field, &words)).unwrap_or_default();
    let shards = at.get("shards").map_or(Some(1), |field| shards(problems, &field));
    let name = name?;
    let id = match id {
        Some(id) => id?,
        None => name.clone(),
    };
    let window = window?;
    let shards = shards?;
    let budget = Budget { id, name, limits, window, matching, per, mode, increases, frozen, effective, since: None, before: None, shards };
    (problems.len() == before).then_some(budget)
}

fn flag(problems: &mut Problems, at: &At<'_>) -> bool {
    if !at.value.is_boolean() {
        problems.add(&at.pointer, "`true` or `false`");
    }
    at.value == true
}

fn shards(problems: &mut Problems, at: &At<'_>) -> Option<u8> {
    let shards = at.value.as_u64().and_then(|shards| u8::try_from(shards).ok()).filter(|shards| (1..=Shard::MOST).contains(shards));
    if shards.is_none() {
        problems.add(&at.pointer, format!("a whole number of items from 1 to {}", Shard::MOST));
    }
    shards
}

fn identifier(problems: &mut Problems, at: &At<'_>) -> Option<String> {
    let allowed = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let text = at.value.as_str().filter(allowed).map(str::to_owned);
    if text.is_none() {
        problems.add(&at.pointer, NAME_EXPECTED);
    }
    text
}

pub(super) fn limits(problems: &mut Problems, at: &At<'_>) -> Vec<Limit> {
    let words: Vec<&str> = Unit::WORDS.iter().map(|(word, _)| *word).collect();
    if !problems.object(at, &words) {
        return Vec::new();
    }
    let mut limits = Vec::new();
    for (word, unit) in Unit::WORDS {
        let Some(field) = at.get(word) else { continue };
        let amount = match unit {
            Unit::Usd => decimal(&field).and_then(|text| NanoUsd::parse_usd(&text)).map(|nano| nano.0),
            _ => field.value.as_u64(),
        };
        match amount.filter(|amount| (1..=LARGEST_LIMIT).contains(amount)) {
            Some(amount) => limits.push(Limit { unit, amount }),
            None if unit == Unit::Usd => problems.add(field.pointer, "US dollars above 0, with at most nine decimals"),
            None => problems.add(field.pointer, "a whole number, at least 1"),
        }
    }
    if limits.is_empty() && at.fields().is_some_and(|fields| fields.is_empty()) {
        problems.add(&at.pointer, format!("a unit and its amount; units are {}", crate::problem::list(&words)));
    }
    limits
}

fn window(problems: &mut Problems, at: &At<'_>) -> Option<WindowSpec> {
    match (at.get("window"), at.get("period")) {
        (Some(field), None) => calendar(problems, at, &field),
        (None, Some(field)) => {
            for name in ["timeZone", "resetDay"] {
                if let Some(field) = at.get(name) {
                    problems.add(field.pointer, format!("no `{name}` beside `period`, whose instants have their own offsets"));
                }
            }
            period(problems, &field)
        }
        _ => {
            problems.add(at.child("window"), "either `window` (minute, hour, day, week or month) or `period` with `from` and `until`");
            None
        }
    }
}

fn calendar(problems: &mut Problems, at: &At<'_>, field: &At<'_>) -> Option<WindowSpec> {
    let Some(kind) = field.value.as_str().and_then(|word| word.parse::<Window>().ok()) else {
        problems.add(&field.pointer, "one of `minute`, `hour`, `day`, `week` and `month`");
        return None;
    };
    let zone = match at.get("timeZone") {
        Some(field) => Some(problems.string(&field, "an IANA time zone's name, such as `Europe/Berlin`")?),
        None => None,
    };
    let reset_day = match at.get("resetDay") {
        Some(field) => {
            let text = decimal(&field);
            let day = text.as_deref().and_then(|text| text.parse::<ResetDay>().ok());
            if day.is_none() {
                problems.add(field.pointer, "a day of the month (1 to 31) or a weekday (`monday`)");
            }
            Some(day?)
        }
        None => None,
    };
    match WindowSpec::calendar(kind, zone, reset_day) {
        Ok(spec) => Some(spec),
        Err(error) => {
            problems.add(&field.pointer, error.to_string());
            None
        }
    }
}

fn period(problems: &mut Problems, at: &At<'_>) -> Option<WindowSpec> {
    if !problems.object(at, &["from", "until"]) {
        return None;
    }
    let (from, until) = (instant(problems, at, "from"), instant(problems, at, "until"));
    match WindowSpec::period(from?, until?) {
        Ok(spec) => Some(spec),
        Err(error) => {
            problems.add(&at.pointer, error.to_string());
            None
        }
    }
}

/// An instant; counters' windows are stored in whole seconds.
pub(super) fn instant(problems: &mut Problems, at: &At<'_>, name: &str) -> Option<Timestamp> {
    let expected = "an instant in whole seconds with its offset, such as 2027-01-01T00:00:00Z";
    let field = problems.required(at, name, expected)?;
    let instant = field.value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).filter(|instant| instant.subsec_nanosecond() == 0);
    if instant.is_none() {
        problems.add(field.pointer, expected);
    }
    instant
}

fn matching(problems: &mut Problems, at: &At<'_>, names: Option<Names<'_>>) -> BTreeMap<String, BTreeSet<String>> {
    let Some(fields) = at.fields() else {
        problems.add(&at.pointer, "an object of keys (`model`, `modelId`, `underlying`, or a tag) and the values that match");
        return BTreeMap::new();
    };
    let mut matching = BTreeMap::new();
    for (key, field) in fields {
        let items = field.items().unwrap_or_else(|| vec![field.clone()]);
        if items.is_empty() {
            problems.add(&field.pointer, "at least one value");
        }
        let mut values = BTreeSet::new();
        for item in items {
            let Some(value) = tag_value(problems, &item) else { continue };
            let value = names.and_then(|names| names.tags.get(key)?.accept(&value)).unwrap_or(value);
            if names.is_some_and(|names| !can_occur(key, &value, names)) {
                problems
                    .add(&item.pointer, format!("a value that `{key}` can have: this one never matches, so the budget would never count"));
            }
            values.insert(value);
        }
        if !is_key(key, names) {
            problems.add(&field.pointer, KEY_EXPECTED);
        }
        matching.insert(key.to_owned(), values);
    }
    matching
}

fn is_key(key: &str, names: Option<Names<'_>>) -> bool {
    Subject::MODEL_KEYS.contains(&key) || KNOWN.contains(&key) || names.is_none_or(|names| names.tags.contains_key(key))
}

/// A misspelt value in a `match` would switch a budget off without a word; so would an id that a name calls, since it counts as the name.
fn can_occur(key: &str, value: &str, names: Names<'_>) -> bool {
    match key {
        "model" => {
            let is_called = || names.models.values().any(|entry| entry.model_id == value);
            names.models.contains_key(value) || (names.model_ids.contains(value) && !is_called())
        }
        "modelId" => names.model_ids.contains(value) || names.models.values().any(|entry| entry.model_id == value),
        "underlying" => {
            let of_ids = || names.model_ids.iter().any(|id| names.catalog.underlying(id) == value);
            names.models.values().any(|entry| entry.underlying == value) || of_ids()
        }
        tag => names.tags.get(tag).is_none_or(|rule| rule.accept(value).is_some()),
    }
}

fn per(problems: &mut Problems, at: &At<'_>, names: Option<Names<'_>>) -> Vec<String> {
    let expected = "a list of keys: `model`, `modelId`, `underlying` or tags";
    let Some(items) = at.items() else {
        problems.add(&at.pointer, expected);
        return Vec::new();
    };
    let mut keys = Vec::new();
    for item in items {
        match item.value.as_str() {
            Some(key) if is_key(key, names) => keys.push(key.to_owned()),
            _ => problems.add(item.pointer, KEY_EXPECTED),
        }
    }
    // `key=value` each, and a bar between them.
    if keys.iter().map(|key| key.len() + LONGEST_VALUE + 2).sum::<usize>() > LONGEST_SCOPE {
        problems
            .add(&at.pointer, format!("fewer or shorter keys: with the longest values a counter's name would pass {LONGEST_SCOPE} bytes"));
    }
    keys
}

/// A caller who may invent values of a `per` key gets a fresh counter for each: only a list, or a budget around it, bounds that.
fn check_scopes(problems: &mut Problems, budgets: &[(String, Budget)], tags: &BTreeMap<String, TagRule>) {
    let all: Vec<&Budget> = budgets.iter().map(|(_, budget)| budget).collect();
    for (pointer, _) in unbounded(&all, tags).into_iter().filter_map(|position| budgets.get(position)) {
        let expected = "keys whose values are listed under `tags`, or another enforced budget around this one: else every invented value is a fresh budget";
        problems.add(format!("{pointer}/per"), expected);
    }
}

/// Where among these definitions, each in force, those are that a caller could have afresh for each value that he invents.
pub(super) fn unbounded(budgets: &[&Budget], tags: &BTreeMap<String, TagRule>) -> Vec<usize> {
    let is_open = |key: &String| {
        let listed = matches!(tags.get(key), Some(TagRule::Listed { .. }));
        !Subject::MODEL_KEYS.contains(&key.as_str()) && !listed
    };
    let free = |budget: &Budget| budget.per.iter().any(|key| is_open(key) && !budget.matching.contains_key(key));
    let multiplied = || budgets.iter().enumerate().filter(|(_, budget)| free(budget) && budget.mode == Mode::Enforce);
    // The index of thousands takes milliseconds, and a policy that follows another is looked at for each moment at which one changes.
    if multiplied().next().is_none() {
        return Vec::new();
    }
    let index = Index::of(budgets.iter().copied());
    let is_bounded = |budget: &Budget| {
        let encloses = |outer: &Budget| {
            let wider = outer.matching.iter().all(|(key, values)| budget.matching.get(key).is_some_and(|inner| inner.is_subset(values)));
            let lasts = match (&outer.window, &budget.window) {
                (WindowSpec::Calendar(_), _) => true,
                (WindowSpec::Period(outer), WindowSpec::Period(inner)) => outer.start <= inner.start && inner.end <= outer.end,
                (WindowSpec::Period(_), WindowSpec::Calendar(_)) => false,
            };
            outer.id != budget.id && outer.mode == Mode::Enforce && !free(outer) && wider && lasts
        };
        // A budget around this one applies to whatever this one applies to, so it is found by any one of the values of each key.
        let values = budget.matching.iter().filter_map(|(key, values)| Some((key.as_str(), values.first()?.as_str())));
        let around = index.candidates(values);
        around.into_iter().filter_map(|found| budgets.get(found.position)).any(|outer| encloses(outer))
    };
    multiplied().filter(|(_, budget)| !is_bounded(budget)).map(|(position, _)| position).collect()
}
