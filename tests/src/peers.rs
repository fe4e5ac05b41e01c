//! The failures that others are known for: each has a script, which one and the same, shows the failure on a small model of the other's
//! design and nothing of it on the shipped steps.
//!
//! `cargo test -p cost-sentry-tests peers -- --nocapture` prints the table of what was seen. The models hold no code of the others; what
//! they are after is the one rule in which the failure lies.

mod designs;
mod ours;
pub mod registry;
mod scripts;
mod system;

use crate::docs::shown;
use registry::{SCENARIOS, Scenario};
use scripts::Seen;

/// What was seen of a scenario: on the other's design, and here on both ledgers.
struct Result {
    peer: Seen,
    in_memory: Seen,
    on_dynamodb: Seen,
}

/// Plays a scenario, on a runtime of its own.
fn play(scenario: &Scenario) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        Result { peer: (scenario.peer)().await, in_memory: (scenario.in_memory)().await, on_dynamodb: (scenario.on_dynamodb)().await }
    })
}

/// Plays all of them, some at a time; in their order.
fn play_all() -> Vec<(&'static Scenario, Result)> {
    const AT_A_TIME: usize = 3;
    let mut results = Vec::new();
    for some in SCENARIOS.chunks(AT_A_TIME) {
        std::thread::scope(|threads| {
            let playing: Vec<_> = some.iter().map(|scenario| (scenario, threads.spawn(|| play(scenario)))).collect();
            results.extend(playing.into_iter().map(|(scenario, playing)| (scenario, playing.join().unwrap())));
        });
    }
    results
}

/// The table of what was seen: what holds, where it failed, what was seen there, and what the script counted.
fn table(results: &[(&Scenario, Result)]) -> String {
    let mut table = "| what holds | the failure of | seen there | the script counts, and should find | their rule | ours |\n".to_owned();
    table += "| --- | --- | --- | --- | ---: | ---: |\n";
    for (Scenario { name, reference, figure, .. }, result) in results {
        let Seen { what, promised, is } = result.peer;
        table += &format!("| {name} | {reference} | {figure} | {what}: {promised} | {is} | {} |\n", result.in_memory.is);
    }
    table
}

#[test]
fn what_fails_on_another_s_design_holds_on_ours_and_the_docs_show_the_table() {
    let (mut wrong, results) = (Vec::new(), play_all());
    print!("{}", table(&results));
    for (scenario, result) in &results {
        if result.peer.holds() {
            wrong.push(format!("{}: the other's design shows no failure: {:?}", scenario.name, result.peer));
        }
        for (ledger, seen) in [("in memory", result.in_memory), ("on DynamoDB", result.on_dynamodb)] {
            if !seen.holds() {
                wrong.push(format!("{}, {ledger}: {seen:?}", scenario.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    shown("docs/verification.md", "failures", &table(&results));
}
