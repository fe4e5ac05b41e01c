//! Refusals: "not until then", or "never"; and what to do about each.

use crate::quantity::Tokens;
use crate::reservation::{Charge, Reservation, UnitCharge};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// When a refused request may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// Seconds from the decision, an estimate, and what it rests on.
    Seconds {
        /// At least 1.
        seconds: u64,
        /// Why then.
        basis: Basis,
    },
    /// A budget is frozen: when it takes requests again is for a person to say.
    Frozen,
    /// The request is larger than a whole limit.
    Never {
        /// The largest `max_tokens` that would fit, if its input alone does.
        largest_max_tokens: Option<Tokens>,
    },
}

/// What an estimate of the waiting time rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Basis {
    /// Only requests in flight are in the way; they end within the model call's time-out, or with the window.
    InFlightHolds,
    /// The window has to end first.
    WindowEnd,
    /// A person has to lift the freeze first: no time is known.
    Frozen,
}

/// When to try again: the latest of what each refusing budget says, since all must have room.
///
/// `in_flight` is the longest that a model call may take.
pub fn retry_after(reservation: &Reservation, in_flight: SignedDuration, largest_max_tokens: Option<Tokens>) -> RetryAfter {
    let refusing = || reservation.enforced().filter(|charge| !charge.fits());
    if refusing().flat_map(|charge| &charge.amounts).any(UnitCharge::never_fits) {
        return RetryAfter::Never { largest_max_tokens };
    }
    if refusing().any(|charge| charge.frozen) {
        return RetryAfter::Frozen;
    }
    let waits = refusing().map(|charge| wait(charge, reservation.held_at, in_flight));
    let (seconds, basis) = waits.max_by_key(|(seconds, _)| *seconds).unwrap_or((1, Basis::InFlightHolds));
    RetryAfter::Seconds { seconds, basis }
}

fn wait(charge: &Charge, decided_at: Timestamp, in_flight: SignedDuration) -> (u64, Basis) {
    let until_end = charge.resets_at().duration_since(decided_at);
    let only_holds = charge.amounts.iter().all(UnitCharge::fits_without_held);
    let (wait, basis) = if only_holds && in_flight < until_end { (in_flight, Basis::InFlightHolds) } else { (until_end, Basis::WindowEnd) };
    let seconds = u64::try_from(wait.as_nanos().max(1)).unwrap_or(u64::MAX).div_ceil(1_000_000_000);
    (seconds, basis)
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
