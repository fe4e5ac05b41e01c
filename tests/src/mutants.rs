//! `verification/mutants.json` is what its tool writes, and says enough: how many are caught, and why each survivor may live.

use crate::binary::repository;
use serde_json::Value;
use std::collections::BTreeSet;

/// The least share of the mutants that build which the tests must catch, in percent.
const CAUGHT_PERCENT: u64 = 95;

/// What is wrong with a result.
fn wrong(result: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let survivors: Vec<&Value> = result["survivors"].as_array().into_iter().flatten().collect();
    let text = |survivor: &Value, field: &str| survivor[field].as_str().unwrap_or_default().to_owned();
    for (name, figures) in result["packages"].as_object().into_iter().flatten() {
        let count = |field: &str| figures[field].as_u64().unwrap_or_else(|| panic!("{name} has no {field}"));
        let (caught, missed) = (count("caught"), count("missed"));
        if count("mutants") != caught + missed + count("unviable") {
            wrong.push(format!("{name}: the parts are not the whole"));
        }
        if count("filesNotDone") == 0 && caught * 100 < (caught + missed) * CAUGHT_PERCENT {
            wrong.push(format!("{name}: {caught} of {} are caught", caught + missed));
        }
        let listed = survivors.iter().filter(|survivor| survivor["package"] == name.as_str()).count();
        if u64::try_from(listed).ok() != Some(missed) {
            wrong.push(format!("{name}: {listed} of {missed} survivors are listed"));
        }
        for field in ["caught", "missed", "unviable"] {
            let files = result["files"].as_object().into_iter().flat_map(serde_json::Map::values);
            let sum: u64 = files.filter(|file| file["package"] == name.as_str()).filter_map(|file| file[field].as_u64()).sum();
            if sum != count(field) {
                wrong.push(format!("{name}: {field} is {}, and {sum} over its files", count(field)));
            }
        }
    }
    for survivor in survivors {
        let (file, mutant) = (text(survivor, "file"), text(survivor, "mutant"));
        if text(survivor, "why").trim().is_empty() {
            wrong.push(format!("{file}: {mutant}: nobody says why it may live"));
        }
        if !repository().join(&file).is_file() {
            wrong.push(format!("{file}: there is no such file"));
        }
    }
    wrong
}

fn published() -> Value {
    serde_json::from_str(&std::fs::read_to_string(repository().join("verification/mutants.json")).unwrap()).unwrap()
}

#[test]
fn the_published_result_is_whole_good_enough_and_explains_every_survivor() {
    let result = published();
    assert!(result["tool"].as_str().is_some_and(|tool| tool.starts_with("cargo-mutants ")));
    let packages: BTreeSet<&str> = result["packages"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(packages, BTreeSet::from(["aws", "core", "workflow"]));
    assert_eq!(wrong(&result), Vec::<String>::new());
}

#[test]
fn the_document_shows_the_published_result() {
    let text = std::fs::read_to_string(repository().join("docs/verification.md")).unwrap();
    for (name, figures) in published()["packages"].as_object().unwrap() {
        let count = |field: &str| figures[field].as_u64().unwrap();
        let [mutants, unviable, caught, missed, left] = ["mutants", "unviable", "caught", "missed", "filesNotDone"].map(count);
        let row = text.lines().find(|line| line.starts_with(&format!("| `{name}` | {mutants} | {unviable} | {caught} | {missed} | ")));
        assert!(row.is_some_and(|row| row.ends_with(&format!(" | {left} |"))), "{name}: {figures}");
    }
}

#[test]
fn a_result_that_hides_something_is_found_out() {
    let figures = |caught: u64, missed: u64| serde_json::json!({ "mutants": caught + missed, "caught": caught, "missed": missed, "unviable": 0, "filesNotDone": 0 });
    let survivor = |why: &str| serde_json::json!({ "package": "core", "file": "crates/core/src/plan.rs", "mutant": "x", "why": why });
    let result = |figures: &Value, survivors: Value| {
        let file = serde_json::json!({ "package": "core", "caught": figures["caught"], "missed": figures["missed"], "unviable": 0 });
        let files = serde_json::json!({ "crates/core/src/plan.rs": file });
        serde_json::json!({ "tool": "cargo-mutants 1", "packages": { "core": figures }, "files": files, "survivors": survivors })
    };
    let check = |figures: Value, survivors: Value, expected: &[&str]| assert_eq!(wrong(&result(&figures, survivors)), expected);
    check(figures(95, 0), serde_json::json!([]), &[]);
    check(figures(19, 1), serde_json::json!([survivor("it says the same")]), &[]);
    check(figures(18, 1), serde_json::json!([survivor("it says the same")]), &["core: 18 of 19 are caught"]);
    check(figures(19, 1), serde_json::json!([]), &["core: 0 of 1 survivors are listed"]);
    check(figures(19, 1), serde_json::json!([survivor(" ")]), &["crates/core/src/plan.rs: x: nobody says why it may live"]);
    let mut less = figures(19, 0);
    less["mutants"] = serde_json::json!(20);
    check(less, serde_json::json!([]), &["core: the parts are not the whole"]);
    let mut forgotten = result(&figures(19, 0), serde_json::json!([]));
    forgotten["files"] = serde_json::json!({});
    assert_eq!(wrong(&forgotten), ["core: caught is 19, and 0 over its files"]);
}
