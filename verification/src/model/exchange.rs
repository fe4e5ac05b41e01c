//! What a step asks of the world, what it is answered, and the ports through which both go.

use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::request::Prompt;
use cost_sentry_core::reservation::{Charge, ClaimId, CounterDelta, Reservation, Step};
use cost_sentry_workflow::metrics::Point;
use cost_sentry_workflow::ports::{
    self, Call, CallFailed, CounterFigures, Created, Edge, Ledger, LedgerError, Log, Metrics, MetricsError, Model, PolicyError,
    PolicyStore, TokenCounter, Written,
};
use jiff::Timestamp;
use serde_json::Value;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One request of a step: to DynamoDB, to Bedrock, or to CloudWatch.
#[derive(Debug, Clone)]
pub enum Request {
    /// BatchGetItem on the counters of these charges.
    Figures(Vec<Charge>),
    /// The hold's transaction, or the denial's PutItem.
    Create(Box<Reservation>),
    /// GetItem on the reservation.
    Find,
    /// The write of a transition that was decided on this version: PutItem, or a transaction where counters move.
    Write(u64, Box<Step>),
    /// The lease index.
    LeasesPast(Timestamp),
    /// The one call of the model.
    Converse,
    /// PutMetricData.
    PutMetrics,
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Request::Figures`].
    Figures(Vec<CounterFigures>),
    /// To [`Request::Create`].
    Created(Created),
    /// To [`Request::Find`].
    Found(Option<Box<Reservation>>),
    /// To [`Request::Write`].
    Written(Written),
    /// To [`Request::LeasesPast`].
    Past(Vec<Reservation>),
    /// To [`Request::Converse`].
    Called(Result<ports::Answer, CallFailed>),
    /// To [`Request::PutMetrics`]: whether they were taken.
    Metrics(bool),
    /// No answer from the ledger: whether the request arrives is not known.
    NoAnswer,
    /// Conflicts with other transactions, for longer than the ledger's patience; nothing was written.
    Contended,
}

/// An invocation under replay: the answers that it gets, and the first request for which there is none.
#[derive(Debug, Default)]
pub struct Exchange {
    /// The answers, in the order of the requests.
    pub answers: Vec<Arc<Answer>>,
    /// How many were given out.
    pub given: usize,
    /// The request that nothing answers yet.
    pub asked: Option<Request>,
    /// What the invocation's clock shows, from its first to its last look.
    pub now: Timestamp,
    /// The claim that it draws.
    pub claim: String,
    /// The current policy.
    pub policy: Arc<(String, Value)>,
}

/// All ports of all steps, over one exchange.
#[derive(Debug, Clone, Default)]
pub struct Wire(Arc<Mutex<Exchange>>);

impl Wire {
    /// The exchange.
    pub fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recorded answer; where there is none yet, the request is noted and the step goes no further.
    async fn ask(&self, request: Request) -> Answer {
        let recorded = {
            let mut exchange = self.exchange();
            let recorded = exchange.answers.get(exchange.given).cloned();
            exchange.given += 1;
            if recorded.is_none() {
                exchange.asked = Some(request);
            }
            recorded
        };
        match recorded {
            Some(answer) => Arc::unwrap_or_clone(answer),
            None => pending().await,
        }
    }
}

/// The error of an answer that is none.
fn trouble(answer: &Answer) -> LedgerError {
    match answer {
        Answer::Contended => LedgerError::Contended,
        Answer::NoAnswer => LedgerError::Unavailable("no answer in time".into()),
        other => LedgerError::Unreadable(format!("an answer to another request: {other:?}")),
    }
}

impl Ledger for Wire {
    async fn figures(&self, charges: &[Charge]) -> Result<Vec<CounterFigures>, LedgerError> {
        match self.ask(Request::Figures(charges.to_vec())).await {
            Answer::Figures(figures) => Ok(figures),
            other => Err(trouble(&other)),
        }
    }

    async fn create(&self, reservation: &Reservation) -> Result<Created, LedgerError> {
        match self.ask(Request::Create(Box::new(reservation.clone()))).await {
            Answer::Created(created) => Ok(created),
            other => Err(trouble(&other)),
        }
    }

    async fn find(&self, _request_id: &str) -> Result<Option<Reservation>, LedgerError> {
        match self.ask(Request::Find).await {
            Answer::Found(found) => Ok(found.map(|found| *found)),
            other => Err(trouble(&other)),
        }
    }

    async fn write(&self, version: u64, step: &Step) -> Result<Written, LedgerError> {
        match self.ask(Request::Write(version, Box::new(step.clone()))).await {
            Answer::Written(written) => Ok(written),
            other => Err(trouble(&other)),
        }
    }

    async fn leases_past(&self, before: Timestamp, _most: usize) -> Result<Vec<Reservation>, LedgerError> {
        match self.ask(Request::LeasesPast(before)).await {
            Answer::Past(past) => Ok(past),
            other => Err(trouble(&other)),
        }
    }

    /// The budgets of the model are all enforced.
    async fn count_shadow(&self, _deltas: &[CounterDelta]) {}
}

impl Model for Wire {
    async fn converse(&self, _call: Call<'_>) -> Result<ports::Answer, CallFailed> {
        match self.ask(Request::Converse).await {
            Answer::Called(called) => called,
            _ => Err(CallFailed::ConnectionLost),
        }
    }
}

impl Metrics for Wire {
    async fn put(&self, _points: &[Point], _at: Timestamp) -> Result<(), MetricsError> {
        match self.ask(Request::PutMetrics).await {
            Answer::Metrics(true) => Ok(()),
            _ => Err(MetricsError("no answer in time".into())),
        }
    }
}

impl Edge for Wire {
    fn now(&self) -> Timestamp {
        self.exchange().now
    }

    fn draw_claim_id(&self) -> ClaimId {
        ClaimId(self.exchange().claim.clone())
    }
}

impl TokenCounter for Wire {
    /// The model's policy bounds inputs by their bytes, so nobody asks.
    async fn count_tokens(&self, _model_id: &str, _prompt: &Prompt) -> Option<Tokens> {
        None
    }
}

impl PolicyStore for Wire {
    async fn current_version(&self) -> Result<String, PolicyError> {
        Ok(self.exchange().policy.0.clone())
    }

    async fn document(&self, _version: &str) -> Result<Value, PolicyError> {
        Ok(self.exchange().policy.1.clone())
    }
}

impl Log for Wire {
    fn line(&self, _line: &Value) {}
}
