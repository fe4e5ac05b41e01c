//! `simulate`: any number of simulated executions, or one world again.
fn main() {}
