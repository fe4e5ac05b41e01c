//! Mending what an audit found: planned, shown, confirmed, carried out.

use super::can_ask;
use super::place::Place;
use crate::cli::{self, Trust};
use crate::commands::Failure;
use crate::show::audit::{amounts, title};
use crate::show::{plural, style};
use cost_sentry_aws::ledger::Mended;
use cost_sentry_core::audit::repair::{self, NotMended, Order};
use cost_sentry_core::audit::{Adjustment, Finding, Report, Standing, Trusted};
use cost_sentry_workflow::time_outs;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::Write;

/// One counter that differs, and what is to become of it.
pub struct Repair {
    finding: Finding,
    planned: Result<Adjustment, NotMended>,
    done: Option<Mended>,
}

/// What the arguments ask for.
pub fn order(arguments: &cli::Audit, at: Timestamp) -> Option<Order> {
    let user = || ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let trusted = match arguments.trust {
        Trust::Reservations => Trusted::Reservations,
        Trust::Counter => Trusted::Counter,
    };
    let by = arguments.by.clone().or_else(user).unwrap_or_else(|| "unknown".to_owned());
    arguments.repair.then(|| Order { at, by, reason: arguments.reason.clone().unwrap_or_default(), trusted })
}

/// What would be done to each counter that differs.
pub fn plan(report: &Report, place: &Place, now: Timestamp, order: &Order) -> Vec<Repair> {
    // A window has closed for good when it has by every clock.
    let passed = now.saturating_sub(time_outs::seconds(time_outs::SKEW)).unwrap_or(now);
    let differing = report.findings.iter().filter(|finding| !matches!(finding.standing, Standing::Balanced | Standing::Approximate));
    let planned = differing.map(|finding| (finding, repair::plan(finding, place.policy.as_ref(), passed, order)));
    let planned = planned.filter(|(_, planned)| *planned != Err(NotMended::Nothing));
    planned.map(|(finding, planned)| Repair { finding: finding.clone(), planned, done: None }).collect()
}

/// Whether anything can be mended.
pub fn any(repairs: &[Repair]) -> bool {
    repairs.iter().any(|repair| repair.planned.is_ok())
}

/// What would be done, for people.
pub fn text(repairs: &[Repair]) -> String {
    if repairs.is_empty() {
        return "nothing is to be mended\n".to_owned();
    }
    let mut text = format!("{}\n", style::heading("to mend:"));
    for Repair { finding, planned, .. } in repairs {
        text += &match planned {
            Ok(adjustment) => {
                let what = match adjustment.trusted {
                    Trusted::Reservations => "set the counter to what its reservations say",
                    Trusted::Counter => "leave the counter, and count an adjustment beside its reservations",
                };
                let by = adjustment.moved().into_iter().chain(adjustment.counted());
                let changes: Vec<String> = by.map(|(unit, figures)| amounts(unit, figures)).collect();
                format!("  {}: {what}: {}\n", title(finding), changes.join("; "))
            }
            Err(why) => format!("  {}: {} {why}\n", title(finding), style::odd("left as it is:")),
        };
    }
    text
}

/// Asks whether to go on.
pub fn confirm(arguments: &cli::Audit, repairs: &[Repair]) -> Result<(), Failure> {
    if arguments.yes {
        return Ok(());
    }
    if !can_ask() {
        return Err(Failure::new("nobody can be asked whether to mend this, so nothing was").hint("--yes mends without asking"));
    }
    let count = repairs.iter().filter(|repair| repair.planned.is_ok()).count();
    eprint!("Mend {}, for good and on record? Type yes: ", plural(count as u64, "counter"));
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && answer.trim() == "yes" { Ok(()) } else { Err(Failure::new("nothing was mended")) }
}

/// Mends, one transaction for each counter.
pub async fn carry_out(place: &Place, repairs: &mut [Repair]) -> Result<(), Failure> {
    let mut mended = Vec::new();
    for repair in repairs {
        let Ok(adjustment) = &repair.planned else { continue };
        let done = place.ledger.mend(&repair.finding, adjustment).await.map_err(|error| interrupted(place.failure(&error), &mended))?;
        if done == Mended::Mended {
            mended.push(title(&repair.finding));
        }
        repair.done = Some(done);
    }
    Ok(())
}

/// A failure in the middle: what was mended before it stays mended, and is named.
fn interrupted(failure: Failure, mended: &[String]) -> Failure {
    if mended.is_empty() {
        return failure;
    }
    let said = format!("mended before this, and on record: {}; audit again to see what is left", mended.join("; "));
    let hint = failure.hint.as_ref().map_or(said.clone(), |hint| format!("{said}; {hint}"));
    failure.hint(hint)
}

/// What was done, for people.
pub fn outcome(repairs: &[Repair]) -> String {
    let line = |repair: &Repair| {
        let title = title(&repair.finding);
        match repair.done {
            Some(Mended::Mended) => Some(format!("{} {title}\n", style::good("mended:"))),
            Some(Mended::Moved) => Some(format!("{} {title}: it moved since it was audited; audit again\n", style::odd("left as it is:"))),
            None => None,
        }
    };
    repairs.iter().filter_map(line).collect()
}

/// The same for scripts.
pub fn json(repairs: &[Repair]) -> Value {
    let one = |repair: &Repair| {
        let (result, why) = match (&repair.planned, repair.done) {
            (Err(why), _) => ("refused", Some(why.to_string())),
            (Ok(_), None) => ("planned", None),
            (Ok(_), Some(Mended::Mended)) => ("mended", None),
            (Ok(_), Some(Mended::Moved)) => ("moved", None),
        };
        let closes = match &repair.planned {
            Err(NotMended::Open { closes, .. }) => Some(closes),
            _ => None,
        };
        json!({ "key": repair.finding.key.as_str(), "result": result, "why": why, "closes": closes })
    };
    repairs.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_the_middle_names_what_was_mended_before_it() {
        let failure = || Failure::new("the table is gone").hint("look for it");
        assert_eq!(interrupted(failure(), &[]).hint.as_deref(), Some("look for it"));
        let named = interrupted(failure(), &["app, hour".to_owned(), "team, day".to_owned()]);
        assert_eq!(named.message, "the table is gone");
        let says = "mended before this, and on record: app, hour; team, day; audit again to see what is left; look for it";
        assert_eq!(named.hint.as_deref(), Some(says));
    }
}
