//! One world from its beginning to the day after.

use super::books;
use super::chance::Chance;
use super::ends;
use super::executions::{execution, sweeps};
use super::facts::{PolicySeen, Violation};
use super::functions::{FARTHEST_OFF, Functions};
use super::policy::PolicyDrawn;
use super::requests::Asked;
use super::tally::Tally;
use super::trace::{Line, Trace};
use super::weather::{Fault, Faults, Weather};
use super::world::World;
use cost_sentry_asl::{StateMachine, substitute};
use cost_sentry_core::budget::Mode;
use cost_sentry_core::reservation::Reservation;
use cost_sentry_workflow::policy_cache::compile;
use cost_sentry_workflow::steps::STEPS;
use cost_sentry_workflow::time_outs;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The state machine that ships.
const MACHINE: &str = include_str!("../../../statemachine/cost-sentry.asl.json");

/// Instants at which windows end: of days, of months of every length, when clocks change, and of a plain hour.
const EDGES: [&str; 9] = [
    "2026-11-20T00:00:00Z",
    "2026-12-01T00:00:00Z",
    "2027-01-01T00:00:00Z",
    "2028-02-29T00:00:00Z",
    "2028-03-01T00:00:00Z",
    "2027-03-28T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2027-03-14T07:00:00Z",
    "2027-04-03T15:00:00Z",
];

/// What came of a world.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was counted.
    pub tally: Tally,
    /// A number that every run of the same seed gives.
    pub hash: u64,
    /// The first promise that was not kept.
    pub violation: Option<Violation>,
    /// What happened, if that was recorded.
    pub lines: Vec<Line>,
}

/// The shipped state machine, or what is wrong with it.
pub fn machine() -> Result<StateMachine, String> {
    let function = |binary: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:{binary}");
    let functions = STEPS.iter().map(|step| (step.placeholder(), function(&step.binary())));
    let pinned = ["PinnedApplicationId", "PinnedCostCenter", "PinnedEnvironment"].map(|name| (name.to_owned(), String::new()));
    let values: BTreeMap<String, String> = functions.chain(pinned).collect();
    let text = substitute(MACHINE, &values).map_err(|error| error.to_string())?;
    StateMachine::parse(&text).map_err(|problems| format!("{problems:?}"))
}

/// Runs the world of a seed. The same seed, faults and code give the same outcome, hash and lines.
pub fn run(machine: &StateMachine, seed: u64, faults: Faults, recording: bool) -> Outcome {
    let chance = Chance::new(seed);
    let trace = if recording { Trace::recording() } else { Trace::default() };
    let lasts = lasts(&chance);
    let weather = Weather::draw(faults, &chance, lasts);
    let edge: Timestamp = chance.pick(&EDGES).and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    let before = SignedDuration::try_from(chance.millis(0..=u64::try_from(lasts.as_millis()).unwrap_or(0))).unwrap_or_default();
    // Step Functions gives a start in milliseconds.
    let began = edge.saturating_sub(SignedDuration::from_millis(i64::try_from(before.as_millis()).unwrap_or(0))).unwrap_or(edge);
    let world = World::new(began, chance, trace, weather, machine.clone());
    if let Err(text) = policies(&world, edge, lasts, faults) {
        world.violated(None, text);
    }
    let over = Arc::new(AtomicBool::new(false));
    let arrivals = arrivals(&world.chance, lasts);
    drop(world.executor.spawn(life(Arc::clone(&world), arrivals, Arc::clone(&over))));
    world.executor.run(|| over.load(Ordering::Relaxed) || world.is_over());
    world.executor.clear();
    outcome(&world)
}

/// How many executions the world of a seed has.
pub fn size(seed: u64) -> u64 {
    executions_in(lasts(&Chance::new(seed)))
}

/// How long executions arrive: the first that a world draws.
fn lasts(chance: &Chance) -> Duration {
    chance.seconds(60..=if chance.one_in(3) { 3_000 } else { 600 })
}

fn executions_in(lasts: Duration) -> u64 {
    // Enough at once that holds wait for each other, in worlds of a minute as in those of an hour.
    200 + lasts.as_secs() / 5
}

/// When the executions arrive, and what they ask.
fn arrivals(chance: &Chance, lasts: Duration) -> Vec<(Duration, Asked)> {
    let most = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    let bursts: Vec<u64> = (0..chance.number(1..=8)).map(|_| chance.number(0..=most)).collect();
    let in_bursts = chance.one_in(3);
    let arrival = || match chance.pick(&bursts) {
        Some(burst) if in_bursts => burst + chance.number(0..=300),
        _ => chance.number(0..=most),
    };
    (0..executions_in(lasts)).map(|_| (Duration::from_millis(arrival()), Asked::draw(chance))).collect()
}

