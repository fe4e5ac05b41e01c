//! Transactions: a reservation and its counters, all or none, and what a cancelled one means.
//!
//! The reservation's own condition is looked at first (a repeat), then what no retry would mend (an error, with DynamoDB's code), then
//! conflicts and throttling (try again, jittered and bounded), and only then the counters' (a refusal, or a counter that has expired).

use super::item::{self, Item};
use super::{DynamoDbLedger, reservation_item, unavailable, unreadable};
use crate::clients;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::reservation::{CounterDelta, Reservation, Step};
use cost_sentry_workflow::ports::LedgerError;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often a request is tried that only others' requests are in the way of, the SDK's own tries included.
pub(super) const ATTEMPTS: u32 = 8;
/// The first wait; each further one is twice as long, with full jitter, up to [`LONGEST_WAIT_MS`].
const FIRST_WAIT_MS: u64 = 10;
const LONGEST_WAIT_MS: u64 = 400;

/// DynamoDB's errors that pass by themselves: others' requests are in the way, or too many of them.
const PASSING: [&str; 6] = [
    "TransactionConflictException",
    "TransactionInProgressException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
];
/// The same as reasons why a transaction was cancelled (`CancellationReason` in Amazon DynamoDB's API reference). Any other reason stays.
const PASSING_REASONS: [&str; 3] = ["TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"];

/// Whether an error of this code passes by itself.
pub(super) fn is_passing(code: Option<&str>) -> bool {
    code.is_some_and(|code| PASSING.contains(&code))
}

/// How many tries stand behind an error that passes: the SDK has tried again by itself where it takes it for throttling.
pub(super) fn tries(code: Option<&str>) -> u32 {
    if code == Some("TransactionConflictException") { 1 } else { clients::ATTEMPTS }
}

/// A transaction that would be cancelled every time; it names codes, not the service's messages.
#[derive(Debug, thiserror::Error)]
#[error("DynamoDB cancelled the transaction: {0}")]
struct CancelledForGood(String);

/// What the reasons of a cancelled transaction say.
enum Reading {
    /// A condition failed.
    Condition(Cancelled),
    /// Only others' requests are in the way.
    InTheWay,
    /// It would fail every time, for these reasons.
    ForGood(String),
}

/// Whose condition cancelled a transaction.
pub(super) enum Cancelled {
    /// The reservation's; what is stored.
    Reservation(Option<Item>),
    /// Counters'; what they hold.
    Counters(Vec<(CounterKey, Item)>),
}

/// Waits before another try.
pub(super) async fn patience(attempt: u32) {
    let most = FIRST_WAIT_MS.saturating_mul(1u64 << attempt.min(16)).min(LONGEST_WAIT_MS);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=most))).await;
}

/// The condition on a reservation's item: that it does not exist, or that its version is still the one decided on.
pub(super) fn condition(version: Option<u64>) -> &'static str {
    match version {
        None => "attribute_not_exists(pk)",
        Some(_) => "v = :version",
    }
}

pub(super) fn condition_values(version: Option<u64>) -> Vec<(String, AttributeValue)> {
    version.map(|version| (":version".to_owned(), number(version))).into_iter().collect()
}

pub(super) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// One counter's update: all its units in one expression, since a transaction takes no item twice.
#[derive(Debug, Clone)]
pub(super) struct CounterUpdate {
    update: String,
    condition: Option<String>,
    values: Vec<(String, AttributeValue)>,
}

impl CounterUpdate {
    /// The update outside a transaction.
    pub(super) fn onto_item(self, mut request: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        request = request.update_expression(self.update).set_condition_expression(self.condition);
        for (name, value) in self.values {
            request = request.expression_attribute_values(name, value);
        }
        request
    }

    fn into_transaction(self, table: &str, key: &CounterKey) -> Result<TransactWriteItem, BuildError> {
        let mut update = Update::builder()
            .table_name(table)
            .key("pk", AttributeValue::S(key.as_str().to_owned()))
            .update_expression(self.update)
            .set_condition_expression(self.condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, value) in self.values {
            update = update.expression_attribute_values(name, value);
        }
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }
}

/// What a counter's update depends on.
pub(super) enum Ceiling<'a> {
    /// The hold: each unit must have room. Starts the counter where it is not there.
    Room(&'a BTreeMap<(CounterKey, Unit), u64>),
    /// Any later move: the counter must still exist.
    Exists,
    /// A shadow's: nothing. Starts the counter where it is not there.
    Nothing,
}

