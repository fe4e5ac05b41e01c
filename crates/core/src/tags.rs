//! Tags: who a request is for. Three names are known (`applicationId`, `costCenter`, `environment`); a request may bring ten of its own.

use crate::problem::{At, Problems, child};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The application that asks; every request names it.
pub const APPLICATION_ID: &str = "applicationId";
/// Who pays.
pub const COST_CENTER: &str = "costCenter";
/// Where the application runs.
pub const ENVIRONMENT: &str = "environment";
/// The tags that the policy and the metrics know by name.
pub const KNOWN: [&str; 3] = [APPLICATION_ID, COST_CENTER, ENVIRONMENT];

/// Names that the workflow or a budget's `match` uses itself.
const RESERVED: [&str; 6] = ["requestId", "timestamp", "modelMetric", "model", "modelId", "underlying"];
/// Tags of the user's own in one request.
const OWN_TAGS: usize = 10;
/// Longest tag value: what a cost-allocation tag allows (AWS Billing, user-defined tag restrictions).
const VALUE_CHARS: usize = 256;
/// Longest tag name, from the same source.
const NAME_CHARS: usize = 128;

const VALUE_EXPECTED: &str = "1 to 256 characters, each a letter, a digit, a space inside the value or one of + - = . _ : / @";
const NAME_EXPECTED: &str =
    "a tag name of 1 to 128 letters, digits and + - = . _ : / @, not starting with `aws:`, not one the workflow sets itself";

/// Where a request chooses the profile whose tags it takes over.
const MODEL_POINTER: &str = "/model";

/// Tag values by name, checked.
pub type TagValues = BTreeMap<String, String>;

/// The tags of a validated request: the caller's, and the three that the workflow adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tags {
    /// The caller's, the profile's and the pinned ones.
    #[serde(flatten)]
    pub values: TagValues,
    /// From the execution's id: the same on every repeat.
    pub request_id: String,
    /// The execution's start, ISO 8601 UTC with microseconds.
    pub timestamp: String,
    /// What CloudWatch calls the model: an application profile's unique id, else the model id.
    pub model_metric: String,
}

/// What the policy says of one tag: any value, or a list with synonyms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TagRule {
    /// Any well-formed value.
    #[default]
    Open,
    /// These values only.
    Listed {
        /// The allowed values.
        allow: BTreeSet<String>,
        /// Other spellings, and the allowed value each stands for.
        synonyms: BTreeMap<String, String>,
    },
}

impl TagRule {
    /// The value that counts for `value`, or nothing where it is not allowed.
    pub fn accept(&self, value: &str) -> Option<String> {
        match self {
            Self::Open => Some(value.to_owned()),
            Self::Listed { allow, synonyms } => {
                let value = synonyms.get(value).map_or(value, String::as_str);
                allow.contains(value).then(|| value.to_owned())
            }
        }
    }
}

/// Whether `text` fits a CloudWatch dimension and a cost-allocation tag alike.
pub fn is_value(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c);
    !text.is_empty() && text.len() <= VALUE_CHARS && text.trim() == text && text.chars().all(allowed)
}

/// Whether a tag may have this name: a known one, or a well-formed one of the user's own.
pub fn is_name(name: &str) -> bool {
    KNOWN.contains(&name) || is_own_name(name)
}

/// Whether a name is so near to a known one that it was probably meant to be it: a rule for it would leave the known tag open.
pub(crate) fn looks_like(name: &str, known: &str) -> bool {
    strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &known.to_ascii_lowercase()) <= 2
}

fn is_own_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+-=._:/@".contains(c);
    !name.is_empty()
        && name.len() <= NAME_CHARS
        && name.chars().all(allowed)
        && !name.to_ascii_lowercase().starts_with("aws:")
        && !name.starts_with(':')
        && !RESERVED.contains(&name)
}

/// Reads the tags of a request, or of a profile in the policy: well-formed names and values, at most ten of the user's own.
pub fn parse(problems: &mut Problems, at: &At<'_>) -> TagValues {
    let mut values = TagValues::new();
    let Some(fields) = at.fields() else {
        problems.add(&at.pointer, "an object of tag names and string values");
        return values;
    };
    let own = fields.iter().filter(|(name, _)| !KNOWN.contains(name)).count();
    if own > OWN_TAGS {
        problems.add(&at.pointer, format!("at most {OWN_TAGS} tags besides `applicationId`, `costCenter` and `environment`"));
    }
    for (name, field) in fields {
        if !KNOWN.contains(&name) && !is_own_name(name) {
            problems.add(&field.pointer, NAME_EXPECTED);
        } else if let Some(near) = misspelt(name) {
            problems.add(&field.pointer, format!("the tag's known name `{near}`"));
        }
        match field.value.as_str() {
            Some(value) if is_value(value) => {
                values.insert(name.to_owned(), value.to_owned());
            }
            _ => problems.add(&field.pointer, VALUE_EXPECTED),
        }
    }
    values
}

/// A tag of the user's own that is a known name but for case, separators or two letters would silently miss every budget on that name.
fn misspelt(name: &str) -> Option<&'static str> {
    let bare = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let spelt = bare(name).replace("centre", "center");
    KNOWN.into_iter().find(|known| *known != name && (bare(known) == spelt || looks_like(name, known)))
}

