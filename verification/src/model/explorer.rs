//! The model: which single request, or mishap, can come next, and what it does.

use super::exchange::{Answer, Request};
use super::functions::{Function, SweepClock, Who};
use super::intern::Interned;
use super::planted::Bug;
use super::stage::{COUNTERS, Kind, MAX_TOKENS, Stage};
use super::store::{Effect, Store};
use super::unfolding::{Advanced, Point, Run, Unfolding};
use super::world::{Billed, Loose, Past, Place, World, add};
use cost_sentry_core::reservation::State;
use cost_sentry_workflow::ports::{self, CallFailed};
use std::error::Error;
use std::sync::Arc;

/// How large the model is.
#[derive(Debug, Clone)]
pub struct Size {
    /// The requests, by their kinds.
    pub requests: Vec<Kind>,
    /// How many mishaps one history may have.
    pub mishaps: u8,
}

/// The model.
pub struct Ledgers {
    /// Its size.
    pub size: Size,
    /// Requests of one kind count as the same; off where a history is to be told.
    pub symmetric: bool,
    /// What it is played with.
    pub stage: Arc<Stage>,
    /// The bug that it was given.
    pub bug: Option<Bug>,
    /// The points of all invocations.
    pub unfolding: Unfolding,
    /// The store.
    pub store: Store,
}

/// What one thing at a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// An execution, the first or the second of the id.
    Run(usize),
    /// Something loose, by its place in the order.
    Loose(usize),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The actor's request arrives, and is answered.
    Answered,
    /// Something goes wrong with it.
    Mishap(Mishap),
}

/// What can go wrong; each counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// No answer in time; the request may arrive at any later time, or never.
    NoAnswer,
    /// The request is sent once more; the copy may arrive at any other time, or never.
    Doubled,
    /// Other transactions are in the way for too long.
    Conflict,
    /// The workflow gives the function up with this error; the function may go on, stay where it is, or finish.
    GivenUp(&'static str),
    /// The function is never started.
    NotStarted,
    /// The execution runs out of time; the function may go on.
    OutOfTime,
    /// The execution runs out of time and is redriven 14 days later; the function may go on.
    Redriven,
    /// The call fails like this; whether it was processed is as the failure says.
    CallFails(CallFailed),
    /// The answer does not say what it used.
    NoUsage,
    /// The call uses more than was held.
    Excess,
    /// CloudWatch does not take the metrics.
    NoMetrics,
}

/// A step of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Something happens to an actor's request, at a place.
    Happens(usize, Actor, Happening),
    /// A second execution of the id starts, with the same input or another, and reads its counters.
    SecondExecution(usize, bool),
    /// A sweep finds the reservation, by a clock that is ahead.
    Sweep(usize, SweepClock),
}

impl Ledgers {
    /// A model of this size.
    pub fn new(size: Size, bug: Option<Bug>, symmetric: bool) -> Result<Self, Box<dyn Error>> {
        let stage = Arc::new(Stage::set()?);
        let (unfolding, store) = (Unfolding::new(Arc::clone(&stage), bug)?, Store::new(Arc::clone(&stage), bug));
        Ok(Self { size, symmetric, stage, bug, unfolding, store })
    }

    /// The only initial state: every execution has started.
    pub fn initial(&self) -> World {
        let place = |kind: &Kind| Place {
            kind: *kind,
            stored: None,
            runs: vec![self.unfolding.start(Who { kind: *kind, execution: 0, other: false, redriven: false })],
            loose: Vec::new(),
            calls: 0,
            billed: Billed::Nothing,
            past: Past::default(),
        };
        World { counters: [[0; 3]; COUNTERS], places: self.size.requests.iter().map(place).collect(), mishaps: 0, over_limit: false }
    }

