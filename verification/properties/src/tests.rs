//! The properties on the fuzzer's corpus, and on random bytes that are the same in every run.

use crate::{PROPERTIES, input::Chance};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Random inputs for each property.
const RANDOM: u64 = 200;
/// The longest of them, in bytes.
const LONGEST: usize = 96;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Each input of the corpus, by its file's path.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

/// Random edits of valid documents, at fixed seeds.
fn random() -> impl Iterator<Item = (String, Vec<u8>)> {
    (0..RANDOM).map(|seed| {
        let mut chance = Chance::of(&seed.to_le_bytes());
        let length = chance.below(LONGEST);
        let bytes = (0..length).map(|_| u8::try_from(chance.below(256)).unwrap());
        (format!("seed {seed}"), [0].into_iter().chain(bytes).collect())
    })
}

/// Says which input a property does not hold on.
fn holds(name: &str) {
    let (_, property) = PROPERTIES.iter().find(|(known, _)| *known == name).unwrap();
    for (from, input) in corpus(name).into_iter().chain(random()) {
        let held = catch_unwind(AssertUnwindSafe(|| property(&input)));
        assert!(held.is_ok(), "`{name}` does not hold: {from}: {}", input.escape_ascii());
    }
}

#[test]
fn any_request_is_answered() {
    holds("request");
}

#[test]
fn any_policy_is_compiled_or_refused() {
    holds("policy");
}

#[test]
fn any_state_machine_runs_to_an_end_or_is_refused() {
    holds("machine");
}

#[test]
fn any_payload_is_carried_to_an_end_or_refused() {
    holds("payloads");
}

#[cfg(feature = "items")]
#[test]
fn any_reservation_comes_back_from_its_item() {
    holds("items");
}

#[test]
fn every_property_has_a_target_and_a_corpus() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for (name, _) in PROPERTIES {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
        let target = fs::read_to_string(fuzz().join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("cost_sentry_properties::{name}::check")), "{target}");
        assert!(corpus(name).len() >= 5, "{name}");
    }
}

#[test]
fn the_dictionary_has_every_word_of_a_valid_document() {
    let mut words: Vec<String> = crate::words().into_iter().filter(|word| (2..=40).contains(&word.len()) && word.is_ascii()).collect();
    words.sort();
    words.dedup();
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    let lines = quoted.join("\n") + "\n";
    let path = fuzz().join("words.dict");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &lines).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), lines, "UPDATE_EXPECT=1 writes it");
}
