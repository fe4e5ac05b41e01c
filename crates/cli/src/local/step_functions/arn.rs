//! Names: state machines, executions, and what AWS allows in them.

use std::fmt;

/// Where everything local is.
const PREFIX: &str = "arn:aws:states:us-east-1:000000000000";
/// The longest name of an execution (AWS Step Functions API reference, `StartExecution`).
const NAME_CHARS: usize = 80;

/// The two kinds of state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MachineType {
    /// At most five minutes; synchronous at most once, asynchronous at least once.
    Express,
    /// Exactly once, names idempotent, history kept.
    Standard,
}

impl MachineType {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Express, Self::Standard];

    /// The state machine's name: the same file twice needs two names.
    pub fn machine_name(self) -> &'static str {
        match self {
            Self::Express => "cost-sentry",
            Self::Standard => "cost-sentry-standard",
        }
    }

    /// The state machine's ARN.
    pub fn machine_arn(self) -> String {
        format!("{PREFIX}:stateMachine:{}", self.machine_name())
    }

    /// AWS's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Express => "EXPRESS",
            Self::Standard => "STANDARD",
        }
    }
}

/// A new execution's ARN. Express names need not be unique, so AWS adds an id to them.
pub fn execution_arn(machine: MachineType, name: &str) -> String {
    let machine_name = machine.machine_name();
    match machine {
        MachineType::Standard => format!("{PREFIX}:execution:{machine_name}:{name}"),
        MachineType::Express => format!("{PREFIX}:express:{machine_name}:{name}:{}", uuid::Uuid::new_v4()),
    }
}

/// What an ARN of the Step Functions service names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A state machine.
    StateMachine,
    /// A Standard execution.
    Execution,
    /// An Express execution.
    ExpressExecution,
}

/// What an ARN names; nothing where it is no ARN of this service.
pub fn named(arn: &str) -> Option<Named> {
    let mut parts = arn.splitn(7, ':');
    let (head, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, kind, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if head != "arn" || !partition.starts_with("aws") || service != "states" || region.is_empty() || !is_account || rest.is_empty() {
        return None;
    }
    match (kind, rest.split(':').count()) {
        ("stateMachine", 1 | 2) => Some(Named::StateMachine),
        ("execution", 2) => Some(Named::Execution),
        ("express", 3) => Some(Named::ExpressExecution),
        _ => None,
    }
}

/// Whether AWS takes this name for an execution.
pub fn is_execution_name(name: &str) -> bool {
    let refused = |c: char| c.is_control() || c.is_whitespace() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    !name.is_empty() && name.chars().count() <= NAME_CHARS && !name.chars().any(refused)
}

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Not ended.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended in a Fail state, or by an error.
    Failed,
    /// Ran out of time.
    TimedOut,
    /// Stopped by a caller.
    Aborted,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_what_it_names() {
        let check = |arn: &str, expected: Option<Named>| assert_eq!(named(arn), expected, "{arn}");
        check(&MachineType::Express.machine_arn(), Some(Named::StateMachine));
        check(&execution_arn(MachineType::Standard, "a"), Some(Named::Execution));
        check(&execution_arn(MachineType::Express, "a"), Some(Named::ExpressExecution));
        check("arn:aws:lambda:us-east-1:000000000000:function:x", None);
        check("arn:aws:states:us-east-1:1:stateMachine:x", None);
        check("cost-sentry", None);
        check("", None);
    }

    #[test]
    fn names_are_those_that_aws_takes() {
        for good in ["a", "run-1", "Run_2.x+(y)'!@=", &"x".repeat(80)] {
            assert!(is_execution_name(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "a:b", "a\u{7}", "a*", &"x".repeat(81)] {
            assert!(!is_execution_name(bad), "{bad:?}");
        }
    }
}
