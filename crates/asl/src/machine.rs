//! A state machine, read and checked. Every type here is what [`StateMachine::parse`] made of the file, for reading only.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Number, Value};

use crate::path::Path;

/// A parsed, checked and immutable state machine. Clones share it.
#[derive(Debug, Clone)]
pub struct StateMachine {
    pub(crate) definition: Arc<Definition>,
}

#[derive(Debug)]
pub(crate) struct Definition {
    pub start_at: String,
    pub timeout_seconds: Option<u64>,
    pub states: BTreeMap<String, State>,
}

impl StateMachine {
    /// The name of the first state.
    pub fn start_at(&self) -> &str {
        &self.definition.start_at
    }

    /// How long an execution may take, in seconds; `None` when the file sets no limit.
    pub fn timeout_seconds(&self) -> Option<u64> {
        self.definition.timeout_seconds
    }

    /// All states by name, in the order of their names.
    pub fn states(&self) -> impl Iterator<Item = (&str, &State)> {
        self.definition.states.iter().map(|(name, state)| (name.as_str(), state))
    }

    /// The state of this name.
    pub fn state(&self, name: &str) -> Option<&State> {
        self.definition.states.get(name)
    }
}

/// One state.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Calls a function.
    Task(Task),
    /// Branches on its input.
    Choice(Choice),
    /// Hands on its input, or a fixed result.
    Pass(Pass),
    /// Ends the execution with its input as output.
    Succeed,
    /// Ends the execution with an error.
    Fail(Fail),
}

impl State {
    /// The state's `Type`, as the file writes it.
    pub fn type_name(&self) -> &'static str {
        match self {
            State::Task(_) => "Task",
            State::Choice(_) => "Choice",
            State::Pass(_) => "Pass",
            State::Succeed => "Succeed",
            State::Fail(_) => "Fail",
        }
    }

    /// Every state that can follow this one: Next, then the catchers' or the rules' in order, then Default. A name occurs as
    /// often as the file has it.
    pub fn successors(&self) -> Vec<&str> {
        match self {
            State::Task(task) => task.transition.next().into_iter().chain(task.catch.iter().map(|catcher| catcher.next.as_str())).collect(),
            State::Choice(choice) => choice.rules.iter().map(|rule| rule.next.as_str()).chain(choice.default.as_deref()).collect(),
            State::Pass(pass) => pass.transition.next().into_iter().collect(),
            State::Succeed | State::Fail(_) => Vec::new(),
        }
    }
}

/// Where a state leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// To the state of this name.
    Next(String),
    /// Out of the machine: the execution succeeds with the state's output.
    End,
}

impl Transition {
    /// The next state's name, if there is one.
    pub fn next(&self) -> Option<&str> {
        match self {
            Transition::Next(name) => Some(name),
            Transition::End => None,
        }
    }
}

/// A Task state.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The Lambda function's ARN.
    pub resource: String,
    /// What the function gets; `None` for the state's input as it is.
    pub parameters: Option<Template>,
    /// How long one attempt may take, in seconds; `None` when the file says nothing, which means 99,999,999.
    pub timeout_seconds: Option<u64>,
    /// Tried in order; the first that names the error decides.
    pub retry: Vec<Retrier>,
    /// Tried in order, once no retrier has an attempt left.
    pub catch: Vec<Catcher>,
    /// Where success leads.
    pub transition: Transition,
}

/// A payload template: JSON in which some values are taken from the input or the context object.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// A null, boolean, number or string, taken as it is.
    Static(Value),
    /// The value of a field whose key ends in `.$`.
    Path(Path),
    /// An object; keys have lost their `.$`.
    Object(BTreeMap<String, Template>),
    /// An array.
    Array(Vec<Template>),
}

/// When and how often a failed attempt is made again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// Error names; `States.ALL` and `States.TaskFailed` are wildcards.
    pub error_equals: Vec<String>,
    /// Seconds before the first retry.
    pub interval_seconds: u64,
    /// What the interval is multiplied with from one retry to the next; at least 1.
    pub backoff_rate: f64,
    /// How many retries this retrier grants in one visit of the state; 0 means none.
    pub max_attempts: u64,
    /// The most seconds between two attempts, if there is a limit.
    pub max_delay_seconds: Option<u64>,
    /// Whether the interval is drawn at random.
    pub jitter: Jitter,
}

/// A retrier's `JitterStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Wait exactly the computed time.
    None,
    /// Wait a random time between zero and the computed one.
    Full,
}

/// Where an error leads that no retrier mends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catcher {
    /// Error names; `States.ALL` and `States.TaskFailed` are wildcards.
    pub error_equals: Vec<String>,
    /// Where `{"Error", "Cause"}` goes in the state's raw input; `None` (a `null` in the file) drops it and keeps the input.
    pub result_path: Option<Path>,
    /// The next state's name.
    pub next: String,
}

/// A Choice state.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Tried in order; the first that holds decides.
    pub rules: Vec<Rule>,
    /// The next state when no rule holds.
    pub default: Option<String>,
}

/// One of a Choice state's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// When the rule holds.
    pub condition: Condition,
    /// The next state's name.
    pub next: String,
}

/// A boolean expression over the state's input and the context object.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Holds when all hold; stops at the first that does not.
    And(Vec<Condition>),
    /// Holds when one holds; stops there.
    Or(Vec<Condition>),
    /// Holds when the other does not.
    Not(Box<Condition>),
    /// Holds when the value at the path passes the test.
    Is(Path, Test),
}

/// A comparison operator with its operand. A value of another type than the operand's passes none of the first three.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Equal strings, character for character.
    StringEquals(String),
    /// Equal numbers, however they are written (`1`, `1.0`).
    NumericEquals(Number),
    /// Equal booleans.
    BooleanEquals(bool),
    /// There is a value at the path (null counts), or there is none.
    IsPresent(bool),
    /// The value is null, or is not.
    IsNull(bool),
    /// The value is a string, or is not.
    IsString(bool),
}

/// A Pass state.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// The state's output; `None` for its input.
    pub result: Option<Value>,
    /// Where it leads.
    pub transition: Transition,
}

/// A Fail state. What it does not set is an empty string in the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fail {
    /// `Error` or `ErrorPath`.
    pub error: Option<FailText>,
    /// `Cause` or `CausePath`.
    pub cause: Option<FailText>,
}

/// A Fail state's error or cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailText {
    /// Written in the file.
    Static(String),
    /// Taken from the state's input; what is there must be a string.
    Path(Path),
}
