//! Reads, checks and runs the subset of Amazon States Language that a state machine of Lambda functions uses, so that the
//! file that is deployed to AWS Step Functions is also the one that runs in tests and on a laptop.
//!
//! ```no_run
//! # use std::collections::BTreeMap;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use cost_sentry_asl::{StateMachine, substitute};
//!
//! let text = std::fs::read_to_string("machine.asl.json")?;
//! let values = BTreeMap::from([("GreetFunctionArn".into(), "arn:aws:lambda:us-east-1:123456789012:function:greet".into())]);
//! match StateMachine::parse(&substitute(&text, &values)?) {
//!     Ok(machine) => println!("starts at {}", machine.start_at()),
//!     Err(problems) => problems.iter().for_each(|problem| println!("{problem}")),
//! }
//! # Ok(()) }
//! ```
//!
//! [`StateMachine::parse`] reports every problem of a file at once. [`run`] executes it: the functions are behind [`Tasks`],
//! time and chance behind [`Clock`], and an [`Observer`] sees the history as it is written.
//!
//! **What it models**, as the [Amazon States Language specification](https://states-language.net/spec.html) and the Step
//! Functions developer guide describe it: the `JSONPath` dialect; Task, Choice, Pass, Succeed and Fail; payload templates with
//! dotted reference paths and the context object; Retry, Catch and time-outs; the size limits.
//!
//! **What it leaves out**, and says so when a file uses it: Map, Parallel and Wait; `JSONata`, variables and intrinsic functions;
//! service integrations, activities and heartbeats; `InputPath`, `OutputPath`, `ResultSelector`, and `ResultPath` outside
//! catchers; paths with indexes, brackets, wildcards or filters.
//!
//! Invariants: a file that [`StateMachine::parse`] accepts uses nothing that [`run`] does not model; [`run`] reads no clock
//! and no random source but the [`Clock`] it is given, and starts no task of its own.

mod event;
mod json;
mod machine;
mod parse;
mod path;
mod ports;
mod problem;
mod run;
mod substitution;

pub use event::{Event, EventKind};
pub use machine::{
    Catcher, Choice, Condition, Fail, FailText, Jitter, Pass, Retrier, Rule, State, StateMachine, Task, Template, Test, Transition,
};
pub use path::{Path, PathError, Root};
pub use ports::{Clock, Execution, Observer, TaskError, Tasks};
pub use problem::Problem;
pub use run::{End, MAX_CAUSE_CHARS, MAX_DATA_BYTES, MAX_ERROR_CHARS, MAX_EVENTS, error_names, run};
pub use substitution::{SubstitutionError, placeholders, substitute};
