//! Documents that people write: read from YAML or JSON, with the line and column of every place a problem points at.

use cost_sentry_core::problem::Problem;
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde::Serialize;
use serde_json::Value;

/// A place in a document, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A problem and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlacedProblem {
    /// Nothing where the document could not be read that far.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// The JSON pointer.
    pub pointer: String,
    /// What was expected, or what is worth knowing.
    pub message: String,
}

/// The document as JSON, or why it is not even that.
pub fn read(text: &str) -> Result<Value, PlacedProblem> {
    serde_saphyr::from_str(text).map_err(|error| {
        let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let place = error.location().map(|location| Place { line: number(location.line()), column: number(location.column()) });
        let message = error.without_snippet().to_string();
        PlacedProblem { place, pointer: String::new(), message: format!("not readable as YAML: {message}") }
    })
}

/// Finds the places of problems, all from one reading.
pub fn place(text: &str, problems: &[Problem], word: &str) -> Vec<PlacedProblem> {
    let documents = MarkedYaml::load_from_str(text).unwrap_or_default();
    let root = documents.first();
    let place = |problem: &Problem| PlacedProblem {
        place: root.map(|root| locate(root, &problem.pointer)),
        pointer: problem.pointer.clone(),
        message: format!("{word}{}", problem.expected),
    };
    problems.iter().map(place).collect()
}

/// The place of a pointer, or of the nearest thing around it that exists: the key of a field, the start of an item.
fn locate(root: &MarkedYaml<'_>, pointer: &str) -> Place {
    let mut node = root;
    let mut place = start(node);
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let found = match &node.data {
            YamlData::Mapping(fields) => fields.iter().find(|(key, _)| key_is(key, &part)).map(|(key, value)| (start(key), value)),
            YamlData::Sequence(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)).map(|item| (start(item), item)),
            _ => None,
        };
        match found {
            Some((found, value)) => (place, node) = (found, value),
            None => return place,
        }
    }
    place
}

fn key_is(key: &MarkedYaml<'_>, part: &str) -> bool {
    matches!(&key.data, YamlData::Value(Scalar::String(text)) if text == part)
        || matches!(&key.data, YamlData::Representation(text, _, _) if text == part)
}

fn start(node: &MarkedYaml<'_>) -> Place {
    Place { line: node.span.start.line(), column: node.span.start.col() + 1 }
}

impl std::fmt::Display for PlacedProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place {
            Some(place) => write!(f, "{}:{}: ", place.line, place.column)?,
            None => f.write_str(" ")?,
        }
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_found_at_its_line_and_column() {
        let text = "models:\n  a: { id: x }\nbudgets:\n  - name: one\n    limit: { usd: no }\n";
        let check = |pointer: &str, line: usize, column: usize| {
            let problem = Problem { pointer: pointer.to_owned(), expected: "y".to_owned() };
            let placed = place(text, &[problem], "");
            assert_eq!(placed[0].place, Some(Place { line, column }), "{pointer}");
        };
        check("/models/a/id", 2, 8);
        check("/budgets/0", 4, 5);
        check("/budgets/0/limit/usd", 5, 14);
        check("/budgets/0/window", 4, 5);
        check("", 1, 1);
    }
}
