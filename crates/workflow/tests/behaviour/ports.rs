//! The ports of a test: each remembers what it was asked, and fails when it is told to.

use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::Prompt;
use cost_sentry_core::reservation::{Charge, ClaimId, CounterDelta, Reservation, Step, Transition};
use cost_sentry_workflow::ledger::{Driven, drive};
use cost_sentry_workflow::memory_ledger::{Books, MemoryLedger};
use cost_sentry_workflow::metrics::Point;
use cost_sentry_workflow::ports::{
    Answer, Call, CallFailed, CounterFigures, Created, Edge, Ledger, LedgerError, Log, Metrics, MetricsError, Model, PolicyError,
    PolicyStore, TokenCounter, Written,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// How an operation of the ledger fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Contended,
    Unavailable,
    Unreadable,
    /// It takes effect, and nobody hears of it.
    Lost,
    /// What it says is not so any more: counters as they were when nothing was held, leases of all that were ever open.
    Stale,
    /// It takes effect unheard, another invocation claims what it left, and its retry finds that.
    Overtaken,
}

/// The ledger in memory, shared by all who hold it, failing as it is told to.
#[derive(Debug, Clone, Default)]
pub struct TestLedger(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    ledger: MemoryLedger,
    faults: Mutex<Vec<(&'static str, usize, Fault)>>,
}

impl TestLedger {
    /// Makes the next operation of that name fail.
    pub fn fail(&self, operation: &'static str, fault: Fault) {
        self.fail_after(0, operation, fault);
    }

    /// Makes an operation of that name fail after so many more have not.
    pub fn fail_after(&self, others: usize, operation: &'static str, fault: Fault) {
        self.0.faults.lock().unwrap().push((operation, others, fault));
    }

    pub fn books(&self) -> Books {
        self.0.ledger.books()
    }

    /// The one reservation that there is.
    pub fn only(&self) -> Reservation {
        let books = self.books();
        assert_eq!(books.reservations.len(), 1);
        books.reservations.into_values().next().unwrap()
    }

    fn is_stale(&self, operation: &str) -> bool {
        self.meets(operation, Fault::Stale)
    }

    fn meets(&self, operation: &str, fault: Fault) -> bool {
        let mut faults = self.0.faults.lock().unwrap();
        let at = faults.iter().position(|planned| *planned == (operation, 0, fault));
        at.map(|at| faults.remove(at)).is_some()
    }

    fn fault(&self, operation: &str) -> Option<Fault> {
        let mut faults = self.0.faults.lock().unwrap();
        let at = faults.iter().position(|(name, _, _)| *name == operation)?;
        match faults[at].1.checked_sub(1) {
            Some(others) => {
                faults[at].1 = others;
                None
            }
            None => Some(faults.remove(at).2),
        }
    }

    /// What an operation answers, once its fault has had its way with it.
    fn answer<T>(&self, operation: &str, result: impl FnOnce() -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let gone = || LedgerError::Unavailable("no answer".into());
        match self.fault(operation) {
            None => result(),
            Some(Fault::Contended) => Err(LedgerError::Contended),
            Some(Fault::Unavailable) => Err(gone()),
            Some(Fault::Unreadable) => Err(LedgerError::Unreadable("no item of ours".to_owned())),
            Some(Fault::Lost) => result().and_then(|_| Err(gone())),
            Some(fault) => panic!("{operation} knows no {fault:?}"),
        }
    }
}

impl Ledger for TestLedger {
    async fn figures(&self, charges: &[Charge]) -> Result<Vec<CounterFigures>, LedgerError> {
        if self.is_stale("figures") {
            return Ok(vec![CounterFigures::default(); charges.len()]);
        }
        self.answer("figures", || ready(self.0.ledger.figures(charges)))
    }

    async fn create(&self, reservation: &Reservation) -> Result<Created, LedgerError> {
        self.answer("create", || ready(self.0.ledger.create(reservation)))
    }

    async fn find(&self, request_id: &str) -> Result<Option<Reservation>, LedgerError> {
        self.answer("find", || ready(self.0.ledger.find(request_id)))
    }

    async fn write(&self, version: u64, step: &Step) -> Result<Written, LedgerError> {
        if self.meets("write", Fault::Overtaken) {
            ready(self.0.ledger.write(version, step))?;
            let (claim_id, request_hash) = (ClaimId("another's".to_owned()), step.next.request_hash.clone());
            let claim = Transition::Claim { claim_id, request_hash, lease_end: step.next.lease_end };
            let claimed = ready(drive(&self.0.ledger, step.next.clone(), &claim))?;
            assert!(matches!(claimed, Driven::Stands(_)));
        }
        self.answer("write", || ready(self.0.ledger.write(version, step)))
    }

    async fn leases_past(&self, before: Timestamp, most: usize) -> Result<Vec<Reservation>, LedgerError> {
        if self.is_stale("leases_past") {
            return Ok(self.books().reservations.into_values().collect());
        }
        self.answer("leases_past", || ready(self.0.ledger.leases_past(before, most)))
    }

    async fn count_shadow(&self, deltas: &[CounterDelta]) {
        ready(self.0.ledger.count_shadow(deltas));
    }
}

/// What a future that waits for nothing comes to.
pub fn ready<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("a step waits for something that is not there"),
    }
}

