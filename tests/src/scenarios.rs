//! Behaviour as data: every file of `tests/data/scenarios` (its README says what the fields mean) through the shipped state machine.

mod check;
pub mod clock;
mod file;
mod observed;

use check::{Mismatch, compare};
use file::Scenario;
use observed::Stage;
use std::path::{Path, PathBuf};

/// Scenarios that are kept: a file that is lost must not go unnoticed.
const AT_LEAST: usize = 47;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/scenarios");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    files.sort();
    files
}

/// Plays one file; everything that is not as it says.
async fn play(scenario: &Scenario) -> Vec<(String, Mismatch)> {
    let stage = Box::pin(Stage::set(scenario)).await;
    let mut found = Vec::new();
    for (number, request) in scenario.requests.iter().enumerate() {
        let name = format!("request {} ({})", number + 1, request.name);
        let observed = stage.play(scenario, request).await;
        found.extend(compare(&request.expected(), &observed).into_iter().map(|mismatch| (name.clone(), mismatch)));
    }
    found.extend(stage.books_balance().await.into_iter().map(|mismatch| ("the books".to_owned(), mismatch)));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_ends_as_its_file_says() {
    let files = files();
    assert!(files.len() >= AT_LEAST, "only {} files", files.len());
    let mut report = Vec::new();
    for path in &files {
        let file = path.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let scenario: Scenario = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        // A task of its own: what panics in one file must not hide the others.
        let played = tokio::spawn(async move { Box::pin(play(&scenario)).await });
        let mismatches = played.await.unwrap_or_else(|error| vec![("all".to_owned(), Mismatch::panicked(&error))]);
        for (request, Mismatch { field, expected, found }) in mismatches {
            report.push(format!("{file}, {request}, {field}:\n    expected {expected}\n    found    {found}"));
        }
    }
    assert!(report.is_empty(), "{} of what the files say is not so\n{}", report.len(), report.join("\n"));
}
