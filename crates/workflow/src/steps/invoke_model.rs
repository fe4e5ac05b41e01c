//! `InvokeModel`: claims the reservation, sends the one call, settles what it used.
//!
//! Throws only when the reservation is known to be held, so that a retry can never send twice. When the ledger leaves it in doubt
//! about its own write, it returns a final result with what it knows, and `RecordMetrics` tells the ledger.

use crate::error::{ErrorName, Thrown};
use crate::ledger::{Driven, drive};
use crate::payload::{self, Approved, CallFate, Context, Decision, Ended, Pending, Record};
use crate::ports::{Answer, Call, CallFailed, Edge, Ledger, Model};
use crate::time_outs::{self, Leases};
use cost_sentry_core::outcome::{Outcome, RateLimit, Response, UsageReport};
use cost_sentry_core::request::Request;
use cost_sentry_core::reservation::{ClaimId, Refused, Reservation, Transition};
use cost_sentry_core::warning::Warning;
use jiff::Timestamp;
use serde_json::Value;

/// The step.
#[derive(Debug)]
pub struct InvokeModel<L, M, E> {
    /// Where the room is held.
    pub ledger: L,
    /// What is called.
    pub model: M,
    /// The clock, and where claims are drawn.
    pub edge: E,
    /// How long a claim stands.
    pub leases: Leases,
}

/// One invocation at work.
struct Invocation {
    started: Timestamp,
    claim_id: ClaimId,
    context: Context,
    request: Request,
    reservation: Reservation,
}

impl<L: Ledger, M: Model, E: Edge> InvokeModel<L, M, E> {
    /// Runs the step on `CheckRateLimit`'s approval.
    pub async fn run(&self, input: Value) -> Result<Value, Thrown> {
        let now = self.edge.now();
        let Approved { context, request, reservation, .. } = payload::read(input)?;
        let claim_id = self.edge.draw_claim_id();
        let mut invocation = Invocation { started: now, claim_id, context, request, reservation };
        if invocation.context.deadline.duration_since(now) < time_outs::reserve() {
            return self.too_late(invocation).await;
        }
        let claim = Transition::Claim {
            claim_id: invocation.claim_id.clone(),
            request_hash: invocation.request.hash(),
            lease_end: self.leases.from(now),
        };
        match drive(&self.ledger, invocation.reservation.clone(), &claim).await {
            Ok(Driven::Stands(claimed)) => invocation.reservation = *claimed,
            Ok(Driven::Absent) => return self.stand_aside(invocation, ErrorName::LeaseLost),
            Ok(Driven::Refused(refused, _)) => return self.stand_aside(invocation, refused_name(refused)),
            // An invocation on the same input may have claimed and sent: this one knows its own call's fate only.
            Err(error) => {
                let name = super::check_rate_limit::thrown(error).name;
                return self.failed_saying(invocation, name, true, Some(CallFate::NotProcessed));
            }
        }
        let request = &invocation.request;
        let call = Call {
            model_id: &request.model.model_id,
            prompt: &request.prompt,
            inference: &request.inference,
            request_id: &request.tags.request_id,
        };
        match self.model.converse(call).await {
            Ok(answer) => self.answered(invocation, answer).await,
            Err(failed) => self.not_answered(invocation, failed).await,
        }
    }

    /// Too little time is left to send: gives back what is held, unless an earlier invocation has sent.
    async fn too_late(&self, mut invocation: Invocation) -> Result<Value, Thrown> {
        let name = ErrorName::DeadlineExceeded;
        match drive(&self.ledger, invocation.reservation.clone(), &Transition::Release { claim_id: None }).await {
            Ok(Driven::Refused(Refused::ClaimedElsewhere, _)) => self.stand_aside(invocation, ErrorName::InvocationUncertain),
            Ok(Driven::Stands(released)) => {
                invocation.reservation = *released;
                self.failed(invocation, name, None)
            }
            Ok(Driven::Refused(..) | Driven::Absent) => self.failed(invocation, name, None),
            // An earlier invocation may have sent, and nobody could look: this one knows its own call's fate only.
            Err(_) => self.failed_saying(invocation, name, true, Some(CallFate::NotProcessed)),
        }
    }

