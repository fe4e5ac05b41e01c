//! Faults of the functions: every error at every state, and whatever the function did before or does afterwards.

use super::books::Aftermath;
use super::scenario::{ANSWERED, SCENARIOS, Scenario, Trial, each};
use super::tasks::{Throwing, Work, recorder, task_states};
use super::wire::{Extent, Fault, Mishap};
use crate::contract::AWS_ERRORS;
use crate::harness::{Ended, machine};
use cost_sentry_asl::{State as Asl, StateMachine};
use cost_sentry_workflow::error::{ErrorName, Handling};
use serde_json::Value;

async fn thrown(state: String, error: String, work: Work, always: bool) -> Vec<String> {
    let trial = Trial::new(ANSWERED, None).await;
    let tasks = Throwing::new(trial.tasks(), [state.as_str()], &error, work, always);
    let ended = trial.run_on(&tasks).await;
    tasks.finish().await;
    let found = Aftermath::of(&trial, &ended).await;
    let problems = found.problems.iter().cloned().chain(found.charged_for_nothing());
    problems.into_iter().map(|problem| format!("{state} throws {error}, works {work:?}, always: {always}: {problem}")).collect()
}

fn is_retried(machine: &StateMachine, state: &str, error: &str) -> bool {
    let Some(Asl::Task(task)) = machine.state(state) else { return false };
    task.retry.iter().any(|retrier| retrier.error_equals.iter().any(|name| name == error || name.starts_with("States.")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_step_throws_the_books_balance_and_no_second_call_is_sent() {
    // What no step throws is to the state machine like any name that it does not know, and so is tried in one way only.
    let (reported, ours): (Vec<ErrorName>, Vec<ErrorName>) =
        ErrorName::ALL.iter().partition(|error| error.handling() == Handling::Reported);
    let theirs = AWS_ERRORS.into_iter().chain(["Unheard.Of"]).map(|name| (name, &Work::ALL[..]));
    let ours = ours.iter().map(|error| (error.name(), &Work::ALL[..])).chain(theirs);
    let errors: Vec<(&str, &[Work])> = ours.chain(reported.iter().map(|error| (error.name(), &[Work::Before][..]))).collect();
    let (machine, mut cases) = (machine(), Vec::new());
    for (state, _) in task_states(&machine) {
        for (error, works) in &errors {
            // An error that no retrier names is final when it comes first.
            let times: &[bool] = if is_retried(&machine, &state, error) { &[false, true] } else { &[true] };
            for (work, always) in works.iter().flat_map(|work| times.iter().map(move |always| (*work, *always))) {
                cases.push(thrown(state.clone(), (*error).to_owned(), work, always));
            }
        }
    }
    each(cases).await;
}

/// An execution whose record cannot be written, and what the plain one gives its client.
async fn unrecorded(trial: &Trial, end: &Ended) -> Vec<String> {
    let plain = Trial::new(trial.scenario, None).await;
    let expected = Aftermath::of(&plain, &plain.run().await).await;
    let mut found = Aftermath::of(trial, end).await;
    let record = found.document.as_object_mut().unwrap().remove("record");
    for extra in ["decision", "cause"] {
        found.document.as_object_mut().unwrap().remove(extra);
    }
    let mut problems = found.problems.clone();
    problems.extend(found.differences(&expected));
    if record.is_some() != found.failed.is_none() {
        problems.push("an answer that was not recorded has to say so".to_owned());
    }
    problems.into_iter().map(|problem| format!("unrecorded, {}: {problem}", trial.scenario.name)).collect()
}

async fn without_services(scenario: Scenario) -> Vec<String> {
    let plain = Trial::new(scenario, None).await;
    plain.run().await;
    let recorder = recorder(&machine());
    let at = plain.wire.requests().iter().position(|request| request.state == recorder).unwrap();
    let trial = Trial::new(scenario, Some(Fault { at, mishap: Mishap::LostBefore, extent: Extent::Step })).await;
    let end = trial.run().await;
    Box::pin(unrecorded(&trial, &end)).await
}

async fn without_the_function(scenario: Scenario) -> Vec<String> {
    let trial = Trial::new(scenario, None).await;
    let tasks = Throwing::new(trial.tasks(), [recorder(&machine()).as_str()], "Lambda.Unknown", Work::Never, true);
    let end = trial.run_on(&tasks).await;
    Box::pin(unrecorded(&trial, &end)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_is_delivered_even_when_it_can_never_be_recorded() {
    each(SCENARIOS.map(without_services)).await;
    each(SCENARIOS.map(without_the_function)).await;
}

async fn nothing_works(state: String) -> Vec<String> {
    let machine = machine();
    let fixed = machine.states().find_map(|(_, state)| match state {
        Asl::Pass(pass) => {
            let fixed = pass.result.as_ref().filter(|result| result.get("outcome").is_some())?;
            fixed["cause"].as_str().map(|cause| serde_json::from_str::<Value>(cause).unwrap())
        }
        _ => None,
    });
    let trial = Trial::new(ANSWERED, None).await;
    let tasks = Throwing::new(trial.tasks(), [state.as_str(), &recorder(&machine)], "Lambda.Unknown", Work::Before, true);
    let ended = trial.run_on(&tasks).await;
    let found = Aftermath::of(&trial, &ended).await;
    let mut problems = found.problems.clone();
    if Some(&found.document) != fixed.as_ref() {
        problems.push(format!("the document is {}", found.document));
    }
    problems.into_iter().map(|problem| format!("{state} and the record crash: {problem}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_a_step_and_of_its_record_still_ends_in_a_document() {
    let recorder = recorder(&machine());
    let states = task_states(&machine()).into_iter().map(|(state, _)| state);
    each(states.filter(|state| *state != recorder).map(nothing_works)).await;
}
