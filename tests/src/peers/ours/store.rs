//! What ours is kept in, and how it is disturbed: a ledger that fails when told to, and that lets everybody look before anybody writes.

use crate::ledger_suite::Embedded;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_aws::policy_store::DynamoDbPolicyStore;
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::reservation::{Charge, CounterDelta, Reservation, Step};
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::ports::{CounterFigures, Created, Ledger, LedgerError, PolicyError, PolicyStore, Written};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::sync::Barrier;

/// A place for the books and the policy.
pub trait Store: Send + 'static {
    type Ledger: Ledger + 'static;
    type Policies: PolicyStore + 'static;

    async fn open() -> Self;
    fn ledger(&self) -> Self::Ledger;
    fn policies(&self) -> Self::Policies;
    async fn apply(&self, document: &Value);
}

/// DynamoDB, embedded.
pub struct OnDynamoDb(Embedded);

impl Store for OnDynamoDb {
    type Ledger = DynamoDbLedger;
    type Policies = DynamoDbPolicyStore;

    async fn open() -> Self {
        Self(Embedded::start().await)
    }

    fn ledger(&self) -> DynamoDbLedger {
        self.0.stack.ledger()
    }

    fn policies(&self) -> DynamoDbPolicyStore {
        self.0.stack.policies()
    }

    async fn apply(&self, document: &Value) {
        self.0.stack.policies().apply(&version(document), document, Timestamp::now()).await.unwrap();
    }
}

fn version(document: &Value) -> String {
    Policy::parse(document, Catalog::shipped().unwrap()).unwrap_or_else(|problems| panic!("{problems:?}")).version
}

/// In memory.
#[derive(Debug, Clone, Default)]
pub struct InMemory(Arc<Mutex<Option<Value>>>);

impl Store for InMemory {
    type Ledger = MemoryLedger;
    type Policies = Self;

    async fn open() -> Self {
        Self::default()
    }

    fn ledger(&self) -> MemoryLedger {
        MemoryLedger::default()
    }

    fn policies(&self) -> Self {
        self.clone()
    }

    async fn apply(&self, document: &Value) {
        *self.0.lock().unwrap() = Some(document.clone());
    }
}

impl PolicyStore for InMemory {
    async fn current_version(&self) -> Result<String, PolicyError> {
        self.0.lock().unwrap().as_ref().map(version).ok_or(PolicyError::Absent)
    }

    async fn document(&self, _version: &str) -> Result<Value, PolicyError> {
        self.0.lock().unwrap().clone().ok_or(PolicyError::Absent)
    }
}

/// A ledger, shared by all processes.
#[derive(Debug)]
pub struct Shaky<L>(Arc<Inner<L>>);

#[derive(Debug)]
struct Inner<L> {
    ledger: L,
    /// How many writes fail before they are carried out.
    failing: Arc<Mutex<usize>>,
    looking: Mutex<Option<Arc<Barrier>>>,
}

impl<L> Clone for Shaky<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L> Shaky<L> {
    pub fn new(ledger: L, failing: Arc<Mutex<usize>>) -> Self {
        Self(Arc::new(Inner { ledger, failing, looking: Mutex::default() }))
    }

    /// So many have to look at the counters before any of them may go on.
    pub fn wait_for(&self, lookers: usize) {
        *self.0.looking.lock().unwrap() = Some(Arc::new(Barrier::new(lookers)));
    }

    fn try_write(&self) -> Result<(), LedgerError> {
        let mut failing = self.0.failing.lock().unwrap();
        if *failing == 0 {
            return Ok(());
        }
        *failing -= 1;
        Err(LedgerError::Unavailable("the store is told to fail".into()))
    }
}

impl<L: Ledger> Ledger for Shaky<L> {
    async fn in_time<T: Send>(&self, transition: impl Future<Output = Result<T, LedgerError>> + Send) -> Result<T, LedgerError> {
        self.0.ledger.in_time(transition).await
    }

    async fn figures(&self, charges: &[Charge]) -> Result<Vec<CounterFigures>, LedgerError> {
        let shown = self.0.ledger.figures(charges).await?;
        let looking = self.0.looking.lock().unwrap().clone();
        if let Some(looking) = looking {
            looking.wait().await;
        }
        Ok(shown)
    }

    async fn create(&self, reservation: &Reservation) -> Result<Created, LedgerError> {
        self.try_write()?;
        self.0.ledger.create(reservation).await
    }

    async fn find(&self, request_id: &str) -> Result<Option<Reservation>, LedgerError> {
        self.0.ledger.find(request_id).await
    }

    async fn write(&self, version: u64, step: &Step) -> Result<Written, LedgerError> {
        self.try_write()?;
        self.0.ledger.write(version, step).await
    }

    async fn leases_past(&self, before: Timestamp, most: usize) -> Result<Vec<Reservation>, LedgerError> {
        self.0.ledger.leases_past(before, most).await
    }

    async fn count_shadow(&self, deltas: &[CounterDelta]) {
        self.0.ledger.count_shadow(deltas).await;
    }
}
