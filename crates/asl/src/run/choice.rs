//! Which way a Choice state takes.

use serde_json::{Number, Value};

use super::error_names::{NO_CHOICE_MATCHED, RUNTIME};
use super::visit::Visit;
use crate::machine::{Choice, Condition, Test};
use crate::path::Path;
use crate::ports::TaskError;

/// The next state's name.
pub(super) fn decide<'m>(choice: &'m Choice, input: &Value, visit: &Visit<'_>) -> Result<&'m str, TaskError> {
    for rule in &choice.rules {
        if holds(&rule.condition, input, visit)? {
            return Ok(&rule.next);
        }
    }
    choice
        .default
        .as_deref()
        .ok_or_else(|| visit.error(NO_CHOICE_MATCHED, "Failed to transition out of the state. The state does not point to a next state."))
}

/// `And` and `Or` stop as soon as they can, so that `IsPresent` guards what follows it.
fn holds(condition: &Condition, input: &Value, visit: &Visit<'_>) -> Result<bool, TaskError> {
    match condition {
        Condition::And(all) => {
            for condition in all {
                if !holds(condition, input, visit)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Condition::Or(any) => {
            for condition in any {
                if holds(condition, input, visit)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Condition::Not(inner) => holds(inner, input, visit).map(|held| !held),
        Condition::Is(path, test) => passes(path, test, input, visit),
    }
}

fn passes(path: &Path, test: &Test, input: &Value, visit: &Visit<'_>) -> Result<bool, TaskError> {
    let value = visit.get(path, input);
    if let Test::IsPresent(expected) = test {
        return Ok(value.is_some() == *expected);
    }
    let Some(value) = value else {
        let sentence = format!("Invalid path '{path}': The choice state's condition path references an invalid value.");
        return Err(visit.error(RUNTIME, &sentence));
    };
    Ok(match test {
        Test::StringEquals(expected) => value.as_str() == Some(expected),
        Test::NumericEquals(number) => value.as_number().is_some_and(|value| same(value, number)),
        Test::BooleanEquals(boolean) => value.as_bool() == Some(*boolean),
        Test::IsNull(expected) => value.is_null() == *expected,
        Test::IsString(expected) => value.is_string() == *expected,
        // Decided above.
        Test::IsPresent(_) => false,
    })
}

/// Integers compare exactly, everything else as floating point.
fn same(left: &Number, right: &Number) -> bool {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => left == right,
        _ => left.as_f64() == right.as_f64(),
    }
}
