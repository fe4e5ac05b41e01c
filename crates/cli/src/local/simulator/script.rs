//! The script: what the simulator answers, model by model.
//!
//! ```yaml
//! models:
//!   claude-3-5-haiku:        # a model id, an ARN, an alias, or "*" for every other model
//!     answer: Some text      # every field is optional
//!     latency: 250ms
//!     stopReason: end_turn
//!     usage: { inputTokens: 120, outputTokens: maxTokens }
//!     next:                  # one per Converse call, in order; then the settings above, or `always`
//!       - { error: ThrottlingException, times: 2 }
//!       - { answer: Another text, latency: 2s }
//!     always: { error: AccessDeniedException }
//!     countTokens: { error: ValidationException }
//! ```
//!
//! Left out: conditions on the prompt, and anything random.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

use super::fault::Fault;
use super::latency::Latency;
use super::script_error::ScriptError;
use super::usage::UsageRule;

/// The entry that serves every model without one of its own.
const EVERY_MODEL: &str = "*";

/// What each model answers; the default answers every call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    models: BTreeMap<String, ModelScript>,
    aliases: BTreeMap<String, String>,
}

impl Script {
    /// Reads a script from YAML; an empty text is the default script.
    ///
    /// Refused, with line and column: unknown fields and error names, wrong types, figures that exclude each other.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let file = serde_saphyr::from_str::<Option<ScriptFile>>(text)?;
        Ok(Self { models: file.map(|file| file.models).unwrap_or_default(), aliases: BTreeMap::new() })
    }

    /// Lets entries be written under an alias: `aliases` maps each alias to the model id that is called.
    ///
    /// An entry under the id itself goes before one under an alias.
    #[must_use]
    pub fn with_aliases(self, aliases: &BTreeMap<String, String>) -> Self {
        Self { aliases: aliases.clone(), ..self }
    }

    /// The names of the entries as written, for a caller that wants to warn about unknown ones.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// The next turn of Converse for this model id; consumes one from `next`.
    pub(super) fn take_turn(&mut self, model_id: &str) -> Turn {
        self.entry(model_id).map(ModelScript::take_turn).unwrap_or_default()
    }

    /// What `CountTokens` does for this model id; consumes nothing.
    pub(super) fn count_turn(&mut self, model_id: &str) -> Turn {
        self.entry(model_id).map(|model| model.count_turn()).unwrap_or_default()
    }

    fn entry(&mut self, model_id: &str) -> Option<&mut ModelScript> {
        let aliases = self.aliases.iter().filter(|(_, id)| *id == model_id).map(|(alias, _)| alias.as_str());
        let names = [model_id].into_iter().chain(aliases).chain([EVERY_MODEL]);
        let name = names.into_iter().find(|name| self.models.contains_key(*name))?.to_owned();
        self.models.get_mut(&name)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptFile {
    #[serde(default)]
    models: BTreeMap<String, ModelScript>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ModelScript {
    answer: Option<String>,
    latency: Option<Latency>,
    stop_reason: Option<String>,
    usage: Option<UsageRule>,
    #[serde(default)]
    next: VecDeque<Turn>,
    always: Option<Failing>,
    count_tokens: Option<Failing>,
}

impl ModelScript {
    fn take_turn(&mut self) -> Turn {
        let turn = match self.next.front_mut() {
            Some(front) if front.times > 1 => {
                front.times -= 1;
                Some(front.clone())
            }
            Some(_) => self.next.pop_front(),
            None => self.always.clone().map(Turn::from),
        };
        self.filled_in(turn.unwrap_or_default())
    }

    fn count_turn(&self) -> Turn {
        self.filled_in(self.count_tokens.clone().map(Turn::from).unwrap_or_default())
    }

    /// What a turn leaves open comes from the model's own settings.
    fn filled_in(&self, turn: Turn) -> Turn {
        Turn {
            answer: turn.answer.or_else(|| self.answer.clone()),
            latency: turn.latency.or(self.latency),
            stop_reason: turn.stop_reason.or_else(|| self.stop_reason.clone()),
            usage: turn.usage.or_else(|| self.usage.clone()),
            ..turn
        }
    }
}

/// What one call does: fail, or answer with what is set here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TurnFields")]
pub(super) struct Turn {
    pub(super) failing: Option<Failure>,
    pub(super) answer: Option<String>,
    latency: Option<Latency>,
    pub(super) stop_reason: Option<String>,
    pub(super) usage: Option<UsageRule>,
    times: u32,
}

impl Turn {
    /// How long the answer waits.
    pub(super) fn latency(&self) -> Duration {
        self.latency.map_or(Duration::ZERO, |latency| latency.0)
    }

    /// The same in milliseconds, as Bedrock's `metrics` say it.
    pub(super) fn latency_ms(&self) -> u64 {
        u64::try_from(self.latency().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A fault, with the script's own message for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) message: Option<String>,
}

/// An entry of `next` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TurnFields {
    error: Option<Fault>,
    message: Option<String>,
    answer: Option<String>,
    latency: Option<Latency>,
    stop_reason: Option<String>,
    usage: Option<UsageRule>,
    times: Option<NonZeroU32>,
}

impl TryFrom<TurnFields> for Turn {
    type Error = &'static str;

    fn try_from(fields: TurnFields) -> Result<Self, Self::Error> {
        let answers = fields.answer.is_some() || fields.stop_reason.is_some() || fields.usage.is_some();
        let failing = match (fields.error, fields.message) {
            (Some(_), _) if answers => return Err("error excludes answer, stopReason and usage"),
            (None, Some(_)) => return Err("message goes with error"),
            (Some(fault), Some(_)) if fault.status().is_none() => return Err("this error sends no answer, so no message"),
            (Some(fault), message) => Some(Failure { fault, message }),
            (None, None) => None,
        };
        Ok(Self {
            failing,
            answer: fields.answer,
            latency: fields.latency,
            stop_reason: fields.stop_reason,
            usage: fields.usage,
            times: fields.times.map_or(1, NonZeroU32::get),
        })
    }
}

/// `always` and `countTokens` as written: a failure, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failing {
    error: Fault,
    message: Option<String>,
    latency: Option<Latency>,
}

impl From<Failing> for Turn {
    fn from(failing: Failing) -> Self {
        let failure = Failure { fault: failing.error, message: failing.message };
        Self { failing: Some(failure), latency: failing.latency, ..Self::default() }
    }
}
