//! The store: the shipped memory ledger, put into the state that the model is in, for one request.

use super::exchange::{Answer, Request};
use super::intern::{Interned, Interner, Memo};
use super::planted::{self, Bug};
use super::stage::{COUNTERS, Stage};
use cost_sentry_core::reservation::{Charge, CounterDelta, Figures, Reservation, State, UnitCharge};
use cost_sentry_workflow::memory_ledger::{Books, MemoryLedger};
use cost_sentry_workflow::ports::{CounterFigures, Created, Ledger, LedgerError};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What each counter shows: committed, used, uncertain.
pub type Counters = [[i64; 3]; COUNTERS];

/// A stored reservation, and what the model wants to know of it at every state.
#[derive(Debug)]
pub struct Stored {
    /// The reservation.
    pub reservation: Reservation,
    /// What it accounts for on each counter.
    pub shares: Counters,
}

/// What a request did.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The answer.
    pub answer: Interned<Answer>,
    /// The reservation afterwards.
    pub stored: Option<Interned<Stored>>,
    /// What moved.
    pub moved: Counters,
    /// A hold took a counter over its limit.
    pub over_limit: bool,
    /// A counter had no room for what was asked.
    pub no_room: bool,
}

/// A request, what is stored, what the counters show, and whether the sweep asks: all that an effect depends on.
type Asked = (u32, Option<u32>, Counters, bool);

/// The store. It holds nothing: what is stored comes with each request.
pub struct Store {
    stage: Arc<Stage>,
    bug: Option<Bug>,
    answers: Interner<Answer>,
    stored: Interner<Stored>,
    effects: Memo<Asked, Effect>,
}

impl Store {
    /// A store on this stage, with this bug.
    pub fn new(stage: Arc<Stage>, bug: Option<Bug>) -> Self {
        Self { stage, bug, answers: Interner::default(), stored: Interner::default(), effects: Memo::default() }
    }

    /// An answer that the store has no part in.
    pub fn answer(&self, answer: Answer) -> Interned<Answer> {
        self.answers.intern(format!("{answer:?}"), || answer)
    }

    /// Carries a request out.
    pub fn carry_out(&self, request: &Interned<Request>, stored: Option<&Interned<Stored>>, counters: &Counters, sweeping: bool) -> Effect {
        // Only these look at the counters; what the others move does not depend on what is there.
        let looked_at = if matches!(**request, Request::Figures(_) | Request::Create(_)) { *counters } else { [[0; 3]; COUNTERS] };
        let key = (request.number(), stored.map(Interned::number), looked_at, sweeping);
        self.effects.get(key, || self.work_out(request, stored, &looked_at, sweeping))
    }

    fn work_out(&self, request: &Request, stored: Option<&Interned<Stored>>, counters: &Counters, sweeping: bool) -> Effect {
        let reservation = stored.map(|stored| &stored.reservation);
        let ledger = MemoryLedger::from(self.books(reservation, counters));
        let answer = self.ask(&ledger, request, reservation, sweeping).unwrap_or(Answer::NoAnswer);
        let mut after = ledger.books();
        let now = self.show(&after);
        let mut moved = difference(&now, counters);
        let answer = self.with_bug(request, answer, &mut moved);
        let held =
            matches!(&answer, Answer::Created(Created::Created)) && matches!(request, Request::Create(asked) if asked.state == State::Held);
        let stored = after.reservations.pop_first().map(|(_, reservation)| self.store(reservation));
        Effect {
            answer: self.answer(without_amounts(request, answer)),
            stored,
            over_limit: held
                && self.stage.counters.iter().zip(&now).any(|((_, _, limit), [committed, ..])| i128::from(*committed) > i128::from(*limit)),
            no_room: charges(request).iter().any(|charge| !self.has_room(charge, counters)),
            moved,
        }
    }

    /// Asks the memory ledger.
    fn ask(&self, ledger: &MemoryLedger, request: &Request, stored: Option<&Reservation>, sweeping: bool) -> Result<Answer, LedgerError> {
        Ok(match request {
            Request::Figures(charges) => Answer::Figures(at_once(ledger.figures(charges))?),
            Request::Create(reservation)
                if self.bug == Some(Bug::DenialNotRecorded) && reservation.state == State::Denied && stored.is_none() =>
            {
                Answer::Created(Created::Created)
            }
            Request::Create(reservation) => Answer::Created(at_once(ledger.create(reservation))?),
            Request::Find => Answer::Found(stored.cloned().map(|stored| Box::new(planted::shown(self.bug, stored)))),
            Request::Write(version, step) => {
                let version = planted::version(self.bug, *version, stored, sweeping);
                Answer::Written(at_once(ledger.write(version, step))?)
            }
            Request::LeasesPast(before) => Answer::Past(at_once(ledger.leases_past(*before, 1))?),
            Request::Converse | Request::PutMetrics => Answer::NoAnswer,
        })
    }

