//! What an execution left behind: the client's document, the calls, the reservation and the counters, and what is wrong with them.

use super::scenario::Trial;
use crate::harness::Ended;
use cost_sentry::local::simulator::{Answered, Call};
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::reservation_from;
use cost_sentry_aws::log::Lines;
use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::outcome::{Document, Outcome};
use cost_sentry_core::reservation::{Charge, ClaimId, Figures, Reservation, State};
use cost_sentry_workflow::metrics::Point;
use cost_sentry_workflow::ports::{Edge, Metrics, MetricsError};
use cost_sentry_workflow::steps::SweepReservations;
use cost_sentry_workflow::time_outs::Leases;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What each enforced counter holds, by its key and unit; zero figures are left out.
pub type Counters = BTreeMap<(String, Unit), Figures>;

/// All that is left after an execution and the sweep that follows it.
pub struct Aftermath {
    /// The document, without what time alone decides.
    pub document: Value,
    /// The name of the Fail state's error, if it was one.
    pub failed: Option<String>,
    /// What the request holds now.
    pub reservation: Option<Reservation>,
    pub counters: Counters,
    pub calls: Vec<Call>,
    /// What is wrong whatever happened to the execution.
    pub problems: Vec<String>,
}

/// Long after every lease.
pub struct MuchLater;

impl Edge for MuchLater {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_hours(1)
    }

    fn draw_claim_id(&self) -> ClaimId {
        panic!("the sweep claims nothing")
    }
}

/// Metrics that nobody looks at.
pub struct Unwatched;

impl Metrics for Unwatched {
    async fn put(&self, _points: &[Point], _at: Timestamp) -> Result<(), MetricsError> {
        Ok(())
    }
}

impl Aftermath {
    /// Looks at the books, sweeps if anything is open, and looks again.
    pub async fn of(trial: &Trial, ended: &Ended) -> Self {
        trial.wire.deliver_late().await;
        let mut books = Books::read(trial).await;
        let mut problems = books.problems();
        if books.leased {
            let ledger = trial.world.stack.ledger();
            let sweep =
                SweepReservations { ledger, metrics: Unwatched, log: Lines::new(Vec::new()), edge: MuchLater, leases: Leases::default() };
            sweep.sweep().await.unwrap();
            books = Books::read(trial).await;
            problems.extend(books.problems());
        }
        if books.leased {
            problems.push("after the sweep there is still a lease".to_owned());
        }
        let (mut document, failed) = ended.document();
        let reservation = books.reservations.pop();
        let calls = trial.world.calls();
        problems.extend(document_problems(&document, failed));
        problems.extend(money_problems(&document, reservation.as_ref(), &calls, trial.scenario.calls));
        forget_time(&mut document);
        Self { document, failed: failed.map(str::to_owned), reservation, counters: books.counters, calls, problems }
    }

    /// Where the reservation stands.
    pub fn state(&self) -> Option<State> {
        self.reservation.as_ref().map(|reservation| reservation.state)
    }

    /// The document's error name.
    pub fn error(&self) -> Option<&str> {
        self.document.pointer("/error/name")?.as_str()
    }

    /// A hold that stays charged though the client was told that nothing was spent. Only an outage that outlasts the step which saw it
    /// may come to that.
    pub fn charged_for_nothing(&self) -> Option<String> {
        let told = self.document.pointer("/error/moneyMayHaveBeenSpent") == Some(&Value::Bool(false));
        let charged = matches!(self.state(), Some(State::Settled | State::Uncertain));
        (told && charged).then(|| format!("the client was told that nothing was spent, and the reservation is {:?}", self.state()))
    }

    /// What differs from another aftermath: the document, the end, or the counters.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if (&self.document, &self.failed) != (&other.document, &other.failed) {
            differences.push(format!("the document is {} instead of {}", self.document, other.document));
        }
        if self.counters != other.counters {
            differences.push(format!("the counters are {:?} instead of {:?}", self.counters, other.counters));
        }
        differences
    }
}

/// Everything in the ledger's table.
struct Books {
    reservations: Vec<Reservation>,
    /// The enforced counters that reservations name.
    counters: Counters,
    /// Counters that no reservation names.
    strays: Vec<String>,
    /// Whether the sweep would look at a reservation.
    leased: bool,
}

