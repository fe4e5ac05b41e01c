//! Problems: everything that is wrong with a document, each with the JSON pointer of the place and what was expected there.
//!
//! A problem never repeats the value it found: requests hold prompts, and policies may hold names that are nobody else's business.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How much of a pointer is shown; a caller's own field names can be of any length.
const POINTER_SHOWN: usize = 200;

/// One thing that is wrong, where, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// RFC 6901 pointer into the document; empty for the document as a whole.
    pub pointer: String,
    /// What was expected, as a phrase that reads after "expected".
    pub expected: String,
}

/// The problems found so far, in the order of discovery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

/// A value and where it stands in its document.
#[derive(Debug, Clone)]
pub struct At<'a> {
    /// The value.
    pub value: &'a Value,
    /// Its RFC 6901 pointer.
    pub pointer: String,
}

impl<'a> At<'a> {
    /// The document itself.
    pub fn root(value: &'a Value) -> Self {
        Self { value, pointer: String::new() }
    }

    /// The field of that name, where the value is an object that has it.
    pub fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name)?;
        Some(Self { value, pointer: self.child(name) })
    }

    /// The pointer of a field, present or not.
    pub fn child(&self, name: &str) -> String {
        child(&self.pointer, name)
    }

    /// The items, where the value is an array.
    pub fn items(&self) -> Option<Vec<Self>> {
        let items = self.value.as_array()?;
        Some(items.iter().enumerate().map(|(i, value)| Self { value, pointer: format!("{}/{i}", self.pointer) }).collect())
    }

    /// The fields in the order of their names, where the value is an object.
    pub fn fields(&self) -> Option<Vec<(&'a str, Self)>> {
        let map: &'a Map<String, Value> = self.value.as_object()?;
        let mut fields: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), Self { value, pointer: self.child(name) })).collect();
        fields.sort_by_key(|(name, _)| *name);
        Some(fields)
    }
}

/// The pointer of a field below a pointer: names may hold slashes, as those of tags do.
pub fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl Problems {
    /// Notes that `expected` was not what stands at `pointer`.
    pub fn add(&mut self, pointer: impl Into<String>, expected: impl Into<String>) {
        let mut pointer = pointer.into();
        if pointer.chars().count() > POINTER_SHOWN {
            pointer = pointer.chars().take(POINTER_SHOWN).chain("…".chars()).collect();
        }
        self.0.push(Problem { pointer, expected: expected.into() });
    }

    /// Checks that `at` is an object whose fields are all among `known`; whatever else it holds is a problem with the nearest known name.
    pub fn object(&mut self, at: &At<'_>, known: &[&str]) -> bool {
        let Some(fields) = at.fields() else {
            self.add(&at.pointer, format!("an object with {}", list(known)));
            return false;
        };
        for (name, field) in fields {
            if !known.contains(&name) {
                self.add(field.pointer, unknown_field(name, known));
            }
        }
        true
    }

    /// A string, or a problem that says `expected`.
    pub fn string<'a>(&mut self, at: &At<'a>, expected: &str) -> Option<&'a str> {
        let text = at.value.as_str();
        if text.is_none() {
            self.add(&at.pointer, expected);
        }
        text
    }

    /// One of a closed set of words, or a problem that lists them.
    pub fn word<T: Copy>(&mut self, at: &At<'_>, words: &[(&str, T)]) -> Option<T> {
        let found = at.value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text)).map(|(_, value)| *value);
        if found.is_none() {
            self.add(&at.pointer, format!("one of {}", list(&words.iter().map(|(word, _)| *word).collect::<Vec<_>>())));
        }
        found
    }

    /// A required field, or a problem at the place where it is missing.
    pub fn required<'a>(&mut self, at: &At<'a>, name: &str, expected: &str) -> Option<At<'a>> {
        let field = at.get(name);
        if field.is_none() && at.value.is_object() {
            self.add(at.child(name), expected);
        }
        field
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, in the order of discovery.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    /// All of them, in the order of discovery.
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

/// The known name that a misspelt one was probably meant to be.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    const ALIASES: &[(&str, &str)] = &[
        ("input", "prompt"),
        ("inputs", "prompt"),
        ("body", "prompt"),
        ("modelId", "model"),
        ("maxTokens", "max_tokens"),
        ("maxTokenCount", "max_tokens"),
    ];
    if let Some((_, alias)) = ALIASES.iter().find(|(from, to)| *from == name && known.contains(to)) {
        return known.iter().copied().find(|known| known == alias);
    }
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn unknown_field(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("no field of this name; the nearest known name is `{near}`"),
        None => format!("no field of this name; known here: {}", list(known)),
    }
}

/// The names as a readable list: `a`, `b` and `c`.
pub fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_misspelt_name_points_at_the_known_one() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(nearest(name, &["model", "prompt", "tags", "max_tokens", "temperature"]), expected, "{name}");
        };
        check("input", Some("prompt"));
        check("max_token", Some("max_tokens"));
        check("maxTokens", Some("max_tokens"));
        check("Temperature", Some("temperature"));
        check("zzz", None);
    }

    #[test]
    fn pointers_are_escaped_and_shortened_and_values_never_shown() {
        let value = json!({"a/b~c": "secret", "x".repeat(300): 1});
        let mut problems = Problems::default();
        problems.object(&At::root(&value), &["model"]);
        let found = problems.into_vec();
        assert_eq!(found[0].pointer, "/a~1b~0c");
        assert!(found[1].pointer.chars().count() <= POINTER_SHOWN + 1);
        assert!(!format!("{found:?}").contains("secret"));
        let shown = |characters: usize| {
            let mut problems = Problems::default();
            problems.add("é".repeat(characters), "a shorter name");
            problems.into_vec().remove(0).pointer
        };
        assert_eq!(shown(POINTER_SHOWN), "é".repeat(POINTER_SHOWN));
        assert_eq!(shown(POINTER_SHOWN + 1), "é".repeat(POINTER_SHOWN) + "…");
    }
}
