//! `docs/simulator.md` has every field and every error of a script.

use super::{document, first_words, rows, section};
use cost_sentry::local::simulator::{Fault, Script};
use std::collections::BTreeSet;

/// The fields that the reader knows at a place, from what it says about one that it does not know.
fn known(before: &str, after: &str) -> BTreeSet<String> {
    let error = Script::parse(&format!("{before}{{ zzzzzz: 1 }}{after}")).unwrap_err();
    let list = error.message.split_once("known: ").unwrap_or_else(|| panic!("{error}")).1;
    list.split(", ").map(str::to_owned).collect()
}

/// Every word in backticks in the first cells of a section's tables.
fn named(heading: &str) -> BTreeSet<String> {
    let document = document("docs/simulator.md");
    let cells = rows(section(&document, heading)).into_iter().map(|cells| cells[0].clone());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_tables_have_the_fields_that_the_reader_knows() {
    assert_eq!(named("An entry"), known("models: { a: ", " }"));
    assert_eq!(named("A turn of next"), known("models: { a: { next: [", "] } }"));
    assert_eq!(named("usage"), known("models: { a: { usage: ", " } }"));
    let failing: BTreeSet<String> = ["error", "message", "latency"].map(str::to_owned).into();
    for field in ["always", "countTokens"] {
        assert_eq!(known(&format!("models: {{ a: {{ {field}: "), " } }"), failing);
    }
}

#[test]
fn the_table_of_errors_has_every_fault_with_its_status() {
    let document = document("docs/simulator.md");
    let errors = section(&document, "Errors");
    assert_eq!(first_words(errors), Fault::ALL.map(|fault| fault.name().to_owned()));
    for (fault, row) in Fault::ALL.iter().zip(rows(errors).iter().skip(2)) {
        let status = fault.status().map_or_else(|| row[1].clone(), |status| status.to_string());
        assert_eq!(row[1], status, "{}", fault.name());
    }
}
