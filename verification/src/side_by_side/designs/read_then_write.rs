//! A counter that is read before the call and added to after it.
//!
//! At its best: the input is counted exactly beforehand, a request is refused unless its worst case fits what the counter shows, the read
//! is consistent, and the addition is atomic (`UpdateItem` with `ADD`), so that no addition is lost to another.

use crate::side_by_side::design::{Books, Design, Failed};
use crate::side_by_side::traffic::Arrival;
use crate::side_by_side::world::World;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counter.
#[derive(Debug)]
pub struct ReadThenWrite(AtomicU64);

impl ReadThenWrite {
    /// A counter of what is spent.
    pub fn new(spent: u64) -> Self {
        Self(AtomicU64::new(spent))
    }
}

impl Design for ReadThenWrite {
    async fn serve(&self, arrival: &Arrival, world: &World) -> Result<(), Failed> {
        world.one_way().await;
        let used = self.0.load(Ordering::SeqCst);
        world.one_way().await;
        if used + arrival.counted_hold() > world.limit {
            world.refuse(arrival);
            return Ok(());
        }
        world.approve(arrival);
        world.call(arrival).await;
        if !arrival.dies {
            world.one_way().await;
            self.0.fetch_add(arrival.usage(), Ordering::SeqCst);
            world.one_way().await;
        }
        Ok(())
    }

    async fn books(&self, _world: &World) -> Result<Books, Failed> {
        Ok(Books { counted: self.0.load(Ordering::SeqCst), uncertain: 0 })
    }
}
