//! `cost-sentry audit`: whether the books balance, and the mending of what does not.

mod place;
mod repair;

use super::Failure;
use crate::cli;
use crate::show;
use cost_sentry_aws::ledger::{AuditOf, Progress};
use cost_sentry_core::audit::{Report, Selection, Verdict};
use jiff::Timestamp;
use place::Place;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The exit status for books that are out of balance.
const OUT_OF_BALANCE: u8 = 5;
/// The exit status where it cannot be said.
const CANNOT_SAY: u8 = 6;
/// How often a long reading says how far it is.
const EVERY: Duration = Duration::from_secs(2);

/// Runs the command.
pub async fn audit(arguments: cli::Audit) -> Result<u8, Failure> {
    let now = Timestamp::now();
    let selection = arguments.window.as_deref().map_or(Ok(Selection::recent(now)), |text| Selection::parse(text, now));
    let selection = selection.map_err(|error| Failure::new(format!("--window: {error}")))?;
    let place = Place::open(&arguments).await?;
    let selection = match &arguments.budget {
        Some(name) => selection.of_budget(name, place.policy.as_ref()),
        None => selection,
    };
    let mut report = read(&place, &selection).await?;
    known_budget(&arguments, &place, &report)?;
    let mut repairs = Vec::new();
    if let Some(order) = repair::order(&arguments, now) {
        repairs = repair::plan(&report, &place, now, &order);
        if !arguments.json {
            super::print(&show::audit::text(&report, now))?;
            super::print(&repair::text(&repairs))?;
        }
        if !arguments.dry_run && repair::any(&repairs) {
            repair::confirm(&arguments, &repairs)?;
            repair::carry_out(&place, &mut repairs).await?;
            report = read(&place, &selection).await?;
        } else if !arguments.json {
            return Ok(status(&report));
        }
    }
    if arguments.json {
        let mut document = show::audit::json(&report, now);
        if let Some(fields) = document.as_object_mut().filter(|_| arguments.repair) {
            fields.insert("repairs".to_owned(), repair::json(&repairs));
        }
        super::print(&format!("{document}\n"))?;
    } else {
        super::print(&repair::outcome(&repairs))?;
        super::print(&show::audit::text(&report, now))?;
    }
    Ok(status(&report))
}

fn status(report: &Report) -> u8 {
    match report.verdict() {
        Verdict::Balanced => 0,
        Verdict::OutOfBalance => OUT_OF_BALANCE,
        Verdict::CannotSay => CANNOT_SAY,
    }
}

async fn read(place: &Place, selection: &Selection) -> Result<Report, Failure> {
    let began = Instant::now();
    let said = Mutex::new(began);
    let progress = |progress: Progress| {
        let Ok(mut last) = said.lock() else { return };
        if last.elapsed() >= EVERY {
            *last = Instant::now();
            let Progress { days_read, days, reservations } = progress;
            eprintln!("read {reservations} reservations of {days_read} days, {days} in all, in {:.0} s", began.elapsed().as_secs_f64());
        }
    };
    let of = AuditOf { selection, policy: place.policy.as_ref(), now: Timestamp::now(), lag: place.lag, progress: &progress };
    place.ledger.audit(&of).await.map_err(|error| place.failure(&error))
}

/// A name that neither the policy nor any counter knows is a mistake, not a balanced book.
fn known_budget(arguments: &cli::Audit, place: &Place, report: &Report) -> Result<(), Failure> {
    let Some(name) = &arguments.budget else { return Ok(()) };
    let budgets = || place.policy.iter().flat_map(|policy| &policy.budgets);
    if !report.findings.is_empty() || budgets().any(|budget| budget.name == *name || budget.id == *name) {
        return Ok(());
    }
    let names: Vec<&str> = budgets().map(|budget| budget.name.as_str()).collect();
    let known = if names.is_empty() { "no policy is applied".to_owned() } else { format!("the policy has {}", names.join(", ")) };
    Err(Failure::new(format!("no budget is called `{name}`, and no counter of one was found")).hint(known))
}

/// Whether somebody can be asked.
fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}
