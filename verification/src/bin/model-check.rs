//! Explores the ledger's model.
use cost_sentry_verification::model::{check, explorer::Size, planted::Bug, stage::Kind};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let k: u8 = args[1].parse().unwrap();
    let requests: Vec<Kind> = args[2].chars().map(|c| if c == 'b' { Kind::Both } else { Kind::AllOnly }).collect();
    if let Some(bug) = args.get(3) {
        for (name, bug) in Bug::ALL {
            println!("{name}: {:#?}", check::counterexample(&Size { requests: requests.clone(), mishaps: k }, bug).unwrap());
        }
        return;
    }
    let found = check::explore(Size { requests, mishaps: k }, 2, |states, depth| eprintln!("{states} {depth}")).unwrap();
    println!("{found:#?}");
}
