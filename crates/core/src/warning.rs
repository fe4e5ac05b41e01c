//! Warnings: what a client should know about an answer that it got all the same.

use serde::{Deserialize, Serialize};

/// A warning: a stable code for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable name in `SCREAMING_SNAKE_CASE`.
    pub code: String,
    /// What was done, and why.
    pub message: String,
}

impl Warning {
    /// A sampling parameter was left out, since the model refuses it.
    pub fn parameter_dropped(name: &str, why: &str) -> Self {
        Self { code: "PARAMETER_DROPPED".to_owned(), message: format!("`{name}` was not sent: {why}") }
    }

    /// The policy allows less output than the request asked for.
    pub fn max_tokens_capped(asked: u64, most: u64) -> Self {
        Self { code: "MAX_TOKENS_CAPPED".to_owned(), message: format!("max_tokens {asked} was lowered to the policy's {most}") }
    }

    /// The answer did not fit the workflow's payload.
    pub fn answer_cut(kept: usize, of: usize) -> Self {
        Self {
            code: "ANSWER_CUT".to_owned(),
            message: format!("the answer was cut to {kept} of its {of} bytes: a state's payload is limited"),
        }
    }

    /// The call used more input or output than was held for it.
    pub fn overage(tokens: u64) -> Self {
        Self {
            code: "OVERAGE".to_owned(),
            message: format!("the call used {tokens} tokens more than were held for its input or its output; all of them are charged"),
        }
    }

    /// The call went out without a budget, as the policy allows.
    pub fn unbudgeted() -> Self {
        Self { code: "UNBUDGETED".to_owned(), message: "no enforced budget applies to this request; the policy allows that".to_owned() }
    }

    /// Bedrock answered, and did not say what that used.
    pub fn not_booked() -> Self {
        Self {
            code: "NOT_BOOKED".to_owned(),
            message: "Bedrock reported no usage; the whole hold stays charged, marked uncertain".to_owned(),
        }
    }
}
