//! The ledger's port: the shipped memory ledger behind a network that loses, delays and repeats, with a witness at its side.

use super::facts::Hearing;
use super::weather::{Fault, within};
use super::world::World;
use super::{books, writes};
use cost_sentry_core::reservation::{Charge, CounterDelta, Reservation, State, Step};
use cost_sentry_workflow::ports::{CounterFigures, Created, Ledger, LedgerError, Written};
use cost_sentry_workflow::time_outs;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// The ledger as a function sees it.
#[derive(Clone)]
pub struct SimulatedLedger(pub Arc<World>);

/// One request to the ledger.
#[derive(Debug, Clone)]
enum Request {
    Figures(Vec<Charge>),
    Create(Box<Reservation>),
    Find(String),
    Write(u64, Box<Step>),
    LeasesPast(Timestamp, usize),
    CountShadow(Vec<CounterDelta>),
}

/// Its answer.
#[derive(Debug)]
enum Answer {
    Figures(Vec<CounterFigures>),
    Created(Created),
    Found(Option<Box<Reservation>>),
    Written(Written),
    LeasesPast(Vec<Reservation>),
    ShadowCounted,
}

/// The network's word for a request that nobody answered.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer;

fn unavailable() -> LedgerError {
    LedgerError::Unavailable(Box::new(NoAnswer))
}

/// The faults of which at most one hits a request, in the order in which they are tried.
const FAULTS: [Fault; 6] =
    [Fault::LedgerLostBefore, Fault::LedgerLostAfter, Fault::LedgerLate, Fault::LedgerAgain, Fault::LedgerContended, Fault::LedgerSlow];

impl SimulatedLedger {
    async fn send(&self, request: Request) -> Result<Answer, LedgerError> {
        let world = &self.0;
        world.facts().tally.ledger_requests += 1;
        let dies = world.dies_here();
        if dies == Some(false) {
            world.die().await;
        }
        world.stall().await;
        let executor = &world.executor;
        executor.sleep(world.chance.millis(1..=15)).await;
        if let Some(fault) = self.nobody_answers() {
            world.trouble(fault);
            executor.sleep(world.chance.millis(1..=4_000)).await;
            return Err(unavailable());
        }
        let fault = FAULTS.into_iter().find(|fault| world.goes_wrong(*fault));
        let answer = match fault {
            Some(Fault::LedgerLostBefore) => Err(unavailable()),
            Some(Fault::LedgerContended) => {
                executor.sleep(world.chance.millis(300..=2_500)).await;
                Err(LedgerError::Contended)
            }
            Some(Fault::LedgerLate) => {
                self.send_late(request);
                executor.sleep(Duration::from_secs(u64::from(time_outs::LEDGER_REQUEST))).await;
                Err(unavailable())
            }
            Some(Fault::LedgerLostAfter) => {
                self.apply(&request).await;
                Err(unavailable())
            }
            Some(Fault::LedgerAgain) => {
                self.apply(&request).await;
                executor.sleep(world.chance.millis(1..=900)).await;
                Ok(self.apply(&request).await)
            }
            _ => Ok(self.apply(&request).await),
        };
        if dies == Some(true) {
            world.die().await;
        }
        let slow = if fault == Some(Fault::LedgerSlow) { 1_000..=3_900 } else { 0..=10 };
        executor.sleep(world.chance.millis(slow)).await;
        answer
    }

    /// Whether the ledger answers nobody now, or not this execution.
    fn nobody_answers(&self) -> Option<Fault> {
        let world = &self.0;
        let execution = world.invocation().and_then(|invocation| invocation.execution);
        let facts = world.facts();
        let deaf = execution.and_then(|index| facts.executions.get(index)).is_some_and(|seen| seen.hearing == Hearing::None);
        if deaf {
            return Some(Fault::LedgerDeaf);
        }
        (!facts.calm && within(&world.weather.outages, world.executor.now())).then_some(Fault::LedgerOutage)
    }

    /// Does a request after its client has given up: soon, or after most of a minute.
    fn send_late(&self, request: Request) {
        let (own, world) = (self.clone(), Arc::clone(&self.0));
        let invocation = world.invocation().unwrap_or_default();
        let most = if world.chance.one_in(4) { 50 } else { 2 };
        let late = Duration::from_secs(u64::from(time_outs::LEDGER_REQUEST)) + world.chance.seconds(0..=most);
        world.facts().busy += 1;
        let (id, _) = self.0.executor.spawn(async move {
            world.executor.sleep(late).await;
            own.apply(&request).await;
            world.facts().busy -= 1;
            let current = world.executor.current();
            current.and_then(|id| world.facts().invocations.remove(&id));
        });
        // What it does counts as the function's that sent it.
        self.0.facts().invocations.insert(id, invocation);
    }

