//! The policy's `tags` and `requests` sections.

use crate::problem::{At, Problems};
use crate::quantity::Tokens;
use crate::tags::{self, TagRule};
use std::collections::{BTreeMap, BTreeSet};

/// What requests may ask for, and what happens at the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// No request gets more output tokens than this.
    pub max_tokens: Option<Tokens>,
    /// What becomes of a sampling parameter that the model refuses.
    pub refused_parameters: RefusedParameters,
    /// What becomes of a request that no enforced budget applies to.
    pub unbudgeted: Unbudgeted,
    /// How the bound on the input is found.
    pub input_bound: InputBound,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_tokens: None,
            refused_parameters: RefusedParameters::Drop,
            unbudgeted: Unbudgeted::Deny,
            input_bound: InputBound::Refine,
        }
    }
}

/// What becomes of a sampling parameter that the model refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedParameters {
    /// It is not sent, and the outcome has a warning.
    Drop,
    /// The request is invalid.
    Reject,
}

/// What becomes of a request that no enforced budget applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbudgeted {
    /// No call.
    Deny,
    /// It is called, without a limit.
    Allow,
}

/// How the bound on the input is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputBound {
    /// From the text's bytes.
    Bytes,
    /// From the bytes; on a refusal counted by Bedrock, where it serves the model, and tried once more.
    Refine,
    /// Counted by Bedrock before anything is held, where it serves the model; from the bytes where it does not, or does not answer.
    CountTokens,
    /// From what texts usually come to: may be too low.
    Heuristic,
}

pub(super) fn tags(problems: &mut Problems, at: &At<'_>) -> BTreeMap<String, TagRule> {
    let Some(fields) = at.fields() else {
        problems.add(&at.pointer, "an object of tag names, each `open` or an object with `allow`");
        return BTreeMap::new();
    };
    for (name, field) in &fields {
        if !tags::is_name(name) {
            problems.add(&field.pointer, "a tag's name, spelt as requests spell it, and none that the workflow sets itself");
        } else if !tags::KNOWN.contains(name)
            && crate::problem::nearest(name, &tags::KNOWN).is_some_and(|near| tags::looks_like(name, near))
        {
            problems
                .add(&field.pointer, "a tag of your own whose name is not nearly that of `applicationId`, `costCenter` or `environment`");
        }
    }
    fields.into_iter().map(|(name, field)| (name.to_owned(), rule(problems, &field))).collect()
}

fn rule(problems: &mut Problems, at: &At<'_>) -> TagRule {
    if at.value == "open" {
        return TagRule::Open;
    }
    if !at.value.is_object() {
        problems.add(&at.pointer, "the word `open`, or an object with `allow`");
        return TagRule::Open;
    }
    problems.object(at, &["allow", "synonyms"]);
    let mut allow = BTreeSet::new();
    let expected = "a list of at least one tag value";
    match problems.required(at, "allow", expected).map(|list| (list.items(), list)) {
        Some((Some(items), list)) => {
            if items.is_empty() {
                problems.add(&list.pointer, expected);
            }
            allow.extend(items.iter().filter_map(|item| tag_value(problems, item)));
        }
        Some((None, list)) => problems.add(&list.pointer, expected),
        None => {}
    }
    let mut synonyms = BTreeMap::new();
    if let Some(at) = at.get("synonyms") {
        let Some(fields) = at.fields() else {
            problems.add(&at.pointer, "an object of other spellings, each with the allowed value it stands for");
            return TagRule::Listed { allow, synonyms };
        };
        for (name, field) in fields {
            match field.value.as_str() {
                Some(_) if allow.contains(name) => problems.add(field.pointer, "a spelling that is not itself under `allow`"),
                Some(value) if allow.contains(value) => {
                    synonyms.insert(name.to_owned(), value.to_owned());
                }
                _ => problems.add(field.pointer, "one of the values under `allow`"),
            }
        }
    }
    TagRule::Listed { allow, synonyms }
}

/// A tag value as the policy writes it.
pub(super) fn tag_value(problems: &mut Problems, at: &At<'_>) -> Option<String> {
    let value = at.value.as_str().filter(|text| tags::is_value(text)).map(str::to_owned);
    if value.is_none() {
        problems.add(&at.pointer, "a tag value: 1 to 256 letters, digits, inner spaces and + - = . _ : / @");
    }
    value
}

pub(super) fn rules(problems: &mut Problems, at: &At<'_>) -> Rules {
    let mut rules = Rules::default();
    if !problems.object(at, &["maxTokens", "refusedParameters", "unbudgeted", "inputBound"]) {
        return rules;
    }
    if let Some(field) = at.get("maxTokens") {
        match field.value.as_u64().filter(|most| *most >= 1) {
            Some(most) => rules.max_tokens = Some(Tokens(most)),
            None => problems.add(field.pointer, "a whole number of tokens, at least 1"),
        }
    }
    let words = [("drop", RefusedParameters::Drop), ("reject", RefusedParameters::Reject)];
    if let Some(word) = at.get("refusedParameters").and_then(|field| problems.word(&field, &words)) {
        rules.refused_parameters = word;
    }
    let words = [("deny", Unbudgeted::Deny), ("allow", Unbudgeted::Allow)];
    if let Some(word) = at.get("unbudgeted").and_then(|field| problems.word(&field, &words)) {
        rules.unbudgeted = word;
    }
    let words = [
        ("bytes", InputBound::Bytes),
        ("refine", InputBound::Refine),
        ("count-tokens", InputBound::CountTokens),
        ("heuristic", InputBound::Heuristic),
    ];
    if let Some(word) = at.get("inputBound").and_then(|field| problems.word(&field, &words)) {
        rules.input_bound = word;
    }
    rules
}
