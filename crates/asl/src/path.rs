//! Reference paths: the dotted subset of `JSONPath` that names exactly one node.

use std::fmt;

use serde_json::{Map, Value};

/// The context object's fields that the runner fills. `$$.Execution.Input` may be followed by further names.
pub(crate) const CONTEXT: [&str; 11] = [
    "Execution.Id",
    "Execution.Input",
    "Execution.Name",
    "Execution.RedriveCount",
    "Execution.RoleArn",
    "Execution.StartTime",
    "State.EnteredTime",
    "State.Name",
    "State.RetryCount",
    "StateMachine.Id",
    "StateMachine.Name",
];

/// What a path starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// `$`: the state's input.
    Input,
    /// `$$`: the context object.
    Context,
}

/// A reference path: `$`, `$.a`, `$.a.b` or `$$.Execution.Id`. Names are ASCII letters, digits and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    root: Root,
    names: Vec<String>,
}

/// Why a text is no reference path; the text of it is one sentence for a [`Problem`](crate::Problem).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathError(String);

impl Path {
    /// Reads a path. Errors for intrinsic functions, for paths that may name several nodes, for notations that this
    /// runner does not model, and for context fields that it does not fill.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        let (root, rest) = match (text.strip_prefix("$$"), text.strip_prefix('$')) {
            (Some(rest), _) => (Root::Context, rest),
            (None, Some(rest)) => (Root::Input, rest),
            (None, None) => return Err(PathError(not_a_path(text))),
        };
        let names: Vec<&str> = match rest.strip_prefix('.') {
            None if rest.is_empty() => Vec::new(),
            None => return Err(PathError(malformed(text))),
            Some(dotted) => dotted.split('.').collect(),
        };
        let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !names.iter().all(is_name) {
            return Err(PathError(malformed(text)));
        }
        if root == Root::Context && !is_filled(&names.join(".")) {
            return Err(PathError(format!(
                "`{text}` is not modelled by this runner: of the context object it fills {}",
                CONTEXT.join(", ")
            )));
        }
        Ok(Path { root, names: names.into_iter().map(str::to_owned).collect() })
    }

    /// `$`: the whole input.
    pub(crate) fn whole() -> Path {
        Path { root: Root::Input, names: Vec::new() }
    }

    /// What the path starts from.
    pub fn root(&self) -> Root {
        self.root
    }

    /// The names after the root, outermost first.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.root {
            Root::Input => "$",
            Root::Context => "$$",
        })?;
        self.names.iter().try_for_each(|name| write!(f, ".{name}"))
    }
}

/// The node that `names` lead to; `None` when one of them is absent or asked of something that is no object.
pub(crate) fn descend<'v>(value: &'v Value, names: &[String]) -> Option<&'v Value> {
    names.iter().try_fold(value, |node, name| node.as_object()?.get(name))
}

/// Puts `result` at `names` in `document` as the specification's `ResultPath` does: absent objects on the way are made, no
/// name at all replaces the whole. `None` when something on the way is there and is no object.
pub(crate) fn place(document: Value, names: &[String], result: Value) -> Option<Value> {
    let Some((name, rest)) = names.split_first() else { return Some(result) };
    let Value::Object(mut map) = document else { return None };
    // Taken, not removed: its place among the keys stays.
    let child = map.get_mut(name).map_or_else(|| Value::Object(Map::new()), Value::take);
    map.insert(name.clone(), place(child, rest, result)?);
    Some(Value::Object(map))
}

fn is_filled(dotted: &str) -> bool {
    CONTEXT.contains(&dotted) || dotted.starts_with("Execution.Input.")
}

fn not_a_path(text: &str) -> String {
    let name = text.split('(').next().unwrap_or_default();
    if text.starts_with("States.") {
        format!("the intrinsic function `{name}` is not modelled by this runner: compute it in a task")
    } else {
        format!("`{text}` is not a reference path: it starts with `$` (the input) or `$$` (the context object)")
    }
}

fn malformed(text: &str) -> String {
    format!("`{text}` is not a reference path that this runner models: names of letters, digits and `_`, each after a dot, as in `$.a.b`")
}
