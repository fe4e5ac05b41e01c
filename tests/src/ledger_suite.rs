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
pub mod shards;

use cost_sentry::local::stack::{Options, Stack, TABLE};
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_core::budget::CounterKey;
use cost_sentry_core::reservation::{Charge, Transition};
use cost_sentry_workflow::ledger::{Driven, drive_stored};
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use cost_sentry_workflow::ports::{CounterFigures, Ledger};

/// A store under test.
pub trait Store {
    type Ledger: Ledger + Sync;

    fn ledger(&self) -> &Self::Ledger;

    /// Forgets one item of a counter, as the store does some time after its window.
    async fn expire_item(&self, key: &CounterKey);

    /// Forgets the whole counter of a charge.
    async fn expire(&self, charge: &Charge) {
        for key in charge.counter_keys() {
            self.expire_item(&key).await;
        }
    }
}

impl Store for MemoryLedger {
    type Ledger = Self;

    fn ledger(&self) -> &Self {
        self
    }

    async fn expire_item(&self, key: &CounterKey) {
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

    async fn expire_item(&self, key: &CounterKey) {
        let key = aws_sdk_dynamodb::types::AttributeValue::S(key.as_str().to_owned());
        self.stack.clients.dynamodb().delete_item().table_name(TABLE).key("pk", key).send().await.unwrap();
    }
}

/// Each behaviour as a test of each store, with counters of one item and of many.
macro_rules! on_both_stores {
    ($($behaviour:ident)*) => {
        crate::ledger_suite::on_both_stores! { 1 memory dynamodb $($behaviour)* }
        crate::ledger_suite::on_both_stores! { 4 memory_on_4_shards dynamodb_on_4_shards $($behaviour)* }
        crate::ledger_suite::on_both_stores! { 64 memory_on_64_shards dynamodb_on_64_shards $($behaviour)* }
    };
    ($shards:literal $memory:ident $dynamodb:ident $($behaviour:ident)*) => {
        mod $memory {
            $(#[tokio::test]
            async fn $behaviour() {
                crate::ledger_suite::books::spread($shards);
                super::$behaviour(&cost_sentry_workflow::memory_ledger::MemoryLedger::default()).await;
            })*
        }
        mod $dynamodb {
            $(#[tokio::test]
            async fn $behaviour() {
                crate::ledger_suite::books::spread($shards);
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
