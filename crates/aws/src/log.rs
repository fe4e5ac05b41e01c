//! The log: one JSON object a line.

use cost_sentry_workflow::ports::Log;
use serde_json::Value;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Standard output: what Lambda hands to CloudWatch Logs.
#[derive(Debug, Clone, Copy, Default)]
pub struct StandardOutput;

impl Log for StandardOutput {
    fn line(&self, line: &Value) {
        // A log that cannot be written must not stop a request whose money is spent.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

/// Any writer, such as a file: appends whole lines.
#[derive(Debug)]
pub struct Lines<W>(Arc<Mutex<W>>);

impl<W> Clone for Lines<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write> Lines<W> {
    /// Lines into this writer.
    pub fn new(writer: W) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    /// Does something with the writer, such as reading back what was written.
    pub fn with<T>(&self, look: impl FnOnce(&mut W) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<W: Write + Send> Log for Lines<W> {
    fn line(&self, line: &Value) {
        let text = format!("{line}\n");
        self.with(|writer| {
            let _ = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
        });
    }
}
