//! A ledger with reservations in every state, and ways to damage it that no code of ours has.

use crate::ledger_suite::books::{amount, at, charge, claim, denied, doubt, held, release, settle, shadow, tokens};
use crate::ledger_suite::{Embedded, drive_all};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use cost_sentry::local::stack::TABLE;
use cost_sentry_aws::ledger::{AuditOf, DynamoDbLedger, Progress};
use cost_sentry_core::audit::{Finding, Report, Selection};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::reservation::{Charge, Figures, Reservation};
use cost_sentry_workflow::ports::Ledger;
use jiff::Timestamp;
use std::time::Duration;

/// While the window of every charge here is open.
pub const OPEN: &str = "2026-11-20T12:50:00Z";
/// When it has closed.
pub const CLOSED: &str = "2026-11-20T14:00:00Z";

/// The counters that the reservations here fall on.
pub fn app() -> Charge {
    tokens("app", 1_000_000, 600)
}

pub fn org() -> Charge {
    charge("org", &[amount(Unit::Usd, 1_000_000_000, 2_600), amount(Unit::Requests, 1_000, 1)])
}

/// Six reservations, one in each state, on `app` and `org`; a shadow beside them.
pub async fn fill(ledger: &impl Ledger) {
    let charges = || vec![app(), org(), shadow(tokens("trial", 1_000, 600))];
    let endings = [
        ("held", vec![]),
        ("claimed", vec![claim("c")]),
        ("settled", vec![claim("c"), settle("c", 100, 20)]),
        ("uncertain", vec![claim("c"), doubt("c")]),
        ("released", vec![release(None)]),
    ];
    for (id, events) in endings {
        let reservation = held(id, charges());
        ledger.create(&reservation).await.unwrap();
        ledger.count_shadow(&reservation.shadow_hold_deltas()).await;
        drive_all(ledger, id, &events).await;
    }
    ledger.create(&denied("denied", charges())).await.unwrap();
}

/// A filled ledger of its own.
pub async fn filled() -> Embedded {
    let store = Embedded::start().await;
    fill(&store.ledger).await;
    store
}

/// An audit of the hours that are open, or closed lately.
pub async fn audit_at(ledger: &DynamoDbLedger, now: &str) -> Report {
    let now = at(now);
    audit_of(ledger, &Selection::parse("hour", now).unwrap(), now).await
}

pub async fn audit_of(ledger: &DynamoDbLedger, selection: &Selection, now: Timestamp) -> Report {
    let progress = |_: Progress| {};
    let of = AuditOf { selection, policy: None, now, lag: Duration::ZERO, progress: &progress };
    ledger.audit(&of).await.unwrap()
}

/// The finding on a budget's counter.
pub fn on<'a>(report: &'a Report, budget: &str) -> &'a Finding {
    let mut found = report.findings.iter().filter(|finding| finding.key.parts().unwrap().budget == budget);
    let finding = found.next().unwrap_or_else(|| panic!("no finding on {budget}: {report:#?}"));
    assert!(found.next().is_none(), "{report:#?}");
    finding
}

/// What differs on a counter, unit by unit.
pub fn differences(finding: &Finding) -> Vec<(Unit, [i64; 3])> {
    let plain = |figures: Figures| [figures.committed, figures.used, figures.uncertain];
    let all = finding.units.iter().map(|(unit, both)| (*unit, plain(both.difference())));
    all.filter(|(_, difference)| *difference != [0; 3]).collect()
}

/// One change to an item, made behind the ledger's back.
#[derive(Debug, Clone)]
pub enum Damage {
    /// Adds to a number.
    Add(String, &'static str, i64),
    /// Sets an attribute to a text.
    Text(String, &'static str, &'static str),
    /// Takes an attribute away.
    Without(String, &'static str),
    /// Deletes the item.
    Delete(String),
}

pub fn counter(charge: &Charge) -> String {
    charge.key().as_str().to_owned()
}

pub fn reservation(id: &str) -> String {
    format!("R#{id}")
}

pub async fn damage(client: &Client, damages: &[Damage]) {
    for damage in damages {
        let key = |text: &String| AttributeValue::S(text.clone());
        let update =
            |text: &String, expression: String| client.update_item().table_name(TABLE).key("pk", key(text)).update_expression(expression);
        match damage {
            Damage::Add(item, attribute, by) => {
                let add = update(item, format!("ADD {attribute} :by"));
                add.expression_attribute_values(":by", AttributeValue::N(by.to_string())).send().await.unwrap();
            }
            Damage::Text(item, attribute, text) => {
                let set = update(item, "SET #name = :text".to_owned()).expression_attribute_names("#name", *attribute);
                set.expression_attribute_values(":text", AttributeValue::S((*text).to_owned())).send().await.unwrap();
            }
            Damage::Without(item, attribute) => {
                update(item, "REMOVE #name".to_owned()).expression_attribute_names("#name", *attribute).send().await.unwrap();
            }
            Damage::Delete(item) => {
                client.delete_item().table_name(TABLE).key("pk", key(item)).send().await.unwrap();
            }
        }
    }
}

/// A reservation on `app` alone, decided just now while the window is open.
pub fn another(id: &str) -> Reservation {
    on_now(id, app())
}

/// The same on another counter.
pub fn on_now(id: &str, charge: Charge) -> Reservation {
    Reservation { held_at: at("2026-11-20T12:49:59Z"), ..held(id, vec![charge]) }
}
