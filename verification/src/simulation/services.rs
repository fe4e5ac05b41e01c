//! The other ports: CloudWatch, the policy's store, clocks and logs. Bedrock is in [`super::bedrock`].

use super::ledger::NoAnswer;
use super::weather::{Fault, within};
use super::world::World;
use cost_sentry_core::reservation::ClaimId;
use cost_sentry_workflow::metrics::Point;
use cost_sentry_workflow::ports::{Edge, Log, Metrics, MetricsError, PolicyError, PolicyStore};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::Arc;

/// Every port but the ledger.
#[derive(Clone)]
pub struct Services(pub Arc<World>);

impl Edge for Services {
    fn now(&self) -> Timestamp {
        let skew = self.0.invocation().map_or(SignedDuration::ZERO, |invocation| invocation.skew);
        self.0.now().saturating_add(skew).unwrap_or(Timestamp::MAX)
    }

    fn draw_claim_id(&self) -> ClaimId {
        self.0.draw_claim()
    }
}

impl Log for Services {
    fn line(&self, _line: &Value) {}
}

impl PolicyStore for Services {
    async fn current_version(&self) -> Result<String, PolicyError> {
        self.policy_request().await?;
        let now = self.0.executor.now();
        let facts = self.0.facts();
        let current = facts.policies.iter().rev().find(|policy| policy.at <= now);
        current.map(|policy| policy.version.clone()).ok_or(PolicyError::Absent)
    }

    async fn document(&self, version: &str) -> Result<Value, PolicyError> {
        self.policy_request().await?;
        let facts = self.0.facts();
        let found = facts.policies.iter().find(|policy| policy.version == version);
        found.map(|policy| policy.document.clone()).ok_or(PolicyError::Absent)
    }
}

impl Services {
    async fn policy_request(&self) -> Result<(), PolicyError> {
        let world = &self.0;
        let dies = world.dies_here();
        if dies.is_some() {
            world.die().await;
        }
        world.executor.sleep(world.chance.millis(1..=10)).await;
        let out = !world.facts().calm && within(&world.weather.policy_outages, world.executor.now());
        if out {
            world.trouble(Fault::PolicyUnavailable);
        }
        if out || world.goes_wrong(Fault::PolicyUnavailable) { Err(PolicyError::Unavailable(Box::new(NoAnswer))) } else { Ok(()) }
    }
}

impl Metrics for Services {
    async fn put(&self, points: &[Point], _at: Timestamp) -> Result<(), MetricsError> {
        let world = &self.0;
        let dies = world.dies_here();
        if dies == Some(false) {
            world.die().await;
        }
        world.executor.sleep(world.chance.millis(1..=30)).await;
        if world.goes_wrong(Fault::MetricsLostBefore) {
            return Err(MetricsError(Box::new(NoAnswer)));
        }
        let invocation = world.invocation().unwrap_or_default();
        world.note(invocation.execution, || {
            format!("metrics {:?}", points.iter().map(|point| (point.name, point.value)).collect::<Vec<_>>())
        });
        super::metrics::taken(world, &invocation, points);
        if dies == Some(true) {
            world.die().await;
        }
        if world.goes_wrong(Fault::MetricsLostAfter) { Err(MetricsError(Box::new(NoAnswer))) } else { Ok(()) }
    }
}
