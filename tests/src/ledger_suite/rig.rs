//! An embedded store of a thread's own, for many short histories one after the other.

use super::Embedded;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, KeysAndAttributes, WriteRequest};
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::{counter_item, reservation_from};
use cost_sentry_core::budget::CounterKey;
use cost_sentry_core::counter::CounterItem;
use cost_sentry_workflow::memory_ledger::{Books, Shards};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use tokio::runtime::Runtime;

/// The store, and what its requests wait on.
pub struct Rig {
    runtime: Runtime,
    pub store: Embedded,
    /// Kept, since each new client reads certificates and opens connections of its own.
    client: Client,
}

thread_local! {
    static RIG: RefCell<Option<Rig>> = const { RefCell::new(None) };
}

/// Uses this thread's rig.
pub fn with_rig<T>(run: impl FnOnce(&Rig) -> T) -> T {
    RIG.with_borrow(|rig| run(rig.as_ref().expect("Rig::start on this thread")))
}

impl Rig {
    /// Starts this thread's own.
    pub fn start() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(Embedded::start());
        let client = store.stack.clients.dynamodb();
        RIG.set(Some(Self { runtime, store, client }));
    }

    /// Waits for it.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Forgets an item of a counter.
    pub async fn expire(&self, item: &CounterKey) {
        let key = AttributeValue::S(item.as_str().to_owned());
        self.client.delete_item().table_name(TABLE).key("pk", key).send().await.unwrap();
    }

    /// Deletes these reservations and counters' items: at most 25 of them, in one request.
    pub async fn clear(&self, ids: &[String], counters: &[CounterKey]) {
        let delete = |key| WriteRequest::builder().delete_request(DeleteRequest::builder().key("pk", key).build().unwrap()).build();
        let requests = keys(ids, counters).map(delete).collect();
        let output = self.client.batch_write_item().request_items(TABLE, requests).send().await.unwrap();
        assert!(output.unprocessed_items.unwrap_or_default().is_empty());
    }

    /// All that is stored of these, as the memory ledger keeps it: in one request.
    pub async fn everything(&self, ids: &[String], counters: &[CounterKey]) -> Books {
        let keys = keys(ids, counters).map(|key| HashMap::from([("pk".to_owned(), key)])).collect();
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().unwrap();
        let output = self.client.batch_get_item().request_items(TABLE, wanted).send().await.unwrap();
        assert!(output.unprocessed_keys.unwrap_or_default().is_empty());
        let mut books = Books::default();
        for item in output.responses.unwrap_or_default().into_values().flatten() {
            let key = item["pk"].as_s().unwrap();
            if let Some(counter) = counters.iter().find(|counter| counter.as_str() == key) {
                let CounterItem { figures, cuts, overdrawn } = counter_item(&item);
                if !figures.is_empty() {
                    books.counters.insert(counter.clone(), figures);
                }
                if overdrawn || !cuts.is_empty() {
                    books.shards.insert(counter.clone(), Shards { cuts, overdrawn });
                }
            } else {
                let reservation = reservation_from(&item).unwrap();
                books.reservations.insert(reservation.request_id().to_owned(), reservation);
            }
        }
        books
    }
}

fn keys(ids: &[String], counters: &[CounterKey]) -> impl Iterator<Item = AttributeValue> {
    let counters = counters.iter().map(|key| key.as_str().to_owned());
    ids.iter().map(|id| format!("R#{id}")).chain(counters).map(AttributeValue::S)
}
