//! The ledger under each bound on the input, of the decisions of `core` alone: plan, hold, claim and settle.
//!
//! This is the one place that knows how each bound comes about, and so the one to change with them.

use super::this_ledger::{Surroundings, counted, policy, spend, validated};
use crate::side_by_side::design::{Books, Design, Failed};
use crate::side_by_side::traffic::Arrival;
use crate::side_by_side::world::World;
use cost_sentry_core::estimate::Estimate;
use cost_sentry_core::plan;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::{Prompt, Request};
use cost_sentry_core::reservation::{Charge, ClaimId, Reservation, State, Transition};
use cost_sentry_workflow::ledger::{Driven, drive};
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::policy_cache::compile;
use cost_sentry_workflow::ports::{Created, Ledger, TokenCounter};
use serde::Serialize;
use std::sync::Arc;

/// Where the bound on a request's input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputBound {
    /// The text's bytes.
    Bytes,
    /// The text's bytes; on a refusal counted, and tried once more.
    Refine,
    /// Counted before anything is held.
    CountTokens,
    /// What texts usually come to, which is no bound: a text may come to more.
    Heuristic,
}

impl InputBound {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bytes, Self::Refine, Self::CountTokens, Self::Heuristic];

    /// The policy's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Refine => "refine",
            Self::CountTokens => "count-tokens",
            Self::Heuristic => "heuristic",
        }
    }
}

/// What the input usually comes to; never more than the bound from bytes.
fn heuristic(estimate: Estimate, prompt: &Prompt) -> Estimate {
    let usual = Estimate::heuristic(prompt, estimate.max_tokens, None);
    Estimate { input: usual.input.min(estimate.input), ..usual }
}

/// The ledger in memory under one bound.
pub struct Bounded {
    bound: InputBound,
    policy: Policy,
    surroundings: Surroundings<MemoryLedger>,
    counter: Charge,
}

impl Bounded {
    /// With so much spent of the world's limit.
    pub async fn new(bound: InputBound, world: &Arc<World>, arrivals: &Arc<[Arrival]>) -> Result<Self, Failed> {
        let document = policy(world.limit, "bytes");
        let surroundings = Surroundings::new(Arc::new(MemoryLedger::default()), world, arrivals);
        let Some(first) = arrivals.first() else { return Err(Failed::because("nothing to compare")(&"no request")) };
        let counter = spend(surroundings.ledger(), &document, first, world.tally().spent, world.now()).await?;
        let policy = compile(&document).map_err(|error| Failed::because("the policy of the comparison is none")(&error))?;
        Ok(Self { bound, policy, surroundings, counter })
    }

    /// The room that is held for a request, if there is any.
    async fn hold(&self, request: &Request, world: &World) -> Result<Option<Reservation>, Failed> {
        let failed = Failed::because("no plan could be made");
        let from_bytes = plan::estimate(&self.policy, request).map_err(|error| failed(&error))?;
        let first = match self.bound {
            InputBound::Bytes | InputBound::Refine => from_bytes,
            InputBound::CountTokens => self.counted(from_bytes, request).await,
            InputBound::Heuristic => heuristic(from_bytes, &request.prompt),
        };
        let held = self.attempt(request, first, world).await?;
        if held.is_some() || self.bound != InputBound::Refine {
            return Ok(held);
        }
        let counted = self.counted(from_bytes, request).await;
        self.attempt(request, counted, world).await
    }

    async fn counted(&self, estimate: Estimate, request: &Request) -> Estimate {
        let counted = self.surroundings.count_tokens(&request.model.underlying, &request.prompt).await;
        counted.map_or(estimate, |input| estimate.counted(input))
    }

    async fn attempt(&self, request: &Request, estimate: Estimate, world: &World) -> Result<Option<Reservation>, Failed> {
        let now = world.now();
        let plan = plan::plan(&self.policy, request, estimate, now).map_err(|error| Failed::because("no plan could be made")(&error))?;
        if plan.never_fits() {
            return Ok(None);
        }
        let reservation = plan.reserve(request, State::Held, now, now);
        let created = self.surroundings.create(&reservation).await;
        let created = created.map_err(|error| Failed::because("the ledger failed")(&error))?;
        Ok((created == Created::Created).then_some(reservation))
    }
}

impl Bounded {
    async fn drive(&self, known: Reservation, event: &Transition) -> Result<Reservation, Failed> {
        let failed = Failed::because("a transition was not carried out");
        match drive(&self.surroundings, known, event).await {
            Ok(Driven::Stands(reservation)) => Ok(*reservation),
            Ok(Driven::Refused(refused, _)) => Err(failed(&format!("{refused:?}"))),
            Ok(Driven::Absent) => Err(failed(&"there is no such reservation")),
            Err(error) => Err(failed(&error)),
        }
    }
}

impl Design for Bounded {
    async fn serve(&self, arrival: &Arrival, world: &World) -> Result<(), Failed> {
        let request = validated(arrival, &self.policy, world.now(), "run")?;
        let Some(reservation) = self.hold(&request, world).await? else {
            world.refuse(arrival);
            return Ok(());
        };
        world.approve(arrival);
        let claim_id = ClaimId(arrival.id.to_string());
        let (request_hash, lease_end) = (request.hash(), reservation.lease_end);
        let claimed = self.drive(reservation, &Transition::Claim { claim_id: claim_id.clone(), request_hash, lease_end }).await?;
        world.call(arrival).await;
        let usage = Usage { input: Tokens(arrival.input), output: Tokens(arrival.output), ..Usage::default() };
        self.drive(claimed, &Transition::Settle { claim_id, usage }).await.map(drop)
    }

    async fn books(&self, _world: &World) -> Result<Books, Failed> {
        counted(self.surroundings.ledger(), &self.counter).await
    }
}
