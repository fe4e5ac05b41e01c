//! Metrics that were taken, held to what they promise.

use super::facts::Invocation;
use super::world::World;
use cost_sentry_workflow::metrics::{
    DUPLICATE_EXECUTIONS, Point, RATE_LIMIT_APPROVED, RATE_LIMIT_DENIED, SENTRY_ERRORS, SWEPT_LEASES, TOTAL_REQUESTS,
};

/// The sum of a metric's values.
pub fn sum(points: &[Point], name: &str) -> f64 {
    points.iter().filter(|point| point.name == name).map(|point| point.value).sum()
}

/// Whether two values are the same count or sum.
pub fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

/// Takes in one delivery.
pub fn taken(world: &World, by: &Invocation, points: &[Point]) {
    let Some(execution) = by.execution else {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
        let ended = by.ended as f64;
        // A transition whose answer was lost is not counted, so that the metric may say less.
        let counted = sum(points, SWEPT_LEASES);
        if counted > ended + 0.5 || (!by.troubled && !same(counted, ended)) {
            world.violated(None, format!("the sweep ended {ended} and counted {counted}"));
        }
        return;
    };
    let [total, approved, denied, errors] =
        [TOTAL_REQUESTS, RATE_LIMIT_APPROVED, RATE_LIMIT_DENIED, SENTRY_ERRORS].map(|name| sum(points, name));
    let duplicate = points.len() == 1 && same(sum(points, DUPLICATE_EXECUTIONS), 1.0);
    let adds_up = same(total, 1.0) && same(total, approved + denied + errors);
    if !duplicate && !adds_up {
        world.violated(Some(execution), format!("TotalRequests {total} is not {approved} + {denied} + {errors}"));
    }
    if let Some(seen) = world.facts().executions.get_mut(execution) {
        seen.batches.push(points.to_vec());
    }
}
