//! Adjustments in the table, and the transaction that mends a counter.
//!
//! | attribute | of an adjustment |
//! | --- | --- |
//! | `pk` | `A#<counter's key>#<number>`, the first 1, without gaps |
//! | `at`, `by`, `why` | when (microseconds since 1970), who, the reason |
//! | `tr` | which side was right: `r`eservations or `c`ounter |
//! | `am` | per unit that differed: unit, and committed, used, uncertain as stored, then as recomputed |
//! | `expiresAt` | as a reservation of the window |

use super::DynamoDbLedger;
use super::expression::{condition, number, overdraw, set_overdrawn, set_place};
use super::item::{self, Item};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem, Update};
use cost_sentry_core::audit::{Adjusted, Adjustment, Finding, Trusted};
use cost_sentry_core::budget::CounterKey;
use cost_sentry_core::reservation::Figures;
use cost_sentry_workflow::ports::LedgerError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

type StoredAdjusted = (u8, i64, i64, i64, i64, i64, i64);

#[derive(Serialize, Deserialize)]
struct Stored {
    pk: String,
    at: i64,
    by: String,
    why: String,
    tr: String,
    am: Vec<StoredAdjusted>,
}

/// What came of mending a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mended {
    /// The adjustment is recorded, and the counter is as it says.
    Mended,
    /// The counter is not what it was when it was audited, or somebody else has mended it: nothing was written.
    Moved,
}

fn key_of(counter: &CounterKey, number: u32) -> String {
    format!("A#{}#{number}", counter.as_str())
}

fn side(trusted: Trusted) -> &'static str {
    match trusted {
        Trusted::Reservations => "r",
        Trusted::Counter => "c",
    }
}

fn adjustment_item(adjustment: &Adjustment, end: Option<Timestamp>) -> Result<Item, LedgerError> {
    let amount = |(unit, both): (&_, &Adjusted)| {
        let (stored, sum) = (both.stored, both.recomputed);
        (item::unit_number(*unit), stored.committed, stored.used, stored.uncertain, sum.committed, sum.used, sum.uncertain)
    };
    let stored = Stored {
        pk: key_of(&adjustment.key, adjustment.number),
        at: adjustment.at.as_microsecond(),
        by: adjustment.by.clone(),
        why: adjustment.reason.clone(),
        tr: side(adjustment.trusted).to_owned(),
        am: adjustment.amounts.iter().map(amount).collect(),
    };
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(stored).map_err(|error| LedgerError::Unreadable(error.to_string()))?;
    if let Some(end) = end {
        item.insert("expiresAt".to_owned(), number(item::record_expiry(end)));
    }
    Ok(item)
}

fn adjustment_from(item: &Item) -> Option<Adjustment> {
    let stored: Stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(item.clone()).ok()?;
    let (counter, number) = stored.pk.strip_prefix("A#")?.rsplit_once('#')?;
    let amount = |(unit, c, u, x, sum_c, sum_u, sum_x): StoredAdjusted| {
        let stored = Figures { committed: c, used: u, uncertain: x };
        Some((item::unit_of(unit)?, Adjusted { stored, recomputed: Figures { committed: sum_c, used: sum_u, uncertain: sum_x } }))
    };
    Some(Adjustment {
        key: CounterKey::stored(counter)?,
        number: number.parse().ok()?,
        at: Timestamp::from_microsecond(stored.at).ok()?,
        by: stored.by,
        reason: stored.why,
        trusted: [Trusted::Reservations, Trusted::Counter].into_iter().find(|trusted| side(*trusted) == stored.tr)?,
        amounts: stored.am.into_iter().map(amount).collect::<Option<_>>()?,
    })
}

impl DynamoDbLedger {
    /// The adjustments of these counters, each counter's in order, read consistently; the counters of which one cannot be read.
    pub(super) async fn adjustments(
        &self,
        counters: &BTreeSet<CounterKey>,
    ) -> Result<(BTreeMap<CounterKey, Vec<Adjustment>>, BTreeSet<CounterKey>), LedgerError> {
        let (mut found, mut unreadable) = (BTreeMap::<CounterKey, Vec<Adjustment>>::new(), BTreeSet::new());
        let mut asked: Vec<(CounterKey, u32)> = counters.iter().map(|key| (key.clone(), 1)).collect();
        while !asked.is_empty() {
            let items = self.items(asked.iter().map(|(key, number)| key_of(key, *number)).collect(), true).await?;
            let items: BTreeMap<String, Item> = items.into_iter().filter_map(|item| Some((item::key(&item)?, item))).collect();
            asked.retain_mut(|(key, number)| {
                let Some(item) = items.get(&key_of(key, *number)) else { return false };
                match adjustment_from(item) {
                    Some(adjustment) => found.entry(key.clone()).or_default().push(adjustment),
                    None => _ = unreadable.insert(key.clone()),
                }
                *number = number.saturating_add(1);
                true
            });
        }
        Ok((found, unreadable))
    }

