//! The plan: which budgets apply to a request, and what it would hold on each.
//!
//! Fail closed: without a price under a dollar budget, or without any enforced budget, there is no plan and so no call.

use crate::budget::{Limit, Mode, Subject};
use crate::catalog::Capabilities;
use crate::estimate::Estimate;
use crate::policy::{BUDGETS_PER_REQUEST, InputBound, Policy, Unbudgeted};
use crate::price::{Caching, Prices, ServiceTier};
use crate::quantity::{NanoUsd, Tokens};
use crate::request::Request;
use crate::reservation::{Charge, Figures, Reservation, State, UnitCharge};
use crate::shard::Shard;
use crate::window::WindowSpec;
use jiff::Timestamp;

/// What a request would hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a plan holds nothing until a ledger has carried it out"]
pub struct Plan {
    /// One per budget that applies, in the policy's order; the figures are empty until a ledger filled them in.
    pub charges: Vec<Charge>,
    /// What tokens cost now, where the model has a price.
    pub prices: Option<Prices>,
    /// The bound that the holds were made from.
    pub estimate: Estimate,
    /// Whether the model may bill cache writes unasked, which its dearest rate depends on.
    pub caching: Caching,
    /// The policy it was made under.
    pub policy_version: String,
    /// No enforced budget applies, and the policy allows that.
    pub unbudgeted: bool,
}

/// Why there is no plan: the policy cannot answer for this request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// A dollar budget applies, and nothing says what the model costs.
    #[error("budget `{budget}` counts dollars and the model has no price in service tier `{tier}`: add one under the policy's `prices`", tier = tier.word())]
    NoPrice {
        /// The budget.
        budget: String,
        /// The service tier that the call would be sent in.
        tier: ServiceTier,
    },
    /// Nothing would bound the spending.
    #[error("no enforced budget applies to this request: add one to the policy, or set `requests.unbudgeted` to `allow`")]
    NoBudget,
    /// More than one transaction can hold on.
    #[error("{count} budgets apply to this request, and at most {BUDGETS_PER_REQUEST} can: narrow their `match`")]
    TooManyBudgets {
        /// How many.
        count: usize,
    },
    /// The model is not in the catalog any more.
    #[error("the policy no longer knows this model")]
    UnknownModel,
}

/// The first bound on a request: from its bytes, or what its text usually comes to where the policy wants that.
pub fn estimate(policy: &Policy, request: &Request) -> Result<Estimate, NoPlan> {
    let ceiling = capabilities(policy, request)?.input_ceiling();
    let max_tokens = request.inference.max_tokens;
    Ok(match policy.rules.input_bound {
        InputBound::Bytes | InputBound::Refine | InputBound::CountTokens => Estimate::from_bytes(&request.prompt, max_tokens, ceiling),
        InputBound::Heuristic => Estimate::heuristic(&request.prompt, max_tokens, ceiling),
    })
}

/// Whether Bedrock may be asked to count the request's input, at the moment that `bound` names.
pub fn counts_tokens(policy: &Policy, request: &Request, bound: InputBound) -> bool {
    policy.rules.input_bound == bound && policy.capabilities(&request.model.underlying).is_some_and(|found| found.count_tokens)
}

