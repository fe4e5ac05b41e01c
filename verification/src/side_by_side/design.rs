//! What every design must do.

use super::traffic::Arrival;
use super::world::World;
use std::future::Future;
use std::sync::Arc;

/// A design's own account of the one budget, in tokens, once everything has come to rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Books {
    /// What it counts as spent.
    pub counted: u64,
    /// The part of it that it marks as uncertain: a call that may have been billed, at its worst case.
    pub uncertain: u64,
}

/// A run failed for a reason that is not part of the comparison.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Failed {
    /// What could not be done.
    pub what: &'static str,
    /// Why.
    pub why: String,
}

impl Failed {
    /// From any error.
    pub fn because(what: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |why| Self { what, why: why.to_string() }
    }
}

/// A way of keeping calls within a budget.
pub trait Design: Send + Sync + 'static {
    /// Serves one request: decides, tells the world what it decided, has the call made if it approved, and books what was used.
    fn serve(&self, arrival: &Arrival, world: &World) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Its books, after it was given the time to bring them up to date.
    fn books(&self, world: &World) -> impl Future<Output = Result<Books, Failed>> + Send;
}

impl<D: Design> Design for Arc<D> {
    async fn serve(&self, arrival: &Arrival, world: &World) -> Result<(), Failed> {
        D::serve(self, arrival, world).await
    }

    async fn books(&self, world: &World) -> Result<Books, Failed> {
        D::books(self, world).await
    }
}
