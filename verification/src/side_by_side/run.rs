//! Running a design: on a clock that jumps from event to event, or as fast as threads can.

use super::design::{Books, Design, Failed};
use super::traffic::Arrival;
use super::world::{Tally, World};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// What came of one run.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// What the world knows.
    pub tally: Tally,
    /// What the design's books say.
    pub books: Books,
    /// How long it took, by a real clock, from when the first worker began until the last one was done.
    pub took: Duration,
}

/// A runtime on a clock that jumps: everything happens in one thread, in an order that depends on nothing but the times.
pub fn virtual_time() -> Result<Runtime, Failed> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.map_err(|error| Failed::because("no runtime")(&error))
}

/// A runtime of so many threads.
pub fn threads(count: usize) -> Result<Runtime, Failed> {
    let runtime = Builder::new_multi_thread().worker_threads(count).enable_all().build();
    runtime.map_err(|error| Failed::because("no runtime")(&error))
}

/// Lets so many workers serve the requests, each the next one that nobody has taken, not before it arrives.
pub async fn run(design: impl Design, world: &Arc<World>, arrivals: &Arc<[Arrival]>, workers: usize) -> Result<Ran, Failed> {
    let design = Arc::new(design);
    let next = Arc::new(AtomicUsize::new(0));
    let start = Arc::new(Barrier::new(workers));
    let mut running = JoinSet::new();
    for _ in 0..workers {
        let (design, world, arrivals) = (Arc::clone(&design), Arc::clone(world), Arc::clone(arrivals));
        let (next, start) = (Arc::clone(&next), Arc::clone(&start));
        running.spawn(async move {
            start.wait().await;
            let began = Instant::now();
            while let Some(arrival) = arrivals.get(next.fetch_add(1, Ordering::Relaxed)) {
                world.until(arrival.at_millis).await;
                design.serve(arrival, &world).await?;
            }
            Ok::<_, Failed>((began, Instant::now()))
        });
    }
    let mut times = Vec::new();
    while let Some(ended) = running.join_next().await {
        times.push(ended.map_err(|error| Failed::because("a worker failed")(&error))??);
    }
    let (began, ended) = (times.iter().map(|(began, _)| *began).min(), times.iter().map(|(_, ended)| *ended).max());
    let took = ended.zip(began).map(|(ended, began)| ended.duration_since(began)).unwrap_or_default();
    let books = design.books(world).await?;
    Ok(Ran { tally: world.tally(), books, took })
}
