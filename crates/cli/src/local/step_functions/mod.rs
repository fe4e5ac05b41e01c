//! An AWS Step Functions stand-in: the shipped state machine as an Express and as a Standard one, behind the service's own API.
//!
//! | part | what it does |
//! | --- | --- |
//! | [`arn`] | names state machines and executions as AWS does |
//! | [`executions`] | starts, runs, stops and remembers executions |
//! | `journal` | keeps acknowledged asynchronous executions across a crash |
//! | `history` | writes an execution's history in AWS's event types |
//! | `api`, `requests`, `answers` | AWS JSON 1.0 over HTTP |
//!
//! Left out: creating and changing state machines, redrives, map runs, activities, tags, aliases, versions and `TestState`.

mod answers;
mod api;
pub mod arn;
pub mod executions;
mod history;
mod journal;
mod records;
mod refusal;
mod requests;

pub use journal::JournalError;
pub use refusal::Refusal;

use super::loopback::Loopback;
use cost_sentry_asl::Tasks;
use executions::Executions;
use std::io;

/// A running endpoint; dropping it stops the server.
#[derive(Debug)]
pub struct StepFunctions {
    server: Loopback,
}

impl StepFunctions {
    /// Serves these executions on a port of 127.0.0.1; 0 lets the system pick.
    pub async fn start<T: Tasks + Send + Sync + 'static>(port: u16, executions: Executions<T>) -> io::Result<Self> {
        let router = api::router(executions);
        let server = Loopback::start(port, |listener, stop| async move {
            // axum's accept loop retries by itself: it has no error to report.
            let _ = axum::serve(listener, router).with_graceful_shutdown(stop.wait()).await;
        })
        .await?;
        Ok(Self { server })
    }

    /// The URL for `AWS_ENDPOINT_URL_SFN`, without a trailing slash.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Stops, and waits (two seconds at most) until running requests have ended.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
