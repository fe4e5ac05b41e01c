//! The stored form of reservations and counters: short names, so that a reservation with five charges stays under a kilobyte.
//!
//! | attribute | of a reservation |
//! | --- | --- |
//! | `pk` | `R#<requestId>` |
//! | `s`, `v` | state's first two letters, version |
//! | `ci`, `h`, `p` | claim id, request hash, policy version |
//! | `ts` | the execution's start (microseconds since 1970) |
//! | `ch` | charges: budget, name if it differs, window, start and end (seconds), scope, shadow (1), frozen (2) and of a shard 4 × (index + 64 × (number − 1)) added, amounts: unit, limit, hold, committed, used, uncertain |
//! | `es` | estimate: input, bound (0 from bytes, 1 counted, 2 heuristic), `max_tokens` |
//! | `pr`, `us`, `co` | prices, usage, cost in nano-dollars |
//! | `m` | model: requested, name, id, billed id, underlying, metric; empty where like the one before |
//! | `t` | tags |
//! | `lm` | largest `max_tokens`, on a refusal for good |
//! | `leasePartition`, `leaseEnd` | the lease index, which an item without the partition is not in: only while open (microseconds) |
//! | `dayPartition`, `decidedAt` | the day index (microseconds) |
//! | `expiresAt` | for DynamoDB's time to live |
//!
//! A counter, exact or a shadow's, has `pk`, `expiresAt`, and per unit `c_…` (committed), `u_…` (used), `x_…` (uncertain). It is in the
//! day index too, so that an audit finds one that no reservation names: `dayPartition` is `C` and the UTC month in which its window
//! starts, `decidedAt` that start. Each hold writes the same values again, which leaves the index as it is. A shard of a counter has, per
//! unit that it is cut in, also `l_…` (the limit that was cut) and `r_…` (the room left here), and `od` while it is overdrawn.

use super::model::{self, StoredModel, like, unless};
use crate::table::{PARTITIONS, lease_partition_name};
use aws_sdk_dynamodb::types::AttributeValue;
use cost_sentry_core::audit::Stored as StoredCounter;
use cost_sentry_core::budget::{CounterKey, Mode, Unit};
use cost_sentry_core::counter::{CounterItem, Cut};
use cost_sentry_core::estimate::{Bound, Estimate};
use cost_sentry_core::price::{Prices, Usage};
use cost_sentry_core::quantity::{NanoUsd, Tokens};
use cost_sentry_core::reservation::{COUNTER_DAYS, Charge, ClaimId, Figures, RESERVATION_DAYS, Reservation, State, UnitCharge};
use cost_sentry_core::shard::Shard;
use cost_sentry_core::tags::{TagValues, Tags};
use cost_sentry_core::window::Span;
use cost_sentry_workflow::ports::CounterFigures;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A DynamoDB item.
pub type Item = HashMap<String, AttributeValue>;

const DAY_SECONDS: i64 = 86_400;

