//! Budget windows: the stretch of time that a counter counts for.
//!
//! Invariant: consecutive spans of a calendar window meet exactly, and exactly one of them holds any instant. Time zones come
//! from the database that is built in, never from the machine; the instant comes in as an argument.

mod civil;
mod reset;
#[cfg(test)]
mod tests;

pub use reset::{NotAResetDay, ResetDay};

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The kinds of window that the calendar divides time into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Window {
    /// From one full minute to the next.
    Minute,
    /// From one full hour on the zone's clocks to the next, and from any change of those clocks: the hour that is repeated when
    /// summer time ends is two windows.
    Hour,
    /// From midnight to midnight: 23 or 25 hours when the clocks change, and from the day's first instant where there is no
    /// midnight.
    Day,
    /// From the start of the reset weekday (Monday, unless named) to the next.
    Week,
    /// From the start of the reset day (the first, unless named) to that of the next month; a month that has no such day resets
    /// on its last.
    Month,
}

/// The text is not a kind of window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of `minute`, `hour`, `day`, `week`, `month`")]
pub struct NotAWindow;

/// From `start` (inclusive) to `end` (exclusive).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after.
    pub end: Timestamp,
}

/// The windows of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowSpec {
    /// One after another, by the calendar.
    Calendar(Calendar),
    /// One only, between two instants.
    Period(Span),
}

/// A kind of window by the clocks of a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    window: Window,
    time_zone: TimeZone,
    week_start: Weekday,
    month_start: i8,
}

/// A budget's window cannot be what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The time zone is not in the database.
    #[error("the IANA name of a time zone, such as `Europe/Berlin` or `UTC`")]
    UnknownTimeZone,
    /// A minute, hour or day with a reset day.
    #[error("no reset day, which only the windows `week` and `month` have")]
    ResetDayWithoutUse,
    /// A week with a day of the month.
    #[error("a weekday, such as `monday`, as the reset day of a week")]
    WeekNeedsWeekday,
    /// A month with a weekday, or with a number that is no day.
    #[error("a day from 1 to 31 as the reset day of a month")]
    MonthNeedsDay,
    /// A period that ends before it begins.
    #[error("`until` to be later than `from`")]
    EmptyPeriod,
}

impl Window {
    /// Every kind, the shortest first.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The kind's text, as policies and stored keys spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

impl FromStr for Window {
    type Err = NotAWindow;

    fn from_str(text: &str) -> Result<Self, NotAWindow> {
        Self::ALL.into_iter().find(|window| window.as_str() == text).ok_or(NotAWindow)
    }
}

impl TryFrom<String> for Window {
    type Error = NotAWindow;

    fn try_from(text: String) -> Result<Self, NotAWindow> {
        text.parse()
    }
}

impl From<Window> for &'static str {
    fn from(window: Window) -> Self {
        window.as_str()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Span {
    /// Whether the instant is in it.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }
}

impl WindowSpec {
    /// A calendar window; in UTC where no time zone is named.
    pub fn calendar(window: Window, time_zone: Option<&str>, reset_day: Option<ResetDay>) -> Result<Self, WindowError> {
        let time_zone = time_zone.map_or(Ok(TimeZone::UTC), zone)?;
        let (week_start, month_start) = match (window, reset_day) {
            (_, None) => (Weekday::Monday, 1),
            (Window::Week, Some(ResetDay::Weekday(day))) => (day, 1),
            (Window::Week, Some(_)) => return Err(WindowError::WeekNeedsWeekday),
            (Window::Month, Some(ResetDay::DayOfMonth(day @ 1..=31))) => (Weekday::Monday, day),
            (Window::Month, Some(_)) => return Err(WindowError::MonthNeedsDay),
            (Window::Minute | Window::Hour | Window::Day, Some(_)) => return Err(WindowError::ResetDayWithoutUse),
        };
        Ok(Self::Calendar(Calendar { window, time_zone, week_start, month_start }))
    }

    /// The one window from one instant to another.
    pub fn period(from: Timestamp, until: Timestamp) -> Result<Self, WindowError> {
        if from < until { Ok(Self::Period(Span { start: from, end: until })) } else { Err(WindowError::EmptyPeriod) }
    }

    /// The window that holds the instant. `None` outside a period, and for a calendar window that would begin or end beyond the
    /// years -9999 to 9999.
    pub fn span(&self, now: Timestamp) -> Option<Span> {
        match self {
            Self::Calendar(calendar) => calendar.span(now),
            Self::Period(span) => span.contains(now).then_some(*span),
        }
    }
}

impl Calendar {
    /// The kind of window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The IANA name of the time zone.
    pub fn time_zone(&self) -> &str {
        self.time_zone.iana_name().unwrap_or("UTC")
    }

    /// The day that a week or month starts on; `None` for the shorter windows.
    pub fn reset_day(&self) -> Option<ResetDay> {
        match self.window {
            Window::Minute | Window::Hour | Window::Day => None,
            Window::Week => Some(ResetDay::Weekday(self.week_start)),
            Window::Month => Some(ResetDay::DayOfMonth(self.month_start)),
        }
    }
}

/// The time zone of that name; `Etc/Unknown`, which stands for none, is not one.
fn zone(name: &str) -> Result<TimeZone, WindowError> {
    let found = TimeZoneDatabase::bundled().get(name).map_err(|_| WindowError::UnknownTimeZone)?;
    if found.is_unknown() { Err(WindowError::UnknownTimeZone) } else { Ok(found) }
}
