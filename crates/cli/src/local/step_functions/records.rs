//! What is remembered of executions.

use super::arn::Status;
use super::executions::ROLE_ARN;
use super::history::History;
use super::journal::{Ended, Started};
use cost_sentry_asl::{Event, Observer};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// How many executions are remembered; beyond that the oldest that have ended are forgotten.
const KEPT: usize = 2_000;

/// What is remembered.
#[derive(Default)]
pub(super) struct Records {
    pub by_arn: BTreeMap<String, Arc<Mutex<Record>>>,
    pub order: VecDeque<String>,
}

/// One execution.
#[derive(Debug, Clone)]
pub struct Record {
    /// How it was started.
    pub started: Started,
    /// How it ended; nothing while it runs.
    pub ended: Option<Ended>,
    /// Its history.
    pub(super) history: History,
    /// Stops it.
    pub(super) abort: Option<AbortHandle>,
}

impl Record {
    /// How it stands.
    pub fn status(&self) -> Status {
        self.ended.as_ref().map_or(Status::Running, |ended| ended.status)
    }
}

/// Notes an execution's history as it happens.
pub(super) struct Historian(pub Arc<Mutex<Record>>);

impl Observer for Historian {
    fn event(&self, event: &Event) {
        let mut record = lock(&self.0);
        let Record { history, started, .. } = &mut *record;
        history.add(event, &started.input, ROLE_ARN);
    }
}

/// A poisoned record is still the record.
pub(super) fn lock<R>(record: &Mutex<R>) -> MutexGuard<'_, R> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers an execution, and forgets the oldest that have ended where there are too many.
pub(super) fn insert(records: &mut Records, started: Started, ended: Option<Ended>) -> Arc<Mutex<Record>> {
    let arn = started.arn.clone();
    let record = Arc::new(Mutex::new(Record { started, ended, history: History::default(), abort: None }));
    records.by_arn.insert(arn.clone(), Arc::clone(&record));
    records.order.push_back(arn);
    while records.order.len() > KEPT {
        let Some(oldest) = records.order.front() else { break };
        let is_open = records.by_arn.get(oldest).is_some_and(|record| lock(record).ended.is_none());
        if is_open {
            break;
        }
        if let Some(oldest) = records.order.pop_front() {
            records.by_arn.remove(&oldest);
        }
    }
    record
}
