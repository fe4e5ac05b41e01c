//! What is gathered while a file is read: its problems, and which state leads where.

use std::collections::BTreeSet;

use crate::problem::Problem;

#[derive(Default)]
pub(super) struct Reader {
    pub problems: Vec<Problem>,
    /// The state that is being read.
    state: String,
    pub edges: Vec<Edge>,
    /// States that end the execution.
    pub ends: BTreeSet<String>,
    /// States whose ways out could not be read; what they lead to is unknown.
    pub opaque: bool,
}

/// One mention of a next state.
pub(super) struct Edge {
    pub from: String,
    pub to: String,
    /// Where the file mentions it.
    pub pointer: String,
}

impl Reader {
    pub fn report(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { pointer: pointer.into(), message: message.into() });
    }

    pub fn enter(&mut self, state: &str) {
        state.clone_into(&mut self.state);
    }

    /// The current state leads to `to`.
    pub fn leads_to(&mut self, to: &str, pointer: String) {
        self.edges.push(Edge { from: self.state.clone(), to: to.to_owned(), pointer });
    }

    /// The current state ends the execution.
    pub fn ends(&mut self) {
        self.ends.insert(self.state.clone());
    }
}
