//! What becomes of the budgets when one policy follows another.
//!
//! A changed limit, `match` or name, a frozen or removed budget, and a switch from enforce to shadow count at once, on the counters as
//! they are. What starts counters anew ([`RESTARTS`]) counts when the window ends that runs at that moment: until then the definition
//! in force stays, and only its name, its `match`, whose values the new policy may name otherwise, and whether it is frozen are the new
//! one's. A second change meanwhile replaces the one that waits; the definition in force stays the same.

use super::{Policy, budgets, carried, definition};
use crate::budget::{Before, Budget, Effective, Mode};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A policy's word for a difference, and whether two definitions have it.
type Difference = (&'static str, fn(&Budget, &Budget) -> bool);

/// What makes a budget's counters start anew, in policies' words: the one place that decides it.
const RESTARTS: [Difference; 4] = [
    ("window", |old, new| old.window != new.window),
    ("per", |old, new| old.per != new.per),
    ("shards", |old, new| old.shards != new.shards),
    ("mode", |old, new| old.mode == Mode::Shadow && new.mode == Mode::Enforce),
];

/// What counts at once, on the counters as they are.
const AT_ONCE: [Difference; 6] = [
    ("name", |old, new| old.name != new.name),
    ("limit", |old, new| old.limits != new.limits),
    ("match", |old, new| old.matching != new.matching),
    ("mode", |old, new| old.mode == Mode::Enforce && new.mode == Mode::Shadow),
    ("increases", |old, new| old.increases != new.increases),
    ("frozen", |old, new| old.frozen != new.frozen),
];

/// A policy that follows another: what is stored, and what it changes.
#[derive(Debug, Clone)]
pub struct Succession {
    /// The policy as it will count; its version is that of the stored document.
    pub policy: Policy,
    /// What is stored: the reviewed document, and the definitions that stay in force for a while.
    pub document: Value,
    /// What changes, budget by budget.
    pub changes: Vec<Change>,
    /// Why it must not be applied: budgets that nothing would bound while definitions stay in force that the document does not have.
    pub unbounded: Vec<String>,
}

/// What becomes of the counts so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Counts {
    /// They go on.
    Kept,
    /// The new definition starts from zero.
    FromZero,
}

/// One budget's change, and when it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The budget's id.
    pub budget: String,
    /// What differs, in policies' words; nothing for a budget that is new or removed.
    pub fields: Vec<&'static str>,
    /// From when on it counts; nothing for at once.
    pub from: Option<Timestamp>,
    /// What becomes of the counts so far.
    pub counts: Counts,
    /// The same as a sentence.
    pub says: String,
}

impl Policy {
    /// What this policy, read from `reviewed`, becomes when it is applied at `now` while another is current.
    pub fn succeed(mut self, reviewed: &Value, current: &Self, now: Timestamp) -> Succession {
        let mut changes = Vec::new();
        let known: BTreeMap<&str, &Budget> = current.budgets.iter().map(|old| (old.id.as_str(), old)).collect();
        self.budgets.change(|budgets| {
            for budget in budgets {
                match known.get(budget.id.as_str()) {
                    Some(old) => changes.extend(follow(budget, old, now)),
                    None => changes.push(added(budget)),
                }
            }
        });
        let stays: BTreeSet<&str> = self.budgets.iter().map(|budget| budget.id.as_str()).collect();
        let gone = current.budgets.iter().filter(|old| !stays.contains(old.id.as_str()));
        changes.extend(gone.map(removed));
        let document = carried::write(reviewed, &self.budgets);
        self.version = super::version(&document);
        let unbounded = self.unbounded_from(now);
        Succession { policy: self, document, changes, unbounded }
    }

    /// What is said of a policy is not yet so while earlier definitions stay in force: the budget around another may be a shadow still.
    fn unbounded_from(&self, now: Timestamp) -> Vec<String> {
        let untils: BTreeSet<Timestamp> = self.budgets.iter().filter_map(|budget| Some(budget.before.as_ref()?.until)).collect();
        let mut found = BTreeMap::new();
        // Between two of these moments nothing changes, and after the last the document itself is in force.
        for (from, until) in std::iter::once(&now).chain(&untils).zip(&untils) {
            let in_force: Vec<&Budget> = self.budgets.iter().map(|budget| budget.at(*from)).collect();
            for budget in budgets::unbounded(&in_force, &self.tags).into_iter().filter_map(|position| in_force.get(position)) {
                found.insert(budget.name.clone(), (budget.per.join(" and "), *until));
            }
        }
        let says = |(name, (per, until)): (String, (String, Timestamp))| {
            format!(
                "budget `{name}`: until {until} no enforced budget is around it, since definitions stay in force until then, so every \
                 invented value of {per} would be a fresh budget"
            )
        };
        found.into_iter().map(says).collect()
    }

