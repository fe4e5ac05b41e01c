//! Where calendar windows begin and end.
//!
//! Clocks jump. A day, week or month begins at the first instant at which the zone's clocks show its first midnight, or would
//! have: in a gap, that is the instant of the jump. So the beginnings are ordered as the dates are, and the spans between them
//! meet, whatever the clocks do. Hours and minutes follow the clocks themselves, and end early where these jump.

use super::{Calendar, Span, Window};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneTransition};
use jiff::{SignedDuration, Timestamp, ToSpan, Unit};

/// How many spans the search for the right one looks at, from the one whose date the clocks show: the next is needed where a fold
/// repeats midnight, and two more are to spare.
const MOST_STEPS: usize = 4;

impl Calendar {
    pub(super) fn span(&self, now: Timestamp) -> Option<Span> {
        match self.window {
            Window::Minute => clock_span(&self.time_zone, now, Unit::Minute),
            Window::Hour => clock_span(&self.time_zone, now, Unit::Hour),
            Window::Day | Window::Week | Window::Month => self.date_span(now),
        }
    }

    /// The span between two dates' beginnings that holds the instant.
    fn date_span(&self, now: Timestamp) -> Option<Span> {
        let mut first = self.first_date(self.time_zone.to_datetime(now).date())?;
        for _ in 0..MOST_STEPS {
            let next = self.next_date(first)?;
            let span = Span { start: first_instant(&self.time_zone, first)?, end: first_instant(&self.time_zone, next)? };
            if span.contains(now) {
                return Some(span);
            }
            // No zone's clocks show a date before its beginning; but they show the one before again where a fold repeats midnight.
            first = next;
        }
        None
    }

    /// The date on which the window of this date begins.
    fn first_date(&self, date: Date) -> Option<Date> {
        match self.window {
            Window::Minute | Window::Hour | Window::Day => Some(date),
            Window::Week => date.checked_sub(i32::from(date.weekday().since(self.week_start)).days()).ok(),
            Window::Month => {
                let reset = self.reset_date(date)?;
                if reset <= date { Some(reset) } else { self.reset_date(date.first_of_month().yesterday().ok()?) }
            }
        }
    }

    /// The date on which the window after the one that begins on `first` begins.
    fn next_date(&self, first: Date) -> Option<Date> {
        match self.window {
            Window::Minute | Window::Hour | Window::Day => first.tomorrow().ok(),
            Window::Week => first.checked_add(1.week()).ok(),
            Window::Month => self.reset_date(first.last_of_month().tomorrow().ok()?),
        }
    }

    /// The reset day in the month of this date.
    fn reset_date(&self, date: Date) -> Option<Date> {
        date.with().day(self.month_start.min(date.days_in_month())).build().ok()
    }
}

/// The first instant at which the zone's clocks show midnight of this date; where they skip it, the instant at which they do.
fn first_instant(zone: &TimeZone, date: Date) -> Option<Timestamp> {
    let midnight = date.to_datetime(Time::midnight());
    let ambiguous = zone.to_ambiguous_timestamp(midnight);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().ok(),
        AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?;
            jumps_after(zone, before).next().map(|jump| jump.timestamp())
        }
    }
}

/// The span of full minutes or hours on the zone's clocks that holds the instant, cut where the clocks jump.
fn clock_span(zone: &TimeZone, now: Timestamp, unit: Unit) -> Option<Span> {
    let shown = zone.to_datetime(now);
    let length = if unit == Unit::Hour { SignedDuration::from_hours(1) } else { SignedDuration::from_mins(1) };
    let begun = shown.duration_since(full(shown, unit)?);
    let start = now.checked_sub(begun).ok()?;
    let end = start.checked_add(length).ok()?;
    let last_before = jumps_after(zone, start).map(|jump| jump.timestamp()).take_while(|jump| *jump <= now).last();
    let first_after = jumps_after(zone, now).map(|jump| jump.timestamp()).next();
    Some(Span { start: last_before.unwrap_or(start), end: first_after.map_or(end, |jump| jump.min(end)) })
}

/// The full minute or hour that the clocks have shown last.
fn full(shown: DateTime, unit: Unit) -> Option<DateTime> {
    let minute = if unit == Unit::Hour { 0 } else { shown.minute() };
    shown.with().minute(minute).second(0).subsec_nanosecond(0).build().ok()
}

/// The instants after this one at which the zone's clocks jump; other transitions change a name only.
fn jumps_after(zone: &TimeZone, instant: Timestamp) -> impl Iterator<Item = TimeZoneTransition<'_>> {
    zone.following(instant).filter(|transition| {
        let before = transition.timestamp().checked_sub(SignedDuration::from_nanos(1));
        before.is_ok_and(|before| zone.to_offset(before) != transition.offset())
    })
}
