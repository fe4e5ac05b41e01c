//! The parameters: `max_tokens` is always sent, the others only when given and taken by the model.

use crate::catalog::{Capabilities, MAX_TEMPERATURE, MAX_TOP_P, TopK};
use crate::policy::RefusedParameters;
use crate::price::ServiceTier;
use crate::problem::{At, Problems};
use crate::quantity::Tokens;
use crate::warning::Warning;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Parameters as Converse takes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inference {
    /// Always sent: an answer without a limit could not be held for.
    pub max_tokens: Tokens,
    /// Between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Between 0 and 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// What Converse has no field for, in the model's own form: `top_k`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_model_request_fields: Option<Value>,
    /// The service tier that the policy names for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<ServiceTier>,
}

/// What the parameters are held against.
pub(super) struct Limits<'a> {
    /// Nothing where the request names no model that is known: what holds for every model is checked all the same.
    pub capabilities: Option<&'a Capabilities>,
    pub most: Option<Tokens>,
    pub refused: RefusedParameters,
    pub service_tier: Option<ServiceTier>,
}

const FIELDS: [&str; 4] = ["max_tokens", "temperature", "top_p", "top_k"];
/// The largest `top_k` that any model takes (Claude and Nova alike, by their request schemas).
const MAX_TOP_K: u64 = 500;

/// Reads `prompt.parameters`; nothing to send where the model is not known.
pub(super) fn parse(problems: &mut Problems, warnings: &mut Vec<Warning>, root: &At<'_>, limits: &Limits<'_>) -> Option<Inference> {
    let at = root.get("prompt").and_then(|prompt| prompt.get("parameters")).filter(|at| problems.object(at, &FIELDS));
    let max_tokens = max_tokens(problems, warnings, at.as_ref(), limits);
    let mut field = |name: &str, most: f64| at.as_ref().and_then(|at| fraction(problems, at, name, most));
    let (temperature, top_p) = (field("temperature", MAX_TEMPERATURE), field("top_p", MAX_TOP_P));
    let top_k = at.as_ref().and_then(|at| top_k(problems, at));
    let capabilities = limits.capabilities?;
    let mut refuse = |name: &str, why: &str| match limits.refused {
        RefusedParameters::Drop => warnings.push(Warning::parameter_dropped(name, why)),
        RefusedParameters::Reject => {
            let pointer = at.as_ref().map(|at| at.child(name)).unwrap_or_default();
            problems.add(pointer, format!("no `{name}`: {why}"));
        }
    };
    let mut inference =
        Inference { max_tokens, temperature, top_p, additional_model_request_fields: None, service_tier: limits.service_tier };
    if !capabilities.sampling {
        let given = [("temperature", temperature.is_some()), ("top_p", top_p.is_some()), ("top_k", top_k.is_some())];
        given.iter().filter(|(_, given)| *given).for_each(|(name, _)| refuse(name, "this model takes no sampling parameters"));
        return Some(Inference { temperature: None, top_p: None, ..inference });
    }
    if temperature.is_some() && top_p.is_some() && !capabilities.temperature_with_top_p {
        refuse("top_p", "this model takes `temperature` or `top_p`, not both");
        inference.top_p = None;
    }
    inference.additional_model_request_fields = match (top_k, capabilities.top_k) {
        (None, _) => None,
        (Some(k), TopK::Claude) => Some(json!({ "top_k": k })),
        (Some(k), TopK::Nova) => Some(json!({ "inferenceConfig": { "topK": k } })),
        (Some(_), TopK::None) => {
            refuse("top_k", "this model does not have it");
            None
        }
    };
    Some(inference)
}

fn max_tokens(problems: &mut Problems, warnings: &mut Vec<Warning>, at: Option<&At<'_>>, limits: &Limits<'_>) -> Tokens {
    let known_most = limits.capabilities.and_then(|found| found.max_output).map(|most| most.0);
    let most = known_most.unwrap_or(u64::from(u32::MAX) / 2);
    let asked = at.and_then(|at| at.get("max_tokens")).map(|field| {
        let asked = field.value.as_u64().filter(|asked| (1..=most).contains(asked));
        if asked.is_none() {
            let whose = if known_most.is_some() { ", this model's most" } else { "" };
            problems.add(field.pointer, format!("a whole number from 1 to {most}{whose}"));
        }
        asked.unwrap_or(1)
    });
    let wanted = asked.or(limits.capabilities.map(|found| found.default_max_tokens.0)).unwrap_or(1);
    let Some(most) = limits.most.map(|most| most.0).filter(|most| *most < wanted) else {
        return Tokens(wanted);
    };
    if let Some(asked) = asked {
        warnings.push(Warning::max_tokens_capped(asked, most));
    }
    Tokens(most)
}

fn fraction(problems: &mut Problems, at: &At<'_>, name: &str, most: f64) -> Option<f64> {
    let field = at.get(name)?;
    let value = field.value.as_f64().filter(|value| (0.0..=most).contains(value));
    if value.is_none() {
        problems.add(field.pointer, format!("a number from 0 to {most}"));
    }
    value
}

fn top_k(problems: &mut Problems, at: &At<'_>) -> Option<u64> {
    let field = at.get("top_k")?;
    let value = field.value.as_u64().filter(|value| (1..=MAX_TOP_K).contains(value));
    if value.is_none() {
        problems.add(field.pointer, format!("a whole number from 1 to {MAX_TOP_K}"));
    }
    value
}
