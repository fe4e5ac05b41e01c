//! Where the tests play: scripted functions, a virtual clock that jumps to the next timer, a recorded history.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use cost_sentry_asl::{Clock, End, Event, EventKind, Execution, Observer, StateMachine, TaskError, Tasks, run};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

pub const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:work";

/// What a call of a function does.
pub struct Answer {
    after: Duration,
    result: Result<Value, TaskError>,
}

pub fn ok(value: Value) -> Answer {
    Answer { after: Duration::ZERO, result: Ok(value) }
}

pub fn fails(error: &str) -> Answer {
    fails_with(error, "because")
}

pub fn fails_with(error: &str, cause: &str) -> Answer {
    Answer { after: Duration::ZERO, result: Err(TaskError { error: error.into(), cause: cause.into() }) }
}

impl Answer {
    pub fn after(self, seconds: u64) -> Answer {
        Answer { after: Duration::from_secs(seconds), ..self }
    }
}

pub struct Stage {
    began: Instant,
    fraction: f64,
    answers: Mutex<VecDeque<Answer>>,
    calls: Mutex<Vec<Value>>,
    events: Mutex<Vec<Event>>,
}

/// What was seen of an execution.
pub struct Play {
    pub end: End,
    /// The payloads that functions got, in order.
    pub calls: Vec<Value>,
    pub events: Vec<Event>,
}

pub fn machine(definition: &Value) -> StateMachine {
    StateMachine::parse(&definition.to_string()).unwrap()
}

/// A machine of one Task with `fields` on top, whose catchers may lead to `Caught`.
pub fn task(fields: &Value) -> StateMachine {
    let mut states = json!({ "Work": { "Type": "Task", "Resource": ARN, "End": true } });
    for (key, value) in fields.as_object().unwrap() {
        states["Work"][key] = value.clone();
    }
    if fields.get("Catch").is_some() {
        states["Caught"] = json!({ "Type": "Succeed" });
    }
    machine(&json!({ "StartAt": "Work", "States": states }))
}

pub fn execution() -> Execution {
    Execution {
        id: "arn:aws:states:us-east-1:123456789012:execution:flow:run-1".into(),
        name: "run-1".into(),
        start_time: "2026-11-20T09:08:07.006005Z".parse().unwrap(),
        state_machine_id: "arn:aws:states:us-east-1:123456789012:stateMachine:flow".into(),
        state_machine_name: "flow".into(),
        role_arn: "arn:aws:iam::123456789012:role/flow".into(),
        redrive_count: 2,
    }
}

pub fn play(machine: &StateMachine, input: Value, answers: impl IntoIterator<Item = Answer>) -> Play {
    play_with_chance(0.0, machine, input, answers)
}

pub fn play_with_chance(fraction: f64, machine: &StateMachine, input: Value, answers: impl IntoIterator<Item = Answer>) -> Play {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let stage = Stage {
            began: Instant::now(),
            fraction,
            answers: Mutex::new(answers.into_iter().collect()),
            calls: Mutex::default(),
            events: Mutex::default(),
        };
        let end = run(machine, &execution(), input, &stage, &stage, &stage).await;
        Play { end, calls: stage.calls.into_inner().unwrap(), events: stage.events.into_inner().unwrap() }
    })
}

impl Tasks for Stage {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        assert_eq!(resource, ARN);
        self.calls.lock().unwrap().push(input);
        let answer = self.answers.lock().unwrap().pop_front().expect("a call that the test does not expect");
        tokio::time::sleep(answer.after).await;
        answer.result
    }
}

impl Clock for Stage {
    fn now(&self) -> Timestamp {
        execution().start_time + SignedDuration::try_from(self.began.elapsed()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn fraction(&self) -> f64 {
        self.fraction
    }
}

impl Observer for Stage {
    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }
}

impl Play {
    /// The seconds before each retry.
    pub fn delays(&self) -> Vec<f64> {
        let delay = |event: &Event| match event.kind {
            EventKind::RetryScheduled { delay, .. } => Some(delay.as_secs_f64()),
            _ => None,
        };
        self.events.iter().filter_map(delay).collect()
    }

    /// The history, a line an event: seconds since the start, and what happened.
    pub fn transcript(&self) -> String {
        let mut text = String::new();
        for event in &self.events {
            let seconds = event.at.duration_since(execution().start_time).as_secs_f64();
            writeln!(text, "{seconds} {:?}", event.kind).unwrap();
        }
        text
    }

    pub fn output(&self) -> &Value {
        let End::Succeeded { output } = &self.end else { panic!("{:?}", self.end) };
        output
    }

    pub fn failure(&self) -> (&str, &str) {
        let End::Failed { error, cause } = &self.end else { panic!("{:?}", self.end) };
        (error, cause)
    }
}
