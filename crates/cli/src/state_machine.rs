//! The state machine's one file: read, its placeholders filled, checked.

use cost_sentry_asl::{Problem, StateMachine, substitute};
use cost_sentry_workflow::steps::STEPS;
use std::collections::BTreeMap;

/// The file that ships, and is deployed.
pub const FILE: &str = include_str!("../../../statemachine/cost-sentry.asl.json");
/// The placeholders for tags that a deployment pins.
pub const PINNED: [&str; 3] = ["PinnedApplicationId", "PinnedCostCenter", "PinnedEnvironment"];

/// The state machine with local functions and no pinned tags.
pub fn local() -> Result<StateMachine, Vec<Problem>> {
    parse(FILE, &local_values())
}

/// The text of that state machine, its placeholders filled.
pub fn local_text() -> String {
    substitute(FILE, &local_values()).unwrap_or_default()
}

/// The state machine of a text.
pub fn parse(text: &str, values: &BTreeMap<String, String>) -> Result<StateMachine, Vec<Problem>> {
    let filled = substitute(text, values).map_err(|error| vec![Problem { pointer: String::new(), message: error.to_string() }])?;
    StateMachine::parse(&filled)
}

/// A value for each placeholder: the local functions' ARNs, and no pinned tags.
pub fn local_values() -> BTreeMap<String, String> {
    let functions = STEPS.iter().map(|step| (step.placeholder(), function_arn(&step.binary())));
    functions.chain(PINNED.iter().map(|name| ((*name).to_owned(), String::new()))).collect()
}

/// The ARN by which the local state machine calls a function.
pub fn function_arn(binary: &str) -> String {
    format!("arn:aws:lambda:us-east-1:000000000000:function:{binary}")
}
