//! What several tests start from.

use crate::budget::{Mode, Unit};
use crate::catalog::Catalog;
use crate::estimate::{Bound, Estimate};
use crate::model::ResolvedModel;
use crate::policy::Policy;
use crate::price::{Prices, Usage};
use crate::quantity::{Rate, Tokens};
use crate::reservation::{Charge, Figures, Reservation, State, UnitCharge};
use crate::shard::Shard;
use crate::tags::{TagValues, Tags};
use crate::window::Span;
use serde_json::{Value, json};

pub const HAIKU: &str = "us.anthropic.claude-3-5-haiku-20241022-v1:0";
pub const SALES_ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";

/// The sample request that is published with the contract.
pub fn sample() -> Value {
    json!({
        "model": "claude-3-5-haiku",
        "prompt": {
            "messages": [
                { "role": "user", "content": "Explain the benefits of using S3 using only 100 words." },
                { "role": "assistant", "content": "You are a helpful AWS expert." }
            ],
            "parameters": { "max_tokens": 2000, "temperature": 0.7, "top_p": 0.9, "top_k": 50 }
        },
        "tags": { "applicationId": "aws-documentation-helper", "costCenter": "support", "environment": "production" }
    })
}

/// The policy that the design shows.
pub fn policy_document() -> Value {
    json!({
        "tags": {
            "environment": { "allow": ["production", "staging", "dev"], "synonyms": { "prod": "production" } },
            "applicationId": "open"
        },
        "models": {
            "claude-3-5-haiku": { "id": HAIKU },
            "sales": {
                "profile": SALES_ARN,
                "source": "us.anthropic.claude-3-haiku-20240307-v1:0",
                "tags": { "costCenter": "sales" }
            }
        },
        "budgets": [
            { "name": "org-month", "limit": { "usd": 5000 }, "window": "month" },
            {
                "name": "app-day", "limit": { "tokens": 2_000_000 }, "window": "day",
                "match": { "environment": "production" }, "per": ["applicationId"]
            },
            {
                "name": "haiku-minute", "limit": { "tokens": 100_000 }, "window": "minute",
                "match": { "model": "claude-3-5-haiku" }, "mode": "shadow"
            }
        ]
    })
}

/// The document with the value at each pointer put in, or taken out where it is null.
pub fn with(mut document: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = &name.replace("~1", "/").replace("~0", "~");
        match document.pointer_mut(parent).unwrap() {
            Value::Object(fields) if value.is_null() => drop(fields.remove(name.as_str())),
            Value::Object(fields) => drop(fields.insert(name.clone(), value.clone())),
            Value::Array(items) if value.is_null() => drop(items.remove(name.parse().unwrap())),
            Value::Array(items) if name.as_str() == "-" => items.push(value.clone()),
            parent => parent[name.parse::<usize>().unwrap()] = value.clone(),
        }
    }
    document
}

pub fn policy(document: &Value) -> Policy {
    Policy::parse(document, Catalog::shipped().unwrap()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// An amount against a limit, with what its counter showed: committed, used, uncertain.
pub fn amount(unit: Unit, limit: u64, hold: u64, figures: [i64; 3]) -> UnitCharge {
    let [committed, used, uncertain] = figures;
    UnitCharge { unit, limit, hold, figures: Figures { committed, used, uncertain } }
}

/// A charge on the one counter of a budget, for the hour from noon.
pub fn charge(budget: &str, mode: Mode, amounts: Vec<UnitCharge>) -> Charge {
    let span = Span { start: "2026-11-20T12:00:00Z".parse().unwrap(), end: "2026-11-20T13:00:00Z".parse().unwrap() };
    let (budget, window) = (budget.to_owned(), "hour".to_owned());
    Charge { name: budget.clone(), budget, window, span, scope: String::new(), mode, frozen: false, shard: Shard::WHOLE, amounts }
}

/// A reservation of half past noon, at one dollar a million tokens in and five out.
pub fn reservation(state: State, charges: Vec<Charge>) -> Reservation {
    let word = |text: &str| text.to_owned();
    Reservation {
        state,
        version: 7,
        claim_id: None,
        lease_end: "2026-11-20T12:40:00Z".parse().unwrap(),
        request_hash: word("00112233445566778899aabbccddeeff"),
        policy_version: word("0123456789abcdef"),
        held_at: "2026-11-20T12:30:00Z".parse().unwrap(),
        charges,
        prices: Some(Prices::flat(Rate(1_000_000), Rate(5_000_000))),
        estimate: Estimate { input: Tokens(100), bound: Bound::Bytes, max_tokens: Tokens(500) },
        model: ResolvedModel {
            requested: word("claude-3-5-haiku"),
            name: word("claude-3-5-haiku"),
            model_id: word(HAIKU),
            billed_id: word(HAIKU),
            underlying: word("anthropic.claude-3-5-haiku-20241022-v1:0"),
            model_metric: word(HAIKU),
        },
        tags: Tags {
            values: TagValues::from([(word("applicationId"), word("docs"))]),
            request_id: word("6f1c1d3e-0000-8000-8000-000000000001"),
            timestamp: word("2026-11-20T12:29:59.000001Z"),
            model_metric: word(HAIKU),
        },
        usage: None,
        cost: None,
        largest_max_tokens: None,
    }
}

pub fn usage(input: u64, output: u64) -> Usage {
    Usage { input: Tokens(input), output: Tokens(output), ..Usage::default() }
}
