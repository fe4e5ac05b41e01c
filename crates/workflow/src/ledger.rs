//! Driving a transition: decide on what is known, write on that condition, and decide again on what is stored where it differs.

use crate::ports::{Ledger, LedgerError, Written};
use cost_sentry_core::reservation::{CounterDelta, Refused, Reservation, Transition, Verdict, transition};

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

/// What came of a transition, and what is left to count on shadow counters.
type Moved = (Driven, Vec<CounterDelta>);

/// Carries out an event on a reservation of which a copy is at hand, fresh or stale.
pub async fn drive(ledger: &impl Ledger, known: Reservation, event: &Transition) -> Result<Driven, LedgerError> {
    let moved = ledger.in_time(Box::pin(rounds(ledger, known, event))).await?;
    Ok(counted(ledger, moved).await)
}

/// Carries out an event on the stored reservation of that id.
pub async fn drive_stored(ledger: &impl Ledger, request_id: &str, event: &Transition) -> Result<Driven, LedgerError> {
    drive_stored_if(ledger, request_id, event, |_| true).await
}

/// Carries out an event on the stored reservation of that id, if it is one that is meant; any other one counts as absent.
pub async fn drive_stored_if(
    ledger: &impl Ledger,
    request_id: &str,
    event: &Transition,
    is_meant: impl Fn(&Reservation) -> bool + Send,
) -> Result<Driven, LedgerError> {
    let found_and_moved = async {
        match ledger.find(request_id).await?.filter(is_meant) {
            Some(stored) => rounds(ledger, stored, event).await,
            None => Ok((Driven::Absent, Vec::new())),
        }
    };
    let moved = ledger.in_time(Box::pin(found_and_moved)).await?;
    Ok(counted(ledger, moved).await)
}

async fn rounds(ledger: &impl Ledger, known: Reservation, event: &Transition) -> Result<Moved, LedgerError> {
    let mut current = known;
    for _ in 0..ROUNDS {
        let step = match transition(&current, event) {
            Verdict::Apply(step) => step,
            Verdict::Done => return Ok((Driven::Stands(Box::new(current)), Vec::new())),
            Verdict::Refused(refused) => return Ok((Driven::Refused(refused, Box::new(current)), Vec::new())),
        };
        match ledger.write(current.version, &step).await? {
            Written::Written => return Ok((Driven::Stands(Box::new(step.next)), step.shadow)),
            Written::Changed(Some(stored)) => current = *stored,
            Written::Changed(None) => return Ok((Driven::Absent, Vec::new())),
        }
    }
    Err(LedgerError::Contended)
}

/// Shadow counters are outside the transition's time, as they are outside its write.
async fn counted(ledger: &impl Ledger, (driven, shadow): Moved) -> Driven {
    if !shadow.is_empty() {
        ledger.count_shadow(&shadow).await;
    }
    driven
}
