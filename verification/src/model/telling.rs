//! A history in words.

use super::exchange::{Answer, Request};
use super::explorer::Ledgers;
use super::functions::Function;
use super::mishap::{Action, Actor, Happening, Mishap};
use super::stage::Kind;
use super::unfolding::Run;
use super::world::{Loose, Place, World};
use cost_sentry_workflow::ports::{Created, Written};
use cost_sentry_workflow::steps::STEPS;
use std::fmt::Write;

/// One line per step, each with where it left the reservation and the counters.
pub fn history(model: &Ledgers, path: &[(World, Option<Action>)]) -> Vec<String> {
    let pairs = path.iter().zip(path.iter().skip(1));
    pairs.filter_map(|((before, action), (after, _))| action.map(|action| line(model, before, action, after))).collect()
}

fn line(model: &Ledgers, before: &World, action: Action, after: &World) -> String {
    let (at, mut text) = match action {
        Action::SecondExecution(at, other) => {
            (at, format!("a second execution of the id starts, with {} input", if other { "another" } else { "the same" }))
        }
        Action::Sweep(at, clock) => (at, format!("a sweep whose clock is ahead ({clock:?}) lists it")),
        Action::Happens(at, actor, happening) => {
            let place = before.places.get(at);
            (at, format!("{}: {}", who(place, actor), what(model, place, actor, before, happening)))
        }
    };
    let place = after.places.get(at);
    let stored = place.and_then(|place| place.stored.as_ref());
    let state =
        stored.map_or_else(|| "none".to_owned(), |stored| format!("{:?} v{}", stored.reservation.state, stored.reservation.version));
    let ends: Vec<&str> = place.into_iter().flat_map(|place| &place.runs).filter_map(ending).collect();
    if !ends.is_empty() {
        let _ = write!(text, "; ended: {}", ends.join(", "));
    }
    format!("request {}, {text} [reservation {state}, counters {:?}]", at + 1, after.counters)
}

fn ending(run: &Run) -> Option<&str> {
    match run {
        Run::Ended(ending) => Some(&ending.word),
        Run::At(_) => None,
    }
}

fn asked(place: Option<&Place>, actor: Actor) -> Option<(String, &Request)> {
    let name = |function| match function {
        Function::Step(n) => STEPS.get(n).map_or("a step", |step| step.state).to_owned(),
        Function::Sweep(_) => "SweepReservations".to_owned(),
    };
    match actor {
        Actor::Run(n) => match place?.runs.get(n)? {
            Run::At(point) => Some((name(point.position.invocation.function), &*point.asks)),
            Run::Ended(_) => None,
        },
        Actor::Loose(n) => match place?.loose.get(n)? {
            Loose::Abandoned(point) => Some((format!("given-up {}", name(point.position.invocation.function)), &*point.asks)),
            Loose::Sweep(point) => Some((name(point.position.invocation.function), &*point.asks)),
            Loose::UnderWay(request, _) => Some(("a request that was under way arrives".to_owned(), request)),
        },
    }
}

fn who(place: Option<&Place>, actor: Actor) -> String {
    let execution = if matches!(actor, Actor::Run(1)) { "second execution's " } else { "" };
    asked(place, actor).map_or_else(|| "nobody".to_owned(), |(name, request)| format!("{execution}{name} {}", word(request)))
}

fn word(request: &Request) -> String {
    match request {
        Request::Figures(_) => "reads counters".to_owned(),
        Request::Create(reservation) => format!("creates {:?}", reservation.state),
        Request::Find => "reads the reservation".to_owned(),
        Request::Write(version, step) => format!("writes {:?} on v{version}", step.next.state),
        Request::LeasesPast(_) => "reads the lease index".to_owned(),
        Request::Converse => "calls the model".to_owned(),
        Request::PutMetrics => "sends metrics".to_owned(),
    }
}

fn what(model: &Ledgers, place: Option<&Place>, actor: Actor, world: &World, happening: Happening) -> String {
    match happening {
        Happening::Answered => {
            let (Some((_, request)), Some(place)) = (asked(place, actor), place) else { return String::new() };
            match request {
                Request::Converse => "answered".to_owned(),
                Request::PutMetrics => "taken".to_owned(),
                _ => model.peek(place, actor, world).map_or_else(String::new, |answer| answered(&answer)),
            }
        }
        Happening::Mishap(mishap) => match mishap {
            Mishap::NoAnswer => "no answer; it may still arrive".to_owned(),
            Mishap::Doubled => "sent twice; the copy may arrive later".to_owned(),
            Mishap::Conflict => "others are in the way".to_owned(),
            Mishap::GivenUp(error) => format!("the workflow gives it up with {error}; it may go on"),
            Mishap::NotStarted => "the function is not started".to_owned(),
            Mishap::OutOfTime => "the execution runs out of time; it may go on".to_owned(),
            Mishap::Redriven => "the execution runs out of time, and is redriven 14 days later; it may go on".to_owned(),
            Mishap::CallFails(failed) => format!("{failed:?}"),
            Mishap::NoUsage => "answered without usage".to_owned(),
            Mishap::Excess => "answered, with more usage than was held".to_owned(),
            Mishap::NoMetrics => "not taken".to_owned(),
        },
    }
}

fn answered(answer: &Answer) -> String {
    match answer {
        Answer::Figures(_) => "answered".to_owned(),
        Answer::Created(Created::Created) => "created".to_owned(),
        Answer::Created(Created::Exists(stored)) => format!("exists already, {:?}", stored.state),
        Answer::Created(Created::NoRoom(_)) => "no room".to_owned(),
        Answer::Found(found) => found.as_ref().map_or_else(|| "none".to_owned(), |found| format!("{:?} v{}", found.state, found.version)),
        Answer::Written(Written::Written) => "written".to_owned(),
        Answer::Written(Written::Changed(stored)) => stored
            .as_ref()
            .map_or_else(|| "not there".to_owned(), |stored| format!("refused, it is {:?} v{}", stored.state, stored.version)),
        Answer::Past(past) => format!("{} listed", past.len()),
        other => format!("{other:?}"),
    }
}

/// The kinds of a size, in a word each.
pub fn kinds(requests: &[Kind]) -> String {
    requests.iter().map(|kind| if *kind == Kind::Both { "both" } else { "all" }).collect::<Vec<_>>().join(",")
}
