use super::campaign::{Campaign, Failure};
use super::chance::world_seed;
use super::run::{machine, run};
use super::weather::Faults;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn a_hundred_thousand_executions_keep_every_promise() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let campaign = Campaign { executions: 100_000, seed: 1, faults: Faults::Mixed, threads };
    let tally = campaign.run(|_| {}).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(tally.executions >= 100_000, "{tally:#?}");
    assert_eq!((tally.overshoot, tally.books_out_by), (0, 0), "{tally:#?}");
    // A campaign in which nothing comes up would keep every promise too.
    for (least, what) in [(20_000, "Claimed → Settled by InvokeModel"), (10_000, "→ Denied by CheckRateLimit")] {
        assert!(tally.transitions.of(what) >= least, "{what}: {tally:#?}");
    }
    for what in ["Uncertain → Settled by RecordMetrics", "Claimed → Uncertain by SweepReservations", "Held → Released by SweepReservations"]
    {
        assert!(tally.transitions.of(what) > 0, "{what}: {tally:#?}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    let machine = machine().unwrap();
    for number in 0..6 {
        let seed = world_seed(99, number);
        let [one, other] = [false, true].map(|recording| run(&machine, seed, Faults::Many, recording));
        assert_eq!((one.hash, one.tally), (other.hash, other.tally), "{seed:#x}");
        assert!(one.lines.is_empty() && !other.lines.is_empty());
    }
}

#[test]
fn a_failure_names_the_world_and_the_command_that_runs_it_again() {
    let failure = Failure {
        world_seed: 0x2a,
        faults: Faults::Many,
        text: "Settled became Settled".to_owned(),
        lines: vec!["what happened".to_owned()],
        replayed: true,
        executions: 300,
    };
    expect_test::expect![[r"
        world 0x000000000000002a: Settled became Settled
          what happened
        found within 300 executions; to see it again, whole:
          cargo run -p cost-sentry-verification --bin simulate -- --world 0x000000000000002a --faults many"]]
    .assert_eq(&failure.to_string());
}

/// What would let something beside the seed decide.
const BESIDE_THE_SEED: [&str; 8] =
    ["HashMap", "HashSet", "Timestamp::now", "Zoned::now", "Instant::now", "SystemTime", "fastrand::u", "RandomState"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn nothing_that_a_world_runs_on_reads_a_clock_or_chance_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["crates/core/src", "crates/workflow/src", "crates/asl/src", "verification/src/simulation"];
    for path in folders.iter().flat_map(|folder| sources(&root.join(folder))) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("tests.rs")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let found: Vec<_> = BESIDE_THE_SEED.iter().filter(|word| text.contains(**word)).collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}
