//! What the model is played with: two budgets that are too small for all requests, and requests of two kinds.
//!
//! Budget `all` (tokens a day) applies to every request and has room for two holds and a settlement. Budget `sales` (dollars a month)
//! applies to the first kind only and has room for one hold and a settlement. So a request is refused by either, by both, or fits
//! once another has settled; a hold must move both counters or none.

use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::plan::{estimate, plan};
use cost_sentry_core::policy::Policy;
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::{NanoUsd, Tokens};
use cost_sentry_core::request::{Origin, Request, validate};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;

/// How many counters there are.
pub const COUNTERS: usize = 2;
/// Tokens that a call may answer with; one more in the other request of the same id.
pub const MAX_TOKENS: u64 = 100;

/// Which budgets apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Both.
    Both,
    /// `all` only.
    AllOnly,
}

/// A counter's key, its unit, and an amount of it: its limit, or a hold.
pub type Counter = (CounterKey, Unit, u64);

/// The stage.
#[derive(Debug)]
pub struct Stage {
    /// The policy's version and document.
    pub policy: (String, Value),
    /// When every execution starts.
    pub started_at: Timestamp,
    /// The counters: key, unit, limit.
    pub counters: [Counter; COUNTERS],
    /// What a request holds on each counter, by its kind.
    pub holds: BTreeMap<Kind, [u64; COUNTERS]>,
    /// What a call uses as a rule.
    pub usual: Usage,
    /// What a call uses that goes above its hold.
    pub excessive: Usage,
}

impl Stage {
    /// Sets it.
    pub fn set() -> Result<Self, Box<dyn Error>> {
        let started_at: Timestamp = "2026-11-20T12:00:00Z".parse()?;
        // What a request holds and costs depends on no limit: found with limits that do not matter.
        let roomy = compile(&policy_document(1_000_000, NanoUsd(1_000_000_000)))?;
        let held = |kind| holds(&roomy, kind, started_at);
        let (both, all_only) = (held(Kind::Both)?, held(Kind::AllOnly)?);
        let prices = roomy.prices_at(&request(&roomy, Kind::Both, false, started_at)?.model.billed_id, started_at).ok_or("a price")?;
        let usual = Usage { input: Tokens(10), output: Tokens(20), ..Usage::default() };
        let [(_, _, tokens), (_, _, nano_usd)] = &both;
        let excessive = Usage { input: Tokens(*tokens), output: Tokens(MAX_TOKENS), ..Usage::default() };
        let document = policy_document(2 * tokens + usual.total().0, NanoUsd(nano_usd + prices.cost(&usual).0));
        let policy = compile(&document)?;
        let limits = plan(
            &policy,
            &request(&policy, Kind::Both, false, started_at)?,
            estimate(&policy, &request(&policy, Kind::Both, false, started_at)?)?,
            started_at,
        )?;
        let limit = |key: &CounterKey| {
            let charge = limits.charges.iter().find(|charge| charge.key() == *key);
            charge.and_then(|charge| charge.amounts.first()).map_or(0, |amount| amount.limit)
        };
        let counters = both.clone().map(|(key, unit, _)| {
            let limit = limit(&key);
            (key, unit, limit)
        });
        let holds = BTreeMap::from([(Kind::Both, both.map(|(_, _, hold)| hold)), (Kind::AllOnly, all_only.map(|(_, _, hold)| hold))]);
        Ok(Self { policy: (policy.version.clone(), document), started_at, counters, holds, usual, excessive })
    }

    /// The execution's input.
    pub fn input(kind: Kind, other: bool) -> Value {
        let tags = match kind {
            Kind::Both => json!({ "applicationId": "docs", "costCenter": "sales" }),
            Kind::AllOnly => json!({ "applicationId": "docs" }),
        };
        let messages = json!([{ "role": "user", "content": "hello" }]);
        json!({ "model": "haiku", "prompt": { "messages": messages, "parameters": { "max_tokens": MAX_TOKENS + u64::from(other) } }, "tags": tags })
    }

    /// The execution's id. All requests of a kind have the same one: the model tells them apart by their place, so that those which
    /// only differ in their names count once.
    pub fn execution_id(kind: Kind) -> String {
        format!("arn:aws:states:us-east-1:000000000000:execution:cost-sentry:{kind:?}")
    }

    /// When clocks are 14 days past the execution's start.
    pub fn much_later(&self) -> Timestamp {
        self.started_at.saturating_add(SignedDuration::from_hours(14 * 24)).unwrap_or(Timestamp::MAX)
    }
}

fn policy_document(tokens: u64, usd: NanoUsd) -> Value {
    json!({
        "tags": { "applicationId": "open", "costCenter": { "allow": ["sales", "support"] } },
        "models": { "haiku": { "id": "us.anthropic.claude-3-5-haiku-20241022-v1:0" } },
        "budgets": [
            { "name": "all", "limit": { "tokens": tokens }, "window": "day" },
            { "name": "sales", "limit": { "usd": usd.to_string() }, "window": "month", "match": { "costCenter": "sales" } },
        ],
        "requests": { "inputBound": "bytes" },
    })
}

fn compile(document: &Value) -> Result<Policy, Box<dyn Error>> {
    Policy::parse(document, Catalog::shipped()?).map_err(|problems| format!("the model's policy: {problems:?}").into())
}

fn request(policy: &Policy, kind: Kind, other: bool, started_at: Timestamp) -> Result<Request, Box<dyn Error>> {
    let (execution_id, pinned) = (Stage::execution_id(kind), BTreeMap::new());
    let origin = Origin { execution_id: &execution_id, started_at, pinned: &pinned };
    validate(&Stage::input(kind, other), policy, origin).map_err(|problems| format!("the model's request: {problems:?}").into())
}

/// What a request of this kind holds: counter, unit and amount; nothing on the second counter where only one applies.
fn holds(policy: &Policy, kind: Kind, now: Timestamp) -> Result<[Counter; COUNTERS], Box<dyn Error>> {
    let request = request(policy, kind, false, now)?;
    let charges = plan(policy, &request, estimate(policy, &request)?, now)?.charges;
    let held = |n: usize| {
        let charge = charges.get(n)?;
        charge.amounts.first().map(|amount| (charge.key(), amount.unit, amount.hold))
    };
    let first = held(0).ok_or("a budget for every request")?;
    let second = held(1).unwrap_or((first.0.clone(), first.1, 0));
    Ok([first, second])
}
