//! The log line: one JSON object per request, for people and queries; never the prompt, the answer, or a word of either.
//!
//! Its fields, all always present: `event` (`"request"`, or `"unrecorded"` where the metrics were not taken), `outcome`, `decision`,
//! `error` (name or null), `moneyMayHaveBeenSpent`, `tags` (all, with `requestId` and `timestamp`), `model` (`name`, `requested`, `modelId`), `policyVersion`, `reservation` (state),
//! `charges` (per budget and unit: `budget`, `scope`, `unit`, `mode`, `hold`, `charged`, in the unit's own integers),
//! `usage` (tokens by class, and `costUsd`), `warnings` (codes), `durationsMs` (by step).

use crate::payload::Record;
use cost_sentry_core::outcome::Document;
use cost_sentry_core::reservation::Reservation;
use serde_json::{Value, json};

/// What a line says of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is finished, and its metrics are delivered: one line a request.
    Request,
    /// It is finished, and its metrics were not taken: a retry follows, or it was the last one.
    Unrecorded,
}

/// The line for a finished request.
pub fn log_line(event: Event, document: &Document, record: &Record) -> Value {
    let reservation = record.reservation.as_ref();
    let model =
        document.model.as_ref().map(|model| json!({ "name": record.model_name, "requested": model.requested, "modelId": model.model_id }));
    json!({
        "event": match event {
            Event::Request => "request",
            Event::Unrecorded => "unrecorded",
        },
        "outcome": document.outcome,
        "decision": record.decision,
        "error": document.error.as_ref().map(|error| &error.name),
        "moneyMayHaveBeenSpent": document.error.as_ref().map_or(document.response.is_some(), |error| error.money_may_have_been_spent),
        "tags": document.tags,
        "model": model,
        "policyVersion": reservation.map(|reservation| &reservation.policy_version),
        "reservation": reservation.map(|reservation| reservation.state),
        "charges": reservation.map(charges).unwrap_or_default(),
        "usage": document.usage,
        "warnings": document.warnings.iter().map(|warning| &warning.code).collect::<Vec<_>>(),
        "durationsMs": record.context.durations_ms,
    })
}

fn charges(reservation: &Reservation) -> Vec<Value> {
    let entries = reservation.charges.iter().flat_map(|charge| charge.amounts.iter().map(move |amount| (charge, amount)));
    entries
        .map(|(charge, amount)| {
            json!({
                "budget": charge.name,
                "scope": charge.scope,
                "unit": amount.unit,
                "mode": charge.mode,
                "hold": amount.hold,
                "charged": reservation.usage.as_ref().map(|usage| amount.actual(usage, reservation.cost)),
            })
        })
        .collect()
}
