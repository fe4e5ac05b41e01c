//! Which windows an audit is about, and on which days what they are made of is found.

use crate::budget::Budget;
use crate::policy::Policy;
use crate::reservation::RESERVATION_DAYS;
use crate::window::{Window, WindowSpec};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::collections::BTreeSet;

/// Windows that closed in so many days before now are audited beside the open ones.
const RECENT_DAYS: i64 = 3;
/// No calendar window is longer, in days; one more, since days begin elsewhere in other time zones.
const LONGEST_DAYS: i64 = 32;
/// The word for windows that no calendar gives.
const PERIOD: &str = "period";

/// Windows by their kind, their time and their budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The window's word; nothing: any.
    kind: Option<String>,
    /// Windows that reach past this instant,
    from: Timestamp,
    /// and begin before this one.
    until: Timestamp,
    /// Ids of budgets; nothing: all.
    budgets: Option<BTreeSet<String>>,
}

/// The text names no windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `minute`, `hour`, `day`, `week`, `month` or `period`, `all`, a date such as `2026-11-20`, or a range of them such as \
     `2026-11-01..2026-11-20`"
)]
pub struct NotASelection;

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

fn before(at: Timestamp, count: i64) -> Timestamp {
    at.saturating_sub(days(count)).unwrap_or(Timestamp::MIN)
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn first_instant(day: Date) -> Result<Timestamp, NotASelection> {
    day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp()).map_err(|_| NotASelection)
}

impl Selection {
    /// Every window that is open, or closed within the last three days.
    pub fn recent(now: Timestamp) -> Self {
        Self { kind: None, from: before(now, RECENT_DAYS), until: just_after(now), budgets: None }
    }

    /// What `--window` says: a kind of window (open, or closed within the last three days), `all` whose books are still kept, a UTC date
    /// or a range of dates, both inclusive (all windows that overlap it).
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, NotASelection> {
        let recent = Self::recent(now);
        if text == "all" {
            return Ok(Self { from: before(now, LONGEST_DAYS + RESERVATION_DAYS), ..recent });
        }
        if text == PERIOD || text.parse::<Window>().is_ok() {
            return Ok(Self { kind: Some(text.to_owned()), ..recent });
        }
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let date = |text: &str| text.parse::<Date>().map_err(|_| NotASelection);
        let (from, until) = (first_instant(date(first)?)?, first_instant(date(last)?.tomorrow().map_err(|_| NotASelection)?)?);
        if from < until { Ok(Self { from, until, ..recent }) } else { Err(NotASelection) }
    }

    /// Only the windows of the budget of this name or id, by the policy or, where that does not know it, as an id.
    #[must_use]
    pub fn of_budget(self, name: &str, policy: Option<&Policy>) -> Self {
        let named = policy.into_iter().flat_map(|policy| &policy.budgets).filter(|budget| budget.name == name);
        let ids = named.map(|budget| budget.id.clone()).chain([name.to_owned()]).collect();
        Self { budgets: Some(ids), ..self }
    }

    /// Whether it is about such a window. One whose end nobody knows may still be open.
    pub fn includes(&self, budget: &str, window: &str, start: Timestamp, end: Option<Timestamp>) -> bool {
        self.kind.as_ref().is_none_or(|kind| kind == window)
            && self.budgets.as_ref().is_none_or(|ids| ids.contains(budget))
            && start < self.until
            && end.is_none_or(|end| self.from < end)
    }

    /// The UTC days on which the windows may have begun.
    pub fn start_days(&self, policy: Option<&Policy>, now: Timestamp) -> BTreeSet<Date> {
        let longest = match self.kind.as_deref() {
            Some("minute" | "hour" | "day") => 2,
            Some("week") => 8,
            _ => LONGEST_DAYS,
        };
        let mut found = days_between(before(self.from, longest), self.until.min(just_after(now)));
        for budget in policy.into_iter().flat_map(definitions) {
            if let WindowSpec::Period(span) = &budget.window
                && self.includes(&budget.id, PERIOD, span.start, Some(span.end))
            {
                // The first of its windows begins later where its counters started anew.
                found.extend([span.start].into_iter().chain(budget.since).map(day_of));
            }
        }
        found
    }

    /// The UTC days on which requests were decided that the windows of the policy's budgets count; of all possible windows, where there
    /// is no policy. Windows of budgets that the policy no longer has are found by their counters.
    pub fn decision_days(&self, policy: Option<&Policy>, now: Timestamp) -> BTreeSet<Date> {
        let Some(policy) = policy else { return self.start_days(None, now) };
        let start = |budget: &Budget| Some(budget.window.span(self.from)?.start).filter(|start| self.reaches(budget, *start));
        let first = definitions(policy).filter_map(start).min().unwrap_or(self.from).min(self.from);
        days_between(first, self.until.min(just_after(now)))
    }

    fn reaches(&self, budget: &Budget, start: Timestamp) -> bool {
        let word = match &budget.window {
            WindowSpec::Calendar(calendar) => calendar.window().as_str(),
            WindowSpec::Period(_) => PERIOD,
        };
        self.includes(&budget.id, word, start, None)
    }
}

/// The policy's budgets, and the definitions that stay in force until a change of theirs counts.
fn definitions(policy: &Policy) -> impl Iterator<Item = &Budget> {
    policy.budgets.iter().flat_map(|budget| [budget].into_iter().chain(budget.before.as_ref().map(|before| &before.budget)))
}

/// The UTC days of a window, up to now.
pub fn days_between(start: Timestamp, end: Timestamp) -> BTreeSet<Date> {
    let last = day_of(end.saturating_sub(1.nanosecond()).unwrap_or(Timestamp::MIN));
    day_of(start).series(1.day()).take_while(|day| *day <= last).collect()
}

/// The first instant that is not `now` or before; a day more, since the clock that decided may be ahead.
fn just_after(now: Timestamp) -> Timestamp {
    now.saturating_add(days(1)).unwrap_or(Timestamp::MAX)
}
