//! A state of the model: what is stored, where every execution is, and what is still under way.

use super::exchange::Request;
use super::intern::Interned;
use super::stage::{COUNTERS, Kind};
use super::store::{Counters, Stored};
use super::unfolding::{Point, Run};

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// What the counters show.
    pub counters: Counters,
    /// One per request id.
    pub places: Vec<Place>,
    /// How many mishaps there were.
    pub mishaps: u8,
    /// A hold took a counter over its limit.
    pub over_limit: bool,
}

/// One request id: its reservation, and everything that is about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Which budgets apply.
    pub kind: Kind,
    /// The reservation.
    pub stored: Option<Interned<Stored>>,
    /// Its executions: one, or two.
    pub runs: Vec<Run>,
    /// What nobody waits for, in a fixed order.
    pub loose: Vec<Loose>,
    /// How many calls were sent that may be billed.
    pub calls: u8,
    /// The usage of the last of them.
    pub billed: Billed,
    /// What happened here.
    pub past: Past,
}

/// What nobody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Loose {
    /// A function that its workflow has given up, and that may go on, or never again.
    Abandoned(Interned<Point>),
    /// A sweep.
    Sweep(Interned<Point>),
    /// A request that may still arrive, or never; whether it is a sweep's.
    UnderWay(Interned<Request>, bool),
}

/// What a call will be billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Billed {
    /// No call was sent.
    #[default]
    Nothing,
    /// What calls use as a rule.
    Usual,
    /// More than was held.
    Excessive,
    /// Nobody knows.
    Unknown,
}

/// What happened to a request, as far as a later state does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Past {
    /// A counter had no room for it.
    pub no_room: bool,
    /// `CheckRateLimit` approved it.
    pub approved: bool,
    /// `CheckRateLimit` denied it.
    pub denied: bool,
    /// A call was sent by a redriven execution.
    pub sent_too_late: bool,
    /// A call was sent on what another request held.
    pub sent_on_other_hold: bool,
    /// A reservation marked uncertain was settled after all.
    pub settled_late: bool,
    /// A claim was given back.
    pub unclaimed: bool,
}

impl World {
    /// Puts what only differs in its place into one order: states that are the same but for the names of requests become equal.
    pub fn normalise(&mut self, symmetric: bool) {
        for place in &mut self.places {
            place.loose.sort();
        }
        if symmetric {
            self.places.sort();
        }
    }

    /// Whether no execution runs any more.
    pub fn is_quiet(&self) -> bool {
        self.places.iter().flat_map(|place| &place.runs).all(|run| matches!(run, Run::Ended(_)))
    }

    /// The sums of what the reservations account for.
    pub fn recount(&self) -> Counters {
        let mut sums = [[0; 3]; COUNTERS];
        for stored in self.places.iter().filter_map(|place| place.stored.as_ref()) {
            add(&mut sums, &stored.shares);
        }
        sums
    }
}

/// Adds figure by figure.
pub fn add(counters: &mut Counters, moved: &Counters) {
    for (counter, moved) in counters.iter_mut().zip(moved) {
        counter.iter_mut().zip(moved).for_each(|(figure, by)| *figure += by);
    }
}
