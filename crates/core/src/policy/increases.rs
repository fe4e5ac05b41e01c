//! Temporary increases of a budget's limit.

use super::budgets::{LARGEST_LIMIT, instant, limits};
use crate::budget::{Increase, Limit};
use crate::problem::{At, Problems};

const REASON_EXPECTED: &str = "why, in 1 to 200 characters: it is what an auditor reads";
const REASON_CHARACTERS: usize = 200;

/// Reads a budget's `increases`; `base` are the limits that they add to.
pub(super) fn parse(problems: &mut Problems, at: &At<'_>, base: &[Limit]) -> Vec<Increase> {
    let Some(items) = at.items() else {
        problems.add(&at.pointer, "a list of increases, each with `limit`, `from`, `until` and `reason`");
        return Vec::new();
    };
    let increases: Vec<Increase> = items.iter().filter_map(|item| increase(problems, item, base)).collect();
    for limit in base {
        let added = increases.iter().flat_map(|increase| &increase.limits).filter(|added| added.unit == limit.unit);
        if added.map(|added| added.amount).fold(limit.amount, u64::saturating_add) > LARGEST_LIMIT {
            problems.add(&at.pointer, "increases that leave the limit within what the ledger can count");
        }
    }
    increases
}

fn increase(problems: &mut Problems, at: &At<'_>, base: &[Limit]) -> Option<Increase> {
    if !problems.object(at, &["limit", "from", "until", "reason"]) {
        return None;
    }
    let before = problems.len();
    let field = problems.required(at, "limit", "what is added, in units of the budget's limit, such as `usd: 100`");
    let limits = field.as_ref().map(|field| limits(problems, field)).unwrap_or_default();
    for limit in limits.iter().filter(|limit| !base.iter().any(|base| base.unit == limit.unit)) {
        problems.add(format!("{}/limit/{}", at.pointer, limit.unit.word()), "a unit that the budget's own limit has");
    }
    let (from, until) = (instant(problems, at, "from"), instant(problems, at, "until"));
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        problems.add(at.child("until"), "an instant later than `from`");
    }
    let reason = problems.required(at, "reason", REASON_EXPECTED).and_then(|field| {
        let is_reason = |text: &&str| !text.trim().is_empty() && text.chars().count() <= REASON_CHARACTERS;
        let reason = field.value.as_str().filter(is_reason).map(str::to_owned);
        if reason.is_none() {
            problems.add(field.pointer, REASON_EXPECTED);
        }
        reason
    });
    let increase = Increase { limits, from: from?, until: until?, reason: reason? };
    (problems.len() == before).then_some(increase)
}
