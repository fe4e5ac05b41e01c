//! Bedrock: answers with usage below, at and above the hold, every failure of Converse, at all speeds; and a look at each call as it is
//! sent.

use super::facts::{CallSeen, Fate, Hearing};
use super::services::Services;
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::Prompt;
use cost_sentry_workflow::ports::{Answer, Call, CallFailed, Model, TokenCounter};
use cost_sentry_workflow::time_outs;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

impl TokenCounter for Services {
    async fn count_tokens(&self, _model_id: &str, _prompt: &Prompt) -> Option<Tokens> {
        let world = &self.0;
        let execution = world.invocation()?.execution?;
        let slow = world.chance.one_in(20);
        world
            .executor
            .sleep(if slow { Duration::from_secs(u64::from(time_outs::COUNT_TOKENS)) } else { world.chance.millis(20..=400) })
            .await;
        let counted = {
            let mut facts = world.facts();
            let seen = facts.executions.get_mut(execution)?;
            // The same text counts the same every time.
            let counted = seen.asked.bytes_bound() / 4 + 1;
            seen.counted = (!slow).then_some(counted).or(seen.counted);
            counted
        };
        (!slow).then_some(Tokens(counted))
    }
}

/// What Bedrock makes of a call, and how often.
const BEHAVIOURS: [(u32, Result<(), CallFailed>); 10] = [
    (860, Ok(())),
    (30, Err(CallFailed::Throttled)),
    (10, Err(CallFailed::NotReady)),
    (15, Err(CallFailed::Unreachable)),
    (10, Err(CallFailed::Rejected)),
    (5, Err(CallFailed::AccessDenied)),
    (5, Err(CallFailed::NotFound)),
    (15, Err(CallFailed::TimedOut)),
    (25, Err(CallFailed::Failed)),
    (25, Err(CallFailed::ConnectionLost)),
];

impl Model for Services {
    async fn converse(&self, call: Call<'_>) -> Result<Answer, CallFailed> {
        let world = &self.0;
        let dies = world.dies_here();
        if dies == Some(false) {
            world.die().await;
        }
        let execution = self.begin(call.request_id);
        let behaviour = world.chance.weighted(&BEHAVIOURS).unwrap_or(Ok(()));
        let longest = Duration::from_secs(u64::from(time_outs::CONVERSE));
        let takes = match behaviour {
            Err(CallFailed::TimedOut) => longest,
            Err(CallFailed::Throttled | CallFailed::Unreachable | CallFailed::Rejected | CallFailed::NotFound) => {
                world.chance.millis(5..=900)
            }
            _ if world.chance.one_in(40) => world.chance.seconds(60..=180),
            _ => world.chance.millis(200..=20_000),
        };
        world.executor.sleep(takes.min(longest)).await;
        if dies == Some(true) {
            world.die().await;
        }
        match behaviour {
            Ok(()) => Ok(self.answer(execution)),
            Err(failed) => {
                let billed = matches!(failed, CallFailed::TimedOut | CallFailed::Failed | CallFailed::ConnectionLost);
                self.end(execution, if billed { Fate::Unknown } else { Fate::NotProcessed });
                Err(failed)
            }
        }
    }
}

impl Services {
    /// A call is sent. It may be the only one of its request that can be billed, and only while there is time for its answer.
    fn begin(&self, request_id: &str) -> Option<usize> {
        let world = &self.0;
        let invocation = world.invocation().unwrap_or_default();
        let mut problem = None;
        let execution = {
            let mut facts = world.facts();
            facts.tally.calls += 1;
            let execution = facts.by_request.get(request_id).copied();
            if let Some(seen) = execution.and_then(|index| facts.executions.get_mut(index)) {
                if let Some(earlier) = seen.calls.iter().find(|call| call.fate != Fate::NotProcessed) {
                    problem = Some(format!("a second call after one that may be billed: {:?}", earlier.fate));
                }
                let clock = world.at(invocation.began).saturating_add(invocation.skew).unwrap_or(Timestamp::MAX);
                let deadline = world.at(seen.began) + time_outs::seconds(time_outs::EXECUTION) - time_outs::reserve();
                // The context object's times have milliseconds.
                if clock > deadline + SignedDuration::from_millis(1) {
                    problem = Some("called too late for its answer to be delivered".to_owned());
                }
                seen.calls.push(CallSeen { claim: invocation.claim.clone(), fate: Fate::Unknown });
            }
            execution
        };
        world.note(execution, || format!("call under {:?}", invocation.claim));
        if let Some(problem) = problem {
            world.violated(execution, problem);
        }
        execution
    }

    /// The call that this function sent has ended.
    fn end(&self, execution: Option<usize>, fate: Fate) {
        let claim = self.0.invocation().and_then(|invocation| invocation.claim);
        self.0.note(execution, || format!("call ended: {fate:?}"));
        let mut facts = self.0.facts();
        let Some(seen) = execution.and_then(|index| facts.executions.get_mut(index)) else { return };
        if let Some(call) = seen.calls.iter_mut().find(|call| call.claim == claim) {
            call.fate = fate;
        }
        if seen.hearing == Hearing::UntilItsCall {
            seen.hearing = Hearing::None;
        }
    }

    /// An answer, whose usage is mostly below what was held, at times exactly that, and at times above.
    fn answer(&self, execution: Option<usize>) -> Answer {
        let world = &self.0;
        let asked = execution.and_then(|index| world.facts().executions.get(index).map(|seen| seen.asked.clone()));
        let (bound, most) = asked.map_or((1, 1), |asked| (asked.bytes_bound(), asked.max_tokens));
        let (input, output) = match world.chance.number(0..=19) {
            0 => (bound, most),
            1 => (bound + world.chance.number(1..=500), most + world.chance.number(0..=500)),
            2 => (world.chance.number(1..=bound), most),
            _ => (bound / 4 + 1, world.chance.number(0..=most)),
        };
        let cached = if world.chance.one_in(5) { world.chance.number(0..=input) } else { 0 };
        let written = if world.chance.one_in(2) { cached / 2 } else { 0 };
        let usage = Usage {
            input: Tokens(input - cached),
            output: Tokens(output),
            cache_read: Tokens(cached - written),
            cache_write: Tokens(written),
            ..Usage::default()
        };
        let usage = (!world.chance.one_in(150)).then_some(usage);
        let text = format!("answer {}", world.chance.number(0..=u64::MAX));
        self.end(execution, Fate::Answered(usage, text.clone()));
        Answer { text, stop_reason: "end_turn".to_owned(), usage }
    }
}
