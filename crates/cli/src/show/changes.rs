//! What a policy changes.

use super::style;
use cost_sentry_core::policy::Change;

/// A line per change, each with when it counts.
pub fn text(changes: &[Change]) -> String {
    changes.iter().map(|change| format!("{} {}\n", style::odd("change:"), change.says)).collect()
}
