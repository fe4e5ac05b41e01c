//! The budget, and the requests that want it.

use cost_sentry_core::budget::{Mode, Unit};
use cost_sentry_core::estimate::{Bound, Estimate};
use cost_sentry_core::model::ResolvedModel;
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::reservation::{Charge, ClaimId, Figures, Reservation, State, Step, Transition, UnitCharge, Verdict, transition};
use cost_sentry_core::shard::Shard;
use cost_sentry_core::tags::{TagValues, Tags};
use cost_sentry_core::window::Span;
use jiff::{SignedDuration, Timestamp};

/// What every request holds, in tokens.
pub const HOLD: u64 = 1_000;
/// What a request uses, where what it held does not all come back.
pub const USED: u64 = 300;

/// A charge of the one budget.
pub fn charge(request_id: &str, shards: u8, limit: u64) -> Charge {
    let span = Span { start: Timestamp::UNIX_EPOCH, end: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24) };
    let amount = UnitCharge { unit: Unit::Tokens, limit, hold: HOLD, figures: Figures::default() };
    Charge {
        budget: "hot".to_owned(),
        name: "hot".to_owned(),
        window: "day".to_owned(),
        span,
        scope: String::new(),
        mode: Mode::Enforce,
        frozen: false,
        shard: Shard::of_request(request_id, shards),
        amounts: vec![amount],
    }
}

/// A request's reservation, still to be held.
pub fn held(request_id: &str, shards: u8, limit: u64) -> Reservation {
    let now = Timestamp::UNIX_EPOCH;
    Reservation {
        state: State::Held,
        version: 1,
        claim_id: None,
        lease_end: now,
        request_hash: String::new(),
        policy_version: String::new(),
        held_at: now,
        charges: vec![charge(request_id, shards, limit)],
        prices: None,
        estimate: Estimate { input: Tokens(0), bound: Bound::Bytes, max_tokens: Tokens(HOLD) },
        model: ResolvedModel {
            requested: String::new(),
            name: String::new(),
            model_id: String::new(),
            billed_id: String::new(),
            underlying: String::new(),
            model_metric: String::new(),
        },
        tags: Tags { values: TagValues::new(), request_id: request_id.to_owned(), timestamp: String::new(), model_metric: String::new() },
        usage: None,
        cost: None,
        largest_max_tokens: None,
    }
}

/// The end of a held request: settled below its hold, or given back whole. With the version that it is decided on.
pub fn end(held: &Reservation, comes_back: bool) -> Option<(u64, Step)> {
    let claim_id = ClaimId("worker".to_owned());
    let claim = Transition::Claim { claim_id: claim_id.clone(), request_hash: held.request_hash.clone(), lease_end: held.lease_end };
    let Verdict::Apply(claimed) = transition(held, &claim) else { return None };
    let last = if comes_back {
        Transition::Release { claim_id: Some(claim_id) }
    } else {
        Transition::Settle { claim_id, usage: Usage { output: Tokens(USED), ..Usage::default() } }
    };
    match transition(&claimed.next, &last) {
        Verdict::Apply(step) => Some((claimed.next.version, *step)),
        Verdict::Done | Verdict::Refused(_) => None,
    }
}
