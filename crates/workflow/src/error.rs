//! Error names: what the state machine retries or catches by, and what clients see. They are part of the contract.

use serde_json::{Value, json};
use std::fmt;

/// Every error that a step throws or reports. `statemachine/README.md` says what to do about each; a test holds the two together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorName {
    /// The request is wrong; the state machine's `RequestRejected` ends with it.
    InvalidRequest,
    /// No policy could be read, and none was good within the last five minutes.
    PolicyUnavailable,
    /// The ledger did not answer.
    LedgerUnavailable,
    /// Too many requests wanted the same counters at once.
    LedgerContended,
    /// A step got a payload or a reservation that no step of this workflow writes.
    ContractViolation,
    /// A dollar budget applies and the model has no price.
    NoPrice,
    /// No enforced budget applies.
    NoBudget,
    /// More budgets apply than one transaction can hold on.
    TooManyBudgets,
    /// The policy no longer knows the model.
    UnknownModel,
    /// Too little time is left before the execution's end to send the call.
    DeadlineExceeded,
    /// Another execution with the same id sent the call, or may have.
    InvocationUncertain,
    /// What was held has been released; nothing was sent.
    LeaseLost,
    /// Bedrock throttled the call.
    ModelThrottled,
    /// The model was not ready.
    ModelNotReady,
    /// No connection to Bedrock was opened.
    ModelUnreachable,
    /// Bedrock refused the request as invalid.
    ModelRejectedRequest,
    /// Bedrock denied access to the model.
    ModelAccessDenied,
    /// Bedrock does not know the model.
    ModelNotFound,
    /// No answer in time.
    ModelTimedOut,
    /// Bedrock failed after the call was sent.
    ModelFailed,
    /// The connection broke after the call was sent.
    ModelConnectionLost,
    /// CloudWatch did not take the metrics.
    MetricsUnavailable,
    /// A step crashed, ran out of time, or could not be started.
    StepMalfunction,
}

/// How the workflow deals with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// Thrown: the state machine retries it, then catches it.
    Retried,
    /// Thrown: the state machine catches it at once.
    Caught,
    /// Never thrown: it is part of a step's result.
    Reported,
}

