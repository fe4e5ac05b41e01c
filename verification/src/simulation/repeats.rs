//! A step repeated gives the same answer.

use super::world::World;
use serde_json::Value;

/// Holds a step's answer to the one that it gave first.
pub fn compare(world: &World, execution: usize, step: &'static str, answer: &Value) {
    let Some(essence) = essence(step, answer) else { return };
    let mut facts = world.facts();
    let Some(seen) = facts.executions.get_mut(execution) else { return };
    let first = seen.answers.entry(step).or_insert_with(|| essence.clone()).clone();
    drop(facts);
    if first != essence {
        world.violated(Some(execution), format!("{step} answered {first}, and then {essence}"));
    }
}

/// What of an answer must not change; nothing where there was no decision.
fn essence(step: &str, answer: &Value) -> Option<String> {
    let text = |field: &str| answer.get(field).map(ToString::to_string);
    match step {
        "ValidateAndSetContext" => text("request").or_else(|| text("cause")),
        "CheckRateLimit" => match answer.get("decision")?.as_str()? {
            "APPROVED" => Some("APPROVED".to_owned()),
            "DENIED" => text("cause"),
            _ => None,
        },
        _ => None,
    }
}