    /// The changes that were applied and wait for the end of a window.
    pub fn pending(&self, now: Timestamp) -> Vec<Change> {
        let waiting = |budget: &Budget| {
            let before = budget.before.as_ref().filter(|before| now < before.until)?;
            Some(later(&before.budget, budget, before.until, differing(&RESTARTS, &before.budget, budget)))
        };
        self.budgets.iter().filter_map(waiting).collect()
    }
}

fn differing(of: &[Difference], old: &Budget, new: &Budget) -> Vec<&'static str> {
    of.iter().filter(|(_, differs)| differs(old, new)).map(|(word, _)| *word).collect()
}

/// Lets a budget follow what was current under its id.
fn follow(budget: &mut Budget, old: &Budget, now: Timestamp) -> Vec<Change> {
    let in_force = old.at(now);
    let mut changes = Vec::new();
    let restarts = differing(&RESTARTS, in_force, budget);
    if restarts.is_empty() {
        budget.since = in_force.since;
        changes.extend(at_once(in_force, budget));
        if old.before.as_ref().is_some_and(|before| now < before.until) {
            let says =
                format!("`{}`: the change that was waiting is taken back; {} stays in force", budget.name, definition::describe(budget));
            changes.push(Change { budget: budget.id.clone(), fields: Vec::new(), from: None, counts: Counts::Kept, says });
        }
        return changes;
    }
    let running = in_force.span(now).filter(|_| budget.effective == Effective::NextWindow);
    if let Some(running) = running {
        let (name, matching) = (budget.name.clone(), budget.matching.clone());
        let stays = Budget { name, matching, frozen: budget.frozen, before: None, ..in_force.clone() };
        changes.extend(at_once(in_force, &stays));
        changes.push(later(&stays, budget, running.end, restarts));
        budget.since = Some(running.end);
        budget.before = Some(Box::new(Before { until: running.end, budget: stays }));
    } else {
        changes.push(from_zero(in_force, budget, restarts));
        // Counters' windows are stored in whole seconds.
        budget.since = Timestamp::from_second(now.as_second()).ok();
    }
    changes
}

fn from_zero(old: &Budget, new: &Budget, fields: Vec<&'static str>) -> Change {
    let (before, after) = (definition::describe(old), definition::describe(new));
    let says = format!("`{}`: {after} counts at once, from zero, and no longer {before}", new.name);
    Change { budget: new.id.clone(), fields, from: None, counts: Counts::FromZero, says }
}

fn later(old: &Budget, new: &Budget, until: Timestamp, fields: Vec<&'static str>) -> Change {
    let (name, before, after) = (&new.name, definition::describe(old), definition::describe(new));
    let says = if new.window.span(until).is_some() {
        format!("`{name}`: {before} stays in force until {until}; then {after} counts, from zero")
    } else {
        format!(
            "`{name}`: {before} stays in force until {until}, and {after} never counts: its period is over by then; `effective: atOnce` \
             would start it now, from zero"
        )
    };
    Change { budget: new.id.clone(), fields, from: Some(until), counts: Counts::FromZero, says }
}

fn at_once(old: &Budget, new: &Budget) -> Option<Change> {
    let fields = differing(&AT_ONCE, old, new);
    let says: Vec<String> = fields.iter().map(|field| sentence(field, old, new)).collect();
    let says = format!("`{}`: {}; at once, and the counts so far stay", new.name, says.join(", "));
    (!fields.is_empty()).then_some(Change { budget: new.id.clone(), fields, from: None, counts: Counts::Kept, says })
}

fn sentence(field: &str, old: &Budget, new: &Budget) -> String {
    match field {
        "name" => format!("is the new name of `{}`", old.name),
        "limit" => {
            let (before, after) = (definition::limits_text(&old.limits), definition::limits_text(&new.limits));
            let uncounted = new.limits.iter().filter(|limit| !old.limits.iter().any(|known| known.unit == limit.unit));
            let words: Vec<&str> = uncounted.map(|limit| limit.unit.word()).collect();
            let uncounted = if words.is_empty() { String::new() } else { format!(" ({} counts from now on)", words.join(" and ")) };
            format!("the limit is {after} instead of {before}{uncounted}")
        }
        "match" => "it is for other requests".to_owned(),
        "mode" => "it refuses no more, and only says what it would have done".to_owned(),
        "increases" => format!("its temporary increases are {} instead of {}", new.increases.len(), old.increases.len()),
        _ if new.frozen => "it is frozen, and takes no new request".to_owned(),
        _ => "it is frozen no more".to_owned(),
    }
}

fn added(budget: &Budget) -> Change {
    let says = format!(
        "`{}` is new: {} counts at once, from zero or from what a budget of this id has counted in the window before",
        budget.name,
        definition::describe(budget)
    );
    Change { budget: budget.id.clone(), fields: Vec::new(), from: None, counts: Counts::Kept, says }
}

fn removed(budget: &Budget) -> Change {
    let says = format!("`{}` is removed: it takes no new hold from now on; what it holds is settled all the same", budget.name);
    Change { budget: budget.id.clone(), fields: Vec::new(), from: None, counts: Counts::Kept, says }
}
