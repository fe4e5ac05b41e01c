//! An Amazon CloudWatch on loopback that takes PutMetricData and keeps the data for tests and for the terminal.
//!
//! It speaks what the Rust SDK speaks: Smithy RPC v2 CBOR, gzip where the SDK compresses. CloudWatch's rules on names,
//! values, units and sizes are checked, and a broken one is answered as CloudWatch answers it. Left out: reading data back
//! over HTTP, the window of accepted timestamps, throttling, entities.

mod input;
mod rules;
mod server;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::loopback::{self, Loopback};

/// Data kept; the oldest go first.
const DATA_KEPT: usize = 100_000;

/// One point of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// For Cost Sentry `GenAIRateLimiting`.
    pub namespace: String,
    /// The metric's name.
    pub name: String,
    /// Dimension names and values; together with the name they are one metric.
    pub dimensions: BTreeMap<String, String>,
    /// The value; of a statistic set its sum, of values with counts the sum of value × count.
    pub value: f64,
    /// CloudWatch's name of the unit, such as `Count`.
    pub unit: Option<String>,
    /// The time given, to the millisecond.
    pub timestamp: Option<Timestamp>,
}

/// A running sink; dropping it stops the server.
#[derive(Debug)]
pub struct MetricsSink {
    book: Arc<Book>,
    server: Loopback,
}

impl MetricsSink {
    /// Starts empty on 127.0.0.1, on a port picked by the system.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(0).await
    }

    /// The same on a port of one's own choice.
    pub async fn start_on(port: u16) -> io::Result<Self> {
        let book = Arc::new(Book::default());
        let shared = Arc::clone(&book);
        let server = Loopback::start(port, |listener, stop| loopback::serve(listener, server::router(shared), stop)).await?;
        Ok(Self { book, server })
    }

    /// The URL for `AWS_ENDPOINT_URL_CLOUDWATCH`, without a trailing slash.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Everything accepted so far, in order; only the latest 100,000 points are kept.
    pub fn data(&self) -> Vec<Datum> {
        self.book.pages().data.iter().cloned().collect()
    }

    /// The sum of one metric: this name with exactly these dimensions, as CloudWatch tells metrics apart.
    pub fn sum(&self, name: &str, dimensions: &BTreeMap<String, String>) -> f64 {
        let pages = self.book.pages();
        pages.data.iter().filter(|datum| datum.name == name && datum.dimensions == *dimensions).map(|datum| datum.value).sum()
    }

    /// Forgets all data.
    pub fn clear(&self) {
        self.book.pages().data.clear();
    }

    /// The next `count` requests answer HTTP 500 `InternalServiceError` and store nothing; each retry of the SDK is one.
    pub fn fail_next(&self, count: u32) {
        self.book.pages().failures = count;
    }

    /// Stops, and waits (two seconds at most) until running requests have ended.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// What the sink has seen, shared by all connections.
#[derive(Debug, Default)]
struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    data: VecDeque<Datum>,
    failures: u32,
}

impl Book {
    fn add(&self, data: Vec<Datum>) {
        let mut pages = self.pages();
        pages.data.extend(data);
        let surplus = pages.data.len().saturating_sub(DATA_KEPT);
        pages.data.drain(..surplus);
    }

    /// Takes one of the failures asked for by [`MetricsSink::fail_next`].
    fn take_failure(&self) -> bool {
        let mut pages = self.pages();
        let fails = pages.failures > 0;
        pages.failures = pages.failures.saturating_sub(1);
        fails
    }

    /// A panic elsewhere leaves nothing half-written here: each change is a single step.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
