//! The whole comparison: the same requests through every design, seed by seed, and the same races.

use super::contender::Contender;
use super::design::Failed;
use super::designs::this_ledger::{INPUT_BOUNDS, ThisLedger};
use super::report::{BoundRow, RaceRow, Report, Row};
use super::run::{Ran, run, threads, virtual_time};
use super::traffic::{Arrival, Shape, arrivals};
use super::world::{Time, World, nearly_spent};
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use serde::Serialize;
use std::sync::Arc;

/// How much is compared.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// The first seed.
    pub seed: u64,
    /// How many seeds, each a run of every design.
    pub seeds: u64,
    /// Requests per seed.
    pub requests: usize,
    /// Requests that arrive per second, on average.
    pub per_second: f64,
    /// Workers: at most so many requests are served at a time.
    pub workers: usize,
    /// How much of what all requests would use there is room for, in percent.
    pub room_percent: u64,
    /// The same, for a budget that few requests exhaust: how often holds refuse then.
    pub tight_room_percent: u64,
    /// How much of the limit is spent before, in percent.
    pub spent_percent: u64,
    /// Of a thousand requests, how many are served by a process that dies, in the table on deaths.
    pub deaths_per_thousand: u64,
    /// How many races.
    pub races: usize,
    /// Threads in a race.
    pub threads: usize,
    /// Requests in a race.
    pub race_requests: usize,
}

/// Compares all of it; says through `progress` what is being done.
pub fn compare(options: Options, mut progress: impl FnMut(&str)) -> Result<Report, Failed> {
    let mut report = Report { options, ..Report::empty(options) };
    let steady = Shape { requests: options.requests, per_second: options.per_second, deaths_per_thousand: 0 };
    let dying = Shape { deaths_per_thousand: options.deaths_per_thousand, ..steady };
    for (shape, rows) in [(steady, &mut report.rows), (dying, &mut report.deaths)] {
        for contender in Contender::in_virtual_time() {
            progress(&format!("{} of 1,000 processes die: {}", shape.deaths_per_thousand, contender.name()));
            rows.push(row(contender, options, shape)?);
        }
    }
    for room_percent in [options.room_percent, options.tight_room_percent] {
        for bound in INPUT_BOUNDS {
            progress(&format!("input bound: {bound}, room for {room_percent} %"));
            report.bounds.push(bound_row(bound, Options { room_percent, ..options }, steady)?);
        }
    }
    for contender in Contender::in_races() {
        progress(&format!("races: {}", contender.name()));
        report.races.push(race_row(contender, options)?);
    }
    Ok(report)
}

fn row(contender: Contender, options: Options, shape: Shape) -> Result<Row, Failed> {
    let run = |(world, arrivals): (Arc<World>, Arc<[Arrival]>)| async move { contender.run(&world, &arrivals, options.workers).await };
    Ok(Row::of(contender, &seeds(options, shape, run)?))
}

fn bound_row(bound: &'static str, options: Options, shape: Shape) -> Result<BoundRow, Failed> {
    let ran = seeds(options, shape, |(world, arrivals): (Arc<World>, Arc<[Arrival]>)| async move {
        let design = ThisLedger::new(Arc::new(MemoryLedger::default()), &world, &arrivals, bound).await?;
        run(design, &world, &arrivals, options.workers).await
    })?;
    Ok(BoundRow::of(bound, options.room_percent, &ran))
}

/// One run in virtual time per seed: what came of it, with the limit and the room.
fn seeds<F>(options: Options, shape: Shape, run: impl Fn((Arc<World>, Arc<[Arrival]>)) -> F) -> Result<Vec<(Ran, u64, u64)>, Failed>
where
    F: Future<Output = Result<Ran, Failed>>,
{
    (options.seed..options.seed + options.seeds)
        .map(|seed| {
            let arrivals: Arc<[Arrival]> = arrivals(seed, shape).into();
            let (limit, spent) = nearly_spent(&arrivals, options.room_percent, options.spent_percent);
            let ran = virtual_time()?.block_on(async {
                let world = Arc::new(World::new(Time::Virtual, seed, limit, spent));
                run((world, arrivals)).await
            })?;
            Ok((ran, limit, limit - spent))
        })
        .collect()
}

fn race_row(contender: Contender, options: Options) -> Result<RaceRow, Failed> {
    let shape = Shape { requests: options.race_requests, per_second: options.per_second, deaths_per_thousand: 0 };
    let runtime = threads(options.threads)?;
    let mut ran = Vec::new();
    for race in 0..contender.races(options.races) {
        let seed = options.seed + u64::try_from(race).unwrap_or_default();
        let arrivals: Arc<[Arrival]> = arrivals(seed, shape).into();
        let (limit, spent) = nearly_spent(&arrivals, 50, options.spent_percent);
        let race = runtime.block_on(async {
            let world = Arc::new(World::new(Time::Real, seed, limit, spent));
            contender.run(&world, &arrivals, options.threads).await
        })?;
        ran.push((race, limit, options.race_requests));
    }
    Ok(RaceRow::of(contender, &ran))
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
