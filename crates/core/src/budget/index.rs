//! The budgets of a policy, filed so that a request's are found without looking at the others.
//!
//! A budget is filed under one key of its `match`, the one whose values fewest budgets name, once for each of those values; a request has
//! at most one value per key, so it finds a budget at most once. Budgets without a `match` are for all. What is found by one key
//! may still differ in another: where there is another, [`Budget::applies_to`] has the last word. Which definition of a budget is in force at
//! some moment is asked of what was found.

use super::{Budget, Subject};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;

/// Budgets in the policy's order; read as a slice.
#[derive(Debug, Clone, Default)]
pub struct Budgets {
    list: Vec<Budget>,
    index: Index,
}

/// Where in a list the budgets stand that may apply.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// The budgets for all requests.
    for_all: Vec<Found>,
    /// By key and value, in ascending order.
    filed: BTreeMap<String, HashMap<String, Vec<Found>>>,
}

/// A budget that may apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// Where it stands in the list.
    pub position: usize,
    /// It has no other key in its `match`: it does apply, and nothing else of it has to be looked at, which with thousands of budgets is
    /// mostly a walk to memory that no cache holds.
    by_its_only_key: bool,
}

impl Budgets {
    /// Those that apply to a request by the definitions in force, in the policy's order.
    pub fn of<'a>(&'a self, subject: Subject<'a>, now: Timestamp) -> impl Iterator<Item = &'a Budget> {
        self.index.candidates(subject.values()).into_iter().filter_map(move |found| {
            let budget = self.list.get(found.position)?.at(now);
            (found.by_its_only_key || budget.applies_to(subject)).then_some(budget)
        })
    }
}

impl Budgets {
    /// Changes the budgets, and files them anew.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut [Budget])) {
        change(&mut self.list);
        self.index = Index::of(&self.list);
    }
}

impl PartialEq for Budgets {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Budgets {}

impl From<Vec<Budget>> for Budgets {
    fn from(list: Vec<Budget>) -> Self {
        Self { index: Index::of(&list), list }
    }
}

impl Index {
    /// Files these budgets by their positions.
    pub(crate) fn of<'a>(list: impl IntoIterator<Item = &'a Budget, IntoIter: Clone>) -> Self {
        let list = list.into_iter();
        let mut named: HashMap<(&str, &str), usize> = HashMap::new();
        for (key, values) in list.clone().flat_map(|budget| &budget.matching) {
            for value in values {
                *named.entry((key, value)).or_default() += 1;
            }
        }
        // A request that finds the budget through this key looks at no more budgets than this.
        let crowd = |key: &str, value: &String| named.get(&(key, value.as_str())).copied().unwrap_or_default();
        let mut index = Self::default();
        for (position, budget) in list.enumerate() {
            let matched_otherwise = budget.before.as_ref().is_some_and(|before| before.budget.matching != budget.matching);
            let found = Found { position, by_its_only_key: budget.matching.len() <= 1 && !matched_otherwise };
            // Until its window ends, the definition before may be for other requests: looked at for all of them.
            if matched_otherwise {
                index.for_all.push(found);
                continue;
            }
            let rarest = budget.matching.iter().min_by_key(|(key, values)| values.iter().map(|value| crowd(key, value)).max());
            let Some((key, values)) = rarest else {
                index.for_all.push(found);
                continue;
            };
            let by_value = index.filed.entry(key.clone()).or_default();
            for value in values {
                by_value.entry(value.clone()).or_default().push(found);
            }
        }
        index
    }

    /// What may apply to a request with these keys, each once, and values; in ascending order.
    pub(crate) fn candidates<'a>(&self, values: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Found> {
        let filed = values.filter_map(|(key, value)| self.filed.get(key)?.get(value));
        let mut found: Vec<Found> = self.for_all.iter().chain(filed.flatten()).copied().collect();
        found.sort_unstable();
        found
    }
}

impl Deref for Budgets {
    type Target = [Budget];

    fn deref(&self) -> &[Budget] {
        &self.list
    }
}

impl<'a> IntoIterator for &'a Budgets {
    type Item = &'a Budget;
    type IntoIter = std::slice::Iter<'a, Budget>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