    /// Everything that can come next.
    pub fn all_actions(&self, world: &World, actions: &mut Vec<Action>) {
        let may_go_wrong = world.mishaps < self.size.mishaps;
        // What an execution does that no other can see, and that sees no other, comes first: in any other order it would do the same.
        for (at, place) in world.places.iter().enumerate() {
            for (n, run) in place.runs.iter().enumerate() {
                if let Run::At(point) = run
                    && matches!(*point.asks, Request::Converse | Request::PutMetrics)
                {
                    run_actions(at, n, point, may_go_wrong, actions);
                    return;
                }
            }
        }
        for (at, place) in world.places.iter().enumerate() {
            for (n, run) in place.runs.iter().enumerate() {
                if let Run::At(point) = run {
                    run_actions(at, n, point, may_go_wrong, actions);
                }
            }
            for (n, loose) in place.loose.iter().enumerate() {
                // Of equal ones, one.
                if n > 0 && place.loose.get(n - 1) == Some(loose) {
                    continue;
                }
                self.loose_actions(world, at, n, may_go_wrong, actions);
            }
            if may_go_wrong {
                if place.runs.len() == 1 {
                    actions.extend([false, true].map(|other| Action::SecondExecution(at, other)));
                }
                if let Some(stored) = &place.stored {
                    let open = stored.reservation.state.is_open();
                    let clocks = [SweepClock::BetweenLeases, SweepClock::Past];
                    let due = |clock: &SweepClock| open && (*clock == SweepClock::Past || stored.reservation.state == State::Held);
                    actions.extend(clocks.into_iter().filter(due).map(|clock| Action::Sweep(at, clock)));
                }
            }
        }
    }

    fn loose_actions(&self, world: &World, at: usize, n: usize, may_go_wrong: bool, actions: &mut Vec<Action>) {
        let Some(place) = world.places.get(at) else { return };
        let mut add = |happening| actions.push(Action::Happens(at, Actor::Loose(n), happening));
        match place.loose.get(n) {
            Some(Loose::Abandoned(point) | Loose::Sweep(point)) => {
                add(Happening::Answered);
                if may_go_wrong {
                    request_mishaps(&point.asks).iter().for_each(|mishap| add(Happening::Mishap(*mishap)));
                }
            }
            Some(Loose::UnderWay(request, sweeping)) => {
                // One that changes nothing when it arrives might as well never arrive.
                let effect = self.store.carry_out(request, place.stored.as_ref(), &world.counters, *sweeping);
                if effect.stored != place.stored || effect.moved != [[0; 3]; COUNTERS] {
                    add(Happening::Answered);
                }
            }
            None => {}
        }
    }

