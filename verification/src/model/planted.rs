//! Bugs that the model can be given, to see that it finds them. They are planted in what the model puts around the shipped steps:
//! the store and the answers. The steps and `core`'s decisions run as they ship.

use super::exchange::Answer;
use super::functions::TaskResult;
use cost_sentry_core::price::Usage;
use cost_sentry_core::reservation::{Reservation, State, Step};
use cost_sentry_workflow::ports::{Created, Written};
use serde_json::{Value, json};

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// The result of an invocation that lost the claim names the winner's claim, so that `RecordMetrics` settles the winner's reservation.
    LoserSettles,
    /// A claimed reservation is shown to `RecordMetrics` as held, so that a release without a claim takes it.
    ReleaseWithoutClaim,
    /// The sweep's writes are not conditional on the version that it decided on.
    SweepWithoutVersion,
    /// A settlement that is already stored moves the counters once more when it arrives again.
    SettleTwice,
    /// The hash of the stored request is not compared.
    ClaimWithoutHash,
    /// A transaction that others were in the way of counts as refused by its counters.
    ConflictIsRefusal,
    /// A call of unknown fate is reported as not processed, so that it is unclaimed and sent again.
    UnclaimAfterUncertainSend,
    /// A denial is not stored.
    DenialNotRecorded,
}

impl Bug {
    /// All of them, each with the name that the command line knows.
    pub const ALL: [(&'static str, Self); 8] = [
        ("loser-settles", Self::LoserSettles),
        ("release-without-claim", Self::ReleaseWithoutClaim),
        ("sweep-without-version", Self::SweepWithoutVersion),
        ("settle-twice", Self::SettleTwice),
        ("claim-without-hash", Self::ClaimWithoutHash),
        ("conflict-is-refusal", Self::ConflictIsRefusal),
        ("unclaim-after-uncertain-send", Self::UnclaimAfterUncertainSend),
        ("denial-not-recorded", Self::DenialNotRecorded),
    ];

    /// The bug of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, bug)| bug)
    }
}

/// What a stored reservation, found, is shown as.
pub fn shown(bug: Option<Bug>, stored: Reservation) -> Reservation {
    if bug == Some(Bug::ReleaseWithoutClaim) && stored.state == State::Claimed {
        return Reservation { state: State::Held, claim_id: None, ..stored };
    }
    stored
}

/// What creating a reservation is answered with.
pub fn created(bug: Option<Bug>, asked: &Reservation, created: Created) -> Created {
    match created {
        Created::Exists(mut stored) if bug == Some(Bug::ClaimWithoutHash) => {
            stored.request_hash.clone_from(&asked.request_hash);
            Created::Exists(stored)
        }
        created => created,
    }
}

/// The version that a write depends on.
pub fn version(bug: Option<Bug>, asked: u64, stored: Option<&Reservation>, sweeping: bool) -> u64 {
    match stored {
        Some(stored) if sweeping && bug == Some(Bug::SweepWithoutVersion) => stored.version,
        _ => asked,
    }
}

/// What a write is answered with, and whether it moves the counters although its condition failed.
pub fn written(bug: Option<Bug>, step: &Step, written: Written) -> (Answer, bool) {
    let again = step.next.state == State::Settled && matches!(&written, Written::Changed(Some(stored)) if **stored == step.next);
    if bug == Some(Bug::SettleTwice) && again {
        return (Answer::Written(Written::Written), true);
    }
    (Answer::Written(written), false)
}

/// What an invocation of `InvokeModel` returns.
pub fn returned(bug: Option<Bug>, last: Option<&Answer>, mut result: TaskResult) -> TaskResult {
    if let (Some(Bug::LoserSettles), Some(Answer::Written(Written::Changed(Some(winner)))), Ok(document)) = (bug, last, &mut result)
        && document.get("decision").and_then(Value::as_str) == Some("DUPLICATE")
        && let Some(record) = document.get_mut("record").and_then(Value::as_object_mut)
    {
        record.insert("pending".to_owned(), json!({ "claimId": winner.claim_id, "call": { "answered": { "usage": Usage::default() } } }));
    }
    result
}
