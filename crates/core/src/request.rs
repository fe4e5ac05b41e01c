//! The request: what a client may send, checked whole against the policy, and what is left of it afterwards.
//!
//! [`validate`] is the only way in. Behind it nothing looks at a raw request again.

mod parameters;
mod prompt;

pub use parameters::Inference;
pub use prompt::{Message, Prompt, Role};

use crate::model::ResolvedModel;
use crate::policy::{ModelEntry, Policy};
use crate::problem::{At, Problems};
use crate::tags::{self, TagValues, Tags};
use crate::warning::Warning;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The largest request, in bytes of compact JSON: what fits every state's payload with room for what the workflow adds.
pub const MAX_REQUEST_BYTES: usize = 200_000;

const FIELDS: [&str; 3] = ["model", "prompt", "tags"];
const MODEL_EXPECTED: &str = "a model name of the policy's catalog, or an id or profile ARN that the policy allows";

/// A request that was found good: resolved, tagged, and ready to be held for and sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The model.
    pub model: ResolvedModel,
    /// What is sent as system prompt and conversation.
    pub prompt: Prompt,
    /// What is sent as parameters.
    pub inference: Inference,
    /// Whom it is for.
    pub tags: Tags,
    /// What the client should know.
    pub warnings: Vec<Warning>,
}

/// What comes from outside the request: the execution, and the tags that the deployment pins.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The execution's id, an ARN.
    pub execution_id: &'a str,
    /// The execution's start.
    pub started_at: Timestamp,
    /// Tags that the state machine fixes.
    pub pinned: &'a TagValues,
}

impl Origin<'_> {
    /// The request's id: made from the execution's, so that every repeat has the same one. Has the form of a UUID (version 8, RFC 9562).
    pub fn request_id(&self) -> String {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(Sha256::digest(self.execution_id.as_bytes())).for_each(|(byte, hash)| *byte = hash);
        let (version, variant) = (0xf << 76, 0b11 << 62);
        let id = u128::from_be_bytes(bytes) & !version & !variant | 0x8 << 76 | 0b10 << 62;
        let group = |from: u32, digits: usize| format!("{:0digits$x}", id >> from & ((1 << (4 * digits)) - 1));
        [group(96, 8), group(80, 4), group(64, 4), group(48, 4), group(0, 12)].join("-")
    }
}

/// Checks a request against the policy, or says everything that is wrong with it.
pub fn validate(document: &Value, policy: &Policy, origin: Origin<'_>) -> Result<Request, Problems> {
    let mut problems = Problems::default();
    let root = At::root(document);
    if document.to_string().len() > MAX_REQUEST_BYTES {
        problems.add("", format!("a request of at most {MAX_REQUEST_BYTES} bytes of JSON"));
        return Err(problems);
    }
    if !problems.object(&root, &FIELDS) {
        return Err(problems);
    }
    let found = model(&mut problems, &root, policy);
    let capabilities = found.as_ref().and_then(|(model, _)| policy.capabilities(&model.underlying));
    let prompt = prompt::parse(&mut problems, &root, capabilities.as_ref());
    let entry = found.as_ref().and_then(|(_, entry)| *entry);
    let most = [entry.and_then(|entry| entry.max_tokens), policy.rules.max_tokens].into_iter().flatten().min();
    let service_tier = entry.and_then(|entry| entry.service_tier);
    let mut warnings = Vec::new();
    let limits = parameters::Limits { capabilities: capabilities.as_ref(), most, refused: policy.rules.refused_parameters, service_tier };
    let inference = parameters::parse(&mut problems, &mut warnings, &root, &limits);
    let tags = request_tags(&mut problems, &root, policy, entry, origin);
    match (found, prompt, inference) {
        (Some((model, _)), Some(prompt), Some(inference)) if problems.is_empty() => {
            let tags = Tags {
                values: tags,
                request_id: origin.request_id(),
                timestamp: format!("{:.6}", origin.started_at),
                model_metric: model.model_metric.clone(),
            };
            Ok(Request { model, prompt, inference, tags, warnings })
        }
        _ => Err(problems),
    }
}

fn model<'a>(problems: &mut Problems, root: &At<'_>, policy: &'a Policy) -> Option<(ResolvedModel, Option<&'a ModelEntry>)> {
    let at = problems.required(root, "model", MODEL_EXPECTED)?;
    let text = problems.string(&at, MODEL_EXPECTED)?;
    let found = policy.resolve(text);
    if found.is_none() {
        let names: Vec<&str> = policy.models.keys().map(String::as_str).collect();
        let near = crate::problem::nearest(text, &names).map(|near| format!("; the nearest catalog name is `{near}`"));
        problems.add(&at.pointer, format!("{MODEL_EXPECTED}{}", near.unwrap_or_default()));
    }
    found
}

fn request_tags(problems: &mut Problems, root: &At<'_>, policy: &Policy, entry: Option<&ModelEntry>, origin: Origin<'_>) -> TagValues {
    let at = root.get("tags");
    let is_object = at.as_ref().is_none_or(|at| at.value.is_object());
    let own = at.map(|at| tags::parse(problems, &at)).unwrap_or_default();
    let none = TagValues::new();
    let profile = entry.map_or(&none, |entry| &entry.tags);
    let fixed = [("the model's profile", profile), ("the deployment", origin.pinned)];
    let asked = own.contains_key(tags::APPLICATION_ID);
    let values = tags::settle(problems, "/tags", own, &fixed, &policy.tags);
    let pointer = "/tags/applicationId";
    let is_wrong = problems.as_slice().iter().any(|problem| problem.pointer == pointer);
    if is_object && !asked && !values.contains_key(tags::APPLICATION_ID) && !is_wrong {
        problems.add(pointer, "the application that asks, as a tag value: every request names one");
    }
    values
}

impl Request {
    /// A hash over everything but the timestamp, 32 hexadecimal digits: two requests with one id are the same request only if it agrees.
    pub fn hash(&self) -> String {
        let mut document = serde_json::to_value(self).unwrap_or_default();
        if let Some(tags) = document.get_mut("tags").and_then(Value::as_object_mut) {
            tags.remove("timestamp");
        }
        crate::canonical::digest(&document, 16)
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