/// The counters' updates, one per key, in the order of the keys.
pub(super) fn updates(deltas: &[CounterDelta], ceiling: &Ceiling<'_>) -> BTreeMap<CounterKey, CounterUpdate> {
    let mut by_key: BTreeMap<CounterKey, Vec<&CounterDelta>> = BTreeMap::new();
    for delta in deltas {
        by_key.entry(delta.key.clone()).or_default().push(delta);
    }
    by_key.into_iter().map(|(key, deltas)| (key, update(&deltas, ceiling))).collect()
}

fn update(deltas: &[&CounterDelta], ceiling: &Ceiling<'_>) -> CounterUpdate {
    let (mut adds, mut conditions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for delta in deltas {
        let moves = [('c', delta.committed), ('u', delta.used), ('x', delta.uncertain)];
        for (figure, amount) in moves.into_iter().filter(|(figure, amount)| *amount != 0 || *figure == 'c') {
            let attribute = item::figure_attribute(figure, delta.unit);
            adds.push(format!("{attribute} :{attribute}"));
            values.push((format!(":{attribute}"), number(amount)));
        }
        if let Ceiling::Room(ceilings) = ceiling {
            let committed = item::figure_attribute('c', delta.unit);
            // Conditions cannot add, so the ceiling was computed before. A hold above its limit never gets here.
            let most = ceilings.get(&(delta.key.clone(), delta.unit)).copied().unwrap_or(0);
            conditions.push(format!("(attribute_not_exists({committed}) OR {committed} <= :most_{committed})"));
            values.push((format!(":most_{committed}"), number(most)));
        }
    }
    let mut update = format!("ADD {}", adds.join(", "));
    match (ceiling, deltas.first()) {
        (Ceiling::Room(_) | Ceiling::Nothing, Some(delta)) => {
            let (set, set_values) = set_place(&delta.key, Some(delta.window_end));
            update = format!("{set} {update}");
            values.extend(set_values);
        }
        (Ceiling::Exists, _) => conditions.push("attribute_exists(pk)".to_owned()),
        (_, None) => {}
    }
    CounterUpdate { update, condition: (!conditions.is_empty()).then(|| conditions.join(" AND ")), values }
}

/// Sets what a counter's key and window say: when it may be deleted, and where the day index has it. Both are the same each time, so
/// that only a counter's first update writes to the index.
pub(super) fn set_place(key: &CounterKey, window_end: Option<Timestamp>) -> (String, Vec<(String, AttributeValue)>) {
    let expiry = window_end.map(|end| ("expiresAt", ":expires", number(item::counter_expiry(end))));
    let place = item::counter_place(key);
    let place = place.map(|(day, start)| [("dayPartition", ":day", AttributeValue::S(day)), ("decidedAt", ":start", number(start))]);
    let all: Vec<_> = expiry.into_iter().chain(place.into_iter().flatten()).collect();
    let sets: Vec<String> = all.iter().map(|(attribute, value, _)| format!("{attribute} = {value}")).collect();
    let set = if sets.is_empty() { String::new() } else { format!("SET {}", sets.join(", ")) };
    (set, all.into_iter().map(|(_, name, value)| (name.to_owned(), value)).collect())
}

impl DynamoDbLedger {
    /// The hold: the reservation must not exist, every counter must have room. No hold may be above its limit.
    pub(super) async fn transact_hold(&self, reservation: &Reservation, deltas: &[CounterDelta]) -> Result<Option<Cancelled>, LedgerError> {
        let mut ceilings = BTreeMap::new();
        for charge in reservation.enforced() {
            let most = charge.amounts.iter().filter_map(|amount| Some(((charge.key(), amount.unit), amount.ceiling()?)));
            ceilings.extend(most);
        }
        self.transact(reservation, None, updates(deltas, &Ceiling::Room(&ceilings))).await
    }

    /// Any later transition: the version must be the one decided on. Counters that have expired are left out. The stored item where
    /// the version differs.
    pub(super) async fn transact_step(&self, version: u64, step: &Step) -> Result<Option<Option<Item>>, LedgerError> {
        let mut expired: BTreeSet<CounterKey> = BTreeSet::new();
        loop {
            let mut updates = updates(&step.deltas, &Ceiling::Exists);
            updates.retain(|key, _| !expired.contains(key));
            match self.transact(&step.next, Some(version), updates).await? {
                None => return Ok(None),
                Some(Cancelled::Reservation(stored)) => return Ok(Some(stored)),
                Some(Cancelled::Counters(missing)) => {
                    let before = expired.len();
                    expired.extend(missing.into_iter().map(|(key, _)| key));
                    if expired.len() == before {
                        return Err(LedgerError::Contended);
                    }
                }
            }
        }
    }

    async fn transact(
        &self,
        reservation: &Reservation,
        version: Option<u64>,
        updates: BTreeMap<CounterKey, CounterUpdate>,
    ) -> Result<Option<Cancelled>, LedgerError> {
        let keys: Vec<CounterKey> = updates.keys().cloned().collect();
        let mut put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(reservation_item(reservation).map_err(unreadable)?))
            .condition_expression(condition(version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, value) in condition_values(version) {
            put = put.expression_attribute_values(name, value);
        }
        let put = put.build().map_err(|error| LedgerError::Unavailable(Box::new(error)))?;
        let mut actions = vec![TransactWriteItem::builder().put(put).build()];
        for (key, update) in updates {
            actions.push(update.into_transaction(&self.table, &key).map_err(|error| LedgerError::Unavailable(Box::new(error)))?);
        }
        let mut attempt = 0;
        while attempt < ATTEMPTS {
            // The SDK draws one ClientRequestToken per operation, so that its own retries of it are answered, not applied again.
            let request = self.client.transact_write_items().set_transact_items(Some(actions.clone()));
            let Err(error) = request.send().await else { return Ok(None) };
            match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    match read_reasons(cancelled.cancellation_reasons(), &keys) {
                        Reading::Condition(cancelled) => return Ok(Some(cancelled)),
                        Reading::ForGood(codes) => return Err(LedgerError::Unavailable(Box::new(CancelledForGood(codes)))),
                        Reading::InTheWay => attempt += 1,
                    }
                }
                _ if is_passing(error.code()) => attempt += tries(error.code()),
                _ => return Err(unavailable(error)),
            }
            patience(attempt - 1).await;
        }
        Err(LedgerError::Contended)
    }
}