/// A stored item is not one that this version writes.
#[derive(Debug, thiserror::Error)]
pub enum ItemError {
    /// The attributes do not fit together.
    #[error("the item does not read as a reservation: {0}")]
    Shape(#[from] serde_dynamo::Error),
    /// An attribute's value is none that is written.
    #[error("attribute `{0}` has a value that this version does not write")]
    Value(&'static str),
}

type StoredAmount = (u8, u64, u64, i64, i64, i64);
type StoredCharge = (String, String, String, i64, i64, String, u16, Vec<StoredAmount>);

#[derive(Serialize, Deserialize)]
struct Stored {
    pk: String,
    s: String,
    v: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ci: Option<String>,
    h: String,
    p: String,
    ts: i64,
    ch: Vec<StoredCharge>,
    es: (u64, u8, u64),
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pr: Option<Prices>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    us: Option<(u64, u64, u64, u64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    co: Option<u64>,
    m: StoredModel,
    t: TagValues,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    lm: Option<u64>,
    #[serde(rename = "leaseEnd")]
    lease_end: i64,
    #[serde(rename = "decidedAt")]
    decided_at: i64,
}

pub(super) const UNITS: [(Unit, &str); 5] =
    [(Unit::Usd, "usd"), (Unit::Tokens, "tok"), (Unit::InputTokens, "in"), (Unit::OutputTokens, "out"), (Unit::Requests, "req")];
/// By their stored number.
const BOUNDS: [Bound; 3] = [Bound::Bytes, Bound::CountTokens, Bound::Heuristic];
/// What a charge's stored number adds up from.
const SHADOW: u16 = 1;
const FROZEN: u16 = 2;
const SHARD: u16 = 4;
/// The letters of a counter's figures: committed, used, uncertain.
pub(super) const FIGURES: [char; 3] = ['c', 'u', 'x'];
const STATES: [(State, &str); 6] = [
    (State::Held, "HE"),
    (State::Denied, "DE"),
    (State::Claimed, "CL"),
    (State::Settled, "SE"),
    (State::Uncertain, "UN"),
    (State::Released, "RE"),
];

/// The key of a reservation's item.
pub(super) fn reservation_key(request_id: &str) -> String {
    format!("R#{request_id}")
}

/// The mark of an overdrawn shard.
pub(super) const OVERDRAWN: &str = "od";

/// The attribute of a counter's figure: `c`ommitted, `u`sed or uncertain (`x`), of a shard also the `l`imit and the `r`oom, and the unit.
pub(super) fn figure_attribute(figure: char, unit: Unit) -> String {
    let word = UNITS.iter().find(|(known, _)| *known == unit).map_or("?", |(_, word)| word);
    format!("{figure}_{word}")
}

/// Every unit.
pub(super) fn units() -> impl Iterator<Item = Unit> {
    UNITS.iter().map(|(unit, _)| *unit)
}

/// When what is kept as long as a window's reservations may be deleted, in seconds since 1970.
pub(super) fn record_expiry(window_end: Timestamp) -> i64 {
    window_end.as_second().saturating_add(RESERVATION_DAYS * DAY_SECONDS)
}

/// When a counter may be deleted, in seconds since 1970.
pub(super) fn counter_expiry(window_end: Timestamp) -> i64 {
    window_end.as_second().saturating_add(COUNTER_DAYS * DAY_SECONDS)
}

/// A partition of the day index.
pub(super) fn day_partition(day: Date, partition: u64) -> String {
    format!("{day}#{partition}")
}

/// What the partitions of the day index for counters begin with, by a day of the month in which their windows start.
pub(super) fn counters_of_month(day: Date) -> String {
    format!("C{:04}-{:02}", day.year(), day.month())
}

/// Where a counter is in the day index: its partition, and its window's start in microseconds.
pub(super) fn counter_place(key: &CounterKey) -> Option<(String, i64)> {
    let start = key.parts()?.start;
    let month = counters_of_month(start.to_zoned(TimeZone::UTC).date());
    Some((format!("{month}#{}", partition(key.as_str())), start.as_microsecond()))
}

/// A counter as an audit looks at it.
pub(super) fn stored_counter(item: &Item) -> StoredCounter {
    let known =
        |name: &str| UNITS.iter().flat_map(|(unit, _)| FIGURES.map(|figure| figure_attribute(figure, *unit))).any(|own| own == name);
    let is_figure = |name: &str| FIGURES.iter().any(|figure| name.starts_with(&format!("{figure}_")));
    let unread = |name: &String| is_figure(name) && (!known(name) || number(item, name).is_none());
    let end = number(item, "expiresAt").and_then(|expires| expires.checked_sub(COUNTER_DAYS * DAY_SECONDS));
    StoredCounter { figures: figures(item), end: end.and_then(|end| Timestamp::from_second(end).ok()), unreadable: item.keys().any(unread) }
}

/// The charges of a reservation that may not be readable otherwise.
pub(super) fn charges(item: &Item) -> Option<Vec<Charge>> {
    let stored: Vec<StoredCharge> = serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(item.get("ch")?.clone()).ok()?;
    stored.into_iter().map(charge_from).collect::<Result<_, _>>().ok()
}

/// The number that a unit is stored under in lists.
pub(super) fn unit_number(unit: Unit) -> u8 {
    UNITS.iter().position(|(known, _)| *known == unit).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

/// The unit of a stored number.
pub(super) fn unit_of(number: u8) -> Option<Unit> {
    UNITS.get(usize::from(number)).map(|(unit, _)| *unit)
}

/// An item's key.
pub(super) fn key(item: &Item) -> Option<String> {
    item.get("pk")?.as_s().ok().cloned()
}

/// A counter's figures.
pub fn figures(item: &Item) -> CounterFigures {
    let figure = |figure, unit| number(item, &figure_attribute(figure, unit));
    let of = |unit: Unit| {
        let found = FIGURES.map(|name| figure(name, unit));
        let [committed, used, uncertain] = found.map(Option::unwrap_or_default);
        found.iter().any(Option::is_some).then_some((unit, Figures { committed, used, uncertain }))
    };
    UNITS.iter().filter_map(|(unit, _)| of(*unit)).collect()
}

/// A counter's item, sharded or not.
pub fn counter_item(item: &Item) -> CounterItem {
    let cut = |unit: Unit| {
        let limit = u64::try_from(number(item, &figure_attribute('l', unit))?).ok()?;
        Some((unit, Cut { limit, room: number(item, &figure_attribute('r', unit))? }))
    };
    let cuts = UNITS.iter().filter_map(|(unit, _)| cut(*unit)).collect();
    CounterItem { figures: figures(item), cuts, overdrawn: item.contains_key(OVERDRAWN) }
}

/// An attribute that is a whole number.
pub(super) fn number(item: &Item, attribute: &str) -> Option<i64> {
    item.get(attribute)?.as_n().ok()?.parse().ok()
}

/// Which partition of an index an id falls in: from the id alone, so that it never changes.
fn partition(request_id: &str) -> u64 {
    request_id.bytes().map(u64::from).fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte)) % PARTITIONS
}

/// The stored form of a reservation.
pub fn reservation_item(reservation: &Reservation) -> Result<Item, ItemError> {
    let usage =
        reservation.usage.map(|usage| (usage.input.0, usage.output.0, usage.cache_read.0, usage.cache_write.0, usage.cache_write_1h.0));
    let stored = Stored {
        pk: reservation_key(reservation.request_id()),
        s: STATES.iter().find(|(state, _)| *state == reservation.state).map(|(_, word)| (*word).to_owned()).unwrap_or_default(),
        v: reservation.version,
        ci: reservation.claim_id.as_ref().map(|claim| claim.0.clone()),
        h: reservation.request_hash.clone(),
        p: reservation.policy_version.clone(),
        ts: reservation.tags.timestamp.parse::<Timestamp>().map_err(|_| ItemError::Value("ts"))?.as_microsecond(),
        ch: reservation.charges.iter().map(stored_charge).collect(),
        es: (reservation.estimate.input.0, bound_number(reservation.estimate.bound), reservation.estimate.max_tokens.0),
        pr: reservation.prices.clone(),
        us: usage,
        co: reservation.cost.map(|cost| cost.0),
        m: model::stored(&reservation.model),
        t: reservation.tags.values.clone(),
        lm: reservation.largest_max_tokens.map(|tokens| tokens.0),
        lease_end: reservation.lease_end.as_microsecond(),
        decided_at: reservation.held_at.as_microsecond(),
    };
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(stored)?;
    let partition = partition(reservation.request_id());
    if reservation.state.is_open() {
        item.insert("leasePartition".to_owned(), AttributeValue::S(lease_partition_name(partition)));
    }
    let day = reservation.held_at.to_zoned(TimeZone::UTC).date();
    item.insert("dayPartition".to_owned(), AttributeValue::S(day_partition(day, partition)));
    let last = reservation.charges.iter().map(|charge| charge.span.end).max().unwrap_or(reservation.held_at).max(reservation.held_at);
    item.insert("expiresAt".to_owned(), AttributeValue::N(record_expiry(last).to_string()));
    Ok(item)
}

fn bound_number(bound: Bound) -> u8 {
    BOUNDS.iter().position(|known| *known == bound).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

fn stored_charge(charge: &Charge) -> StoredCharge {
    let amount = |amount: &UnitCharge| {
        let figures = amount.figures;
        (unit_number(amount.unit), amount.limit, amount.hold, figures.committed, figures.used, figures.uncertain)
    };
    (
        charge.budget.clone(),
        unless(&charge.name, &charge.budget),
        charge.window.clone(),
        charge.span.start.as_second(),
        charge.span.end.as_second(),
        charge.scope.clone(),
        flags_of(charge),
        charge.amounts.iter().map(amount).collect(),
    )
}

fn charge_from((budget, name, window, start, end, scope, flags, amounts): StoredCharge) -> Result<Charge, ItemError> {
    let time = |seconds| Timestamp::from_second(seconds).map_err(|_| ItemError::Value("ch"));
    let amount = |(unit, limit, hold, committed, used, uncertain): StoredAmount| {
        let unit = unit_of(unit).ok_or(ItemError::Value("ch"))?;
        Ok(UnitCharge { unit, limit, hold, figures: Figures { committed, used, uncertain } })
    };
    let (mode, frozen, shard) = from_flags(flags).ok_or(ItemError::Value("ch"))?;
    Ok(Charge {
        name: like(name, &budget),
        budget,
        window,
        span: Span { start: time(start)?, end: time(end)? },
        scope,
        mode,
        frozen,
        shard,
        amounts: amounts.into_iter().map(amount).collect::<Result<_, ItemError>>()?,
    })
}

/// Mode, freeze and shard in one number, so that a charge on a counter of one item is stored as it ever was.
fn flags_of(charge: &Charge) -> u16 {
    let shard = u16::from(charge.shard.index) + u16::from(Shard::MOST) * u16::from(charge.shard.of.saturating_sub(1));
    u16::from(charge.mode == Mode::Shadow) * SHADOW + u16::from(charge.frozen) * FROZEN + SHARD * shard
}

fn from_flags(flags: u16) -> Option<(Mode, bool, Shard)> {
    let mode = if flags & SHADOW == 0 { Mode::Enforce } else { Mode::Shadow };
    let shard = flags / SHARD;
    let (index, of) = (shard % u16::from(Shard::MOST), shard / u16::from(Shard::MOST) + 1);
    let shard = Shard { index: u8::try_from(index).ok()?, of: u8::try_from(of).ok()? };
    shard.is_valid().then_some((mode, flags & FROZEN != 0, shard))
}

/// The reservation of a stored item.
pub fn reservation_from(item: &Item) -> Result<Reservation, ItemError> {
    let stored: Stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(item.clone())?;
    let time = |micros, name| Timestamp::from_microsecond(micros).map_err(|_| ItemError::Value(name));
    let model = model::read(stored.m).ok_or(ItemError::Value("m"))?;
    let (input, bound, max_tokens) = stored.es;
    let bound = *BOUNDS.get(usize::from(bound)).ok_or(ItemError::Value("es"))?;
    Ok(Reservation {
        state: STATES.iter().find(|(_, word)| *word == stored.s).map(|(state, _)| *state).ok_or(ItemError::Value("s"))?,
        version: stored.v,
        claim_id: stored.ci.map(ClaimId),
        lease_end: time(stored.lease_end, "leaseEnd")?,
        request_hash: stored.h,
        policy_version: stored.p,
        held_at: time(stored.decided_at, "decidedAt")?,
        charges: stored.ch.into_iter().map(charge_from).collect::<Result<_, _>>()?,
        prices: stored.pr,
        estimate: Estimate { input: Tokens(input), bound, max_tokens: Tokens(max_tokens) },
        tags: Tags {
            values: stored.t,
            request_id: stored.pk.strip_prefix("R#").ok_or(ItemError::Value("pk"))?.to_owned(),
            timestamp: format!("{:.6}", time(stored.ts, "ts")?),
            model_metric: model.model_metric.clone(),
        },
        model,
        usage: stored.us.map(|(input, output, cache_read, cache_write, cache_write_1h)| Usage {
            input: Tokens(input),
            output: Tokens(output),
            cache_read: Tokens(cache_read),
            cache_write: Tokens(cache_write),
            cache_write_1h: Tokens(cache_write_1h),
        }),
        cost: stored.co.map(NanoUsd),
        largest_max_tokens: stored.lm.map(Tokens),
    })
}

#[cfg(test)]
#[path = "item_tests.rs"]
mod tests;
