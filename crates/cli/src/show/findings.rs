//! What a check found.

use super::{plural, style};
use crate::commands::Findings;

/// The findings as text: problems first, warnings after them, each with its place.
pub fn text(found: &[Findings]) -> String {
    let mut text = String::new();
    let (mut problems, mut warnings) = (0, 0);
    for findings in found {
        for problem in &findings.problems {
            text += &format!("{} {}:{problem}\n", style::bad("problem:"), findings.file);
        }
        for warning in &findings.warnings {
            text += &format!("{} {}:{warning}\n", style::odd("warning:"), findings.file);
        }
        if let Some(would) = findings.would_change.as_ref().filter(|would| !would.changes.is_empty()) {
            let heading = if would.is_current { "is current in" } else { "would, applied in" };
            let rest = if would.is_current { "already, and waits for:" } else { "now, change:" };
            text += &format!("{} {heading} {} {rest}\n{}", findings.file, would.place, super::changes::text(&would.changes));
        }
        if findings.problems.is_empty() {
            text += &format!("{} {}\n", style::good("good:"), findings.file);
        }
        problems += findings.problems.len() as u64;
        warnings += findings.warnings.len() as u64;
    }
    text + &format!("{}, {}\n", plural(problems, "problem"), plural(warnings, "warning"))
}
