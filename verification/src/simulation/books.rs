//! A second pair of eyes on the ledger: after every write it works out from the reservations what every counter must show, by rules of
//! its own, and holds the ledger to it.

use super::policy::PolicyDrawn;
use super::requests::Asked;
use super::world::{Facts, Fate, Invocation, World};
use cost_sentry_core::budget::{CounterKey, Mode, Unit};
use cost_sentry_core::estimate::Bound;
use cost_sentry_core::price::Usage;
use cost_sentry_core::reservation::{Charge, Reservation, State, UnitCharge};
use cost_sentry_workflow::memory_ledger::Books;
use cost_sentry_workflow::ports::CounterFigures;
use cost_sentry_workflow::time_outs;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::time::Duration;

/// Committed, used and uncertain.
pub type Shown = [i64; 3];

/// What the ledger must hold.
#[derive(Default)]
pub struct Witness {
    /// By request id, as last written, and when.
    pub reservations: BTreeMap<String, (Reservation, Duration)>,
    /// What each counter and unit must show, and what it showed before, since when.
    pub counters: BTreeMap<(CounterKey, Unit), Vec<(Duration, Shown)>>,
}

impl Witness {
    /// What a counter must show now.
    pub fn shown(&self, key: &CounterKey, unit: Unit) -> Shown {
        self.history(key, unit).last().map_or([0; 3], |(_, shown)| *shown)
    }

    fn history(&self, key: &CounterKey, unit: Unit) -> &[(Duration, Shown)] {
        self.counters.get(&(key.clone(), unit)).map_or(&[], Vec::as_slice)
    }

    /// Whether a counter showed this at some time since then.
    pub fn showed(&self, key: &CounterKey, unit: Unit, shown: Shown, since: Duration) -> bool {
        let history = self.history(key, unit);
        let earlier = history.partition_point(|(at, _)| *at < since);
        let never_moved = earlier == 0 && shown == [0; 3];
        never_moved || history.iter().skip(earlier.saturating_sub(1)).any(|(_, known)| *known == shown)
    }

    /// How many reservations somebody has still to end.
    pub fn open(&self) -> impl Iterator<Item = &(Reservation, Duration)> {
        self.reservations.values().filter(|(stored, _)| matches!(stored.state, State::Held | State::Claimed))
    }
}

/// What a reservation accounts for on one of its amounts: by its state alone.
fn share(reservation: &Reservation, asked: &Asked, amount: &UnitCharge) -> Shown {
    let hold = amount.hold.cast_signed();
    match reservation.state {
        State::Held | State::Claimed => [hold, 0, 0],
        State::Uncertain => [hold, 0, hold],
        State::Denied | State::Released => [0; 3],
        State::Settled => {
            let actual = reservation.usage.map_or(hold, |usage| actual(amount.unit, &usage, asked).cast_signed());
            [actual, actual, 0]
        }
    }
}

