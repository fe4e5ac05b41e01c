//! What the shipped steps need around them where one policy counts and the time is told, not read.

use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::Prompt;
use cost_sentry_core::reservation::ClaimId;
use cost_sentry_workflow::policy_cache::compile;
use cost_sentry_workflow::ports::{Edge, Log, PolicyError, PolicyStore, TokenCounter};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A store of one policy.
#[derive(Debug, Clone)]
pub struct OnePolicy {
    version: String,
    document: Value,
}

impl OnePolicy {
    /// The store, if the document is a policy.
    pub fn new(document: Value) -> Result<Self, PolicyError> {
        let version = compile(&document)?.version;
        Ok(Self { version, document })
    }
}

impl PolicyStore for OnePolicy {
    async fn current_version(&self) -> Result<String, PolicyError> {
        Ok(self.version.clone())
    }

    async fn document(&self, _version: &str) -> Result<Value, PolicyError> {
        Ok(self.document.clone())
    }
}

/// A clock that is set by hand, in milliseconds since 1970, and a source of claims that counts.
#[derive(Debug, Default)]
pub struct SetClock {
    millis: AtomicI64,
    claims: AtomicU64,
}

impl SetClock {
    /// A clock that shows this time.
    pub fn at(now: Timestamp) -> Self {
        let clock = Self::default();
        clock.set(now);
        clock
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.millis.store(now.as_millisecond(), Ordering::Relaxed);
    }
}

impl Edge for &SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.millis.load(Ordering::Relaxed)).unwrap_or_default()
    }

    fn draw_claim_id(&self) -> ClaimId {
        ClaimId(format!("claim-{}", self.claims.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Counts no tokens, as a service that does not serve the model.
#[derive(Debug, Clone, Copy)]
pub struct CountsNothing;

impl TokenCounter for CountsNothing {
    async fn count_tokens(&self, _model_id: &str, _prompt: &Prompt) -> Option<Tokens> {
        None
    }
}

/// Writes no log.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Log for Silent {
    fn line(&self, _line: &Value) {}
}
