//! The policy as the functions see it: looked for at most every 30 seconds; the last good one serves for five minutes when the store fails.

use crate::error::{ErrorName, Thrown};
use crate::ports::{PolicyError, PolicyStore};
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a policy is used without asking whether it is still the current one.
const FRESH: SignedDuration = SignedDuration::from_secs(30);
/// How long the last good policy serves while none can be read.
const LAST_GOOD: SignedDuration = SignedDuration::from_secs(300);

/// A policy store with a memory.
#[derive(Debug)]
pub struct PolicyCache<S> {
    store: S,
    last: Mutex<Option<Last>>,
}

#[derive(Debug, Clone)]
struct Last {
    policy: Arc<Policy>,
    confirmed_at: Timestamp,
}

impl<S: PolicyStore> PolicyCache<S> {
    /// A cache over a store.
    pub fn new(store: S) -> Self {
        Self { store, last: Mutex::new(None) }
    }

    /// The policy that counts at `now`.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<Policy>, Thrown> {
        let last = self.last();
        let age = |last: &Last| now.duration_since(last.confirmed_at).abs();
        if let Some(last) = last.as_ref().filter(|last| age(last) < FRESH) {
            return Ok(Arc::clone(&last.policy));
        }
        match self.load(last.as_ref()).await {
            Ok(policy) => {
                let fresh = Last { policy: Arc::clone(&policy), confirmed_at: now };
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
                Ok(policy)
            }
            Err(error) => match last.filter(|last| age(last) < LAST_GOOD) {
                Some(last) => Ok(last.policy),
                None => Err(Thrown { name: ErrorName::PolicyUnavailable, message: error.to_string(), source: Some(Box::new(error)) }),
            },
        }
    }

    async fn load(&self, last: Option<&Last>) -> Result<Arc<Policy>, PolicyError> {
        let version = self.store.current_version().await?;
        if let Some(last) = last.filter(|last| last.policy.version == version) {
            return Ok(Arc::clone(&last.policy));
        }
        let policy = compile(&self.store.document(&version).await?)?;
        if policy.version != version {
            return Err(PolicyError::Unusable("its content is not what its version says".to_owned()));
        }
        Ok(Arc::new(policy))
    }

    fn last(&self) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Compiles a stored policy against the shipped catalog.
pub fn compile(document: &Value) -> Result<Policy, PolicyError> {
    let catalog = Catalog::shipped().map_err(|error| PolicyError::Unusable(error.to_string()))?;
    Policy::parse_stored(document, catalog).map_err(|problems| {
        let first = problems.as_slice().first().map(|problem| format!("{}: expected {}", problem.pointer, problem.expected));
        PolicyError::Unusable(first.unwrap_or_default())
    })
}
