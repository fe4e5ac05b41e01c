//! What surrounds a design: the clock, the network, the model, and the tally that knows what every call will really use.

use super::traffic::{Arrival, float, whole};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When every run begins: far from the edge of any window that is used.
const BEGIN: &str = "2026-11-15T12:00:00Z";
/// One way to a store of state, in milliseconds: from the least to twice of it.
const ONE_WAY_MILLIS: u64 = 2;

/// How time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Calls and requests take their time, on a clock that jumps from event to event: a run is the same each time.
    Virtual,
    /// Nothing takes time but the work itself: threads race.
    Real,
}

/// What came of the requests so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Approved.
    pub approved: u64,
    /// Refused.
    pub refused: u64,
    /// Refused although they would have fitted: see [`World::refuse`].
    pub wrongly_refused: u64,
    /// Neither: the design's store gave up.
    pub failed: u64,
    /// What was spent before, and all that the approved calls really use.
    pub spent: u64,
    /// What the wrongly refused would have used.
    pub turned_away: u64,
}

/// The surroundings of one run.
#[derive(Debug)]
pub struct World {
    time: Time,
    began: Instant,
    begin: Timestamp,
    /// The limit of the one budget, in tokens.
    pub limit: u64,
    tally: Mutex<Tally>,
    network: Mutex<Rng>,
}

impl World {
    /// A world in which so much of a limit is spent already.
    pub fn new(time: Time, seed: u64, limit: u64, spent: u64) -> Self {
        Self {
            time,
            began: Instant::now(),
            begin: BEGIN.parse().unwrap_or_default(),
            limit,
            tally: Mutex::new(Tally { spent, ..Tally::default() }),
            network: Mutex::new(Rng::with_seed(seed)),
        }
    }

    /// Milliseconds since the run began.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        let since = SignedDuration::from_millis(i64::try_from(self.millis()).unwrap_or(i64::MAX));
        self.begin.saturating_add(since).unwrap_or(self.begin)
    }

    /// Waits until so many milliseconds after the beginning.
    pub async fn until(&self, millis: u64) {
        if self.time == Time::Virtual {
            tokio::time::sleep_until(self.began + Duration::from_millis(millis)).await;
        }
    }

    /// One way through the network, to a store or back.
    pub async fn one_way(&self) {
        let millis = self.network.lock().unwrap_or_else(PoisonError::into_inner).u64(ONE_WAY_MILLIS..=2 * ONE_WAY_MILLIS);
        self.pass(millis).await;
    }

    /// Lets so many milliseconds pass.
    pub async fn pass(&self, millis: u64) {
        if self.time == Time::Virtual {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    /// The model's call.
    pub async fn call(&self, arrival: &Arrival) {
        self.pass(arrival.call_millis).await;
    }

    /// A design has approved a request: from now on its usage is certain to come.
    pub fn approve(&self, arrival: &Arrival) {
        let mut tally = self.lock();
        tally.approved += 1;
        tally.spent += arrival.usage();
    }

    /// A design has refused a request. Wrongly, if what it would really have used fits beside what was spent before, what all calls approved
    /// so far really use, and what those that were refused wrongly so far would have used: no room is counted twice.
    pub fn refuse(&self, arrival: &Arrival) {
        let mut tally = self.lock();
        tally.refused += 1;
        if tally.spent + tally.turned_away + arrival.usage() <= self.limit {
            tally.wrongly_refused += 1;
            tally.turned_away += arrival.usage();
        }
    }

    /// A design could not decide.
    pub fn fail(&self) {
        self.lock().failed += 1;
    }

    /// What came of the requests so far.
    pub fn tally(&self) -> Tally {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A limit of which so many parts of a hundred are spent, with room for that share of what all these requests would use.
pub fn nearly_spent(arrivals: &[Arrival], room_percent: u64, spent_percent: u64) -> (u64, u64) {
    let wanted: u64 = arrivals.iter().map(Arrival::usage).sum();
    let room = (wanted * room_percent / 100).max(1);
    let limit = whole(float(room) * 100.0 / float(100_u64.saturating_sub(spent_percent).max(1)));
    (limit, limit - room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(usage: u64) -> Arrival {
        let prompt = "0 x".to_owned();
        Arrival { id: 0, at_millis: 0, prompt, max_tokens: usage, input: 0, output: usage, call_millis: 0, dies: false }
    }

    #[test]
    fn a_refusal_is_wrong_only_while_its_usage_fits_and_no_room_counts_twice() {
        let world = World::new(Time::Real, 1, 100, 50);
        let check = |wrong: u64| assert_eq!(world.tally().wrongly_refused, wrong);
        world.refuse(&arrival(51));
        check(0);
        world.refuse(&arrival(30));
        check(1);
        world.refuse(&arrival(30));
        check(1);
        world.refuse(&arrival(20));
        check(2);
        world.approve(&arrival(50));
        world.refuse(&arrival(1));
        check(2);
        assert_eq!(world.tally(), Tally { approved: 1, refused: 5, wrongly_refused: 2, failed: 0, spent: 100, turned_away: 50 });
    }

    #[test]
    fn a_nearly_spent_limit_has_just_the_room_that_was_asked_for() {
        let arrivals = vec![arrival(100); 10];
        assert_eq!(nearly_spent(&arrivals, 25, 95), (5_000, 4_750));
        assert_eq!(nearly_spent(&arrivals, 25, 0), (250, 0));
    }
}
