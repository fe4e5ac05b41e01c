//! The crate `limitador`, with its store in memory: reserve before the call, commit after it.
//!
//! At its best: one process, so that its store is shared; the input is counted exactly beforehand; a hold is never cut
//! (`max_fraction` 1.0, the default); holds may live as long as ours, not the default of 60 seconds.

use crate::side_by_side::design::{Books, Design, Failed};
use crate::side_by_side::traffic::Arrival;
use crate::side_by_side::world::World;
use cost_sentry_workflow::time_outs;
use limitador::limit::{Context, Expression, Limit, Namespace};
use limitador::reservation::ReservationLimits;
use limitador::{RateLimiter, RateLimiterBuilder};
use std::time::Duration;

const NAMESPACE: &str = "side-by-side";
/// Counters that its cache may hold.
const CACHE: u64 = 10_000;
/// The window, in seconds: longer than any run.
const WINDOW: u64 = 30 * 86_400;

/// A limiter with one limit.
pub struct ReserveAndCommit {
    limiter: RateLimiter,
    namespace: Namespace,
}

impl ReserveAndCommit {
    /// A limiter with so much spent of a limit.
    pub fn new(limit: u64, spent: u64) -> Result<Self, Failed> {
        let limits = ReservationLimits { max_ttl: Duration::from_secs(u64::from(time_outs::LEASE)), ..ReservationLimits::default() };
        let limiter = RateLimiterBuilder::new(CACHE).reservation_limits(limits).build();
        limiter.add_limit(the_limit(limit));
        let namespace = Namespace::from(NAMESPACE);
        let spending = limiter.update_counters(&namespace, &Context::default(), spent);
        spending.map_err(|error| Failed::because("limitador did not count what was spent")(&error))?;
        Ok(Self { limiter, namespace })
    }
}

fn the_limit(most: u64) -> Limit {
    Limit::new(NAMESPACE, most, WINDOW, Vec::<limitador::limit::Predicate>::new(), Vec::<Expression>::new())
}

impl Design for ReserveAndCommit {
    async fn serve(&self, arrival: &Arrival, world: &World) -> Result<(), Failed> {
        let nothing = Context::default();
        let reserved = self.limiter.reserve(&self.namespace, &nothing, arrival.counted_hold(), None);
        let reserved = reserved.map_err(|error| Failed::because("limitador did not reserve")(&error))?;
        if reserved.limited {
            world.refuse(arrival);
            return Ok(());
        }
        world.approve(arrival);
        world.call(arrival).await;
        if !arrival.dies {
            let id = reserved.reservation_id.as_ref();
            let committed = self.limiter.commit_reservation(&self.namespace, &nothing, id, arrival.usage());
            committed.map_err(|error| Failed::because("limitador did not commit")(&error))?;
        }
        Ok(())
    }

    async fn books(&self, _world: &World) -> Result<Books, Failed> {
        // What remains is never shown below zero: under a limit that nothing reaches, it shows the count whatever that is.
        let most = u64::MAX / 2;
        let widened = self.limiter.configure_with([the_limit(most)]);
        widened.map_err(|error| Failed::because("limitador did not take a larger limit")(&error))?;
        let counters = self.limiter.get_counters(&self.namespace);
        let counters = counters.map_err(|error| Failed::because("limitador did not show its counters")(&error))?;
        let counted = counters.iter().filter_map(limitador::counter::Counter::remaining).map(|remaining| most - remaining).sum();
        Ok(Books { counted, uncertain: 0 })
    }
}
