//! The model: its size, its start, and which single request, or mishap, can come next.

use super::exchange::Request;
use super::functions::{SweepClock, Who};
use super::mishap::{Action, Actor, Happening, request_mishaps, run_actions};
use super::planted::Bug;
use super::stage::{COUNTERS, Kind, Stage};
use super::store::Store;
use super::unfolding::{Run, Unfolding};
use super::world::{Billed, Loose, Past, Place, World};
use cost_sentry_core::reservation::State;
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
                    for mishap in request_mishaps(&point.asks) {
                        add(Happening::Mishap(*mishap));
                    }
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
}