/// The budgets that apply at `now`, and what the request would hold on each.
pub fn plan(policy: &Policy, request: &Request, estimate: Estimate, now: Timestamp) -> Result<Plan, NoPlan> {
    let capabilities = capabilities(policy, request)?;
    let tier = request.inference.service_tier;
    let prices = policy.prices_in(&request.model.billed_id, tier, now);
    let cost = prices.as_ref().map(|prices| estimate.cost(prices, capabilities.caching));
    let model = &request.model;
    let subject = Subject { model: &model.name, model_id: &model.model_id, underlying: &model.underlying, tags: &request.tags };
    let mut charges = Vec::new();
    for budget in policy.budgets.of(subject, now) {
        let Some(span) = budget.span(now) else { continue };
        match amounts(&budget.limits_at(now), &estimate, cost) {
            Some(amounts) => charges.push(Charge {
                budget: budget.id.clone(),
                name: budget.name.clone(),
                window: window_word(&budget.window).to_owned(),
                span,
                scope: budget.scope(subject),
                mode: budget.mode,
                frozen: budget.frozen,
                shard: Shard::of_request(&request.tags.request_id, budget.shards),
                amounts,
            }),
            None if budget.mode == Mode::Enforce => {
                return Err(NoPlan::NoPrice { budget: budget.name.clone(), tier: tier.unwrap_or_default() });
            }
            None => {}
        }
    }
    let enforced = charges.iter().filter(|charge| charge.is_enforced()).count();
    if charges.len() > BUDGETS_PER_REQUEST {
        return Err(NoPlan::TooManyBudgets { count: charges.len() });
    }
    if enforced == 0 && policy.rules.unbudgeted == Unbudgeted::Deny {
        return Err(NoPlan::NoBudget);
    }
    let policy_version = policy.version.clone();
    Ok(Plan { charges, prices, estimate, caching: capabilities.caching, policy_version, unbudgeted: enforced == 0 })
}

/// What the model can do, if the policy still means the same model by its name: it may have changed since the request was validated.
fn capabilities(policy: &Policy, request: &Request) -> Result<Capabilities, NoPlan> {
    let same = policy.resolve(&request.model.requested).is_some_and(|(model, _)| model == request.model);
    let found = if same { policy.capabilities(&request.model.underlying) } else { None };
    found.ok_or(NoPlan::UnknownModel)
}

fn amounts(limits: &[Limit], estimate: &Estimate, cost: Option<NanoUsd>) -> Option<Vec<UnitCharge>> {
    let of = |limit: &Limit| {
        let hold = estimate.hold(limit.unit, cost)?;
        Some(UnitCharge { unit: limit.unit, limit: limit.amount, hold, figures: Figures::default() })
    };
    limits.iter().map(of).collect()
}

/// The window's word, as counters and reports know it.
pub fn window_word(window: &WindowSpec) -> &'static str {
    match window {
        WindowSpec::Calendar(calendar) => calendar.window().as_str(),
        WindowSpec::Period(_) => "period",
    }
}

impl Plan {
    /// Whether every enforced hold fits beside what its snapshot shows.
    pub fn fits(&self) -> bool {
        self.charges.iter().filter(|charge| charge.is_enforced()).all(Charge::fits)
    }

    /// Whether an enforced budget is frozen: no smaller bound would change that.
    pub fn is_frozen(&self) -> bool {
        self.charges.iter().any(|charge| charge.is_enforced() && charge.frozen)
    }

    /// Whether an enforced hold is larger than its whole limit.
    pub fn never_fits(&self) -> bool {
        let enforced = self.charges.iter().filter(|charge| charge.is_enforced());
        enforced.flat_map(|charge| &charge.amounts).any(UnitCharge::never_fits)
    }

    /// The largest `max_tokens` with which the request would fit every enforced limit, were it alone; nothing where its input is too large already.
    pub fn largest_max_tokens(&self) -> Option<Tokens> {
        let enforced = self.charges.iter().filter(|charge| charge.is_enforced());
        let amounts = enforced.flat_map(|charge| &charge.amounts);
        let most = |amount: &UnitCharge| self.estimate.largest_max_tokens(amount.unit, amount.limit, self.prices.as_ref(), self.caching);
        amounts.map(most).try_fold(self.estimate.max_tokens, |least, most| Some(least.min(most?)))
    }

    /// The reservation that carries this plan out, at its first version.
    pub fn reserve(self, request: &Request, state: State, now: Timestamp, lease_end: Timestamp) -> Reservation {
        let largest_max_tokens = if state == State::Denied && self.never_fits() { self.largest_max_tokens() } else { None };
        Reservation {
            state,
            version: 1,
            claim_id: None,
            lease_end,
            request_hash: request.hash(),
            policy_version: self.policy_version,
            held_at: now,
            charges: self.charges,
            prices: self.prices,
            estimate: self.estimate,
            model: request.model.clone(),
            tags: request.tags.clone(),
            usage: None,
            cost: None,
            largest_max_tokens,
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
