//! `docs/ledger.md` shows the transition table as it is decided in code, and names every transition and state.

use super::{document, first_words, rows, section, shown};
use crate::harness::{SHIPPED, sample};
use cost_sentry_aws::table::{DAY_INDEX, LEASE_INDEX};
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::plan::{estimate, plan};
use cost_sentry_core::policy::Policy;
use cost_sentry_core::price::Usage;
use cost_sentry_core::request::{Origin, validate};
use cost_sentry_core::reservation::{ClaimId, Reservation, State, Transition, Verdict, transition};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

const STATES: [State; 6] = [State::Held, State::Claimed, State::Uncertain, State::Settled, State::Denied, State::Released];

/// The sample's reservation under the shipped policy, held at the beginning of time.
pub(super) fn held() -> Reservation {
    let policy = Policy::parse(&serde_saphyr::from_str(SHIPPED).unwrap(), Catalog::shipped().unwrap()).unwrap();
    let origin = Origin { execution_id: "documents", started_at: Timestamp::UNIX_EPOCH, pinned: &BTreeMap::new() };
    let request = validate(&sample(), &policy, origin).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    plan(&policy, &request, estimate(&policy, &request).unwrap(), now).unwrap().reserve(&request, State::Held, now, now)
}

fn claim(name: &str) -> ClaimId {
    ClaimId(name.to_owned())
}

/// The document's word for a transition: a new one does not compile until it has one here, and so in the table.
fn word(event: &Transition) -> &'static str {
    match event {
        Transition::Claim { .. } => "claim",
        Transition::Unclaim { .. } => "unclaim",
        Transition::Settle { .. } => "settle",
        Transition::Doubt { .. } => "doubt",
        Transition::Release { .. } => "release",
        Transition::Sweep { .. } => "sweep",
    }
}

/// Every transition by one claim, with what makes it differ.
fn events(claim_id: &ClaimId, reservation: &Reservation) -> Vec<Transition> {
    let (claim_id, lease_end) = (|| claim_id.clone(), Timestamp::UNIX_EPOCH);
    vec![
        Transition::Claim { claim_id: claim_id(), request_hash: reservation.request_hash.clone(), lease_end },
        Transition::Unclaim { claim_id: claim_id(), lease_end },
        Transition::Settle { claim_id: claim_id(), usage: Usage::default() },
        Transition::Doubt { claim_id: claim_id() },
        Transition::Release { claim_id: Some(claim_id()) },
    ]
}

fn cell(held: &Reservation, state: State, event: &Transition) -> String {
    let claimed = matches!(state, State::Claimed | State::Uncertain | State::Settled);
    let reservation = Reservation { state, claim_id: claimed.then(|| claim("own")), ..held.clone() };
    match transition(&reservation, event) {
        Verdict::Apply(step) => format!("→ {}", name(step.next.state)),
        Verdict::Done => "done".to_owned(),
        Verdict::Refused(refused) => format!("{refused:?}"),
    }
}

fn name(state: State) -> String {
    serde_json::to_value(state).unwrap().as_str().unwrap().to_owned()
}

fn table() -> String {
    let held = held();
    let day = SignedDuration::from_hours(24);
    let own = events(&claim("own"), &held).into_iter().map(|event| (word(&event).to_owned(), event));
    let others = events(&claim("another"), &held).into_iter().map(|event| (format!("{} by another claim", word(&event)), event));
    let without = [
        ("release without a claim".to_owned(), Transition::Release { claim_id: None }),
        ("sweep, the lease past".to_owned(), Transition::Sweep { now: Timestamp::UNIX_EPOCH + day, skew: SignedDuration::ZERO }),
        ("sweep, the lease not past".to_owned(), Transition::Sweep { now: Timestamp::UNIX_EPOCH, skew: day }),
    ];
    let mut table = format!("| | {} |\n|{}\n", STATES.map(name).join(" | "), " --- |".repeat(STATES.len() + 1));
    for (row, event) in own.chain(others).chain(without) {
        table += &format!("| {row} | {} |\n", STATES.map(|state| cell(&held, state, &event)).join(" | "));
    }
    table
}

#[test]
fn the_transition_table_is_the_one_in_code() {
    shown("docs/ledger.md", "transitions", &table());
}

#[test]
fn every_state_and_every_transition_has_a_row() {
    let document = document("docs/ledger.md");
    assert_eq!(first_words(section(&document, "What a reservation's state means")), State::ALL.map(name));
    let rows = rows(section(&document, "The transition table"));
    let named = events(&claim("own"), &held());
    for event in named.iter().map(word).chain(["hold", "deny", "sweep"]) {
        assert_eq!(rows.iter().filter(|cells| cells.len() == 3 && cells[0] == event).count(), 1, "{event}");
    }
    for index in [LEASE_INDEX, DAY_INDEX] {
        assert!(document.text.contains(&format!("index `{index}`")), "{index}");
    }
}