    async fn answered(&self, mut invocation: Invocation, answer: Answer) -> Result<Value, Thrown> {
        let fate = answer.usage.map_or(CallFate::Doubt, |usage| CallFate::Answered { usage });
        let pending = self.close(&mut invocation, fate).await == Told::No;
        let mut document = payload::document(Outcome::InvocationSucceeded, &invocation.request, Some(&invocation.reservation));
        document.response = Some(Response { role: "assistant".to_owned(), content: answer.text, stop_reason: answer.stop_reason });
        match answer.usage {
            Some(usage) => {
                invocation.reservation.note_usage(usage);
                document.usage = Some(UsageReport::new(&usage, invocation.reservation.cost));
            }
            None => document.warnings.push(Warning::not_booked()),
        }
        let overage = crate::metrics::overage(&invocation.reservation);
        if overage > 0 {
            document.warnings.push(Warning::overage(overage));
        }
        document.rate_limit = Some(RateLimit::of(&invocation.reservation, None));
        let pending = pending.then(|| Pending { claim_id: Some(invocation.claim_id.clone()), call: fate });
        let record = self.record(invocation, Decision::Approved, pending);
        payload::write(&Ended::new(document, record))
    }

    async fn not_answered(&self, mut invocation: Invocation, failed: CallFailed) -> Result<Value, Thrown> {
        let (name, fate) = (call_failed_name(failed), fate_of(failed));
        if !is_worth_retrying(failed) {
            return self.end(invocation, name, fate).await;
        }
        let unclaim = Transition::Unclaim { claim_id: invocation.claim_id.clone(), lease_end: self.leases.from(self.edge.now()) };
        match drive(&self.ledger, invocation.reservation.clone(), &unclaim).await {
            Ok(Driven::Stands(held)) => {
                invocation.reservation = *held;
                Err(Thrown::new(name, name.advice()))
            }
            Ok(Driven::Refused(..)) => self.end(invocation, name, fate).await,
            Ok(Driven::Absent) => self.failed(invocation, name, Some(fate)),
            // If it took effect, another invocation may claim and send.
            Err(_) => self.failed_saying(invocation, name, true, Some(fate)),
        }
    }

    /// Tells the ledger what became of the call, then reports a failure.
    async fn end(&self, mut invocation: Invocation, name: ErrorName, fate: CallFate) -> Result<Value, Thrown> {
        match self.close(&mut invocation, fate).await {
            // An earlier unclaim took effect unheard, and another invocation has claimed: that this one spent nothing says nothing.
            Told::ClaimedElsewhere => self.stand_aside(invocation, ErrorName::InvocationUncertain),
            Told::Yes => self.failed(invocation, name, None),
            Told::No => self.failed(invocation, name, Some(fate)),
        }
    }

    /// Tells the ledger what became of the call; what it could not be told is left for `RecordMetrics`.
    async fn close(&self, invocation: &mut Invocation, fate: CallFate) -> Told {
        let event = closing(&invocation.claim_id, fate);
        match drive(&self.ledger, invocation.reservation.clone(), &event).await {
            Ok(Driven::Stands(closed)) => {
                invocation.reservation = *closed;
                Told::Yes
            }
            Ok(Driven::Refused(Refused::ClaimedElsewhere, _)) => Told::ClaimedElsewhere,
            Ok(Driven::Refused(..) | Driven::Absent) => Told::Yes,
            Err(_) => Told::No,
        }
    }

    fn failed(&self, invocation: Invocation, name: ErrorName, pending: Option<CallFate>) -> Result<Value, Thrown> {
        self.failed_saying(invocation, name, matches!(fate_of_name(name), CallFate::Doubt), pending)
    }

