//! `${Name}` placeholders, replaced as text before the file is JSON.

use std::collections::{BTreeMap, BTreeSet};

/// Placeholders and values that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("placeholders without a value: {}; values without a placeholder: {}", list(missing), list(unused))]
pub struct SubstitutionError {
    /// Names that the text uses and no value was given for. Deployed, they would stay in the file as they are.
    pub missing: BTreeSet<String>,
    /// Names of values that the text never uses: most often a misspelt one.
    pub unused: BTreeSet<String>,
}

fn list(names: &BTreeSet<String>) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().map(String::as_str).collect::<Vec<_>>().join(", ") }
}

/// Replaces every `${Name}` in `text` by its value, character for character, as `DefinitionSubstitutions` of the
/// `CloudFormation` resource `AWS::StepFunctions::StateMachine` does: nothing is quoted or escaped, and a value that
/// itself looks like a placeholder is left alone.
///
/// Errors when a placeholder has no value or a value no placeholder, and lists them all.
pub fn substitute(text: &str, values: &BTreeMap<String, String>) -> Result<String, SubstitutionError> {
    let used = placeholders(text);
    let missing: BTreeSet<String> = used.iter().filter(|name| !values.contains_key(*name)).cloned().collect();
    let unused: BTreeSet<String> = values.keys().filter(|name| !used.contains(*name)).cloned().collect();
    if !missing.is_empty() || !unused.is_empty() {
        return Err(SubstitutionError { missing, unused });
    }
    let mut result = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => result.push_str(text),
            Piece::Placeholder(name) => result.push_str(values.get(name).map_or("", String::as_str)),
        }
    }
    Ok(result)
}

/// The names of all `${Name}` placeholders in `text`. An opening `${` that is never closed is not one.
pub fn placeholders(text: &str) -> BTreeSet<String> {
    pieces(text)
        .filter_map(|piece| match piece {
            Piece::Placeholder(name) => Some(name.to_owned()),
            Piece::Text(_) => None,
        })
        .collect()
}

enum Piece<'t> {
    Text(&'t str),
    Placeholder(&'t str),
}

/// The text, cut at its placeholders.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = rest.strip_prefix("${").and_then(|inside| inside.split_once('}')) {
            rest = after;
            return Some(Piece::Placeholder(name));
        }
        // An unclosed `${` at the very start is text: look for the next one behind it.
        let from = if rest.starts_with("${") { 2 } else { 0 };
        let end = rest.get(from..).and_then(|tail| tail.find("${")).map_or(rest.len(), |at| at + from);
        let (before, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Text(before))
    })
}
