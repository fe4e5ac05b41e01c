//! The day that a week or a month of a budget starts on.

use jiff::civil::Weekday;
use std::fmt;
use std::str::FromStr;

/// The day that a week or a month of a budget starts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetDay {
    /// For a week.
    Weekday(Weekday),
    /// For a month: 1 to 31.
    DayOfMonth(i8),
}

/// The text is not a reset day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a weekday such as `monday`, or a day from 1 to 31")]
pub struct NotAResetDay;

/// The weekdays' names in policies.
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl FromStr for ResetDay {
    type Err = NotAResetDay;

    fn from_str(text: &str) -> Result<Self, NotAResetDay> {
        if let Some((_, day)) = WEEKDAYS.into_iter().find(|(name, _)| *name == text) {
            return Ok(Self::Weekday(day));
        }
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|day| is_number && (1..=31).contains(day)).map(Self::DayOfMonth).ok_or(NotAResetDay)
    }
}

impl fmt::Display for ResetDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DayOfMonth(day) => day.fmt(f),
            Self::Weekday(day) => f.pad(WEEKDAYS.into_iter().find(|(_, each)| each == day).map_or("", |(name, _)| name)),
        }
    }
}
