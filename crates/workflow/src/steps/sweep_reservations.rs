//! `SweepReservations`: ends what its owner did not. A hold whose lease is past is released; a claim whose lease is past stays charged,
//! marked uncertain, since its call may have been billed.

use crate::error::{ErrorName, Thrown};
use crate::ledger::{Driven, drive};
use crate::metrics::{SWEPT_LEASES, UNCERTAIN_CHARGES, count};
use crate::ports::{Edge, Ledger, Log, Metrics};
use crate::steps::check_rate_limit::thrown;
use crate::time_outs::{self, Leases};
use cost_sentry_core::reservation::{Reservation, State, Transition};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// How many reservations one page of the lease index brings.
const PAGE: usize = 100;
/// How many pages one run ends: what is left then waits for the next run.
const PAGES: usize = 50;

/// The step.
#[derive(Debug)]
pub struct SweepReservations<L, M, G, E> {
    /// What may be open.
    pub ledger: L,
    /// Where the counts go.
    pub metrics: M,
    /// Where one line per ended reservation goes.
    pub log: G,
    /// The clock.
    pub edge: E,
    /// When a lease is past.
    pub leases: Leases,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Holds that were given back.
    pub released: u64,
    /// Claims that stay charged, marked uncertain.
    pub uncertain: u64,
    /// Reservations that somebody else ended meanwhile, or will.
    pub left: u64,
}

impl Swept {
    fn count(&mut self, closed: &Reservation) {
        if closed.state == State::Uncertain {
            self.uncertain += 1;
        } else {
            self.released += 1;
        }
    }
}

impl<L: Ledger, M: Metrics, G: Log, E: Edge> SweepReservations<L, M, G, E> {
    /// Runs the sweep; the schedule's event says nothing that it needs.
    pub async fn run(&self, _event: Value) -> Result<Value, Thrown> {
        let swept = self.sweep().await?;
        let now = self.edge.now();
        let points = [count(SWEPT_LEASES, metric(swept.released + swept.uncertain)), count(UNCERTAIN_CHARGES, metric(swept.uncertain))];
        self.metrics.put(&points, now).await.map_err(|error| Thrown {
            name: ErrorName::MetricsUnavailable,
            message: error.to_string(),
            source: Some(Box::new(error)),
        })?;
        crate::payload::write(&swept)
    }

    /// Ends every reservation whose lease is past by more than clocks may disagree.
    pub async fn sweep(&self) -> Result<Swept, Thrown> {
        let mut swept = Swept::default();
        let began = self.edge.now();
        let is_late = |now: Timestamp| now.duration_since(began) > time_outs::seconds(time_outs::SWEEP_BEGINS);
        for _ in 0..PAGES {
            let now = self.edge.now();
            if is_late(now) {
                break;
            }
            let skew = self.leases.skew;
            let before = now.saturating_sub(skew).unwrap_or(now);
            let past = self.ledger.in_time(Box::pin(self.ledger.leases_past(before, PAGE))).await.map_err(thrown)?;
            let (found, mut ended) = (past.len(), 0);
            for reservation in past {
                if is_late(self.edge.now()) {
                    break;
                }
                let event = Transition::Sweep { now, skew };
                match drive(&self.ledger, reservation, &event).await {
                    Ok(Driven::Stands(closed)) => {
                        ended += 1;
                        swept.count(&closed);
                        self.log.line(&json!({
                            "event": "swept", "requestId": closed.request_id(), "state": closed.state, "tags": closed.tags,
                        }));
                    }
                    Ok(Driven::Refused(..) | Driven::Absent) => swept.left += 1,
                    // One that the ledger refuses must not keep all others from being ended: the next run tries it again.
                    Err(error) => {
                        swept.left += 1;
                        self.log.line(&thrown(error).log_line());
                    }
                }
            }
            if found < PAGE || ended == 0 {
                break;
            }
        }
        Ok(swept)
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are indications")]
fn metric(count: u64) -> f64 {
    count as f64
}
