//! Transactions: a reservation and its counters, all or none, and what a cancelled one means.
//!
//! The reservation's own condition is looked at first (a repeat), then what no retry would mend (an error, with DynamoDB's code), then
//! conflicts and throttling (try again, jittered and bounded), and only then the counters' (a refusal, or a counter that has expired).

use super::item::{self, Item, OVERDRAWN};
use super::{DynamoDbLedger, reservation_from, reservation_item, unavailable, unreadable};
use crate::clients;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::counter::{Answer, Ask, Change, Condition, Move, Rewrite};
use cost_sentry_core::reservation::{CounterDelta, Figures, Reservation};
use cost_sentry_workflow::patience::{ATTEMPTS, longest_wait_ms};
use cost_sentry_workflow::ports::LedgerError;
use jiff::Timestamp;
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
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=longest_wait_ms(attempt)))).await;
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

    /// Starts the counter where it is not there.
    fn starts(&mut self, key: &CounterKey, window_end: Timestamp) {
        let (place, values) = set_place(key, Some(window_end));
        self.update = match self.update.strip_prefix("SET ") {
            Some(set) => format!("{place}, {set}"),
            None => format!("{place} {}", self.update),
        };
        self.values.extend(values);
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

/// The update of a counter's item that moves with its reservation.
pub(super) fn moved(one: &Move) -> CounterUpdate {
    let mut update = added(&one.amounts, one.sharded);
    let mut conditions = Vec::new();
    match &one.condition {
        Condition::AtMost(ceilings) => {
            for (unit, most) in ceilings {
                let committed = item::figure_attribute('c', *unit);
                // Conditions cannot add, so the ceiling was computed before. A hold above its limit never gets here.
                conditions.push(format!("(attribute_not_exists({committed}) OR {committed} <= :most_{committed})"));
                update.values.push((format!(":most_{committed}"), number(*most)));
            }
            update.starts(&one.key, one.window_end);
        }
        Condition::Room(asked) => {
            conditions.push(format!("attribute_not_exists({OVERDRAWN})"));
            for (unit, asked) in asked {
                let (limit, room) = (item::figure_attribute('l', *unit), item::figure_attribute('r', *unit));
                conditions.push(format!("{limit} = :{limit} AND {room} >= :asked_{room}"));
                update.values.push((format!(":{limit}"), number(asked.limit)));
                update.values.push((format!(":asked_{room}"), number(asked.hold)));
            }
        }
        Condition::Exists => conditions.push("attribute_exists(pk)".to_owned()),
        Condition::Excess(excess) => {
            let mut open = Vec::new();
            for (unit, excess) in excess {
                let (limit, room) = (item::figure_attribute('l', *unit), item::figure_attribute('r', *unit));
                open.push(format!("(attribute_not_exists({limit}) OR {room} >= :excess_{room})"));
                update.values.push((format!(":excess_{room}"), number(*excess)));
            }
            // AND binds before OR, and DynamoDB takes no parentheses that nothing needs.
            conditions.push(format!("attribute_exists(pk) AND (attribute_exists({OVERDRAWN}) OR {})", open.join(" AND ")));
        }
    }
    update.condition = Some(conditions.join(" AND "));
    update
}

/// The updates of shadow counters: without a condition, and each starts its counter where it is not there.
pub(super) fn shadow_updates(deltas: &[CounterDelta]) -> BTreeMap<CounterKey, CounterUpdate> {
    let mut by_key: BTreeMap<CounterKey, (Timestamp, BTreeMap<Unit, Figures>)> = BTreeMap::new();
    for delta in deltas {
        let (_, amounts) = by_key.entry(delta.key.clone()).or_insert_with(|| (delta.window_end, BTreeMap::new()));
        amounts.insert(delta.unit, Figures { committed: delta.committed, used: delta.used, uncertain: delta.uncertain });
    }
    let update = |(key, (window_end, amounts))| {
        let mut update = added(&amounts, false);
        update.starts(&key, window_end);
        (key, update)
    };
    by_key.into_iter().map(update).collect()
}

/// Figures added, without a condition yet.
fn added(amounts: &BTreeMap<Unit, Figures>, sharded: bool) -> CounterUpdate {
    let (mut adds, mut values) = (Vec::new(), Vec::new());
    for (unit, amount) in amounts {
        let room = if sharded { amount.committed.saturating_neg() } else { 0 };
        let moves = [('c', amount.committed), ('u', amount.used), ('x', amount.uncertain), ('r', room)];
        for (figure, amount) in moves.into_iter().filter(|(figure, amount)| *amount != 0 || *figure == 'c') {
            let attribute = item::figure_attribute(figure, *unit);
            adds.push(format!("{attribute} :{attribute}"));
            values.push((format!(":{attribute}"), number(amount)));
        }
    }
    CounterUpdate { update: format!("ADD {}", adds.join(", ")), condition: None, values }
}

/// The update that moves room between the shards of a counter.
fn rewritten(rewrite: &Rewrite) -> CounterUpdate {
    let (mut parts, mut conditions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let attribute = |figure, unit: &Unit| item::figure_attribute(figure, *unit);
    match &rewrite.change {
        Change::Cut { parts: shares, was_overdrawn } => {
            let exists = if *was_overdrawn { "attribute_exists" } else { "attribute_not_exists" };
            conditions.push(format!("{exists}({OVERDRAWN})"));
            for (unit, part) in shares {
                let (limit, room, committed) = (attribute('l', unit), attribute('r', unit), attribute('c', unit));
                parts.push(format!("{limit} = :{limit}, {room} = :share_{room} - if_not_exists({committed}, :zero)"));
                conditions.push(match part.share {
                    ..0 => format!("{committed} <= :share_{room}"),
                    0.. => format!("(attribute_not_exists({committed}) OR {committed} <= :share_{room})"),
                });
                match part.was {
                    Some(was) => {
                        conditions.push(format!("{limit} = :was_{limit}"));
                        values.push((format!(":was_{limit}"), number(was)));
                    }
                    None => conditions.push(format!("attribute_not_exists({limit})")),
                }
                values.push((format!(":{limit}"), number(part.limit)));
                values.push((format!(":share_{room}"), number(part.share)));
            }
            values.push((":zero".to_owned(), number(0)));
            let uncut = item::UNITS.iter().map(|(unit, _)| unit).filter(|unit| !shares.contains_key(unit));
            let removed = uncut.flat_map(|unit| [attribute('l', unit), attribute('r', unit)]);
            let removed: Vec<String> = std::iter::once(OVERDRAWN.to_owned()).chain(removed).collect();
            let update = format!("SET {} REMOVE {}", parts.join(", "), removed.join(", "));
            let mut update = CounterUpdate { update, condition: Some(conditions.join(" AND ")), values };
            update.starts(&rewrite.key, rewrite.window_end);
            update
        }
        Change::Shift(shifts) => {
            conditions.push(format!("attribute_not_exists({OVERDRAWN})"));
            for (unit, shift) in shifts {
                let (limit, room) = (attribute('l', unit), attribute('r', unit));
                parts.push(format!("{room} :{room}"));
                conditions.push(format!("{limit} = :{limit} AND {room} >= :given_{room}"));
                values.push((format!(":{limit}"), number(shift.limit)));
                values.push((format!(":{room}"), number(shift.room)));
                values.push((format!(":given_{room}"), number(shift.room.saturating_neg())));
            }
            CounterUpdate { update: format!("ADD {}", parts.join(", ")), condition: Some(conditions.join(" AND ")), values }
        }
        Change::Overdraw => {
            let (update, values) = set_overdrawn(&rewrite.key, Some(rewrite.window_end));
            CounterUpdate { update, condition: None, values }
        }
    }
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

/// Marks a shard as overdrawn, and starts it where it is not there.
pub(super) fn set_overdrawn(key: &CounterKey, window_end: Option<Timestamp>) -> (String, Vec<(String, AttributeValue)>) {
    let (place, mut values) = set_place(key, window_end);
    values.push((":one".to_owned(), number(1)));
    let set = if place.is_empty() { "SET".to_owned() } else { format!("{place},") };
    (format!("{set} {OVERDRAWN} = :one"), values)
}

/// The same as part of a transaction.
pub(super) fn overdraw(table: &str, key: &CounterKey, window_end: Option<Timestamp>) -> Result<TransactWriteItem, BuildError> {
    let (update, values) = set_overdrawn(key, window_end);
    CounterUpdate { update, condition: None, values }.into_transaction(table, key)
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
    use cost_sentry_core::counter::{Asked, Part, Shift};
    use expect_test::expect;

    fn reason(code: &str) -> CancellationReason {
        CancellationReason::builder().code(code).build()
    }

    /// What is sent for an item: the update, the condition, and the values by name.
    fn sent(update: &CounterUpdate) -> String {
        let value = |(name, value): &(String, AttributeValue)| format!("{name}={}", value.as_n().or(value.as_s()).unwrap());
        let mut values: Vec<String> = update.values.iter().map(value).collect();
        values.sort();
        format!("{}\n  if {}\n  {}\n", update.update, update.condition.as_deref().unwrap_or("-"), values.join(" "))
    }

    #[test]
    fn a_shard_moves_on_the_condition_that_core_says() {
        let span = cost_sentry_core::window::Span { start: Timestamp::UNIX_EPOCH, end: Timestamp::UNIX_EPOCH };
        let key = CounterKey::new(cost_sentry_core::budget::Mode::Enforce, "a", "day", span, "");
        let amount = |committed, used, uncertain| BTreeMap::from([(Unit::Tokens, Figures { committed, used, uncertain })]);
        let asked = BTreeMap::from([(Unit::Tokens, Asked { limit: 100, hold: 7 })]);
        let one = |amounts, condition| moved(&Move { key: key.clone(), window_end: span.end, amounts, sharded: true, condition });
        let two = BTreeMap::from([(Unit::Tokens, 3), (Unit::Usd, 4)]);
        let moves = [
            one(amount(7, 0, 0), Condition::Room(asked)),
            one(amount(-4, 3, 0), Condition::Exists),
            one(amount(3, 10, 0), Condition::Excess(two)),
        ];
        let rewrite = |change| rewritten(&Rewrite { key: key.clone(), window_end: span.end, change });
        let part = |was, share| BTreeMap::from([(Unit::Tokens, Part { was, limit: 100, share })]);
        let shift = BTreeMap::from([(Unit::Tokens, Shift { limit: 100, room: -5 })]);
        let rewrites = [
            rewrite(Change::Cut { parts: part(None, 25), was_overdrawn: false }),
            rewrite(Change::Cut { parts: part(Some(90), -1), was_overdrawn: true }),
            rewrite(Change::Shift(shift)),
            rewrite(Change::Overdraw),
        ];
        let sent: String = moves.iter().chain(&rewrites).map(sent).collect();
        expect![[r"
            ADD c_tok :c_tok, r_tok :r_tok
              if attribute_not_exists(od) AND l_tok = :l_tok AND r_tok >= :asked_r_tok
              :asked_r_tok=7 :c_tok=7 :l_tok=100 :r_tok=-7
            ADD c_tok :c_tok, u_tok :u_tok, r_tok :r_tok
              if attribute_exists(pk)
              :c_tok=-4 :r_tok=4 :u_tok=3
            ADD c_tok :c_tok, u_tok :u_tok, r_tok :r_tok
              if attribute_exists(pk) AND (attribute_exists(od) OR (attribute_not_exists(l_usd) OR r_usd >= :excess_r_usd) AND (attribute_not_exists(l_tok) OR r_tok >= :excess_r_tok))
              :c_tok=3 :excess_r_tok=3 :excess_r_usd=4 :r_tok=-3 :u_tok=10
            SET expiresAt = :expires, dayPartition = :day, decidedAt = :start, l_tok = :l_tok, r_tok = :share_r_tok - if_not_exists(c_tok, :zero) REMOVE od, l_usd, r_usd, l_in, r_in, l_out, r_out, l_req, r_req
              if attribute_not_exists(od) AND (attribute_not_exists(c_tok) OR c_tok <= :share_r_tok) AND attribute_not_exists(l_tok)
              :day=C1970-01#3 :expires=3024000 :l_tok=100 :share_r_tok=25 :start=0 :zero=0
            SET expiresAt = :expires, dayPartition = :day, decidedAt = :start, l_tok = :l_tok, r_tok = :share_r_tok - if_not_exists(c_tok, :zero) REMOVE od, l_usd, r_usd, l_in, r_in, l_out, r_out, l_req, r_req
              if attribute_exists(od) AND c_tok <= :share_r_tok AND l_tok = :was_l_tok
              :day=C1970-01#3 :expires=3024000 :l_tok=100 :share_r_tok=-1 :start=0 :was_l_tok=90 :zero=0
            ADD r_tok :r_tok
              if attribute_not_exists(od) AND l_tok = :l_tok AND r_tok >= :given_r_tok
              :given_r_tok=5 :l_tok=100 :r_tok=-5
            SET expiresAt = :expires, dayPartition = :day, decidedAt = :start, od = :one
              if -
              :day=C1970-01#3 :expires=3024000 :one=1 :start=0
        "]].assert_eq(&sent);
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
