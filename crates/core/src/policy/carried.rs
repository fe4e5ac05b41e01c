//! What a stored policy says beside the reviewed document: which definitions stay in force until their window ends, and when counters
//! started anew. The tool writes it when it applies a policy over another one; nobody writes it by hand.

use super::{budgets, definition};
use crate::budget::{Before, Budget};
use crate::problem::{At, Problems};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The section of stored documents.
pub(super) const SECTION: &str = "changes";

/// Reads the section into the budgets that it is about.
pub(super) fn read(problems: &mut Problems, at: &At<'_>, found: &mut [Budget]) {
    if !problems.object(at, &["since", "before"]) {
        return;
    }
    for (id, field) in at.get("since").and_then(|since| since.fields()).unwrap_or_default() {
        let since = budgets::instant(problems, &At { value: &json!({ "at": field.value }), pointer: field.pointer.clone() }, "at");
        match found.iter_mut().find(|budget| budget.id == id) {
            Some(budget) => budget.since = since,
            None => problems.add(field.pointer, "the id of a budget"),
        }
    }
    for item in at.get("before").and_then(|before| before.items()).unwrap_or_default() {
        let Some((id, before)) = one(problems, &item) else { continue };
        match found.iter_mut().find(|budget| budget.id == id) {
            Some(budget) => budget.before = Some(Box::new(before)),
            None => problems.add(item.pointer, "a definition of a budget that the policy has"),
        }
    }
}

fn one(problems: &mut Problems, at: &At<'_>) -> Option<(String, Before)> {
    if !problems.object(at, &["until", "since", "budget"]) {
        return None;
    }
    let until = budgets::instant(problems, at, "until")?;
    let since = if at.get("since").is_some() { Some(budgets::instant(problems, at, "since")?) } else { None };
    let budget = problems.required(at, "budget", "a budget").and_then(|field| budgets::budget(problems, &field, None))?;
    Some((budget.id.clone(), Before { until, budget: Budget { since, ..budget } }))
}

/// The reviewed document with the section that the budgets need, or as it is where they need none.
pub(super) fn write(reviewed: &Value, budgets: &[Budget]) -> Value {
    let since: Map<String, Value> = budgets.iter().filter_map(|budget| Some((budget.id.clone(), json!(budget.since?)))).collect();
    let before: Vec<Value> = budgets.iter().filter_map(|budget| budget.before.as_deref()).map(stays).collect();
    let mut document = reviewed.clone();
    if let (Value::Object(fields), false) = (&mut document, since.is_empty() && before.is_empty()) {
        fields.insert(SECTION.to_owned(), json!({ "since": since, "before": before }));
    }
    document
}

fn stays(before: &Before) -> Value {
    let mut fields = Map::from_iter([("until".to_owned(), json!(before.until)), ("budget".to_owned(), definition::write(&before.budget))]);
    fields.extend(before.budget.since.map(|since: Timestamp| ("since".to_owned(), json!(since))));
    Value::Object(fields)
}

/// The document as people reviewed it.
pub(super) fn reviewed(stored: &Value) -> Value {
    let mut document = stored.clone();
    if let Value::Object(fields) = &mut document {
        fields.remove(SECTION);
    }
    document
}
