//! Which crate may depend on which, read from their Cargo.toml files; and what core's sources may not name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate, and which of ours it may depend on.
const MAY_DEPEND: [(&str, &[&str]); 6] = [
    ("core", &[]),
    ("asl", &[]),
    ("workflow", &["cost-sentry-core"]),
    ("aws", &["cost-sentry-core", "cost-sentry-workflow"]),
    ("functions", &["cost-sentry-aws", "cost-sentry-workflow"]),
    ("cli", &["cost-sentry-asl", "cost-sentry-aws", "cost-sentry-core", "cost-sentry-workflow"]),
];
/// Crates that wait, talk or draw lots: nothing for core.
const WORLDLY: [&str; 12] =
    ["async-", "aws-", "axum", "fastrand", "futures", "getrandom", "hyper", "rand", "reqwest", "tempfile", "tokio", "uuid"];
/// What core's sources may not name: the clock, the environment, files, sockets.
const FORBIDDEN: [&str; 8] = ["std::env", "std::fs", "std::net", "std::time", "SystemTime", "Timestamp::now", "Zoned::now", "Instant"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The dependencies of each crate that reach its users: those for tests are left out.
fn manifests() -> BTreeMap<String, BTreeSet<String>> {
    let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    folders
        .map(|folder| {
            let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            (folder.file_name().unwrap().to_str().unwrap().to_owned(), dependencies(&text))
        })
        .collect()
}

/// The names in every table of dependencies but the one for tests.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut table = "";
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']);
            // A dependency may be a table of its own.
            let own = table.split_once("dependencies.").filter(|(before, _)| !before.ends_with("dev-"));
            names.extend(own.map(|(_, name)| name.to_owned()));
        } else if table.ends_with("dependencies") && !table.ends_with("dev-dependencies") {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            names.extend((!name.is_empty() && !name.starts_with('#')).then(|| name.to_owned()));
        }
    }
    names
}

fn dependency_violations(manifests: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, dependencies) in manifests {
        let Some((_, ours)) = MAY_DEPEND.iter().find(|(known, _)| known == name) else {
            problems.push(format!("{name} has no rule"));
            continue;
        };
        for dependency in dependencies {
            let own = dependency.starts_with("cost-sentry") && !ours.contains(&dependency.as_str());
            let worldly = name == "core" && WORLDLY.iter().any(|worldly| dependency.starts_with(worldly));
            let sdk = dependency.starts_with("aws-sdk-") && !["aws", "cli"].contains(&name.as_str());
            if own || worldly || sdk {
                problems.push(format!("{name} may not depend on {dependency}"));
            }
        }
    }
    problems
}

#[test]
fn crates_depend_only_on_those_that_the_design_lets_them() {
    let shipped = manifests();
    assert_eq!(shipped.len(), MAY_DEPEND.len());
    assert_eq!(dependency_violations(&shipped), Vec::<String>::new());
    let planted = [
        ("core", "tokio"),
        ("core", "getrandom"),
        ("core", "cost-sentry-workflow"),
        ("asl", "cost-sentry-core"),
        ("workflow", "cost-sentry-aws"),
        ("workflow", "aws-sdk-dynamodb"),
        ("functions", "cost-sentry-core"),
        ("functions", "aws-sdk-cloudwatch"),
        ("aws", "cost-sentry"),
    ];
    for (name, dependency) in planted {
        let mut defective = shipped.clone();
        defective.get_mut(name).unwrap().insert(dependency.to_owned());
        assert_eq!(dependency_violations(&defective), [format!("{name} may not depend on {dependency}")]);
    }
}

#[test]
fn every_way_to_write_a_dependency_is_read() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = \"1\" # why\n# no = \"1\"\n\n\
        [dependencies.c]\nversion = \"1\"\n[target.'cfg(unix)'.dependencies]\nd = { version = \"1\" }\n\
        [build-dependencies]\ne = \"1\"\n[dev-dependencies]\nf = \"1\"\n[dev-dependencies.g]\nversion = \"1\"\n";
    assert_eq!(dependencies(manifest), ["a", "b", "c", "d", "e"].map(str::to_owned).into());
}

/// The Rust files in a folder and below, unit tests aside: those may read files.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let shipped = entries.filter(|path| !["tests.rs", "fixtures.rs"].iter().any(|end| path.to_str().unwrap().ends_with(end)));
    shipped.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// What a source names although it may not: as a word of its own, in code, not in prose.
fn named(source: &str) -> Vec<&'static str> {
    let is_part = |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() || character == '_');
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let names = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| !is_part(line[..at].chars().next_back()) && !is_part(line[at + word.len()..].chars().next()))
    };
    FORBIDDEN.into_iter().filter(|word| code.iter().any(|line| names(line, word))).collect()
}

#[test]
fn core_names_no_clock_no_environment_and_no_file() {
    let sources = sources(&root().join("crates/core/src"));
    assert!(sources.len() > 20);
    for path in sources {
        assert_eq!(named(&fs::read_to_string(&path).unwrap()), Vec::<&str>::new(), "{}", path.display());
    }
    for word in FORBIDDEN {
        assert_eq!(named(&format!("    let x = {word}(1);")), [word]);
        assert!(named(&format!("// {word}\nlet {word}ish = 1;")).is_empty());
    }
}
