//! What a policy changes.

use super::style;
use cost_sentry_core::policy::Change;

/// A line per change, each with when it counts.
pub fn text(changes: &[Change]) -> String {
    let line = |change: &Change| format!("{} {}\n", style::odd("change:"), change.says);
    changes.iter().map(line).collect::<Vec<_>>().concat()
}
