//! What is seen of a world: its executions, functions, calls and policies.

use super::books::Witness;
use super::executor::TaskId;
use super::policy::PolicyDrawn;
use super::requests::Asked;
use super::tally::Tally;
use cost_sentry_asl::End;
use cost_sentry_core::price::Usage;
use cost_sentry_core::reservation::ClaimId;
use cost_sentry_workflow::metrics::Point;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::time::Duration;

/// What was seen.
#[derive(Default)]
pub struct Facts {
    /// Functions at work, by their tasks.
    pub invocations: BTreeMap<TaskId, Invocation>,
    /// Each execution, in the order of their arrivals.
    pub executions: Vec<Seen>,
    /// From request ids to executions.
    pub by_request: BTreeMap<String, usize>,
    /// The policies, the documents they came from, and when each became the current one.
    pub policies: Vec<PolicySeen>,
    /// A second pair of eyes on the ledger.
    pub witness: Witness,
    /// What is counted.
    pub tally: Tally,
    /// How many runs, functions and late writes are under way.
    pub busy: usize,
    /// Whether faults are over.
    pub calm: bool,
    /// What was found wrong; the first ends the world.
    pub violation: Option<Violation>,
    /// How many claims were drawn.
    pub claims: u64,
}

/// A policy, when it became the current one, and its version.
pub struct PolicySeen {
    /// Since the world's beginning.
    pub at: Duration,
    /// Of the document.
    pub version: String,
    /// What was drawn.
    pub drawn: PolicyDrawn,
    /// The document.
    pub document: serde_json::Value,
}

/// A promise that was not kept.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Whose, if it is one execution's.
    pub execution: Option<usize>,
    /// What.
    pub text: String,
}

/// A function at work.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    /// Its step's state, or the sweep's name.
    pub step: &'static str,
    /// For which execution; nothing for the sweep.
    pub execution: Option<usize>,
    /// How far its clock is ahead.
    pub skew: SignedDuration,
    /// When it began, since the world's beginning.
    pub began: Duration,
    /// At which of its requests it dies, and whether that one is done first.
    pub dies_at: Option<(u32, bool)>,
    /// How many requests it made.
    pub requests: u32,
    /// Whether anything went wrong in it.
    pub troubled: bool,
    /// The last claim that it drew.
    pub claim: Option<ClaimId>,
    /// How many reservations it ended.
    pub ended: u64,
}

/// What became of one call.
#[derive(Debug, Clone)]
pub struct CallSeen {
    /// Under which claim.
    pub claim: Option<ClaimId>,
    /// What Bedrock did.
    pub fate: Fate,
}

/// What Bedrock did with a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// Nothing was processed, and nothing is billed.
    NotProcessed,
    /// Under way, or nobody can know: it may be billed.
    Unknown,
    /// Answered.
    Answered(Option<Usage>, String),
}

/// Whether the ledger hears an execution's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// It does.
    Good,
    /// It will not, once the execution's call has ended.
    UntilItsCall,
    /// It does not.
    None,
}

/// What was seen of one execution, all its runs together.
pub struct Seen {
    /// What was asked.
    pub asked: Asked,
    /// Its start, since the world's beginning.
    pub began: Duration,
    /// Whether it is run once only, and never stopped.
    pub single: bool,
    /// Whether one thing after another goes wrong for it.
    pub unlucky: bool,
    /// Whether the ledger hears nothing of it.
    pub hearing: Hearing,
    /// What went wrong on its way.
    pub troubles: u32,
    /// Its calls, in order.
    pub calls: Vec<CallSeen>,
    /// What Bedrock counted last.
    pub counted: Option<u64>,
    /// Metrics of it that were taken.
    pub batches: Vec<Vec<Point>>,
    /// What a step answered first, by its state.
    pub answers: BTreeMap<&'static str, String>,
    /// How its runs ended.
    pub ends: Vec<End>,
}

impl Seen {
    /// An execution that has just arrived.
    pub fn new(asked: Asked, began: Duration, single: bool) -> Self {
        let (calls, batches, ends) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            asked,
            began,
            single,
            unlucky: false,
            hearing: Hearing::Good,
            troubles: 0,
            calls,
            counted: None,
            batches,
            answers: BTreeMap::new(),
            ends,
        }
    }
}
