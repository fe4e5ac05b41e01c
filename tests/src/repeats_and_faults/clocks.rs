//! Functions whose clocks are minutes apart.

use super::books::Aftermath;
use super::scenario::{SCENARIOS, Scenario, Trial, each};
use crate::scenarios::clock::TimedTasks;
use cost_sentry_workflow::steps::STEPS;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

async fn apart(expected: Arc<Aftermath>, scenario: Scenario, state: &'static str, minutes: i64) -> Vec<String> {
    let trial = Trial::new(scenario, None).await;
    let now = Timestamp::now();
    let at = BTreeMap::from([(state.to_owned(), now + SignedDuration::from_mins(minutes))]);
    let tasks = TimedTasks::new(&trial.world.stack, &trial.world.log, now, &at);
    let found = Aftermath::of(&trial, &trial.run_on(&tasks).await).await;
    let mut problems = found.problems.clone();
    problems.extend(found.charged_for_nothing());
    // A step that takes the deadline for past costs the request, and no money.
    let too_late = minutes > 0 && found.error() == Some("DeadlineExceeded") && found.calls.is_empty() && found.counters.is_empty();
    if !too_late {
        problems.extend(found.differences(&expected));
    }
    problems.into_iter().map(|problem| format!("{}, {state} {minutes} min ahead: {problem}", scenario.name)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_minutes_apart_cost_promptness_and_no_money() {
    let mut cases = Vec::new();
    for scenario in SCENARIOS {
        let plain = Trial::new(scenario, None).await;
        let expected = Arc::new(Aftermath::of(&plain, &plain.run().await).await);
        for step in STEPS {
            cases.extend([-10, -5, 5, 10].map(|minutes| apart(Arc::clone(&expected), scenario, step.state, minutes)));
        }
    }
    each(cases).await;
}
