//! As a reader of the documents would run them, at a small size.

use serde_json::Value;
use std::process::{Command, Output};

const SIDE_BY_SIDE: &str = env!("CARGO_BIN_EXE_side-by-side");
const MANY_BUDGETS: &str = env!("CARGO_BIN_EXE_many-budgets");

fn run(command: &str, arguments: &[&str]) -> Output {
    Command::new(command).args(arguments).output().unwrap()
}

fn json(command: &str, arguments: &[&str]) -> Value {
    let output = run(command, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for command in [SIDE_BY_SIDE, MANY_BUDGETS] {
        let output = run(command, &["--help"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Example: cargo run --release -p cost-sentry-verification"), "{text}");
    }
}

#[test]
fn side_by_side_prints_a_table_or_json_and_draws_a_plot() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("plot.svg");
    let size = ["--seeds", "1", "--requests", "120", "--workers", "16", "--races", "2", "--threads", "2", "--race-requests", "30"];
    let report = json(SIDE_BY_SIDE, &[&size[..], &["--json", "--svg", plot.to_str().unwrap()]].concat());
    let own = report["rows"].as_array().unwrap().iter().filter(|row| row["design"].as_str().unwrap().starts_with("Cost Sentry"));
    for row in own {
        for figure in ["over", "missing", "excess"] {
            assert_eq!((row[figure]["least"].as_f64(), row[figure]["most"].as_f64()), (Some(0.0), Some(0.0)), "{figure}: {row}");
        }
    }
    let drawn = std::fs::read_to_string(plot).unwrap();
    for name in ["<svg", "Cost Sentry, refine", "metrics, 300 s late", "read, call, write", "</svg>"] {
        assert!(drawn.contains(name), "{name}");
    }
    let table = String::from_utf8(run(SIDE_BY_SIDE, &size).stdout).unwrap();
    for name in
        ["Cost Sentry, bytes", "metrics, 0 s late", "read, call, write", "over the limit", "requests per second", "count-tokens, 25 %"]
    {
        assert!(table.contains(name), "{name}: {table}");
    }
}

#[test]
fn what_cannot_be_run_is_said() {
    for (command, arguments, says) in [
        (SIDE_BY_SIDE, &["--per-second", "0"][..], "a number above 0"),
        (SIDE_BY_SIDE, &["--workers", "0"], "at least 1"),
        (
            SIDE_BY_SIDE,
            &["--svg", "/no/such/folder/plot.svg", "--seeds", "1", "--requests", "40", "--races", "1", "--race-requests", "8"],
            "plot",
        ),
        (MANY_BUDGETS, &["--rounds", "0"], "at least one round"),
    ] {
        let output = run(command, arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(says), "{arguments:?}: {text}");
    }
}

#[test]
fn many_budgets_prints_a_table_or_json() {
    let size = ["--small", "6", "--large", "40", "--rounds", "1", "--requests", "5"];
    let figures = json(MANY_BUDGETS, &[&size[..], &["--json"]].concat());
    assert_eq!(figures["sizes"], serde_json::json!([6, 40]));
    let table = String::from_utf8(run(MANY_BUDGETS, &size).stdout).unwrap();
    assert!(table.contains("40 budgets") && table.contains("growth"), "{table}");
}

#[test]
fn the_commands_in_the_documents_are_ones_that_these_programs_know() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let [document, manifest] =
        ["../docs/verification.md", "Cargo.toml"].map(|path| std::fs::read_to_string(format!("{folder}{path}")).unwrap());
    for (name, command) in [("side-by-side", SIDE_BY_SIDE), ("many-budgets", MANY_BUDGETS)] {
        let shown: Vec<_> =
            document.lines().filter(|line| line.starts_with("cargo run") && line.contains(&format!("--bin {name}"))).collect();
        assert!(!shown.is_empty(), "{name}");
        let help = String::from_utf8(run(command, &["--help"]).stdout).unwrap();
        for line in shown {
            let (build, arguments) = line.split_once(" -- ").unwrap_or((line, ""));
            let options = arguments.split(' ').filter(|word| word.starts_with("--"));
            assert!(options.clone().all(|option| help.contains(option)), "{line}");
            let features = build.split_once("--features ").map(|(_, rest)| rest.split(' ').next().unwrap());
            assert!(
                features.into_iter().flat_map(|list| list.split(',')).all(|feature| manifest.contains(&format!("\n{feature} = ["))),
                "{line}"
            );
        }
    }
}
