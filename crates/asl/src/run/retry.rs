//! Which attempt comes next, and when.

use std::time::Duration;

use super::error_names::matches;
use crate::machine::{Jitter, Retrier};

/// The longest wait between two attempts: a year, the most that an execution can last.
const MAX_DELAY_SECONDS: f64 = 31_536_000.0;

/// The retriers of a Task state during one visit. Each counts for itself.
pub(super) struct Retries<'m> {
    retriers: Vec<(&'m Retrier, u64)>,
}

/// A retry that was granted.
pub(super) struct Retry {
    /// Which one of its retrier, from 1.
    pub attempt: u64,
    pub max: u64,
    pub delay: Duration,
}

impl<'m> Retries<'m> {
    pub fn new(retriers: &'m [Retrier]) -> Self {
        Retries { retriers: retriers.iter().map(|retrier| (retrier, 0)).collect() }
    }

    /// How many retries were granted: `$$.State.RetryCount`.
    pub fn total(&self) -> u64 {
        self.retriers.iter().map(|(_, granted)| granted).sum()
    }

    /// The next retry after `error`. The first retrier that names the error decides, even when it has none left.
    pub fn next(&mut self, error: &str, fraction: impl FnOnce() -> f64) -> Option<Retry> {
        let (retrier, granted) = self.retriers.iter_mut().find(|(retrier, _)| matches(&retrier.error_equals, error))?;
        if *granted >= retrier.max_attempts {
            return None;
        }
        *granted += 1;
        let seconds = match retrier.jitter {
            Jitter::None => interval(retrier, *granted),
            Jitter::Full => interval(retrier, *granted) * fraction().clamp(0.0, 1.0),
        };
        let delay = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Some(Retry { attempt: *granted, max: retrier.max_attempts, delay })
    }
}

/// Seconds before the `attempt`th retry, without jitter: interval × rate^(attempt − 1), at most the limits.
#[expect(clippy::cast_precision_loss, reason = "all of them are far below 2^52")]
fn interval(retrier: &Retrier, attempt: u64) -> f64 {
    let most = retrier.max_delay_seconds.map_or(MAX_DELAY_SECONDS, |seconds| seconds as f64);
    let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
    (retrier.interval_seconds as f64 * retrier.backoff_rate.powi(exponent)).min(most)
}
