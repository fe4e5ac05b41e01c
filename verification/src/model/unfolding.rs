//! Invocations and workflows, unfolded request by request; each point that any of them can be at exists once.

use super::exchange::{Answer, Request};
use super::functions::{Function, Functions, Invocation, Reached, SweepClock, TaskResult, Who, task_error};
use super::intern::{Interned, Interner, Memo};
use super::planted::{self, Bug};
use super::stage::Stage;
use cost_sentry_asl::End;
use serde_json::Value;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

/// An invocation, and the results of the workflow's tasks before it.
#[derive(Debug)]
pub struct Position {
    /// The invocation.
    pub invocation: Invocation,
    results: Vec<TaskResult>,
}

/// A point in an invocation: it waits for an answer.
#[derive(Debug)]
pub struct Point {
    /// Where in the workflow.
    pub position: Interned<Position>,
    answers: Vec<Interned<Answer>>,
    /// What it waits for.
    pub asks: Interned<Request>,
}

impl Point {
    /// Whether the invocation has not been answered anything yet.
    pub fn is_first(&self) -> bool {
        self.answers.is_empty()
    }
}

/// Where an execution is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Run {
    /// In an invocation.
    At(Interned<Point>),
    /// At its end.
    Ended(Interned<Ending>),
}

/// How an execution ended.
#[derive(Debug)]
pub struct Ending {
    /// `success`, the error's name in the document, or what else there is to say.
    pub word: String,
    /// The client was told that no money was spent.
    pub told_unspent: bool,
}

/// How far an answer takes an invocation.
#[derive(Debug, Clone)]
pub enum Advanced {
    /// It waits for the next one.
    At(Interned<Point>),
    /// It returned.
    Returned(Interned<TaskResult>),
}

/// All points.
pub struct Unfolding {
    bug: Option<Bug>,
    functions: Mutex<Functions>,
    requests: Interner<Request>,
    positions: Interner<Position>,
    points: Interner<Point>,
    results: Interner<TaskResult>,
    endings: Interner<Ending>,
    advanced: Memo<(u32, u32), Advanced>,
    resumed: Memo<(u32, u32), Run>,
    redriven: Memo<u32, Run>,
}

impl Unfolding {
    /// Over the functions of this stage, with this bug.
    pub fn new(stage: Arc<Stage>, bug: Option<Bug>) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            bug,
            functions: Mutex::new(Functions::new(stage)?),
            requests: Interner::default(),
            positions: Interner::default(),
            points: Interner::default(),
            results: Interner::default(),
            endings: Interner::default(),
            advanced: Memo::default(),
            resumed: Memo::default(),
            redriven: Memo::default(),
        })
    }

    /// How many points were reached.
    pub fn points(&self) -> usize {
        self.points.count()
    }

    /// An execution's start.
    pub fn start(&self, who: Who) -> Run {
        self.workflow(who, Vec::new())
    }

    /// The start of a sweep.
    pub fn sweep(&self, who: Who, clock: SweepClock) -> Advanced {
        self.enter(Invocation { who, function: Function::Sweep(clock), input: Value::Null, attempt: 0 }, Vec::new())
    }

    /// Where an answer takes an invocation.
    pub fn advance(&self, point: &Interned<Point>, answer: &Interned<Answer>) -> Advanced {
        self.advanced.get((point.number(), answer.number()), || {
            let mut answers = point.answers.clone();
            answers.push(answer.clone());
            self.replay(&point.position, answers)
        })
    }

    /// Where a task's result takes its workflow.
    pub fn resume(&self, position: &Interned<Position>, result: &Interned<TaskResult>) -> Run {
        self.resumed.get((position.number(), result.number()), || {
            let results = position.results.iter().chain([&**result]).cloned().collect();
            self.workflow(position.invocation.who, results)
        })
    }

    /// Where an error of a task that still runs, or never did, takes its workflow.
    pub fn fail(&self, position: &Interned<Position>, error: &str) -> Run {
        self.resume(position, &self.result(Err(task_error(error))))
    }

    /// The same invocation in an execution that is redriven much later.
    pub fn redrive(&self, position: &Interned<Position>) -> Run {
        self.redriven.get(position.number(), || {
            let mut invocation = position.invocation.clone();
            invocation.who.redriven = true;
            self.go_on(invocation, position.results.clone())
        })
    }

    /// The end of an execution that ran out of time.
    pub fn timed_out(&self) -> Run {
        self.ended(End::TimedOut)
    }

    fn result(&self, result: TaskResult) -> Interned<TaskResult> {
        self.results.intern(format!("{result:?}"), || result)
    }

    fn workflow(&self, who: Who, results: Vec<TaskResult>) -> Run {
        let reached = self.functions.lock().unwrap_or_else(PoisonError::into_inner).workflow(who, &results);
        match reached {
            Reached::Asks(invocation) => self.go_on(invocation, results),
            Reached::Ends(end) => self.ended(end),
        }
    }

    fn go_on(&self, invocation: Invocation, results: Vec<TaskResult>) -> Run {
        let who = invocation.who;
        match self.enter(invocation, results.clone()) {
            Advanced::At(point) => Run::At(point),
            Advanced::Returned(result) => {
                let results = results.into_iter().chain([(*result).clone()]).collect();
                self.workflow(who, results)
            }
        }
    }

    fn enter(&self, invocation: Invocation, results: Vec<TaskResult>) -> Advanced {
        // The results before are in the input, as far as they matter.
        let Invocation { who, function, input, attempt } = &invocation;
        let key = format!("{who:?} {function:?} {attempt} {input}");
        let position = self.positions.intern(key, || Position { invocation, results });
        self.replay(&position, Vec::new())
    }

    fn replay(&self, position: &Interned<Position>, answers: Vec<Interned<Answer>>) -> Advanced {
        let given = answers.iter().map(|answer| Arc::new((**answer).clone())).collect();
        let reached = self.functions.lock().unwrap_or_else(PoisonError::into_inner).run(&position.invocation, given);
        match reached {
            Reached::Asks(request) => {
                let asks = self.requests.intern(format!("{request:?}"), || request);
                let numbers: Vec<u32> = answers.iter().map(Interned::number).collect();
                let key = format!("{} {numbers:?}", position.number());
                Advanced::At(self.points.intern(key, || Point { position: position.clone(), answers, asks }))
            }
            Reached::Ends(result) if position.invocation.function == Function::Step(2) => {
                Advanced::Returned(self.result(planted::returned(self.bug, answers.last().map(|answer| &**answer), result)))
            }
            Reached::Ends(result) => Advanced::Returned(self.result(result)),
        }
    }

    fn ended(&self, end: End) -> Run {
        let ending = match end {
            End::Succeeded { .. } => Ending { word: "success".to_owned(), told_unspent: false },
            End::TimedOut => Ending { word: "out of time".to_owned(), told_unspent: false },
            End::Failed { error, cause } => {
                let document: Value = serde_json::from_str(&cause).unwrap_or_default();
                let name = document.pointer("/error/name").and_then(Value::as_str).unwrap_or(&error);
                let spent = document.pointer("/error/moneyMayHaveBeenSpent").and_then(Value::as_bool);
                Ending { word: name.to_owned(), told_unspent: spent == Some(false) || error == "RateLimitDenied" }
            }
        };
        Run::Ended(self.endings.intern(format!("{ending:?}"), || ending))
    }
}
