//! The contract between the state machine and the steps: what each side takes for granted about the other.
//!
//! Each rule is a function that gives its violations. The shipped file has none; and for each rule a defect is planted into that file
//! which this rule reports, and no other.

mod crates;
mod ends;
mod errors;
mod payloads;
mod steps;
mod times;

pub use errors::{AWS_ERRORS, thrown_by};

use cost_sentry::state_machine::{FILE, function_arn, local_values};
use cost_sentry_asl::{State, StateMachine, Task, placeholders, substitute};
use serde_json::Value;

/// A state machine, as it is written and as it is read.
pub struct Written {
    pub json: Value,
    pub machine: StateMachine,
}

impl Written {
    fn shipped() -> Self {
        Self::parse(serde_json::from_str(FILE).unwrap())
    }

    /// Fills in any placeholder: whether it is one of ours is a rule of its own.
    fn parse(json: Value) -> Self {
        let (text, known) = (json.to_string(), local_values());
        let value = |name: &String| known.get(name).cloned().unwrap_or_else(|| function_arn("unknown"));
        let values = placeholders(&text).into_iter().map(|name| (name.clone(), value(&name))).collect();
        let machine = StateMachine::parse(&substitute(&text, &values).unwrap()).unwrap_or_else(|problems| panic!("{problems:?}"));
        Self { json, machine }
    }

    /// The Task states.
    pub fn tasks(&self) -> impl Iterator<Item = (&str, &Task)> {
        self.machine.states().filter_map(|(name, state)| match state {
            State::Task(task) => Some((name, task)),
            _ => None,
        })
    }
}

/// A rule: its name, what it finds, and a defect that only it finds.
struct Rule {
    name: &'static str,
    violations: fn(&Written) -> Vec<String>,
    /// Each: a JSON pointer into the shipped file, and what is put there instead, as JSON.
    defects: &'static [(&'static str, &'static str)],
}

fn rules() -> Vec<&'static Rule> {
    [steps::RULES, errors::RULES, ends::RULES, payloads::RULES, times::RULES].into_iter().flatten().collect()
}

/// Replaces the value at a pointer, or adds it where the last name is new; `-` appends to an array; no defect takes the field out.
fn plant(json: &mut Value, pointer: &str, defect: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    if defect.is_empty() {
        json.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        return;
    }
    let defect = serde_json::from_str(defect).unwrap();
    match json.pointer_mut(parent).unwrap_or_else(|| panic!("{parent} is not there")) {
        Value::Array(items) if name == "-" => items.push(defect),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = defect,
        Value::Object(fields) => drop(fields.insert(name.to_owned(), defect)),
        _ => panic!("{parent} holds nothing"),
    }
}

#[test]
fn the_shipped_state_machine_keeps_every_rule() {
    let shipped = Written::shipped();
    for rule in rules() {
        assert_eq!((rule.violations)(&shipped), Vec::<String>::new(), "{}", rule.name);
    }
}

#[test]
fn each_planted_defect_is_reported_by_its_rule_and_no_other() {
    for rule in rules() {
        assert!(!rule.defects.is_empty(), "no defect shows that the rule `{}` can fail", rule.name);
        for (pointer, defect) in rule.defects {
            let mut json: Value = serde_json::from_str(FILE).unwrap();
            plant(&mut json, pointer, defect);
            let defective = Written::parse(json);
            let reporting = rules().into_iter().filter(|other| !(other.violations)(&defective).is_empty());
            let reporting: Vec<&str> = reporting.map(|other| other.name).collect();
            assert_eq!(reporting, [rule.name], "{defect} at {pointer}");
        }
    }
}
