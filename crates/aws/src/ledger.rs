//! The ledger on DynamoDB: every transition is one conditional request.
//!
//! | access pattern | key | request |
//! | --- | --- | --- |
//! | hold, deny | `pk = R#<requestId>`, `pk = C#<budget>#<window>#<start>#<scope>` per counter | TransactWriteItems, or PutItem for a denial |
//! | any other transition | the same keys | PutItem, or TransactWriteItems where counters move |
//! | move room between shards | `pk = C#<budget>#<window>#<start>#<scope>#<shard>/<n>`, several of the n | TransactWriteItems |
//! | find by id | `pk = R#<requestId>` | GetItem, consistent |
//! | what a counter shows | `pk = C#…`, `pk = S#…` | BatchGetItem, consistent |
//! | what a sharded counter shows | the same, of each shard | BatchGetItem, consistent where it looks full |
//! | sweep by lease | index `lease`: `leasePartition = L0…L7`, `leaseEnd` | Query per partition, then BatchGetItem |
//! | usage by tag and day; audit of a window | index `day`: `dayPartition = <UTC day>#0…7`, `decidedAt` | Query per partition, then BatchGetItem |
//! | a window's counters, also those that no reservation names | index `day`: `dayPartition = C<UTC month of its start>#0…7`, `decidedAt` its start | Query per partition, then BatchGetItem |
//! | a counter's adjustments | `pk = A#<counter's key>#1`, `#2`, … | BatchGetItem, consistent |
//! | mend a counter | the next of these and the counter | TransactWriteItems |
//!
//! No Scan on any of them. Both indexes hold keys only, and the day index's keys never change, so that its upkeep costs one write per
//! request and one per counter. A reservation is in the lease index only while it is open.

mod adjustment;
mod audit;
mod expression;
mod item;
mod model;
mod transaction;

pub use adjustment::Mended;
pub use audit::{AuditOf, Progress};
pub use item::{Item, ItemError, counter_item, figures as counter_figures, reservation_from, reservation_item};

use crate::table::{DAY_INDEX, LEASE_INDEX, PARTITIONS, lease_partition_name};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use cost_sentry_core::budget::CounterKey;
use cost_sentry_core::counter::{Ask, Held, Holding, Moved, Moving, Next, sum};
use cost_sentry_core::reservation::{Charge, CounterDelta, Reservation, State, Step, UnitCharge};
use cost_sentry_workflow::ports::{CounterFigures, Created, Ledger, LedgerError, Written};
use cost_sentry_workflow::time_outs;
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::time::Duration;
use transaction::{Tries, patience};

/// The ledger's table and a client for it.
#[derive(Debug, Clone)]
pub struct DynamoDbLedger {
    client: Client,
    table: String,
}

/// Most keys in one BatchGetItem (Amazon DynamoDB quotas).
const BATCH: usize = 100;

