//! The functions as Step Functions calls them for one run of an execution: throttled, invoked twice, answered late; and the journal of
//! what states gave, from which a run that was stopped is driven again.

use super::executor::lock;
use super::functions::{Functions, failed};
use super::weather::Fault;
use cost_sentry_asl::{TaskError, Tasks};
use cost_sentry_workflow::steps::STEPS;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The functions as one run of an execution calls them.
pub struct Calls {
    /// All functions.
    pub functions: Arc<Functions>,
    /// Whose run.
    pub execution: usize,
    /// What states gave, for a later run that begins where this one was stopped.
    pub journal: Arc<Mutex<Journal>>,
    /// Told when the state is entered at which the run is stopped.
    pub stop: Option<(&'static str, Arc<Notify>)>,
}

/// What the states of an execution gave.
#[derive(Debug, Default)]
pub struct Journal {
    given: BTreeMap<&'static str, Result<Value, TaskError>>,
    /// The state that was entered last in this run.
    entered: Option<&'static str>,
}

impl Journal {
    /// The journal that a redrive goes by: what was finished is not done again.
    #[must_use]
    pub fn redriven(&self) -> Self {
        let mut given = self.given.clone();
        // A failed attempt that would have been retried is no end of its state.
        if let Some(entered) = self.entered
            && given.get(entered).is_some_and(Result::is_err)
        {
            given.remove(entered);
        }
        Self { given, entered: None }
    }
}

impl Tasks for Calls {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        let binary = resource.rsplit(':').next().unwrap_or_default();
        let Some(step) = STEPS.iter().find(|step| step.binary() == binary) else {
            return Err(failed("Lambda.ResourceNotFoundException"));
        };
        let name = step.state;
        if let Some((at, told)) = &self.stop
            && *at == name
        {
            told.notify_one();
        }
        {
            let mut journal = lock(&self.journal);
            let again = journal.entered.is_none_or(|entered| entered != name);
            if let Some(given) = journal.given.get(name).filter(|_| again).cloned() {
                return given;
            }
            journal.entered = Some(name);
        }
        let answer = self.attempt(name, input).await;
        lock(&self.journal).given.insert(name, answer.clone());
        answer
    }
}

impl Calls {
    async fn attempt(&self, name: &'static str, input: Value) -> Result<Value, TaskError> {
        let world = &self.functions.world;
        let execution = Some(self.execution);
        let starts = if world.chance.one_in(30) { 200..=1_500 } else { 1..=20 };
        world.executor.sleep(world.chance.millis(starts)).await;
        if world.goes_wrong_for(execution, Fault::FunctionThrottled) {
            return Err(failed("Lambda.TooManyRequestsException"));
        }
        if world.goes_wrong_for(execution, Fault::FunctionNotRun) {
            let errors = ["Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"];
            return Err(failed(world.chance.pick(&errors).copied().unwrap_or("Lambda.ServiceException")));
        }
        let twice = world.goes_wrong_for(execution, Fault::FunctionTwice);
        let other = twice.then(|| self.functions.begin(name, execution, input.clone()));
        if twice {
            world.executor.sleep(world.chance.millis(0..=40)).await;
        }
        let one = self.functions.begin(name, execution, input);
        let counts = match other {
            Some(other) if world.chance.one_in(2) => other,
            _ => one,
        };
        let answer = counts.await.unwrap_or_else(|_| Err(failed("Lambda.Unknown")));
        if world.goes_wrong_for(execution, Fault::AnswerLate) {
            world.executor.sleep(world.chance.seconds(1..=if world.chance.one_in(2) { 20 } else { 250 })).await;
        }
        answer
    }
}
