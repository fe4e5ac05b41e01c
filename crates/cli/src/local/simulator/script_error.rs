//! What is wrong with a script, where, and which known name is nearest.

use std::fmt;

use serde_saphyr::Error as YamlError;

/// Below this similarity (Jaro-Winkler, 0 to 1) a name is no likely misspelling, and all known names are listed.
const LIKELY: f64 = 0.75;

/// A script that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// Line and column, both from 1; absent where the reader knows neither.
    pub place: Option<(u64, u64)>,
    /// What is wrong, in one line, with the nearest known name for an unknown one.
    pub message: String,
}

impl std::error::Error for ScriptError {}

impl fmt::Display for ScriptError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(formatter, "line {line}, column {column}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl From<YamlError> for ScriptError {
    fn from(error: YamlError) -> Self {
        let place = error.location().map(|location| (location.line(), location.column()));
        let message = match error.without_snippet() {
            YamlError::SerdeUnknownField { field, expected, .. } => unknown("field", field, expected),
            YamlError::SerdeUnknownVariant { variant, expected, .. } => unknown("name", variant, expected),
            YamlError::SerdeInvalidType { unexpected, expected, .. } | YamlError::SerdeInvalidValue { unexpected, expected, .. } => {
                format!("expected {}, found {unexpected}", plain(expected))
            }
            YamlError::Message { msg, .. } => msg.clone(),
            YamlError::Unexpected { expected, .. } => format!("expected {}", plain(expected)),
            YamlError::InvalidScalar { ty, .. } => format!("expected {}", plain(ty)),
            YamlError::DuplicateMappingKey { key, .. } => format!("`{}` occurs twice", key.as_deref().unwrap_or("a key")),
            other => without_place(&other.to_string(), place),
        };
        Self { place, message }
    }
}

/// The words of a script's author for the reader's own.
fn plain(expected: &str) -> &str {
    match expected {
        "mapping start" => "a mapping (`key: value`)",
        "sequence start" => "a list",
        "string scalar" => "a text",
        "u64" => "a whole number",
        "a nonzero u32" | "u32" => "a whole number, at least 1",
        other => other,
    }
}

/// The reader's own words end with the place, which is said already.
fn without_place(text: &str, place: Option<(u64, u64)>) -> String {
    let ending = place.map(|(line, column)| format!(" at line {line}, column {column}"));
    ending.and_then(|ending| text.strip_suffix(&ending)).unwrap_or(text).to_owned()
}

fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let lower = found.to_lowercase();
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), *name))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(likeness, _)| *likeness >= LIKELY);
    match nearest {
        Some((_, name)) => format!("unknown {what} `{found}`; did you mean `{name}`?"),
        None => format!("unknown {what} `{found}`; known: {}", known.join(", ")),
    }
}