impl DynamoDbLedger {
    /// Over this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Writes a reservation alone, on a condition; what is stored, where the condition failed.
    async fn put(&self, reservation: &Reservation, version: Option<u64>) -> Result<Option<Item>, LedgerError> {
        let mut tries = Tries::default();
        loop {
            let item = reservation_item(reservation).map_err(unreadable)?;
            let mut request = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item))
                .condition_expression(expression::condition(version))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            for (name, value) in expression::condition_values(version) {
                request = request.expression_attribute_values(name, value);
            }
            let Err(error) = request.send().await else { return Ok(None) };
            if let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() {
                return Ok(Some(failed.item().cloned().unwrap_or_default()));
            }
            if !transaction::is_passing(error.code()) {
                return Err(unavailable(error));
            }
            tries.again(transaction::tries_behind(error.code())).await?;
        }
    }

    async fn items(&self, keys: Vec<String>, consistent: bool) -> Result<Vec<Item>, LedgerError> {
        let mut items = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(BATCH) {
            let mut wanted: Vec<HashMap<String, AttributeValue>> =
                chunk.iter().map(|key| HashMap::from([("pk".to_owned(), AttributeValue::S(key.clone()))])).collect();
            let mut tries = Tries::default();
            loop {
                let keys = KeysAndAttributes::builder().set_keys(Some(std::mem::take(&mut wanted))).consistent_read(consistent).build();
                let keys = keys.map_err(|error| LedgerError::Unavailable(Box::new(error)))?;
                let output = self.client.batch_get_item().request_items(&self.table, keys).send().await.map_err(unavailable)?;
                items.extend(output.responses.unwrap_or_default().into_values().flatten());
                let left = output.unprocessed_keys.unwrap_or_default().into_values().flat_map(|keys| keys.keys);
                wanted.extend(left);
                if wanted.is_empty() {
                    break;
                }
                tries.again(1).await?;
            }
        }
        Ok(items)
    }

    /// The index's items of one partition, in the order of `range`'s attribute.
    async fn query(&self, index: &str, partition: (&str, String), range: (&str, i64, i64), most: usize) -> Result<Vec<Item>, LedgerError> {
        let (partition_name, partition_value) = partition;
        let (range_name, from, until) = range;
        let mut found = Vec::new();
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .key_condition_expression("#p = :p AND #r BETWEEN :from AND :until")
            .expression_attribute_names("#p", partition_name)
            .expression_attribute_names("#r", range_name)
            .expression_attribute_values(":p", AttributeValue::S(partition_value))
            .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
            .expression_attribute_values(":until", AttributeValue::N(until.to_string()))
            .into_paginator()
            .page_size(i32::try_from(most.min(1_000)).unwrap_or(1_000))
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(unavailable)?;
            found.extend(page.items.unwrap_or_default());
            if found.len() >= most {
                found.truncate(most);
                break;
            }
        }
        Ok(found)
    }

    /// The keys that the lease index lists before a time, the longest past first, of each partition at most so many; and whether these
    /// are all.
    async fn listed_leases(&self, before: Timestamp, most: usize) -> Result<(Vec<String>, bool), LedgerError> {
        let (mut past, mut whole_until) = (Vec::new(), i64::MAX);
        for partition in 0..PARTITIONS {
            let range = ("leaseEnd", 0, before.as_microsecond().saturating_sub(1));
            let partition = ("leasePartition", lease_partition_name(partition));
            let found = self.query(LEASE_INDEX, partition, range, most).await?;
            let listed: Vec<_> = found.iter().filter_map(|item| Some((item::number(item, "leaseEnd")?, item::key(item)?))).collect();
            if let Some((last, _)) = listed.last().filter(|_| found.len() >= most) {
                whole_until = whole_until.min(*last);
            }
            past.extend(listed);
        }
        // What comes after the last one of a partition that has more may not be the next.
        past.retain(|(lease_end, _)| *lease_end <= whole_until);
        past.sort();
        Ok((past.into_iter().map(|(_, key)| key).collect(), whole_until == i64::MAX))
    }

    /// The answer to a hold above its limit, which no condition could express: from what is stored, without a write.
    async fn never(&self, reservation: &Reservation) -> Result<Created, LedgerError> {
        if let Some(stored) = self.find(reservation.request_id()).await? {
            return Ok(Created::Exists(Box::new(stored)));
        }
        let mut charges: Vec<Charge> = reservation.enforced().cloned().collect();
        let figures = self.figures(&charges).await?;
        charges.iter_mut().zip(&figures).for_each(|(charge, figures)| charge.show(figures));
        let refusing = charges.iter().zip(figures).filter(|(charge, _)| !charge.fits());
        Ok(Created::NoRoom(refusing.map(|(charge, figures)| (charge.key(), figures)).collect()))
    }

    /// The items of these charges' counters, by key.
    async fn shown(&self, charges: &[&Charge], consistent: bool) -> Result<HashMap<String, CounterFigures>, LedgerError> {
        let keys: BTreeSet<CounterKey> = charges.iter().flat_map(|charge| charge.counter_keys()).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let items = Box::pin(self.items(keys.iter().map(|key| key.as_str().to_owned()).collect(), consistent)).await?;
        Ok(items.iter().filter_map(|item| Some((item::key(item)?, item::figures(item)))).collect())
    }

    async fn hold(&self, reservation: &Reservation) -> Result<Held, LedgerError> {
        let (mut holding, mut ask) = Holding::start(reservation);
        loop {
            match holding.answer(self.carry_out(ask).await?) {
                Next::Ask(next, lost) => ask = after(lost, next).await,
                Next::End(held) => return Ok(held),
            }
        }
    }

    async fn move_on(&self, version: u64, step: &Step) -> Result<Moved, LedgerError> {
        let (mut moving, mut ask) = Moving::start(version, step);
        loop {
            match moving.answer(self.carry_out(ask).await?) {
                Next::Ask(next, lost) => ask = after(lost, next).await,
                Next::End(moved) => return Ok(moved),
            }
        }
    }

    /// The reservations decided on a UTC day, all outcomes, in no order: what usage reports and audits are made from.
    pub async fn decided_on(&self, day: Date) -> Result<Vec<Reservation>, LedgerError> {
        let mut keys = Vec::new();
        for partition in 0..PARTITIONS {
            let partition = ("dayPartition", item::day_partition(day, partition));
            let found = self.query(DAY_INDEX, partition, ("decidedAt", 0, i64::MAX), usize::MAX).await?;
            keys.extend(found.iter().filter_map(item::key));
        }
        self.items(keys, true).await?.iter().map(|item| reservation_from(item).map_err(unreadable)).collect()
    }

    /// What the named counters show now, shadow or exact; those that do not exist are left out.
    pub async fn counters(&self, keys: &[CounterKey]) -> Result<Vec<(String, CounterFigures)>, LedgerError> {
        let items = self.items(keys.iter().map(|key| key.as_str().to_owned()).collect(), true).await?;
        Ok(items.iter().filter_map(|item| Some((item::key(item)?, item::figures(item)))).collect())
    }
}