impl Books {
    async fn read(trial: &Trial) -> Self {
        let scan = trial.world.stack.clients.dynamodb().scan().table_name(TABLE).consistent_read(true).send().await.unwrap();
        let named = |kind: &'static str| scan.items().iter().filter(move |item| item["pk"].as_s().unwrap().starts_with(kind));
        let reservations: Vec<Reservation> = named("R#").map(|item| reservation_from(item).unwrap()).collect();
        let keys: BTreeSet<CounterKey> = reservations.iter().flat_map(Reservation::enforced).map(Charge::key).collect();
        let known: BTreeSet<&str> = keys.iter().map(CounterKey::as_str).collect();
        let stored = named("C#").map(|item| item["pk"].as_s().unwrap().clone());
        let strays = stored.filter(|key| !known.contains(key.as_str())).collect();
        let leased = named("R#").any(|item| item.contains_key("leasePartition"));
        let found = trial.world.stack.ledger().counters(&keys.into_iter().collect::<Vec<_>>()).await.unwrap();
        let each = found.into_iter().flat_map(|(key, units)| units.into_iter().map(move |(unit, figures)| ((key.clone(), unit), figures)));
        let counters = each.filter(|(_, figures)| *figures != Figures::default()).collect();
        Self { reservations, counters, strays, leased }
    }

    /// Where the counters are not the sums over the reservations, which they have to be at any time.
    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.strays.iter().map(|key| format!("no reservation accounts for {key}")).collect();
        if self.reservations.len() > 1 {
            problems.push("one request has two reservations".to_owned());
        }
        let mut sums = Counters::new();
        for (key, unit, share) in self.reservations.iter().flat_map(Reservation::shares) {
            let sum = sums.entry((key.as_str().to_owned(), unit)).or_default();
            sum.committed += share.committed;
            sum.used += share.used;
            sum.uncertain += share.uncertain;
        }
        if self.counters != sums {
            problems.push(format!("the counters are {:?}, the reservations sum up to {sums:?}", self.counters));
        }
        problems
    }
}

/// What is wrong with the document: its shape, its end, or how the two fit.
fn document_problems(document: &Value, failed: Option<&str>) -> Option<String> {
    let read: Document = match serde_json::from_value(document.clone()) {
        Ok(read) => read,
        Err(error) => return Some(format!("the document is not one: {error}: {document}")),
    };
    let fits = match read.outcome {
        Outcome::InvocationSucceeded => failed.is_none() && read.response.is_some() && read.error.is_none(),
        Outcome::InvocationFailed => failed == Some("InvocationFailed") && read.response.is_none() && read.error.is_some(),
        Outcome::RateLimitDenied => failed == Some("RateLimitDenied") && read.response.is_none() && read.rate_limit.is_some(),
    };
    (!fits).then(|| format!("the end {failed:?} does not go with {document}"))
}

/// What is wrong with the money: calls, their fate in the ledger, and what the client is told of it.
fn money_problems(document: &Value, reservation: Option<&Reservation>, calls: &[Call], most: usize) -> Vec<String> {
    let mut problems = Vec::new();
    let mut rule = |holds: bool, problem: String| {
        if !holds {
            problems.push(problem);
        }
    };
    let state = reservation.map(|reservation| reservation.state);
    let answers: Vec<&Value> = calls.iter().filter_map(answer).collect();
    let charged = matches!(state, Some(State::Settled | State::Uncertain));
    rule(calls.len() <= most, format!("{} calls were sent, {most} would do", calls.len()));
    rule(answers.len() <= 1, format!("{} calls were answered", answers.len()));
    rule(!state.is_some_and(State::is_open), format!("after the sweep the reservation is {state:?}"));
    rule(answers.is_empty() || charged, format!("a call was answered, and the reservation is {state:?}"));
    rule(!answers.is_empty() || state != Some(State::Settled), "settled without an answer".to_owned());
    if let (Some(State::Settled), [answer], Some(usage)) = (state, answers.as_slice(), reservation.and_then(|settled| settled.usage)) {
        rule(answer["usage"]["outputTokens"] == usage.output.0, format!("settled {usage:?} instead of {}", answer["usage"]));
    }
    let content = document.pointer("/response/content");
    let told = answers.first().map(|answer| &answer["output"]["message"]["content"][0]["text"]);
    rule(content.is_none() || content == told, format!("the client got {content:?}, the model said {told:?}"));
    if document.pointer("/error/moneyMayHaveBeenSpent") == Some(&Value::Bool(false)) {
        rule(answers.is_empty(), "a call was answered, and the client was told that nothing can have been spent".to_owned());
    }
    problems
}

fn answer(call: &Call) -> Option<&Value> {
    match &call.answered {
        Answered::Answer(body) => Some(body),
        Answered::Fault { .. } => None,
    }
}

/// Takes out what differs between two executions only because they started at different times.
fn forget_time(document: &mut Value) {
    let mut forget = |pointer: &str| {
        if let Some(time) = document.pointer_mut(pointer) {
            *time = Value::Null;
        }
    };
    forget("/tags/timestamp");
    forget("/rateLimit/snapshotAt");
    forget("/rateLimit/retryAfterSeconds");
    for budget in document.pointer_mut("/rateLimit/budgets").and_then(Value::as_array_mut).into_iter().flatten() {
        budget["resetsAt"] = Value::Null;
    }
}
