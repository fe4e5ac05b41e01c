use super::campaign::Campaign;
use super::chance::world_seed;
use super::run::{machine, run};
use super::weather::Faults;

#[test]
fn a_seed_replays_exactly() {
    let machine = machine().unwrap();
    for number in 0..6 {
        let seed = world_seed(99, number);
        let [one, other] = [false, true].map(|recording| run(&machine, seed, Faults::Many, recording));
        assert_eq!((one.hash, one.tally), (other.hash, other.tally), "{seed:#x}");
    }
}

#[test]
fn a_hundred_thousand_executions_keep_every_promise() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let campaign = Campaign { executions: 100_000, seed: 1, faults: Faults::Mixed, threads };
    let tally = campaign.run(|_| {}).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!((tally.overshoot, tally.books_out_by), (0, 0));
    println!("{tally:#?}");
}