impl Ledger for DynamoDbLedger {
    async fn in_time<T: Send>(&self, transition: impl Future<Output = Result<T, LedgerError>> + Send) -> Result<T, LedgerError> {
        let most = Duration::from_secs(u64::from(time_outs::LEDGER_TRANSITION));
        tokio::time::timeout(most, transition).await.unwrap_or_else(|late| Err(LedgerError::Unavailable(Box::new(late))))
    }

    async fn figures(&self, charges: &[Charge]) -> Result<Vec<CounterFigures>, LedgerError> {
        let (whole, sharded): (Vec<&Charge>, Vec<&Charge>) = charges.iter().partition(|charge| charge.shard.is_whole());
        let mut found = self.shown(&whole, true).await?;
        // Many items, read for every request: at half the price, a moment old. But no request is refused on old figures.
        found.extend(self.shown(&sharded, false).await?);
        let short = |charge: &&Charge| {
            let mut now = Charge::clone(charge);
            now.show(&shown_by(charge, &found));
            charge.is_enforced() && !now.fits()
        };
        let short: Vec<&Charge> = sharded.into_iter().filter(short).collect();
        let again = self.shown(&short, true).await?;
        for charge in short {
            charge.counter_keys().iter().for_each(|key| drop(found.remove(key.as_str())));
        }
        found.extend(again);
        Ok(charges.iter().map(|charge| shown_by(charge, &found)).collect())
    }

    async fn create(&self, reservation: &Reservation) -> Result<Created, LedgerError> {
        if reservation.state != State::Held || reservation.enforced().next().is_none() {
            return match self.put(reservation, None).await? {
                None => Ok(Created::Created),
                Some(stored) => Ok(Created::Exists(Box::new(reservation_from(&stored).map_err(unreadable)?))),
            };
        }
        if reservation.enforced().flat_map(|charge| &charge.amounts).any(UnitCharge::never_fits) {
            return self.never(reservation).await;
        }
        match Box::pin(self.hold(reservation)).await? {
            Held::Held(placed) if *placed == *reservation => Ok(Created::Created),
            Held::Held(placed) => Ok(Created::OnOtherShards(placed)),
            Held::Exists(stored) => Ok(Created::Exists(stored)),
            Held::NoRoom(refusing) => Ok(Created::NoRoom(refusing)),
            Held::Contended => Err(LedgerError::Contended),
        }
    }

