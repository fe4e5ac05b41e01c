//! A reservation: what one request holds on its budgets, from the hold to its end, and the record that stays.
//!
//! [`transition`] is the whole transition table: a pure function from a reservation and an event to the next reservation and what
//! moves on the counters. Every store carries out its answers and adds nothing of its own.

mod charge;
mod transition;

pub use charge::{Charge, Figures, UnitCharge};
pub use transition::{CounterDelta, Refused, Step, Transition, Verdict, transition};

use crate::budget::{CounterKey, Unit};
use crate::estimate::Estimate;
use crate::model::ResolvedModel;
use crate::price::{Prices, Usage};
use crate::quantity::{NanoUsd, Tokens};
use crate::tags::Tags;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Days that a counter is kept for beyond its window's end: a redrive may come 14 days later.
pub const COUNTER_DAYS: i64 = 35;
/// Days that a reservation is kept for beyond the end of the longest of its windows: always longer than its counters.
pub const RESERVATION_DAYS: i64 = 70;

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Room is held; nothing was sent.
    Held,
    /// Refused; nothing is held.
    Denied,
    /// One invocation may send the call.
    Claimed,
    /// The usage is known and charged.
    Settled,
    /// The call may have been billed: the whole hold stays charged, marked uncertain.
    Uncertain,
    /// Nothing was billed: the hold was given back.
    Released,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Held, Self::Denied, Self::Claimed, Self::Settled, Self::Uncertain, Self::Released];

    /// Whether no transition leads away from it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Denied | Self::Settled | Self::Released)
    }

    /// Whether the sweep has to end it once its lease is past.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Held | Self::Claimed)
    }
}

/// One invocation's claim on a reservation: drawn fresh by each invocation of `InvokeModel`, never taken from its input.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimId(pub String);

/// What a request holds, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// Where it stands.
    pub state: State,
    /// Counts the transitions, from 1; every write is conditional on the version it was decided on.
    pub version: u64,
    /// The invocation that may send, or did.
    pub claim_id: Option<ClaimId>,
    /// When the sweep may end it, if nobody else has.
    pub lease_end: Timestamp,
    /// Hash of the validated request without its timestamp, 32 hexadecimal digits.
    pub request_hash: String,
    /// The policy it was decided under.
    pub policy_version: String,
    /// When it was held or denied, by `CheckRateLimit`'s clock: decides the windows, for good.
    pub held_at: Timestamp,
    /// The budgets that applied, enforced and shadow, each with its figures at the decision.
    pub charges: Vec<Charge>,
    /// What tokens cost then; settlement uses these.
    pub prices: Option<Prices>,
    /// The bound on the request's tokens that was held.
    pub estimate: Estimate,
    /// The model.
    pub model: ResolvedModel,
    /// The tags, `requestId` among them.
    pub tags: Tags,
    /// The real usage, once settled.
    pub usage: Option<Usage>,
    /// Its cost in nano-dollars, where the model has a price.
    pub cost: Option<NanoUsd>,
    /// Of a denied request that is larger than a whole limit: the largest `max_tokens` with which it would fit.
    pub largest_max_tokens: Option<Tokens>,
}

impl Reservation {
    /// The id under which it is stored.
    pub fn request_id(&self) -> &str {
        &self.tags.request_id
    }

    /// Notes what the call used, for a report on a reservation whose settlement is still to be written.
    pub fn note_usage(&mut self, usage: Usage) {
        self.cost = self.prices.as_ref().map(|prices| prices.cost(&usage));
        self.usage = Some(usage);
    }

    /// What the hold itself moves: on the enforced counters, in the reservation's own transaction.
    pub fn hold_deltas(&self) -> Vec<CounterDelta> {
        transition::hold_deltas(self.charges.iter().filter(|charge| charge.is_enforced()))
    }

    /// What the hold moves on shadow counters, outside the transaction.
    pub fn shadow_hold_deltas(&self) -> Vec<CounterDelta> {
        transition::hold_deltas(self.charges.iter().filter(|charge| !charge.is_enforced()))
    }

    /// What this reservation, as it stands, accounts for on each enforced counter: counters are the sums of these.
    pub fn shares(&self) -> Vec<(CounterKey, Unit, Figures)> {
        self.enforced().flat_map(|charge| self.shares_on(charge)).collect()
    }

    /// What it accounts for on the counter of one of its charges; on a shadow's, what it would if that one were exact.
    pub fn shares_on(&self, charge: &Charge) -> Vec<(CounterKey, Unit, Figures)> {
        charge.amounts.iter().filter_map(|amount| Some((charge.key(), amount.unit, self.share(amount)?))).collect()
    }

    fn share(&self, amount: &UnitCharge) -> Option<Figures> {
        let hold = i64::try_from(amount.hold).unwrap_or(i64::MAX);
        match self.state {
            State::Held | State::Claimed => Some(Figures { committed: hold, used: 0, uncertain: 0 }),
            State::Uncertain => Some(Figures { committed: hold, used: 0, uncertain: hold }),
            State::Settled => {
                let actual = self.usage.as_ref().map_or(hold, |usage| i64::try_from(amount.actual(usage, self.cost)).unwrap_or(i64::MAX));
                Some(Figures { committed: actual, used: actual, uncertain: 0 })
            }
            State::Denied | State::Released => None,
        }
    }

    /// The enforced charges: those that move in the same transaction as the reservation.
    pub fn enforced(&self) -> impl Iterator<Item = &Charge> {
        self.charges.iter().filter(|charge| charge.is_enforced())
    }
}
