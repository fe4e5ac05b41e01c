//! An audit's findings as people read them, and as scripts do.

use super::{plural, style};
use cost_sentry_core::audit::{Adjustment, Cause, Compared, Finding, Report, Standing, Trusted, Verdict};
use cost_sentry_core::budget::{CounterParts, Unit};
use cost_sentry_core::reservation::Figures;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Of more counters than this, those that balance are only counted.
const ROWS: usize = 60;
const HEADINGS: [&str; 8] = ["", "budget", "scope", "window", "unit", "committed", "used", "uncertain"];

/// An amount that may be negative.
fn amount(unit: Unit, amount: i64) -> String {
    format!("{}{}", if amount < 0 { "-" } else { "" }, unit.text(amount.unsigned_abs()))
}

/// The figures that are not nothing, each with its sign.
pub fn amounts(unit: Unit, figures: Figures) -> String {
    let named = [("committed", figures.committed), ("used", figures.used), ("uncertain", figures.uncertain)];
    let signed = |amount: i64| if amount > 0 { "+" } else { "" };
    let parts = named.iter().filter(|(_, figure)| *figure != 0);
    let parts: Vec<String> = parts.map(|(name, figure)| format!("{name} {}{}", signed(*figure), amount(unit, *figure))).collect();
    format!("{} {}", unit.word(), parts.join(", "))
}

/// A counter in a few words.
pub fn title(finding: &Finding) -> String {
    let Some(parts) = finding.key.parts() else { return finding.key.as_str().to_owned() };
    let scope = if parts.scope.is_empty() { String::new() } else { format!(" [{}]", parts.scope) };
    let shard = parts.shard.map(|shard| format!(", shard {} of {}", shard.index, shard.of)).unwrap_or_default();
    format!("{}{scope}, {} from {}{shard}", finding.name, parts.window, parts.start)
}

/// What is stored, or how that differs from what it should be.
fn cell(unit: Unit, stored: i64, recomputed: i64) -> String {
    if stored == recomputed {
        return amount(unit, stored);
    }
    let difference = stored.saturating_sub(recomputed);
    let sign = if difference > 0 { "+" } else { "" };
    format!("{} ≠ {} ({sign}{})", amount(unit, stored), amount(unit, recomputed), amount(unit, difference))
}

fn mark(standing: &Standing) -> &'static str {
    match standing {
        Standing::Balanced => "✓",
        Standing::Differs(_) => "✗",
        Standing::CannotSay(_) => "?",
        Standing::Moving => "~",
        Standing::Expired => "-",
        Standing::Approximate => "≈",
    }
}

/// The scope, and of a sharded counter the item.
fn place(parts: CounterParts<'_>) -> String {
    parts.shard.map_or_else(|| parts.scope.to_owned(), |shard| format!("{}#{}/{}", parts.scope, shard.index, shard.of))
}

fn row(finding: &Finding, unit: Unit, both: &Compared) -> [String; 8] {
    let parts = finding.key.parts();
    let window = parts.map_or_else(String::new, |parts| format!("{} from {}", parts.window, parts.start));
    let (stored, sums) = (both.stored, both.recomputed);
    [
        mark(&finding.standing).to_owned(),
        finding.name.clone(),
        parts.map_or_else(String::new, place),
        window,
        unit.word().to_owned(),
        cell(unit, stored.committed, sums.committed),
        cell(unit, stored.used, sums.used),
        cell(unit, stored.uncertain, sums.uncertain),
    ]
}

/// Columns as wide as their widest cell.
fn table(rows: &[[String; 8]]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let line = |row: &[String; 8]| {
        let padded = row.iter().enumerate().map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        let padded: Vec<String> = padded.collect();
        let line = padded.join("  ");
        match row.first().map(String::as_str) {
            Some("✗") => style::bad(line.trim_end()),
            Some("?" | "~") => style::odd(line.trim_end()),
            Some("") => style::heading(line.trim_end()),
            _ => line.trim_end().to_owned(),
        }
    };
    rows.iter().map(line).chain([String::new()]).collect::<Vec<_>>().join("\n")
}

