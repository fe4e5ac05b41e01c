//! What must always hold, and what must be seen to happen, so that nothing holds only because nothing happens.

use super::explorer::Ledgers;
use super::functions::{SweepClock, Who};
use super::intern::Interned;
use super::stage::COUNTERS;
use super::store::{Counters, Stored};
use super::unfolding::{Advanced, Run};
use super::world::{Billed, Place, World, add};
use cost_sentry_core::reservation::State;
use stateright::Property;

/// A sweep of one reservation makes at most so many requests.
const SWEEP_REQUESTS: usize = 8;

/// A property's name, and what it says of a state.
pub type Named = (&'static str, fn(&Ledgers, &World) -> bool);

/// Must hold in every state.
pub const ALWAYS: [Named; 11] = [
    ("a hold never takes a counter over its limit", |_, world| !world.over_limit),
    ("counters equal the sums over their reservations", |_, world| world.recount() == world.counters),
    ("an id sends at most one call that may be billed", |_, world| world.places.iter().all(|place| place.calls <= 1)),
    ("a call that may be billed stays charged", |_, world| world.places.iter().all(is_charged)),
    ("what is settled is what its call used", |model, world| world.places.iter().all(|place| is_exact(model, place))),
    ("a call is sent only on its own request's hold", |_, world| world.places.iter().all(|place| !place.past.sent_on_other_hold)),
    ("an execution past its deadline sends nothing", |_, world| world.places.iter().all(|place| !place.past.sent_too_late)),
    ("an id is never both approved and denied", |_, world| world.places.iter().all(|place| !(place.past.approved && place.past.denied))),
    ("a request is denied only where a counter had no room", |_, world| {
        world.places.iter().all(|place| place.past.no_room || !place.past.denied && state(place) != Some(State::Denied))
    }),
    ("nobody is told that nothing was spent when it may have been", |_, world| world.places.iter().all(is_told_truly)),
    ("once all is quiet, one sweep leaves nothing open and every charge where it belongs", is_closed_by_a_sweep),
];

/// Must be seen.
pub const SOMETIMES: [Named; 19] = [
    ("settled below the hold", |_, world| any(world, |place| state(place) == Some(State::Settled) && place.billed == Billed::Usual)),
    ("settled above the hold", |_, world| any(world, |place| state(place) == Some(State::Settled) && place.billed == Billed::Excessive)),
    ("denied", |_, world| any(world, |place| ended(place, "RateLimitDenied"))),
    ("denied although one of its counters had room", |model, world| {
        any(world, |place| state(place) == Some(State::Denied)) && has_half_full(model, world)
    }),
    ("uncertain", |_, world| any(world, |place| state(place) == Some(State::Uncertain))),
    ("settled after it was marked uncertain", |_, world| any(world, |place| place.past.settled_late)),
    ("given back and claimed again", |_, world| any(world, |place| place.past.unclaimed && place.calls == 1)),
    ("released without a call", |_, world| any(world, |place| state(place) == Some(State::Released) && place.calls == 0)),
    ("two executions of one id, of which one succeeds", |_, world| {
        any(world, |place| ended(place, "success") && ended(place, "InvocationUncertain"))
    }),
    ("two executions of one id, both denied", |_, world| {
        any(world, |place| place.runs.iter().filter(|run| has_ended(run, "RateLimitDenied")).count() == 2)
    }),
    ("another request under the same id is refused", |_, world| any(world, |place| ended(place, "ContractViolation"))),
    ("the hold is lost before the call", |_, world| any(world, |place| ended(place, "LeaseLost"))),
    ("redriven past the deadline", |_, world| any(world, |place| ended(place, "DeadlineExceeded"))),
    ("the ledger does not answer", |_, world| any(world, |place| ended(place, "LedgerUnavailable"))),
    ("the ledger is contended", |_, world| any(world, |place| ended(place, "LedgerContended"))),
    ("Bedrock refuses", |_, world| any(world, |place| ended(place, "ModelRejectedRequest"))),
    ("an answer is delivered without its usage", |_, world| any(world, |place| ended(place, "success") && place.billed == Billed::Unknown)),
    ("a hold arrives after its execution's end", |_, world| {
        any(world, |place| state(place) == Some(State::Held) && place.runs.iter().all(|run| matches!(run, Run::Ended(_))))
    }),
    ("everybody succeeds", |_, world| world.places.iter().all(|place| ended(place, "success"))),
];

/// Both kinds, for the checker.
pub fn all() -> Vec<Property<Ledgers>> {
    let always = ALWAYS.into_iter().map(|(name, condition)| Property::always(name, condition));
    always.chain(SOMETIMES.into_iter().map(|(name, condition)| Property::sometimes(name, condition))).collect()
}

fn any(world: &World, condition: impl Fn(&Place) -> bool) -> bool {
    world.places.iter().any(condition)
}

fn state(place: &Place) -> Option<State> {
    place.stored.as_ref().map(|stored| stored.reservation.state)
}

fn has_ended(run: &Run, word: &str) -> bool {
    matches!(run, Run::Ended(ending) if ending.word == word)
}

fn ended(place: &Place, word: &str) -> bool {
    place.runs.iter().any(|run| has_ended(run, word))
}

/// A place was denied while its other counter had room.
fn has_half_full(model: &Ledgers, world: &World) -> bool {
    let room = |place: &Place, n: usize| {
        let hold = model.stage.holds.get(&place.kind).and_then(|holds| holds.get(n)).copied().unwrap_or_default();
        let (limit, committed) =
            (model.stage.counters.get(n).map(|(_, _, limit)| *limit), world.counters.get(n).map(|[committed, ..]| *committed));
        limit.zip(committed).is_some_and(|(limit, committed)| i128::from(committed) + i128::from(hold) <= i128::from(limit))
    };
    let both = |place: &Place| place.kind == super::stage::Kind::Both && state(place) == Some(State::Denied);
    world.places.iter().any(|place| both(place) && room(place, 0) != room(place, 1))
}

/// Doubt never refunds: from the send on, the reservation accounts for the call.
fn is_charged(place: &Place) -> bool {
    place.calls == 0 || matches!(state(place), Some(State::Claimed | State::Settled | State::Uncertain))
}

fn is_exact(model: &Ledgers, place: &Place) -> bool {
    let Some(stored) = place.stored.as_ref().filter(|stored| stored.reservation.state == State::Settled) else { return true };
    let used = match place.billed {
        Billed::Usual => Some(model.stage.usual),
        Billed::Excessive => Some(model.stage.excessive),
        Billed::Nothing | Billed::Unknown => None,
    };
    used.is_some() && stored.reservation.usage == used
}

/// With two executions of an id each speaks of its own call.
fn is_told_truly(place: &Place) -> bool {
    let told = place.runs.iter().any(|run| matches!(run, Run::Ended(ending) if ending.told_unspent));
    let succeeded = place.runs.iter().filter(|run| has_ended(run, "success")).count();
    (place.runs.len() > 1 || !told || place.calls == 0) && succeeded <= 1 && (succeeded == 0 || place.calls > 0)
}

/// The end of a place, if everything that is still under way never arrives: the shipped sweep, run on it by itself.
fn swept(model: &Ledgers, place: &Place) -> Option<(Option<Interned<Stored>>, Counters)> {
    let (mut stored, mut moved) = (place.stored.clone(), [[0; 3]; COUNTERS]);
    let who = Who { kind: place.kind, execution: 0, other: false, redriven: false };
    let mut at = model.unfolding.sweep(who, SweepClock::Past);
    for _ in 0..SWEEP_REQUESTS {
        let Advanced::At(point) = at else { return Some((stored, moved)) };
        let effect = model.store.carry_out(&point.asks, stored.as_ref(), &[[0; 3]; COUNTERS], true);
        add(&mut moved, &effect.moved);
        stored.clone_from(&effect.stored);
        at = model.unfolding.advance(&point, &effect.answer);
    }
    None
}

fn is_closed_by_a_sweep(model: &Ledgers, world: &World) -> bool {
    if !world.is_quiet() {
        return true;
    }
    let mut after = world.clone();
    for place in &mut after.places {
        let Some((stored, moved)) = swept(model, place) else { return false };
        place.stored = stored;
        add(&mut after.counters, &moved);
    }
    let closed = |place: &Place| !state(place).is_some_and(State::is_open) && is_charged(place) && is_exact(model, place);
    after.recount() == after.counters && after.places.iter().all(closed)
}
