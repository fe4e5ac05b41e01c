//! Evidence that the ledger keeps its promises, for those who would rather see than believe.
//!
//! Each part is a module with a test that the gate runs and a command that runs it longer, with other seeds or sizes. All use the
//! shipped decisions of `core` and steps of `workflow`: nothing here imitates them. What was found is in `docs/verification.md`.

pub mod hot_budget;
