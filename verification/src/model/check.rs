//! Running the checker, and what it found.

use super::explorer::{Ledgers, Size};
use super::mishap::Action;
use super::planted::Bug;
use super::properties::{self, ALWAYS, SOMETIMES};
use super::telling;
use super::world::World;
use stateright::report::{ReportData, ReportDiscovery, Reporter};
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::{Duration, Instant};

impl Model for Ledgers {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.initial()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.all_actions(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        self.after(world, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

/// What a run found.
#[derive(Debug)]
pub struct Found {
    /// Different states.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// Requests and mishaps in the longest history.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Points of invocations at which a shipped step was stopped.
    pub points: usize,
    /// Properties that do not hold, each with a history that shows it.
    pub violated: Vec<Broken>,
    /// What was not seen although it should be.
    pub unseen: Vec<&'static str>,
}

impl Found {
    /// The figures, in a line.
    pub fn summary(&self) -> String {
        let Self { states, steps, depth, points, .. } = self;
        let (violated, seconds) = (self.violated.len(), self.took.as_secs());
        format!(
            "{states} states, {steps} steps, depth {depth}, {points} points of shipped steps, {violated} properties violated, {seconds} s"
        )
    }
}

/// Explores every state of a model of this size, telling how far it got.
pub fn explore(size: Size, threads: usize, progress: impl Fn(usize, usize)) -> Result<Found, Box<dyn Error>> {
    let started = Instant::now();
    let checker = Ledgers::new(size, None, true)?.checker().threads(threads).spawn_bfs();
    let checker = checker.report(&mut Progress(progress));
    let violated = ALWAYS.iter().filter_map(|(name, _)| Some((*name, checker.discovery(name)?)));
    let violated = violated.map(|(name, path)| (name, telling::history(checker.model(), &path.into_vec()))).collect();
    Ok(Found {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth().saturating_sub(1),
        took: started.elapsed(),
        points: checker.model().unfolding.points(),
        violated,
        unseen: SOMETIMES.iter().map(|(name, _)| *name).filter(|name| checker.discovery(name).is_none()).collect(),
    })
}

/// A property, and a history that breaks it.
pub type Broken = (&'static str, Vec<String>);

/// The shortest history that shows a planted bug, and the property that it breaks; nothing where the model does not find it.
pub fn counterexample(size: &Size, bug: Bug) -> Result<Option<Broken>, Box<dyn Error>> {
    let mut shortest = None;
    let mut most = usize::MAX;
    loop {
        let checker =
            Ledgers::new(size.clone(), Some(bug), false)?.checker().finish_when(HasDiscoveries::AnyFailures).target_max_depth(most);
        let checker = checker.spawn_bfs().join();
        let broken = ALWAYS.iter().filter_map(|(name, _)| Some((*name, checker.discovery(name)?.into_vec())));
        let Some((name, path)) = broken.min_by_key(|(_, path)| path.len()) else { return Ok(shortest) };
        shortest = Some((name, telling::history(checker.model(), &path)));
        // The checker looks at no state at that depth: only a shorter history is found then.
        most = path.len();
    }
}

struct Progress<F>(F);

impl<M, F: Fn(usize, usize)> Reporter<M> for Progress<F>
where
    M: Model,
{
    fn report_checking(&mut self, data: ReportData) {
        (self.0)(data.unique_states, data.max_depth);
    }

    fn report_discoveries(&mut self, _model: &M, _discoveries: BTreeMap<&'static str, ReportDiscovery<M>>)
    where
        M::Action: Debug + PartialEq,
        M::State: Debug + Hash + PartialEq,
    {
    }
}
