//! Charges and reservations to keep books on.

use cost_sentry_core::budget::{Mode, Unit};
use cost_sentry_core::estimate::{Bound, Estimate};
use cost_sentry_core::model::ResolvedModel;
use cost_sentry_core::price::{Prices, Usage};
use cost_sentry_core::quantity::{Rate, Tokens};
use cost_sentry_core::reservation::{Charge, ClaimId, Figures, Reservation, State, Transition, UnitCharge};
use cost_sentry_core::shard::Shard;
use cost_sentry_core::tags::{TagValues, Tags};
use cost_sentry_core::window::Span;
use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;

/// The hash of every request here.
pub const HASH: &str = "00112233445566778899aabbccddeeff";
/// When the leases of [`held`] end.
pub const LEASE_END: &str = "2026-11-20T12:40:00.000500Z";

thread_local! {
    static SHARDS: Cell<u8> = const { Cell::new(1) };
}

/// From now on the charges that this test makes fall on counters of so many shards.
pub fn spread(shards: u8) {
    SHARDS.set(shards);
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Limit and hold in a unit.
pub fn amount(unit: Unit, limit: u64, hold: u64) -> UnitCharge {
    UnitCharge { unit, limit, hold, figures: Figures::default() }
}

/// A charge on the one counter of an enforced budget, for the hour from noon.
pub fn charge(budget: &str, amounts: &[UnitCharge]) -> Charge {
    let span = Span { start: at("2026-11-20T12:00:00Z"), end: at("2026-11-20T13:00:00Z") };
    let (name, budget, window) = (budget.to_owned(), budget.to_owned(), "hour".to_owned());
    let shard = Shard { index: 0, of: SHARDS.get() };
    Charge { name, budget, window, span, scope: String::new(), mode: Mode::Enforce, frozen: false, shard, amounts: amounts.to_vec() }
}

/// A charge in tokens.
pub fn tokens(budget: &str, limit: u64, hold: u64) -> Charge {
    charge(budget, &[amount(Unit::Tokens, limit, hold)])
}

/// The same on a shadow counter.
pub fn shadow(charge: Charge) -> Charge {
    Charge { mode: Mode::Shadow, ..charge }
}

/// The same charges on the shards that a request tries first.
fn placed(id: &str, charges: Vec<Charge>) -> Vec<Charge> {
    let place = |charge: Charge| Charge { shard: Shard::of_request(id, charge.shard.of), ..charge };
    charges.into_iter().map(place).collect()
}

/// What a request of that id holds; a token in costs one nano-dollar, one out costs five.
pub fn held(id: &str, charges: Vec<Charge>) -> Reservation {
    let word = |text: &str| text.to_owned();
    let model = word("us.anthropic.claude-3-5-haiku-20241022-v1:0");
    Reservation {
        state: State::Held,
        version: 1,
        claim_id: None,
        lease_end: at(LEASE_END),
        request_hash: word(HASH),
        policy_version: word("0123456789abcdef"),
        held_at: at("2026-11-20T12:30:00.000001Z"),
        charges: placed(id, charges),
        prices: Some(Prices::flat(Rate(1_000), Rate(5_000))),
        estimate: Estimate { input: Tokens(100), bound: Bound::Bytes, max_tokens: Tokens(500) },
        model: ResolvedModel {
            requested: word("claude-3-5-haiku"),
            name: word("claude-3-5-haiku"),
            model_id: model.clone(),
            billed_id: model.clone(),
            underlying: word("anthropic.claude-3-5-haiku-20241022-v1:0"),
            model_metric: model.clone(),
        },
        tags: Tags {
            values: TagValues::from([(word("applicationId"), word("docs"))]),
            request_id: word(id),
            timestamp: word("2026-11-20T12:29:59.000001Z"),
            model_metric: model,
        },
        usage: None,
        cost: None,
        largest_max_tokens: None,
    }
}

/// The same, refused.
pub fn denied(id: &str, charges: Vec<Charge>) -> Reservation {
    Reservation { state: State::Denied, ..held(id, charges) }
}

pub fn claim(claim_id: &str) -> Transition {
    Transition::Claim { claim_id: ClaimId(claim_id.to_owned()), request_hash: HASH.to_owned(), lease_end: at("2026-11-20T12:45:00Z") }
}

pub fn unclaim(claim_id: &str) -> Transition {
    Transition::Unclaim { claim_id: ClaimId(claim_id.to_owned()), lease_end: at("2026-11-20T12:50:00Z") }
}

pub fn settle(claim_id: &str, input: u64, output: u64) -> Transition {
    let usage = Usage { input: Tokens(input), output: Tokens(output), ..Usage::default() };
    Transition::Settle { claim_id: ClaimId(claim_id.to_owned()), usage }
}

pub fn doubt(claim_id: &str) -> Transition {
    Transition::Doubt { claim_id: ClaimId(claim_id.to_owned()) }
}

pub fn release(claim_id: Option<&str>) -> Transition {
    Transition::Release { claim_id: claim_id.map(|claim_id| ClaimId(claim_id.to_owned())) }
}

/// A sweep long after every lease here.
pub fn sweep() -> Transition {
    Transition::Sweep { now: at("2026-11-20T13:30:00Z"), skew: SignedDuration::from_secs(60) }
}
