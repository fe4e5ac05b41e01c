//! A budget's definition written out again: in full, with the values as they were understood, so that it reads the same whatever the
//! policy around it says by then.

use crate::budget::{Budget, Effective, Increase, Limit, Mode, Unit};
use crate::window::{ResetDay, WindowSpec};
use serde_json::{Map, Value, json};

/// The definition as a policy file could state it; `since` and `before` are no part of it.
pub(super) fn write(budget: &Budget) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("id", json!(budget.id));
    put("name", json!(budget.name));
    put("limit", limits(&budget.limits));
    match &budget.window {
        WindowSpec::Calendar(calendar) => {
            put("window", json!(calendar.window().as_str()));
            put("timeZone", json!(calendar.time_zone()));
            match calendar.reset_day() {
                Some(ResetDay::DayOfMonth(day)) => put("resetDay", json!(day)),
                Some(weekday) => put("resetDay", json!(weekday.to_string())),
                None => {}
            }
        }
        WindowSpec::Period(span) => put("period", json!({ "from": span.start, "until": span.end })),
    }
    put("match", json!(budget.matching));
    put("per", json!(budget.per));
    put("mode", json!(budget.mode));
    put("increases", budget.increases.iter().map(increase).collect());
    put("frozen", json!(budget.frozen));
    put("effective", json!(effective(budget.effective)));
    put("shards", json!(budget.shards));
    Value::Object(fields)
}

fn increase(increase: &Increase) -> Value {
    json!({ "limit": limits(&increase.limits), "from": increase.from, "until": increase.until, "reason": increase.reason })
}

fn limits(limits: &[Limit]) -> Value {
    let amount = |limit: &Limit| match limit.unit {
        Unit::Usd => json!(limit.unit.text(limit.amount)),
        _ => json!(limit.amount),
    };
    limits.iter().map(|limit| (limit.unit.word().to_owned(), amount(limit))).collect()
}

fn effective(effective: Effective) -> &'static str {
    match effective {
        Effective::NextWindow => "nextWindow",
        Effective::AtOnce => "atOnce",
    }
}

/// A definition in a few words, for people.
pub(super) fn describe(budget: &Budget) -> String {
    let window = match &budget.window {
        WindowSpec::Calendar(calendar) => {
            let reset = calendar.reset_day().map(|day| format!(" from {day}")).unwrap_or_default();
            format!("{}{reset} in {}", calendar.window(), calendar.time_zone())
        }
        WindowSpec::Period(span) => format!("period {} to {}", span.start, span.end),
    };
    let per = if budget.per.is_empty() { String::new() } else { format!(", per {}", budget.per.join(" and ")) };
    let mode = if budget.mode == Mode::Enforce { "enforced" } else { "shadow" };
    let shards = if budget.shards > 1 { format!(", on {} shards", budget.shards) } else { String::new() };
    let increases = match budget.increases.len() {
        0 => String::new(),
        1 => ", with a temporary increase".to_owned(),
        count => format!(", with {count} temporary increases"),
    };
    format!("{} per {window}{per}, {mode}{shards}{increases}", limits_text(&budget.limits))
}

/// Limits in a few words: `5000.00 usd and 10 requests`.
pub(super) fn limits_text(limits: &[Limit]) -> String {
    let texts: Vec<String> = limits.iter().map(|limit| format!("{} {}", limit.unit.text(limit.amount), limit.unit.word())).collect();
    texts.join(" and ")
}
