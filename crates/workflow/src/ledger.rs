//! Driving a transition: decide on what is known, write on that condition, and decide again on what is stored where it differs.

use crate::ports::{Ledger, LedgerError, Written};
use cost_sentry_core::reservation::{Refused, Reservation, Transition, Verdict, transition};

/// How often a transition is decided anew when others move the same reservation meanwhile. Each one is another's progress, and a
/// reservation has at most a handful of transitions in its life.
const ROUNDS: usize = 5;

/// What came of a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a refused transition must be dealt with"]
pub enum Driven {
    /// It took effect, now or before, by the same claim. The reservation as it stands.
    Stands(Box<Reservation>),
    /// It may not happen. The reservation that forbids it.
    Refused(Refused, Box<Reservation>),
    /// There is no such reservation.
    Absent,
}

/// Carries out an event on a reservation of which a copy is at hand, fresh or stale.
pub async fn drive(ledger: &impl Ledger, known: Reservation, event: &Transition) -> Result<Driven, LedgerError> {
    let mut current = known;
    for _ in 0..ROUNDS {
        let step = match transition(&current, event) {
            Verdict::Apply(step) => step,
            Verdict::Done => return Ok(Driven::Stands(Box::new(current))),
            Verdict::Refused(refused) => return Ok(Driven::Refused(refused, Box::new(current))),
        };
        match ledger.write(current.version, &step).await? {
            Written::Written => {
                if !step.shadow.is_empty() {
                    ledger.count_shadow(&step.shadow).await;
                }
                return Ok(Driven::Stands(Box::new(step.next)));
            }
            Written::Changed(Some(stored)) => current = *stored,
            Written::Changed(None) => return Ok(Driven::Absent),
        }
    }
    Err(LedgerError::Contended)
}

/// Carries out an event on the stored reservation of that id.
pub async fn drive_stored(ledger: &impl Ledger, request_id: &str, event: &Transition) -> Result<Driven, LedgerError> {
    match ledger.find(request_id).await? {
        Some(stored) => drive(ledger, stored, event).await,
        None => Ok(Driven::Absent),
    }
}
