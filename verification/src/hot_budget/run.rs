//! One simulation, event by event.

use super::store::{Arrived, Micros, Store};
use super::worker::{Doing, Ended, Worker, drawn};
use super::{Figures, Room, Settings, books};
use cost_sentry_core::budget::CounterKey;
use cost_sentry_core::counter::{Answer, Ask, CounterItem};
use fastrand::Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Far more than all workers hold in an hour, in tokens.
const PLENTY: u64 = 1 << 60;
/// Before this the workers are still in step with each other; it does not count.
const START: Micros = 5_000_000;

#[derive(Debug)]
enum Event {
    /// A look arrives.
    Look,
    /// A request arrives.
    Arrive,
    /// A request is through.
    Commit(Vec<(CounterKey, CounterItem)>),
    /// An answer, or word that others were in the way, is back.
    Back(Option<Answer>),
    /// What a look found is back.
    Seen(i64),
    /// A wait is over.
    Waited,
}

#[derive(Debug, Default)]
struct Counts {
    settled: u64,
    refused: u64,
    contended: u64,
    unsettled: u64,
    granted: u64,
    conflicts: u64,
    throttled: u64,
    rewrites: u64,
    hold_times: Vec<Micros>,
    units_before: f64,
}

struct Run {
    settings: Settings,
    limit: u64,
    rng: Rng,
    store: Store,
    workers: Vec<Worker>,
    due: BinaryHeap<Reverse<(Micros, u64)>>,
    events: std::collections::HashMap<u64, (usize, Event)>,
    drawn: u64,
    now: Micros,
    counts: Counts,
}

/// Runs it.
pub fn run(settings: Settings) -> Figures {
    let limit = match settings.room {
        Room::Plenty => PLENTY,
        Room::Spent => u64::from(settings.workers) * books::USED * (START / 1_000_000 + u64::from(settings.seconds) / 2) + books::HOLD,
        Room::Half => (u64::from(settings.workers) * books::HOLD / 2).max(books::HOLD),
    };
    let mut run = Run {
        settings,
        limit,
        rng: Rng::with_seed(settings.seed),
        store: Store::new(&settings.model),
        workers: (0..settings.workers).map(Worker::new).collect(),
        due: BinaryHeap::new(),
        events: std::collections::HashMap::new(),
        drawn: 0,
        now: 0,
        counts: Counts::default(),
    };
    for at in 0..run.workers.len() {
        let first = drawn(&mut run.rng, settings.model.call_ms, 1.0);
        run.at(first, at, Event::Look);
    }
    let end = START + Micros::from(settings.seconds) * 1_000_000;
    let mut warm = false;
    while let Some(Reverse((time, id))) = run.due.pop() {
        if time >= end {
            break;
        }
        if !warm && time >= START {
            warm = true;
            run.counts = Counts { units_before: run.store.units, ..Counts::default() };
        }
        run.now = time;
        if let Some((at, event)) = run.events.remove(&id) {
            run.happen(at, event);
        }
    }
    run.figures()
}

impl Run {
    fn at(&mut self, time: Micros, worker: usize, event: Event) {
        self.drawn += 1;
        self.due.push(Reverse((time, self.drawn)));
        self.events.insert(self.drawn, (worker, event));
    }

    fn happen(&mut self, at: usize, event: Event) {
        let model = self.settings.model;
        match event {
            Event::Look => {
                let (seen, back) = (self.store.committed(), self.now + drawn(&mut self.rng, model.read_ms, model.sigma) / 2);
                self.at(back, at, Event::Seen(seen));
            }
            Event::Arrive => self.arrive(at),
            Event::Commit(changed) => {
                if let Some(ask) = self.workers.get(at).and_then(Worker::sending) {
                    self.store.commit(ask, changed);
                }
                let back = self.now + drawn(&mut self.rng, (model.transaction_ms - model.held_ms) / 2.0, model.sigma);
                self.at(back, at, Event::Back(Some(Answer::Done)));
            }
            Event::Seen(committed) => {
                let (settings, limit, now) = (self.settings, self.limit, self.now);
                let Some(worker) = self.workers.get_mut(at) else { return };
                worker.began = now;
                let next = worker.looked(committed, limit, &settings, &mut self.rng);
                self.go_on(at, next);
            }
            Event::Back(answer) => {
                let settings = self.settings;
                let Some(worker) = self.workers.get_mut(at) else { return };
                let next = match answer {
                    Some(answer) => worker.answered(answer, &settings, &mut self.rng),
                    None => worker.in_the_way(&settings, &mut self.rng),
                };
                self.go_on(at, next);
            }
            Event::Waited => {
                let settings = self.settings;
                let Some(worker) = self.workers.get_mut(at) else { return };
                let next = worker.waited(&settings, &mut self.rng);
                self.go_on(at, next);
            }
        }
    }