    /// Does a request, and looks at what it did.
    async fn apply(&self, request: &Request) -> Answer {
        let ledger = &self.0.ledger;
        let answer = match request {
            Request::Figures(charges) => ledger.figures(charges).await.map(Answer::Figures),
            Request::Create(reservation) => ledger.create(reservation).await.map(Answer::Created),
            Request::Find(id) => ledger.find(id).await.map(|found| Answer::Found(found.map(Box::new))),
            Request::Write(version, step) => ledger.write(*version, step).await.map(Answer::Written),
            Request::LeasesPast(before, most) => ledger.leases_past(*before, *most).await.map(Answer::LeasesPast),
            Request::CountShadow(deltas) => {
                ledger.count_shadow(deltas).await;
                Ok(Answer::ShadowCounted)
            }
        };
        let answer = answer.unwrap_or_else(|error| {
            self.0.violated(None, format!("the memory ledger failed: {error}"));
            Answer::ShadowCounted
        });
        match (request, &answer) {
            (Request::Create(next), Answer::Created(Created::Created)) => self.look(None, next).await,
            (Request::Create(_), Answer::Created(Created::OnOtherShards(next))) => {
                self.0.facts().tally.on_other_shards += 1;
                self.look(None, next).await;
            }
            (Request::Write(version, step), Answer::Written(Written::Written)) => self.look(Some(*version), &step.next).await,
            (Request::Create(next), Answer::Created(Created::NoRoom(refusing))) => {
                self.0.note(self.execution_of(next), || format!("no room: {refusing:?}"));
            }
            _ => {}
        }
        answer
    }

    fn execution_of(&self, reservation: &Reservation) -> Option<usize> {
        self.0.facts().by_request.get(reservation.request_id()).copied()
    }

    /// What the witness says of a write.
    async fn look(&self, version: Option<u64>, next: &Reservation) {
        let world = &self.0;
        let by = world.invocation().unwrap_or_default();
        let execution = self.execution_of(next);
        world.note(execution, || format!("{} writes {:?}, version {}, lease to {}", by.step, next.state, next.version, next.lease_end));
        world.trace.mix(&[next.version, next.state as u64, execution.unwrap_or(usize::MAX) as u64]);
        let found = {
            let mut facts = world.facts();
            match version {
                None => writes::created(world, &mut facts, &by, next),
                Some(version) => writes::written(world, &mut facts, &by, version, next),
            }
        };
        if let Err(text) = found {
            world.violated(execution, text);
        }
        if !matches!(next.state, State::Held | State::Claimed) {
            world.in_invocation(|invocation| invocation.ended += 1);
        }
        let shown = world.ledger.figures(&next.charges).await.unwrap_or_default();
        let difference = books::differences(&world.facts(), &next.charges, &shown);
        if let Some(text) = difference {
            world.facts().tally.books_out_by = 1;
            world.violated(execution, text);
        }
    }
}

/// An answer to another request than the one that was sent: the port's own defect.
fn mixed_up() -> LedgerError {
    LedgerError::Unreadable("an answer to another request".to_owned())
}

impl Ledger for SimulatedLedger {
    async fn figures(&self, charges: &[Charge]) -> Result<Vec<CounterFigures>, LedgerError> {
        match self.send(Request::Figures(charges.to_vec())).await? {
            Answer::Figures(figures) => Ok(figures),
            _ => Err(mixed_up()),
        }
    }

    async fn create(&self, reservation: &Reservation) -> Result<Created, LedgerError> {
        match self.send(Request::Create(Box::new(reservation.clone()))).await? {
            Answer::Created(created) => Ok(created),
            _ => Err(mixed_up()),
        }
    }

    async fn find(&self, request_id: &str) -> Result<Option<Reservation>, LedgerError> {
        match self.send(Request::Find(request_id.to_owned())).await? {
            Answer::Found(found) => Ok(found.map(|found| *found)),
            _ => Err(mixed_up()),
        }
    }

    async fn write(&self, version: u64, step: &Step) -> Result<Written, LedgerError> {
        match self.send(Request::Write(version, Box::new(step.clone()))).await? {
            Answer::Written(written) => Ok(written),
            _ => Err(mixed_up()),
        }
    }

    async fn leases_past(&self, before: Timestamp, most: usize) -> Result<Vec<Reservation>, LedgerError> {
        match self.send(Request::LeasesPast(before, most)).await? {
            Answer::LeasesPast(past) => Ok(past),
            _ => Err(mixed_up()),
        }
    }

    async fn count_shadow(&self, deltas: &[CounterDelta]) {
        let _ = self.send(Request::CountShadow(deltas.to_vec())).await;
    }
}