/// What a usage comes to in a unit, at the prices of the world.
pub fn actual(unit: Unit, usage: &Usage, asked: &Asked) -> u64 {
    let [input, output, read, write] = [usage.input.0, usage.output.0, usage.cache_read.0, usage.cache_write.0];
    match unit {
        Unit::Usd => asked.cost([input, output, read, write]),
        Unit::Tokens => input + output + read + write,
        Unit::InputTokens => input + read + write,
        Unit::OutputTokens => output,
        Unit::Requests => 1,
    }
}

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
        let limit = next.charges.iter().filter(|charge| charge.key() == key);
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
    if by.step == cost_sentry_workflow::steps::SWEEP {
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

/// A counter and unit that moved: before, and after.
type Move = (CounterKey, Unit, Shown, Shown);

/// Works out what the counters must show after a reservation changed.
fn moved(facts: &mut Facts, asked: &Asked, old: Option<&Reservation>, next: &Reservation, now: Duration) -> Vec<Move> {
    let mut moves = Vec::new();
    for charge in next.charges.iter().filter(|charge| charge.mode == Mode::Enforce) {
        for amount in &charge.amounts {
            let before = old.map_or([0; 3], |old| share(old, asked, amount));
            let after = share(next, asked, amount);
            facts.tally.overages += u64::from(next.state == State::Settled && after[0] > amount.hold.cast_signed());
            if before == after {
                continue;
            }
            let history = facts.witness.counters.entry((charge.key(), amount.unit)).or_default();
            let was = history.last().map_or([0; 3], |(_, shown)| *shown);
            let mut is = was;
            is.iter_mut().zip(before.iter().zip(after)).for_each(|(is, (before, after))| *is += after - before);
            history.push((now, is));
            moves.push((charge.key(), amount.unit, was, is));
        }
    }
    moves
}

/// The policy that a reservation names, which must have been the current one not long ago.
fn in_force(facts: &Facts, next: &Reservation, now: Duration) -> Result<PolicyDrawn, String> {
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
fn planned(policy: &PolicyDrawn, asked: &Asked, counted: Option<u64>, next: &Reservation) -> Result<(), String> {
    let input = match next.estimate.bound {
        Bound::Bytes => asked.bytes_bound(),
        Bound::CountTokens => counted.ok_or("a count that Bedrock never gave")?,
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
        if shadow != budget.shadow || charge.scope != budget.scope(asked) || charge.amounts.len() != budget.limits.len() {
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
fn denied_for_a_reason(facts: &Facts, next: &Reservation, now: Duration) -> Result<(), String> {
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
            if !facts.witness.showed(&charge.key(), amount.unit, shown, since) {
                return Err(format!("denied for {shown:?} on {}, which it did not show", charge.key().as_str()));
            }
        }
    }
    if refused { Ok(()) } else { Err("denied, though its own figures say that there was room".to_owned()) }
}

/// Whether the sweep was entitled to end a reservation: its lease past by more than clocks may disagree, by the sweep's own clock.
fn swept(world: &World, by: &Invocation, old: &Reservation) -> Result<(), String> {
    let now = world.now().saturating_add(by.skew).unwrap_or(jiff::Timestamp::MAX);
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

/// What is wrong with the counters of these charges, as the ledger shows them.
pub fn differences(facts: &Facts, charges: &[Charge], shown: &[CounterFigures]) -> Option<String> {
    charges.iter().zip(shown).filter(|(charge, _)| charge.mode == Mode::Enforce).find_map(|(charge, shown)| {
        charge.amounts.iter().find_map(|amount| {
            let figures = shown.get(&amount.unit).copied().unwrap_or_default();
            let found = [figures.committed, figures.used, figures.uncertain];
            let expected = facts.witness.shown(&charge.key(), amount.unit);
            let at = (charge.key(), amount.unit.word());
            (found != expected).then(|| format!("{} shows {found:?} {}, and its reservations come to {expected:?}", at.0.as_str(), at.1))
        })
    })
}

/// What is wrong with the whole books: the ledger's counters, the shipped recount of its reservations, and the witness must agree.
pub fn unbalanced(witness: &Witness, books: &Books) -> Option<String> {
    let recounted = books.recount();
    let of = |counters: &BTreeMap<CounterKey, CounterFigures>, key: &CounterKey, unit: Unit| {
        let figures = counters.get(key).and_then(|units| units.get(&unit)).copied().unwrap_or_default();
        [figures.committed, figures.used, figures.uncertain]
    };
    witness.counters.keys().find_map(|(key, unit)| {
        let (expected, counter, recount) = (witness.shown(key, *unit), of(&books.counters, key, *unit), of(&recounted, key, *unit));
        let wrong = counter != expected || recount != expected;
        wrong.then(|| {
            format!("{} in {}: the counter shows {counter:?}, recounted {recount:?}, witnessed {expected:?}", key.as_str(), unit.word())
        })
    })
}
