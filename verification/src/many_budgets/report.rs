//! What was found, as text for people and as JSON.

use crate::spread::Spread;
use serde::Serialize;
use std::fmt;

/// Everything that a run found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Budgets in the small policy and in the large one.
    pub sizes: [usize; 2],
    /// Rounds per row.
    pub rounds: usize,
    /// Requests per policy and round.
    pub requests_per_round: usize,
    /// By who asks.
    pub rows: Vec<Row>,
    /// What each policy costs beside the requests.
    pub policies: Vec<Policies>,
}

/// The times of one kind of traffic, in microseconds: spreads over the rounds, each round the median of its requests. The small policy's
/// first, then the large one's.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Who asks.
    pub asking: &'static str,
    /// `CheckRateLimit`, whole.
    pub step_micros: [Spread; 2],
    /// The plan within it.
    pub plan_micros: [Spread; 2],
    /// Looking at every budget of the policy, for comparison: what the index saves.
    pub every_budget_micros: [Spread; 2],
    /// The large policy's times over the small one's, round by round.
    pub ratios: Ratios,
}

/// The large policy's times over the small one's.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ratios {
    /// Of `CheckRateLimit`.
    pub step: Spread,
    /// Of the plan.
    pub plan: Spread,
}

/// What a policy costs when it is read, or checked.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// Its budgets.
    pub budgets: usize,
    /// Its stored text.
    pub bytes: usize,
    /// Reading and compiling it, once per version and function instance.
    pub compile_millis: f64,
    /// How many warnings `check` has.
    pub warnings: usize,
    /// Finding them.
    pub warnings_millis: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [small, large] = self.sizes;
        writeln!(
            f,
            "six budgets apply to each request; {} rounds of {} requests per policy, in turn",
            self.rounds, self.requests_per_round
        )?;
        writeln!(f, "microseconds per request: the median over rounds of each round's median (least to most)\n")?;
        writeln!(f, "{:<36} {:>22} {:>22}   growth", "", format!("{small} budgets"), format!("{large} budgets"))?;
        for row in &self.rows {
            writeln!(f, "{}", row.asking)?;
            line(f, "  CheckRateLimit", row.step_micros, Some(row.ratios.step))?;
            line(f, "  its plan alone", row.plan_micros, Some(row.ratios.plan))?;
            line(f, "  a look at every budget instead", row.every_budget_micros, None)?;
        }
        writeln!(f)?;
        for policy in &self.policies {
            writeln!(
                f,
                "{} budgets: {} bytes stored, {:.1} ms to read and compile, {:.1} ms for the {} warnings of check",
                policy.budgets, policy.bytes, policy.compile_millis, policy.warnings_millis, policy.warnings
            )?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, [small, large]: [Spread; 2], ratio: Option<Spread>) -> fmt::Result {
    let times = |spread: Spread| format!("{:.1} ({:.1} to {:.1})", spread.median, spread.least, spread.most);
    let percent = |ratio: f64| format!("{:+.1} %", (ratio - 1.0) * 100.0);
    let growth =
        ratio.map_or_else(String::new, |ratio| format!("{} ({} to {})", percent(ratio.median), percent(ratio.least), percent(ratio.most)));
    writeln!(f, "{what:<36} {:>22} {:>22}   {growth}", times(small), times(large))
}
