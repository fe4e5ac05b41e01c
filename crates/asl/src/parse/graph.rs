//! Checks on the states as a whole: every target exists, everything is reachable, everything can end.

use std::collections::BTreeSet;

use super::reader::Reader;
use crate::problem::{join, nearest};

pub(super) fn check(start_at: Option<&str>, names: &[&str], reader: &mut Reader) {
    let mut problems = Vec::new();
    for (pointer, target) in
        reader.edges.iter().map(|edge| (edge.pointer.as_str(), edge.to.as_str())).chain(start_at.map(|at| ("/StartAt", at)))
    {
        if !names.contains(&target) {
            let hint = nearest(target, names.iter().copied()).map(|name| format!(": did you mean `{name}`?")).unwrap_or_default();
            problems.push((pointer.to_owned(), format!("there is no state `{target}`{hint}")));
        }
    }
    // A state that could not be read, or a target that does not exist, may be the missing link: name that first.
    if problems.is_empty()
        && !reader.opaque
        && let Some(start) = start_at
    {
        let edges: Vec<(&str, &str)> = reader.edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str())).collect();
        let reachable = closure([start], &edges);
        let reversed: Vec<(&str, &str)> = edges.iter().map(|(from, to)| (*to, *from)).collect();
        let ending = closure(reader.ends.iter().map(String::as_str), &reversed);
        for name in names {
            if !reachable.contains(name) {
                problems.push((join("/States", name), "no path from `StartAt` leads to this state".to_owned()));
            } else if !ending.contains(name) {
                problems
                    .push((join("/States", name), "no path from this state ends: none reaches an `End`, a Succeed or a Fail".to_owned()));
            }
        }
    }
    for (pointer, message) in problems {
        reader.report(pointer, message);
    }
}

/// What `edges` lead to from `from`, itself included.
fn closure<'n>(from: impl IntoIterator<Item = &'n str>, edges: &[(&'n str, &'n str)]) -> BTreeSet<&'n str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = from.into_iter().collect();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            open.extend(edges.iter().filter(|(source, _)| *source == name).map(|(_, target)| *target));
        }
    }
    seen
}
