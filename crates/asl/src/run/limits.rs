//! The Step Functions quotas that an execution can run into.

use std::io;

use serde_json::Value;

use super::error_names::DATA_LIMIT_EXCEEDED;
use crate::ports::TaskError;

/// The most bytes of JSON text that an input, a task's result or a state's output may have.
pub const MAX_DATA_BYTES: usize = 262_144;

/// The most characters that an error's name keeps.
pub const MAX_ERROR_CHARS: usize = 256;

/// The most characters that an error's cause keeps.
pub const MAX_CAUSE_CHARS: usize = 32_768;

/// The most events in an execution's history, the one that ends it included.
pub const MAX_EVENTS: u64 = 25_000;

/// `value`, or `States.DataLimitExceeded` for `what` ("the state/task 'arn:…' returned a result").
pub(super) fn within(value: Value, what: impl FnOnce() -> String) -> Result<Value, TaskError> {
    if size(&value) <= MAX_DATA_BYTES {
        return Ok(value);
    }
    let cause = format!("{} with a size exceeding the maximum number of bytes service limit.", what());
    Err(TaskError { error: DATA_LIMIT_EXCEEDED.to_owned(), cause })
}

/// The error with its name and cause cut to what Step Functions keeps.
pub(super) fn cut(error: TaskError) -> TaskError {
    let first = |text: String, chars: usize| match text.char_indices().nth(chars) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    };
    TaskError { error: first(error.error, MAX_ERROR_CHARS), cause: first(error.cause, MAX_CAUSE_CHARS) }
}

/// The bytes of the value's compact JSON text.
fn size(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Neither the writer nor a `Value`, whose keys are strings, can fail.
    serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
}
