//! Where a state machine plays: virtual time, functions that answer as the input's chance has it, and a poll by hand.

use crate::input::Chance;
use cost_sentry_asl::{Clock, Event, EventKind, Execution, Observer, TaskError, Tasks};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Errors that functions end with: those that retriers and catchers name, and some that none does.
const ERRORS: [&str; 6] =
    ["ModelThrottled", "LedgerUnavailable", "ContractViolation", "Lambda.TooManyRequestsException", "States.TaskFailed", "Custom"];

/// The stage.
pub struct Stage {
    state: Mutex<State>,
    began: Timestamp,
}

struct State {
    chance: Chance,
    now: Duration,
    /// When each sleeper wakes, by number.
    sleepers: BTreeMap<u64, Duration>,
    slept: u64,
    /// How many events were told, and the last one.
    events: u64,
    last: Option<EventKind>,
}

/// A sleep of virtual time.
struct Sleep<'a> {
    stage: &'a Stage,
    number: u64,
    until: Duration,
}

impl Stage {
    /// A stage on which the input decides.
    pub fn new(chance: Chance, began: Timestamp) -> Self {
        let state = State { chance, now: Duration::ZERO, sleepers: BTreeMap::new(), slept: 0, events: 0, last: None };
        Self { state: Mutex::new(state), began }
    }

    /// Plays to the end, waking the next sleeper whenever nothing else moves; nothing where nobody sleeps and nothing moves.
    pub fn play<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(output);
            }
            let mut state = self.state.lock().unwrap();
            state.now = *state.sleepers.values().min()?;
        }
    }

    /// How many events were told, and the last of them.
    pub fn history(&self) -> (u64, Option<EventKind>) {
        let state = self.state.lock().unwrap();
        (state.events, state.last.clone())
    }
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.stage.state.lock().unwrap().now >= self.until { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.stage.state.lock().unwrap().sleepers.remove(&self.number);
    }
}

impl Clock for Stage {
    fn now(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.state.lock().unwrap().now).unwrap_or(SignedDuration::MAX);
        self.began.saturating_add(since).unwrap_or(Timestamp::MAX)
    }

    async fn sleep(&self, duration: Duration) {
        let sleep = {
            let mut state = self.state.lock().unwrap();
            state.slept += 1;
            let (number, until) = (state.slept, state.now.saturating_add(duration));
            state.sleepers.insert(number, until);
            Sleep { stage: self, number, until }
        };
        sleep.await;
    }

    fn fraction(&self) -> f64 {
        [0.0, 0.5, 0.999_999, -1.0, f64::NAN, 2.0][self.state.lock().unwrap().chance.below(6)]
    }
}

impl Tasks for Stage {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        assert!(!resource.is_empty());
        let choice = self.state.lock().unwrap().chance.below(8);
        let error = |error: &str, cause: String| Err(TaskError { error: error.to_owned(), cause });
        match choice {
            0 => {
                let name = { *self.state.lock().unwrap().chance.one(&ERRORS) };
                error(name, r#"{"errorMessage":"x"}"#.to_owned())
            }
            1 => error(&"E".repeat(300), "é".repeat(40_000)),
            2 => std::future::pending().await,
            3 => Ok(json!({ "valid": false, "decision": "DENIED", "outcome": "RATE_LIMIT_DENIED", "cause": "because" })),
            4 => Ok(json!({ "valid": true, "decision": "APPROVED", "outcome": "INVOCATION_SUCCEEDED" })),
            5 => Ok(json!(null)),
            _ => Ok(input),
        }
    }
}

impl Observer for Stage {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap();
        state.events += 1;
        state.last = Some(event.kind.clone());
    }
}

/// An execution of any machine.
pub fn execution(start_time: Timestamp) -> Execution {
    Execution {
        id: "arn:aws:states:us-east-1:123456789012:execution:flow:run-1".into(),
        name: "run-1".into(),
        start_time,
        state_machine_id: "arn:aws:states:us-east-1:123456789012:stateMachine:flow".into(),
        state_machine_name: "flow".into(),
        role_arn: "arn:aws:iam::123456789012:role/flow".into(),
        redrive_count: 0,
    }
}