/// What is to be said of a counter beside its figures.
fn remark(finding: &Finding) -> Option<String> {
    let said = match &finding.standing {
        Standing::Balanced | Standing::Approximate => return None,
        Standing::Differs(cause) => match cause {
            Cause::Figures => "the counter does not show what its reservations say".to_owned(),
            Cause::Missing => "the counter is not there".to_owned(),
            Cause::Phantom => "no reservation has a share in this counter".to_owned(),
        },
        Standing::CannotSay(what) => {
            format!("cannot say: {} cannot be read", what.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        Standing::Moving => "moving: traffic changed it each time that it was looked at; audit again".to_owned(),
        Standing::Expired => "the counter has expired, as counters do 35 days after their window".to_owned(),
    };
    Some(format!("{} {}: {said}\n", mark(&finding.standing), title(finding)))
}

fn adjusted(finding: &Finding) -> String {
    let line = |adjustment: &Adjustment| {
        let trusted = match adjustment.trusted {
            Trusted::Reservations => "the counter was set to its reservations",
            Trusted::Counter => "counted beside its reservations",
        };
        let changes = adjustment.moved().into_iter().chain(adjustment.counted());
        let changes: Vec<String> = changes.map(|(unit, figures)| amounts(unit, figures)).collect();
        let Adjustment { at, by, reason, .. } = adjustment;
        format!("mended {}: {at} by {by}, {trusted}: {} (\"{reason}\")\n", title(finding), changes.join("; "))
    };
    finding.adjustments.iter().map(line).collect()
}

/// The findings for people.
pub fn text(report: &Report, now: Timestamp) -> String {
    let findings = &report.findings;
    let few = findings.len() <= ROWS;
    let shown: Vec<&Finding> = findings.iter().filter(|finding| few || !matches!(finding.standing, Standing::Balanced)).collect();
    let mut text = format!("as of {now}: {}, {}\n", plural(findings.len() as u64, "counter"), plural(report.reservations, "reservation"));
    if !shown.is_empty() {
        let rows = shown.iter().flat_map(|finding| finding.units.iter().map(|(unit, both)| row(finding, *unit, both)));
        text += &table(&std::iter::once(HEADINGS.map(str::to_owned)).chain(rows).collect::<Vec<_>>());
    }
    if !few {
        text += &format!("and {} that balance (--json lists all)\n", plural((findings.len() - shown.len()) as u64, "counter"));
    }
    text.extend(shown.iter().filter_map(|finding| remark(finding)));
    text.extend(findings.iter().map(adjusted));
    if shown.iter().any(|finding| finding.standing == Standing::Approximate) {
        text += "≈ counters of shadow budgets are approximate, and not judged\n";
    }
    for id in &report.unreadable {
        text += &format!("? the reservation {id} cannot be read\n");
    }
    text + &verdict(report)
}

fn verdict(report: &Report) -> String {
    let count = |is: fn(&Standing) -> bool| report.findings.iter().filter(|finding| is(&finding.standing)).count() as u64;
    let unsure = count(|standing| matches!(standing, Standing::CannotSay(_) | Standing::Moving));
    let differing = count(|standing| matches!(standing, Standing::Differs(_)));
    match report.verdict() {
        Verdict::Balanced => format!("{}\n", style::good("the books balance")),
        Verdict::OutOfBalance => {
            format!("{}: {}\n", style::bad("the books are out of balance"), plural(differing, "counter"))
        }
        Verdict::CannotSay => {
            format!("{} of {}; no counter is known to be wrong\n", style::odd("it cannot be said"), plural(unsure, "counter"))
        }
    }
}

/// An amount as outcomes show it: of `usd` a decimal string, else a whole number.
fn value(unit: Unit, figure: i64) -> Value {
    match unit {
        Unit::Usd => json!(amount(unit, figure)),
        _ => json!(figure),
    }
}

fn figures(unit: Unit, figures: Figures) -> Value {
    let of = |figure| value(unit, figure);
    json!({ "committed": of(figures.committed), "used": of(figures.used), "uncertain": of(figures.uncertain) })
}

fn adjustment(adjustment: &Adjustment) -> Value {
    let amounts = adjustment
        .amounts
        .iter()
        .map(|(unit, both)| json!({ "unit": unit, "stored": figures(*unit, both.stored), "recomputed": figures(*unit, both.recomputed) }));
    json!({
        "number": adjustment.number,
        "at": adjustment.at,
        "by": adjustment.by,
        "reason": adjustment.reason,
        "trusted": adjustment.trusted,
        "amounts": amounts.collect::<Value>(),
    })
}

fn counter(finding: &Finding, now: Timestamp) -> Value {
    let parts = finding.key.parts();
    let units = finding.units.iter().map(|(unit, both)| {
        json!({
            "unit": unit,
            "stored": finding.exists.then(|| figures(*unit, both.stored)),
            "recomputed": figures(*unit, both.recomputed),
            "difference": figures(*unit, both.difference()),
        })
    });
    let unreadable = match &finding.standing {
        Standing::CannotSay(what) => Some(what),
        _ => None,
    };
    json!({
        "key": finding.key.as_str(),
        "budget": parts.map(|parts| parts.budget),
        "name": finding.name,
        "scope": parts.map(|parts| parts.scope),
        "shard": parts.and_then(|parts| parts.shard),
        "window": parts.map(|parts| parts.window),
        "from": parts.map(|parts| parts.start),
        "until": finding.end,
        "open": finding.end.is_none_or(|end| end > now),
        "reservations": finding.reservations,
        "standing": finding.standing.word(),
        "unreadable": unreadable,
        "units": units.collect::<Value>(),
        "adjustments": finding.adjustments.iter().map(adjustment).collect::<Value>(),
    })
}

/// The findings for scripts.
pub fn json(report: &Report, now: Timestamp) -> Value {
    json!({
        "at": now,
        "verdict": report.verdict(),
        "reservations": report.reservations,
        "unreadable": report.unreadable,
        "counters": report.findings.iter().map(|finding| counter(finding, now)).collect::<Value>(),
    })
}
