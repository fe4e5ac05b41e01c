//! Reading requests: parameters within their bounds, ARNs of the right kind.

use super::arn::{self, MachineType, Named, Status};
use super::refusal::Refusal;
use serde_json::Value;

/// The largest input of an execution, in bytes (AWS Step Functions quotas).
const INPUT_BYTES: usize = 262_144;
/// The longest error name and cause of `StopExecution`.
const ERROR_CHARS: usize = 256;
const CAUSE_CHARS: usize = 32_768;
/// Most entries on a page.
const PAGE: usize = 1_000;
/// Entries on a page, unless asked for.
const DEFAULT_PAGE: usize = 100;

/// A request's parameters.
pub(super) struct Parameters<'a>(pub &'a Value);

impl Parameters<'_> {
    fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refusal { name: "SerializationException", message: format!("`{name}` must be a string") }),
        }
    }

    pub fn required(&self, name: &str) -> Result<String, Refusal> {
        let missing = || bounds(name, "Member must not be null");
        self.text(name)?.ok_or_else(missing)
    }

    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    fn bounded(&self, name: &str, most: usize) -> Result<Option<String>, Refusal> {
        let text = self.text(name)?;
        match text {
            Some(text) if text.chars().count() > most => {
                Err(bounds(name, &format!("Member must have length less than or equal to {most}")))
            }
            text => Ok(text),
        }
    }

    pub fn error(&self) -> Result<Option<String>, Refusal> {
        self.bounded("error", ERROR_CHARS)
    }

    pub fn cause(&self) -> Result<Option<String>, Refusal> {
        self.bounded("cause", CAUSE_CHARS)
    }

    /// The execution's input: JSON text, `{}` unless given.
    pub fn input(&self) -> Result<String, Refusal> {
        let input = self.text("input")?.unwrap_or_else(|| "{}".to_owned());
        if input.len() > INPUT_BYTES {
            return Err(bounds("input", &format!("Member must have length less than or equal to {INPUT_BYTES}")));
        }
        let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&input);
        read.map_err(|error| Refusal::invalid_input(error.line(), error.column()))?;
        Ok(input)
    }

    pub fn execution_name(&self) -> Result<Option<String>, Refusal> {
        match self.text("name")? {
            Some(name) if !arn::is_execution_name(&name) => Err(Refusal::invalid_name(&name)),
            name => Ok(name),
        }
    }

    /// The state machine that an ARN names.
    pub fn machine(&self) -> Result<MachineType, Refusal> {
        let arn = self.required("stateMachineArn")?;
        if arn::named(&arn) != Some(Named::StateMachine) {
            return Err(Refusal::invalid_arn(&arn));
        }
        let known = MachineType::ALL.into_iter().find(|machine| machine.machine_arn() == arn);
        known.ok_or_else(|| Refusal::state_machine_does_not_exist(&arn))
    }

    /// The ARN of a Standard execution: Express executions have no record that could be asked for.
    pub fn execution(&self) -> Result<String, Refusal> {
        let arn = self.required("executionArn")?;
        match arn::named(&arn) {
            Some(Named::Execution) => Ok(arn),
            _ => Err(Refusal::invalid_arn(&arn)),
        }
    }

    pub fn status(&self) -> Result<Option<Status>, Refusal> {
        let Some(word) = self.text("statusFilter")? else { return Ok(None) };
        let known = [Status::Running, Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted];
        let found = known.into_iter().find(|status| status.to_string() == word);
        found.map(Some).ok_or_else(|| bounds("statusFilter", "Member must satisfy enum value set"))
    }

    /// A page of `all`, and the token of the next one: where it starts.
    pub fn page(&self, all: Vec<Value>) -> Result<(Vec<Value>, Option<String>), Refusal> {
        let start = match self.text("nextToken")? {
            None => 0,
            Some(token) => token.parse::<usize>().ok().filter(|start| *start <= all.len()).ok_or_else(Refusal::invalid_token)?,
        };
        let size = match self.0.get("maxResults") {
            None | Some(Value::Null) => DEFAULT_PAGE,
            Some(asked) => match asked.as_u64().and_then(|asked| usize::try_from(asked).ok()) {
                Some(0) => DEFAULT_PAGE,
                Some(asked) if asked <= PAGE => asked,
                _ => return Err(bounds("maxResults", &format!("Member must have value less than or equal to {PAGE}"))),
            },
        };
        let end = start.saturating_add(size);
        let more = (end < all.len()).then(|| end.to_string());
        Ok((all.into_iter().skip(start).take(size).collect(), more))
    }
}

fn bounds(name: &str, rule: &str) -> Refusal {
    Refusal::validation(format!("1 validation error detected: Value at '{name}' failed to satisfy constraint: {rule}"))
}
