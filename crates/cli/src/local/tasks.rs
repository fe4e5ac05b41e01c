//! The functions of the state machine, in this process: each invocation runs by itself, as on Lambda, so that it goes on when the
//! state machine stops waiting for it, and a crash of it is its own.

use crate::state_machine::function_arn;
use cost_sentry_asl::{TaskError, Tasks};
use cost_sentry_aws::clients::Clients;
use cost_sentry_aws::config::Config;
use cost_sentry_aws::steps::{self, CheckRateLimit, InvokeModel, RecordMetrics, ValidateAndSetContext};
use cost_sentry_workflow::error::Thrown;
use cost_sentry_workflow::ports::Log;
use cost_sentry_workflow::steps::STEPS;
use serde_json::{Value, json};
use std::sync::Arc;

/// The four steps on their adapters.
#[derive(Debug)]
struct Functions<G> {
    validate_and_set_context: ValidateAndSetContext<G>,
    check_rate_limit: CheckRateLimit,
    invoke_model: InvokeModel,
    record_metrics: RecordMetrics<G>,
    log: G,
}

/// The functions, shared by all invocations.
#[derive(Debug, Clone)]
pub struct LocalTasks<G>(Arc<Functions<G>>);

impl<G: Log + Clone + 'static> LocalTasks<G> {
    /// The functions over these clients.
    pub fn new(config: &Config, clients: &Clients, log: G) -> Self {
        Self(Arc::new(Functions {
            validate_and_set_context: steps::validate_and_set_context(config, clients, log.clone()),
            check_rate_limit: steps::check_rate_limit(config, clients),
            invoke_model: steps::invoke_model(config, clients),
            record_metrics: steps::record_metrics(config, clients, log.clone()),
            log,
        }))
    }
}

impl<G: Log> Functions<G> {
    async fn call(&self, state: &str, input: Value) -> Result<Value, Thrown> {
        match state {
            "ValidateAndSetContext" => Box::pin(self.validate_and_set_context.run(input)).await,
            "CheckRateLimit" => Box::pin(self.check_rate_limit.run(input)).await,
            "InvokeModel" => Box::pin(self.invoke_model.run(input)).await,
            _ => Box::pin(self.record_metrics.run(input)).await,
        }
    }
}

impl<G: Log + Clone + 'static> Tasks for LocalTasks<G> {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        let Some(step) = STEPS.iter().find(|step| function_arn(&step.binary()) == resource) else {
            let cause = format!("no function has the ARN {resource}");
            return Err(TaskError { error: "Lambda.ResourceNotFoundException".to_owned(), cause });
        };
        let functions = Arc::clone(&self.0);
        let invocation = tokio::spawn(async move { functions.call(step.state, input).await });
        match invocation.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(thrown)) => {
                self.0.log.line(&thrown.log_line());
                let cause = json!({ "errorMessage": thrown.message, "errorType": thrown.name.name() }).to_string();
                Err(TaskError { error: thrown.name.name().to_owned(), cause })
            }
            // What Step Functions reports when a function's process ends without an answer.
            Err(_) => Err(TaskError { error: "Lambda.Unknown".to_owned(), cause: "the function ended without an answer".to_owned() }),
        }
    }
}