impl ErrorName {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::InvalidRequest,
        Self::PolicyUnavailable,
        Self::LedgerUnavailable,
        Self::LedgerContended,
        Self::ContractViolation,
        Self::NoPrice,
        Self::NoBudget,
        Self::TooManyBudgets,
        Self::UnknownModel,
        Self::DeadlineExceeded,
        Self::InvocationUncertain,
        Self::LeaseLost,
        Self::ModelThrottled,
        Self::ModelNotReady,
        Self::ModelUnreachable,
        Self::ModelRejectedRequest,
        Self::ModelAccessDenied,
        Self::ModelNotFound,
        Self::ModelTimedOut,
        Self::ModelFailed,
        Self::ModelConnectionLost,
        Self::MetricsUnavailable,
        Self::StepMalfunction,
    ];

    /// The name that the state machine and clients see.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "InvalidRequest",
            Self::PolicyUnavailable => "PolicyUnavailable",
            Self::LedgerUnavailable => "LedgerUnavailable",
            Self::LedgerContended => "LedgerContended",
            Self::ContractViolation => "ContractViolation",
            Self::NoPrice => "NoPrice",
            Self::NoBudget => "NoBudget",
            Self::TooManyBudgets => "TooManyBudgets",
            Self::UnknownModel => "UnknownModel",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::InvocationUncertain => "InvocationUncertain",
            Self::LeaseLost => "LeaseLost",
            Self::ModelThrottled => "ModelThrottled",
            Self::ModelNotReady => "ModelNotReady",
            Self::ModelUnreachable => "ModelUnreachable",
            Self::ModelRejectedRequest => "ModelRejectedRequest",
            Self::ModelAccessDenied => "ModelAccessDenied",
            Self::ModelNotFound => "ModelNotFound",
            Self::ModelTimedOut => "ModelTimedOut",
            Self::ModelFailed => "ModelFailed",
            Self::ModelConnectionLost => "ModelConnectionLost",
            Self::MetricsUnavailable => "MetricsUnavailable",
            Self::StepMalfunction => "StepMalfunction",
        }
    }

    /// The error of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|error| error.name() == name)
    }

    /// How the workflow deals with it.
    pub fn handling(self) -> Handling {
        match self {
            Self::PolicyUnavailable
            | Self::LedgerUnavailable
            | Self::LedgerContended
            | Self::ModelThrottled
            | Self::ModelNotReady
            | Self::ModelUnreachable
            | Self::MetricsUnavailable => Handling::Retried,
            Self::ContractViolation => Handling::Caught,
            Self::InvalidRequest
            | Self::NoPrice
            | Self::NoBudget
            | Self::TooManyBudgets
            | Self::UnknownModel
            | Self::DeadlineExceeded
            | Self::InvocationUncertain
            | Self::LeaseLost
            | Self::ModelRejectedRequest
            | Self::ModelAccessDenied
            | Self::ModelNotFound
            | Self::ModelTimedOut
            | Self::ModelFailed
            | Self::ModelConnectionLost
            | Self::StepMalfunction => Handling::Reported,
        }
    }

    /// One sentence for the client: what happened, and what to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request is wrong; mend every problem that is listed.",
            Self::PolicyUnavailable => {
                "No budget policy could be read; nothing was sent. Apply one with `cost-sentry policy apply`, then try again."
            }
            Self::LedgerUnavailable => "The budget ledger did not answer, so the workflow stopped. Try again later.",
            Self::LedgerContended => "Too many requests wanted the same budget at once, so this one stopped. Try again.",
            Self::ContractViolation => {
                "A step received data that no step writes; this is a defect or a reused execution id. Report it with the requestId."
            }
            Self::NoPrice => "A dollar budget applies and the model has no price; nothing was sent. Add the price to the policy.",
            Self::NoBudget => "No enforced budget applies to this request; nothing was sent. Add a budget to the policy.",
            Self::TooManyBudgets => {
                "More budgets apply than one request can hold on; nothing was sent. Narrow their `match` in the policy."
            }
            Self::UnknownModel => "The policy no longer knows this model; nothing was sent. Choose another one.",
            Self::DeadlineExceeded => {
                "Too little time was left before the execution's end, so the model was not called. Start a new execution."
            }
            Self::InvocationUncertain => {
                "Another execution with this id has sent the call, or may have; this one moved nothing. Look at the other execution."
            }
            Self::LeaseLost => "What was held had been released before the call; nothing was sent. Start a new execution.",
            Self::ModelThrottled => {
                "Bedrock throttled the call every time; nothing was billed. Try again later, or raise the Bedrock quota."
            }
            Self::ModelNotReady => "The model was not ready; nothing was billed. Try again later.",
            Self::ModelUnreachable => "No connection to Bedrock could be opened; nothing was billed. Check the network and the endpoint.",
            Self::ModelRejectedRequest => {
                "Bedrock refused the request as invalid; nothing was billed. Check the prompt against the model's rules."
            }
            Self::ModelAccessDenied => {
                "Bedrock denied access to the model; nothing was billed. Check model access and the function's role."
            }
            Self::ModelNotFound => "Bedrock does not know this model here; nothing was billed. Check the model id and the region.",
            Self::ModelTimedOut => {
                "The model did not answer in time; the call may be billed, so its hold stays charged. Ask for fewer tokens."
            }
            Self::ModelFailed => {
                "Bedrock failed after the call was sent; it may be billed, so its hold stays charged. Try again with a new execution."
            }
            Self::ModelConnectionLost => {
                "The connection broke after the call was sent; it may be billed, so its hold stays charged. Try again with a new execution."
            }
            Self::MetricsUnavailable => "CloudWatch did not take the metrics; the ledger is not affected.",
            Self::StepMalfunction => "A step of the workflow crashed or ran out of time. Look for its log with the requestId.",
        }
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a step throws: a name that the state machine knows, and a sentence without any value of the request.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Thrown {
    /// The name.
    pub name: ErrorName,
    /// What happened, for the log and the cause.
    pub message: String,
    /// What it came from; logged once, at the edge.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Thrown {
    /// Thrown without a deeper cause.
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self { name, message: message.into(), source: None }
    }
}

impl Thrown {
    /// The log line of this error: its name and the chain of its causes, once.
    pub fn log_line(&self) -> Value {
        let mut causes = Vec::new();
        let mut next: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(self);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        json!({ "event": "error", "error": self.name.name(), "message": self.message, "causes": causes })
    }
}
