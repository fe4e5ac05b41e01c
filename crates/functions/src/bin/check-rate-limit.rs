//! The function of `CheckRateLimit`.

use cost_sentry_aws::steps;
use cost_sentry_functions::{serve, start};
use lambda_runtime::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (config, clients) = start().await?;
    let step = steps::check_rate_limit(&config, &clients);
    serve(|payload| step.run(payload)).await
}
