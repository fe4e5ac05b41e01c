//! `CheckRateLimit`: holds the request's worst case on every budget that applies, all or none.
//!
//! A refusal is a value. A repeat gives the answer that the reservation records.

use crate::error::{ErrorName, Thrown};
use crate::ledger::{Driven, drive_stored_if};
use crate::payload::{self, Approved, Context, Decision, Ended, Record, Validated};
use crate::policy_cache::PolicyCache;
use crate::ports::{Created, Edge, Ledger, LedgerError, PolicyStore, TokenCounter};
use crate::time_outs::{self, Leases};
use cost_sentry_core::estimate::Estimate;
use cost_sentry_core::outcome::{Outcome, RateLimit};
use cost_sentry_core::plan::{self, NoPlan, Plan};
use cost_sentry_core::policy::{InputBound, Policy};
use cost_sentry_core::refusal::retry_after;
use cost_sentry_core::request::Request;
use cost_sentry_core::reservation::{Reservation, State, Transition};
use jiff::Timestamp;
use serde_json::Value;

/// The step.
#[derive(Debug)]
pub struct CheckRateLimit<S, L, C, E> {
    /// The budgets and the catalog.
    pub policy: PolicyCache<S>,
    /// Where room is held.
    pub ledger: L,
    /// Counts a request that its bytes alone would refuse.
    pub counter: C,
    /// The clock.
    pub edge: E,
    /// How long a hold stands.
    pub leases: Leases,
}

/// What the budgets say.
enum Answer {
    /// Room is held.
    Held(Reservation),
    /// No room, and the plan that found none.
    Refused(Plan),
    /// The id was answered before.
    Repeat(Reservation),
}

impl<S: PolicyStore, L: Ledger, C: TokenCounter, E: Edge> CheckRateLimit<S, L, C, E> {
    /// Runs the step on `ValidateAndSetContext`'s result.
    pub async fn run(&self, input: Value) -> Result<Value, Thrown> {
        let now = self.edge.now();
        let Validated { mut context, request, .. } = payload::read(input)?;
        if context.deadline.duration_since(now) < time_outs::reserve() {
            return self.too_late(context, request).await;
        }
        let policy = self.policy.current(now).await?;
        let estimate = match plan::estimate(&policy, &request) {
            Ok(estimate) => self.count_first(estimate, &policy, &request).await,
            Err(no_plan) => return self.no_plan(context, request, &no_plan).await,
        };
        let plan = match plan::plan(&policy, &request, estimate, now) {
            Ok(plan) => plan,
            Err(no_plan) => return self.no_plan(context, request, &no_plan).await,
        };
        let answer = match self.attempt(plan, &request, now).await.map_err(thrown)? {
            Answer::Refused(plan) => self.refine(plan, &policy, &request, now).await?,
            answer => answer,
        };
        let answer = match answer {
            Answer::Refused(plan) => self.deny(plan, &request, now).await.map_err(thrown)?,
            answer => answer,
        };
        context.took("checkRateLimit", now, self.edge.now());
        match answer {
            Answer::Held(reservation) => approved(context, request, reservation),
            Answer::Repeat(reservation) => repeat(context, request, reservation),
            Answer::Refused(_) => undecided(context, &request, None, ErrorName::ContractViolation),
        }
    }

    /// Too little time is left to send. A try before this one may hold already, which is given back; or another execution of this id
    /// may have sent.
    async fn too_late(&self, context: Context, request: Request) -> Result<Value, Thrown> {
        let (release, hash) = (Transition::Release { claim_id: None }, request.hash());
        let ours = |stored: &Reservation| stored.request_hash == hash;
        match drive_stored_if(&self.ledger, &request.tags.request_id, &release, ours).await.map_err(thrown)? {
            Driven::Refused(_, stored) => repeat(context, request, *stored),
            Driven::Stands(_) | Driven::Absent => undecided(context, &request, None, ErrorName::DeadlineExceeded),
        }
    }

    /// Nothing can be held under the policy. But what was decided under the one before stands.
    async fn no_plan(&self, context: Context, request: Request, no_plan: &NoPlan) -> Result<Value, Thrown> {
        let stored = self.ledger.in_time(Box::pin(self.ledger.find(&request.tags.request_id))).await.map_err(thrown)?;
        match stored {
            Some(stored) => repeat(context, request, stored),
            None => undecided(context, &request, None, no_plan_name(no_plan)),
        }
    }

    /// Holds the plan, if the counters have room.
    async fn attempt(&self, plan: Plan, request: &Request, now: Timestamp) -> Result<Answer, LedgerError> {
        let answer = self.ledger.in_time(Box::pin(self.hold(plan, request, now))).await?;
        if let Answer::Held(reservation) = &answer {
            let shadow = reservation.shadow_hold_deltas();
            if !shadow.is_empty() {
                self.ledger.count_shadow(&shadow).await;
            }
        }
        Ok(answer)
    }

