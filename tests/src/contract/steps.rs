//! One name for each step: the state, its placeholder, the binary and the file are all derived from it.

use super::{Rule, Written};
use cost_sentry::state_machine::local_values;
use cost_sentry_asl::placeholders;
use cost_sentry_workflow::steps::{STEPS, SWEEP, StepName};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

pub const RULES: &[Rule] = &[
    Rule {
        name: "the Task states are the steps, each with its own function",
        violations: other_tasks,
        defects: &[
            ("/States/CheckRateLimit/Resource", "\"${InvokeModelFunctionArn}\""),
            ("/States/InvokeModel/Resource", "\"arn:aws:lambda:us-east-1:123456789012:function:invoke-model\""),
        ],
    },
    Rule {
        name: "every placeholder is a known one, and a whole value",
        violations: odd_placeholders,
        defects: &[
            ("/States/ValidateAndSetContext/Parameters/pinnedTags/costCenter", "\"${PinnedCostCentre}\""),
            ("/States/ValidateAndSetContext/Parameters/pinnedTags/costCenter", "\"team-${PinnedCostCenter}\""),
            ("/Comment", "\"${PinnedEnvironment} and ${PinnedCostCenter}\""),
        ],
    },
];

fn other_tasks(written: &Written) -> Vec<String> {
    let found = written.tasks().map(|(name, _)| (name.to_owned(), written.json["States"][name]["Resource"].as_str().unwrap().to_owned()));
    let expected = STEPS.map(|step| (step.state.to_owned(), format!("${{{}}}", step.placeholder())));
    differences(&expected.into_iter().collect(), &found.collect())
}

fn odd_placeholders(written: &Written) -> Vec<String> {
    let mut problems = Vec::new();
    let known: BTreeSet<String> = local_values().into_keys().collect();
    let found = placeholders(&written.json.to_string());
    problems.extend(found.difference(&known).map(|name| format!("{name} is not known")));
    let mut pending = vec![&written.json];
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) if text.contains("${") => {
                let whole = placeholders(text).into_iter().any(|name| *text == format!("${{{name}}}"));
                problems.extend((!whole).then(|| format!("{text} is not a placeholder alone")));
            }
            Value::Array(items) => pending.extend(items),
            Value::Object(fields) => pending.extend(fields.values()),
            _ => {}
        }
    }
    problems
}

fn differences<T: Ord + std::fmt::Debug>(expected: &BTreeSet<T>, found: &BTreeSet<T>) -> Vec<String> {
    let missing = expected.difference(found).map(|name| format!("{name:?} is missing"));
    missing.chain(found.difference(expected).map(|name| format!("{name:?} is not a step's"))).collect()
}

/// The names of the Rust files in a folder of the workspace, unit tests aside.
fn files(folder: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stems = names.filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned()));
    stems.filter(|stem| !stem.ends_with("_tests")).collect()
}

#[test]
fn the_binaries_and_the_files_of_the_steps_carry_their_names() {
    let sweep = StepName { state: SWEEP, ..STEPS[0] };
    let all = || STEPS.into_iter().chain([sweep]);
    let binaries = all().map(|step| step.binary()).collect();
    assert_eq!(differences(&binaries, &files("crates/functions/src/bin")), Vec::<String>::new());
    let modules = all().map(|step| step.module()).collect();
    assert_eq!(differences(&modules, &files("crates/workflow/src/steps")), Vec::<String>::new());
    // What a missing and a foreign one would look like.
    let foreign = BTreeSet::from(["check-rate-limit".to_owned(), "check-limits".to_owned()]);
    assert_eq!(differences(&binaries, &foreign).len(), binaries.len());
}
