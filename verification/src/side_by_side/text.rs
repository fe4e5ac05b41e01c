//! The report as text.

use super::compare::Options;
use super::report::{BoundRow, RaceRow, Report, Row};
use crate::spread::Spread;
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { seed, seeds, requests, per_second, workers, room_percent, spent_percent, .. } = self.options;
        let Options { deaths_per_thousand, threads, race_requests, .. } = self.options;
        let last = seed + seeds.saturating_sub(1);
        writeln!(
            f,
            "seeds {seed} to {last}: {requests} requests each, {per_second} a second, {workers} workers; {spent_percent} % of the limit"
        )?;
        writeln!(f, "is spent, with room for {room_percent} % of what all would use; medians (least to most) over the seeds, in tokens")?;
        writeln!(f, "\nIn virtual time, calls of seconds")?;
        rows(f, &self.rows)?;
        writeln!(f, "\nThe same, while {deaths_per_thousand} of 1,000 processes die after the answer, before they told anybody")?;
        rows(f, &self.deaths)?;
        writeln!(f, "\nThis ledger by input bound: requests refused only because holds are larger than usage")?;
        bounds(f, &self.bounds)?;
        writeln!(f, "\nRaces: {threads} threads, {race_requests} requests, no calls and no network between hold and settlement")?;
        races(f, &self.races)
    }
}

fn rows(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    let head = ["over the limit", "wrongly refused", "unspent room", "missing in books", "too much in books"];
    line(f, "design", &head.map(str::to_owned))?;
    writeln!(f)?;
    for row in rows {
        let cells = [
            whole(row.over),
            shares(row.wrongly_refused_percent),
            shares(row.unspent_percent_of_room),
            whole(row.missing),
            whole(row.excess),
        ];
        line(f, &row.design, &cells)?;
        writeln!(f, "{}", undecided(row.failed))?;
    }
    Ok(())
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, cells: &[String; 5]) -> fmt::Result {
    write!(f, "{name:<20}")?;
    for (cell, width) in cells.iter().zip(WIDTHS) {
        write!(f, " {cell:>width$}")?;
    }
    Ok(())
}

const WIDTHS: [usize; 5] = [23, 25, 25, 22, 22];

fn bounds(f: &mut fmt::Formatter<'_>, rows: &[BoundRow]) -> fmt::Result {
    let head = ["of all requests", "of what would fit", "unspent room", "over the limit", "books out by"];
    line(f, "bound, room", &head.map(str::to_owned))?;
    writeln!(f)?;
    for row in rows {
        let cells = [
            shares(row.refused_for_holds_percent),
            shares(row.of_fitting_percent),
            shares(row.unspent_percent_of_room),
            whole(row.over),
            whole(row.books_out_by),
        ];
        line(f, &format!("{}, {} %", row.input_bound, row.room_percent), &cells)?;
        writeln!(f)?;
    }
    Ok(())
}

fn races(f: &mut fmt::Formatter<'_>, rows: &[RaceRow]) -> fmt::Result {
    writeln!(
        f,
        "{:<28} {:>12} {:>24} {:>22} {:>14} {:>26}",
        "design", "races over", "over the limit", "wrongly refused", "books out by", "requests per second"
    )?;
    for row in rows {
        writeln!(
            f,
            "{:<28} {:>12} {:>24} {:>22} {:>14} {:>26}{}",
            row.design,
            format!("{} of {}", row.races_over, row.races),
            whole(row.over),
            shares(row.wrongly_refused_percent),
            whole(row.books_out_by),
            whole(row.per_second),
            undecided(row.failed)
        )?;
    }
    Ok(())
}

fn undecided(failed: u64) -> String {
    if failed == 0 { String::new() } else { format!("   ({failed} undecided)") }
}

/// Whole numbers, from ten thousand on in thousands or millions; one number where all are the same.
fn whole(spread: Spread) -> String {
    range(spread, &|value| match value {
        0.0..10_000.0 => format!("{value:.0}"),
        10_000.0..1e6 => format!("{:.1}k", value / 1e3),
        _ => format!("{:.2}M", value / 1e6),
    })
}

fn shares(spread: Spread) -> String {
    range(spread, &|value| format!("{value:.1} %"))
}

fn range(spread: Spread, text: &dyn Fn(f64) -> String) -> String {
    let [least, median, most] = [spread.least, spread.median, spread.most].map(text);
    if least == most { median } else { format!("{median} ({least} to {most})") }
}
