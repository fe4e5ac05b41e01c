//! The ways through: every malfunction is recorded, and every execution ends in one of four ends.

use super::{Rule, Written};
use cost_sentry_asl::{Catcher, FailText, Path, State};
use std::collections::BTreeSet;

/// The ends, with the error's name for those that fail.
const ENDS: [(&str, Option<&str>); 4] = [
    ("InvocationFailed", Some("InvocationFailed")),
    ("InvocationSucceeded", None),
    ("RateLimitDenied", Some("RateLimitDenied")),
    ("RequestRejected", Some("InvalidRequest")),
];
/// Where every execution that held something passes through.
pub(super) const RECORDER: &str = "RecordMetrics";

pub const RULES: &[Rule] = &[
    Rule {
        name: "whatever fails is recorded, and what cannot be recorded is delivered",
        violations: uncaught,
        defects: &[
            ("/States/InvokeModel/Catch", ""),
            ("/States/InvokeModel/Catch/0/ErrorEquals", r#"["States.TaskFailed"]"#),
            ("/States/CheckRateLimit/Catch/0/Next", "\"SetUnrecordedFailure\""),
            ("/States/RecordMetrics/Catch/0/Next", "\"SetUnrecordedFailure\""),
            ("/States/ValidateAndSetContext/Catch/1/ResultPath", "\"$.failure\""),
            ("/States/ValidateAndSetContext/Catch/0/ErrorEquals", r#"["States.Runtime"]"#),
            ("/States/CheckRateLimit/Catch/0/ResultPath", "null"),
            ("/States/RecordMetrics/Catch/0/ResultPath", "\"$.failure\""),
        ],
    },
    Rule {
        name: "every way leads to one of the four ends, and to each leads one",
        violations: other_ends,
        defects: &[
            ("/States/IsApproved/Default", "\"CheckRateLimit\""),
            ("/States/SetUnrecordedFailure/Next", "\"InvocationSucceeded\""),
            ("/States/RateLimitDenied/Error", "\"RateLimited\""),
            ("/States/InvocationFailed", r#"{ "Type": "Succeed" }"#),
            ("/States/InvocationSucceeded", r#"{ "Type": "Pass", "End": true }"#),
        ],
    },
];

fn uncaught(written: &Written) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, task) in written.tasks() {
        let (next, path) = match name {
            RECORDER => (task.transition.next().unwrap_or_default(), None),
            _ if name == written.machine.start_at() => (RECORDER, Some("$")),
            _ => (RECORDER, Some("$.failure")),
        };
        let Some(last) = task.catch.last() else {
            problems.push(format!("{name} catches nothing"));
            continue;
        };
        if last.error_equals != ["States.ALL"] {
            problems.push(format!("{name} does not catch everything at last"));
        }
        let too_large = |catcher: &&Catcher| catcher.error_equals == ["States.DataLimitExceeded"] && catcher.next == "SetTooLarge";
        let is_start = name == written.machine.start_at();
        if is_start && !task.catch.first().is_some_and(|first| too_large(&first)) {
            problems.push(format!("{name} does not catch an input that is too large"));
        }
        for catcher in task.catch.iter().filter(|catcher| !(is_start && too_large(catcher))) {
            if catcher.next != next || catcher.result_path.as_ref().map(Path::to_string).as_deref() != path {
                problems.push(format!("{name} catches to {} with {:?}", catcher.next, catcher.result_path));
            }
        }
    }
    problems
}

fn other_ends(written: &Written) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    walk(written, written.machine.start_at(), &mut Vec::new(), &mut seen, &mut problems);
    problems.extend(ENDS.iter().filter(|(end, _)| !seen.contains(*end)).map(|(end, _)| format!("nothing leads to {end}")));
    problems.extend(unrecorded_ends(written));
    problems
}

/// Follows every way from a state; one that comes back never ends.
fn walk<'w>(written: &'w Written, name: &'w str, way: &mut Vec<&'w str>, seen: &mut BTreeSet<&'w str>, problems: &mut Vec<String>) {
    if way.contains(&name) {
        problems.push(format!("{} leads back to {name}", way.join(", ")));
        return;
    }
    if !seen.insert(name) {
        return;
    }
    let state = written.machine.state(name).unwrap();
    let successors = state.successors();
    if successors.is_empty() && !is_an_end(name, state) {
        problems.push(format!("{name} ends an execution"));
    }
    way.push(name);
    for next in successors {
        walk(written, next, way, seen, problems);
    }
    way.pop();
}

fn is_an_end(name: &str, state: &State) -> bool {
    ENDS.iter().any(|(end, error)| {
        let as_it_says = match state {
            State::Succeed => error.is_none(),
            State::Fail(fail) => fail.error == error.map(|error| FailText::Static(error.to_owned())),
            _ => false,
        };
        *end == name && as_it_says
    })
}

/// An answer is not made up: only what the recorder hands on, or what it got, leads to a success.
fn unrecorded_ends(written: &Written) -> Vec<String> {
    let chosen = written.machine.states().filter(|(_, state)| !matches!(state, State::Choice(_)));
    let straight = chosen.filter(|(_, state)| state.successors().contains(&"InvocationSucceeded"));
    straight.map(|(name, _)| format!("{name} leads straight to a success")).collect()
}
