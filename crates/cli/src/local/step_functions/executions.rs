//! Executions: started, run, stopped, remembered.

use super::arn::{MachineType, Status, execution_arn};
use super::history::History;
use super::journal::{Ended, Journal, JournalError, Started};
use super::records::{Historian, Records, insert, lock};
use super::refusal::Refusal;
use crate::local::clock::SystemClock;
use cost_sentry_asl::{End, Execution, StateMachine, Tasks};
use jiff::Timestamp;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

pub use super::records::Record;

/// The role that local executions say they run as.
pub const ROLE_ARN: &str = "arn:aws:iam::000000000000:role/cost-sentry";
/// Who is told of executions that end.
pub trait Report: Send + Sync {
    /// An execution has ended.
    fn ended(&self, record: &Record);
}

/// All executions of both state machines.
pub struct Executions<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Executions<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<T> {
    machine: StateMachine,
    definition: String,
    created_at: Timestamp,
    tasks: T,
    journal: Journal,
    report: Box<dyn Report>,
    express_twice: bool,
    records: Mutex<Records>,
    /// How many are running; a change wakes whoever waits for the end of all.
    running: watch::Sender<usize>,
    /// Whether this process is about to end: then no end is noted any more.
    leaving: Mutex<bool>,
}

/// What executions are made of.
pub struct Parts<'a, T> {
    /// The state machine.
    pub machine: StateMachine,
    /// Its text.
    pub definition: String,
    /// Its functions.
    pub tasks: T,
    /// The journal's file; nothing keeps it in memory.
    pub journal: Option<&'a Path>,
    /// Who is told of ends.
    pub report: Box<dyn Report>,
    /// Whether each asynchronous Express execution runs twice, as AWS may do.
    pub express_twice: bool,
}

