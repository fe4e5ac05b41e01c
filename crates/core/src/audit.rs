//! The audit: what each counter should show, whether it does, and what may be mended.
//!
//! Invariant: a counter's figures are the sums over its reservations' shares and its recorded adjustments. [`Recount`] adds these up
//! from what was read, [`judge`] compares, [`repair::plan`] says how a difference would be mended. Reading, and seeing to it that what
//! is compared was true at one moment, is the store's side (`aws`).

mod adjustment;
mod recount;
pub mod repair;
mod selection;
#[cfg(test)]
mod tests;

pub use adjustment::{Adjusted, Adjustment, Trusted};
pub use recount::{Account, Recount};
pub use selection::{NotASelection, Selection, days_between};

use crate::budget::{CounterKey, Mode, Unit};
use crate::reservation::{COUNTER_DAYS, Figures};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A counter as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// Its figures per unit.
    pub figures: BTreeMap<Unit, Figures>,
    /// The end of its window; nothing where the item does not tell.
    pub end: Option<Timestamp>,
    /// Whether all of the item could be read.
    pub unreadable: bool,
}

/// What the books say of one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The counter.
    pub key: CounterKey,
    /// What people call its budget; its id, where no reservation tells the name.
    pub name: String,
    /// The end of its window, where anything tells.
    pub end: Option<Timestamp>,
    /// How many reservations have a share in it.
    pub reservations: u64,
    /// Of these, how many may still move, where the counter is not there to show it when they do.
    pub in_flight: u64,
    /// Whether it balances.
    pub standing: Standing,
    /// Whether there is a stored counter at all.
    pub exists: bool,
    /// Per unit that the counter or a reservation has.
    pub units: BTreeMap<Unit, Compared>,
    /// What was mended before, the oldest first.
    pub adjustments: Vec<Adjustment>,
}

/// One unit of a counter, as stored and as recomputed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// What the counter shows; nothing where it is not there.
    pub stored: Figures,
    /// The sums over reservations and adjustments.
    pub recomputed: Figures,
}

impl Compared {
    /// What the counter shows beyond what its reservations say.
    pub fn difference(self) -> Figures {
        self.stored.minus(self.recomputed)
    }
}

/// Whether a counter balances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It shows exactly what its reservations and adjustments add up to.
    Balanced,
    /// It does not.
    Differs(Cause),
    /// Some of what it should show could not be read: reservations by id, or the counter's own item by its key.
    CannotSay(BTreeSet<String>),
    /// It moved each time that it was looked at.
    Moving,
    /// It was deleted, as counters are some weeks after their window; its reservations are all that is left.
    Expired,
    /// A shadow's: best effort, and not judged.
    Approximate,
}

/// How a counter differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Counter and reservations are there, and their figures differ.
    Figures,
    /// Reservations have shares in a counter that is not there, and should be.
    Missing,
    /// A counter shows figures, and no reservation has a share in it.
    Phantom,
}

impl Standing {
    /// The word for it in the audit's documents.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Differs(Cause::Figures) => "differs",
            Self::Differs(Cause::Missing) => "missing",
            Self::Differs(Cause::Phantom) => "phantom",
            Self::CannotSay(_) => "cannotSay",
            Self::Moving => "moving",
            Self::Expired => "expired",
            Self::Approximate => "approximate",
        }
    }
}

/// What an audit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Every counter that was looked at shows what it should.
    Balanced,
    /// At least one does not.
    OutOfBalance,
    /// None is known to be wrong, and of some it cannot be said.
    CannotSay,
}

/// An audit's findings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// One per counter, in the order of their keys.
    pub findings: Vec<Finding>,
    /// How many reservations were read.
    pub reservations: u64,
    /// Reservations that could not be read.
    pub unreadable: BTreeSet<String>,
}

impl Report {
    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        let any = |is: fn(&Standing) -> bool| self.findings.iter().any(|finding| is(&finding.standing));
        if any(|standing| matches!(standing, Standing::Differs(_))) {
            Verdict::OutOfBalance
        } else if any(|standing| matches!(standing, Standing::CannotSay(_) | Standing::Moving)) || !self.unreadable.is_empty() {
            Verdict::CannotSay
        } else {
            Verdict::Balanced
        }
    }
}

/// Compares a counter with what its reservations and adjustments add up to.
pub fn judge(key: &CounterKey, stored: Option<&Stored>, recount: &Recount, adjustments: Vec<Adjustment>, now: Timestamp) -> Finding {
    let account = recount.account(key);
    let end = account.map(|account| account.span.end).or_else(|| stored?.end);
    let units = compare(stored, account, &adjustments);
    let balances = units.values().all(|unit| unit.difference() == Figures::default());
    let mut unreadable = recount.unreadable_of(key, end);
    if stored.is_some_and(|stored| stored.unreadable) {
        unreadable.insert(key.as_str().to_owned());
    }
    let standing = if key.mode() == Mode::Shadow {
        Standing::Approximate
    } else if !unreadable.is_empty() {
        Standing::CannotSay(unreadable)
    } else if balances {
        Standing::Balanced
    } else if stored.is_some() {
        let known = account.is_some() || !adjustments.is_empty();
        Standing::Differs(if known { Cause::Figures } else { Cause::Phantom })
    } else if end.is_some_and(|end| is_past_keeping(end, now)) {
        Standing::Expired
    } else {
        Standing::Differs(Cause::Missing)
    };
    let budget = key.parts().map_or(key.as_str(), |parts| parts.budget);
    Finding {
        key: key.clone(),
        name: account.map_or(budget, |account| &account.name).to_owned(),
        end,
        reservations: account.map_or(0, |account| account.reservations),
        in_flight: if stored.is_some() { 0 } else { recount.in_flight_on(key) },
        standing,
        exists: stored.is_some(),
        units,
        adjustments,
    }
}

fn compare(stored: Option<&Stored>, account: Option<&Account>, adjustments: &[Adjustment]) -> BTreeMap<Unit, Compared> {
    let mut units: BTreeMap<Unit, Compared> = BTreeMap::new();
    for (unit, figures) in stored.iter().flat_map(|stored| &stored.figures) {
        units.entry(*unit).or_default().stored = *figures;
    }
    let shares = account.iter().flat_map(|account| &account.sums).map(|(unit, sum)| (*unit, *sum));
    let counted = adjustments.iter().flat_map(Adjustment::counted);
    for (unit, figures) in shares.chain(counted) {
        let compared = units.entry(unit).or_default();
        compared.recomputed = compared.recomputed.plus(figures);
    }
    units
}

/// Whether a counter of a window that ended then may be gone by now.
fn is_past_keeping(end: Timestamp, now: Timestamp) -> bool {
    end.saturating_add(SignedDuration::from_hours(24 * COUNTER_DAYS)).is_ok_and(|kept_until| kept_until <= now)
}
