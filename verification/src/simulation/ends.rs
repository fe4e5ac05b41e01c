//! What clients got, held to what the ledger holds and to what Bedrock did.

use super::books::actual;
use super::executions::document;
use super::facts::{Facts, Fate, Seen};
use super::metrics::{same, sum};
use super::policy::PolicyDrawn;
use super::world::World;
use cost_sentry_asl::End;
use cost_sentry_core::budget::Unit;
use cost_sentry_core::quantity::NanoUsd;
use cost_sentry_core::reservation::{Reservation, State};
use cost_sentry_workflow::metrics::{
    INPUT_TOKENS, INVOCATION_FAILED, OUTPUT_TOKENS, RATE_LIMIT_APPROVED, RATE_LIMIT_DENIED, SENTRY_ERRORS, SPEND_USD, TOTAL_REQUESTS,
};
use serde_json::Value;

/// An end's name, with the error that its document names.
pub fn name(end: &End) -> String {
    match end {
        End::Succeeded { .. } => "InvocationSucceeded".to_owned(),
        End::TimedOut => "timed out".to_owned(),
        End::Failed { error, .. } => {
            let named = document(end).and_then(|document| Some(document.pointer("/error/name")?.as_str()?.to_owned()));
            named.map_or_else(|| error.clone(), |name| format!("{error}: {name}"))
        }
    }
}

/// Every execution, once nothing is under way any more.
pub fn check(world: &World) {
    let count = world.facts().executions.len();
    for index in 0..count {
        let found = {
            let facts = world.facts();
            facts.executions.get(index).map_or(Ok(()), |seen| execution(&facts, index, seen))
        };
        if let Err(text) = found {
            world.violated(Some(index), text);
            return;
        }
    }
}

fn execution(facts: &Facts, index: usize, seen: &Seen) -> Result<(), String> {
    let id = facts.by_request.iter().find(|(_, execution)| **execution == index).map(|(id, _)| id);
    let stored = id.and_then(|id| facts.witness.reservations.get(id)).map(|(stored, _)| stored);
    charged(seen, stored)?;
    for end in &seen.ends {
        delivered(seen, stored, end)?;
    }
    if seen.single && seen.troubles == 0 {
        match seen.ends.as_slice() {
            [end] => smooth(facts, seen, stored, end)?,
            ends => return Err(format!("an execution that was run once ended {} times", ends.len())),
        }
    }
    Ok(())
}

/// What may be billed stays charged, exactly where its usage is known; what is not billed is never settled.
fn charged(seen: &Seen, stored: Option<&Reservation>) -> Result<(), String> {
    let state = stored.map(|stored| stored.state);
    let billed: Vec<&Fate> = seen.calls.iter().map(|call| &call.fate).filter(|fate| **fate != Fate::NotProcessed).collect();
    let fits = match billed.as_slice() {
        [] => matches!(state, None | Some(State::Denied | State::Released | State::Uncertain)),
        [Fate::Answered(Some(usage), _)] => {
            state == Some(State::Uncertain) || stored.is_some_and(|stored| stored.state == State::Settled && stored.usage == Some(*usage))
        }
        [_] => state == Some(State::Uncertain),
        _ => false,
    };
    if !fits {
        return Err(format!("calls {billed:?} left the reservation {state:?}"));
    }
    if state == Some(State::Denied) && !seen.calls.is_empty() {
        return Err("a denied request called the model".to_owned());
    }
    Ok(())
}

/// Whether one end says nothing that is not so.
fn delivered(seen: &Seen, stored: Option<&Reservation>, end: &End) -> Result<(), String> {
    let state = stored.map(|stored| stored.state);
    let wrong = |what: &str| Err(format!("{}: {what}; the reservation is {state:?}, the calls {:?}", name(end), seen.calls));
    match end {
        End::TimedOut if seen.troubles == 0 => wrong("nothing went wrong"),
        End::TimedOut => Ok(()),
        End::Succeeded { output } => answered(seen, output),
        End::Failed { error, .. } => {
            let Some(document) = document(end) else { return wrong("its cause is no document") };
            let may = document.pointer("/error/moneyMayHaveBeenSpent").and_then(Value::as_bool);
            match error.as_str() {
                "InvalidRequest" if seen.asked.wrong.is_some() && state.is_none() => Ok(()),
                "RateLimitDenied" if state == Some(State::Denied) => Ok(()),
                "InvocationFailed" if may == Some(true) => Ok(()),
                // Another run of the same id may call later; of a single one nothing follows its end.
                "InvocationFailed" if may == Some(false) => {
                    let billed = seen.calls.iter().any(|call| call.fate != Fate::NotProcessed);
                    if seen.single && billed { wrong("it says that no money was spent") } else { Ok(()) }
                }
                _ => wrong("that is no end that it may have"),
            }
        }
    }
}

