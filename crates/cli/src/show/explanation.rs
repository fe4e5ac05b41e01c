//! An explanation as people read it.

use super::{outcome, style};
use serde_json::Value;

/// The explanation as text.
pub fn text(explanation: &Value) -> String {
    let answer = outcome::word(&explanation["answer"]);
    let painted = if answer == "APPROVED" { style::good(&answer) } else { style::bad(&answer) };
    let mut text = format!("{} {painted}\n", style::heading("the answer would be"));
    if let Some(why) = explanation["why"].as_str() {
        text += &format!("  {why}\n");
    }
    for problem in explanation["problems"].as_array().into_iter().flatten() {
        text += &format!("  {}: expected {}\n", outcome::word(&problem["pointer"]), outcome::word(&problem["expected"]));
    }
    if explanation["estimate"].is_object() {
        text += &estimate(explanation);
    }
    for warning in explanation["warnings"].as_array().into_iter().flatten() {
        text += &format!("warning:  {}\n", style::odd(&outcome::word(&warning["message"])));
    }
    text += &outcome::rate_limit(explanation);
    for increase in explanation["increases"].as_array().into_iter().flatten() {
        let added = increase["added"].as_array().into_iter().flatten();
        let added: Vec<String> =
            added.map(|limit| format!("{} {}", outcome::word(&limit["amount"]), outcome::word(&limit["unit"]))).collect();
        let (budget, until, reason) = (&increase["budget"], &increase["until"], &increase["reason"]);
        text += &format!(
            "The limit of {} has {} more until {}: {}\n",
            outcome::word(budget),
            added.join(" and "),
            outcome::word(until),
            outcome::word(reason)
        );
    }
    if explanation["countTokensComesFirst"] == true {
        text += "Bedrock counts tokens for this model: the workflow would have the input counted first, and hold what is counted.\n";
    }
    if explanation["countTokensWouldBeTried"] == true {
        text += "Bedrock counts tokens for this model: the workflow would have the input counted and try once more.\n";
    }
    text
}

fn estimate(explanation: &Value) -> String {
    let (estimate, model) = (&explanation["estimate"], &explanation["model"]);
    let rates = &estimate["dearestRates"];
    let mut text = format!(
        "model:    {} → {}, priced as {}\n",
        outcome::word(&model["requested"]),
        outcome::word(&model["modelId"]),
        outcome::word(&model["billedId"])
    );
    let (at_most, bound) = match estimate["inputBound"].as_str() {
        Some("bytes") => ("at most", "its bytes in the longest normal form, and the template"),
        Some("heuristic") => ("about", "an estimate from its characters, which may be too low"),
        _ => ("at most", "counted by Bedrock"),
    };
    text += &format!("input:    {at_most} {} tokens ({bound})\n", estimate["inputTokensAtMost"]);
    text += &format!("output:   at most {} tokens (max_tokens, hidden thinking included)\n", estimate["outputTokensAtMost"]);
    if let Some(tier) = explanation["serviceTier"].as_str() {
        text += &format!("tier:     {tier}\n");
    }
    if let Some(cost) = estimate["costUsdAtMost"].as_str() {
        text += &format!(
            "cost:     at most {cost} USD, at {} per million input and {} per million output tokens\n",
            outcome::word(&rates["inputUsdPerMillion"]),
            outcome::word(&rates["outputUsdPerMillion"])
        );
    }
    text
}
