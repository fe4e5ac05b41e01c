//! The journal: asynchronous executions that were acknowledged, and how they ended, one JSON line each. What was acknowledged and has
//! not ended when the process dies starts again with the next one; the ledger makes the repeat harmless.

use super::arn::{MachineType, Status};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How many ended executions a new process still knows.
const ENDED_KEPT: usize = 1_000;

/// An execution that was acknowledged.
#[expect(clippy::struct_field_names, reason = "`startedAt` beside `stoppedAt`, as it is stored")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// On which state machine.
    pub machine: MachineType,
    /// When.
    pub started_at: Timestamp,
    /// Its input, as it was sent.
    pub input: String,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// Which.
    pub arn: String,
    /// How.
    pub status: Status,
    /// When.
    pub stopped_at: Timestamp,
    /// Its output, on success.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output: Option<String>,
    /// The error's name, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What happened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Started(Started),
    Ended(Ended),
}

/// The journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct JournalError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Where lines go; nowhere for a stack in memory.
#[derive(Debug, Default)]
pub struct Journal(Option<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    /// Whether the last line may have been written in part, on a full disk: the next one must not be glued to it.
    is_torn: bool,
}

/// What an earlier process left: each execution in the order of its start, with its end if it had one.
pub type Left = Vec<(Started, Option<Ended>)>;

impl Journal {
    /// Opens the journal and reads what an earlier process left. A last line that was cut off by a crash was never acknowledged.
    pub fn open(path: &Path) -> Result<(Self, Left), JournalError> {
        let failed = |source| JournalError { path: path.to_path_buf(), source };
        let left = match File::open(path) {
            Ok(file) => read(BufReader::new(file)).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let left = shortened(left);
        rewrite(path, &left).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok((Self(Some(Mutex::new(Open { path: path.to_path_buf(), file, is_torn: false }))), left))
    }

    /// Notes a start, before it is acknowledged.
    pub fn started(&self, started: &Started) -> Result<(), JournalError> {
        self.write(&Line::Started(started.clone()))
    }

    /// Notes an end.
    pub fn ended(&self, ended: &Ended) -> Result<(), JournalError> {
        self.write(&Line::Ended(ended.clone()))
    }

    fn write(&self, line: &Line) -> Result<(), JournalError> {
        let Some(journal) = &self.0 else { return Ok(()) };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_string(line).map_err(io::Error::from);
        let before = if journal.is_torn { "\n" } else { "" };
        let written = text.and_then(|text| journal.file.write_all(format!("{before}{text}\n").as_bytes()));
        journal.is_torn = written.is_err();
        written.map_err(|source| JournalError { path: journal.path.clone(), source })
    }
}

fn read(reader: impl BufRead) -> io::Result<Left> {
    let mut order = Vec::new();
    let mut known: BTreeMap<String, (Started, Option<Ended>)> = BTreeMap::new();
    // Bytes, since a torn line may end inside a character.
    for line in reader.split(b'\n') {
        match serde_json::from_slice(&line?) {
            Ok(Line::Started(started)) => {
                order.push(started.arn.clone());
                known.insert(started.arn.clone(), (started, None));
            }
            Ok(Line::Ended(ended)) => {
                if let Some((_, end)) = known.get_mut(&ended.arn) {
                    *end = Some(ended);
                }
            }
            Err(_) => {}
        }
    }
    Ok(order.iter().filter_map(|arn| known.remove(arn)).collect())
}

/// All that have not ended, and the latest of those that have.
fn shortened(left: Left) -> Left {
    let ended = left.iter().filter(|(_, end)| end.is_some()).count();
    let mut surplus = ended.saturating_sub(ENDED_KEPT);
    let keep = |(_, end): &(Started, Option<Ended>)| {
        let drop = end.is_some() && surplus > 0;
        surplus -= usize::from(drop);
        !drop
    };
    left.into_iter().filter(keep).collect()
}

/// Writes the journal anew beside the old one and puts it in its place, so that a crash leaves one or the other.
fn rewrite(path: &Path, left: &Left) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    for (started, ended) in left {
        writeln!(file, "{}", serde_json::to_string(&Line::Started(started.clone()))?)?;
        if let Some(ended) = ended {
            writeln!(file, "{}", serde_json::to_string(&Line::Ended(ended.clone()))?)?;
        }
    }
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(name: &str) -> Started {
        let arn = format!("arn:{name}");
        Started { arn, name: name.to_owned(), machine: MachineType::Standard, started_at: Timestamp::UNIX_EPOCH, input: "{}".to_owned() }
    }

    fn ended(name: &str) -> Ended {
        let (arn, stopped_at) = (format!("arn:{name}"), Timestamp::UNIX_EPOCH);
        Ended { arn, status: Status::Succeeded, stopped_at, output: Some("1".to_owned()), error: None, cause: None }
    }

    #[test]
    fn what_was_acknowledged_is_found_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("executions.jsonl");
        let (journal, left) = Journal::open(&path).unwrap();
        assert!(left.is_empty());
        journal.started(&started("a")).unwrap();
        journal.started(&started("b")).unwrap();
        journal.ended(&ended("a")).unwrap();
        drop(journal);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"started\":{\"arn\":\"\xc3").unwrap();
        let (_, left) = Journal::open(&path).unwrap();
        assert_eq!(left, [(started("a"), Some(ended("a"))), (started("b"), None)]);
    }

    #[test]
    fn only_the_latest_ended_executions_are_kept_and_all_open_ones() {
        let many: Left = (0..ENDED_KEPT + 5).map(|i| (started(&i.to_string()), (i > 0).then(|| ended(&i.to_string())))).collect();
        let kept = shortened(many);
        assert_eq!(kept.len(), ENDED_KEPT + 1);
        assert_eq!((kept[0].0.name.as_str(), kept[1].0.name.as_str()), ("0", "5"));
    }
}
