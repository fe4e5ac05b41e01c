use serde_json::{Value, json};

use crate::stage::{machine, play};

/// Whether the rule holds for the input; `Err` with the cause when it breaks the execution.
fn check(rule: &Value, input: &Value, expected: &Result<bool, &str>) {
    let mut rule = rule.clone();
    rule["Next"] = json!("Yes");
    let machine = machine(&json!({ "StartAt": "Ask", "States": {
        "Ask": { "Type": "Choice", "Choices": [rule], "Default": "No" },
        "Yes": { "Type": "Pass", "Result": true, "End": true },
        "No": { "Type": "Pass", "Result": false, "End": true },
    } }));
    let play = play(&machine, input.clone(), []);
    match expected {
        Ok(held) => assert_eq!(play.output(), &json!(held), "{rule} {input}"),
        Err(path) => {
            let cause = format!(
                "An error occurred while executing the state 'Ask' (entered at the event id #2). \
                 Invalid path '{path}': The choice state's condition path references an invalid value."
            );
            assert_eq!(play.failure(), ("States.Runtime", cause.as_str()), "{rule} {input}");
        }
    }
}

#[test]
fn tests_compare_by_type_and_value() {
    let big = json!(9_007_199_254_740_993_u64);
    for (operator, operand, value, expected) in [
        ("StringEquals", json!("a"), json!("a"), true),
        ("StringEquals", json!("a"), json!("A"), false),
        ("StringEquals", json!("1"), json!(1), false),
        ("NumericEquals", json!(1), json!(1.0), true),
        ("NumericEquals", json!(1), json!(2), false),
        ("NumericEquals", json!(1), json!("1"), false),
        ("NumericEquals", json!(9_007_199_254_740_992_u64), big, false),
        ("BooleanEquals", json!(false), json!(false), true),
        ("BooleanEquals", json!(false), json!(true), false),
        ("BooleanEquals", json!(false), json!(null), false),
        ("IsNull", json!(true), json!(null), true),
        ("IsNull", json!(true), json!(0), false),
        ("IsNull", json!(false), json!(0), true),
        ("IsString", json!(true), json!(""), true),
        ("IsString", json!(false), json!(""), false),
        ("IsString", json!(false), json!({}), true),
        ("IsPresent", json!(true), json!(null), true),
        ("IsPresent", json!(false), json!(null), false),
    ] {
        check(&json!({ "Variable": "$.a", operator: operand }), &json!({ "a": value }), &Ok(expected));
    }
}

#[test]
fn a_path_that_leads_nowhere_breaks_every_test_but_is_present() {
    for operator in [
        json!({ "StringEquals": "" }),
        json!({ "NumericEquals": 0 }),
        json!({ "BooleanEquals": true }),
        json!({ "IsNull": true }),
        json!({ "IsString": true }),
    ] {
        for input in [json!({}), json!({ "a": 1 }), json!({ "a": null }), json!([]), json!(null)] {
            let mut rule = operator.clone();
            rule["Variable"] = json!("$.a.b");
            check(&rule, &input, &Err("$.a.b"));
        }
    }
    check(&json!({ "Variable": "$.a.b", "IsPresent": false }), &json!({ "a": 1 }), &Ok(true));
    check(&json!({ "Variable": "$.a.b", "IsPresent": true }), &json!({}), &Ok(false));
}

#[test]
fn and_or_and_not_nest_and_stop_early() {
    let present = json!({ "Variable": "$.a", "IsPresent": true });
    let one = json!({ "Variable": "$.a", "NumericEquals": 1 });
    for (rule, input, expected) in [
        (json!({ "And": [present, one] }), json!({ "a": 1 }), Ok(true)),
        (json!({ "And": [present, one] }), json!({ "a": 2 }), Ok(false)),
        (json!({ "And": [present, one] }), json!({}), Ok(false)),
        (json!({ "And": [one, present] }), json!({}), Err("$.a")),
        (json!({ "Or": [{ "Not": present }, one] }), json!({}), Ok(true)),
        (json!({ "Or": [{ "Not": present }, one] }), json!({ "a": 1 }), Ok(true)),
        (json!({ "Or": [{ "Not": present }, one] }), json!({ "a": 2 }), Ok(false)),
        (json!({ "Not": { "And": [present, { "Or": [one] }] } }), json!({ "a": 2 }), Ok(true)),
        (json!({ "Not": one }), json!({}), Err("$.a")),
    ] {
        check(&rule, &input, &expected);
    }
}

#[test]
fn variables_can_come_from_the_context_object() {
    check(&json!({ "Variable": "$$.Execution.RedriveCount", "NumericEquals": 2 }), &json!({}), &Ok(true));
    check(&json!({ "Variable": "$$.Execution.Input.a", "IsPresent": true }), &json!({}), &Ok(false));
}

#[test]
fn the_first_rule_that_holds_decides_and_the_input_goes_on() {
    let machine = machine(&json!({ "StartAt": "Ask", "States": {
        "Ask": { "Type": "Choice", "Choices": [
            { "Variable": "$.a", "NumericEquals": 1, "Next": "One" },
            { "Variable": "$.a", "IsPresent": true, "Next": "Any" },
        ] },
        "One": { "Type": "Succeed" },
        "Any": { "Type": "Fail", "Error": "Any" },
    } }));
    assert_eq!(play(&machine, json!({ "a": 1, "b": 2 }), []).output(), &json!({ "a": 1, "b": 2 }));
    assert_eq!(play(&machine, json!({ "a": 2 }), []).failure(), ("Any", ""));
}

#[test]
fn no_match_and_no_default_ends_the_execution() {
    let machine = machine(&json!({ "StartAt": "Ask", "States": {
        "Ask": { "Type": "Choice", "Choices": [{ "Variable": "$.a", "NumericEquals": 1, "Next": "One" }] },
        "One": { "Type": "Succeed" },
    } }));
    let play = play(&machine, json!({ "a": 2 }), []);
    let cause = "An error occurred while executing the state 'Ask' (entered at the event id #2). \
                 Failed to transition out of the state. The state does not point to a next state.";
    assert_eq!(play.failure(), ("States.NoChoiceMatched", cause));
}
