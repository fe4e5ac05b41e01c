//! The ledger's promises, one suite for both stores: the one in memory, and DynamoDB (embedded, through the SDK over HTTP).

pub mod books;
mod creating;
mod dynamodb;
mod every_transition;
mod leases;
mod moving;
mod operation;
mod random_histories;
mod rig;

use cost_sentry::local::stack::{Options, Stack, TABLE};
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_core::budget::CounterKey;
use cost_sentry_core::reservation::Transition;
use cost_sentry_workflow::ledger::{Driven, drive_stored};
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::ports::{CounterFigures, Ledger};

/// A store under test.
pub trait Store {
    type Ledger: Ledger + Sync;

    fn ledger(&self) -> &Self::Ledger;

    /// Forgets a counter, as the store does some time after its window.
    async fn expire(&self, key: &CounterKey);
}

impl Store for MemoryLedger {
    type Ledger = Self;

    fn ledger(&self) -> &Self {
        self
    }

    async fn expire(&self, key: &CounterKey) {
        self.expire(key);
    }
}

/// The DynamoDB ledger on an embedded DynamoDB of its own.
pub struct Embedded {
    pub stack: Stack,
    pub ledger: DynamoDbLedger,
}

impl Embedded {
    pub async fn start() -> Self {
        let stack = Stack::start(Options::default()).await.unwrap();
        Self { ledger: stack.ledger(), stack }
    }
}

impl Store for Embedded {
    type Ledger = DynamoDbLedger;

    fn ledger(&self) -> &DynamoDbLedger {
        &self.ledger
    }

    async fn expire(&self, key: &CounterKey) {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(key.as_str().to_owned());
        self.stack.clients.dynamodb().delete_item().table_name(TABLE).key("pk", key).send().await.unwrap();
    }
}

/// Each behaviour as a test of each store.
macro_rules! on_both_stores {
    ($($behaviour:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(&cost_sentry_workflow::memory_ledger::MemoryLedger::default()).await;
            })*
        }
        mod dynamodb {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(&crate::ledger_suite::Embedded::start().await).await;
            })*
        }
    };
}
use on_both_stores;

/// What one counter shows: per unit committed, used and uncertain, in the order of the units.
pub fn figures(shown: &CounterFigures) -> Vec<[i64; 3]> {
    shown.values().map(|figures| [figures.committed, figures.used, figures.uncertain]).collect()
}

/// Drives one event after the other, each decided on what is stored; what came of the last, in a word.
pub async fn drive_all(ledger: &impl Ledger, id: &str, events: &[Transition]) -> String {
    let mut last = String::new();
    for event in events {
        last = word(&drive_stored(ledger, id, event).await.unwrap());
    }
    last
}

/// What came of a transition, in a word.
pub fn word(driven: &Driven) -> String {
    match driven {
        Driven::Stands(stored) => format!("{:?}", stored.state),
        Driven::Refused(refused, _) => format!("{refused:?}"),
        Driven::Absent => "Absent".to_owned(),
    }
}
