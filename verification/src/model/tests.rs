use super::check::{counterexample, explore};
use super::explorer::Size;
use super::planted::Bug;
use super::stage::Kind;
use std::io::Write;

/// Says something that the test harness does not keep to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn no_history_of_three_requests_on_two_budgets_with_two_mishaps_breaks_a_promise() {
    let size = Size { requests: vec![Kind::Both, Kind::Both, Kind::AllOnly], mishaps: 2 };
    let found = explore(size, 2, |_, _| ()).unwrap();
    say(&format!("model of 3 requests on 2 budgets, at most 2 mishaps: {}", found.summary()));
    assert!(found.violated.is_empty(), "{:#?}", found.violated);
    assert!(found.unseen.is_empty(), "never seen, so that what is said of it says nothing: {:?}", found.unseen);
    assert!(found.states > 1_000_000, "{}", found.summary());
}

#[test]
fn every_planted_bug_is_found_by_the_promise_that_it_breaks() {
    let charged = "a call that may be billed stays charged";
    let table = [
        (Bug::LoserSettles, "what is settled is what its call used"),
        (Bug::ReleaseWithoutClaim, charged),
        (Bug::SweepWithoutVersion, charged),
        (Bug::SettleTwice, "counters equal the sums over their reservations"),
        (Bug::ClaimWithoutHash, "a call is sent only on its own request's hold"),
        (Bug::ConflictIsRefusal, "a request is denied only where a counter had no room"),
        (Bug::UnclaimAfterUncertainSend, charged),
        (Bug::DenialNotRecorded, "an id is never both approved and denied"),
    ];
    assert_eq!(table.map(|(bug, _)| bug), Bug::ALL.map(|(_, bug)| bug));
    let size = Size { requests: vec![Kind::Both, Kind::Both], mishaps: 1 };
    for ((name, bug), (_, expected)) in Bug::ALL.into_iter().zip(table) {
        let (property, history) = counterexample(&size, bug).unwrap().unwrap_or_else(|| panic!("{name} is not found"));
        say(&format!("planted {name}: breaks \"{property}\" after {} steps\n  {}", history.len(), history.join("\n  ")));
        assert_eq!(property, expected, "{name}");
    }
}