    /// The state after a step; nothing where there is no such step.
    pub fn after(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Happens(at, actor, happening) => {
                next.mishaps += u8::from(happening != Happening::Answered);
                self.happens(&mut next, at, actor, happening)?;
            }
            Action::SecondExecution(at, other) => {
                next.mishaps += 1;
                let place = next.places.get_mut(at)?;
                place.runs.push(self.unfolding.start(Who { kind: place.kind, execution: 1, other, redriven: false }));
                self.happens(&mut next, at, Actor::Run(1), Happening::Answered)?;
            }
            Action::Sweep(at, clock) => {
                next.mishaps += 1;
                let place = next.places.get_mut(at)?;
                let who = Who { kind: place.kind, execution: 0, other: false, redriven: false };
                let Advanced::At(start) = self.unfolding.sweep(who, clock) else { return None };
                place.loose.push(Loose::Sweep(start));
                let last = place.loose.len() - 1;
                self.happens(&mut next, at, Actor::Loose(last), Happening::Answered)?;
            }
        }
        next.normalise(self.symmetric);
        Some(next)
    }

    /// What the store would answer to an actor's request now.
    pub fn peek(&self, place: &Place, actor: Actor, world: &World) -> Option<Interned<Answer>> {
        let (request, sweeping) = match actor {
            Actor::Run(n) => match place.runs.get(n)? {
                Run::At(point) => (&point.asks, false),
                Run::Ended(_) => return None,
            },
            Actor::Loose(n) => match place.loose.get(n)? {
                Loose::Abandoned(point) => (&point.asks, false),
                Loose::Sweep(point) => (&point.asks, true),
                Loose::UnderWay(request, sweeping) => (request, *sweeping),
            },
        };
        Some(self.store.carry_out(request, place.stored.as_ref(), &world.counters, sweeping).answer)
    }

    fn happens(&self, world: &mut World, at: usize, actor: Actor, happening: Happening) -> Option<()> {
        let point = match (actor, world.places.get_mut(at)?) {
            (Actor::Run(n), place) => match place.runs.get(n)? {
                Run::At(point) => point.clone(),
                Run::Ended(_) => return None,
            },
            (Actor::Loose(n), place) => match place.loose.get(n)?.clone() {
                Loose::Abandoned(point) | Loose::Sweep(point) => point,
                Loose::UnderWay(request, sweeping) => {
                    place.loose.remove(n);
                    self.arrive(world, at, &request, sweeping)?;
                    return Some(());
                }
            },
        };
        let sweeping = matches!(point.position.invocation.function, Function::Sweep(_));
        let copy = Loose::UnderWay(point.asks.clone(), sweeping);
        let answer = match happening {
            Happening::Mishap(Mishap::Doubled) => {
                world.places.get_mut(at)?.loose.push(copy);
                return Some(());
            }
            Happening::Mishap(Mishap::GivenUp(_) | Mishap::NotStarted | Mishap::OutOfTime | Mishap::Redriven) => {
                return self.leave(world.places.get_mut(at)?, actor, &point, happening);
            }
            Happening::Mishap(Mishap::NoAnswer) => {
                if matches!(*point.asks, Request::Create(_) | Request::Write(..)) {
                    world.places.get_mut(at)?.loose.push(copy);
                }
                self.store.answer(Answer::NoAnswer)
            }
            Happening::Mishap(Mishap::Conflict) => match &*point.asks {
                Request::Create(asked) if self.bug == Some(Bug::ConflictIsRefusal) && asked.state == State::Held => {
                    self.store.refusal(&point.asks)
                }
                _ => self.store.answer(Answer::Contended),
            },
            Happening::Mishap(Mishap::NoMetrics) => self.store.answer(Answer::Metrics(false)),
            Happening::Mishap(mishap @ (Mishap::CallFails(_) | Mishap::NoUsage | Mishap::Excess)) => {
                self.call(world.places.get_mut(at)?, &point, Some(mishap))
            }
            Happening::Answered => match *point.asks {
                Request::PutMetrics => self.store.answer(Answer::Metrics(true)),
                Request::Converse => self.call(world.places.get_mut(at)?, &point, None),
                _ => self.arrive(world, at, &point.asks, sweeping)?.answer,
            },
        };
        self.go_on(world.places.get_mut(at)?, actor, &point, &answer)
    }

    /// The workflow gives up an invocation, which may go on by itself.
    fn leave(&self, place: &mut Place, actor: Actor, point: &Interned<Point>, how: Happening) -> Option<()> {
        let Actor::Run(n) = actor else { return None };
        let run = match how {
            Happening::Mishap(Mishap::GivenUp(error)) => self.unfolding.fail(&point.position, error),
            Happening::Mishap(Mishap::NotStarted) => self.unfolding.fail(&point.position, "Lambda.TooManyRequestsException"),
            Happening::Mishap(Mishap::Redriven) => self.unfolding.redrive(&point.position),
            _ => self.unfolding.timed_out(),
        };
        *place.runs.get_mut(n)? = run;
        // Metrics are a function's last act: what it would still do is nothing that anybody here sees.
        if how != Happening::Mishap(Mishap::NotStarted) && !matches!(*point.asks, Request::PutMetrics) {
            place.loose.push(Loose::Abandoned(point.clone()));
        }
        Some(())
    }

    /// A request reaches the store.
    fn arrive(&self, world: &mut World, at: usize, request: &Interned<Request>, sweeping: bool) -> Option<Effect> {
        let counters = world.counters;
        let place = world.places.get_mut(at)?;
        let effect = self.store.carry_out(request, place.stored.as_ref(), &counters, sweeping);
        let state = |stored: &Option<Interned<super::store::Stored>>| stored.as_ref().map(|stored| stored.reservation.state);
        let (before, after) = (state(&place.stored), state(&effect.stored));
        place.past.settled_late |= before == Some(State::Uncertain) && after == Some(State::Settled);
        place.past.unclaimed |= before == Some(State::Claimed) && after == Some(State::Held);
        place.past.no_room |= effect.no_room;
        place.stored.clone_from(&effect.stored);
        add(&mut world.counters, &effect.moved);
        world.over_limit |= effect.over_limit;
        Some(effect)
    }

    /// The call is sent: what comes back, and what it costs.
    fn call(&self, place: &mut Place, point: &Point, mishap: Option<Mishap>) -> Interned<Answer> {
        let answered = |usage| Ok(ports::Answer { text: "hello".to_owned(), stop_reason: "end_turn".to_owned(), usage });
        let (answer, billed) = match mishap {
            Some(Mishap::CallFails(failed @ (CallFailed::TimedOut | CallFailed::Failed | CallFailed::ConnectionLost))) => {
                let reported = if self.bug == Some(Bug::UnclaimAfterUncertainSend) { CallFailed::NotReady } else { failed };
                (Err(reported), Billed::Unknown)
            }
            Some(Mishap::CallFails(failed)) => (Err(failed), Billed::Nothing),
            Some(Mishap::NoUsage) => (answered(None), Billed::Unknown),
            Some(Mishap::Excess) => (answered(Some(self.stage.excessive)), Billed::Excessive),
            _ => (answered(Some(self.stage.usual)), Billed::Usual),
        };
        if billed != Billed::Nothing {
            let who = point.position.invocation.who;
            let asks = MAX_TOKENS + u64::from(who.other);
            let held = place.stored.as_ref().map(|stored| stored.reservation.estimate.max_tokens.0);
            place.past.sent_on_other_hold |= held.is_some_and(|held| held != asks);
            place.past.sent_too_late |= who.redriven;
            place.calls = place.calls.saturating_add(1);
            place.billed = billed;
        }
        self.store.answer(Answer::Called(answer))
    }

    /// An invocation gets its answer.
    fn go_on(&self, place: &mut Place, actor: Actor, point: &Interned<Point>, answer: &Interned<Answer>) -> Option<()> {
        let advanced = self.unfolding.advance(point, answer);
        match (actor, advanced) {
            (Actor::Run(n), Advanced::At(next)) => *place.runs.get_mut(n)? = Run::At(next),
            (Actor::Run(n), Advanced::Returned(result)) => {
                if point.position.invocation.function == Function::Step(1)
                    && let Ok(result) = &*result
                {
                    let decision = result.get("decision").and_then(serde_json::Value::as_str);
                    place.past.approved |= decision == Some("APPROVED");
                    place.past.denied |= decision == Some("DENIED");
                }
                *place.runs.get_mut(n)? = self.unfolding.resume(&point.position, &result);
            }
            (Actor::Loose(n), Advanced::At(next)) if matches!(*next.asks, Request::PutMetrics) => drop(place.loose.remove(n)),
            (Actor::Loose(n), Advanced::At(next)) => match place.loose.get_mut(n)? {
                Loose::Abandoned(point) | Loose::Sweep(point) => *point = next,
                Loose::UnderWay(..) => return None,
            },
            (Actor::Loose(n), Advanced::Returned(_)) => drop(place.loose.remove(n)),
        }
        Some(())
    }
}