impl<T: Tasks + Send + Sync + 'static> Executions<T> {
    /// Opens the journal and starts again what an earlier process left open; how many those are.
    pub fn open(parts: Parts<'_, T>) -> Result<(Self, usize), JournalError> {
        let (journal, left) = match parts.journal {
            Some(path) => Journal::open(path)?,
            None => (Journal::default(), Vec::new()),
        };
        let shared = Shared {
            machine: parts.machine,
            definition: parts.definition,
            created_at: Timestamp::now(),
            tasks: parts.tasks,
            journal,
            report: parts.report,
            express_twice: parts.express_twice,
            records: Mutex::default(),
            running: watch::Sender::new(0),
            leaving: Mutex::default(),
        };
        let executions = Self { shared: Arc::new(shared) };
        let mut resumed = 0;
        for (started, ended) in left {
            let is_open = ended.is_none();
            let record = executions.remember(started, ended);
            if is_open {
                resumed += 1;
                executions.spawn(&record);
            }
        }
        Ok((executions, resumed))
    }

    /// The state machine's text.
    pub fn definition(&self) -> &str {
        &self.shared.definition
    }

    /// When this process made the state machines.
    pub fn created_at(&self) -> Timestamp {
        self.shared.created_at
    }

    /// Starts an asynchronous execution, after it is noted. Standard names are idempotent while the same input runs.
    pub fn start(&self, machine: MachineType, name: Option<String>, input: String) -> Result<Record, Refusal> {
        let name = name.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let arn = execution_arn(machine, &name);
        let mut records = lock(&self.shared.records);
        if let Some(known) = records.by_arn.get(&arn) {
            let known = lock(known).clone();
            let same = known.started.input == input && known.status() == Status::Running;
            return if same { Ok(known) } else { Err(Refusal::execution_already_exists(&arn)) };
        }
        let started = Started { arn, name, machine, started_at: Timestamp::now(), input };
        self.shared.journal.started(&started).map_err(|error| Refusal::not_kept(format!("{error}: {}", error.source)))?;
        let record = insert(&mut records, started, None);
        drop(records);
        self.spawn(&record);
        if machine == MachineType::Express && self.shared.express_twice {
            self.spawn_shadow(&record);
        }
        let started = lock(&record).clone();
        Ok(started)
    }

    /// Runs an Express execution to its end. It is not noted: whoever asked for it is told, or has gone.
    pub async fn run(&self, name: Option<String>, input: String) -> Record {
        let name = name.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let arn = execution_arn(MachineType::Express, &name);
        let started = Started { arn, name, machine: MachineType::Express, started_at: Timestamp::now(), input };
        let record = Arc::new(Mutex::new(Record { started, ended: None, history: History::default(), abort: None }));
        // In a task of its own: a client that hangs up does not stop an execution that was started.
        let (executions, running) = (self.clone(), Arc::clone(&record));
        executions.count(1);
        let task = tokio::spawn(async move {
            let ended = executions.execute(&running).await;
            executions.close(&running, ended, false);
        });
        let _ = task.await;
        lock(&record).clone()
    }

    /// Stops an execution; when it stopped.
    pub fn stop(&self, arn: &str, error: Option<String>, cause: Option<String>) -> Result<Timestamp, Refusal> {
        let record = self.find(arn).ok_or_else(|| Refusal::execution_does_not_exist(arn))?;
        let now = Timestamp::now();
        let running = {
            let mut record = lock(&record);
            if let Some(ended) = &record.ended {
                return Ok(ended.stopped_at);
            }
            record.history.add_aborted(now, error.as_deref(), cause.as_deref());
            record.abort.take()
        };
        if let Some(abort) = running {
            abort.abort();
        }
        let ended = Ended { arn: arn.to_owned(), status: Status::Aborted, stopped_at: now, output: None, error, cause };
        self.close(&record, ended, true);
        Ok(now)
    }

    /// One execution as it stands.
    pub fn describe(&self, arn: &str) -> Result<Record, Refusal> {
        let record = self.find(arn).ok_or_else(|| Refusal::execution_does_not_exist(arn))?;
        let record = lock(&record).clone();
        Ok(record)
    }

    /// The Standard executions, the latest first.
    pub fn list(&self) -> Vec<Record> {
        let records = lock(&self.shared.records);
        let known = records.order.iter().rev().filter_map(|arn| records.by_arn.get(arn));
        known.map(|record| lock(record).clone()).filter(|record| record.started.machine == MachineType::Standard).collect()
    }

    /// Waits until nothing runs any more.
    pub async fn quiet(&self) {
        let mut running = self.shared.running.subscribe();
        let _ = running.wait_for(|count| *count == 0).await;
    }

    /// For a process that is about to end: from now on no end is noted, and what runs is left to the next process, which finds it open.
    /// Otherwise executions could fail for their functions' going first. How many run.
    pub fn leave(&self) -> usize {
        *lock(&self.shared.leaving) = true;
        *self.shared.running.borrow()
    }

    fn find(&self, arn: &str) -> Option<Arc<Mutex<Record>>> {
        lock(&self.shared.records).by_arn.get(arn).cloned()
    }

    fn remember(&self, started: Started, ended: Option<Ended>) -> Arc<Mutex<Record>> {
        insert(&mut lock(&self.shared.records), started, ended)
    }

    fn count(&self, change: isize) {
        self.shared.running.send_modify(|running| *running = running.saturating_add_signed(change));
    }

    fn spawn(&self, record: &Arc<Mutex<Record>>) {
        self.count(1);
        let (executions, running) = (self.clone(), Arc::clone(record));
        let task = tokio::spawn(async move {
            let ended = executions.execute(&running).await;
            executions.close(&running, ended, true);
        });
        let mut record = lock(record);
        if record.ended.is_none() {
            record.abort = Some(task.abort_handle());
        }
    }

    /// The second run of an asynchronous Express execution: the same id, and nobody hears of its end.
    fn spawn_shadow(&self, record: &Arc<Mutex<Record>>) {
        self.count(1);
        let started = lock(record).started.clone();
        let executions = self.clone();
        tokio::spawn(async move {
            let twin = Arc::new(Mutex::new(Record { started, ended: None, history: History::default(), abort: None }));
            let ended = executions.execute(&twin).await;
            executions.close(&twin, ended, false);
        });
    }

    async fn execute(&self, record: &Arc<Mutex<Record>>) -> Ended {
        let started = lock(record).started.clone();
        let execution = Execution {
            id: started.arn.clone(),
            name: started.name,
            start_time: started.started_at,
            state_machine_id: started.machine.machine_arn(),
            state_machine_name: started.machine.machine_name().to_owned(),
            role_arn: ROLE_ARN.to_owned(),
            redrive_count: 0,
        };
        let input: Value = serde_json::from_str(&started.input).unwrap_or_default();
        let historian = Historian(Arc::clone(record));
        let run = cost_sentry_asl::run(&self.shared.machine, &execution, input, &self.shared.tasks, &SystemClock, &historian);
        let end = Box::pin(run).await;
        let mut ended =
            Ended { arn: started.arn, status: Status::Succeeded, stopped_at: Timestamp::now(), output: None, error: None, cause: None };
        match end {
            End::Succeeded { output } => ended.output = Some(output.to_string()),
            End::Failed { error, cause } => {
                (ended.status, ended.error, ended.cause) = (Status::Failed, Some(error), Some(cause));
            }
            End::TimedOut => ended.status = Status::TimedOut,
        }
        ended
    }

    fn close(&self, record: &Mutex<Record>, ended: Ended, noted: bool) {
        let leaving = lock(&self.shared.leaving);
        if *leaving {
            return;
        }
        let closed = {
            let mut record = lock(record);
            if record.ended.is_some() {
                return;
            }
            if noted {
                // An end that could not be noted is found again as open, and repeated: the ledger makes that harmless.
                let _ = self.shared.journal.ended(&ended);
            }
            record.ended = Some(ended);
            record.abort = None;
            record.clone()
        };
        self.count(-1);
        drop(leaving);
        self.shared.report.ended(&closed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_machine;
    use cost_sentry_asl::TaskError;
    use tokio::sync::Notify;

    /// Functions that fail when they are told to, as they do when the process that they run in ends.
    #[derive(Default, Clone)]
    struct Failing {
        called: Arc<Notify>,
        fail: Arc<Notify>,
    }

    impl Tasks for Failing {
        async fn invoke(&self, _: &str, _: Value) -> Result<Value, TaskError> {
            self.called.notify_one();
            self.fail.notified().await;
            self.fail.notify_one();
            Err(TaskError { error: "InvalidRequest".to_owned(), cause: "{}".to_owned() })
        }
    }

    struct Nobody;

    impl Report for Nobody {
        fn ended(&self, _: &Record) {}
    }

    fn open(journal: &Path, tasks: &Failing) -> (Executions<Failing>, usize) {
        let (machine, definition) = (state_machine::local().unwrap(), state_machine::local_text());
        let (report, tasks) = (Box::new(Nobody), tasks.clone());
        Executions::open(Parts { machine, definition, tasks, journal: Some(journal), report, express_twice: false }).unwrap()
    }

    #[tokio::test]
    async fn what_fails_while_the_process_ends_is_left_open_for_the_next_one() {
        for leaves in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (journal, tasks) = (folder.path().join("executions.jsonl"), Failing::default());
            let (executions, _) = open(&journal, &tasks);
            let record = executions.start(MachineType::Standard, Some("slow".to_owned()), "{}".to_owned()).unwrap();
            tasks.called.notified().await;
            let task = lock(&executions.find(&record.started.arn).unwrap()).abort.clone().unwrap();
            if leaves {
                assert_eq!(executions.leave(), 1);
            }
            tasks.fail.notify_one();
            while !task.is_finished() {
                tokio::task::yield_now().await;
            }
            drop(executions);
            let (_, resumed) = open(&journal, &tasks);
            assert_eq!(resumed, usize::from(leaves));
        }
    }
}
