//! The metrics: names, dimensions, and what one request counts.
//!
//! `TotalRequests` = `RateLimitApproved` + `RateLimitDenied` + `SentryErrors`. Retries inside an execution count once, since only
//! `RecordMetrics` counts, as its last act.

use crate::payload::{CallFate, Decision, Record};
use cost_sentry_core::outcome::{Document, Outcome};
use cost_sentry_core::quantity::{NanoUsd, Tokens};
use cost_sentry_core::reservation::{Reservation, State};
use cost_sentry_core::tags::{APPLICATION_ID, COST_CENTER, ENVIRONMENT, Tags};

/// The CloudWatch namespace.
pub const NAMESPACE: &str = "GenAIRateLimiting";
/// What a dimension says where a request has no such tag.
pub const NONE: &str = "none";

/// A metric's unit, in CloudWatch's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricUnit {
    /// How many.
    Count,
    /// Per hundred.
    Percent,
    /// No unit of CloudWatch's: dollars.
    None,
}

impl MetricUnit {
    /// CloudWatch's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Percent => "Percent",
            Self::None => "None",
        }
    }
}

/// One value of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The metric.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// The value's unit.
    pub unit: MetricUnit,
    /// Names and values.
    pub dimensions: Vec<(&'static str, String)>,
}

/// A request that passed validation.
pub const TOTAL_REQUESTS: &str = "TotalRequests";
/// A request that had room.
pub const RATE_LIMIT_APPROVED: &str = "RateLimitApproved";
/// A request that a budget refused.
pub const RATE_LIMIT_DENIED: &str = "RateLimitDenied";
/// An approved request without an answer.
pub const INVOCATION_FAILED: &str = "InvocationFailed";
/// Input tokens of successful requests, cache reads and writes included.
pub const INPUT_TOKENS: &str = "InputTokens";
/// Output tokens of successful requests.
pub const OUTPUT_TOKENS: &str = "OutputTokens";
/// What settled requests cost, in US dollars.
pub const SPEND_USD: &str = "SpendUsd";
/// How much of a budget is spoken for, as the request saw it, in percent.
pub const BUDGET_UTILIZATION: &str = "BudgetUtilization";
/// Holds that stay charged because nobody knows whether the call was billed.
pub const UNCERTAIN_CHARGES: &str = "UncertainCharges";
/// Tokens used beyond what was held.
pub const OVERAGE_TOKENS: &str = "OverageTokens";
/// Reservations that the sweep had to end.
pub const SWEPT_LEASES: &str = "SweptLeases";
/// Requests that were rejected as invalid.
pub const INVALID_REQUESTS: &str = "InvalidRequests";
/// Requests on which the workflow itself could not decide.
pub const SENTRY_ERRORS: &str = "SentryErrors";
/// Executions that found another of the same id at work.
pub const DUPLICATE_EXECUTIONS: &str = "DuplicateExecutions";

/// A point that counts something once, without dimensions.
pub fn count(name: &'static str, value: f64) -> Point {
    Point { name, value, unit: MetricUnit::Count, dimensions: Vec::new() }
}

/// What a finished request counts.
pub fn points(document: &Document, record: &Record) -> Vec<Point> {
    if record.decision == Decision::Duplicate {
        return vec![count(DUPLICATE_EXECUTIONS, 1.0)];
    }
    let dimensions = dimensions(document, record);
    let point = |name, value| Point { name, value, unit: MetricUnit::Count, dimensions: dimensions.clone() };
    let mut points = vec![point(TOTAL_REQUESTS, 1.0)];
    match record.decision {
        Decision::Approved => points.push(point(RATE_LIMIT_APPROVED, 1.0)),
        Decision::Denied => points.push(point(RATE_LIMIT_DENIED, 1.0)),
        Decision::Undecided | Decision::Duplicate => points.push(count(SENTRY_ERRORS, 1.0)),
    }
    if record.decision == Decision::Approved && document.outcome == Outcome::InvocationFailed {
        points.push(point(INVOCATION_FAILED, 1.0));
    }
    if let (Outcome::InvocationSucceeded, Some(usage)) = (document.outcome, &document.usage) {
        let input = usage.input_tokens.saturating_add(usage.cache_read_input_tokens).saturating_add(usage.cache_write_input_tokens);
        points.push(point(INPUT_TOKENS, float(input.0)));
        points.push(point(OUTPUT_TOKENS, float(usage.output_tokens.0)));
    }
    if let Some(reservation) = &record.reservation {
        points.extend(money(document.tags.as_ref(), record, reservation));
        points.extend(reservation.charges.iter().flat_map(|charge| {
            charge.amounts.iter().map(|amount| {
                let committed = u64::try_from(amount.figures.committed).unwrap_or(0);
                let own = if record.decision == Decision::Approved { amount.hold } else { 0 };
                let percent = 100.0 * float(committed.saturating_add(own)) / float(amount.limit.max(1));
                let dimensions = vec![("Budget", charge.name.clone())];
                Point { name: BUDGET_UTILIZATION, value: percent, unit: MetricUnit::Percent, dimensions }
            })
        }));
    }
    points
}

fn money(tags: Option<&Tags>, record: &Record, reservation: &Reservation) -> Vec<Point> {
    let mut points = Vec::new();
    if let Some(cost) = reservation.cost {
        let dimensions = vec![("CostCenter", tag(tags, COST_CENTER)), ("Application", tag(tags, APPLICATION_ID))];
        points.push(Point { name: SPEND_USD, value: dollars(cost), unit: MetricUnit::None, dimensions });
    }
    let doubtful = record.pending.as_ref().is_some_and(|pending| pending.call == CallFate::Doubt);
    if reservation.state == State::Uncertain || doubtful {
        points.push(count(UNCERTAIN_CHARGES, 1.0));
    }
    let overage = overage(reservation);
    if overage > 0 {
        points.push(count(OVERAGE_TOKENS, float(overage)));
    }
    points
}

/// Tokens used beyond what was held for them: input beyond its bound, and output beyond `max_tokens`. What one of the two left unused
/// makes up for nothing in the other, since budgets may count them apart, and at other prices.
pub fn overage(reservation: &Reservation) -> u64 {
    let beyond = |used: Tokens, held: Tokens| used.0.saturating_sub(held.0);
    let estimate = &reservation.estimate;
    reservation
        .usage
        .as_ref()
        .map_or(0, |usage| beyond(usage.total_input(), estimate.input).saturating_add(beyond(usage.output, estimate.max_tokens)))
}

fn dimensions(document: &Document, record: &Record) -> Vec<(&'static str, String)> {
    let tags = document.tags.as_ref();
    let model = record.model_name.clone().unwrap_or_else(|| NONE.to_owned());
    let model_id = document.model.as_ref().map_or_else(|| NONE.to_owned(), |model| model.model_id.clone());
    vec![
        ("Model", model),
        ("ModelId", model_id),
        ("CostCenter", tag(tags, COST_CENTER)),
        ("Application", tag(tags, APPLICATION_ID)),
        ("Environment", tag(tags, ENVIRONMENT)),
    ]
}

fn tag(tags: Option<&Tags>, name: &str) -> String {
    tags.and_then(|tags| tags.values.get(name)).cloned().unwrap_or_else(|| NONE.to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "metrics are indications; the ledger keeps the integers")]
fn float(count: u64) -> f64 {
    count as f64
}

fn dollars(cost: NanoUsd) -> f64 {
    float(cost.0) / float(NanoUsd::PER_USD)
}
