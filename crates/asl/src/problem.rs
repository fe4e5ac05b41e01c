//! What is wrong with a state machine file, and where.

use std::fmt;

/// One thing wrong with a state machine file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// An RFC 6901 pointer into the file; empty for the file as a whole.
    pub pointer: String,
    /// What is wrong and what is expected, as one sentence without a full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.pointer.is_empty() { "(file)" } else { &self.pointer };
        write!(f, "{at}: {}", self.message)
    }
}

/// The pointer to `key` in what `pointer` points to, escaped as RFC 6901 asks.
pub(crate) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The name in `known` that `name` was most likely meant to be, if one is near enough to be a slip of the pen.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = name.to_lowercase();
    let length = name.chars().count();
    let reach = (length / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= reach && *distance < length)
        .min()
        .map(|(_, candidate)| candidate)
}
