//! Whether more budgets may meet on one request than it can hold on.
//!
//! A request has one model, and one value or none for each tag. The search goes through the models, and for each through the tags' values,
//! and gives up a branch as soon as too few budgets are left in it: it looks further only where many meet. Its steps are bounded.

use super::{BUDGETS_PER_REQUEST, ModelEntry, Policy};
use crate::budget::{Budget, Subject};
use crate::tags::TagValues;
use crate::window::WindowSpec;
use std::collections::{BTreeMap, BTreeSet};

/// How many budgets are looked at, each as often as it is met again in a branch, before the search gives up: about a second's work.
const MOST_WORK: usize = 20_000_000;

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Crowding {
    /// No request has too many.
    None,
    /// This request does: its model's name, its tags, and how many budgets would apply.
    Found { model: String, tags: TagValues, count: usize },
    /// The policy has too many combinations to tell.
    Unknown,
}

struct Search {
    work: usize,
    tags: TagValues,
}

pub(super) fn search(policy: &Policy) -> Crowding {
    let mut search = Search { work: 0, tags: TagValues::new() };
    let named = policy.models.iter().map(|(name, entry)| (name.as_str(), model_values(name, entry), profile_tags(policy, entry)));
    let ids = policy.model_ids.iter().map(|id| (id.as_str(), [id.as_str(), id, policy.catalog().underlying(id)], TagValues::new()));
    for (name, values, fixed) in named.chain(ids) {
        let by_model = |budget: &&Budget| {
            Subject::MODEL_KEYS.iter().zip(values).all(|(key, value)| {
                let wanted = budget.matching.get(*key);
                wanted.is_none_or(|wanted| wanted.contains(value))
            })
        };
        let alive: Vec<&Budget> = policy.budgets.iter().filter(by_model).collect();
        let tags = tag_keys(&alive);
        search.tags.clear();
        match search.deepen(&alive, &tags, &fixed) {
            Some(count) => return Crowding::Found { model: name.to_owned(), tags: search.tags, count },
            None if search.work > MOST_WORK => return Crowding::Unknown,
            None => {}
        }
    }
    Crowding::None
}

fn model_values<'a>(name: &'a str, entry: &'a ModelEntry) -> [&'a str; 3] {
    [name, &entry.model_id, &entry.underlying]
}

/// A profile's own tags, as the values that they stand for: a request cannot contradict them.
fn profile_tags(policy: &Policy, entry: &ModelEntry) -> TagValues {
    let accepted = |(tag, value): (&String, &String)| {
        let value = policy.tags.get(tag).and_then(|rule| rule.accept(value)).unwrap_or_else(|| value.clone());
        (tag.clone(), value)
    };
    entry.tags.iter().map(accepted).collect()
}

/// The tags that budgets look at; the tag that most look at first.
fn tag_keys<'a>(budgets: &[&'a Budget]) -> Vec<&'a str> {
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for budget in budgets {
        for key in budget.matching.keys().filter(|key| !Subject::MODEL_KEYS.contains(&key.as_str())) {
            *keys.entry(key).or_default() += 1;
        }
    }
    let mut keys: Vec<(&str, usize)> = keys.into_iter().collect();
    keys.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    keys.into_iter().map(|(key, _)| key).collect()
}

impl Search {
    /// Decides the first of the tags, and the others below it; how many budgets meet, where they are too many.
    fn deepen(&mut self, alive: &[&Budget], tags: &[&str], fixed: &TagValues) -> Option<usize> {
        self.work = self.work.saturating_add(alive.len());
        if alive.len() <= BUDGETS_PER_REQUEST || self.work > MOST_WORK {
            return None;
        }
        let Some((key, rest)) = tags.split_first() else {
            return Some(at_one_time(alive)).filter(|count| *count > BUDGETS_PER_REQUEST);
        };
        // A request without the tag, or with a value that no budget names, meets those budgets only that do not look at it.
        let (others, looking): (Vec<&Budget>, Vec<&Budget>) = alive.iter().copied().partition(|budget| !budget.matching.contains_key(*key));
        if let Some(count) = self.deepen(&others, rest, fixed) {
            return Some(count);
        }
        let mut by_value: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (i, budget) in looking.iter().enumerate() {
            for value in budget.matching.get(*key).into_iter().flatten().filter(|value| fixed.get(*key).is_none_or(|own| own == *value)) {
                by_value.entry(value).or_default().insert(i);
            }
        }
        let mut seen: BTreeSet<BTreeSet<usize>> = BTreeSet::new();
        for (value, accepting) in by_value.into_iter().filter(|(_, accepting)| accepting.len() + others.len() > BUDGETS_PER_REQUEST) {
            let mut left = others.clone();
            left.extend(accepting.iter().filter_map(|i| looking.get(*i).copied()));
            self.work = self.work.saturating_add(left.len());
            if self.work > MOST_WORK || !seen.insert(accepting) {
                continue;
            }
            self.tags.insert((*key).to_owned(), value.to_owned());
            if let Some(count) = self.deepen(&left, rest, fixed) {
                return Some(count);
            }
            self.tags.remove(*key);
        }
        None
    }
}

/// The most of these budgets that count at the same instant: calendar windows always run, periods do not.
fn at_one_time(budgets: &[&Budget]) -> usize {
    let period = |budget: &&Budget| match &budget.window {
        WindowSpec::Period(span) => Some(*span),
        WindowSpec::Calendar(_) => None,
    };
    let periods: Vec<_> = budgets.iter().filter_map(period).collect();
    let overlapping = periods.iter().map(|one| periods.iter().filter(|other| other.contains(one.start)).count()).max().unwrap_or(0);
    budgets.len() - periods.len() + overlapping
}
