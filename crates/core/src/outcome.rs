//! The outcome: the one JSON document that a client gets, the same shape for all three ends.

mod rate_limit;

pub use rate_limit::{BudgetReport, RateLimit, RetryAfterReport, Standing};

use crate::model::ResolvedModel;
use crate::price::Usage;
use crate::quantity::{NanoUsd, Tokens};
use crate::tags::Tags;
use crate::warning::Warning;
use serde::{Deserialize, Serialize};

/// The largest document that leaves the workflow as a failure's cause, in bytes (Step Functions allows 32,768).
pub const MAX_CAUSE_BYTES: usize = 30_000;
/// The largest document that leaves the workflow as output, in bytes (Step Functions allows 262,144 between states, what the
/// workflow adds included).
pub const MAX_DOCUMENT_BYTES: usize = 240_000;
/// How much of an error's message a cause keeps when all else was cut, in characters: each takes six bytes of JSON at most.
const MESSAGE_SHOWN: usize = 1_000;

/// How a valid request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// The model answered.
    InvocationSucceeded,
    /// There is no answer; the error says whether money may have been spent.
    InvocationFailed,
    /// A budget had no room; nothing was sent.
    RateLimitDenied,
}

impl Outcome {
    /// The word in the document and in the state machine's Choice.
    pub fn word(self) -> &'static str {
        match self {
            Self::InvocationSucceeded => "INVOCATION_SUCCEEDED",
            Self::InvocationFailed => "INVOCATION_FAILED",
            Self::RateLimitDenied => "RATE_LIMIT_DENIED",
        }
    }
}

/// Which model was asked for, and which was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelReport {
    /// The request's own word.
    pub requested: String,
    /// What Converse was, or would have been, called with.
    pub model_id: String,
}

impl From<&ResolvedModel> for ModelReport {
    fn from(model: &ResolvedModel) -> Self {
        Self { requested: model.requested.clone(), model_id: model.model_id.clone() }
    }
}

/// The model's answer. Its text never shows in `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// `assistant`.
    pub role: String,
    /// The answer's text.
    pub content: String,
    /// Why the model stopped, in Bedrock's word.
    pub stop_reason: String,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Response({} bytes, {})", self.content.len(), self.stop_reason)
    }
}

/// What the call used, in the words of Converse, and what that costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// Input tokens that the cache neither served nor stored.
    pub input_tokens: Tokens,
    /// Output tokens.
    pub output_tokens: Tokens,
    /// Input tokens read from the prompt cache.
    pub cache_read_input_tokens: Tokens,
    /// Input tokens written to the prompt cache.
    pub cache_write_input_tokens: Tokens,
    /// All of them.
    pub total_tokens: Tokens,
    /// US dollars, a decimal; nothing where the model has no price.
    pub cost_usd: Option<String>,
}

impl UsageReport {
    /// The report on a usage and its cost.
    pub fn new(usage: &Usage, cost: Option<NanoUsd>) -> Self {
        Self {
            input_tokens: usage.input,
            output_tokens: usage.output,
            cache_read_input_tokens: usage.cache_read,
            cache_write_input_tokens: usage.cache_write,
            total_tokens: usage.total(),
            cost_usd: cost.map(|cost| cost.to_string()),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport {
    /// A stable name; the table of all of them is in `statemachine/README.md`.
    pub name: String,
    /// One sentence that says what to do.
    pub message: String,
    /// Whether the call may have been billed.
    pub money_may_have_been_spent: bool,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// How it ended.
    pub outcome: Outcome,
    /// The tags, `requestId` among them; nothing if the request was never read.
    pub tags: Option<Tags>,
    /// The model; nothing if the request was never read.
    pub model: Option<ModelReport>,
    /// The answer, on success.
    pub response: Option<Response>,
    /// What it used, where that is known.
    pub usage: Option<UsageReport>,
    /// The budgets that applied, once they were looked at.
    pub rate_limit: Option<RateLimit>,
    /// What the client should know.
    pub warnings: Vec<Warning>,
    /// Why there is no answer, on failure.
    pub error: Option<ErrorReport>,
}

impl Document {
    /// A document with nothing in it but the end it reports.
    pub fn new(outcome: Outcome) -> Self {
        Self { outcome, tags: None, model: None, response: None, usage: None, rate_limit: None, warnings: Vec::new(), error: None }
    }

    /// The document as a failure's cause: JSON of at most [`MAX_CAUSE_BYTES`]. What is left out first is what the ledger keeps anyway.
    pub fn cause(&self) -> String {
        let mut trimmed = self.clone();
        let mut text = json(&trimmed);
        let cuts: [fn(&mut Self); 6] = [
            |document| document.warnings.truncate(3),
            |document| document.warnings.clear(),
            |document| {
                if let Some(rate_limit) = &mut document.rate_limit {
                    rate_limit.keep_refusing();
                }
            },
            |document| document.keep_budgets(3),
            |document| {
                if let Some(tags) = &mut document.tags {
                    tags.values.clear();
                }
                document.keep_budgets(0);
            },
            |document| {
                document.response = None;
                if let Some(error) = &mut document.error {
                    error.message = error.message.chars().take(MESSAGE_SHOWN).collect();
                }
            },
        ];
        for cut in cuts {
            if text.len() <= MAX_CAUSE_BYTES {
                break;
            }
            cut(&mut trimmed);
            text = json(&trimmed);
        }
        text
    }

    /// Leaves the first budgets only; when to try again stays.
    fn keep_budgets(&mut self, most: usize) {
        if let Some(rate_limit) = &mut self.rate_limit {
            rate_limit.budgets.truncate(most);
        }
    }

    /// Cuts the answer so that the document stays within [`MAX_DOCUMENT_BYTES`], with a warning that says so. Usage and cost stay; of a
    /// report on budgets that would not leave half of the room to the answer, its first ten entries stay.
    pub fn fit(&mut self) {
        let mut size = json(self).len();
        if size <= MAX_DOCUMENT_BYTES {
            return;
        }
        if let Some(rate_limit) = self.rate_limit.as_mut().filter(|report| json(report).len() > MAX_DOCUMENT_BYTES / 2) {
            rate_limit.budgets.truncate(10);
            size = json(self).len();
        }
        if size <= MAX_DOCUMENT_BYTES {
            return;
        }
        let Some(response) = &mut self.response else { return };
        let whole = response.content.len();
        // The warning itself needs room; its numbers have at most seven digits here.
        let excess = size - MAX_DOCUMENT_BYTES + json(&Warning::answer_cut(9_999_999, 9_999_999)).len() + 1;
        let mut serialised = 0;
        let keep_bytes = json(&response.content).len().saturating_sub(2).saturating_sub(excess);
        let kept: String = response
            .content
            .chars()
            .take_while(|character| {
                serialised += json(&character.to_string()).len().saturating_sub(2);
                serialised <= keep_bytes
            })
            .collect();
        let warning = Warning::answer_cut(kept.len(), whole);
        response.content = kept;
        self.warnings.push(warning);
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
