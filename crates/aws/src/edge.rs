//! The clock and the source of claim ids.

use cost_sentry_core::reservation::ClaimId;
use cost_sentry_workflow::ports::Edge;
use jiff::Timestamp;

/// The machine's clock, and 128 random bits per claim.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEdge;

impl Edge for SystemEdge {
    fn now(&self) -> Timestamp {
        // The ledger keeps microseconds: what is decided is then exactly what is stored.
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn draw_claim_id(&self) -> ClaimId {
        ClaimId(uuid::Uuid::new_v4().simple().to_string())
    }
}
