//! The function of `InvokeModel`.

use cost_sentry_aws::steps;
use cost_sentry_functions::{serve, start};
use lambda_runtime::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (config, clients) = start().await?;
    let step = steps::invoke_model(&config, &clients);
    serve(|payload| step.run(payload)).await
}
