//! The record of one call, for tests that assert what was sent.

use jiff::Timestamp;
use serde_json::Value;

use super::fault::Fault;

/// One request that the simulator received.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The model id or ARN of the path, percent-decoded.
    pub model_id: String,
    /// What was asked for.
    pub operation: Operation,
    /// The request's JSON; `null` where it was none.
    pub body: Value,
    /// When the whole request had arrived, by this machine's clock.
    pub at: Timestamp,
    /// What was decided then; the answer itself may follow later, by the script's latency.
    pub answered: Answered,
}

/// An operation of Bedrock Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `POST /model/{modelId}/converse`
    Converse,
    /// `POST /model/{modelId}/count-tokens`
    CountTokens,
}

/// How a call was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// HTTP 200 with this body.
    Answer(Value),
    /// A failure, by the script or because the request was refused.
    Fault {
        /// Its kind.
        fault: Fault,
        /// The message that was sent; empty where no answer is.
        message: String,
    },
}

impl Answered {
    /// The fault, if it was one.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Answer(_) => None,
            Self::Fault { fault, .. } => Some(*fault),
        }
    }
}
