use std::fmt::Write as _;

use cost_sentry_asl::StateMachine;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::stage::ARN;

/// The problems of these files, a line each; `fine` for a file without any.
#[expect(clippy::needless_pass_by_value, reason = "a snapshot is written in place")]
fn check<Text: AsRef<str>>(files: impl IntoIterator<Item = Text>, expected: Expect) {
    let mut lines = String::new();
    for text in files {
        match StateMachine::parse(text.as_ref()) {
            Ok(_) => lines.push_str("fine\n"),
            Err(problems) => problems.iter().for_each(|problem| writeln!(lines, "{problem}").unwrap()),
        }
    }
    expected.assert_eq(&lines);
}

/// The problems of a state `S` beside a state `T` to which it can lead.
fn check_states(states: impl IntoIterator<Item = Value>, expected: Expect) {
    let file = |state: Value| json!({ "StartAt": "S", "States": { "S": state, "T": { "Type": "Succeed" } } }).to_string();
    check(states.into_iter().map(file), expected);
}

fn task(fields: &Value) -> Value {
    let mut state = json!({ "Type": "Task", "Resource": ARN, "Next": "T" });
    for (key, value) in fields.as_object().unwrap() {
        state[key] = value.clone();
    }
    state
}

#[test]
fn text_that_is_no_json_is_one_problem() {
    check(
        ["", "{\"StartAt\":\n  nope}", "{} {}", "[]"],
        expect![[r#"
        (file): this is not JSON: EOF while parsing a value at line 1 column 0
        (file): this is not JSON: expected ident at line 2 column 4
        (file): this is not JSON: trailing characters at line 1 column 4
        (file): a state machine must be an object, not an array
    "#]],
    );
}

#[test]
fn keys_that_occur_twice_are_found_at_any_depth() {
    let nested =
        r#"{ "StartAt": "S", "StartAt": "S", "States": { "S": { "Type": "Pass", "Result": [{ "a/b~": 1, "a/b~": 2 }], "End": true } } }"#;
    let states = r#"{ "StartAt": "S", "States": { "S": { "Type": "Succeed" }, "S": { "Type": "Succeed" } } }"#;
    check(
        [nested, states],
        expect![[r#"
        /StartAt: this key occurs twice in its object: keep one
        /States/S/Result/0/a~1b~0: this key occurs twice in its object: keep one
        /States/S: this key occurs twice in its object: keep one
    "#]],
    );
}

#[test]
fn the_top_level_is_checked() {
    let wrong = json!({
        "Comment": 1, "StartAt": 2, "States": [], "TimeoutSeconds": 0, "QueryLanguage": "JSONata", "Version": 1.0, "Startat": "S", "Foo": 1,
    });
    let long = "n".repeat(81);
    let named = json!({ "StartAt": long, "States": { &long: { "Type": "Succeed" } } });
    check(
        ["{}".to_owned(), r#"{ "StartAt": "S", "States": {} }"#.to_owned(), wrong.to_string(), named.to_string()],
        expect![[r#"
        (file): `StartAt` is missing
        (file): `States` is missing
        /States: `States` is empty: a state machine has at least one state
        /Comment: `Comment` must be a string, not this number
        /Foo: unknown field `Foo` in a state machine, which has Comment, QueryLanguage, StartAt, States, TimeoutSeconds, Version
        /QueryLanguage: `QueryLanguage` must be "JSONPath", not this string
        /StartAt: `StartAt` must be a string, not this number
        /Startat: unknown field `Startat` in a state machine: did you mean `StartAt`?
        /States: `States` must be an object of states by name
        /TimeoutSeconds: `TimeoutSeconds` must be an integer from 1 to 99999999, not this number
        /Version: `Version` must be "1.0", not this number
        /States/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: a state's name has 1 to 80 characters
    "#]],
    );
}

#[test]
fn placeholders_must_be_gone() {
    let fail = json!({ "Type": "Fail", "Error": "${Name}", "Cause": "a ${B} ${", "Comment": "$${C}" });
    check_states(
        [fail, task(&json!({ "Parameters": { "${Key}": ["x", "${Item}"] } }))],
        expect![[r#"
        /States/S/Cause: the placeholder `${B}` has no value: substitute it first
        /States/S/Comment: the placeholder `${C}` has no value: substitute it first
        /States/S/Error: the placeholder `${Name}` has no value: substitute it first
        /States/T: no path from `StartAt` leads to this state
        /States/S/Parameters/${Key}: the placeholder `${Key}` has no value: substitute it first
        /States/S/Parameters/${Key}/1: the placeholder `${Item}` has no value: substitute it first
    "#]],
    );
}

#[test]
fn types_are_those_that_the_runner_models() {
    check_states(
        [
            json!(1),
            json!({}),
            json!({ "Type": 1 }),
            json!({ "Type": "Wait", "Seconds": 1 }),
            json!({ "Type": "task" }),
            json!({ "Type": "X" }),
        ],
        expect![[r#"
            /States/S: a state must be an object
            /States/S: `Type` is missing
            /States/S/Type: `Type` must be a string
            /States/S/Type: the type Wait is not modelled by this runner, which knows Choice, Fail, Pass, Succeed, Task
            /States/S/Type: unknown type `task`: did you mean `Task`?
            /States/S/Type: unknown type `X`: this runner knows Choice, Fail, Pass, Succeed, Task
        "#]],
    );
}

#[test]
fn fields_that_are_not_modelled_are_told_from_unknown_ones() {
    let fields = json!({
        "InputPath": "$", "ResultPath": "$.x", "ResultSelector": {}, "HeartbeatSeconds": 1, "Assign": {}, "Credentials": {},
        "TimeoutSecond": 1, "Timeout": 1, "parameters": {}, "Foo": 1,
    });
    let choice = json!({ "Type": "Choice", "Choices": [{ "Variable": "$.a", "StringEqualsPath": "$.b", "Next": "T" }], "End": true });
    check_states(
        [task(&fields), json!({ "Type": "Pass", "Parameters": {}, "Next": "T" }), choice],
        expect![[r#"
        /States/S/Assign: `Assign` in a Task state is not modelled by this runner, which knows Type, Comment, Resource, Parameters, TimeoutSeconds, Retry, Catch, Next, End
        /States/S/Credentials: `Credentials` in a Task state is not modelled by this runner, which knows Type, Comment, Resource, Parameters, TimeoutSeconds, Retry, Catch, Next, End
        /States/S/Foo: unknown field `Foo` in a Task state, which has Type, Comment, Resource, Parameters, TimeoutSeconds, Retry, Catch, Next, End
        /States/S/HeartbeatSeconds: `HeartbeatSeconds` in a Task state is not modelled by this runner, which knows Type, Comment, Resource, Parameters, TimeoutSeconds, Retry, Catch, Next, End
        /States/S/InputPath: `InputPath` in a Task state is not modelled by this runner, which knows Type, Comment, Resource, Parameters, TimeoutSeconds, Retry, Catch, Next, End
        /States/S/ResultPath: `ResultPath` in a Task state is not modelled by this runner, which knows Type, Comment, Resource, Parameters, TimeoutSeconds, Retry, Catch, Next, End
        /States/S/ResultSelector: `ResultSelector` in a Task state is not modelled by this runner, which knows Type, Comment, Resource, Parameters, TimeoutSeconds, Retry, Catch, Next, End
        /States/S/Timeout: unknown field `Timeout` in a Task state, which has Type, Comment, Resource, Parameters, TimeoutSeconds, Retry, Catch, Next, End
        /States/S/TimeoutSecond: unknown field `TimeoutSecond` in a Task state: did you mean `TimeoutSeconds`?
        /States/S/parameters: unknown field `parameters` in a Task state: did you mean `Parameters`?
        /States/S/Parameters: `Parameters` in a Pass state is not modelled by this runner, which knows Type, Comment, Result, Next, End
        /States/S/Choices/0/StringEqualsPath: `StringEqualsPath` in a rule is not modelled by this runner, which knows Next, Comment, Variable, And, Or, Not, StringEquals, NumericEquals, BooleanEquals, IsPresent, IsNull, IsString
        /States/S/End: `End` in a Choice state is not modelled by this runner, which knows Type, Comment, Choices, Default
    "#]],
    );
}

#[test]
fn a_resource_is_a_functions_arn() {
    let wrong = ["arn:aws:states:::lambda:invoke", "work", "arn:aws:lambda:us-east-1:1:function:"];
    let wrong = wrong.map(|resource| task(&json!({ "Resource": resource })));
    let others =
        [task(&json!({ "Resource": null })), json!({ "Type": "Task", "Next": "T" }), task(&json!({ "Resource": format!("{ARN}:live") }))];
    check_states(
        wrong.into_iter().chain(others),
        expect![[r#"
        /States/S/Resource: `Resource` must be a Lambda function's ARN: this runner models no service integrations or activities
        /States/S/Resource: `Resource` must be a Lambda function's ARN: this runner models no service integrations or activities
        /States/S/Resource: `Resource` must be a Lambda function's ARN: this runner models no service integrations or activities
        /States/S/Resource: `Resource` must be a string, not null
        /States/S: `Resource` is missing
        fine
    "#]],
    );
}

#[test]
fn time_outs_are_whole_seconds_from_one_up() {
    let seconds = [json!(0), json!(-1), json!(1.5), json!("1"), json!(null), json!(100_000_000), json!(99_999_999)];
    check_states(
        seconds.map(|seconds| task(&json!({ "TimeoutSeconds": seconds }))),
        expect![[r#"
        /States/S/TimeoutSeconds: `TimeoutSeconds` must be an integer from 1 to 99999999, not this number
        /States/S/TimeoutSeconds: `TimeoutSeconds` must be an integer from 1 to 99999999, not this number
        /States/S/TimeoutSeconds: `TimeoutSeconds` must be an integer from 1 to 99999999, not this number
        /States/S/TimeoutSeconds: `TimeoutSeconds` must be an integer from 1 to 99999999, not this string
        /States/S/TimeoutSeconds: `TimeoutSeconds` must be an integer from 1 to 99999999, not null
        /States/S/TimeoutSeconds: `TimeoutSeconds` must be an integer from 1 to 99999999, not this number
        fine
    "#]],
    );
}

#[test]
fn templates_take_reference_paths_only() {
    let parameters = json!({
        "a.$": "a", "b.$": "$.", "c.$": "$.x[0]", "d.$": "$..x", "e.$": "$x", "f.$": "$.a b", "g.$": 1, "h.$": "States.Format('{}', $.x)",
        "i.$": "$$.Task.Token", "j.$": "$$", "k.$": "$['x']", "l": { "m": [{ "n.$": "$.x." }] }, "o": 1, "o.$": "$.o", "p.$": "$.*",
    });
    check_states(
        [task(&json!({ "Parameters": parameters })), task(&json!({ "Parameters": ["x"] }))],
        expect![[r#"
        /States/S/Parameters/a.$: `a` is not a reference path: it starts with `$` (the input) or `$$` (the context object)
        /States/S/Parameters/b.$: `$.` is not a reference path that this runner models: names of letters, digits and `_`, each after a dot, as in `$.a.b`
        /States/S/Parameters/c.$: `$.x[0]` is not a reference path that this runner models: names of letters, digits and `_`, each after a dot, as in `$.a.b`
        /States/S/Parameters/d.$: `$..x` is not a reference path that this runner models: names of letters, digits and `_`, each after a dot, as in `$.a.b`
        /States/S/Parameters/e.$: `$x` is not a reference path that this runner models: names of letters, digits and `_`, each after a dot, as in `$.a.b`
        /States/S/Parameters/f.$: `$.a b` is not a reference path that this runner models: names of letters, digits and `_`, each after a dot, as in `$.a.b`
        /States/S/Parameters/g.$: `g.$` ends in `.$`, so its value must be a reference path, not this number
        /States/S/Parameters/h.$: the intrinsic function `States.Format` is not modelled by this runner: compute it in a task
        /States/S/Parameters/i.$: `$$.Task.Token` is not modelled by this runner: of the context object it fills Execution.Id, Execution.Input, Execution.Name, Execution.RedriveCount, Execution.RoleArn, Execution.StartTime, State.EnteredTime, State.Name, State.RetryCount, StateMachine.Id, StateMachine.Name
        /States/S/Parameters/j.$: `$$` is not modelled by this runner: of the context object it fills Execution.Id, Execution.Input, Execution.Name, Execution.RedriveCount, Execution.RoleArn, Execution.StartTime, State.EnteredTime, State.Name, State.RetryCount, StateMachine.Id, StateMachine.Name
        /States/S/Parameters/k.$: `$['x']` is not a reference path that this runner models: names of letters, digits and `_`, each after a dot, as in `$.a.b`
        /States/S/Parameters/l/m/0/n.$: `$.x.` is not a reference path that this runner models: names of letters, digits and `_`, each after a dot, as in `$.a.b`
        /States/S/Parameters/o.$: `o` and `o.$` set the same field: keep one
        /States/S/Parameters/p.$: `$.*` is not a reference path that this runner models: names of letters, digits and `_`, each after a dot, as in `$.a.b`
        /States/S/Parameters: `Parameters` must be an object, not an array
    "#]],
    );
}

#[test]
fn retriers_are_checked() {
    let retriers = json!([
        {}, { "ErrorEquals": [] }, { "ErrorEquals": "A" }, { "ErrorEquals": ["", 1] }, { "ErrorEquals": ["States.ALL"] }, 1,
        { "ErrorEquals": ["A"], "IntervalSeconds": 0, "BackoffRate": 0.9, "MaxAttempts": -1, "MaxDelaySeconds": 0, "JitterStrategy": "SOME" },
        { "ErrorEquals": ["A"], "IntervalSecond": 1 },
        { "ErrorEquals": ["A", "States.ALL"] },
    ]);
    check_states(
        [retriers, json!([]), json!({})].map(|retry| task(&json!({ "Retry": retry }))),
        expect![[r#"
        /States/S/Retry/0: `ErrorEquals` is missing
        /States/S/Retry/1/ErrorEquals: `ErrorEquals` must not be empty
        /States/S/Retry/2/ErrorEquals: `ErrorEquals` must be an array, not this string
        /States/S/Retry/3/ErrorEquals/0: an error name must be a string, and not an empty one
        /States/S/Retry/3/ErrorEquals/1: an error name must be a string, and not an empty one
        /States/S/Retry/4/ErrorEquals/0: `States.ALL` must be in the last of its list: what follows is never reached
        /States/S/Retry/5: a retrier must be an object, not this number
        /States/S/Retry/6/BackoffRate: `BackoffRate` must be a number of at least 1, not this number
        /States/S/Retry/6/IntervalSeconds: `IntervalSeconds` must be an integer from 1 to 99999999, not this number
        /States/S/Retry/6/JitterStrategy: `JitterStrategy` must be "FULL" or "NONE"
        /States/S/Retry/6/MaxAttempts: `MaxAttempts` must be an integer from 0 to 99999999, not this number
        /States/S/Retry/6/MaxDelaySeconds: `MaxDelaySeconds` must be an integer from 1 to 31622399, not this number
        /States/S/Retry/7/IntervalSecond: unknown field `IntervalSecond` in a retrier: did you mean `IntervalSeconds`?
        /States/S/Retry/8/ErrorEquals/1: `States.ALL` must stand alone
        /States/S/Retry: `Retry` must not be empty
        /States/S/Retry: `Retry` must be an array, not an object
    "#]],
    );
}

#[test]
fn catchers_are_checked() {
    let catchers = json!([
        { "ErrorEquals": ["States.ALL"], "Next": "T" }, { "Next": "U" }, { "ErrorEquals": ["A"] },
        { "ErrorEquals": ["A"], "Next": "T", "ResultPath": "x" }, { "ErrorEquals": ["A"], "Next": "T", "ResultPath": "$$.State.Name" },
        { "ErrorEquals": ["A"], "Next": 1, "ResultPath": 1 }, { "ErrorEquals": ["A"], "Next": "T", "MaxAttempts": 1 },
    ]);
    check_states(
        [task(&json!({ "Catch": catchers }))],
        expect![[r#"
        /States/S/Catch/0/ErrorEquals/0: `States.ALL` must be in the last of its list: what follows is never reached
        /States/S/Catch/1: `ErrorEquals` is missing
        /States/S/Catch/1/Next: there is no state `U`
        /States/S/Catch/2: `Next` is missing
        /States/S/Catch/3/ResultPath: `x` is not a reference path: it starts with `$` (the input) or `$$` (the context object)
        /States/S/Catch/4/ResultPath: `ResultPath` must start with `$`, not with `$$`
        /States/S/Catch/5/Next: `Next` must be a string, not this number
        /States/S/Catch/5/ResultPath: `ResultPath` must be a string, not this number
        /States/S/Catch/6/MaxAttempts: `MaxAttempts` in a catcher is not modelled by this runner, which knows ErrorEquals, Comment, ResultPath, Next
    "#]],
    );
}

#[test]
fn rules_are_checked() {
    let choices = json!([
        { "Variable": "$.a", "Next": "T" },
        { "Variable": "$.a", "IsNull": true, "IsString": true, "Next": "T" },
        { "IsNull": true, "Next": "T" },
        { "Variable": "a", "IsNull": 1, "Next": "T" },
        { "Variable": "$.a", "StringEquals": 1, "Next": "T" },
        { "Variable": "$.a", "NumericEquals": "1", "Next": "T" },
        { "Variable": "$.a", "BooleanEquals": "true" },
        { "And": [], "Next": "T" },
        { "Or": [{ "Variable": "$.a", "IsNull": true, "Next": "T" }], "Next": "T" },
        { "Not": [], "Next": "T" },
        { "Variable": "$.a", "Not": { "Variable": "$.a", "StringMatches": "*" }, "Next": "T" },
        { "Variable": "$.a", "StringEqual": "x", "Next": "T" },
        7,
    ]);
    check_states(
        [json!({ "Type": "Choice" }), json!({ "Type": "Choice", "Default": 1, "Choices": choices })],
        expect![[r#"
        /States/S: `Choices` is missing
        /States/S/Choices/0: a rule has exactly one of And, Or, Not, StringEquals, NumericEquals, BooleanEquals, IsPresent, IsNull, IsString; here: none
        /States/S/Choices/1: a rule has exactly one of And, Or, Not, StringEquals, NumericEquals, BooleanEquals, IsPresent, IsNull, IsString; here: IsNull, IsString
        /States/S/Choices/10/Not/StringMatches: `StringMatches` in a nested rule is not modelled by this runner, which knows Comment, Variable, And, Or, Not, StringEquals, NumericEquals, BooleanEquals, IsPresent, IsNull, IsString
        /States/S/Choices/10/Variable: `Variable` does not go with `Not`
        /States/S/Choices/11/StringEqual: unknown field `StringEqual` in a rule: did you mean `StringEquals`?
        /States/S/Choices/12: a rule must be an object, not this number
        /States/S/Choices/2: `Variable` is missing
        /States/S/Choices/3/IsNull: `IsNull` must be true or false, not this number
        /States/S/Choices/3/Variable: `a` is not a reference path: it starts with `$` (the input) or `$$` (the context object)
        /States/S/Choices/4/StringEquals: `StringEquals` must be a string, not this number
        /States/S/Choices/5/NumericEquals: `NumericEquals` must be a number
        /States/S/Choices/6: `Next` is missing
        /States/S/Choices/6/BooleanEquals: `BooleanEquals` must be true or false, not this string
        /States/S/Choices/7/And: `And` must not be empty
        /States/S/Choices/8/Or/0/Next: `Next` in a nested rule is not modelled by this runner, which knows Comment, Variable, And, Or, Not, StringEquals, NumericEquals, BooleanEquals, IsPresent, IsNull, IsString
        /States/S/Choices/9/Not: a nested rule must be an object, not an array
        /States/S/Default: `Default` must be a string, not this number
    "#]],
    );
}

#[test]
fn fail_states_are_checked() {
    let fail = json!({ "Type": "Fail", "Error": "a", "ErrorPath": "$.a", "Cause": 1, "CausePath": "$$.State.Name", "Next": "T" });
    check_states(
        [fail],
        expect![[r#"
        /States/S/Cause: `Cause` must be a string, not this number
        /States/S/CausePath: `CausePath` must start with `$`, not with `$$`
        /States/S/CausePath: a Fail state has `Cause` or `CausePath`, not both
        /States/S/ErrorPath: a Fail state has `Error` or `ErrorPath`, not both
        /States/S/Next: `Next` in a Fail state is not modelled by this runner, which knows Type, Comment, Error, ErrorPath, Cause, CausePath
        /States/T: no path from `StartAt` leads to this state
    "#]],
    );
}

#[test]
fn a_state_goes_on_or_ends() {
    check_states(
        [
            json!({ "Type": "Pass" }),
            json!({ "Type": "Pass", "Next": "T", "End": true }),
            json!({ "Type": "Pass", "End": false }),
            json!({ "Type": "Pass", "End": "true" }),
            json!({ "Type": "Pass", "Next": 1 }),
        ],
        expect![[r#"
            /States/S: a state needs `Next` or `"End": true`
            /States/S: a state has `Next` or `End`, not both
            /States/S/End: `End` must be true: a state that does not end has `Next`
            /States/S/End: `End` must be true or false, not this string
            /States/S/Next: `Next` must be a string, not this number
        "#]],
    );
}

#[test]
fn targets_exist_and_everything_is_reached_and_ends() {
    let misspelt = json!({ "StartAt": "Frist", "States": {
        "First": { "Type": "Choice", "Choices": [{ "Variable": "$.a", "IsNull": true, "Next": "Nowhere" }], "Default": "Secnod" },
        "Second": { "Type": "Task", "Resource": ARN, "Next": "first", "Catch": [{ "ErrorEquals": ["A"], "Next": "Thrid" }] },
        "Third": { "Type": "Succeed" },
    } });
    check(
        [misspelt.to_string()],
        expect![[r#"
        /StartAt: there is no state `Frist`: did you mean `First`?
        /States/First/Choices/0/Next: there is no state `Nowhere`
        /States/First/Default: there is no state `Secnod`: did you mean `Second`?
        /States/Second/Catch/0/Next: there is no state `Thrid`: did you mean `Third`?
        /States/Second/Next: there is no state `first`: did you mean `First`?
    "#]],
    );
    let islands = json!({ "StartAt": "A", "States": {
        "A": { "Type": "Choice", "Choices": [{ "Variable": "$.a", "IsNull": true, "Next": "Loop" }], "Default": "End" },
        "Loop": { "Type": "Pass", "Next": "Pool" },
        "Pool": { "Type": "Pass", "Next": "Loop" },
        "End": { "Type": "Succeed" },
        "Island": { "Type": "Pass", "Next": "Rock" },
        "Rock": { "Type": "Pass", "Next": "Island" },
    } });
    check(
        [islands.to_string()],
        expect![[r#"
        /States/Island: no path from `StartAt` leads to this state
        /States/Loop: no path from this state ends: none reaches an `End`, a Succeed or a Fail
        /States/Pool: no path from this state ends: none reaches an `End`, a Succeed or a Fail
        /States/Rock: no path from `StartAt` leads to this state
    "#]],
    );
}