/// What a cancelled transaction means.
fn read_reasons(reasons: &[CancellationReason], keys: &[CounterKey]) -> Reading {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let Some((own, counters)) = reasons.split_first() else { return Reading::InTheWay };
    if failed(own) {
        return Reading::Condition(Cancelled::Reservation(own.item().cloned()));
    }
    let others = reasons.iter().filter_map(CancellationReason::code).filter(|code| !["None", "ConditionalCheckFailed"].contains(code));
    let (passing, lasting): (Vec<&str>, Vec<&str>) = others.partition(|code| PASSING_REASONS.contains(code));
    if !lasting.is_empty() {
        return Reading::ForGood(lasting.join(", "));
    }
    if !passing.is_empty() {
        return Reading::InTheWay;
    }
    let refused = counters.iter().zip(keys).filter(|(reason, _)| failed(reason));
    let refused: Vec<_> = refused.map(|(reason, key)| (key.clone(), reason.item().cloned().unwrap_or_default())).collect();
    if refused.is_empty() { Reading::InTheWay } else { Reading::Condition(Cancelled::Counters(refused)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str) -> CancellationReason {
        CancellationReason::builder().code(code).build()
    }

    #[test]
    fn a_repeat_counts_before_a_lasting_reason_that_before_a_conflict_and_a_conflict_before_a_refusal() {
        let span = cost_sentry_core::window::Span { start: jiff::Timestamp::UNIX_EPOCH, end: jiff::Timestamp::UNIX_EPOCH };
        let keys = [CounterKey::new(cost_sentry_core::budget::Mode::Enforce, "a", "day", span, "")];
        let word = |codes: [&str; 2]| match read_reasons(&codes.map(reason), &keys) {
            Reading::Condition(Cancelled::Reservation(_)) => "repeat".to_owned(),
            Reading::Condition(Cancelled::Counters(_)) => "refusal".to_owned(),
            Reading::InTheWay => "again".to_owned(),
            Reading::ForGood(codes) => codes,
        };
        assert_eq!(word(["ConditionalCheckFailed", "TransactionConflict"]), "repeat");
        assert_eq!(word(["ConditionalCheckFailed", "ConditionalCheckFailed"]), "repeat");
        assert_eq!(word(["None", "TransactionConflict"]), "again");
        assert_eq!(word(["TransactionConflict", "ConditionalCheckFailed"]), "again");
        assert_eq!(word(["ThrottlingError", "ConditionalCheckFailed"]), "again");
        assert_eq!(word(["None", "ConditionalCheckFailed"]), "refusal");
        assert_eq!(word(["ConditionalCheckFailed", "ValidationError"]), "repeat");
        assert_eq!(word(["ValidationError", "TransactionConflict"]), "ValidationError");
        assert_eq!(word(["ItemCollectionSizeLimitExceeded", "ConditionalCheckFailed"]), "ItemCollectionSizeLimitExceeded");
        assert_eq!(word(["SomeNewReason", "AnotherOne"]), "SomeNewReason, AnotherOne");
    }
}
