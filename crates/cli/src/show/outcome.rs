//! An outcome document as people read it.

use super::{bar, style};
use serde_json::Value;

/// The document as text.
pub fn text(document: &Value) -> String {
    if document.get("problems").is_some() {
        return rejection(document);
    }
    let mut text = headline(document);
    text += &field("tags", &tags(document));
    if let Some(model) = document.get("model").filter(|model| model.is_object()) {
        text += &field("model", &format!("{} → {}", word(&model["requested"]), word(&model["modelId"])));
    }
    if let Some(response) = document.get("response").filter(|response| response.is_object()) {
        text += &field("answer", word(&response["content"]).as_str());
        text += &field("stopped", &word(&response["stopReason"]));
    }
    if let Some(usage) = document.get("usage").filter(|usage| usage.is_object()) {
        text += &field("usage", &usage_line(usage));
    }
    for warning in document.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        text += &field("warning", &style::odd(&word(&warning["message"])));
    }
    text + &rate_limit(document)
}

fn headline(document: &Value) -> String {
    let outcome = word(&document["outcome"]);
    let painted = if outcome == "INVOCATION_SUCCEEDED" { style::good(&outcome) } else { style::bad(&outcome) };
    let mut text = format!("\n{painted}\n");
    if let Some(error) = document.get("error").filter(|error| error.is_object()) {
        text += &field("error", &format!("{}: {}", word(&error["name"]), word(&error["message"])));
        let spent = error["moneyMayHaveBeenSpent"] == true;
        text += &field("money", if spent { "may have been spent: the hold stays charged" } else { "none was spent" });
    }
    text
}

fn rejection(document: &Value) -> String {
    let mut text = format!("\n{}\n", style::bad("REQUEST_REJECTED"));
    text += &field("error", &format!("{}: {}", word(&document["error"]), word(&document["message"])));
    for problem in document["problems"].as_array().into_iter().flatten() {
        let pointer = word(&problem["pointer"]);
        let pointer = if pointer.is_empty() { "the request" } else { &pointer };
        text += &format!("  {pointer}: expected {}\n", word(&problem["expected"]));
    }
    if document["problemsNotListed"].as_u64().is_some_and(|count| count > 0) {
        text += &format!("  and {} more\n", document["problemsNotListed"]);
    }
    text
}

fn tags(document: &Value) -> String {
    let tags = document.get("tags").and_then(Value::as_object);
    let pairs: Vec<String> = tags.into_iter().flatten().map(|(name, value)| format!("{name}={}", word(value))).collect();
    pairs.join(" ")
}

fn usage_line(usage: &Value) -> String {
    let cache = match (usage["cacheReadInputTokens"].as_u64(), usage["cacheWriteInputTokens"].as_u64()) {
        (Some(0) | None, Some(0) | None) => String::new(),
        (read, write) => format!(", cache {} read {} written", read.unwrap_or(0), write.unwrap_or(0)),
    };
    let cost = usage["costUsd"].as_str().map(|cost| format!(", {cost} USD")).unwrap_or_default();
    format!("{} in, {} out{cache}, {} tokens{cost}", usage["inputTokens"], usage["outputTokens"], usage["totalTokens"])
}

/// The budgets that applied, one bar each.
pub fn rate_limit(document: &Value) -> String {
    let Some(report) = document.get("rateLimit").filter(|report| report.is_object()) else { return String::new() };
    let mut text = format!("{} as of {}   {}\n", style::heading("budgets"), word(&report["snapshotAt"]), bar::LEGEND);
    for budget in report["budgets"].as_array().into_iter().flatten() {
        text += &budget_lines(budget);
    }
    match &report["retryAfterSeconds"] {
        _ if report["retryAfterEstimate"] == "frozen" => text += &field("retry", "when the budget is frozen no more"),
        Value::Null => {}
        Value::String(never) => {
            let fits = match report["largestMaxTokens"].as_u64() {
                Some(most) => format!("the largest max_tokens that fits is {most}"),
                None => "its input alone is too large".to_owned(),
            };
            text += &field("retry", &format!("{never}: {fits}"));
        }
        seconds => {
            let why =
                if report["retryAfterEstimate"] == "inFlightHolds" { "requests in flight may end by then" } else { "the window ends then" };
            text += &field("retry", &format!("after {seconds} s (an estimate: {why})"));
        }
    }
    text
}

fn budget_lines(budget: &Value) -> String {
    let number = |name: &str| number(&budget[name]);
    let charged = budget.get("charged").filter(|charged| !charged.is_null());
    let settled = charged.map(self::number);
    let drawn = bar::bar(
        number("limit"),
        number("used") + settled.unwrap_or(0.0),
        number("held"),
        number("uncertain"),
        if settled.is_some() { 0.0 } else { number("charge") },
    );
    let scope = word(&budget["scope"]);
    let scope = if scope.is_empty() { scope } else { format!(" [{scope}]") };
    let unit = word(&budget["unit"]);
    let outcome = charged.map(|charged| format!(", charged {}", word(charged))).unwrap_or_default();
    let mut text = format!(
        "  {drawn}  {}{scope} {}\n      limit {} {unit}, used {}, held {}, uncertain {}; asked {}{outcome}; resets {}\n",
        word(&budget["name"]),
        mode(budget),
        word(&budget["limit"]),
        word(&budget["used"]),
        word(&budget["held"]),
        word(&budget["uncertain"]),
        word(&budget["charge"]),
        word(&budget["resetsAt"]),
    );
    if let Some(reason) = budget["reason"].as_str() {
        text += &format!("      {}\n", style::bad(reason));
    }
    text
}

fn mode(budget: &Value) -> String {
    match budget["standing"].as_str() {
        Some("refused" | "neverFits") => style::bad("refused"),
        Some("frozen") => style::bad("frozen"),
        Some("wouldRefuse") => style::odd("shadow: would refuse"),
        _ if budget["mode"] == "shadow" => "shadow".to_owned(),
        _ => style::good("fits"),
    }
}

fn field(name: &str, value: &str) -> String {
    format!("{:<9} {value}\n", format!("{name}:"))
}

/// A value without its quotes.
pub fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap_or(0.0),
        other => other.as_f64().unwrap_or(0.0),
    }
}
