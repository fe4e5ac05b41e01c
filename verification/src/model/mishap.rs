//! What can happen in the model: to whom, and what can go wrong with it.

use super::exchange::Request;
use super::functions::{Function, SweepClock};
use super::intern::Interned;
use super::unfolding::Point;
use cost_sentry_workflow::ports::CallFailed;

/// What one thing at a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// An execution, the first or the second of the id.
    Run(usize),
    /// Something loose, by its place in the order.
    Loose(usize),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The actor's request arrives, and is answered.
    Answered,
    /// Something goes wrong with it.
    Mishap(Mishap),
}

/// What can go wrong; each counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// No answer in time; the request may arrive at any later time, or never.
    NoAnswer,
    /// The request is sent once more; the copy may arrive at any other time, or never.
    Doubled,
    /// Other transactions are in the way for too long.
    Conflict,
    /// The workflow gives the function up with this error; the function may go on, stay where it is, or finish.
    GivenUp(&'static str),
    /// The function is never started.
    NotStarted,
    /// The execution runs out of time; the function may go on.
    OutOfTime,
    /// The execution runs out of time and is redriven 14 days later; the function may go on.
    Redriven,
    /// The call fails like this; whether it was processed is as the failure says.
    CallFails(CallFailed),
    /// The answer does not say what it used.
    NoUsage,
    /// The call uses more than was held.
    Excess,
    /// CloudWatch does not take the metrics.
    NoMetrics,
}

/// A step of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Something happens to an actor's request, at a place.
    Happens(usize, Actor, Happening),
    /// A second execution of the id starts, with the same input or another, and reads its counters.
    SecondExecution(usize, bool),
    /// A sweep finds the reservation, by a clock that is ahead.
    Sweep(usize, SweepClock),
}

/// What can happen to the request of an execution.
pub(super) fn run_actions(at: usize, n: usize, point: &Interned<Point>, may_go_wrong: bool, actions: &mut Vec<Action>) {
    let mut add = |happening| actions.push(Action::Happens(at, Actor::Run(n), happening));
    add(Happening::Answered);
    if !may_go_wrong {
        return;
    }
    for mishap in request_mishaps(&point.asks) {
        add(Happening::Mishap(*mishap));
    }
    let invocation = &point.position.invocation;
    // InvokeModel is not started again after either error; one stands for both.
    let errors: &[&str] =
        if invocation.function == Function::Step(2) { &["States.Timeout"] } else { &["States.Timeout", "Lambda.ServiceException"] };
    for error in errors {
        add(Happening::Mishap(Mishap::GivenUp(error)));
    }
    if point.is_first() {
        add(Happening::Mishap(Mishap::NotStarted));
    }
    add(Happening::Mishap(Mishap::OutOfTime));
    if !invocation.who.redriven {
        add(Happening::Mishap(Mishap::Redriven));
    }
}

/// What can go wrong with a request itself.
pub(super) fn request_mishaps(request: &Request) -> &'static [Mishap] {
    match request {
        Request::Figures(_) | Request::Find | Request::LeasesPast(_) => &[Mishap::NoAnswer],
        Request::Create(_) | Request::Write(..) => &[Mishap::NoAnswer, Mishap::Doubled, Mishap::Conflict],
        Request::Converse => &[
            Mishap::CallFails(CallFailed::Throttled),
            Mishap::CallFails(CallFailed::Rejected),
            Mishap::CallFails(CallFailed::TimedOut),
            Mishap::NoUsage,
            Mishap::Excess,
        ],
        Request::PutMetrics => &[Mishap::NoMetrics],
    }
}
