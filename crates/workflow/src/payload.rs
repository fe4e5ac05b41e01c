//! What travels between the states: one step's output is the next one's input. Nobody outside the workflow writes these.

use crate::error::{ErrorName, Thrown};
use cost_sentry_core::outcome::{Document, ErrorReport, ModelReport, Outcome, RateLimit};
use cost_sentry_core::price::Usage;
use cost_sentry_core::request::Request;
use cost_sentry_core::reservation::{ClaimId, Reservation};
use cost_sentry_core::warning::Warning;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the first state's Parameters hand over.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Start {
    /// The execution's input, as the client sent it.
    pub request: Value,
    /// `$$.Execution.Id`.
    pub execution_id: String,
    /// `$$.Execution.StartTime`.
    pub started_at: Timestamp,
    /// Tags that the deployment fixes; an empty value fixes nothing.
    pub pinned_tags: BTreeMap<String, String>,
}

/// What every payload carries along.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// The execution's start.
    pub started_at: Timestamp,
    /// The execution's start and its time-out: no answer can be delivered after it.
    pub deadline: Timestamp,
    /// How long each step took, in milliseconds, by its name.
    pub durations_ms: BTreeMap<String, u64>,
}

impl Context {
    /// Notes how long a step took.
    pub fn took(&mut self, step: &str, from: Timestamp, to: Timestamp) {
        let millis = u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0);
        self.durations_ms.insert(step.to_owned(), millis);
    }
}

/// `ValidateAndSetContext`'s result for a request that is wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Always false.
    pub valid: bool,
    /// The document with every problem, as text.
    pub cause: String,
}

/// `ValidateAndSetContext`'s result for a good request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validated {
    /// Always true.
    pub valid: bool,
    /// The execution's.
    pub context: Context,
    /// The request.
    pub request: Request,
}

/// `CheckRateLimit`'s result for a request that has room.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approved {
    /// Always [`Decision::Approved`].
    pub decision: Decision,
    /// The execution's.
    pub context: Context,
    /// The request.
    pub request: Request,
    /// What it holds.
    pub reservation: Reservation,
}

/// What was decided about a valid request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// It had room.
    Approved,
    /// A budget refused it.
    Denied,
    /// Nobody could decide.
    Undecided,
    /// Another execution of the same id decides; this one does not count.
    Duplicate,
}

/// What the ledger still has to be told, since the step that knew it could not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The invocation's own claim.
    pub claim_id: Option<ClaimId>,
    /// What became of its call.
    pub call: CallFate,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallFate {
    /// Answered, with this usage.
    Answered {
        /// What it used.
        usage: Usage,
    },
    /// Certainly not processed.
    NotProcessed,
    /// May have been billed.
    Doubt,
}

/// What `RecordMetrics` needs beside the document, and takes out of it. A document that still holds it was not recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What was decided.
    pub decision: Decision,
    /// The execution's.
    pub context: Context,
    /// The reservation as the last step knew it.
    pub reservation: Option<Reservation>,
    /// The model's catalog name, for the metrics.
    pub model_name: Option<String>,
    /// What the ledger still has to be told.
    pub pending: Option<Pending>,
}

/// A finished request on its way to `RecordMetrics`: the document that the client will get, and what to record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// What the state machine branches on after `CheckRateLimit`.
    pub decision: Decision,
    /// The client's document.
    #[serde(flatten)]
    pub document: Document,
    /// The document as text, for an end in a Fail state; nothing on success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// For `RecordMetrics`.
    pub record: Record,
}

impl Ended {
    /// Makes the document ready to leave: an answer that fits, or a cause.
    pub fn new(mut document: Document, record: Record) -> Self {
        document.fit();
        let cause = (document.outcome != Outcome::InvocationSucceeded).then(|| document.cause());
        Self { decision: record.decision, document, cause, record }
    }
}

/// `RecordMetrics`'s result for an end in a Fail state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FailedEnd {
    /// Which one.
    pub outcome: Outcome,
    /// The client's document as text.
    pub cause: String,
}

/// A catcher's error output.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Failure {
    /// The error's name.
    pub error: String,
}

/// What a catcher hands to `RecordMetrics`: the failed state's input, and the error.
#[derive(Debug, Clone, Deserialize)]
pub struct Interrupted {
    /// The execution's.
    pub context: Context,
    /// The request.
    pub request: Request,
    /// What it holds, if `CheckRateLimit` was done.
    pub reservation: Option<Reservation>,
    /// Why the state failed.
    pub failure: Failure,
}

/// Reads a payload, or throws: what arrives here was written by another step of this workflow.
pub fn read<T: DeserializeOwned>(payload: Value) -> Result<T, Thrown> {
    serde_json::from_value(payload).map_err(|source| Thrown {
        name: ErrorName::ContractViolation,
        message: "the step's input is not what the state before it writes".to_owned(),
        source: Some(Box::new(Unreadable(source.classify()))),
    })
}

/// Where a payload stopped making sense; the reader's own message could repeat a value of it.
#[derive(Debug, thiserror::Error)]
#[error("unreadable payload ({0:?})")]
struct Unreadable(serde_json::error::Category);

/// A step's result as JSON.
pub fn write<T: Serialize>(result: &T) -> Result<Value, Thrown> {
    serde_json::to_value(result).map_err(|source| Thrown {
        name: ErrorName::ContractViolation,
        message: "the step's result could not be written".to_owned(),
        source: Some(Box::new(source)),
    })
}

/// A document about a valid request: its tags, model, warnings, and the budgets if they were looked at.
pub fn document(outcome: Outcome, request: &Request, reservation: Option<&Reservation>) -> Document {
    let mut warnings = request.warnings.clone();
    // Said here, not in the request: its hash must stay the one that was held for.
    if reservation.is_some_and(|reservation| reservation.enforced().next().is_none()) {
        warnings.push(Warning::unbudgeted());
    }
    Document {
        tags: Some(request.tags.clone()),
        model: Some(ModelReport::from(&request.model)),
        rate_limit: reservation.map(|reservation| RateLimit::of(reservation, None)),
        warnings,
        ..Document::new(outcome)
    }
}

/// The report on an error.
pub fn error_report(name: ErrorName, money_may_have_been_spent: bool) -> ErrorReport {
    ErrorReport { name: name.name().to_owned(), message: name.advice().to_owned(), money_may_have_been_spent }
}