/// A clock that moves on by so much whenever it is read, and claims by number.
#[derive(Debug, Clone)]
pub struct Clockwork {
    now: Arc<Mutex<Timestamp>>,
    claims: Arc<Mutex<u32>>,
    tick: SignedDuration,
}

impl Clockwork {
    pub fn at(now: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new(now)), claims: Arc::default(), tick: SignedDuration::ZERO }
    }

    /// Lets each look at the clock take so many milliseconds.
    pub fn ticking(mut self, millis: i64) -> Self {
        self.tick = SignedDuration::from_millis(millis);
        self
    }

    pub fn pass(&self, seconds: i64) {
        let mut now = self.now.lock().unwrap();
        *now += SignedDuration::from_secs(seconds);
    }
}

impl Edge for Clockwork {
    fn now(&self) -> Timestamp {
        let mut now = self.now.lock().unwrap();
        let read = *now;
        *now += self.tick;
        read
    }

    fn draw_claim_id(&self) -> ClaimId {
        let mut claims = self.claims.lock().unwrap();
        *claims += 1;
        ClaimId(format!("claim {claims}"))
    }
}

/// A call: model id, request id, most output tokens.
pub type Called = (String, String, u64);

/// A model that gives its answers in turn, and remembers the calls.
#[derive(Debug, Default)]
pub struct TestModel {
    pub answers: Mutex<VecDeque<Result<Answer, CallFailed>>>,
    pub calls: Mutex<Vec<Called>>,
}

impl Model for TestModel {
    async fn converse(&self, call: Call<'_>) -> Result<Answer, CallFailed> {
        let asked = (call.model_id.to_owned(), call.request_id.to_owned(), call.inference.max_tokens.0);
        self.calls.lock().unwrap().push(asked);
        self.answers.lock().unwrap().pop_front().expect("a call that the test does not expect")
    }
}

/// Counts every prompt alike, and how often it is asked.
#[derive(Debug, Default)]
pub struct TestCounter {
    pub count: Option<Tokens>,
    pub asked: Mutex<Vec<String>>,
}

impl TokenCounter for TestCounter {
    async fn count_tokens(&self, model_id: &str, _: &Prompt) -> Option<Tokens> {
        self.asked.lock().unwrap().push(model_id.to_owned());
        self.count
    }
}

/// Lines and points, kept; points are refused when it is told so.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    pub lines: Arc<Mutex<Vec<Value>>>,
    pub points: Arc<Mutex<Vec<Point>>>,
    pub refuses: bool,
}

impl Log for Heard {
    fn line(&self, line: &Value) {
        self.lines.lock().unwrap().push(line.clone());
    }
}

impl Metrics for Heard {
    async fn put(&self, points: &[Point], _: Timestamp) -> Result<(), MetricsError> {
        if self.refuses {
            return Err(MetricsError("no metrics today".into()));
        }
        self.points.lock().unwrap().extend_from_slice(points);
        Ok(())
    }
}

/// A store of one policy, or of none, that counts how often it is read.
#[derive(Debug, Clone, Default)]
pub struct TestStore {
    /// The current version and its document.
    pub current: Arc<Mutex<Option<(String, Value)>>>,
    pub fails: Arc<Mutex<bool>>,
    pub documents_read: Arc<Mutex<u32>>,
    pub versions_read: Arc<Mutex<u32>>,
}

impl PolicyStore for TestStore {
    async fn current_version(&self) -> Result<String, PolicyError> {
        *self.versions_read.lock().unwrap() += 1;
        if *self.fails.lock().unwrap() {
            return Err(PolicyError::Unavailable("no answer".into()));
        }
        self.current.lock().unwrap().as_ref().map(|(version, _)| version.clone()).ok_or(PolicyError::Absent)
    }

    async fn document(&self, version: &str) -> Result<Value, PolicyError> {
        *self.documents_read.lock().unwrap() += 1;
        let current = self.current.lock().unwrap();
        let found = current.as_ref().filter(|(current, _)| current == version);
        found.map(|(_, document)| document.clone()).ok_or(PolicyError::Absent)
    }
}
