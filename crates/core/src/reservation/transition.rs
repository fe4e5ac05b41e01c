//! The transition table of the ledger, as one pure function.
//!
//! Each transition is one conditional write: a store applies [`Step::next`] only where the stored version is still the one that was
//! decided on, together with the counters' deltas, all or none. Each is safe to repeat: an event that already took effect, by the same
//! claim, answers [`Verdict::Done`] and moves nothing.

use super::charge::{Charge, UnitCharge, cost};
use super::{ClaimId, Reservation, State};
use crate::budget::{CounterKey, Unit};
use crate::price::Usage;
use jiff::{SignedDuration, Timestamp};

/// What happens to a reservation that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// An invocation is about to send the call.
    Claim {
        /// Drawn by this invocation.
        claim_id: ClaimId,
        /// Of the request at hand: must be the one that was held for.
        request_hash: String,
        /// The new lease.
        lease_end: Timestamp,
    },
    /// The call was certainly not processed, and will be tried again.
    Unclaim {
        /// The claim given back.
        claim_id: ClaimId,
        /// The new lease.
        lease_end: Timestamp,
    },
    /// The call was answered.
    Settle {
        /// The claim that sent it.
        claim_id: ClaimId,
        /// What it used.
        usage: Usage,
    },
    /// The call may have been billed; nobody will ever know here.
    Doubt {
        /// The claim that sent it.
        claim_id: ClaimId,
    },
    /// The call was certainly not processed, and will not be tried again.
    Release {
        /// The claim, if any: without one only what is still held is released.
        claim_id: Option<ClaimId>,
    },
    /// The lease is past, if it is.
    Sweep {
        /// The sweep's clock.
        now: Timestamp,
        /// How far clocks may disagree.
        skew: SignedDuration,
    },
}

/// What moves on one counter in one unit, with the reservation's own write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterDelta {
    /// The counter.
    pub key: CounterKey,
    /// The end of the counter's window: some time after it the counter may be forgotten.
    pub window_end: Timestamp,
    /// The unit of the amounts.
    pub unit: Unit,
    /// Added to `committed`.
    pub committed: i64,
    /// Added to `used`.
    pub used: i64,
    /// Added to `uncertain`.
    pub uncertain: i64,
}

/// A transition decided: what to write, on the condition that the version is still the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a decided transition moves money only once a store has written it"]
pub struct Step {
    /// The reservation afterwards; its version is one more than the one decided on.
    pub next: Reservation,
    /// What moves on the enforced counters, in the same transaction.
    pub deltas: Vec<CounterDelta>,
    /// What moves on shadow counters, outside the transaction, best effort.
    pub shadow: Vec<CounterDelta>,
}

/// Why a transition may not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Another invocation has sent the call, or may have.
    ClaimedElsewhere,
    /// The reservation was released: nothing is held any more, and nothing was sent.
    LeaseLost,
    /// It belongs to another request.
    OtherRequest,
    /// The lease is not past, or there is nothing to end.
    NotDue,
}

/// The answer of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Write this.
    Apply(Box<Step>),
    /// It already happened, by the same claim.
    Done,
    /// It may not happen.
    Refused(Refused),
}

/// Decides a transition of `reservation`.
pub fn transition(reservation: &Reservation, event: &Transition) -> Verdict {
    match event {
        Transition::Claim { claim_id, request_hash, lease_end } => claim(reservation, claim_id, request_hash, *lease_end),
        Transition::Unclaim { claim_id, lease_end } => unclaim(reservation, claim_id, *lease_end),
        Transition::Settle { claim_id, usage } => settle(reservation, claim_id, usage),
        Transition::Doubt { claim_id } => doubt(reservation, claim_id),
        Transition::Release { claim_id } => release(reservation, claim_id.as_ref()),
        Transition::Sweep { now, skew } => sweep(reservation, *now, *skew),
    }
}

fn claim(reservation: &Reservation, claim_id: &ClaimId, request_hash: &str, lease_end: Timestamp) -> Verdict {
    if reservation.request_hash != request_hash {
        return Verdict::Refused(Refused::OtherRequest);
    }
    match reservation.state {
        State::Held => step(reservation, State::Claimed, Moves::None, |next| {
            next.claim_id = Some(claim_id.clone());
            next.lease_end = lease_end;
        }),
        State::Claimed if is_mine(reservation, claim_id) => Verdict::Done,
        State::Claimed | State::Settled | State::Uncertain => Verdict::Refused(Refused::ClaimedElsewhere),
        State::Released | State::Denied => Verdict::Refused(Refused::LeaseLost),
    }
}

fn unclaim(reservation: &Reservation, claim_id: &ClaimId, lease_end: Timestamp) -> Verdict {
    match reservation.state {
        State::Claimed if is_mine(reservation, claim_id) => step(reservation, State::Held, Moves::None, |next| {
            next.claim_id = None;
            next.lease_end = lease_end;
        }),
        State::Held => Verdict::Done,
        State::Released | State::Denied => Verdict::Refused(Refused::LeaseLost),
        State::Claimed | State::Settled | State::Uncertain => Verdict::Refused(Refused::ClaimedElsewhere),
    }
}

