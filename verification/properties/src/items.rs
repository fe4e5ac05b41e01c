//! Stored items: a reservation comes back from its item as it went, and any other item is an error or a reservation, and no panic.

use crate::input::{self, Input};
use crate::{edits, samples};
use aws_sdk_dynamodb::types::AttributeValue;
use cost_sentry_aws::ledger::{reservation_from, reservation_item};
use cost_sentry_core::plan;
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::validate;
use cost_sentry_core::reservation::{ClaimId, Reservation, State, Transition, Verdict, transition};
use cost_sentry_core::tags::TagValues;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::LazyLock;

type Item = HashMap<String, AttributeValue>;

static RESERVATIONS: LazyLock<Vec<Reservation>> = LazyLock::new(reservations);
/// Reservations as JSON, and behind them their items.
static VALID: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let stored = RESERVATIONS.iter().map(|reservation| json(&reservation_item(reservation).unwrap()));
    RESERVATIONS.iter().map(|reservation| serde_json::to_value(reservation).unwrap()).chain(stored).collect()
});
static VOCABULARY: LazyLock<Vec<String>> = LazyLock::new(|| edits::vocabulary(&VALID));

/// The property.
pub fn check(input: &[u8]) {
    let document = match input::read(input, &VALID, &VOCABULARY) {
        Input::Document(_, document) => document,
        Input::Text(text) => match serde_json::from_slice(text) {
            Ok(document) => document,
            Err(_) => return,
        },
    };
    if document.get("requestHash").is_some() {
        if let Ok(reservation) = serde_json::from_value::<Reservation>(document)
            && is_written(&reservation)
        {
            check_round_trip(&reservation);
        }
    } else if let Some(item) = item(&document)
        && let Ok(reservation) = reservation_from(&item)
    {
        check_round_trip(&reservation);
    }
}

fn check_round_trip(reservation: &Reservation) {
    let item = reservation_item(reservation).unwrap_or_else(|error| panic!("{error}: {reservation:?}"));
    let read = reservation_from(&item).unwrap_or_else(|error| panic!("{error}: {item:?}"));
    assert_eq!(read, *reservation, "changed on its way to the table and back");
    assert_eq!(item.contains_key("leasePartition"), reservation.state.is_open());
    assert_eq!(reservation_item(&read).unwrap(), item);
}

/// Whether a step can write this reservation: the item leaves out what follows from the rest.
fn is_written(reservation: &Reservation) -> bool {
    let model = &reservation.model;
    let micros = |time: Timestamp| Timestamp::from_microsecond(time.as_microsecond()).is_ok_and(|stored| stored == time);
    let seconds = |time: Timestamp| Timestamp::from_second(time.as_second()).is_ok_and(|stored| stored == time);
    let ids = [&model.requested, &model.name, &model.model_id, &model.billed_id, &model.underlying, &model.model_metric];
    let charges = &reservation.charges;
    // Every id is a text, and no catalog has a foundation model whose id is a number.
    ids.iter().all(|id| !id.is_empty())
        && model.underlying.parse::<usize>().is_err()
        && reservation.tags.model_metric == model.model_metric
        && reservation.tags.timestamp.parse::<Timestamp>().is_ok_and(|time| format!("{time:.6}") == reservation.tags.timestamp)
        && micros(reservation.lease_end)
        && micros(reservation.held_at)
        && charges.iter().all(|charge| seconds(charge.span.start) && seconds(charge.span.end))
        && charges.iter().all(|charge| !charge.budget.is_empty() && !charge.name.is_empty())
}

/// Reservations of the published sample and of a model with every price, in every state.
fn reservations() -> Vec<Reservation> {
    let policies = samples::policies();
    let mut all = Vec::new();
    for (policy, request) in
        [(&policies[0], &samples::requests()[0]), (&policies[2], &json_request("sales")), (&policies[2], &json_request("nova"))]
    {
        let request = validate(request, policy, samples::origin(&TagValues::new())).unwrap_or_else(|problems| panic!("{problems:?}"));
        let now = samples::noon();
        let plan = plan::plan(policy, &request, plan::estimate(policy, &request).unwrap(), now).unwrap();
        all.push(plan.clone().reserve(&request, State::Denied, now, now));
        let held = plan.reserve(&request, State::Held, now, now);
        let claim_id = ClaimId("0123456789abcdef0123456789abcdef".to_owned());
        let claim = Transition::Claim { claim_id: claim_id.clone(), request_hash: request.hash(), lease_end: now };
        let claimed = apply(&held, &claim);
        let usage = Usage { input: Tokens(24), output: Tokens(131), cache_write_1h: Tokens(1), ..Usage::default() };
        all.push(apply(&claimed, &Transition::Settle { claim_id: claim_id.clone(), usage }));
        all.push(apply(&claimed, &Transition::Doubt { claim_id }));
        all.push(apply(&held, &Transition::Sweep { now: now + SignedDuration::from_hours(1), skew: SignedDuration::ZERO }));
        all.extend([held, claimed]);
    }
    all
}

fn json_request(model: &str) -> Value {
    json!({
        "model": model,
        "prompt": { "messages": [{ "role": "user", "content": "Hello." }] },
        "tags": { "applicationId": "docs", "costCenter": "sales", "environment": "production" }
    })
}

fn apply(reservation: &Reservation, event: &Transition) -> Reservation {
    match transition(reservation, event) {
        Verdict::Apply(step) => step.next,
        other => panic!("{other:?}"),
    }
}

/// An item in `DynamoDB`'s JSON.
fn json(item: &Item) -> Value {
    Value::Object(item.iter().map(|(name, value)| (name.clone(), json_value(value))).collect())
}

fn json_value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(digits) => json!({ "N": digits }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(json_value).collect::<Vec<_>>() }),
        AttributeValue::M(fields) => json!({ "M": json(fields) }),
        other => panic!("not stored: {other:?}"),
    }
}

/// The item of `DynamoDB`'s JSON; nothing where it is none.
fn item(document: &Value) -> Option<Item> {
    document.as_object()?.iter().map(|(name, value)| Some((name.clone(), attribute(value)?))).collect()
}

fn attribute(value: &Value) -> Option<AttributeValue> {
    let fields: &Map<String, Value> = value.as_object()?;
    let (kind, value) = fields.iter().next()?;
    match kind.as_str() {
        "S" => Some(AttributeValue::S(value.as_str()?.to_owned())),
        "N" => Some(AttributeValue::N(value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
        "L" => Some(AttributeValue::L(value.as_array()?.iter().map(attribute).collect::<Option<_>>()?)),
        "M" => Some(AttributeValue::M(item(value)?)),
        "BOOL" => Some(AttributeValue::Bool(value.as_bool()?)),
        "SS" => Some(AttributeValue::Ss(value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>()?)),
        "NS" => Some(AttributeValue::Ns(value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>()?)),
        _ => Some(AttributeValue::Null(true)),
    }
}
