//! What the sweep lives on, with each of its requests in trouble: the same leases, or an error that says what it was, and never fewer.

use super::wire::Mishap::{self, Late, Lost, Pass, Reset};
use super::wire::{Wire, error, internal};
use super::{Embedded, outcome};
use crate::ledger_suite::books::{at, held, tokens};
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_aws::table::PARTITIONS;
use cost_sentry_workflow::ports::Ledger;

const LATER: &str = "2026-11-21T00:00:00Z";

async fn ids(ledger: &DynamoDbLedger) -> String {
    let found = ledger.leases_past(at(LATER), 1_000).await;
    outcome(found, |past| past.iter().map(|one| one.request_id().to_owned()).collect::<Vec<_>>().join(" "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_that_cannot_be_read_are_an_error_and_never_left_out() {
    let store = Embedded::start().await;
    for n in 0..20 {
        store.ledger.create(&held(&format!("r{n:02}"), vec![tokens("b", 1_000, 1)])).await.unwrap();
    }
    let (wire, client) = Wire::lay_patiently(&store);
    let ledger = DynamoDbLedger::new(client, TABLE);
    wire.script([], None);
    let all = ids(&ledger).await;
    let requests = wire.requests();
    assert_eq!(
        (all.split(' ').count(), requests),
        (20, usize::try_from(PARTITIONS).unwrap() + 1),
        "a query for each partition, and one read"
    );
    let throttled = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];
    let mut cases: Vec<(Vec<Mishap>, Option<Mishap>, &str)> = vec![
        (vec![internal(), internal()], None, &all),
        (vec![], Some(internal()), "Unavailable"),
        (vec![Reset, Lost], None, &all),
        (vec![Late], None, &all),
        (vec![], Some(Reset), "Unavailable"),
        (vec![], Some(Lost), "Unavailable"),
        (vec![error("AccessDeniedException")], None, "Unavailable"),
        (vec![error("ResourceNotFoundException")], None, "Unavailable"),
        (vec![error("ValidationException")], None, "Unavailable"),
    ];
    for code in throttled {
        cases.push((vec![error(code); 2], None, &all));
        cases.push((vec![], Some(error(code)), "Contended"));
    }
    for nth in 0..requests {
        for (next, then, expected) in &cases {
            wire.script(std::iter::repeat_n(Pass, nth).chain(next.clone()), then.clone());
            assert_eq!(ids(&ledger).await, *expected, "request {nth}: {next:?}, then {then:?}");
        }
    }
    println!("{requests} requests x {} faults", cases.len());
}
