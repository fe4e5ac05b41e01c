use cost_sentry_asl::{Jitter, Path, Root, State, Transition};
use serde_json::json;

use crate::stage::{ARN, machine};

#[test]
fn a_parsed_machine_can_be_read() {
    let machine = machine(
        &json!({ "Comment": "c", "Version": "1.0", "QueryLanguage": "JSONPath", "StartAt": "A", "TimeoutSeconds": 300, "States": {
        "A": { "Type": "Task", "Comment": "c", "Resource": ARN, "TimeoutSeconds": 7, "Next": "B",
            "Retry": [{ "ErrorEquals": ["X"], "Comment": "c" }],
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Comment": "c", "Next": "E" }, ] },
        "B": { "Type": "Choice", "Comment": "c", "Choices": [{ "Comment": "c", "Variable": "$.x", "IsPresent": true, "Next": "C" }], "Default": "D" },
        "C": { "Type": "Pass", "Comment": "c", "End": true },
        "D": { "Type": "Succeed", "Comment": "c" },
        "E": { "Type": "Fail", "Comment": "c" },
    } }),
    );
    let copy = machine.clone();
    assert_eq!((machine.start_at(), machine.timeout_seconds()), ("A", Some(300)));
    let seen: Vec<_> = copy.states().map(|(name, state)| (name, state.type_name(), state.successors())).collect();
    assert_eq!(
        seen,
        [
            ("A", "Task", vec!["B", "E"]),
            ("B", "Choice", vec!["C", "D"]),
            ("C", "Pass", vec![]),
            ("D", "Succeed", vec![]),
            ("E", "Fail", vec![])
        ]
    );
    let Some(State::Task(task)) = machine.state("A") else { panic!() };
    assert_eq!((task.resource.as_str(), task.timeout_seconds, &task.transition), (ARN, Some(7), &Transition::Next("B".into())));
    let retrier = &task.retry[0];
    assert_eq!((retrier.interval_seconds, retrier.max_attempts, retrier.max_delay_seconds, retrier.jitter), (1, 3, None, Jitter::None));
    assert!((retrier.backoff_rate - 2.0).abs() < f64::EPSILON);
    assert_eq!(task.catch[0].result_path, Some(Path::parse("$").unwrap()));
    assert_eq!(machine.state("F"), None);
}

#[test]
fn paths_read_back_as_they_were_written() {
    for (text, root, names) in [
        ("$", Root::Input, &[][..]),
        ("$.a_1.B", Root::Input, &["a_1", "B"]),
        ("$$.Execution.Input.x.y", Root::Context, &["Execution", "Input", "x", "y"]),
    ] {
        let path = Path::parse(text).unwrap();
        assert_eq!((path.to_string().as_str(), path.root()), (text, root));
        assert_eq!(path.names(), names);
    }
}
