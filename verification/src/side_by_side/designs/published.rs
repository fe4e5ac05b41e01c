//! The published design of the same name: usage is read from metrics, compared with the limit, and the model is called.
//!
//! At its best: the metrics are those that Bedrock itself sends, so that nothing is lost with a process of one's own; every sample is seen
//! exactly after the lag, never later; no limit of the metrics' service is met.

use crate::side_by_side::design::{Books, Design, Failed};
use crate::side_by_side::traffic::Arrival;
use crate::side_by_side::world::World;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Metrics that show what was used some time ago.
#[derive(Debug)]
pub struct LaggingMetrics {
    lag_millis: u64,
    samples: Mutex<Samples>,
}

#[derive(Debug)]
struct Samples {
    /// The sum of what can be seen.
    visible: u64,
    /// When each further sample was sent, and its tokens.
    hidden: VecDeque<(u64, u64)>,
}

impl LaggingMetrics {
    /// Metrics that lag by so many seconds, and show what was spent long ago.
    pub fn new(lag_seconds: u64, spent: u64) -> Self {
        Self { lag_millis: lag_seconds * 1_000, samples: Mutex::new(Samples { visible: spent, hidden: VecDeque::new() }) }
    }

    fn visible(&self, now: u64) -> u64 {
        let mut samples = self.lock();
        while let Some((sent, tokens)) = samples.hidden.front().copied()
            && sent + self.lag_millis <= now
        {
            samples.visible += tokens;
            samples.hidden.pop_front();
        }
        samples.visible
    }

    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Design for LaggingMetrics {
    async fn serve(&self, arrival: &Arrival, world: &World) -> Result<(), Failed> {
        world.one_way().await;
        let visible = self.visible(world.millis());
        world.one_way().await;
        if visible >= world.limit {
            world.refuse(arrival);
            return Ok(());
        }
        world.approve(arrival);
        world.call(arrival).await;
        self.lock().hidden.push_back((world.millis(), arrival.usage()));
        Ok(())
    }

    async fn books(&self, world: &World) -> Result<Books, Failed> {
        world.pass(self.lag_millis).await;
        Ok(Books { counted: self.visible(world.millis().max(self.lag_millis)), uncertain: 0 })
    }
}