    fn failed_saying(&self, invocation: Invocation, name: ErrorName, spent: bool, pending: Option<CallFate>) -> Result<Value, Thrown> {
        let mut document = payload::document(Outcome::InvocationFailed, &invocation.request, Some(&invocation.reservation));
        document.error = Some(payload::error_report(name, spent));
        let pending = pending.map(|call| Pending { claim_id: Some(invocation.claim_id.clone()), call });
        let record = self.record(invocation, Decision::Approved, pending);
        payload::write(&Ended::new(document, record))
    }

    /// Another invocation has the reservation, or it is gone: this one touches nothing.
    fn stand_aside(&self, invocation: Invocation, name: ErrorName) -> Result<Value, Thrown> {
        let decision = if name == ErrorName::InvocationUncertain { Decision::Duplicate } else { Decision::Approved };
        let mut document = payload::document(Outcome::InvocationFailed, &invocation.request, Some(&invocation.reservation));
        document.error = Some(payload::error_report(name, name == ErrorName::InvocationUncertain));
        let record = self.record(invocation, decision, None);
        payload::write(&Ended::new(document, record))
    }

    fn record(&self, invocation: Invocation, decision: Decision, pending: Option<Pending>) -> Record {
        let mut context = invocation.context;
        context.took("invokeModel", invocation.started, self.edge.now());
        let model_name = Some(invocation.request.model.name);
        Record { decision, context, reservation: Some(invocation.reservation), model_name, pending }
    }
}

/// Whether the ledger knows what became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It does, as far as it can.
    Yes,
    /// It has another invocation's claim.
    ClaimedElsewhere,
    /// It could not be told.
    No,
}

/// The event that tells the ledger what became of a call.
pub(super) fn closing(claim_id: &ClaimId, fate: CallFate) -> Transition {
    let claim_id = claim_id.clone();
    match fate {
        CallFate::Answered { usage } => Transition::Settle { claim_id, usage },
        CallFate::NotProcessed => Transition::Release { claim_id: Some(claim_id) },
        CallFate::Doubt => Transition::Doubt { claim_id },
    }
}

fn refused_name(refused: Refused) -> ErrorName {
    match refused {
        Refused::ClaimedElsewhere => ErrorName::InvocationUncertain,
        Refused::LeaseLost | Refused::NotDue => ErrorName::LeaseLost,
        Refused::OtherRequest => ErrorName::ContractViolation,
    }
}

fn call_failed_name(failed: CallFailed) -> ErrorName {
    match failed {
        CallFailed::Throttled => ErrorName::ModelThrottled,
        CallFailed::NotReady => ErrorName::ModelNotReady,
        CallFailed::Unreachable => ErrorName::ModelUnreachable,
        CallFailed::Rejected => ErrorName::ModelRejectedRequest,
        CallFailed::AccessDenied => ErrorName::ModelAccessDenied,
        CallFailed::NotFound => ErrorName::ModelNotFound,
        CallFailed::TimedOut => ErrorName::ModelTimedOut,
        CallFailed::Failed => ErrorName::ModelFailed,
        CallFailed::ConnectionLost => ErrorName::ModelConnectionLost,
    }
}

/// Doubt never refunds: only what certainly was not processed counts as that.
fn fate_of(failed: CallFailed) -> CallFate {
    match failed {
        CallFailed::Throttled
        | CallFailed::NotReady
        | CallFailed::Unreachable
        | CallFailed::Rejected
        | CallFailed::AccessDenied
        | CallFailed::NotFound => CallFate::NotProcessed,
        CallFailed::TimedOut | CallFailed::Failed | CallFailed::ConnectionLost => CallFate::Doubt,
    }
}

fn fate_of_name(name: ErrorName) -> CallFate {
    match name {
        ErrorName::ModelTimedOut | ErrorName::ModelFailed | ErrorName::ModelConnectionLost => CallFate::Doubt,
        _ => CallFate::NotProcessed,
    }
}

fn is_worth_retrying(failed: CallFailed) -> bool {
    matches!(failed, CallFailed::Throttled | CallFailed::NotReady | CallFailed::Unreachable)
}