    fn arrive(&mut self, at: usize) {
        let model = self.settings.model;
        let Some(ask) = self.workers.get(at).and_then(Worker::sending).cloned() else { return };
        self.counts.rewrites += u64::from(matches!(ask, Ask::Rewrite(_)));
        let through = self.now + drawn(&mut self.rng, model.held_ms, model.sigma);
        let back = self.now + drawn(&mut self.rng, model.read_ms, model.sigma) / 2;
        match self.store.arrive(&ask, self.now, through) {
            Arrived::Answered(answer) => self.at(back, at, Event::Back(Some(answer))),
            Arrived::Through(changed) => self.at(through, at, Event::Commit(changed)),
            Arrived::Conflict => {
                self.counts.conflicts += 1;
                self.at(back, at, Event::Back(None));
            }
            Arrived::Throttled => {
                self.counts.throttled += 1;
                self.at(back, at, Event::Back(None));
            }
        }
    }

    fn go_on(&mut self, at: usize, (doing, ended): (Doing, Option<Ended>)) {
        let model = self.settings.model;
        let counts = &mut self.counts;
        match ended {
            Some(Ended::Settled) => counts.settled += 1,
            Some(Ended::Refused) => counts.refused += 1,
            Some(Ended::Contended) => counts.contended += 1,
            Some(Ended::Unsettled) => counts.unsettled += 1,
            None => {}
        }
        if let (Doing::Wait(_), None, Some(worker)) = (&doing, ended, self.workers.get(at))
            && worker.is_calling()
        {
            counts.granted += 1;
            counts.hold_times.push(self.now - worker.began);
        }
        match doing {
            Doing::Look => {
                let arrives = self.now + drawn(&mut self.rng, model.read_ms, model.sigma) / 2;
                self.at(arrives, at, Event::Look);
            }
            Doing::Send(ask, wait) => {
                let way = if matches!(ask, Ask::Read(_)) { model.read_ms / 2.0 } else { (model.transaction_ms - model.held_ms) / 2.0 };
                let arrives = self.now + wait + drawn(&mut self.rng, way, model.sigma);
                self.at(arrives, at, Event::Arrive);
            }
            Doing::Wait(wait) => self.at(self.now + wait, at, Event::Waited),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of some millions")]
    fn figures(mut self) -> Figures {
        let counts = &mut self.counts;
        counts.hold_times.sort_unstable();
        let quantile = |share: usize| {
            let at = counts.hold_times.len().saturating_sub(1) * share / 100;
            counts.hold_times.get(at).copied().unwrap_or(0) as f64 / 1_000.0
        };
        let per_granted = |count: f64| count / (counts.granted as f64).max(1.0);
        let percent = |count: u64, of: u64| 100.0 * count as f64 / (of as f64).max(1.0);
        Figures {
            shards: self.settings.shards,
            workers: self.settings.workers,
            goodput: counts.settled as f64 / f64::from(self.settings.seconds),
            refused_percent: percent(counts.refused, counts.refused + counts.granted),
            contended_percent: percent(counts.contended, counts.contended + counts.refused + counts.granted),
            unsettled: counts.unsettled,
            hold_ms_p50: quantile(50),
            hold_ms_p99: quantile(99),
            conflicts: per_granted(counts.conflicts as f64),
            throttled: per_granted(counts.throttled as f64),
            rewrites: per_granted(counts.rewrites as f64),
            write_units: per_granted(self.store.units - counts.units_before),
            left: self.limit.cast_signed() - self.store.committed(),
            over: self.store.over.max(0),
        }
    }
}
