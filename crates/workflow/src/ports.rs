//! Ports: what the steps need from the world, each with its promise. Every port has at least two real implementations.

use crate::metrics::Point;
use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::{Inference, Prompt};
use cost_sentry_core::reservation::{Charge, ClaimId, CounterDelta, Figures, Reservation, Step};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;

/// The clock and the source of claim ids: read at a step's edge, passed inward as values.
pub trait Edge: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
    /// An id that no other invocation ever draws.
    fn draw_claim_id(&self) -> ClaimId;
}

/// A counter's figures per unit.
pub type CounterFigures = BTreeMap<Unit, Figures>;

/// What came of creating a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is stored, and its holds count.
    Created,
    /// The same, but some charges fell on other shards of their counters than were asked for: the reservation as it is stored.
    OnOtherShards(Box<Reservation>),
    /// One of that id is stored already; nothing moved.
    Exists(Box<Reservation>),
    /// At least one counter has no room; nothing is held. The keys that were asked for and refused, and what their whole counters show.
    NoRoom(Vec<(CounterKey, CounterFigures)>),
}

/// What came of writing a decided transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is stored, and the counters moved with it.
    Written,
    /// The stored reservation is not the one that was decided on; nothing moved. What is stored now, if anything.
    Changed(Option<Box<Reservation>>),
}

/// The ledger failed; whether the write took effect is not known.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Too many wanted the same items at once, for longer than the store's patience.
    #[error("the ledger's items were contended for too long")]
    Contended,
    /// The store did not answer, or refused.
    #[error("the ledger did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A stored item is not one that this version writes.
    #[error("a stored item could not be read: {0}")]
    Unreadable(String),
}

/// The ledger: reservations and counters, moved together or not at all.
pub trait Ledger: Send + Sync {
    /// Carries out all requests of one transition within the store's time for one, [`crate::time_outs::LEDGER_TRANSITION`]. What is cut
    /// off is [`LedgerError::Unavailable`], and may have taken effect. A store that waits for nobody has no such time.
    fn in_time<T: Send>(
        &self,
        transition: impl Future<Output = Result<T, LedgerError>> + Send,
    ) -> impl Future<Output = Result<T, LedgerError>> + Send {
        transition
    }

    /// What the counters of these charges show now, all their shards together, in the charges' order; a counter that does not exist
    /// shows nothing. What sharded counters show may be a moment old, where every hold still fits beside that.
    fn figures(&self, charges: &[Charge]) -> impl Future<Output = Result<Vec<CounterFigures>, LedgerError>> + Send;

    /// Stores a new reservation. One that is held moves all its enforced counters in the same write, each only while its limit has
    /// room: all charges or none.
    fn create(&self, reservation: &Reservation) -> impl Future<Output = Result<Created, LedgerError>> + Send;

    /// The stored reservation, read consistently.
    fn find(&self, request_id: &str) -> impl Future<Output = Result<Option<Reservation>, LedgerError>> + Send;

    /// Writes a transition that was decided on `version`, with its counters, all or none, if that is still the stored version. A
    /// counter that has expired is left out.
    fn write(&self, version: u64, step: &Step) -> impl Future<Output = Result<Written, LedgerError>> + Send;

    /// Open reservations whose lease ended before that time, at most so many, the longest past first. One that
    /// cannot be read is left out: it must not keep the others from being ended.
    fn leases_past(&self, before: Timestamp, most: usize) -> impl Future<Output = Result<Vec<Reservation>, LedgerError>> + Send;

    /// Moves shadow counters, best effort: a failure is nobody's business, and nobody waits for one longer than
    /// [`crate::time_outs::SHADOW`].
    fn count_shadow(&self, deltas: &[CounterDelta]) -> impl Future<Output = ()> + Send;
}

/// One call of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Call<'a> {
    /// What Converse is called with.
    pub model_id: &'a str,
    /// What is sent.
    pub prompt: &'a Prompt,
    /// With which parameters.
    pub inference: &'a Inference,
    /// Whom it is for; sent along as request metadata.
    pub request_id: &'a str,
}

/// A model's answer. Its text never shows in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// Why the model stopped, in Bedrock's word.
    pub stop_reason: String,
    /// What it used; nothing if Bedrock did not say.
    pub usage: Option<Usage>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({} bytes, {}, {:?})", self.text.len(), self.stop_reason, self.usage)
    }
}

/// Why there is no answer. Only what is certain counts as not processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailed {
    /// Throttled before anything was done.
    Throttled,
    /// The model was not ready.
    NotReady,
    /// No connection was ever opened.
    Unreachable,
    /// Refused as invalid.
    Rejected,
    /// No access.
    AccessDenied,
    /// No such model.
    NotFound,
    /// Sent, and no answer in time: may be billed.
    TimedOut,
    /// Sent, and failed: may be billed.
    Failed,
    /// Sent, and the connection broke: may be billed.
    ConnectionLost,
}

/// The model.
pub trait Model: Send + Sync {
    /// Sends the call once: one request, no retries, within [`crate::time_outs::CONVERSE`].
    fn converse(&self, call: Call<'_>) -> impl Future<Output = Result<Answer, CallFailed>> + Send;
}

/// Counts a request's input tokens exactly, where the service does that for the model.
pub trait TokenCounter: Send + Sync {
    /// The count; nothing where it could not be had in time.
    fn count_tokens(&self, model_id: &str, prompt: &Prompt) -> impl Future<Output = Option<Tokens>> + Send;
}

/// The metrics could not be delivered.
#[derive(Debug, thiserror::Error)]
#[error("the metrics were not taken")]
pub struct MetricsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where metrics go. A repeat after a lost answer may count a point twice.
pub trait Metrics: Send + Sync {
    /// Delivers all points, with one timestamp.
    fn put(&self, points: &[Point], at: Timestamp) -> impl Future<Output = Result<(), MetricsError>> + Send;
}

/// Where log lines go: one JSON object a line.
pub trait Log: Send + Sync {
    /// Writes a line.
    fn line(&self, line: &Value);
}

/// The policy could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The store did not answer.
    #[error("the policy's store did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// None was ever applied.
    #[error("no policy is applied: apply one with `cost-sentry policy apply`")]
    Absent,
    /// What is stored cannot be used.
    #[error("the stored policy cannot be used: {0}")]
    Unusable(String),
}

/// Where policies are kept: immutable documents under their versions, and a pointer to the current one.
pub trait PolicyStore: Send + Sync {
    /// The current version.
    fn current_version(&self) -> impl Future<Output = Result<String, PolicyError>> + Send;
    /// The document of a version.
    fn document(&self, version: &str) -> impl Future<Output = Result<Value, PolicyError>> + Send;
}
