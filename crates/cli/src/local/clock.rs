//! Time and chance for the state machine's runner: the machine's own.

use cost_sentry_asl::Clock;
use jiff::Timestamp;
use std::time::Duration;

/// The machine's clock; waits are real.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn fraction(&self) -> f64 {
        fastrand::f64()
    }
}
