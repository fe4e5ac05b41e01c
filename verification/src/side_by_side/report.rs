//! What was found, as a document.

use super::compare::Options;
use super::contender::Contender;
use super::run::Ran;
use super::traffic::float;
use crate::spread::Spread;
use serde::Serialize;

/// Everything that a comparison found. Spreads are over the seeds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How much was compared.
    pub options: Options,
    /// In virtual time.
    pub rows: Vec<Row>,
    /// The same, where some processes die after the answer.
    pub deaths: Vec<Row>,
    /// The ledger under each bound on the input.
    pub bounds: Vec<BoundRow>,
    /// Threads that race.
    pub races: Vec<RaceRow>,
}

/// One design in virtual time; amounts are tokens, except where they say otherwise.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The design.
    pub design: String,
    /// What was really spent beyond the limit.
    pub over: Spread,
    /// The same, in percent of the room that there was.
    pub over_percent_of_room: Spread,
    /// Requests that were approved.
    pub approved: Spread,
    /// Requests that were refused although they would have fitted.
    pub wrongly_refused: Spread,
    /// The same, in percent of all requests.
    pub wrongly_refused_percent: Spread,
    /// Room that nobody used in the end, in percent.
    pub unspent_percent_of_room: Spread,
    /// Spent, and not in its books.
    pub missing: Spread,
    /// In its books, and not spent.
    pub excess: Spread,
    /// In its books, marked as uncertain.
    pub uncertain: Spread,
    /// Requests that it could not decide on.
    pub failed: u64,
}

/// The ledger under one bound on the input.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BoundRow {
    /// The bound, in the policy's word.
    pub input_bound: &'static str,
    /// How much of what all requests would use there was room for, in percent.
    pub room_percent: u64,
    /// Requests that were refused only because holds are larger than usage, in percent of all.
    pub refused_for_holds_percent: Spread,
    /// The same, in percent of those that would have fitted.
    pub of_fitting_percent: Spread,
    /// Room that nobody used in the end, in percent.
    pub unspent_percent_of_room: Spread,
    /// What was really spent beyond the limit.
    pub over: Spread,
    /// How far the books are out, either way.
    pub books_out_by: Spread,
}

/// One design in races; spreads are over the races.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RaceRow {
    /// The design.
    pub design: String,
    /// How many races.
    pub races: usize,
    /// In how many the limit was passed.
    pub races_over: usize,
    /// By how much.
    pub over: Spread,
    /// Requests refused although they would have fitted, in percent of all.
    pub wrongly_refused_percent: Spread,
    /// How far the books are out, either way.
    pub books_out_by: Spread,
    /// Requests decided and settled per second, with no call and no network between.
    pub per_second: Spread,
    /// Requests that it could not decide on.
    pub failed: u64,
}

/// What a run says beside its tally.
struct Judged {
    over: f64,
    unspent: f64,
    missing: f64,
    excess: f64,
}

fn judge(ran: &Ran, limit: u64) -> Judged {
    let (spent, counted) = (ran.tally.spent, ran.books.counted);
    let [over, unspent, missing, excess] =
        [(spent, limit), (limit, spent), (spent, counted), (counted, spent)].map(|(more, less)| float(more.saturating_sub(less)));
    Judged { over, unspent, missing, excess }
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part * 100.0 / whole } else { 0.0 }
}

fn decided(ran: &Ran) -> f64 {
    float(ran.tally.approved + ran.tally.refused + ran.tally.failed)
}

fn wrong_share(ran: &Ran) -> f64 {
    percent(float(ran.tally.wrongly_refused), decided(ran))
}

impl Report {
    /// Before anything was compared.
    pub fn empty(options: Options) -> Self {
        Self { options, rows: Vec::new(), deaths: Vec::new(), bounds: Vec::new(), races: Vec::new() }
    }
}

impl Row {
    /// From its runs, each with the limit and the room.
    pub fn of(contender: Contender, runs: &[(Ran, u64, u64)]) -> Self {
        let spread = |of: &dyn Fn(&Ran, u64, f64) -> f64| Spread::of(runs.iter().map(|(ran, limit, room)| of(ran, *limit, float(*room))));
        Self {
            design: contender.name(),
            over: spread(&|ran, limit, _| judge(ran, limit).over),
            over_percent_of_room: spread(&|ran, limit, room| percent(judge(ran, limit).over, room)),
            approved: spread(&|ran, _, _| float(ran.tally.approved)),
            wrongly_refused: spread(&|ran, _, _| float(ran.tally.wrongly_refused)),
            wrongly_refused_percent: spread(&|ran, _, _| wrong_share(ran)),
            unspent_percent_of_room: spread(&|ran, limit, room| percent(judge(ran, limit).unspent, room)),
            missing: spread(&|ran, limit, _| judge(ran, limit).missing),
            excess: spread(&|ran, limit, _| judge(ran, limit).excess),
            uncertain: spread(&|ran, _, _| float(ran.books.uncertain)),
            failed: runs.iter().map(|(ran, _, _)| ran.tally.failed).sum(),
        }
    }
}

impl BoundRow {
    /// From its runs, each with the limit and the room.
    pub fn of(input_bound: &'static str, room_percent: u64, runs: &[(Ran, u64, u64)]) -> Self {
        let spread = |of: &dyn Fn(&Ran, u64, f64) -> f64| Spread::of(runs.iter().map(|(ran, limit, room)| of(ran, *limit, float(*room))));
        Self {
            input_bound,
            room_percent,
            of_fitting_percent: spread(&|ran, _, _| {
                percent(float(ran.tally.wrongly_refused), float(ran.tally.approved + ran.tally.wrongly_refused))
            }),
            refused_for_holds_percent: spread(&|ran, _, _| wrong_share(ran)),
            unspent_percent_of_room: spread(&|ran, limit, room| percent(judge(ran, limit).unspent, room)),
            over: spread(&|ran, limit, _| judge(ran, limit).over),
            books_out_by: spread(&|ran, limit, _| judge(ran, limit).missing + judge(ran, limit).excess),
        }
    }
}

impl RaceRow {
    /// From its races, each with the limit and how many requests there were.
    pub fn of(contender: Contender, races: &[(Ran, u64, usize)]) -> Self {
        let spread = |of: &dyn Fn(&Ran, u64) -> f64| Spread::of(races.iter().map(|(ran, limit, _)| of(ran, *limit)));
        Self {
            design: contender.name(),
            races: races.len(),
            races_over: races.iter().filter(|(ran, limit, _)| ran.tally.spent > *limit).count(),
            over: spread(&|ran, limit| judge(ran, limit).over),
            wrongly_refused_percent: spread(&|ran, _| wrong_share(ran)),
            books_out_by: spread(&|ran, limit| judge(ran, limit).missing + judge(ran, limit).excess),
            per_second: spread(&|ran, _| decided(ran) / ran.took.as_secs_f64().max(1e-9)),
            failed: races.iter().map(|(ran, _, _)| ran.tally.failed).sum(),
        }
    }
}