/// What can happen to the request of an execution.
fn run_actions(at: usize, n: usize, point: &Interned<Point>, may_go_wrong: bool, actions: &mut Vec<Action>) {
    let mut add = |happening| actions.push(Action::Happens(at, Actor::Run(n), happening));
    add(Happening::Answered);
    if !may_go_wrong {
        return;
    }
    request_mishaps(&point.asks).iter().for_each(|mishap| add(Happening::Mishap(*mishap)));
    let invocation = &point.position.invocation;
    // InvokeModel is not started again after either error; one stands for both.
    let errors: &[&str] =
        if invocation.function == Function::Step(2) { &["States.Timeout"] } else { &["States.Timeout", "Lambda.ServiceException"] };
    errors.iter().for_each(|error| add(Happening::Mishap(Mishap::GivenUp(error))));
    if point.is_first() {
        add(Happening::Mishap(Mishap::NotStarted));
    }
    add(Happening::Mishap(Mishap::OutOfTime));
    if !invocation.who.redriven {
        add(Happening::Mishap(Mishap::Redriven));
    }
}

/// What can go wrong with a request itself.
fn request_mishaps(request: &Request) -> &'static [Mishap] {
    match request {
        Request::Figures(_) | Request::Find | Request::LeasesPast(_) => &[Mishap::NoAnswer],
        Request::Create(_) | Request::Write(..) => &[Mishap::NoAnswer, Mishap::Doubled, Mishap::Conflict],
        Request::Converse => &[
            Mishap::CallFails(CallFailed::Throttled),
            Mishap::CallFails(CallFailed::Rejected),
            Mishap::CallFails(CallFailed::TimedOut),
            Mishap::NoUsage,
            Mishap::Excess,
        ],
        Request::PutMetrics => &[Mishap::NoMetrics],
    }
}
