//! Choice states and their rules.

use serde_json::Value;

use super::fields::Fields;
use super::reader::Reader;
use crate::machine::{Choice, Condition, Rule, Test};
use crate::path::Path;

const COMBINERS: [&str; 3] = ["And", "Or", "Not"];
const TESTS: [&str; 6] = ["StringEquals", "NumericEquals", "BooleanEquals", "IsPresent", "IsNull", "IsString"];

pub(super) fn read(value: &Value, pointer: &str, reader: &mut Reader) -> Option<Choice> {
    let fields = Fields::open(value, pointer, "a Choice state", &["Type", "Comment", "Choices", "Default"], reader)?;
    fields.string("Comment", reader);
    fields.required("Choices", reader);
    let rules: Vec<Rule> = fields.list("Choices", reader).into_iter().filter_map(|(pointer, item)| rule(item, &pointer, reader)).collect();
    let default = fields.get("Default").and_then(|_| fields.target("Default", reader));
    if rules.is_empty() {
        // Nothing was read that could lead on: its problems are reported already.
        reader.opaque = true;
    }
    Some(Choice { rules, default })
}

/// A rule at the top level of a Choice state: a condition with a `Next`.
fn rule(value: &Value, pointer: &str, reader: &mut Reader) -> Option<Rule> {
    let known: Vec<&str> = ["Next", "Comment", "Variable"].into_iter().chain(COMBINERS).chain(TESTS).collect();
    let Some(fields) = Fields::open(value, pointer, "a rule", &known, reader) else {
        reader.opaque = true;
        return None;
    };
    fields.required("Next", reader);
    let next = fields.target("Next", reader);
    let condition = condition(&fields, reader);
    Some(Rule { condition: condition?, next: next? })
}

/// A rule inside `And`, `Or` or `Not`: a condition alone.
fn nested(value: &Value, pointer: &str, reader: &mut Reader) -> Option<Condition> {
    let known: Vec<&str> = ["Comment", "Variable"].into_iter().chain(COMBINERS).chain(TESTS).collect();
    let fields = Fields::open(value, pointer, "a nested rule", &known, reader)?;
    condition(&fields, reader)
}

fn condition(fields: &Fields<'_>, reader: &mut Reader) -> Option<Condition> {
    fields.string("Comment", reader);
    let operators: Vec<&str> = COMBINERS.into_iter().chain(TESTS).filter(|key| fields.get(key).is_some()).collect();
    let [operator] = operators.as_slice() else {
        if operators.is_empty() && fields.has_strangers() {
            // Most likely the operator: it is reported already.
            return None;
        }
        let found = if operators.is_empty() { "none".to_owned() } else { operators.join(", ") };
        let all = COMBINERS.into_iter().chain(TESTS).collect::<Vec<_>>().join(", ");
        reader.report(fields.pointer(), format!("a rule has exactly one of {all}; here: {found}"));
        return None;
    };
    if COMBINERS.contains(operator) && fields.get("Variable").is_some() {
        reader.report(fields.at("Variable"), format!("`Variable` does not go with `{operator}`"));
    }
    match *operator {
        "And" => Some(Condition::And(conditions(fields, "And", reader))),
        "Or" => Some(Condition::Or(conditions(fields, "Or", reader))),
        "Not" => {
            let inner = nested(fields.get("Not")?, &fields.at("Not"), reader);
            Some(Condition::Not(Box::new(inner?)))
        }
        operator => {
            let variable = variable(fields, reader);
            let test = test(fields, operator, reader);
            Some(Condition::Is(variable?, test?))
        }
    }
}

fn conditions(fields: &Fields<'_>, key: &str, reader: &mut Reader) -> Vec<Condition> {
    fields.list(key, reader).into_iter().filter_map(|(pointer, item)| nested(item, &pointer, reader)).collect()
}

fn variable(fields: &Fields<'_>, reader: &mut Reader) -> Option<Path> {
    let text = fields.required_string("Variable", reader)?;
    Path::parse(text).map_err(|error| reader.report(fields.at("Variable"), error.to_string())).ok()
}

fn test(fields: &Fields<'_>, operator: &str, reader: &mut Reader) -> Option<Test> {
    match operator {
        "StringEquals" => fields.string(operator, reader).map(|text| Test::StringEquals(text.to_owned())),
        "NumericEquals" => {
            let number = fields.get(operator).and_then(Value::as_number);
            if number.is_none() {
                reader.report(fields.at(operator), "`NumericEquals` must be a number");
            }
            number.cloned().map(Test::NumericEquals)
        }
        "BooleanEquals" => fields.boolean(operator, reader).map(Test::BooleanEquals),
        "IsPresent" => fields.boolean(operator, reader).map(Test::IsPresent),
        "IsNull" => fields.boolean(operator, reader).map(Test::IsNull),
        _ => fields.boolean(operator, reader).map(Test::IsString),
    }
}
