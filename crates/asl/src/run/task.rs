//! A Task state: attempts, retries, and the way out through a catcher.

use std::time::Duration;

use serde_json::{Value, json};

use super::error_names::{RESULT_PATH_MATCH_FAILURE, TIMEOUT, matches};
use super::retry::Retries;
use super::visit::Visit;
use super::{Exit, Runner, limits};
use crate::event::EventKind;
use crate::machine::{Catcher, Task};
use crate::path::place;
use crate::ports::{Clock, Observer, TaskError, Tasks};

/// How long an attempt may take where the file says nothing.
const DEFAULT_TIMEOUT_SECONDS: u64 = 99_999_999;

impl<'a, T: Tasks, C: Clock, O: Observer> Runner<'a, T, C, O> {
    /// Runs the state to its end. Errors are those that end the execution.
    pub(super) async fn task(&mut self, mut visit: Visit<'a>, task: &'a Task, input: Value) -> Result<Exit<'a>, TaskError> {
        let mut retries = Retries::new(&task.retry);
        let failure = loop {
            visit.retry_count = retries.total();
            let failure = match self.attempt(&visit, task, &input).await? {
                Ok(output) => return Ok(Exit { output, next: task.transition.next() }),
                Err(failure) => failure,
            };
            let clock = self.clock;
            let Some(retry) = retries.next(&failure.error, || clock.fraction()) else { break failure };
            self.tell(EventKind::RetryScheduled {
                state: visit.state.to_owned(),
                error: failure.error,
                attempt: retry.attempt,
                max: retry.max,
                delay: retry.delay,
            });
            clock.sleep(retry.delay).await;
        };
        match task.catch.iter().find(|catcher| matches(&catcher.error_equals, &failure.error)) {
            Some(catcher) => caught(catcher, &failure, input, &visit),
            None => Err(failure),
        }
    }

    /// One attempt. The outer error ends the execution; the inner one is the attempt's, to be retried or caught.
    async fn attempt(&mut self, visit: &Visit<'a>, task: &'a Task, input: &Value) -> Result<Result<Value, TaskError>, TaskError> {
        let payload = match &task.parameters {
            Some(template) => visit.build(template, input)?,
            None => input.clone(),
        };
        let payload = match limits::within(payload, || format!("The state/task '{}' has an input", visit.state)) {
            Ok(payload) => payload,
            Err(failure) => return Ok(Err(failure)),
        };
        let resource = task.resource.as_str();
        self.record(EventKind::TaskScheduled {
            resource: resource.to_owned(),
            input: payload.clone(),
            timeout_seconds: task.timeout_seconds,
        })?;
        self.record(EventKind::TaskStarted)?;
        let timeout = Duration::from_secs(task.timeout_seconds.unwrap_or(DEFAULT_TIMEOUT_SECONDS));
        let answer = tokio::select! {
            // An answer that comes with the last tick still counts.
            biased;
            answer = self.tasks.invoke(resource, payload) => answer,
            () = self.clock.sleep(timeout) => {
                let (error, cause) = (TIMEOUT.to_owned(), String::new());
                self.record(EventKind::TaskTimedOut { error: error.clone(), cause: cause.clone() })?;
                return Ok(Err(TaskError { error, cause }));
            }
        };
        let answer = answer.and_then(|output| limits::within(output, || format!("The state/task '{resource}' returned a result")));
        match answer.map_err(limits::cut) {
            Ok(output) => {
                self.record(EventKind::TaskSucceeded { output: output.clone() })?;
                Ok(Ok(output))
            }
            Err(failure) => {
                self.record(EventKind::TaskFailed { error: failure.error.clone(), cause: failure.cause.clone() })?;
                Ok(Err(failure))
            }
        }
    }
}

/// The way out through `catcher`: the error goes into the state's raw input.
fn caught<'a>(catcher: &'a Catcher, failure: &TaskError, input: Value, visit: &Visit<'_>) -> Result<Exit<'a>, TaskError> {
    let output = match &catcher.result_path {
        None => input,
        Some(path) => {
            let error = json!({ "Error": failure.error, "Cause": failure.cause });
            place(input, path.names(), error).ok_or_else(|| {
                let sentence = format!("The ResultPath '{path}' of a catcher can't be applied to the state's input: it leads through something that is no object.");
                visit.error(RESULT_PATH_MATCH_FAILURE, &sentence)
            })?
        }
    };
    Ok(Exit { output, next: Some(&catcher.next) })
}