    async fn find(&self, request_id: &str) -> Result<Option<Reservation>, LedgerError> {
        let request = self.client.get_item().table_name(&self.table).key("pk", AttributeValue::S(item::reservation_key(request_id)));
        let output = request.consistent_read(true).send().await.map_err(unavailable)?;
        output.item.map(|item| reservation_from(&item).map_err(unreadable)).transpose()
    }

    async fn write(&self, version: u64, step: &Step) -> Result<Written, LedgerError> {
        if step.deltas.is_empty() {
            return match self.put(&step.next, Some(version)).await? {
                None => Ok(Written::Written),
                Some(item) if item.is_empty() => Ok(Written::Changed(None)),
                Some(item) => Ok(Written::Changed(Some(Box::new(reservation_from(&item).map_err(unreadable)?)))),
            };
        }
        match Box::pin(self.move_on(version, step)).await? {
            Moved::Moved => Ok(Written::Written),
            Moved::Changed(stored) => Ok(Written::Changed(stored)),
            Moved::Contended => Err(LedgerError::Contended),
        }
    }

    async fn leases_past(&self, before: Timestamp, most: usize) -> Result<Vec<Reservation>, LedgerError> {
        let mut listed = most;
        loop {
            let (past, is_all) = self.listed_leases(before, listed).await?;
            let mut found: Vec<Reservation> = Vec::new();
            for some in past.chunks(most.max(1)) {
                let items = self.items(some.to_vec(), true).await?;
                // One item that cannot be read must not keep all others from being ended, and the index may lag behind the items: an
                // entry that leads to nothing takes nobody's place.
                let readable = items.iter().filter_map(|item| reservation_from(item).ok());
                found.extend(readable.filter(|found| found.state.is_open() && found.lease_end < before));
                if found.len() >= most {
                    break;
                }
            }
            if is_all || found.len() >= most {
                found.sort_by(|a, b| (a.lease_end, a.request_id()).cmp(&(b.lease_end, b.request_id())));
                found.truncate(most);
                return Ok(found);
            }
            listed = listed.saturating_mul(2);
        }
    }

    async fn count_shadow(&self, deltas: &[CounterDelta]) {
        let all = async {
            for (key, update) in expression::shadow_updates(deltas) {
                let request = self.client.update_item().table_name(&self.table).key("pk", AttributeValue::S(key.as_str().to_owned()));
                let _ = update.onto_item(request).send().await;
            }
        };
        // Best effort, as the port promises: shadow counters are approximate.
        let _ = tokio::time::timeout(Duration::from_secs(u64::from(time_outs::SHADOW)), all).await;
    }
}

/// A request, after the patience that is due where others got there first.
async fn after(lost: u32, ask: Ask) -> Ask {
    if let Some(attempt) = lost.checked_sub(1) {
        patience(attempt).await;
    }
    ask
}

/// What a charge's counter shows, all its shards together.
fn shown_by(charge: &Charge, found: &HashMap<String, CounterFigures>) -> CounterFigures {
    let keys = charge.counter_keys();
    sum(keys.iter().filter_map(|key| found.get(key.as_str())))
}

/// A request that failed for good; throttled to the end is contention, whichever way DynamoDB says it.
fn unavailable<E, R>(error: SdkError<E, R>) -> LedgerError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    if transaction::is_passing(error.code()) { LedgerError::Contended } else { LedgerError::Unavailable(Box::new(error)) }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreadable(error: ItemError) -> LedgerError {
    LedgerError::Unreadable(error.to_string())
}