/// An answer that was delivered is the one that Bedrock gave, with its usage and cost.
fn answered(seen: &Seen, output: &Value) -> Result<(), String> {
    let given = seen.calls.iter().find_map(|call| match &call.fate {
        Fate::Answered(usage, text) => Some((usage, text)),
        _ => None,
    });
    let Some((usage, text)) = given else { return Err("an answer that Bedrock never gave".to_owned()) };
    let field = |pointer: &str| output.pointer(pointer);
    if field("/response/content").and_then(Value::as_str) != Some(text) {
        return Err("the answer is not the one that Bedrock gave".to_owned());
    }
    let Some(usage) = usage else { return Ok(()) };
    let tokens = [
        ("/usage/inputTokens", usage.input),
        ("/usage/outputTokens", usage.output),
        ("/usage/cacheReadInputTokens", usage.cache_read),
        ("/usage/cacheWriteInputTokens", usage.cache_write),
    ];
    let cost = NanoUsd(actual(Unit::Usd, usage, &seen.asked)).to_string();
    let same_tokens = tokens.iter().all(|(pointer, tokens)| field(pointer).and_then(Value::as_u64) == Some(tokens.0));
    if same_tokens && field("/usage/costUsd").and_then(Value::as_str) == Some(&cost) {
        Ok(())
    } else {
        Err(format!("the document's usage is {:?}, the call's {usage:?} at {cost}", field("/usage")))
    }
}

/// An execution on whose way nothing went wrong ends as the budgets and Bedrock have it, and in no other way.
fn smooth(facts: &Facts, seen: &Seen, stored: Option<&Reservation>, end: &End) -> Result<(), String> {
    let name = name(end);
    let calls: Vec<&Fate> = seen.calls.iter().map(|call| &call.fate).collect();
    let expected = match (stored.map(|stored| stored.state), calls.last()) {
        (None, None) if seen.asked.wrong.is_some() => "InvalidRequest",
        (None, None) if facts.policies.iter().any(|policy| is_unbudgeted(&policy.drawn, seen)) => "InvocationFailed: NoBudget",
        (Some(State::Denied), None) => "RateLimitDenied",
        (Some(State::Settled), Some(Fate::Answered(Some(_), _))) | (Some(State::Uncertain), Some(Fate::Answered(None, _))) => {
            "InvocationSucceeded"
        }
        // A call that failed late may not be tried again.
        (Some(State::Released), Some(Fate::NotProcessed)) if name == "InvocationFailed: DeadlineExceeded" => "InvocationFailed",
        (Some(State::Uncertain), Some(Fate::Unknown)) | (Some(State::Released), Some(Fate::NotProcessed)) => "InvocationFailed: Model",
        (state, _) => return Err(format!("nothing went wrong, and the calls {calls:?} left the reservation {state:?}: {name}")),
    };
    if !name.starts_with(expected) {
        return Err(format!("nothing went wrong, and {name} is not {expected}"));
    }
    counted(seen, stored, &name)
}

fn is_unbudgeted(policy: &PolicyDrawn, seen: &Seen) -> bool {
    // A period may begin or end while the request is on its way.
    let lasting = |budget: &&super::policy::BudgetDrawn| budget.window.get("period").is_none();
    let enforced = policy.budgets.iter().filter(|budget| !budget.shadow).filter(lasting);
    !policy.unbudgeted && !enforced.into_iter().any(|budget| budget.applies(&seen.asked, jiff::Timestamp::MIN))
}

/// The metrics of an execution on whose way nothing went wrong: delivered once, and what they say.
fn counted(seen: &Seen, stored: Option<&Reservation>, name: &str) -> Result<(), String> {
    let points = match seen.batches.as_slice() {
        [] if name == "InvalidRequest" => return Ok(()),
        [points] => points,
        batches => return Err(format!("{name}: {} deliveries of metrics", batches.len())),
    };
    let is = |prefix: &str| if name.starts_with(prefix) { 1.0 } else { 0.0 };
    let undecided = is("InvocationFailed: NoBudget");
    let usage = stored.and_then(|stored| stored.usage);
    #[expect(clippy::cast_precision_loss, reason = "the metrics are floats too")]
    let float = |count: u64| count as f64;
    let of = |unit: Unit| usage.map_or(0.0, |usage| float(actual(unit, &usage, &seen.asked)));
    let expected = [
        (TOTAL_REQUESTS, 1.0),
        (RATE_LIMIT_DENIED, is("RateLimitDenied")),
        (SENTRY_ERRORS, undecided),
        (RATE_LIMIT_APPROVED, 1.0 - is("RateLimitDenied") - undecided),
        (INVOCATION_FAILED, is("InvocationFailed") - undecided),
        (INPUT_TOKENS, of(Unit::InputTokens)),
        (OUTPUT_TOKENS, of(Unit::OutputTokens)),
        (SPEND_USD, of(Unit::Usd) / 1e9),
    ];
    match expected.into_iter().find(|(metric, value)| !same(sum(points, metric), *value)) {
        Some((metric, value)) => Err(format!("{name}: {metric} is {}, not {value}", sum(points, metric))),
        None => Ok(()),
    }
}
