//! A redrive after 14 days: the state that failed runs again on its old input, when every lease, every window and the deadline are past.

use super::books::Aftermath;
use super::scenario::{SCENARIOS, Scenario, Trial, each};
use super::tasks::{Throwing, Watched, Work, recorder, task_states};
use crate::harness::{Ended, machine};
use crate::scenarios::clock::TimedTasks;
use cost_sentry_asl::{End, TaskError, Tasks};
use cost_sentry_core::reservation::State;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Functions that keep what the chosen state was given.
struct Kept {
    tasks: Throwing,
    resource: String,
    input: Mutex<Option<Value>>,
}

impl Tasks for Kept {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        if resource == self.resource {
            self.input.lock().unwrap().get_or_insert_with(|| input.clone());
        }
        self.tasks.invoke(resource, input).await
    }
}

/// The states from one on, as the state machine goes through them; the end.
async fn from(tasks: &impl Tasks, states: &[(String, String)], first: usize, input: Value) -> End {
    let mut value = input;
    for (state, resource) in &states[first..] {
        let skipped = state == "InvokeModel" && value["decision"] != "APPROVED";
        if skipped {
            continue;
        }
        match tasks.invoke(resource, value).await {
            Ok(result) => value = result,
            Err(TaskError { error, .. }) => panic!("{state}: {error}"),
        }
    }
    match value["cause"].as_str() {
        Some(cause) => End::Failed {
            error: if value["outcome"] == "RATE_LIMIT_DENIED" { "RateLimitDenied" } else { "InvocationFailed" }.to_owned(),
            cause: cause.to_owned(),
        },
        None => End::Succeeded { output: value },
    }
}

async fn redriven(scenario: Scenario, number: usize, work: Work) -> Vec<String> {
    let machine = machine();
    let states = task_states(&machine);
    let order = ["ValidateAndSetContext", "CheckRateLimit", "InvokeModel", "RecordMetrics"];
    let states: Vec<_> = order.iter().map(|name| states.iter().find(|(state, _)| state == name).unwrap().clone()).collect();
    let (state, resource) = states[number].clone();
    let trial = Trial::new(scenario, None).await;
    let watched: Watched = trial.tasks();
    // Nobody is left to record it, so that all is as the failed state left it.
    let failing = [state.as_str(), &recorder(&machine)].map(str::to_owned);
    let tasks = Throwing::new(watched, failing.iter().map(String::as_str), "Lambda.Unknown", work, true);
    let kept = Kept { tasks, resource, input: Mutex::default() };
    trial.run_on(&kept).await;
    let Some(input) = kept.input.lock().unwrap().take() else { return Vec::new() };
    let calls = trial.world.calls().len();
    let later = Timestamp::now() + SignedDuration::from_hours(14 * 24);
    let timed = TimedTasks::new(&trial.world.stack, &trial.world.log, later, &BTreeMap::new());
    let end = Box::pin(from(&timed, &states, number, input)).await;
    let found = Aftermath::of(&trial, &Ended { end, events: Vec::new() }).await;
    let mut problems = found.problems.clone();
    if found.calls.len() != calls {
        problems.push("the redrive called the model".to_owned());
    }
    if matches!(found.state(), Some(State::Held | State::Claimed)) {
        problems.push(format!("the reservation is left {:?}", found.state()));
    }
    problems.into_iter().map(|problem| format!("{}, {state} redriven, worked {work:?}: {problem}", scenario.name)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_after_14_days_calls_nothing_and_balances_the_books() {
    let mut cases = Vec::new();
    for scenario in SCENARIOS {
        for number in 0..4 {
            cases.extend([Work::Never, Work::Before].map(|work| redriven(scenario, number, work)));
        }
    }
    each(cases).await;
}