    /// Records an adjustment and does to the counter what it says, both or neither, if the counter still shows what the finding says.
    pub async fn mend(&self, finding: &Finding, adjustment: &Adjustment) -> Result<Mended, LedgerError> {
        let unbuilt = |error: BuildError| LedgerError::Unavailable(Box::new(error));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(adjustment_item(adjustment, finding.end)?))
            .condition_expression(condition(None))
            .build()
            .map_err(unbuilt)?;
        let shards = self.cut_shards(finding, adjustment).await?;
        let counter = self.correction(finding, adjustment, !shards.is_empty()).map_err(unbuilt)?;
        let mut actions = vec![TransactWriteItem::builder().put(put).build(), counter];
        for other in shards.iter().filter(|key| **key != finding.key) {
            actions.push(overdraw(&self.table, other, finding.end).map_err(unbuilt)?);
        }
        let cancelled = self.all_or_none(&actions, std::slice::from_ref(&finding.key)).await?;
        Ok(cancelled.map_or(Mended::Mended, |_| Mended::Moved))
    }

    /// All shards of the counter, if it is cut into shards and something moves. Then the room that each has left is no longer what the
    /// sums say: all are marked as overdrawn, so that the next hold cuts the counter anew.
    async fn cut_shards(&self, finding: &Finding, adjustment: &Adjustment) -> Result<Vec<CounterKey>, LedgerError> {
        let Some(shards) = finding.key.items().filter(|_| !adjustment.moved().is_empty()) else { return Ok(Vec::new()) };
        let items = self.items(shards.iter().map(|key| key.as_str().to_owned()).collect(), true).await?;
        let is_cut = items.iter().map(item::counter_item).any(|item| item.overdrawn || !item.cuts.is_empty());
        Ok(if is_cut { shards } else { Vec::new() })
    }

    /// The counter's part: on the condition that it shows what was found, all that the adjustment moves.
    fn correction(&self, finding: &Finding, adjustment: &Adjustment, sharded: bool) -> Result<TransactWriteItem, BuildError> {
        let (condition, mut values) = unchanged(finding);
        let moved: Vec<(String, i64)> = adjustment.moved().into_iter().flat_map(|(unit, figures)| attributes(unit, figures)).collect();
        let key = AttributeValue::S(finding.key.as_str().to_owned());
        if moved.is_empty() {
            let check = ConditionCheck::builder().table_name(&self.table).key("pk", key).condition_expression(condition);
            let check = check.set_expression_attribute_values((!values.is_empty()).then(|| values.into_iter().collect()));
            return Ok(TransactWriteItem::builder().condition_check(check.build()?).build());
        }
        let adds: Vec<String> = moved.iter().map(|(attribute, _)| format!("{attribute} :by_{attribute}")).collect();
        values.extend(moved.iter().map(|(attribute, amount)| (format!(":by_{attribute}"), number(*amount))));
        let (set, set_values) = if sharded { set_overdrawn(&finding.key, finding.end) } else { set_place(&finding.key, finding.end) };
        values.extend(set_values);
        let update = Update::builder().table_name(&self.table).key("pk", key).condition_expression(condition);
        let update = update.update_expression(format!("{set} ADD {}", adds.join(", ")));
        let update = update.set_expression_attribute_values(Some(values.into_iter().collect()));
        Ok(TransactWriteItem::builder().update(update.build()?).build())
    }
}

/// The condition that a counter shows what was found.
fn unchanged(finding: &Finding) -> (String, Vec<(String, AttributeValue)>) {
    if !finding.exists {
        return ("attribute_not_exists(pk)".to_owned(), Vec::new());
    }
    let mut conditions = vec!["attribute_exists(pk)".to_owned()];
    let mut values = Vec::new();
    for unit in item::units() {
        let stored = finding.units.get(&unit).map(|unit| unit.stored).unwrap_or_default();
        for (attribute, found) in attributes(unit, stored) {
            let absent = if found == 0 { format!("attribute_not_exists({attribute}) OR ") } else { String::new() };
            conditions.push(format!("({absent}{attribute} = :was_{attribute})"));
            values.push((format!(":was_{attribute}"), number(found)));
        }
    }
    (conditions.join(" AND "), values)
}

/// The attributes of a unit's figures, with these amounts.
fn attributes(unit: cost_sentry_core::budget::Unit, figures: Figures) -> Vec<(String, i64)> {
    let amounts = [figures.committed, figures.used, figures.uncertain];
    item::FIGURES.into_iter().zip(amounts).map(|(figure, amount)| (item::figure_attribute(figure, unit), amount)).collect()
}
