//! `ValidateAndSetContext`: checks the request against the policy, resolves the model, completes the tags.
//!
//! Holds nothing and calls nothing. A bad request is a value; the state machine ends it in `RequestRejected`.

use crate::error::{ErrorName, Thrown};
use crate::metrics::{INVALID_REQUESTS, NAMESPACE};
use crate::payload::{self, Context, Rejected, Start, Validated};
use crate::policy_cache::PolicyCache;
use crate::ports::{Edge, Log, PolicyStore};
use crate::time_outs;
use cost_sentry_core::outcome::MAX_CAUSE_BYTES;
use cost_sentry_core::problem::{Problem, Problems};
use cost_sentry_core::request::{Origin, validate};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How many problems a rejection lists.
const PROBLEMS_LISTED: usize = 50;

/// The step.
#[derive(Debug)]
pub struct ValidateAndSetContext<S, L, E> {
    /// The budgets and the catalog.
    pub policy: PolicyCache<S>,
    /// For the metric of invalid requests, which no other step would see.
    pub log: L,
    /// The clock.
    pub edge: E,
}

impl<S: PolicyStore, L: Log, E: Edge> ValidateAndSetContext<S, L, E> {
    /// Runs the step on the state's Parameters.
    pub async fn run(&self, input: Value) -> Result<Value, Thrown> {
        let now = self.edge.now();
        let start: Start = payload::read(input)?;
        let policy = self.policy.current(now).await?;
        let pinned = start.pinned_tags.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let origin = Origin { execution_id: &start.execution_id, started_at: start.started_at, pinned: &pinned };
        match validate(&start.request, &policy, origin) {
            Ok(request) => {
                let deadline = start.started_at.saturating_add(time_outs::seconds(time_outs::EXECUTION)).unwrap_or(Timestamp::MAX);
                let mut context = Context { started_at: start.started_at, deadline, durations_ms: std::collections::BTreeMap::new() };
                context.took("validateAndSetContext", now, self.edge.now());
                payload::write(&Validated { valid: true, context, request })
            }
            Err(problems) => {
                self.log.line(&invalid_request_metric(now));
                payload::write(&Rejected { valid: false, cause: rejection(&origin.request_id(), problems) })
            }
        }
    }
}

/// The rejection as the client gets it: every problem up to fifty, with its pointer and what was expected there, in at most
/// [`MAX_CAUSE_BYTES`].
fn rejection(request_id: &str, problems: Problems) -> String {
    let found = problems.len();
    let mut listed: Vec<Problem> = problems.into_vec();
    listed.truncate(PROBLEMS_LISTED);
    loop {
        let text = json!({
            "error": ErrorName::InvalidRequest.name(),
            "message": format!("the request has {found} problem{}", if found == 1 { "" } else { "s" }),
            "requestId": request_id,
            "problems": listed,
            "problemsNotListed": found.saturating_sub(listed.len()),
        })
        .to_string();
        if text.len() <= MAX_CAUSE_BYTES || listed.pop().is_none() {
            return text;
        }
    }
}

/// One invalid request in the Embedded Metric Format: the workflow ends here, so no later step can count it.
fn invalid_request_metric(now: Timestamp) -> Value {
    json!({
        "_aws": {
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [
                { "Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": [{ "Name": INVALID_REQUESTS, "Unit": "Count" }] }
            ],
        },
        INVALID_REQUESTS: 1,
    })
}
