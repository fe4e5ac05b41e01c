//! One world: its time, chance and weather, the books under test, and everything that was seen of them.

use super::chance::Chance;
use super::executor::{Executor, lock};
use super::facts::{Facts, Invocation, Violation};
use super::trace::Trace;
use super::weather::{Fault, Weather};
use cost_sentry_asl::StateMachine;
use cost_sentry_core::reservation::ClaimId;
use cost_sentry_workflow::memory_ledger::MemoryLedger;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How much more goes wrong for the unlucky.
const UNLUCKY: u32 = 20;

/// A world. Every port of every function holds it.
pub struct World {
    /// What its clocks show at time zero.
    pub began: Timestamp,
    /// Tasks and time.
    pub executor: Executor,
    /// Everything that could be one way or another.
    pub chance: Chance,
    /// What happened.
    pub trace: Trace,
    /// What goes wrong.
    pub weather: Weather,
    /// The shipped state machine.
    pub machine: StateMachine,
    /// The ledger under test.
    pub ledger: MemoryLedger,
    facts: Mutex<Facts>,
}

impl World {
    /// A world in which nothing has happened.
    pub fn new(began: Timestamp, chance: Chance, trace: Trace, weather: Weather, machine: StateMachine) -> Arc<Self> {
        let executor = Executor::new(chance.clone(), trace.clone());
        Arc::new(Self { began, executor, chance, trace, weather, machine, ledger: MemoryLedger::default(), facts: Mutex::default() })
    }

    /// What was seen so far.
    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        lock(&self.facts)
    }

    /// What a right clock shows.
    pub fn now(&self) -> Timestamp {
        self.at(self.executor.now())
    }

    /// What a right clock shows so long after the beginning.
    pub fn at(&self, since: Duration) -> Timestamp {
        let since = SignedDuration::try_from(since).unwrap_or(SignedDuration::MAX);
        self.began.saturating_add(since).unwrap_or(Timestamp::MAX)
    }

    /// A copy of what is known of the function that is at work now.
    pub fn invocation(&self) -> Option<Invocation> {
        self.facts().invocations.get(&self.executor.current()?).cloned()
    }

    /// Changes what is known of the function that is at work now.
    pub fn in_invocation(&self, change: impl FnOnce(&mut Invocation)) {
        let Some(current) = self.executor.current() else { return };
        if let Some(invocation) = self.facts().invocations.get_mut(&current) {
            change(invocation);
        }
    }

    /// A claim that nobody drew before.
    pub fn draw_claim(&self) -> ClaimId {
        let claim = {
            let mut facts = self.facts();
            facts.claims += 1;
            ClaimId(format!("claim-{}", facts.claims))
        };
        self.in_invocation(|invocation| invocation.claim = Some(claim.clone()));
        claim
    }

    /// Whether this goes wrong now, for the function at work.
    pub fn goes_wrong(&self, fault: Fault) -> bool {
        let execution = self.invocation().and_then(|invocation| invocation.execution);
        let happens = self.happens(execution, fault);
        if happens {
            self.trouble(fault);
        }
        happens
    }

    /// Whether this goes wrong now, on an execution's way.
    pub fn goes_wrong_for(&self, execution: Option<usize>, fault: Fault) -> bool {
        let happens = self.happens(execution, fault);
        if happens {
            self.trouble_of(execution, fault);
        }
        happens
    }

    /// Whether chance wants this to go wrong. For some executions one thing after another does.
    pub fn happens(&self, execution: Option<usize>, fault: Fault) -> bool {
        let facts = self.facts();
        let rate = self.weather.rate(fault);
        let unlucky = execution.and_then(|index| facts.executions.get(index)).is_some_and(|seen| seen.unlucky);
        let rate = if unlucky { rate.saturating_mul(UNLUCKY).min(250_000) } else { rate };
        let calm = facts.calm;
        drop(facts);
        !calm && self.chance.happens(rate)
    }

    /// Whether the function at work dies at the request that it makes now: before it is done, or after.
    pub fn dies_here(&self) -> Option<bool> {
        let calm = self.facts().calm;
        let mut dies = None;
        self.in_invocation(|invocation| {
            invocation.requests += 1;
            dies = invocation.dies_at.filter(|(at, _)| *at == invocation.requests && !calm).map(|(_, after)| after);
        });
        dies
    }

    /// The function at work hangs at the request that it makes now, if chance says so.
    pub async fn stall(&self) {
        if self.goes_wrong(Fault::FunctionStalled) {
            let most = if self.chance.one_in(2) { 10 } else { 250 };
            self.executor.sleep(self.chance.seconds(1..=most)).await;
        }
    }

    /// The function at work dies at one of its requests.
    pub async fn die(&self) {
        self.trouble(Fault::KilledBetween);
        self.stop_here().await;
    }

    /// The task at work ends here.
    pub async fn stop_here(&self) {
        if let Some(current) = self.executor.current() {
            self.executor.kill(current);
        }
        std::future::pending::<()>().await;
    }

    /// Notes that this went wrong, for the function at work and its execution.
    pub fn trouble(&self, fault: Fault) {
        let execution = self.invocation().and_then(|invocation| invocation.execution);
        self.in_invocation(|invocation| invocation.troubled = true);
        self.trouble_of(execution, fault);
    }

    /// Notes that this went wrong on an execution's way.
    pub fn trouble_of(&self, execution: Option<usize>, fault: Fault) {
        let mut facts = self.facts();
        facts.tally.faults.add(format!("{fault:?}"));
        if let Some(seen) = execution.and_then(|index| facts.executions.get_mut(index)) {
            seen.troubles += 1;
        }
        drop(facts);
        self.trace.note(self.executor.now(), execution, || format!("FAULT {fault:?}"));
    }

    /// Notes what happened.
    pub fn note(&self, execution: Option<usize>, text: impl FnOnce() -> String) {
        self.trace.note(self.executor.now(), execution, text);
    }

    /// Says that a promise was not kept. The first one counts.
    pub fn violated(&self, execution: Option<usize>, text: impl Into<String>) {
        let text = text.into();
        self.note(execution, || format!("VIOLATION {text}"));
        self.facts().violation.get_or_insert(Violation { execution, text });
    }

    /// Whether to go on.
    pub fn is_over(&self) -> bool {
        self.facts().violation.is_some()
    }
}
