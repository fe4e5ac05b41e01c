//! Virtual time on one thread: tasks are polled one at a time, which one is chance's choice, and the clock jumps to the next timer when
//! nobody can go on.
//!
//! Of its own rather than a runtime's: a paused runtime replays too, but its queue is first in, first out, and its timers count
//! milliseconds; here every order that real concurrency could show can come up, and the seed alone decides which.

use super::chance::Chance;
use super::trace::Trace;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::sync::oneshot;

/// A task's number, in the order of their beginnings.
pub type TaskId = u64;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tasks, their timers and their clock. Clones share them.
#[derive(Clone)]
pub struct Executor {
    state: Arc<Mutex<State>>,
    ready: Arc<Mutex<Vec<TaskId>>>,
    chance: Chance,
    trace: Trace,
}

#[derive(Default)]
struct State {
    now: Duration,
    tasks: BTreeMap<TaskId, Option<Task>>,
    timers: BTreeMap<(Duration, u64), Waker>,
    began: u64,
    timed: u64,
    current: Option<TaskId>,
    killed: BTreeSet<TaskId>,
}

/// Puts its task among the runnable.
struct Alarm {
    task: TaskId,
    ready: Arc<Mutex<Vec<TaskId>>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let mut ready = lock(&self.ready);
        if !ready.contains(&self.task) {
            ready.push(self.task);
        }
    }
}

/// What a mutex holds: no task's panic goes on past the world that it ends.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor {
    /// Nothing to do yet, at time zero.
    pub fn new(chance: Chance, trace: Trace) -> Self {
        Self { state: Arc::default(), ready: Arc::default(), chance, trace }
    }

    /// The time since the world began.
    pub fn now(&self) -> Duration {
        lock(&self.state).now
    }

    /// The task that is being polled.
    pub fn current(&self) -> Option<TaskId> {
        lock(&self.state).current
    }

    /// Begins a task. Its result comes through the receiver; an error there means that the task was killed.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> (TaskId, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        let task: Task = Box::pin(async move {
            // Nobody may be waiting any more: a caller that ran out of time.
            let _ = sender.send(future.await);
        });
        let mut state = lock(&self.state);
        state.began += 1;
        let id = state.began;
        state.tasks.insert(id, Some(task));
        lock(&self.ready).push(id);
        (id, receiver)
    }

    /// Ends a task where it is: at once, or as soon as it waits, if it is the one that asks.
    pub fn kill(&self, id: TaskId) {
        let mut state = lock(&self.state);
        let killed = if state.current == Some(id) {
            state.killed.insert(id);
            None
        } else {
            state.tasks.remove(&id)
        };
        // What a task leaves behind may look at the clock again.
        drop(state);
        drop(killed);
    }

    /// Waits so long.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep { executor: self.clone(), duration, key: None }
    }

    /// Lets others go first, if chance says so.
    pub async fn yield_now(&self) {
        self.sleep(Duration::ZERO).await;
    }

    /// Polls tasks until `done` says that it is enough, or nothing is left to do.
    pub fn run(&self, done: impl Fn() -> bool) {
        while !done() {
            let Some(id) = self.next() else { return };
            let taken = {
                let mut state = lock(&self.state);
                let taken = state.tasks.get_mut(&id).and_then(Option::take);
                state.current = taken.is_some().then_some(id);
                self.trace.mix(&[id, u64::try_from(state.now.as_nanos()).unwrap_or(u64::MAX)]);
                taken
            };
            let Some(mut task) = taken else { continue };
            let waker = Waker::from(Arc::new(Alarm { task: id, ready: Arc::clone(&self.ready) }));
            let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
            let mut state = lock(&self.state);
            state.current = None;
            if polled.is_pending() && !state.killed.remove(&id) {
                state.tasks.insert(id, Some(task));
            } else {
                state.tasks.remove(&id);
                drop(state);
                drop(task);
            }
        }
    }

    /// Drops every task, so that nothing keeps the world alive.
    pub fn clear(&self) {
        let mut state = lock(&self.state);
        let (tasks, timers) = (std::mem::take(&mut state.tasks), std::mem::take(&mut state.timers));
        drop(state);
        drop((tasks, timers));
    }

    /// One of the runnable, or of those that the next timer wakes.
    fn next(&self) -> Option<TaskId> {
        loop {
            {
                let mut ready = lock(&self.ready);
                if !ready.is_empty() {
                    let chosen = self.chance.index(ready.len());
                    return Some(ready.swap_remove(chosen));
                }
            }
            let due: Vec<Waker> = {
                let mut state = lock(&self.state);
                let at = state.timers.keys().next()?.0;
                state.now = at;
                let later = state.timers.split_off(&(at, u64::MAX));
                std::mem::replace(&mut state.timers, later).into_values().collect()
            };
            due.into_iter().for_each(Waker::wake);
        }
    }
}

/// A wait; see [`Executor::sleep`].
pub struct Sleep {
    executor: Executor,
    duration: Duration,
    key: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let executor = self.executor.clone();
        let mut state = lock(&executor.state);
        let key = match self.key {
            None => {
                state.timed += 1;
                let key = (state.now.saturating_add(self.duration), state.timed);
                self.key = Some(key);
                key
            }
            // The timer is taken out when its time has come.
            Some(key) if key.0 <= state.now && !state.timers.contains_key(&key) => return Poll::Ready(()),
            Some(key) => key,
        };
        state.timers.insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let removed = lock(&self.executor.state).timers.remove(&key);
            drop(removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ten tasks of three waits each make of one seed.
    fn order(seed: u64) -> Vec<u64> {
        let executor = Executor::new(Chance::new(seed), Trace::default());
        let went: Arc<Mutex<Vec<u64>>> = Arc::default();
        for task in 0..10 {
            let (went, own) = (Arc::clone(&went), executor.clone());
            drop(executor.spawn(async move {
                for _ in 0..3 {
                    own.sleep(Duration::from_secs(1)).await;
                    lock(&went).push(task);
                }
            }));
        }
        executor.run(|| false);
        assert_eq!(executor.now(), Duration::from_secs(3));
        std::mem::take(&mut *lock(&went))
    }

    #[test]
    fn a_seed_decides_who_goes_first() {
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
    }

    #[test]
    fn a_killed_task_goes_no_further_and_says_so() {
        let executor = Executor::new(Chance::new(1), Trace::default());
        let own = executor.clone();
        let (id, mut receiver) = executor.spawn(async move { own.sleep(Duration::from_secs(5)).await });
        let killer = executor.clone();
        drop(executor.spawn(async move {
            killer.sleep(Duration::from_secs(1)).await;
            killer.kill(id);
        }));
        executor.run(|| false);
        assert_eq!(executor.now(), Duration::from_secs(1));
        assert_eq!(receiver.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