    async fn hold(&self, mut plan: Plan, request: &Request, now: Timestamp) -> Result<Answer, LedgerError> {
        let figures = self.ledger.figures(&plan.charges).await?;
        for (charge, figures) in plan.charges.iter_mut().zip(&figures) {
            charge.show(figures);
        }
        if !plan.fits() {
            return Ok(Answer::Refused(plan));
        }
        let lease_end = self.leases.from(now);
        let reservation = plan.clone().reserve(request, State::Held, now, lease_end);
        match self.ledger.create(&reservation).await? {
            Created::Created => Ok(Answer::Held(reservation)),
            Created::OnOtherShards(stored) => Ok(Answer::Held(*stored)),
            Created::Exists(stored) => Ok(Answer::Repeat(*stored)),
            Created::NoRoom(refusing) => {
                for charge in &mut plan.charges {
                    let found = refusing.iter().find(|(key, _)| *key == charge.key());
                    if let Some((_, figures)) = found {
                        charge.show(figures);
                    }
                }
                Ok(Answer::Refused(plan))
            }
        }
    }

    /// Has the input counted before anything is held, where the policy wants that and the service does it; the bound from bytes stands
    /// where it does not answer in time.
    async fn count_first(&self, estimate: Estimate, policy: &Policy, request: &Request) -> Estimate {
        if !plan::counts_tokens(policy, request, InputBound::CountTokens) {
            return estimate;
        }
        let counted = self.counter.count_tokens(&request.model.underlying, &request.prompt).await;
        counted.map_or(estimate, |input| estimate.counted(input))
    }

    /// On a refusal: has the input counted, where the policy and the service allow it, and tries once more with the smaller bound.
    async fn refine(&self, plan: Plan, policy: &Policy, request: &Request, now: Timestamp) -> Result<Answer, Thrown> {
        if plan.is_frozen() || !plan::counts_tokens(policy, request, InputBound::Refine) {
            return Ok(Answer::Refused(plan));
        }
        let Some(input) = self.counter.count_tokens(&request.model.underlying, &request.prompt).await else {
            return Ok(Answer::Refused(plan));
        };
        if input >= plan.estimate.input {
            return Ok(Answer::Refused(plan));
        }
        match plan::plan(policy, request, plan.estimate.counted(input), now) {
            Ok(plan) => self.attempt(plan, request, now).await.map_err(thrown),
            Err(_) => Ok(Answer::Refused(plan)),
        }
    }

    /// Records the refusal, so that a repeat gets the same answer.
    async fn deny(&self, plan: Plan, request: &Request, now: Timestamp) -> Result<Answer, LedgerError> {
        let reservation = plan.reserve(request, State::Denied, now, now);
        match self.ledger.in_time(Box::pin(self.ledger.create(&reservation))).await? {
            Created::Exists(stored) => Ok(Answer::Repeat(*stored)),
            Created::Created | Created::OnOtherShards(_) | Created::NoRoom(_) => Ok(Answer::Repeat(reservation)),
        }
    }
}

fn approved(context: Context, request: Request, reservation: Reservation) -> Result<Value, Thrown> {
    payload::write(&Approved { decision: Decision::Approved, context, request, reservation })
}

fn repeat(context: Context, request: Request, reservation: Reservation) -> Result<Value, Thrown> {
    if reservation.request_hash != request.hash() {
        return undecided(context, &request, None, ErrorName::ContractViolation);
    }
    match reservation.state {
        State::Denied => denied(context, &request, reservation),
        State::Released => undecided(context, &request, Some(reservation), ErrorName::LeaseLost),
        State::Held | State::Claimed | State::Settled | State::Uncertain => approved(context, request, reservation),
    }
}

fn denied(context: Context, request: &Request, reservation: Reservation) -> Result<Value, Thrown> {
    let in_flight = time_outs::seconds(time_outs::CONVERSE);
    let retry = retry_after(&reservation, in_flight, reservation.largest_max_tokens);
    let mut document = payload::document(Outcome::RateLimitDenied, request, None);
    document.rate_limit = Some(RateLimit::of(&reservation, Some(retry)));
    let model_name = Some(request.model.name.clone());
    let record = Record { decision: Decision::Denied, context, reservation: Some(reservation), model_name, pending: None };
    payload::write(&Ended::new(document, record))
}

/// The end of a request that nobody could decide on: nothing was sent.
fn undecided(context: Context, request: &Request, reservation: Option<Reservation>, name: ErrorName) -> Result<Value, Thrown> {
    let mut document = payload::document(Outcome::InvocationFailed, request, reservation.as_ref());
    document.error = Some(payload::error_report(name, false));
    let model_name = Some(request.model.name.clone());
    let record = Record { decision: Decision::Undecided, context, reservation, model_name, pending: None };
    payload::write(&Ended::new(document, record))
}

fn no_plan_name(no_plan: &NoPlan) -> ErrorName {
    match no_plan {
        NoPlan::NoPrice { .. } => ErrorName::NoPrice,
        NoPlan::NoBudget => ErrorName::NoBudget,
        NoPlan::TooManyBudgets { .. } => ErrorName::TooManyBudgets,
        NoPlan::UnknownModel => ErrorName::UnknownModel,
    }
}

/// A ledger's failure as the state machine sees it.
pub(super) fn thrown(error: LedgerError) -> Thrown {
    let name = match error {
        LedgerError::Contended => ErrorName::LedgerContended,
        LedgerError::Unavailable(_) => ErrorName::LedgerUnavailable,
        LedgerError::Unreadable(_) => ErrorName::ContractViolation,
    };
    Thrown { name, message: error.to_string(), source: Some(Box::new(error)) }
}
