//! The states as they are entered, with times, on standard error.

use cost_sentry_asl::{Event, EventKind, Observer};
use jiff::Timestamp;

/// Prints the history of one execution as it happens.
#[derive(Debug)]
pub struct Progress {
    started: Timestamp,
}

impl Progress {
    /// Times are printed from this moment.
    pub fn new(started: Timestamp) -> Self {
        Self { started }
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        let Some(text) = line(&event.kind) else { return };
        let millis = event.at.duration_since(self.started).as_millis();
        anstream::eprintln!("{:>4}.{:03} s  {text}", millis / 1_000, millis % 1_000);
    }
}

/// What one event is worth saying.
fn line(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::StateEntered { name, state_type, .. } => Some(match *state_type {
            "Choice" => format!("  ◇ {name}"),
            "Succeed" | "Fail" => format!("■ {name}"),
            _ => format!("▶ {name}"),
        }),
        EventKind::TaskFailed { error, .. } | EventKind::TaskTimedOut { error, .. } => Some(format!("  ✗ {error}")),
        EventKind::RetryScheduled { error, attempt, max, delay, .. } => {
            Some(format!("  ↻ retry {attempt} of {max} after {error}, in {:.1} s", delay.as_secs_f64()))
        }
        EventKind::ExecutionTimedOut => Some("■ timed out".to_owned()),
        _ => None,
    }
}
