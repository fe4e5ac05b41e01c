use super::*;
use jiff::SignedDuration;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn spec(window: &str, zone: &str, reset_day: &str) -> WindowSpec {
    let reset_day = (!reset_day.is_empty()).then(|| reset_day.parse().unwrap());
    WindowSpec::calendar(window.parse().unwrap(), Some(zone), reset_day).unwrap()
}

#[test]
fn spans_begin_and_end_where_the_zones_clocks_say() {
    let check = |window: &str, zone: &str, reset_day: &str, now: &str, start: &str, end: &str| {
        let span = spec(window, zone, reset_day).span(at(now));
        assert_eq!(span, Some(Span { start: at(start), end: at(end) }), "{window} {zone} {reset_day} at {now}");
    };
    // Plain.
    check("minute", "UTC", "", "2026-11-21T10:20:30.5Z", "2026-11-21T10:20:00Z", "2026-11-21T10:21:00Z");
    check("hour", "UTC", "", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z", "2026-11-21T11:00:00Z");
    check("day", "Europe/Berlin", "", "2026-11-21T23:30:00Z", "2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z");
    check("week", "UTC", "", "2026-11-21T10:00:00Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z");
    check("week", "UTC", "saturday", "2026-11-21T10:00:00Z", "2026-11-21T00:00:00Z", "2026-11-28T00:00:00Z");
    check("week", "UTC", "sunday", "2026-11-21T10:00:00Z", "2026-11-15T00:00:00Z", "2026-11-22T00:00:00Z");
    check("month", "UTC", "", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
    check("month", "UTC", "15", "2027-01-14T23:59:59Z", "2026-12-15T00:00:00Z", "2027-01-15T00:00:00Z");
    // Days that the clocks shorten or lengthen.
    check("day", "Europe/Berlin", "", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
    check("day", "Europe/Berlin", "", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    // No midnight: Sao Paulo's clocks went from 00:00 to 01:00, Toronto's in 1919 from 23:30 to 00:30.
    check("day", "America/Sao_Paulo", "", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z");
    check("month", "America/Sao_Paulo", "4", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z", "2018-12-04T02:00:00Z");
    check("day", "America/Toronto", "", "1919-03-31T12:00:00Z", "1919-03-31T04:30:00Z", "1919-04-01T04:00:00Z");
    // Midnight twice: St John's clocks went from 00:01 back to 23:01. The second hour of the old day is the new one's.
    check("day", "America/St_Johns", "", "2006-10-29T03:00:00Z", "2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z");
    // Samoa had no 30 December 2011.
    check("day", "Pacific/Apia", "", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
    check("day", "Pacific/Apia", "", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
    // Hours of the zone's clocks.
    check("hour", "Asia/Kolkata", "", "2026-11-21T10:20:00Z", "2026-11-21T09:30:00Z", "2026-11-21T10:30:00Z");
    check("hour", "Europe/Berlin", "", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z");
    check("hour", "Europe/Berlin", "", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z");
    check("hour", "Australia/Lord_Howe", "", "2026-04-04T14:45:00Z", "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z");
    check("hour", "Australia/Lord_Howe", "", "2026-04-04T15:10:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z");
    check("hour", "Australia/Lord_Howe", "", "2026-10-03T15:40:00Z", "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z");
    check("hour", "America/St_Johns", "", "2006-10-29T02:30:30Z", "2006-10-29T02:30:00Z", "2006-10-29T02:31:00Z");
    // Months without the reset day reset on their last.
    check("month", "UTC", "31", "2026-02-27T23:59:59Z", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z");
    check("month", "UTC", "31", "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z");
    check("month", "UTC", "31", "2028-02-29T12:00:00Z", "2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z");
    check("month", "UTC", "30", "2028-02-28T12:00:00Z", "2028-01-30T00:00:00Z", "2028-02-29T00:00:00Z");
    check("month", "UTC", "31", "2026-12-31T12:00:00Z", "2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z");
}

/// Walks the windows across a stretch of time, and tries instants in each of them.
fn check_tiling(spec: &WindowSpec, from: Timestamp, until: Timestamp) {
    let mut span = spec.span(from).unwrap();
    assert!(span.contains(from), "{spec:?} at {from}");
    while span.end < until {
        assert!(span.start < span.end, "{spec:?} {span:?}");
        let middle = span.start + span.start.duration_until(span.end) / 2;
        for inside in [span.start, middle, span.end - SignedDuration::from_nanos(1)] {
            assert_eq!(spec.span(inside), Some(span), "{spec:?} at {inside}");
        }
        let next = spec.span(span.end).unwrap();
        assert_eq!(next.start, span.end, "{spec:?}");
        span = next;
    }
}

#[test]
fn windows_meet_and_hold_each_instant_once() {
    let zones = [
        ("UTC", "2027-12-20T00:00:00Z"),
        ("Europe/Berlin", "2026-03-20T00:00:00Z"),
        ("Europe/Berlin", "2026-10-20T00:00:00Z"),
        ("Asia/Kolkata", "2028-02-20T00:00:00Z"),
        ("Asia/Kathmandu", "2026-12-25T00:00:00Z"),
        ("America/Sao_Paulo", "2018-10-30T00:00:00Z"),
        ("America/Sao_Paulo", "2019-02-10T00:00:00Z"),
        ("America/St_Johns", "2006-03-28T00:00:00Z"),
        ("America/St_Johns", "2006-10-24T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-03-30T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-09-28T00:00:00Z"),
        ("Pacific/Apia", "2011-12-24T00:00:00Z"),
        ("Africa/Casablanca", "2026-02-10T00:00:00Z"),
        ("America/Toronto", "1919-03-25T00:00:00Z"),
        ("America/New_York", "2026-03-01T00:00:00Z"),
        ("America/Havana", "2026-03-01T00:00:00Z"),
        ("America/Juneau", "1867-10-12T00:00:00Z"),
        ("Asia/Manila", "1844-12-25T00:00:00Z"),
        ("Europe/Amsterdam", "1937-06-25T00:00:00Z"),
    ];
    for (zone, from) in zones {
        let from = at(from);
        let days = |count: i64| from + SignedDuration::from_hours(24 * count);
        check_tiling(&spec("minute", zone, ""), days(5), days(8));
        check_tiling(&spec("hour", zone, ""), from, days(20));
        check_tiling(&spec("day", zone, ""), from, days(400));
        for reset_day in ["monday", "wednesday", "sunday"] {
            check_tiling(&spec("week", zone, reset_day), from, days(800));
        }
        for reset_day in ["1", "15", "28", "29", "30", "31"] {
            check_tiling(&spec("month", zone, reset_day), from, days(2_000));
        }
    }
}

#[test]
fn a_period_is_one_window_and_nothing_outside_it() {
    let (from, until) = (at("2026-11-01T00:00:00Z"), at("2026-12-24T12:00:00Z"));
    let period = WindowSpec::period(from, until).unwrap();
    let whole = Some(Span { start: from, end: until });
    let check = |now: &str, expected| assert_eq!(period.span(at(now)), expected, "{now}");
    check("2026-10-31T23:59:59.999999999Z", None);
    check("2026-11-01T00:00:00Z", whole);
    check("2026-12-24T11:59:59Z", whole);
    check("2026-12-24T12:00:00Z", None);
    assert_eq!(WindowSpec::period(until, from), Err(WindowError::EmptyPeriod));
    assert_eq!(WindowSpec::period(from, from), Err(WindowError::EmptyPeriod));
}

#[test]
fn no_window_reaches_beyond_the_calendar() {
    for window in Window::ALL {
        let spec = WindowSpec::calendar(window, Some("America/New_York"), None).unwrap();
        assert_eq!(spec.span(Timestamp::MAX), None, "{window}");
    }
}

#[test]
fn a_window_that_cannot_be_says_what_was_expected() {
    let check = |window: Window, zone: Option<&str>, reset_day: Option<&str>, expected: &str| {
        let reset_day = reset_day.map(|text| text.parse().unwrap());
        assert_eq!(WindowSpec::calendar(window, zone, reset_day).unwrap_err().to_string(), expected);
    };
    let zone = "the IANA name of a time zone, such as `Europe/Berlin` or `UTC`";
    for name in ["Mars/Olympus", "", "Etc/Unknown", "+02:00", "CET-1CEST", "local", "../etc/passwd"] {
        check(Window::Day, Some(name), None, zone);
    }
    check(Window::Day, None, Some("monday"), "no reset day, which only the windows `week` and `month` have");
    check(Window::Week, None, Some("15"), "a weekday, such as `monday`, as the reset day of a week");
    check(Window::Month, None, Some("monday"), "a day from 1 to 31 as the reset day of a month");
    assert_eq!(WindowSpec::calendar(Window::Month, None, Some(ResetDay::DayOfMonth(32))), Err(WindowError::MonthNeedsDay));
}

#[test]
fn texts_are_written_once_and_read_back() {
    for (window, text) in Window::ALL.into_iter().zip(["minute", "hour", "day", "week", "month"]) {
        assert_eq!(window.to_string(), text);
        assert_eq!(text.parse(), Ok(window));
        assert_eq!(serde_json::to_value(window).unwrap(), text);
        assert_eq!(serde_json::from_value::<Window>(text.into()).unwrap(), window);
    }
    for text in ["Minute", "minutes", "year", ""] {
        assert_eq!(text.parse::<Window>(), Err(NotAWindow), "{text}");
    }
    for text in ["monday", "sunday", "1", "15", "31"] {
        assert_eq!(text.parse::<ResetDay>().unwrap().to_string(), text);
    }
    for text in ["Monday", "mon", "0", "01", "32", "-1", "+1", "1.5", "", "300"] {
        assert_eq!(text.parse::<ResetDay>(), Err(NotAResetDay), "{text}");
    }
    let Ok(WindowSpec::Calendar(calendar)) = WindowSpec::calendar(Window::Week, Some("europe/berlin"), None) else { panic!() };
    assert_eq!((calendar.window(), calendar.time_zone()), (Window::Week, "Europe/Berlin"));
    assert_eq!(calendar.reset_day(), Some(ResetDay::Weekday(Weekday::Monday)));
}