fn settle(reservation: &Reservation, claim_id: &ClaimId, usage: &Usage) -> Verdict {
    if !is_mine(reservation, claim_id) {
        return Verdict::Refused(not_mine(reservation));
    }
    let moves = match reservation.state {
        State::Claimed => Moves::Settle { from_uncertain: false },
        State::Uncertain => Moves::Settle { from_uncertain: true },
        State::Settled => return Verdict::Done,
        State::Held | State::Denied | State::Released => return Verdict::Refused(not_mine(reservation)),
    };
    step(reservation, State::Settled, moves, |next| {
        next.usage = Some(*usage);
        next.cost = cost(next.prices.as_ref(), usage);
    })
}

fn doubt(reservation: &Reservation, claim_id: &ClaimId) -> Verdict {
    match reservation.state {
        State::Claimed if is_mine(reservation, claim_id) => step(reservation, State::Uncertain, Moves::Doubt, |_| {}),
        State::Uncertain | State::Settled if is_mine(reservation, claim_id) => Verdict::Done,
        _ => Verdict::Refused(not_mine(reservation)),
    }
}

fn release(reservation: &Reservation, claim_id: Option<&ClaimId>) -> Verdict {
    let mine = claim_id.is_some_and(|claim_id| is_mine(reservation, claim_id));
    match reservation.state {
        State::Held => step(reservation, State::Released, Moves::Release { from_uncertain: false }, |_| {}),
        State::Claimed if mine => step(reservation, State::Released, Moves::Release { from_uncertain: false }, |_| {}),
        State::Uncertain if mine => step(reservation, State::Released, Moves::Release { from_uncertain: true }, |_| {}),
        State::Released => Verdict::Done,
        _ => Verdict::Refused(not_mine(reservation)),
    }
}

fn sweep(reservation: &Reservation, now: Timestamp, skew: SignedDuration) -> Verdict {
    let due = now.duration_since(reservation.lease_end) > skew;
    match reservation.state {
        State::Held if due => step(reservation, State::Released, Moves::Release { from_uncertain: false }, |_| {}),
        State::Claimed if due => step(reservation, State::Uncertain, Moves::Doubt, |_| {}),
        _ => Verdict::Refused(Refused::NotDue),
    }
}

fn is_mine(reservation: &Reservation, claim_id: &ClaimId) -> bool {
    reservation.claim_id.as_ref() == Some(claim_id)
}

fn not_mine(reservation: &Reservation) -> Refused {
    match reservation.state {
        State::Claimed | State::Settled | State::Uncertain => Refused::ClaimedElsewhere,
        State::Held | State::Denied | State::Released => Refused::LeaseLost,
    }
}

/// What a new hold adds to `committed`, per counter and unit.
pub(super) fn hold_deltas<'a>(charges: impl Iterator<Item = &'a Charge>) -> Vec<CounterDelta> {
    let of = |charge: &Charge| {
        let key = charge.key();
        let delta = |amount: &UnitCharge| CounterDelta {
            key: key.clone(),
            window_end: charge.span.end,
            unit: amount.unit,
            committed: signed(amount.hold),
            used: 0,
            uncertain: 0,
        };
        charge.amounts.iter().map(delta).collect::<Vec<_>>()
    };
    charges.flat_map(of).collect()
}

/// How the counters move with a transition.
#[derive(Clone, Copy)]
enum Moves {
    None,
    Settle { from_uncertain: bool },
    Doubt,
    Release { from_uncertain: bool },
}

fn step(reservation: &Reservation, state: State, moves: Moves, change: impl FnOnce(&mut Reservation)) -> Verdict {
    let mut next = reservation.clone();
    next.state = state;
    next.version = reservation.version.saturating_add(1);
    change(&mut next);
    let (enforced, shadow): (Vec<&Charge>, Vec<&Charge>) = next.charges.iter().partition(|charge| charge.is_enforced());
    let deltas = deltas(&next, &enforced, moves);
    let shadow = self::deltas(&next, &shadow, moves);
    Verdict::Apply(Box::new(Step { next, deltas, shadow }))
}

fn deltas(next: &Reservation, charges: &[&Charge], moves: Moves) -> Vec<CounterDelta> {
    if matches!(moves, Moves::None) {
        return Vec::new();
    }
    let of = |charge: &Charge| charge.amounts.iter().map(|amount| delta(next, charge, amount, moves)).collect::<Vec<_>>();
    charges.iter().flat_map(|charge| of(charge)).collect()
}

fn delta(next: &Reservation, charge: &Charge, amount: &UnitCharge, moves: Moves) -> CounterDelta {
    let hold = signed(amount.hold);
    let (committed, used, uncertain) = match moves {
        Moves::None => (0, 0, 0),
        Moves::Settle { from_uncertain } => {
            let actual = next.usage.as_ref().map_or(hold, |usage| signed(amount.actual(usage, next.cost)));
            (actual.saturating_sub(hold), actual, if from_uncertain { -hold } else { 0 })
        }
        Moves::Doubt => (0, 0, hold),
        Moves::Release { from_uncertain } => (-hold, 0, if from_uncertain { -hold } else { 0 }),
    };
    CounterDelta { key: charge.key(), window_end: charge.span.end, unit: amount.unit, committed, used, uncertain }
}

/// Amounts are bounded far below this by the policy; one that is not counts as the largest.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
