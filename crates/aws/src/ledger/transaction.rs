//! Transactions: a reservation and its counters, all or none, and what a cancelled one means.
//!
//! The reservation's own condition is looked at first (a repeat), then what no retry would mend (an error, with DynamoDB's code), then
//! conflicts and throttling (try again, jittered and bounded), and only then the counters' (a refusal, or a counter that has expired).

use super::expression::{CounterUpdate, condition, condition_values, moved, rewritten};
use super::item::{self, Item};
use super::{DynamoDbLedger, reservation_from, reservation_item, unavailable, unreadable};
use crate::clients;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use cost_sentry_core::budget::CounterKey;
use cost_sentry_core::counter::{Answer, Ask, Rewrite};
use cost_sentry_core::reservation::Reservation;
use cost_sentry_workflow::patience::{ATTEMPTS, longest_wait_ms};
use cost_sentry_workflow::ports::LedgerError;
use std::collections::BTreeMap;
use std::time::Duration;

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
pub(super) fn tries_behind(code: Option<&str>) -> u32 {
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
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=longest_wait_ms(attempt)))).await;
}

/// How often an operation was tried.
#[derive(Debug, Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Waits before the next try, after as many as this; contended where those were the last.
    pub(super) async fn again(&mut self, after: u32) -> Result<(), LedgerError> {
        self.0 = self.0.saturating_add(after);
        if self.0 >= ATTEMPTS {
            return Err(LedgerError::Contended);
        }
        patience(self.0.saturating_sub(1)).await;
        Ok(())
    }
}

impl DynamoDbLedger {
    /// Carries out one request.
    pub(super) async fn carry_out(&self, ask: Ask) -> Result<Answer, LedgerError> {
        match ask {
            Ask::Write { reservation, version, moves } => {
                let updates = moves.iter().map(|one| (one.key.clone(), moved(one))).collect();
                match self.transact(&reservation, version, updates).await? {
                    None => Ok(Answer::Done),
                    Some(Cancelled::Reservation(item)) => {
                        let item = item.filter(|item| !item.is_empty());
                        let stored = item.map(|item| reservation_from(&item).map_err(unreadable)).transpose()?;
                        Ok(Answer::Stored(stored.map(Box::new)))
                    }
                    Some(Cancelled::Counters(items)) => {
                        let said = |(key, item): (CounterKey, Item)| (key, (!item.is_empty()).then(|| item::counter_item(&item)));
                        Ok(Answer::Refused(items.into_iter().map(said).collect()))
                    }
                }
            }
            Ask::Read(keys) => {
                let mut names: BTreeMap<String, CounterKey> = keys.into_iter().map(|key| (key.as_str().to_owned(), key)).collect();
                let items = self.items(names.keys().cloned().collect(), true).await?;
                let said = items.iter().filter_map(|item| Some((names.remove(&item::key(item)?)?, item::counter_item(item))));
                Ok(Answer::Items(said.collect()))
            }
            Ask::Rewrite(rewrites) => self.rewrite(&rewrites).await,
        }
    }

    /// Moves room between shards, all or none. Tried once: where others are in the way, they may have made the room.
    async fn rewrite(&self, rewrites: &[Rewrite]) -> Result<Answer, LedgerError> {
        let action = |rewrite: &Rewrite| rewritten(rewrite).into_transaction(&self.table, &rewrite.key);
        let actions: Result<Vec<TransactWriteItem>, BuildError> = rewrites.iter().map(action).collect();
        let actions = actions.map_err(|error| LedgerError::Unavailable(Box::new(error)))?;
        let Err(error) = self.client.transact_write_items().set_transact_items(Some(actions)).send().await else { return Ok(Answer::Done) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                match read_reasons(cancelled.cancellation_reasons(), &[]) {
                    Reading::ForGood(codes) => Err(LedgerError::Unavailable(Box::new(CancelledForGood(codes)))),
                    Reading::Condition(_) | Reading::InTheWay => Ok(Answer::Changed),
                }
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(Answer::Changed),
            _ => Err(unavailable(error)),
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
        self.all_or_none(&actions, &keys).await
    }

    /// Sends a transaction until it is done, or until a condition cancels it: that of the first action, or those of the counters of the
    /// actions after it, whose keys these are.
    pub(super) async fn all_or_none(&self, actions: &[TransactWriteItem], keys: &[CounterKey]) -> Result<Option<Cancelled>, LedgerError> {
        let mut tries = Tries::default();
        loop {
            // The SDK draws one ClientRequestToken per operation, so that its own retries of it are answered, not applied again.
            let request = self.client.transact_write_items().set_transact_items(Some(actions.to_vec()));
            let Err(error) = request.send().await else { return Ok(None) };
            let behind = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    match read_reasons(cancelled.cancellation_reasons(), keys) {
                        Reading::Condition(cancelled) => return Ok(Some(cancelled)),
                        Reading::ForGood(codes) => return Err(LedgerError::Unavailable(Box::new(CancelledForGood(codes)))),
                        Reading::InTheWay => 1,
                    }
                }
                _ if is_passing(error.code()) => tries_behind(error.code()),
                _ => return Err(unavailable(error)),
            };
            tries.again(behind).await?;
        }
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
