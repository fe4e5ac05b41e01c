//! Repeats: a step that runs twice gives the same answer and moves no counter; an execution that runs twice sends one call.

use super::books::Aftermath;
use super::scenario::{SCENARIOS, Scenario, THROTTLED, Trial, each};
use super::tasks::{Repeated, task_states};
use crate::harness::machine;

/// Whether the client was told that another invocation has the reservation, or had it.
fn stood_aside(found: &Aftermath) -> bool {
    matches!(found.error(), Some("InvocationUncertain" | "LeaseLost"))
}

async fn repeated(scenario: Scenario, state: String, at_once: bool) -> Vec<String> {
    let plain = Trial::new(scenario, None).await;
    let expected = Aftermath::of(&plain, &plain.run().await).await;
    let sends_the_call = plain.wire.requests().iter().any(|request| request.state == state && request.is_call());
    let trial = Trial::new(scenario, None).await;
    let ended = trial.run_on(&Repeated { tasks: trial.tasks(), state: state.clone(), at_once }).await;
    let found = Aftermath::of(&trial, &ended).await;
    let mut problems = found.problems.clone();
    problems.extend(found.charged_for_nothing());
    if !(sends_the_call && stood_aside(&found)) {
        problems.extend(found.differences(&expected));
    }
    // The repeat of a call that Bedrock did not throttle may not send another.
    if sends_the_call && !at_once && scenario != THROTTLED && !stood_aside(&found) {
        problems.push(format!("the second invocation did not stand aside: {}", found.document));
    }
    // Of two at once, one may be throttled while the other has stood aside already; then nothing was spent.
    let none_was_answered = at_once && scenario == THROTTLED && found.counters.is_empty();
    if found.counters != expected.counters && !none_was_answered {
        problems.push(format!("the counters are {:?} instead of {:?}", found.counters, expected.counters));
    }
    problems.into_iter().map(|problem| format!("{state} twice, at once: {at_once}, {}: {problem}", scenario.name)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_repeated_gives_the_same_answer_and_moves_no_counter() {
    let mut cases = Vec::new();
    for (state, _) in task_states(&machine()) {
        for scenario in SCENARIOS {
            cases.extend([false, true].map(|at_once| repeated(scenario, state.clone(), at_once)));
        }
    }
    each(cases).await;
}

async fn executed_twice(scenario: Scenario, at_once: bool) -> Vec<String> {
    let plain = Trial::new(scenario, None).await;
    let expected = Aftermath::of(&plain, &plain.run().await).await;
    let trial = Trial::new(scenario, None).await;
    let ends = if at_once { tokio::join!(trial.run(), trial.run()) } else { (trial.run().await, trial.run().await) };
    let (first, second) = (Aftermath::of(&trial, &ends.0).await, Aftermath::of(&trial, &ends.1).await);
    let mut problems = [first.problems.clone(), second.problems.clone()].concat();
    let as_expected = |found: &Aftermath| found.differences(&expected).is_empty();
    let whole = match scenario.calls {
        0 => as_expected(&first) && as_expected(&second),
        _ if at_once => (as_expected(&first) && stood_aside(&second)) || (stood_aside(&first) && as_expected(&second)),
        _ => as_expected(&first) && stood_aside(&second),
    };
    if !whole {
        problems.push(format!("the ends are {} and {}", first.document, second.document));
    }
    if first.counters != expected.counters || first.calls.len() != expected.calls.len() {
        problems.push(format!("{} calls, and the counters are {:?}", first.calls.len(), first.counters));
    }
    problems.into_iter().map(|problem| format!("two executions, at once: {at_once}, {}: {problem}", scenario.name)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_executions_of_one_id_send_one_call_and_charge_once() {
    let cases = SCENARIOS.iter().flat_map(|scenario| [false, true].map(|at_once| executed_twice(*scenario, at_once)));
    each(cases).await;
}