/// Joins the request's tags with the profile's and the pinned ones; what contradicts those, or is not allowed by the policy, is a problem.
pub fn settle(
    problems: &mut Problems,
    tags_pointer: &str,
    mut values: TagValues,
    fixed: &[(&str, &TagValues)],
    rules: &BTreeMap<String, TagRule>,
) -> TagValues {
    let pointer = |name: &str| child(tags_pointer, name);
    let own: BTreeSet<String> = values.keys().cloned().collect();
    let accept = |name: &str, value: &str| rules.get(name).map_or_else(|| Some(value.to_owned()), |rule| rule.accept(value));
    let mut refused = BTreeSet::new();
    for (name, value) in &mut values {
        if let Some(accepted) = accept(name, value) {
            *value = accepted;
        } else {
            problems.add(pointer(name), "a value that the policy lists for this tag");
            refused.insert(name.clone());
        }
    }
    for (owner, tags) in fixed {
        for (name, value) in *tags {
            let value = accept(name, value).unwrap_or_else(|| value.clone());
            match values.get(name) {
                Some(present) if *present != value && !own.contains(name) => {
                    // Two that the request has no say in: no value of its own could make it good.
                    problems.add(MODEL_POINTER, format!("a model whose profile fixes the same `{name}` as {owner}"));
                }
                Some(present) if *present != value && !refused.contains(name) => {
                    problems.add(pointer(name), format!("no value, or the one that {owner} fixes"));
                }
                Some(_) => {}
                None => {
                    values.insert(name.clone(), value);
                }
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_fits_a_dimension_and_a_cost_allocation_tag() {
        for good in ["a", "aws-documentation-helper", "Team A/B", "x@y.z:1=2+3_4", &"x".repeat(256)] {
            assert!(is_value(good), "{good}");
        }
        for bad in ["", " ", " a", "a ", "é", "a\u{7}", "a\nb", "a*b", "a#b", &"x".repeat(257)] {
            assert!(!is_value(bad), "{bad:?}");
        }
    }

    #[test]
    fn own_tags_are_counted_and_named_well() {
        let check = |value: serde_json::Value, pointers: &[&str]| {
            let mut problems = Problems::default();
            parse(&mut problems, &At { value: &value, pointer: "/tags".to_owned() });
            let found: Vec<_> = problems.into_vec().into_iter().map(|p| p.pointer).collect();
            assert_eq!(found, pointers, "{value}");
        };
        check(json!({"applicationId": "a", "team": "x"}), &[]);
        check(json!({"requestId": "a"}), &["/tags/requestId"]);
        check(json!({"aws:x": "a", "cost_centre": "b"}), &["/tags/aws:x", "/tags/cost_centre"]);
        check(json!({"enviroment": "a"}), &["/tags/enviroment"]);
        check(json!({"APPLICATION__ID__": "a"}), &["/tags/APPLICATION__ID__"]);
        check(json!([]), &["/tags"]);
        let many: serde_json::Map<_, _> = (0..11).map(|i| (format!("t{i}"), json!("v"))).collect();
        check(many.into(), &["/tags"]);
    }

    #[test]
    fn synonyms_count_as_the_listed_value_and_contradictions_are_problems() {
        let rule = TagRule::Listed {
            allow: BTreeSet::from(["production".to_owned()]),
            synonyms: BTreeMap::from([("prod".to_owned(), "production".to_owned())]),
        };
        let rules = BTreeMap::from([("environment".to_owned(), rule)]);
        let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<TagValues>();
        let check = |own: &[(&str, &str)], profile: &[(&str, &str)], found: usize, environment: Option<&str>| {
            let mut problems = Problems::default();
            let settled = settle(&mut problems, "/tags", tags(own), &[("the profile", &tags(profile))], &rules);
            assert_eq!(problems.len(), found, "{problems:?}");
            assert_eq!(settled.get("environment").map(String::as_str), environment);
        };
        check(&[("environment", "prod")], &[], 0, Some("production"));
        check(&[], &[("environment", "prod")], 0, Some("production"));
        check(&[("environment", "prod")], &[("environment", "production")], 0, Some("production"));
        check(&[("environment", "test")], &[("environment", "prod")], 1, Some("test"));
        check(&[("costCenter", "a")], &[("costCenter", "b")], 1, None);
    }

    #[test]
    fn a_profile_against_the_deployment_is_a_problem_of_the_model_that_was_asked_for() {
        let tags = |value: &str| TagValues::from([("costCenter".to_owned(), value.to_owned())]);
        let check = |own: TagValues, pointers: &[&str]| {
            let mut problems = Problems::default();
            let fixed = [("the model's profile", &tags("sales")), ("the deployment", &tags("support"))];
            settle(&mut problems, "/tags", own, &fixed, &BTreeMap::new());
            let found: Vec<_> = problems.into_vec().into_iter().map(|problem| problem.pointer).collect();
            assert_eq!(found, pointers);
        };
        check(TagValues::new(), &["/model"]);
        check(tags("sales"), &["/tags/costCenter"]);
        check(tags("other"), &["/tags/costCenter", "/tags/costCenter"]);
    }
}
