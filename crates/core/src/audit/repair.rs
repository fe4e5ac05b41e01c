//! What may be mended, and how.

use super::{Adjusted, Adjustment, Finding, Standing, Trusted};
use crate::budget::Budget;
use crate::policy::Policy;
use crate::reservation::Figures;
use jiff::Timestamp;

/// Why a counter is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMended {
    /// It balances, or it is not judged.
    #[error("nothing is to be mended")]
    Nothing,
    /// What it should show is not known.
    #[error("what it should show cannot be said")]
    CannotSay,
    /// Requests may still be held on it.
    #[error(
        "its window is open until {closes}: mend it after that, or freeze the budget `{budget}` in the policy and wait until the functions have it"
    )]
    Open {
        /// The end of the window, and of the time that clocks may disagree by.
        closes: Timestamp,
        /// The budget's id.
        budget: String,
    },
    /// A counter that is not there cannot be the side that is right.
    #[error("the counter is not there: only its reservations can be trusted")]
    NoCounter,
    /// A counter that is not there does not show that it moves.
    #[error(
        "the counter is not there to show when they move, and {0} of its reservations are still in flight: mend it when the sweep has ended them"
    )]
    InFlight(u64),
    /// Nothing tells when its window ends.
    #[error("nothing tells when its window ends: freeze the budget `{budget}` in the policy")]
    EndUnknown {
        /// The budget's id.
        budget: String,
    },
}

/// Who mends, when and why, and which side is right.
#[derive(Debug, Clone)]
pub struct Order {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Which side of a difference is right.
    pub trusted: Trusted,
}

/// Whether no hold can be written on a budget under this policy: what its counters show may then be mended in an open window.
fn is_frozen(budget: &Budget) -> bool {
    budget.frozen
}

/// Whether a counter may be mended: its window has ended, or its budget is frozen. `now` is a moment that every clock has passed.
pub fn may_mend(policy: Option<&Policy>, budget: &str, end: Option<Timestamp>, now: Timestamp) -> Result<(), NotMended> {
    let known = policy.and_then(|policy| policy.budgets.iter().find(|known| known.id == budget));
    let budget = budget.to_owned();
    match end {
        _ if known.is_some_and(is_frozen) => Ok(()),
        None => Err(NotMended::EndUnknown { budget }),
        Some(closes) if closes > now => Err(NotMended::Open { closes, budget }),
        Some(_) => Ok(()),
    }
}

/// The adjustment that would mend a finding.
pub fn plan(finding: &Finding, policy: Option<&Policy>, now: Timestamp, order: &Order) -> Result<Adjustment, NotMended> {
    match &finding.standing {
        Standing::Differs(_) => {}
        Standing::Balanced | Standing::Expired | Standing::Approximate => return Err(NotMended::Nothing),
        Standing::CannotSay(_) | Standing::Moving => return Err(NotMended::CannotSay),
    }
    if !finding.exists && order.trusted == Trusted::Counter {
        return Err(NotMended::NoCounter);
    }
    if finding.in_flight > 0 {
        return Err(NotMended::InFlight(finding.in_flight));
    }
    let budget = finding.key.parts().map_or(finding.key.as_str(), |parts| parts.budget);
    may_mend(policy, budget, finding.end, now)?;
    let differing = finding.units.iter().filter(|(_, unit)| unit.difference() != Figures::default());
    Ok(Adjustment {
        key: finding.key.clone(),
        number: finding.adjustments.last().map_or(0, |last| last.number).saturating_add(1),
        at: order.at,
        by: order.by.clone(),
        reason: order.reason.clone(),
        trusted: order.trusted,
        amounts: differing.map(|(unit, both)| (*unit, Adjusted { stored: both.stored, recomputed: both.recomputed })).collect(),
    })
}
