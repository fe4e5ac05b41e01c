//! One visit of a state: what its paths and templates see, and how its errors read.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::error_names::RUNTIME;
use crate::machine::Template;
use crate::path::{Path, Root, descend};
use crate::ports::{Execution, TaskError};

/// A state being executed.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    pub execution: &'a Execution,
    /// The execution's input.
    pub execution_input: &'a Value,
    /// The state's name.
    pub state: &'a str,
    pub entered: Timestamp,
    /// The number of the event that entered it, as Step Functions counts.
    pub event_id: u64,
    /// How many retries the state has made.
    pub retry_count: u64,
}

impl Visit<'_> {
    /// What `path` leads to; `None` when that is nothing.
    pub fn get(&self, path: &Path, input: &Value) -> Option<Value> {
        match path.root() {
            Root::Input => descend(input, path.names()).cloned(),
            Root::Context => self.context(path.names()),
        }
    }

    /// The context object, field by field; its fields are listed in [`crate::path::CONTEXT`].
    fn context(&self, names: &[String]) -> Option<Value> {
        let (object, rest) = names.split_first()?;
        let (field, rest) = rest.split_first()?;
        let text = match (object.as_str(), field.as_str()) {
            ("Execution", "Input") => return descend(self.execution_input, rest).cloned(),
            ("Execution", "RedriveCount") => return Some(self.execution.redrive_count.into()),
            ("State", "RetryCount") => return Some(self.retry_count.into()),
            ("Execution", "Id") => self.execution.id.clone(),
            ("Execution", "Name") => self.execution.name.clone(),
            ("Execution", "RoleArn") => self.execution.role_arn.clone(),
            ("Execution", "StartTime") => iso(self.execution.start_time),
            ("State", "EnteredTime") => iso(self.entered),
            ("State", "Name") => self.state.to_owned(),
            ("StateMachine", "Id") => self.execution.state_machine_id.clone(),
            ("StateMachine", "Name") => self.execution.state_machine_name.clone(),
            _ => return None,
        };
        Some(Value::String(text))
    }

    /// The payload that a template makes of `input`.
    pub fn build(&self, template: &Template, input: &Value) -> Result<Value, TaskError> {
        match template {
            Template::Static(value) => Ok(value.clone()),
            Template::Array(items) => items.iter().map(|item| self.build(item, input)).collect(),
            Template::Object(fields) => {
                let mut map = Map::new();
                for (name, field) in fields {
                    let value = match field {
                        Template::Path(path) => self.get(path, input).ok_or_else(|| self.not_found(path, &format!("{name}.$"), input))?,
                        field => self.build(field, input)?,
                    };
                    map.insert(name.clone(), value);
                }
                Ok(Value::Object(map))
            }
            Template::Path(path) => self.get(path, input).ok_or_else(|| self.not_found(path, "Parameters", input)),
        }
    }

    /// An error of this state under `error`, in Step Functions' words.
    pub fn error(&self, error: &str, sentence: &str) -> TaskError {
        let cause = format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {sentence}",
            self.state, self.event_id
        );
        TaskError { error: error.to_owned(), cause }
    }

    /// The path of `field` leads nowhere. Step Functions quotes the input, so this does.
    pub fn not_found(&self, path: &Path, field: &str, input: &Value) -> TaskError {
        let sentence = format!("The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{input}'");
        self.error(RUNTIME, &sentence)
    }
}

/// ISO 8601 in UTC with milliseconds and `Z`, as the context object has times.
fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
