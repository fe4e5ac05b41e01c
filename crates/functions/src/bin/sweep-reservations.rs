//! The function of `SweepReservations`.

use cost_sentry_aws::log::StandardOutput;
use cost_sentry_aws::steps;
use cost_sentry_functions::{serve, start};
use lambda_runtime::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (config, clients) = start().await?;
    let step = steps::sweep_reservations(&config, &clients, StandardOutput);
    serve(|payload| step.run(payload)).await
}
