//! What is sent for an item: the conditions and updates that say what core decided.

use super::item::{self, OVERDRAWN};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::counter::{Change, Condition, Move, Rewrite};
use cost_sentry_core::reservation::{CounterDelta, Figures};
use jiff::Timestamp;
use std::collections::BTreeMap;

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

    pub(super) fn into_transaction(self, table: &str, key: &CounterKey) -> Result<TransactWriteItem, BuildError> {
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
            // It exists, but its window may end later than when it was cut.
            update.starts(&one.key, one.window_end);
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
pub(super) fn rewritten(rewrite: &Rewrite) -> CounterUpdate {
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

#[cfg(test)]
mod tests {
    use super::*;
    use cost_sentry_core::counter::{Asked, Part, Shift};
    use expect_test::expect;

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
            SET expiresAt = :expires, dayPartition = :day, decidedAt = :start ADD c_tok :c_tok, r_tok :r_tok
              if attribute_not_exists(od) AND l_tok = :l_tok AND r_tok >= :asked_r_tok
              :asked_r_tok=7 :c_tok=7 :day=C1970-01#3 :expires=3024000 :l_tok=100 :r_tok=-7 :start=0
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
}
