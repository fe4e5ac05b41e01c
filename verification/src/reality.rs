//! Reality: the built `cost-sentry local`, many clients at once over HTTP, budgets nearly spent, and kills with signal 9.
//!
//! The clients speak to it as to AWS, through the SDK; Bedrock is the simulator in this process, so that it sees every call whatever
//! happens to the other one. What must hold: nothing is over a limit, no acknowledged execution and no paid call is lost, and the books
//! balance after one sweep, by the built `cost-sentry audit`.

mod clients;
mod process;
mod seen;

pub use seen::Seen;

use clients::Tally;
use cost_sentry::local::simulator::{Script, Simulator};
use cost_sentry::local::stack::{self, Stack};
use cost_sentry_aws::edge::SystemEdge;
use cost_sentry_aws::log::Lines;
use cost_sentry_aws::metrics::CloudWatch;
use cost_sentry_core::quantity::NanoUsd;
use cost_sentry_core::reservation::ClaimId;
use cost_sentry_workflow::ports::Edge;
use cost_sentry_workflow::steps::SweepReservations;
use cost_sentry_workflow::time_outs::Leases;
use jiff::{SignedDuration, Timestamp};
use process::{Local, Tool};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What went wrong with the run itself.
pub type Trouble = Box<dyn Error + Send + Sync>;

/// Tokens that each answered call uses: all that was held for it, 95 in and 40 out, so that a hold too many stays too many.
const TOKENS: u64 = 135;
/// What that costs, at 0.80 and 4.00 dollars a million.
const COST: NanoUsd = NanoUsd(236_000);
/// Applications, each with a budget of its own.
const APPLICATIONS: u64 = 4;
/// So long without any progress is a failure of the run, not of the machine.
const PATIENCE: Duration = Duration::from_mins(4);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// How large a run is.
#[derive(Debug, Clone, clap::Parser)]
#[command(about = "Kill cost-sentry local among many clients, and see whether anything is over, lost or out of balance", long_about = None)]
#[command(after_help = "Example:\n  cargo run -p cost-sentry-verification --bin reality -- --clients 256 --executions 3000")]
pub struct Options {
    /// Clients at once; every fourth waits for its answer in a synchronous execution, the others start and ask until it has ended.
    #[arg(long, default_value_t = 64)]
    pub clients: usize,
    /// Executions in all.
    #[arg(long, default_value_t = 600)]
    pub executions: usize,
    /// How often the process is killed with signal 9 and started again.
    #[arg(long, default_value_t = 5)]
    pub kills: usize,
    /// The built `cost-sentry`; without it, it is built.
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
}

impl Options {
    /// Room for this many requests in all, by the number of requests; tokens and dollars end a little sooner or later.
    fn room(&self) -> u64 {
        (self.executions as u64).saturating_mul(6) / 10
    }

    /// Limits in three units, near enough to each other that each refuses.
    fn policy(&self) -> String {
        let room = self.room();
        let per_application = room.saturating_mul(TOKENS) / APPLICATIONS;
        format!(
            "{{ models: {{ claude-3-5-haiku: {{ id: \"us.anthropic.claude-3-5-haiku-20241022-v1:0\" }} }}, \
             requests: {{ inputBound: bytes }}, budgets: [\
             {{ name: all, limit: {{ requests: {room}, usd: {usd} }}, window: month }}, \
             {{ name: app, limit: {{ tokens: {per_application} }}, window: month, per: [applicationId] }}, \
             {{ name: day, limit: {{ tokens: {day} }}, window: month }}] }}",
            // A little less than room for all.
            usd = NanoUsd(room.saturating_mul(COST.0) * 95 / 100),
            day = room.saturating_mul(TOKENS) * 98 / 100,
        )
    }
}

/// A clock that is an hour ahead: every lease is past.
#[derive(Debug)]
struct AnHourLater;

impl Edge for AnHourLater {
    fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX)
    }

    fn draw_claim_id(&self) -> ClaimId {
        SystemEdge.draw_claim_id()
    }
}

/// Runs it; what is said on the way goes to `say`.
pub async fn run(options: &Options, say: impl Fn(&str)) -> Result<Seen, Trouble> {
    let began = Instant::now();
    let desk = tempfile::tempdir()?;
    let tool = Tool::find(options.binary.as_deref(), desk.path())?;
    let script = "models: { '*': { latency: 120ms, usage: { inputTokens: 95, outputTokens: 40 } } }";
    let bedrock = Simulator::start(Script::parse(script)?).await?;
    std::fs::write(desk.path().join("policy.yaml"), options.policy())?;

    let mut local = Local::start(&tool, &bedrock.endpoint()).await?;
    let (endpoint, watching) = watch::channel(local.endpoint());
    let tally = Arc::new(Tally::default());
    let working = clients::start(options, &watching, &tally);
    let mut seen = Seen { clients: options.clients, executions: options.executions, ..Seen::default() };
    for kill in 1..=options.kills {
        let ended = options.executions * kill / (options.kills + 2);
        tally.until("executions to kill it among", |tally| tally.ended() >= ended).await?;
        local.kill()?;
        let (under_way, calls) = (tally.under_way(), clients::paid(&bedrock).len());
        local = Local::start(&tool, &bedrock.endpoint()).await?;
        endpoint.send_replace(local.endpoint());
        let word = tool.audit().await?.verdict;
        let line = format!(
            "kill {kill}: {ended} executions had ended, {under_way} were under way, {calls} calls were answered; audit of the process that was started then: {word}"
        );
        say(&line);
        seen.kills.push(line);
        seen.audits.push(word);
    }
    for worker in working {
        worker.await??;
    }
    seen.lost_executions = tally.lost();
    tally.endings(&mut seen);
    local.stop().await?;
    say("all clients are done; sweeping and auditing");
    settle_accounts(&desk.path().join(process::BOOKS), &bedrock, &tool, options, &mut seen).await?;
    seen.seconds = began.elapsed().as_secs_f64();
    Ok(seen)
}

/// One sweep when every lease is past, then the audit, and the comparison of the simulator's calls with the books.
async fn settle_accounts(books: &Path, bedrock: &Simulator, tool: &Tool, options: &Options, seen: &mut Seen) -> Result<(), Trouble> {
    let stack = Stack::start(stack::Options { data: Some(books.to_owned()), ..stack::Options::default() }).await?;
    let log = Lines::new(Vec::<u8>::new());
    let metrics = CloudWatch::new(stack.config.metrics, || stack.clients.cloudwatch(), log.clone());
    let sweep = SweepReservations { ledger: stack.ledger(), metrics, log, edge: AnHourLater, leases: Leases::default() };
    let swept = sweep.sweep().await?;
    (seen.released, seen.uncertain) = (swept.released, swept.uncertain);
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut reservations = stack.ledger().decided_on(today).await?;
    reservations.extend(stack.ledger().decided_on(today.yesterday()?).await?);
    drop(stack);
    let audit = tool.audit().await?;
    seen.judge(&clients::paid(bedrock), &reservations, &audit.document, options.room());
    seen.audits.push(audit.verdict);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_64_clients_and_two_kills_nothing_is_over_nothing_is_lost_and_the_books_balance() {
        let options = Options { clients: 64, executions: 200, kills: 2, binary: None };
        let seen = Box::pin(run(&options, |line| println!("{line}"))).await.unwrap();
        println!("{seen}");
        assert!(seen.holds(), "{seen}");
        assert!(seen.is_telling(), "{seen}");
        assert_eq!(seen.kills.len(), 2);
    }
}