    fn with_bug(&self, request: &Request, answer: Answer, moved: &mut Counters) -> Answer {
        match (request, answer) {
            (Request::Create(asked), Answer::Created(created)) => Answer::Created(planted::created(self.bug, asked, created)),
            (Request::Write(_, step), Answer::Written(written)) => {
                let (answer, again) = planted::written(self.bug, step, written);
                if again {
                    step.deltas.iter().for_each(|delta| self.add(moved, delta));
                }
                answer
            }
            (_, answer) => answer,
        }
    }

    /// The answer to a hold of which all counters are said to have refused it.
    pub fn refusal(&self, request: &Request) -> Interned<Answer> {
        let full = |charge: &Charge| {
            let shown = |amount: &UnitCharge| {
                let all = i64::try_from(amount.limit).unwrap_or(i64::MAX);
                (amount.unit, Figures { committed: all, used: all, uncertain: 0 })
            };
            (charge.key(), charge.amounts.iter().map(shown).collect::<CounterFigures>())
        };
        self.answer(Answer::Created(Created::NoRoom(charges(request).iter().map(full).collect())))
    }

    fn has_room(&self, charge: &Charge, counters: &Counters) -> bool {
        charge.amounts.iter().all(|amount| {
            let at = self.stage.counters.iter().position(|(key, unit, _)| *key == charge.key() && *unit == amount.unit);
            let committed = at.and_then(|at| counters.get(at)).map_or(0, |[committed, ..]| *committed);
            i128::from(committed) + i128::from(amount.hold) <= i128::from(amount.limit)
        })
    }

    fn store(&self, reservation: Reservation) -> Interned<Stored> {
        self.stored.intern(format!("{reservation:?}"), || {
            let mut shares = [[0; 3]; COUNTERS];
            for (key, unit, share) in reservation.shares() {
                let delta = CounterDelta {
                    key,
                    window_end: reservation.held_at,
                    unit,
                    committed: share.committed,
                    used: share.used,
                    uncertain: share.uncertain,
                };
                self.add(&mut shares, &delta);
            }
            Stored { reservation, shares }
        })
    }

    fn add(&self, counters: &mut Counters, delta: &CounterDelta) {
        let at = self.stage.counters.iter().position(|(key, unit, _)| *key == delta.key && *unit == delta.unit);
        if let Some(counter) = at.and_then(|at| counters.get_mut(at)) {
            counter.iter_mut().zip([delta.committed, delta.used, delta.uncertain]).for_each(|(figure, by)| *figure += by);
        }
    }

    fn books(&self, stored: Option<&Reservation>, counters: &Counters) -> Books {
        let reservations = stored.map(|stored| (stored.request_id().to_owned(), stored.clone())).into_iter().collect();
        let shown = self.stage.counters.iter().zip(counters);
        let counters = shown.map(|((key, unit, _), [committed, used, uncertain])| {
            (key.clone(), BTreeMap::from([(*unit, Figures { committed: *committed, used: *used, uncertain: *uncertain })]))
        });
        Books { reservations, counters: counters.collect(), ..Books::default() }
    }

    fn show(&self, books: &Books) -> Counters {
        let mut shown = [[0; 3]; COUNTERS];
        for (counter, (key, unit, _)) in shown.iter_mut().zip(&self.stage.counters) {
            let figures = books.counters.get(key).and_then(|figures| figures.get(unit)).copied().unwrap_or_default();
            *counter = [figures.committed, figures.used, figures.uncertain];
        }
        shown
    }
}

/// The answer with one amount for all that have room, and one for all that have none: what a step does with a counter's figures
/// depends on nothing else, but for the figures that it reports.
fn without_amounts(request: &Request, answer: Answer) -> Answer {
    let of = |charge: &Charge, figures: &CounterFigures| -> CounterFigures {
        let shown = |amount: &UnitCharge| {
            let mut seen = *amount;
            seen.figures = figures.get(&amount.unit).copied().unwrap_or_default();
            let all = i64::try_from(amount.limit).unwrap_or(i64::MAX);
            (amount.unit, if seen.fits() { Figures::default() } else { Figures { committed: all, used: all, uncertain: 0 } })
        };
        charge.amounts.iter().map(shown).collect()
    };
    let charges = charges(request);
    match answer {
        Answer::Figures(figures) => Answer::Figures(charges.iter().zip(&figures).map(|(charge, figures)| of(charge, figures)).collect()),
        Answer::Created(Created::NoRoom(refusing)) => {
            let with_charge = |(key, figures)| {
                let shown = charges.iter().find(|charge| charge.key() == key).map(|charge| of(charge, &figures));
                (key, shown.unwrap_or_default())
            };
            Answer::Created(Created::NoRoom(refusing.into_iter().map(with_charge).collect()))
        }
        answer => answer,
    }
}

/// The charges that a request asks about.
fn charges(request: &Request) -> &[Charge] {
    match request {
        Request::Figures(charges) => charges,
        Request::Create(reservation) if reservation.state == State::Held => &reservation.charges,
        _ => &[],
    }
}

fn difference(after: &Counters, before: &Counters) -> Counters {
    let mut moved = *after;
    for (moved, before) in moved.iter_mut().zip(before) {
        moved.iter_mut().zip(before).for_each(|(moved, before)| *moved -= before);
    }
    moved
}

/// The memory ledger never waits.
fn at_once<T>(future: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(LedgerError::Contended),
    }
}
