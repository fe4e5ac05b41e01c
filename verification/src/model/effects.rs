//! What a step of the model does: a request is answered, or goes wrong.

use super::exchange::{Answer, Request};
use super::explorer::Ledgers;
use super::functions::{Function, Who};
use super::intern::Interned;
use super::mishap::{Action, Actor, Happening, Mishap};
use super::planted::Bug;
use super::stage::MAX_TOKENS;
use super::store::{Effect, Stored};
use super::unfolding::{Advanced, Point, Run};
use super::world::{Billed, Loose, Place, World, add};
use cost_sentry_core::reservation::State;
use cost_sentry_workflow::ports::{self, CallFailed};

impl Ledgers {
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
        let state = |stored: &Option<Interned<Stored>>| stored.as_ref().map(|stored| stored.reservation.state);
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
