//! What the five mains share: reading the configuration, opening the clients, and how an error reaches Step Functions.
//!
//! Left out: everything else. A main names its ports, so that the permissions it needs are visible there.

use cost_sentry_aws::clients::{Clients, Endpoints};
use cost_sentry_aws::config::Config;
use cost_sentry_workflow::error::Thrown;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use std::future::Future;

/// The configuration and the clients, both before the first request.
pub async fn start() -> Result<(Config, Clients), Error> {
    let config = Config::from_env()?;
    let clients = Clients::load(&config, Endpoints::default()).await;
    Ok((config, clients))
}

/// Serves a step: its result as it is, its error under the name that the state machine knows.
pub async fn serve<F, R>(step: F) -> Result<(), Error>
where
    F: Fn(Value) -> R,
    R: Future<Output = Result<Value, Thrown>>,
{
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| Box::pin(step(event.payload)).await.map_err(diagnostic))).await
}

/// The error for Step Functions, after its causes went to the log, once.
pub fn diagnostic(thrown: Thrown) -> Diagnostic {
    println!("{}", thrown.log_line());
    Diagnostic { error_type: thrown.name.name().to_owned(), error_message: thrown.message }
}
