//! The error names that the Amazon States Language reserves and this runner uses.

/// Wildcard of a retrier or catcher: any error but [`DATA_LIMIT_EXCEEDED`] and [`RUNTIME`].
pub const ALL: &str = "States.ALL";

/// Wildcard of a retrier or catcher: any error but [`TIMEOUT`].
pub const TASK_FAILED: &str = "States.TaskFailed";

/// An attempt, or the execution, ran longer than its `TimeoutSeconds`.
pub const TIMEOUT: &str = "States.Timeout";

/// The definition and the data do not fit, such as a path that leads nowhere. Ends the execution, uncaught.
pub const RUNTIME: &str = "States.Runtime";

/// An input, result or output has more than [`MAX_DATA_BYTES`](crate::MAX_DATA_BYTES).
pub const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";

/// No rule of a Choice state holds, and it has no `Default`. Ends the execution.
pub const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";

/// A catcher's `ResultPath` leads through something in the input that is no object. Ends the execution.
pub const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";

/// Whether a retrier or catcher for `names` takes `error`, as the Step Functions guide describes the two wildcards.
pub(crate) fn matches(names: &[String], error: &str) -> bool {
    names.iter().any(|name| match name.as_str() {
        ALL => error != DATA_LIMIT_EXCEEDED && error != RUNTIME,
        TASK_FAILED => error != TIMEOUT,
        name => name == error,
    })
}
