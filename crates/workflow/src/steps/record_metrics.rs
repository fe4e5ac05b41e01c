//! `RecordMetrics`: tells the ledger what is still open, sends the metrics, writes the log line, and hands the client's document on.
//!
//! It is also where every malfunction of the other steps ends up: what is still held is then given back.

use crate::error::{ErrorName, Thrown};
use crate::ledger::{Driven, drive_stored, drive_stored_if};
use crate::log_line::{Event, log_line};
use crate::metrics;
use crate::payload::{self, CallFate, Context, Decision, Ended, FailedEnd, Failure, Interrupted, Pending, Record};
use crate::ports::{Edge, Ledger, Log, Metrics};
use crate::steps::check_rate_limit::thrown;
use crate::steps::invoke_model::closing;
use cost_sentry_core::outcome::{Document, Outcome, UsageReport};
use cost_sentry_core::reservation::{Refused, Reservation, State, Transition};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// The step.
#[derive(Debug)]
pub struct RecordMetrics<L, M, G, E> {
    /// What may still be open.
    pub ledger: L,
    /// Where the points go.
    pub metrics: M,
    /// Where the request's one line goes.
    pub log: G,
    /// The clock.
    pub edge: E,
}

impl<L: Ledger, M: Metrics, G: Log, E: Edge> RecordMetrics<L, M, G, E> {
    /// Runs the step on the result, or the failure, of any step before.
    pub async fn run(&self, input: Value) -> Result<Value, Thrown> {
        let now = self.edge.now();
        let (document, mut record) = if input.get("record").is_some() {
            let Ended { document, record, .. } = payload::read(input)?;
            self.tell(document, record).await?
        } else if input.get("request").is_some() {
            self.interrupted(payload::read(input)?).await?
        } else {
            never_read(&payload::read(input)?, now)
        };
        record.context.took("recordMetrics", now, self.edge.now());
        let points = metrics::points(&document, &record);
        let delivered = self.metrics.put(&points, now).await;
        // Only the attempt that ends the request counts it; what another one leaves behind says so.
        let event = if delivered.is_ok() { Event::Request } else { Event::Unrecorded };
        self.log.line(&log_line(event, &document, &record));
        delivered.map_err(|error| Thrown {
            name: ErrorName::MetricsUnavailable,
            message: error.to_string(),
            source: Some(Box::new(error)),
        })?;
        match document.outcome {
            Outcome::InvocationSucceeded => payload::write(&document),
            outcome => payload::write(&FailedEnd { outcome, cause: document.cause() }),
        }
    }

    /// Tells the ledger what an earlier step could not.
    async fn tell(&self, mut document: Document, mut record: Record) -> Result<(Document, Record), Thrown> {
        let (Some(Pending { claim_id: Some(claim_id), call }), Some(reservation)) = (&record.pending, &record.reservation) else {
            return Ok((document, record));
        };
        let (event, spent_nothing) = (closing(claim_id, *call), *call == CallFate::NotProcessed);
        let driven = drive_stored(&self.ledger, reservation.request_id(), &event).await.map_err(thrown)?;
        match &driven {
            // The step was invoked twice, and the other one has the claim: that this one spent nothing says nothing about the request.
            Driven::Refused(Refused::ClaimedElsewhere, _) if spent_nothing => {
                document.error = Some(payload::error_report(ErrorName::InvocationUncertain, true));
                record.decision = Decision::Duplicate;
            }
            // Now that it is looked at: no other one has it, and none will.
            Driven::Stands(_) | Driven::Refused(..) | Driven::Absent if spent_nothing => {
                if let Some(error) = &mut document.error {
                    error.money_may_have_been_spent = false;
                }
            }
            Driven::Stands(_) | Driven::Refused(..) | Driven::Absent => {}
        }
        if let Driven::Stands(closed) = driven {
            record.reservation = Some(*closed);
        }
        Ok((document, record))
    }

    /// A step before failed for good: what is still held is released; what was claimed is the sweep's to end.
    async fn interrupted(&self, interrupted: Interrupted) -> Result<(Document, Record), Thrown> {
        let Interrupted { context, request, reservation, failure } = interrupted;
        let (release, hash) = (Transition::Release { claim_id: None }, request.hash());
        let ours = |stored: &Reservation| stored.request_hash == hash;
        let stored = match drive_stored_if(&self.ledger, &request.tags.request_id, &release, ours).await.map_err(thrown)? {
            Driven::Stands(stored) | Driven::Refused(_, stored) => Some(*stored),
            Driven::Absent => None,
        };
        let decision = if reservation.is_some() { Decision::Approved } else { Decision::Undecided };
        let name = ErrorName::parse(&failure.error).unwrap_or(ErrorName::StepMalfunction);
        let mut document = payload::document(Outcome::InvocationFailed, &request, stored.as_ref().or(reservation.as_ref()));
        document.error = Some(payload::error_report(name, stored.as_ref().is_some_and(may_have_been_billed)));
        document.usage = stored.as_ref().and_then(|stored| stored.usage.map(|usage| UsageReport::new(&usage, stored.cost)));
        let model_name = Some(request.model.name.clone());
        Ok((document, Record { decision, context, reservation: stored.or(reservation), model_name, pending: None }))
    }
}

fn may_have_been_billed(reservation: &Reservation) -> bool {
    match reservation.state {
        State::Claimed | State::Settled | State::Uncertain => true,
        State::Held | State::Denied | State::Released => false,
    }
}

/// `ValidateAndSetContext` failed for good: nobody has read the request, and nothing was held.
fn never_read(failure: &Failure, now: Timestamp) -> (Document, Record) {
    let name = ErrorName::parse(&failure.error).unwrap_or(ErrorName::StepMalfunction);
    let mut document = Document::new(Outcome::InvocationFailed);
    document.error = Some(payload::error_report(name, false));
    let context = Context { started_at: now, deadline: now, durations_ms: BTreeMap::new() };
    (document, Record { decision: Decision::Undecided, context, reservation: None, model_name: None, pending: None })
}

#[cfg(test)]
#[path = "record_metrics_tests.rs"]
mod tests;
