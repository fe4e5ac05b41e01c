//! Whether a decision is the one that the policy asks for: its budgets, windows, worst case and limits, and for a denial its reason.

use super::books::counter_of;
use super::facts::Facts;
use super::policy::PolicyDrawn;
use super::requests::Asked;
use cost_sentry_core::budget::{Mode, Unit};
use cost_sentry_core::estimate::Bound;
use cost_sentry_core::reservation::{Charge, Reservation};
use cost_sentry_workflow::time_outs;
use std::time::Duration;

/// The policy that a reservation names, which must have been the current one not long ago.
pub fn in_force(facts: &Facts, next: &Reservation, now: Duration) -> Result<PolicyDrawn, String> {
    // A cached policy serves for five minutes while none can be read, and a function runs for seconds.
    let oldest = now.saturating_sub(Duration::from_secs(300 + u64::from(time_outs::CHECK_RATE_LIMIT.function) + 30));
    let current = facts.policies.iter().enumerate().filter(|(nth, policy)| {
        let replaced = facts.policies.get(nth + 1).map_or(Duration::MAX, |next| next.at);
        policy.at <= now && replaced >= oldest
    });
    let found = current.map(|(_, policy)| policy).find(|policy| policy.version == next.policy_version);
    found.map(|policy| policy.drawn.clone()).ok_or_else(|| "decided under a policy that was not in force".to_owned())
}

/// Whether the charges are those that the drawn policy asks for, each with its whole worst case.
pub fn planned(policy: &PolicyDrawn, asked: &Asked, counted: Option<u64>, next: &Reservation) -> Result<(), String> {
    let input = match next.estimate.bound {
        Bound::Bytes => asked.bytes_bound(),
        Bound::CountTokens => counted.ok_or("a count that Bedrock never gave")?,
        Bound::Heuristic => return Err("no drawn policy holds by an estimate".to_owned()),
    };
    if next.estimate.input.0 != input || next.estimate.max_tokens.0 != asked.max_tokens {
        return Err(format!("the worst case is {:?}, not {input} and {}", next.estimate, asked.max_tokens));
    }
    let expected: Vec<_> = policy.budgets.iter().filter(|budget| budget.applies(asked, next.held_at)).collect();
    let names: Vec<&str> = expected.iter().map(|budget| budget.name.as_str()).collect();
    let found: Vec<&str> = next.charges.iter().map(|charge| charge.budget.as_str()).collect();
    if names != found {
        return Err(format!("held on {found:?}, while {names:?} apply"));
    }
    for (budget, charge) in expected.iter().zip(&next.charges) {
        let shadow = charge.mode == Mode::Shadow;
        let (scope, shards) = (budget.scope(asked), budget.shards);
        if shadow != budget.shadow || charge.scope != scope || charge.shard.of != shards || charge.amounts.len() != budget.limits.len() {
            return Err(format!("the charge on {} is not what the policy says", budget.name));
        }
        spans(budget.plain_seconds(), charge, next.held_at)?;
        for amount in &charge.amounts {
            let hold = match amount.unit {
                Unit::Usd => asked.cost([input, asked.max_tokens, 0, 0]),
                Unit::Tokens => input + asked.max_tokens,
                Unit::InputTokens => input,
                Unit::OutputTokens => asked.max_tokens,
                Unit::Requests => 1,
            };
            if amount.hold != hold || budget.limit(amount.unit.word()) != Some(amount.limit) {
                return Err(format!("the charge on {} is {amount:?}, not a hold of {hold}", budget.name));
            }
        }
    }
    Ok(())
}

/// Whether a charge falls into the window of the time at which it was held.
fn spans(plain_seconds: Option<i64>, charge: &Charge, held_at: jiff::Timestamp) -> Result<(), String> {
    if !charge.span.contains(held_at) {
        return Err(format!("held at {held_at} in the window from {} to {}", charge.span.start, charge.span.end));
    }
    let Some(seconds) = plain_seconds else { return Ok(()) };
    let start = held_at.as_second().div_euclid(seconds) * seconds;
    if (charge.span.start.as_second(), charge.span.end.as_second()) == (start, start + seconds) {
        Ok(())
    } else {
        Err(format!("{} is not the {seconds} s window of {held_at}", charge.key().as_str()))
    }
}

/// A denial needs a limit that really had no room: by the recorded figures, and those the counter's own of a moment ago.
pub fn denied_for_a_reason(facts: &Facts, next: &Reservation, now: Duration) -> Result<(), String> {
    let since = now.saturating_sub(Duration::from_secs(u64::from(time_outs::CHECK_RATE_LIMIT.function) + 60));
    let mut refused = false;
    for charge in next.charges.iter().filter(|charge| charge.mode == Mode::Enforce) {
        for amount in &charge.amounts {
            let figures = amount.figures;
            if i128::from(figures.committed) + i128::from(amount.hold) <= i128::from(amount.limit) {
                continue;
            }
            refused = true;
            let shown = [figures.committed, figures.used, figures.uncertain];
            if !facts.witness.showed(&counter_of(charge), amount.unit, shown, since) {
                return Err(format!("denied for {shown:?} on {}, which it did not show", charge.key().as_str()));
            }
        }
    }
    if refused { Ok(()) } else { Err("denied, though its own figures say that there was room".to_owned()) }
}
