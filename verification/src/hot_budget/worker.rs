//! A worker: reads what the budget shows, holds, calls, settles, and begins again, as one execution after the other would.

use super::store::Micros;
use super::{Room, Settings, books};
use cost_sentry_core::counter::{Answer, Ask, Held, Holding, Moved, Moving, Next};
use cost_sentry_core::reservation::Reservation;
use cost_sentry_workflow::patience::{ATTEMPTS, longest_wait_ms};
use fastrand::Rng;

/// What a worker does next.
#[derive(Debug)]
pub enum Doing {
    /// Looks at what the whole counter shows.
    Look,
    /// Sends this, the wait before it included.
    Send(Ask, Micros),
    /// Waits for the model, or until it asks again.
    Wait(Micros),
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Granted, called and settled.
    Settled,
    /// No room.
    Refused,
    /// The ledger gave up on the hold.
    Contended,
    /// The ledger gave up on the settlement.
    Unsettled,
}

#[derive(Debug)]
enum Stage {
    Looking,
    Holding(Box<Holding>),
    Calling(Box<Reservation>),
    Settling(Box<Moving>),
    Pausing,
}

/// One of many.
#[derive(Debug)]
pub struct Worker {
    number: u32,
    requests: u64,
    stage: Stage,
    sending: Option<Ask>,
    attempt: u32,
    /// When the hold under way was begun.
    pub began: Micros,
}

/// A time with this median, in microseconds: log-normal.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and far below")]
pub fn drawn(rng: &mut Rng, median_ms: f64, sigma: f64) -> Micros {
    // Box and Muller's way to a normal deviate.
    let (radius, angle) = ((-2.0 * (1.0 - rng.f64()).ln()).sqrt(), std::f64::consts::TAU * rng.f64());
    (median_ms * 1_000.0 * (sigma * radius * angle.cos()).exp()) as Micros
}

impl Worker {
    /// One that is about to look.
    pub fn new(number: u32) -> Self {
        Self { number, requests: 0, stage: Stage::Looking, sending: None, attempt: 0, began: 0 }
    }

    /// The request that is on its way.
    pub fn sending(&self) -> Option<&Ask> {
        self.sending.as_ref()
    }

    /// What the whole counter shows as committed: with no room, the request is refused without a hold, as the step does it.
    pub fn looked(&mut self, committed: i64, limit: u64, settings: &Settings, rng: &mut Rng) -> (Doing, Option<Ended>) {
        if i128::from(committed) + i128::from(books::HOLD) > i128::from(limit) {
            return self.pause(Ended::Refused, settings, rng);
        }
        self.requests += 1;
        let id = format!("{:08x}-{:08x}", self.number, self.requests);
        let (holding, ask) = Holding::start(&books::held(&id, settings.shards, limit));
        self.stage = Stage::Holding(Box::new(holding));
        (self.send(ask, 0, rng), None)
    }

    fn send(&mut self, ask: Ask, lost: u32, rng: &mut Rng) -> Doing {
        self.attempt = 0;
        self.sending = Some(ask.clone());
        Doing::Send(ask, lost.checked_sub(1).map_or(0, |attempt| patience(rng, attempt)))
    }

    /// Others were in the way: a rewrite is not tried again, all else is, with patience, so often.
    pub fn in_the_way(&mut self, settings: &Settings, rng: &mut Rng) -> (Doing, Option<Ended>) {
        let Some(ask) = self.sending.clone() else { return self.pause(Ended::Contended, settings, rng) };
        if matches!(ask, Ask::Rewrite(_)) {
            return self.answered(Answer::Changed, settings, rng);
        }
        let wait = patience(rng, self.attempt);
        self.attempt += 1;
        if self.attempt < ATTEMPTS {
            return (Doing::Send(ask, wait), None);
        }
        let ended = if matches!(self.stage, Stage::Settling(_)) { Ended::Unsettled } else { Ended::Contended };
        self.pause(ended, settings, rng)
    }

    /// An answer has come.
    pub fn answered(&mut self, answer: Answer, settings: &Settings, rng: &mut Rng) -> (Doing, Option<Ended>) {
        match std::mem::replace(&mut self.stage, Stage::Pausing) {
            Stage::Holding(mut holding) => match holding.answer(answer) {
                Next::Ask(ask, lost) => {
                    self.stage = Stage::Holding(holding);
                    (self.send(ask, lost, rng), None)
                }
                Next::End(Held::Held(placed)) => {
                    self.stage = Stage::Calling(placed);
                    (Doing::Wait(drawn(rng, settings.model.call_ms, settings.model.sigma)), None)
                }
                Next::End(Held::NoRoom(_)) => self.pause(Ended::Refused, settings, rng),
                Next::End(Held::Exists(_) | Held::Contended) => self.pause(Ended::Contended, settings, rng),
            },
            Stage::Settling(mut moving) => match moving.answer(answer) {
                Next::Ask(ask, lost) => {
                    self.stage = Stage::Settling(moving);
                    (self.send(ask, lost, rng), None)
                }
                Next::End(Moved::Moved) => {
                    self.stage = Stage::Looking;
                    (Doing::Look, Some(Ended::Settled))
                }
                Next::End(Moved::Changed(_) | Moved::Contended) => self.pause(Ended::Unsettled, settings, rng),
            },
            stage => {
                self.stage = stage;
                (Doing::Look, None)
            }
        }
    }

    /// The wait is over: for the model, or for another request.
    pub fn waited(&mut self, settings: &Settings, rng: &mut Rng) -> (Doing, Option<Ended>) {
        match std::mem::replace(&mut self.stage, Stage::Looking) {
            Stage::Calling(held) => match books::end(&held, settings.room == Room::Half) {
                Some((version, step)) => {
                    let (moving, ask) = Moving::start(version, &step);
                    self.stage = Stage::Settling(Box::new(moving));
                    (self.send(ask, 0, rng), None)
                }
                None => self.pause(Ended::Unsettled, settings, rng),
            },
            _ => (Doing::Look, None),
        }
    }

    /// Does nothing for as long as a call takes, and begins again.
    fn pause(&mut self, ended: Ended, settings: &Settings, rng: &mut Rng) -> (Doing, Option<Ended>) {
        self.stage = Stage::Pausing;
        self.sending = None;
        (Doing::Wait(drawn(rng, settings.model.call_ms, settings.model.sigma)), Some(ended))
    }

    /// Whether a hold was just granted.
    pub fn is_calling(&self) -> bool {
        matches!(self.stage, Stage::Calling(_))
    }
}

fn patience(rng: &mut Rng, attempt: u32) -> Micros {
    rng.u64(0..=longest_wait_ms(attempt) * 1_000)
}
