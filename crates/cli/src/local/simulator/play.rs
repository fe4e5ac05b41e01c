//! The script as it is played, and the calls it was played for: decides each reply, does no I/O.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::call::{Answered, Call, Operation};
use super::converse::{self, Asked};
use super::fault::Fault;
use super::script::{Failure, Script, Turn};

/// Calls kept for [`Play::calls`].
const CALLS_KEPT: usize = 10_000;

/// One script in progress, shared by all connections.
#[derive(Debug)]
pub(super) struct Play {
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    script: Script,
    calls: VecDeque<Call>,
}

/// What to send, and how long to wait before.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) latency: Duration,
    pub(super) answered: Answered,
}

impl Play {
    pub(super) fn new(script: Script) -> Self {
        Self { progress: Mutex::new(Progress { script, calls: VecDeque::new() }) }
    }

    pub(super) fn set_script(&self, script: Script) {
        self.progress().script = script;
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.progress().calls.iter().cloned().collect()
    }

    /// Decides and records the reply to one request; a request that fails the checks consumes no turn.
    pub(super) fn reply(&self, operation: Operation, model_id: String, bytes: &[u8], at: Timestamp) -> Reply {
        let body = serde_json::from_slice::<Value>(bytes).unwrap_or(Value::Null);
        let asked = match operation {
            Operation::Converse => Asked::parse(&body),
            Operation::CountTokens => match body.pointer("/input/converse") {
                Some(input) => Asked::parse(input),
                None => Err("The simulator counts input.converse only.".to_owned()),
            },
        };
        let mut progress = self.progress();
        let reply = match asked {
            Ok(asked) => play(&mut progress.script, operation, &model_id, asked),
            Err(message) => {
                let answered = Answered::Fault { fault: Fault::ValidationException, message };
                Reply { latency: Duration::ZERO, answered }
            }
        };
        if progress.calls.len() == CALLS_KEPT {
            progress.calls.pop_front();
        }
        progress.calls.push_back(Call { model_id, operation, body, at, answered: reply.answered.clone() });
        reply
    }

    /// A panic elsewhere leaves nothing half-written here: each change is a single push or replacement.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn play(script: &mut Script, operation: Operation, model_id: &str, asked: Asked) -> Reply {
    let turn = match operation {
        Operation::Converse => script.take_turn(model_id),
        Operation::CountTokens => script.count_turn(model_id),
    };
    Reply { latency: turn.latency(), answered: answered(operation, model_id, asked, &turn) }
}

fn answered(operation: Operation, model_id: &str, asked: Asked, turn: &Turn) -> Answered {
    match (&turn.failing, operation) {
        (Some(Failure { fault, message }), _) => {
            let message = message.clone().unwrap_or_else(|| fault.message().to_owned());
            Answered::Fault { fault: *fault, message }
        }
        (None, Operation::Converse) => Answered::Answer(converse::answer(model_id, asked, turn)),
        (None, Operation::CountTokens) => Answered::Answer(converse::token_count(asked, turn)),
    }
}
