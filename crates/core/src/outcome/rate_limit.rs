//! The report on the budgets that applied: a snapshot, labelled with its time.

use crate::budget::{Mode, Unit};
use crate::refusal::{Basis, RetryAfter};
use crate::reservation::{Charge, Reservation, UnitCharge};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where a request stood with one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// There was room.
    Fits,
    /// No room in this window, so the request was denied.
    Refused,
    /// Larger than the whole limit: no window will have room.
    NeverFits,
    /// The budget is frozen, so the request was denied whatever its size.
    Frozen,
    /// A shadow budget would have refused it.
    WouldRefuse,
}

/// One limit of one budget, as the decision saw it. Amounts of `usd` are decimal strings, all others whole numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetReport {
    /// The budget.
    pub name: String,
    /// Which of its counters: `key=value`, joined by `|`; empty for a budget with one counter.
    pub scope: String,
    /// What is counted.
    pub unit: Unit,
    /// The limit per window.
    pub limit: Value,
    /// What settled requests have used.
    pub used: Value,
    /// What requests in flight hold, this one left out.
    pub held: Value,
    /// What calls of unknown fate hold for good.
    pub uncertain: Value,
    /// What this request asked for: its worst case.
    pub charge: Value,
    /// What it really came to, once settled.
    pub charged: Option<Value>,
    /// When the window ends.
    pub resets_at: Timestamp,
    /// Enforced or shadow.
    pub mode: Mode,
    /// What came of it.
    pub standing: Standing,
    /// Why it refused, or would have.
    pub reason: Option<String>,
}

/// When to try again, on a denial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryAfterReport {
    /// Seconds from the snapshot, or `"never"`: by waiting alone, that is, also while a budget is frozen.
    pub retry_after_seconds: Value,
    /// What the estimate rests on; of `never`, that a budget is frozen, or nothing where the request is too large.
    pub retry_after_estimate: Option<Basis>,
    /// For a request that is too large: the largest `max_tokens` with which this request would fit, or nothing where its input is too large already.
    pub largest_max_tokens: Option<u64>,
}

impl From<RetryAfter> for RetryAfterReport {
    fn from(retry: RetryAfter) -> Self {
        match retry {
            RetryAfter::Seconds { seconds, basis } => {
                Self { retry_after_seconds: json!(seconds), retry_after_estimate: Some(basis), largest_max_tokens: None }
            }
            RetryAfter::Frozen => {
                Self { retry_after_seconds: json!("never"), retry_after_estimate: Some(Basis::Frozen), largest_max_tokens: None }
            }
            RetryAfter::Never { largest_max_tokens } => Self {
                retry_after_seconds: json!("never"),
                retry_after_estimate: None,
                largest_max_tokens: largest_max_tokens.map(|tokens| tokens.0),
            },
        }
    }
}

/// The budgets that applied, and on a denial when to try again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// When the decision was made: the figures are a snapshot of that moment.
    pub snapshot_at: Timestamp,
    /// One entry per budget and unit, in the policy's order.
    pub budgets: Vec<BudgetReport>,
    /// On a denial only.
    #[serde(flatten)]
    pub retry: Option<RetryAfterReport>,
}

impl RateLimit {
    /// The report on a reservation's charges.
    pub fn of(reservation: &Reservation, retry: Option<RetryAfter>) -> Self {
        let entries = reservation.charges.iter().flat_map(|charge| charge.amounts.iter().map(move |amount| (charge, amount)));
        Self {
            snapshot_at: reservation.held_at,
            budgets: entries.map(|(charge, amount)| report(reservation, charge, amount)).collect(),
            retry: retry.map(RetryAfterReport::from),
        }
    }

    /// Leaves out every budget that did not refuse: what a document too long for its place can spare.
    pub(super) fn keep_refusing(&mut self) {
        self.budgets.retain(|budget| matches!(budget.standing, Standing::Refused | Standing::Frozen | Standing::NeverFits));
        self.budgets.truncate(10);
    }
}

fn report(reservation: &Reservation, charge: &Charge, amount: &UnitCharge) -> BudgetReport {
    let unit = amount.unit;
    let figure = |figure: i64| value(unit, u64::try_from(figure).unwrap_or(0));
    let standing = standing(charge, amount);
    let charged = reservation.usage.as_ref().map(|usage| value(unit, amount.actual(usage, reservation.cost)));
    BudgetReport {
        name: charge.name.clone(),
        scope: charge.scope.clone(),
        unit,
        limit: value(unit, amount.limit),
        used: figure(amount.figures.used),
        held: figure(amount.figures.held()),
        uncertain: figure(amount.figures.uncertain),
        charge: value(unit, amount.hold),
        charged,
        resets_at: charge.resets_at(),
        mode: charge.mode,
        standing,
        reason: reason(charge, amount, standing),
    }
}

fn value(unit: Unit, amount: u64) -> Value {
    match unit {
        Unit::Usd => json!(unit.text(amount)),
        _ => json!(amount),
    }
}

fn standing(charge: &Charge, amount: &UnitCharge) -> Standing {
    match (amount.fits() && !charge.frozen, charge.is_enforced()) {
        (true, _) => Standing::Fits,
        (false, false) => Standing::WouldRefuse,
        (false, true) if amount.never_fits() => Standing::NeverFits,
        (false, true) if charge.frozen => Standing::Frozen,
        (false, true) => Standing::Refused,
    }
}

fn reason(charge: &Charge, amount: &UnitCharge, standing: Standing) -> Option<String> {
    let unit = amount.unit;
    let committed = u64::try_from(amount.figures.committed).unwrap_or(0);
    let left = unit.text(amount.limit.saturating_sub(committed));
    let (asked, limit, word) = (unit.text(amount.hold), unit.text(amount.limit), unit.word());
    match standing {
        Standing::Fits => None,
        _ if charge.frozen && !amount.never_fits() => {
            Some("the budget is frozen: it takes no new request until its policy says so".to_owned())
        }
        _ if amount.never_fits() => Some(format!("the request asks for {asked} {word}, more than the whole limit of {limit}")),
        _ if amount.fits_without_held() => Some(format!("{asked} {word} asked, {left} of {limit} left; requests in flight hold the rest")),
        _ => Some(format!("{asked} {word} asked, {left} of {limit} left until {}", charge.resets_at())),
    }
}
