//! Who is compared, at which settings.

use super::design::Failed;
use super::designs::published::LaggingMetrics;
use super::designs::read_then_write::ReadThenWrite;
use super::designs::this_ledger::ThisLedger;
use super::run::{Ran, run};
use super::traffic::Arrival;
use super::world::World;
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use std::sync::Arc;

/// A design at its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// This project's steps on the ledger in memory, under an input bound of the policy.
    CostSentry(&'static str),
    /// Usage read from metrics that lag by so many seconds.
    Metrics(u64),
    /// A counter that is read, compared, and added to after the call.
    ReadThenWrite,
    /// The crate `limitador`, reserving and committing in memory.
    #[cfg(feature = "limitador")]
    Limitador,
    /// This project's steps on the DynamoDB ledger, over HTTP, on an embedded DynamoDB.
    #[cfg(feature = "embedded")]
    CostSentryOnDynamoDb,
    /// A counter in the same DynamoDB: GetItem, then UpdateItem.
    #[cfg(feature = "embedded")]
    ReadThenWriteOnDynamoDb,
}

impl Contender {
    /// Those that run in virtual time.
    pub fn in_virtual_time() -> Vec<Self> {
        vec![
            Self::CostSentry("bytes"),
            Self::CostSentry("refine"),
            Self::Metrics(0),
            Self::Metrics(60),
            Self::Metrics(300),
            Self::ReadThenWrite,
            #[cfg(feature = "limitador")]
            Self::Limitador,
        ]
    }

    /// Those that race.
    pub fn in_races() -> Vec<Self> {
        vec![
            Self::CostSentry("bytes"),
            Self::Metrics(0),
            Self::ReadThenWrite,
            #[cfg(feature = "limitador")]
            Self::Limitador,
            #[cfg(feature = "embedded")]
            Self::CostSentryOnDynamoDb,
            #[cfg(feature = "embedded")]
            Self::ReadThenWriteOnDynamoDb,
        ]
    }

    /// Its name, short enough for a table.
    pub fn name(self) -> String {
        match self {
            Self::CostSentry(bound) => format!("Cost Sentry, {bound}"),
            Self::Metrics(lag) => format!("metrics, {lag} s late"),
            Self::ReadThenWrite => "read, call, write".to_owned(),
            #[cfg(feature = "limitador")]
            Self::Limitador => "limitador".to_owned(),
            #[cfg(feature = "embedded")]
            Self::CostSentryOnDynamoDb => "Cost Sentry, DynamoDB".to_owned(),
            #[cfg(feature = "embedded")]
            Self::ReadThenWriteOnDynamoDb => "read, call, write, DynamoDB".to_owned(),
        }
    }

    /// How many of so many races it runs: those with a store behind HTTP take a hundred times as long.
    pub fn races(self, races: usize) -> usize {
        match self {
            #[cfg(feature = "embedded")]
            Self::CostSentryOnDynamoDb | Self::ReadThenWriteOnDynamoDb => races.div_ceil(40),
            _ => races,
        }
    }

    /// Lets it serve these requests.
    pub async fn run(self, world: &Arc<World>, arrivals: &Arc<[Arrival]>, workers: usize) -> Result<Ran, Failed> {
        let spent = world.tally().spent;
        match self {
            Self::CostSentry(bound) => {
                let ledger = Arc::new(MemoryLedger::default());
                run(ThisLedger::new(ledger, world, arrivals, bound).await?, world, arrivals, workers).await
            }
            Self::Metrics(lag) => run(LaggingMetrics::new(lag, spent), world, arrivals, workers).await,
            Self::ReadThenWrite => run(ReadThenWrite::new(spent), world, arrivals, workers).await,
            #[cfg(feature = "limitador")]
            Self::Limitador => {
                let design = super::designs::limitador::ReserveAndCommit::new(world.limit, spent)?;
                run(design, world, arrivals, workers).await
            }
            #[cfg(feature = "embedded")]
            Self::CostSentryOnDynamoDb => {
                let stack = super::designs::embedded::stack().await?;
                let ledger = Arc::new(stack.ledger());
                run(ThisLedger::new(ledger, world, arrivals, "bytes").await?, world, arrivals, workers).await
            }
            #[cfg(feature = "embedded")]
            Self::ReadThenWriteOnDynamoDb => {
                let design = super::designs::embedded::CounterItem::new(spent).await?;
                run(design, world, arrivals, workers).await
            }
        }
    }
}