/// Draws the policies, and when each becomes the current one.
fn policies(world: &World, edge: Timestamp, lasts: Duration, faults: Faults) -> Result<(), String> {
    let chance = &world.chance;
    let mut drawn = PolicyDrawn::draw(chance, executions_in(lasts), edge);
    let replaced = if faults == Faults::None || chance.one_in(2) { 0 } else { chance.number(1..=3) };
    let mut times: Vec<Duration> = (0..replaced).map(|_| chance.seconds(1..=lasts.as_secs())).collect();
    times.sort();
    for at in std::iter::once(Duration::ZERO).chain(times) {
        if at > Duration::ZERO {
            drawn = drawn.replaced(chance);
            world.trouble_of(None, Fault::PolicyReplaced);
        }
        let document = drawn.document();
        let version = compile(&document).map_err(|error| format!("the drawn policy is not valid: {error}: {document}"))?.version;
        world.note(None, || format!("policy {version} from {at:?}: {:?}", drawn.budgets));
        world.facts().policies.push(PolicySeen { at, version, drawn: drawn.clone(), document });
    }
    Ok(())
}

/// Everything that happens, until nothing is left open.
async fn life(world: Arc<World>, arrivals: Vec<(Duration, Asked)>, over: Arc<AtomicBool>) {
    let functions = Functions::new(Arc::clone(&world));
    let running: Vec<_> = arrivals
        .into_iter()
        .map(|(arrives, asked)| world.executor.spawn(execution(Arc::clone(&world), Arc::clone(&functions), arrives, asked)).1)
        .collect();
    drop(world.executor.spawn(sweeps(Arc::clone(&world), functions, Arc::clone(&over))));
    for ended in running {
        let _ = ended.await;
    }
    // Functions go on when nobody waits for them any more, and so do late requests.
    while world.facts().busy > 0 {
        world.executor.sleep(Duration::from_secs(1)).await;
    }
    world.facts().calm = true;
    let patience = time_outs::LEASE + time_outs::SKEW + 2 * FARTHEST_OFF + 2 * time_outs::SWEEP_INTERVAL;
    let last = world.executor.now() + Duration::from_secs(u64::from(patience));
    while world.facts().witness.open().next().is_some() {
        world.executor.sleep(Duration::from_secs(1)).await;
        if world.executor.now() > last {
            let left = world.facts().witness.open().map(|(stored, _)| stored.request_id().to_owned()).next();
            let execution = left.and_then(|id| world.facts().by_request.get(&id).copied());
            world.violated(execution, "a reservation is still open long after its lease");
            return;
        }
    }
    while world.facts().busy > 0 {
        world.executor.sleep(Duration::from_secs(1)).await;
    }
    balance(&world);
    ends::check(&world);
    over.store(true, Ordering::Relaxed);
}

/// The whole books against the witness, and against the shipped recount.
fn balance(world: &World) {
    let ledger = world.ledger.books();
    let found = {
        let facts = world.facts();
        let stored: Vec<&Reservation> = ledger.reservations.values().collect();
        let witnessed: Vec<&Reservation> = facts.witness.reservations.values().map(|(stored, _)| stored).collect();
        let enforced = ledger.counters.iter().filter(|(key, _)| key.mode() == Mode::Enforce);
        let unknown = enforced
            .flat_map(|(key, units)| units.keys().map(|unit| (key.clone(), *unit)))
            .find(|(item, unit)| !facts.witness.counters.keys().any(|(key, known)| known == unit && books::is_item_of(item, key)));
        if stored != witnessed {
            Some("the stored reservations are not those that were written".to_owned())
        } else if let Some((key, unit)) = unknown {
            Some(format!("the counter {} counts {}, which no reservation does", key.as_str(), unit.word()))
        } else {
            books::unbalanced(&facts.witness, &ledger)
        }
    };
    if let Some(text) = found {
        world.facts().tally.books_out_by = 1;
        world.violated(None, text);
    }
    for reservation in ledger.reservations.values() {
        world.facts().tally.states.add(format!("{:?}", reservation.state));
        world.trace.mix_text(&serde_json::to_string(reservation).unwrap_or_default());
    }
    world.facts().tally.counters += u64::try_from(ledger.counters.len()).unwrap_or(0);
}

fn outcome(world: &World) -> Outcome {
    let mut facts = world.facts();
    facts.tally.worlds = 1;
    facts.tally.virtual_seconds = world.executor.now().as_secs();
    for (index, seen) in facts.executions.iter().enumerate() {
        world.trace.mix_text(&format!("{index} {:?}", seen.ends));
    }
    Outcome { tally: facts.tally.clone(), hash: world.trace.hash(), violation: facts.violation.clone(), lines: world.trace.lines() }
}
