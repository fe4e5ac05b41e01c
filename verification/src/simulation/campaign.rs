//! Many worlds, on every processor, until enough executions have run; and the report on the first that broke a promise.

use super::chance::world_seed;
use super::executor::lock;
use super::run::{self, Outcome};
use super::tally::Tally;
use super::weather::Faults;
use cost_sentry_asl::StateMachine;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// How many of the last lines of an execution a failure shows.
const LINES: usize = 80;

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    /// At least so many executions.
    pub executions: u64,
    /// From which the worlds' seeds are made.
    pub seed: u64,
    /// How much goes wrong.
    pub faults: Faults,
    /// On so many threads.
    pub threads: usize,
}

/// A world that broke a promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which world.
    pub world_seed: u64,
    /// How much went wrong in it.
    pub faults: Faults,
    /// What was found.
    pub text: String,
    /// The last that happened to the execution in question, from a second run of the world.
    pub lines: Vec<String>,
    /// Whether the second run was the same as the first.
    pub replayed: bool,
    /// How many executions had run by then.
    pub executions: u64,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "world {:#018x}: {}", self.world_seed, self.text)?;
        for line in &self.lines {
            writeln!(f, "  {line}")?;
        }
        if !self.replayed {
            writeln!(f, "the second run was NOT the same as the first: something beside the seed decides")?;
        }
        writeln!(f, "found within {} executions; to see it again, whole:", self.executions)?;
        write!(f, "  {}", replay_command(self.world_seed, self.faults))
    }
}

/// The command that runs a world again and prints what happened in it.
pub fn replay_command(world_seed: u64, faults: Faults) -> String {
    format!("cargo run -p cost-sentry-verification --bin simulate -- --world {world_seed:#018x} --faults {}", faults.word())
}

/// Runs a world; a panic of the code under test is a broken promise too.
pub fn world(machine: &StateMachine, seed: u64, faults: Faults, recording: bool) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| run::run(machine, seed, faults, recording))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("panicked: {}", text.unwrap_or_default())
    })
}

impl Campaign {
    /// The seeds of the worlds that have enough executions together, and how many each has.
    fn worlds(&self) -> Vec<(u64, u64)> {
        let mut left = self.executions;
        let mut worlds = Vec::new();
        for number in 0.. {
            if left == 0 {
                break;
            }
            let seed = world_seed(self.seed, number);
            let size = run::size(seed);
            left = left.saturating_sub(size);
            worlds.push((seed, size));
        }
        worlds
    }

    /// Runs the worlds, until one fails. `progress` is told the executions so far, now and then.
    pub fn run(&self, progress: impl Fn(u64) + Sync) -> Result<Tally, Box<Failure>> {
        let machine = run::machine().map_err(|text| Box::new(self.failure(0, &text)))?;
        let worlds = self.worlds();
        let (next, done, stop) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let (total, failed) = (Mutex::new(Tally::default()), Mutex::new(None::<Box<Failure>>));
        let work = || {
            while let Some((seed, size)) = worlds.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !stop.load(Ordering::Relaxed)) {
                let outcome = world(&machine, *seed, self.faults, false);
                let so_far = done.fetch_add(*size, Ordering::Relaxed) + size;
                progress(so_far);
                match outcome {
                    Ok(outcome) if outcome.violation.is_none() => lock(&total).merge(&outcome.tally),
                    outcome => {
                        stop.store(true, Ordering::Relaxed);
                        let failure = self.explain(&machine, *seed, &outcome, so_far);
                        lock(&failed).get_or_insert(Box::new(failure));
                    }
                }
            }
        };
        std::thread::scope(|scope| (0..self.threads.max(1)).for_each(|_| drop(scope.spawn(work))));
        let failed = lock(&failed).take();
        failed.map_or_else(|| Ok(lock(&total).clone()), Err)
    }

    fn failure(&self, world_seed: u64, text: &str) -> Failure {
        Failure { world_seed, faults: self.faults, text: text.to_owned(), lines: Vec::new(), replayed: true, executions: 0 }
    }

    /// Runs a failed world again, with its lines.
    fn explain(&self, machine: &StateMachine, seed: u64, first: &Result<Outcome, String>, executions: u64) -> Failure {
        let violation = first.as_ref().ok().and_then(|outcome| outcome.violation.clone());
        let text = match (first, &violation) {
            (Err(panic), _) => panic.clone(),
            (_, Some(violation)) => violation.text.clone(),
            (Ok(_), None) => String::new(),
        };
        let again = world(machine, seed, self.faults, true);
        let replayed = match (first, &again) {
            (Ok(first), Ok(again)) => first.hash == again.hash,
            (Err(first), Err(again)) => first == again,
            _ => false,
        };
        let execution = violation.and_then(|violation| violation.execution);
        let all = again.map(|outcome| outcome.lines).unwrap_or_default();
        let own: Vec<String> = all.iter().filter(|line| execution.is_none() || line.execution == execution).map(shown).collect();
        let lines = own.iter().skip(own.len().saturating_sub(LINES)).cloned().collect();
        Failure { lines, replayed, executions, ..self.failure(seed, &text) }
    }
}

/// A line of a trace, as people read it.
pub fn shown(line: &super::trace::Line) -> String {
    let whose = line.execution.map_or_else(String::new, |execution| format!("#{execution} "));
    let text: String = line.text.chars().take(600).collect();
    format!("{:>14.6} s  {whose}{text}", line.at.as_secs_f64())
}
