//! Every time-out in one table. They nest: a ledger request < a transition, and all that a step may do one after the other < function <
//! task < execution < lease. A test holds the state machine and the functions' template against this table.

use jiff::{SignedDuration, Timestamp};

/// The longest that one call of the model may take, in seconds.
pub const CONVERSE: u32 = 180;
/// The longest that Bedrock may take to count a request's tokens, in seconds.
pub const COUNT_TOKENS: u32 = 3;
/// How long the ledger's client may take for one request, its own retries included, in seconds. One attempt of it has half of that.
pub const LEDGER_REQUEST: u32 = 4;
/// How long one transition may take on the ledger, in seconds: its requests, whatever they are in the way of, and the waits between them.
pub const LEDGER_TRANSITION: u32 = 5;
/// How long the shadow counters of one transition may take, in seconds; what is late is left out.
pub const SHADOW: u32 = 1;
/// How long the policy's document may take to read, in seconds; the pointer to it is one ledger request.
pub const POLICY_DOCUMENT: u32 = 4;
/// How long metrics may take to deliver, the client's retries included, in seconds.
pub const METRICS: u32 = 3;

/// The time-outs of one step, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTimeOuts {
    /// The Lambda function's own.
    pub function: u32,
    /// The state machine's for the task.
    pub task: u32,
}

/// `ValidateAndSetContext`.
pub const VALIDATE_AND_SET_CONTEXT: StepTimeOuts = StepTimeOuts { function: 10, task: 12 };
/// `CheckRateLimit`: the policy, two attempts with the counting of tokens between them, and the record of a refusal.
pub const CHECK_RATE_LIMIT: StepTimeOuts = StepTimeOuts { function: 27, task: 29 };
/// `InvokeModel`: the call, and the ledger before and after it.
pub const INVOKE_MODEL: StepTimeOuts = StepTimeOuts { function: 200, task: 205 };
/// `RecordMetrics`.
pub const RECORD_METRICS: StepTimeOuts = StepTimeOuts { function: 10, task: 12 };

/// How often `SweepReservations` runs, in seconds.
pub const SWEEP_INTERVAL: u32 = 60;
/// `SweepReservations`, the function's own, in seconds: one sweep ends before the next begins.
pub const SWEEP: u32 = 55;
/// How long a sweep goes on to begin with another page or another reservation, in seconds; the next run takes what is left.
pub const SWEEP_BEGINS: u32 = 40;

/// The longest that `RecordMetrics` may take with its retries and the waits between them, in seconds.
pub const RECORD_METRICS_WITH_RETRIES: u32 = 39;
/// The execution's, in seconds: an Express execution ends at 300 by itself, and runs no Catch then.
pub const EXECUTION: u32 = 295;
/// How long a hold or a claim stands before the sweep may end it, in seconds.
pub const LEASE: u32 = 330;
/// How far the clocks of functions may disagree, in seconds: what the sweep waits beyond a lease.
pub const SKEW: u32 = 60;

/// What must remain before the deadline for a hold or a claim to make sense: the call, and the recording of what it cost.
pub fn reserve() -> SignedDuration {
    seconds(INVOKE_MODEL.task + RECORD_METRICS_WITH_RETRIES)
}

/// How long reservations are left to their owners.
///
/// A lease shorter than the execution costs promptness, never safety: a hold that was swept is found lost before anything is sent, and a
/// claim that was swept is settled all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leases {
    /// How long a hold or a claim stands.
    pub lease: SignedDuration,
    /// What the sweep waits beyond it.
    pub skew: SignedDuration,
}

impl Default for Leases {
    fn default() -> Self {
        Self { lease: seconds(LEASE), skew: seconds(SKEW) }
    }
}

impl Leases {
    /// Leases of so many seconds on one machine, whose clock disagrees with nobody's.
    pub fn on_one_clock(lease: u32) -> Self {
        Self { lease: seconds(lease), skew: SignedDuration::ZERO }
    }

    /// The end of a lease that starts now.
    pub fn from(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.lease).unwrap_or(Timestamp::MAX)
    }
}

/// So many seconds, as a duration.
pub fn seconds(count: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reading the policy: its pointer, then its document.
    const POLICY: u32 = LEDGER_REQUEST + POLICY_DOCUMENT;

    #[test]
    fn time_outs_nest() {
        const { assert!(LEDGER_REQUEST < LEDGER_TRANSITION) };
        const { assert!(POLICY < VALIDATE_AND_SET_CONTEXT.function) };
        // Refused, counted, refused again, and the refusal recorded; a hold that succeeds has shadows to count instead.
        const { assert!(POLICY + 3 * LEDGER_TRANSITION + COUNT_TOKENS < CHECK_RATE_LIMIT.function && SHADOW < LEDGER_TRANSITION) };
        // The claim; the unclaim, and where that is refused, the end.
        const { assert!(LEDGER_TRANSITION + CONVERSE + 2 * LEDGER_TRANSITION + SHADOW < INVOKE_MODEL.function) };
        const { assert!(LEDGER_TRANSITION + SHADOW + METRICS < RECORD_METRICS.function) };
        // One more page, one more reservation, and the metrics.
        const { assert!(SWEEP_BEGINS + 2 * LEDGER_TRANSITION + SHADOW + METRICS < SWEEP) };
        for step in [VALIDATE_AND_SET_CONTEXT, CHECK_RATE_LIMIT, INVOKE_MODEL, RECORD_METRICS] {
            assert!(step.function < step.task);
            assert!(step.task < EXECUTION);
        }
        let before_the_call = VALIDATE_AND_SET_CONTEXT.task + CHECK_RATE_LIMIT.task;
        assert!(before_the_call + INVOKE_MODEL.task + RECORD_METRICS_WITH_RETRIES < EXECUTION);
        const { assert!(EXECUTION < 300 && EXECUTION < LEASE) };
        const { assert!(SWEEP < SWEEP_INTERVAL) };
    }
}
