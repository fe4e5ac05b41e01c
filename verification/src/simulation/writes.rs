//! Which writes of a reservation there may be, by rules of their own: every one of them is looked at as it happens.

use super::books::{actual, counter_of, moved};
use super::facts::{Facts, Fate, Invocation};
use super::holds::{denied_for_a_reason, in_force, planned};
use super::world::World;
use cost_sentry_core::budget::Unit;
use cost_sentry_core::reservation::{Reservation, State};
use cost_sentry_workflow::steps::SWEEP;
use cost_sentry_workflow::time_outs;
use jiff::{SignedDuration, Timestamp};

/// Which states may follow which.
fn may_follow(from: State, to: State) -> bool {
    matches!(
        (from, to),
        (State::Held, State::Claimed | State::Released)
            | (State::Claimed, State::Held | State::Settled | State::Uncertain | State::Released)
            | (State::Uncertain, State::Settled | State::Released)
    )
}

/// Takes in a new reservation that the ledger says it stored; what is wrong with it.
pub fn created(world: &World, facts: &mut Facts, by: &Invocation, next: &Reservation) -> Result<(), String> {
    let index = *facts.by_request.get(next.request_id()).ok_or("a reservation of a request that nobody made")?;
    let asked = facts.executions.get(index).ok_or("no such execution")?.asked.clone();
    if facts.witness.reservations.contains_key(next.request_id()) {
        return Err("a reservation was created over another".to_owned());
    }
    if !matches!(next.state, State::Held | State::Denied) || next.version != 1 || next.claim_id.is_some() {
        return Err(format!("a new reservation is {:?} at version {}", next.state, next.version));
    }
    let now = world.executor.now();
    let policy = in_force(facts, next, now)?;
    planned(&policy, &asked, facts.executions.get(index).and_then(|seen| seen.counted), next)?;
    if next.state == State::Denied {
        denied_for_a_reason(facts, next, now)?;
    }
    facts.tally.transitions.add(format!("→ {:?} by {}", next.state, by.step));
    let rises = moved(facts, &asked, None, next, now);
    for (key, unit, before, after) in rises {
        let limit = next.charges.iter().filter(|charge| counter_of(charge) == key);
        let limit = limit.flat_map(|charge| &charge.amounts).find(|amount| amount.unit == unit).map_or(0, |amount| amount.limit);
        let over = after[0].saturating_sub(limit.cast_signed());
        if after[0] > before[0] && over > 0 {
            facts.tally.overshoot = facts.tally.overshoot.max(over.unsigned_abs());
            return Err(format!("the hold takes {} to {} {}, {over} over its limit of {limit}", key.as_str(), after[0], unit.word()));
        }
    }
    facts.witness.reservations.insert(next.request_id().to_owned(), (next.clone(), now));
    Ok(())
}

/// Takes in a transition that the ledger says it stored; what is wrong with it.
pub fn written(world: &World, facts: &mut Facts, by: &Invocation, version: u64, next: &Reservation) -> Result<(), String> {
    let Some((old, _)) = facts.witness.reservations.get(next.request_id()).cloned() else {
        return Err("a transition of a reservation that is not stored".to_owned());
    };
    let index = *facts.by_request.get(next.request_id()).ok_or("a reservation of a request that nobody made")?;
    let asked = facts.executions.get(index).ok_or("no such execution")?.asked.clone();
    if old.version != version || next.version != version + 1 {
        return Err(format!("version {} became {} on the condition of {version}", old.version, next.version));
    }
    if !may_follow(old.state, next.state) {
        return Err(format!("{:?} became {:?}", old.state, next.state));
    }
    let kept = |reservation: &Reservation| {
        (reservation.charges.clone(), reservation.held_at, reservation.request_hash.clone(), reservation.policy_version.clone())
    };
    if kept(&old) != kept(next) || old.prices != next.prices || old.estimate != next.estimate {
        return Err("a transition changed what was decided at the hold".to_owned());
    }
    if by.step == SWEEP {
        swept(world, by, &old)?;
    } else if old.state != State::Held && next.state != State::Held && next.claim_id != old.claim_id {
        return Err("a transition changed the claim".to_owned());
    }
    match next.state {
        State::Settled => settled(facts, index, next)?,
        State::Held | State::Claimed | State::Released => not_billed(facts, index, next)?,
        State::Uncertain | State::Denied => {}
    }
    facts.tally.transitions.add(format!("{:?} → {:?} by {}", old.state, next.state, by.step));
    let now = world.executor.now();
    for (key, unit, before, after) in moved(facts, &asked, Some(&old), next, now) {
        if after[0] > before[0] && next.state != State::Settled {
            return Err(format!("{:?} → {:?} raised what is committed on {} in {}", old.state, next.state, key.as_str(), unit.word()));
        }
    }
    facts.witness.reservations.insert(next.request_id().to_owned(), (next.clone(), now));
    Ok(())
}

/// Whether the sweep was entitled to end a reservation: its lease past by more than clocks may disagree, by the sweep's own clock.
fn swept(world: &World, by: &Invocation, old: &Reservation) -> Result<(), String> {
    let now = world.now().saturating_add(by.skew).unwrap_or(Timestamp::MAX);
    let skew = SignedDuration::from_secs(i64::from(time_outs::SKEW));
    if now.duration_since(old.lease_end) > skew { Ok(()) } else { Err(format!("swept at {now} while the lease ends at {}", old.lease_end)) }
}

/// Whether a settlement says exactly what the one call of its claim used, at the prices of the hold.
fn settled(facts: &Facts, index: usize, next: &Reservation) -> Result<(), String> {
    let seen = facts.executions.get(index).ok_or("no such execution")?;
    let call = seen.calls.iter().find(|call| call.claim == next.claim_id && matches!(call.fate, Fate::Answered(Some(_), _)));
    let Some(Fate::Answered(usage, _)) = call.map(|call| &call.fate) else {
        return Err("settled under a claim that got no answer".to_owned());
    };
    let cost = next.usage.map(|usage| actual(Unit::Usd, &usage, &seen.asked));
    if next.usage != *usage || next.cost.map(|cost| cost.0) != cost {
        return Err(format!("settled {:?} and {:?}, while the call used {usage:?} and cost {cost:?}", next.usage, next.cost));
    }
    Ok(())
}

/// Doubt never refunds, and nobody calls twice: once a call may be billed, there is no way back.
fn not_billed(facts: &Facts, index: usize, next: &Reservation) -> Result<(), String> {
    let seen = facts.executions.get(index).ok_or("no such execution")?;
    match seen.calls.iter().find(|call| call.fate != Fate::NotProcessed) {
        Some(call) => Err(format!("became {:?} after a call that may be billed: {:?}", next.state, call.fate)),
        None => Ok(()),
    }
}
