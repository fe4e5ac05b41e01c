//! The steps, one file each, all in the same order: read the payload, decide with `core`, act through the ports, write the result.

pub mod check_rate_limit;
pub mod invoke_model;
pub mod record_metrics;
pub mod sweep_reservations;
pub mod validate_and_set_context;

pub use check_rate_limit::CheckRateLimit;
pub use invoke_model::InvokeModel;
pub use record_metrics::RecordMetrics;
pub use sweep_reservations::SweepReservations;
pub use validate_and_set_context::ValidateAndSetContext;

use crate::time_outs::{CHECK_RATE_LIMIT, INVOKE_MODEL, RECORD_METRICS, StepTimeOuts, VALIDATE_AND_SET_CONTEXT};

/// A step's one name, from which the state, the file, the binary and the function in the template are derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepName {
    /// The state's name.
    pub state: &'static str,
    /// Its time-outs.
    pub time_outs: StepTimeOuts,
}

/// The steps of the workflow, in their order.
pub const STEPS: [StepName; 4] = [
    StepName { state: "ValidateAndSetContext", time_outs: VALIDATE_AND_SET_CONTEXT },
    StepName { state: "CheckRateLimit", time_outs: CHECK_RATE_LIMIT },
    StepName { state: "InvokeModel", time_outs: INVOKE_MODEL },
    StepName { state: "RecordMetrics", time_outs: RECORD_METRICS },
];

/// The scheduled function beside the workflow.
pub const SWEEP: &str = "SweepReservations";

impl StepName {
    /// The binary: `check-rate-limit`.
    pub fn binary(&self) -> String {
        joined(self.state, '-')
    }

    /// The file under `steps/`: `check_rate_limit`.
    pub fn module(&self) -> String {
        joined(self.state, '_')
    }

    /// The function in the template, and with `Arn` behind it the placeholder in the state machine: `CheckRateLimitFunction`.
    pub fn function(&self) -> String {
        format!("{}Function", self.state)
    }

    /// The placeholder in the state machine: `CheckRateLimitFunctionArn`.
    pub fn placeholder(&self) -> String {
        format!("{}FunctionArn", self.state)
    }
}

fn joined(name: &str, separator: char) -> String {
    let mut joined = String::new();
    for (i, character) in name.chars().enumerate() {
        if character.is_ascii_uppercase() && i > 0 {
            joined.push(separator);
        }
        joined.push(character.to_ascii_lowercase());
    }
    joined
}
