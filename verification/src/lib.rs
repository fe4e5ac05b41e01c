//! Evidence that the ledger keeps its promises, for those who would rather see than believe.
//!
//! Each part is a module with a test that the gate runs and a command that runs it longer, with other seeds or sizes. All use the
//! shipped decisions of `core` and steps of `workflow`: nothing here imitates them. What was found is in `docs/verification.md`.

pub mod many_budgets;
pub mod model;
pub mod one_policy;
pub mod reality;
pub mod side_by_side;
pub mod simulation;
pub mod spread;

pub mod hot_budget;
