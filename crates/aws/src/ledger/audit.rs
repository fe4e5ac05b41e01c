//! The audit's reading: what was true at one moment, though the table has no moment at which all of it can be read.
//!
//! A counter moves only together with a reservation, whose version it raises, or with a new adjustment. So the reservations and
//! adjustments are read, then the counters, then once more every reservation that could have moved meanwhile. A counter of which none
//! did is judged: all of its reservations stood like that when it was read. The others are looked at again, and are "moving" where
//! that never ends.
//!
//! What the day index does not list yet looks like a difference: a counter of the last minutes that differs is read again, and what moved
//! it is asked for only after the lag. One that never rests for so long is "moving", and never out of balance.

use super::item::{self, Item};
use super::{DynamoDbLedger, reservation_from};
use crate::table::{DAY_INDEX, PARTITIONS};
use cost_sentry_core::audit::{Finding, Recount, Report, Selection, Standing, Stored, days_between, judge};
use cost_sentry_core::budget::CounterKey;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::reservation::{Charge, Reservation};
use cost_sentry_workflow::ports::LedgerError;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::task::JoinSet;

/// How often a counter is looked at that moves each time.
const LOOKS: u32 = 8;
/// Reservations decided so long before the audit began may still be on their way into the index: far more than any clock's error, a
/// step's duration and the index's lag together.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// What is audited.
pub struct AuditOf<'a> {
    /// Which windows.
    pub selection: &'a Selection,
    /// The current policy, where there is one: it tells which windows are open.
    pub policy: Option<&'a Policy>,
    /// The time now.
    pub now: Timestamp,
    /// How long the index may lag behind the items; nothing where it never does.
    pub lag: Duration,
    /// Is told how far the reading is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// How far the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Days read.
    pub days_read: usize,
    /// Days to be read, as far as is known.
    pub days: usize,
    /// Reservations read.
    pub reservations: u64,
}

/// What the table says of a reservation.
enum Found {
    Readable(Box<Reservation>),
    Unreadable { id: String, charges: Option<Vec<Charge>>, decided_at: Timestamp },
}

/// An item's key, and when it was decided, as the index has them.
type Listed = (String, i64);

impl DynamoDbLedger {
    /// Compares the counters of the selected windows with their reservations and adjustments.
    pub async fn audit(&self, of: &AuditOf<'_>) -> Result<Report, LedgerError> {
        // The index knows microseconds.
        let now = Timestamp::from_microsecond(of.now.as_microsecond()).unwrap_or(of.now);
        let watched_from = now.saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
        let mut reading = Reading { ledger: self, of, recount: Recount::watching(watched_from), watched_from, findings: BTreeMap::new() };
        let indexed = reading.indexed_counters().await?;
        let ends = reading.counters(&indexed).await?;
        let ends = ends.into_iter().map(|(key, stored)| (key, stored.end)).collect();
        reading.read_days(&ends).await?;
        let selected = reading.selected(&ends);
        reading.look(selected, Duration::ZERO).await?;
        let in_doubt = reading.differing_lately();
        if !of.lag.is_zero() && !in_doubt.is_empty() {
            reading.look(in_doubt, of.lag).await?;
        }
        let (reservations, unreadable) = (reading.recount.read(), reading.recount.unreadable());
        Ok(Report { findings: reading.findings.into_values().collect(), reservations, unreadable })
    }

    /// What the day index lists in one partition from a moment on, in microseconds.
    async fn listed(&self, partition: String, from: i64) -> Result<Vec<Listed>, LedgerError> {
        let found = self.query(DAY_INDEX, ("dayPartition", partition), ("decidedAt", from, i64::MAX), usize::MAX).await?;
        Ok(found.iter().filter_map(|item| Some((item::key(item)?, item::number(item, "decidedAt")?))).collect())
    }

    /// What is listed in all partitions that begin with these names.
    async fn listed_in(&self, names: BTreeSet<String>, from: i64) -> Result<Vec<Listed>, LedgerError> {
        let mut listed = Vec::new();
        for name in names {
            let mut asking = JoinSet::new();
            for partition in 0..PARTITIONS {
                let (ledger, partition) = (self.clone(), format!("{name}#{partition}"));
                asking.spawn(async move { ledger.listed(partition, from).await });
            }
            while let Some(found) = asking.join_next().await {
                listed.extend(found.map_err(|error| LedgerError::Unavailable(Box::new(error)))??);
            }
        }
        Ok(listed)
    }

    /// The reservations of these keys; one that is gone is left out.
    async fn found(&self, listed: Vec<Listed>) -> Result<Vec<Found>, LedgerError> {
        let decided: BTreeMap<&str, i64> = listed.iter().map(|(key, at)| (key.as_str(), *at)).collect();
        let items = self.items(listed.iter().map(|(key, _)| key.clone()).collect(), true).await?;
        let found = |item: &Item| {
            let key = item::key(item)?;
            let decided_at = decided.get(key.as_str()).and_then(|at| Timestamp::from_microsecond(*at).ok()).unwrap_or(Timestamp::MIN);
            if let Ok(reservation) = reservation_from(item) {
                return Some(Found::Readable(Box::new(reservation)));
            }
            let id = key.strip_prefix("R#").unwrap_or(&key).to_owned();
            Some(Found::Unreadable { id, charges: item::charges(item), decided_at })
        };
        Ok(items.iter().filter_map(found).collect())
    }

    /// All reservations of one partition of a day.
    async fn found_on(&self, day: Date, partition: u64) -> Result<Vec<Found>, LedgerError> {
        let listed = self.listed(item::day_partition(day, partition), 0).await?;
        self.found(listed).await
    }
}

/// An audit under way.
struct Reading<'a> {
    ledger: &'a DynamoDbLedger,
    of: &'a AuditOf<'a>,
    recount: Recount,
    watched_from: Timestamp,
    findings: BTreeMap<CounterKey, Finding>,
}

/// The ends of counters' windows, as far as their items tell.
type Ends = BTreeMap<CounterKey, Option<Timestamp>>;

impl Reading<'_> {
    fn includes(&self, key: &CounterKey, end: Option<Timestamp>) -> bool {
        key.parts().is_some_and(|parts| self.of.selection.includes(parts.budget, parts.window, parts.start, end))
    }

    /// The counters whose windows may be selected, by the index.
    async fn indexed_counters(&self) -> Result<BTreeSet<CounterKey>, LedgerError> {
        let days = self.of.selection.start_days(self.of.policy, self.of.now);
        let months = days.into_iter().map(item::counters_of_month).collect();
        let listed = self.ledger.listed_in(months, i64::MIN).await?;
        let keys = listed.iter().filter_map(|(key, _)| CounterKey::stored(key));
        Ok(keys.filter(|key| self.includes(key, None)).collect())
    }

    async fn counters(&self, keys: &BTreeSet<CounterKey>) -> Result<BTreeMap<CounterKey, Stored>, LedgerError> {
        let items = self.ledger.items(keys.iter().map(|key| key.as_str().to_owned()).collect(), true).await?;
        Ok(items.iter().filter_map(|item| Some((CounterKey::stored(&item::key(item)?)?, item::stored_counter(item)))).collect())
    }

    /// The counters that are to be judged: by the index, and by the reservations read so far.
    fn selected(&self, indexed: &Ends) -> BTreeSet<CounterKey> {
        let named = self.recount.accounts().map(|(key, account)| (key, Some(account.span.end)));
        let all = indexed.iter().map(|(key, end)| (key, *end)).chain(named);
        all.filter(|(key, end)| self.includes(key, *end)).map(|(key, _)| key.clone()).collect()
    }

    /// The days on which the selected counters' reservations were decided.
    fn days_of(&self, indexed: &Ends) -> BTreeSet<Date> {
        let now = self.of.now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
        let mut days = self.of.selection.decision_days(self.of.policy, self.of.now);
        for key in self.selected(indexed) {
            let end = self.recount.account(&key).map(|account| account.span.end).or(indexed.get(&key).copied().flatten());
            if let Some(parts) = key.parts() {
                days.extend(days_between(parts.start, end.unwrap_or(now).min(now)));
            }
        }
        days
    }

    /// Reads the reservations of those days, and of the days that these lead to: a window that one of them names may have begun earlier.
    async fn read_days(&mut self, indexed: &Ends) -> Result<(), LedgerError> {
        let mut read = BTreeSet::new();
        loop {
            let days: BTreeSet<Date> = self.days_of(indexed).difference(&read).copied().collect();
            if days.is_empty() {
                return Ok(());
            }
            for day in &days {
                self.read_day(*day).await?;
                read.insert(*day);
                let reservations = self.recount.read();
                (self.of.progress)(Progress { days_read: read.len(), days: days.union(&read).count(), reservations });
            }
        }
    }

    async fn read_day(&mut self, day: Date) -> Result<(), LedgerError> {
        let mut asking = JoinSet::new();
        for partition in 0..PARTITIONS {
            let ledger = self.ledger.clone();
            asking.spawn(async move { ledger.found_on(day, partition).await });
        }
        while let Some(found) = asking.join_next().await {
            let found = found.map_err(|error| LedgerError::Unavailable(Box::new(error)))??;
            for found in &found {
                self.note(found);
            }
        }
        Ok(())
    }

    fn note(&mut self, found: &Found) -> BTreeSet<CounterKey> {
        match found {
            Found::Readable(reservation) => self.recount.note(reservation),
            Found::Unreadable { id, charges, decided_at } => self.recount.note_unreadable(id, charges.as_deref(), *decided_at),
        }
    }

    /// Judges these counters, each as soon as nothing moved it while it was read, as the index knows after such a lag.
    async fn look(&mut self, mut pending: BTreeSet<CounterKey>, lag: Duration) -> Result<(), LedgerError> {
        for attempt in 0..LOOKS {
            if pending.is_empty() {
                return Ok(());
            }
            let (adjustments, _) = self.ledger.adjustments(&pending).await?;
            let stored = self.counters(&pending).await?;
            let (adjustments_after, unreadable) = self.ledger.adjustments(&pending).await?;
            if !lag.is_zero() {
                tokio::time::sleep(lag).await;
            }
            let moved = self.look_again(&pending).await?;
            let still = |key: &CounterKey| !moved.contains(key) && adjustments.get(key) == adjustments_after.get(key);
            for key in pending.iter().chain(&moved) {
                let mut counter = stored.get(key).cloned();
                if unreadable.contains(key) {
                    counter = Some(Stored { unreadable: true, ..counter.unwrap_or_default() });
                }
                let mended = adjustments.get(key).cloned().unwrap_or_default();
                let mut finding = judge(key, counter.as_ref(), &self.recount, mended, self.of.now);
                if !still(key) && finding.standing != Standing::Approximate {
                    finding.standing = Standing::Moving;
                }
                self.findings.insert(key.clone(), finding);
            }
            pending = pending.union(&moved).filter(|key| !still(key)).cloned().collect();
            if !pending.is_empty() {
                super::patience(attempt).await;
            }
        }
        Ok(())
    }

    /// Reads again every reservation that may have moved one of these counters, and every new one; the selected counters that any moved.
    async fn look_again(&mut self, counters: &BTreeSet<CounterKey>) -> Result<BTreeSet<CounterKey>, LedgerError> {
        let from = self.watched_from.as_microsecond();
        let tomorrow = self.of.now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
        let days = days_between(self.watched_from, tomorrow).iter().map(Date::to_string).collect();
        let recent = self.ledger.listed_in(days, from).await?;
        let known = |key: &str| self.recount.is_ended(key.strip_prefix("R#").unwrap_or(key));
        let mut listed: BTreeMap<String, i64> = recent.into_iter().filter(|(key, _)| !known(key)).collect();
        listed.extend(self.recount.open_on(counters).iter().map(|id| (item::reservation_key(id), from)));
        let found = self.ledger.found(listed.into_iter().collect()).await?;
        let mut moved = BTreeSet::new();
        for found in &found {
            moved.extend(self.note(found));
        }
        moved.retain(|key| {
            let end = self.recount.account(key).map(|account| account.span.end);
            counters.contains(key) || (!self.findings.contains_key(key) && self.includes(key, end))
        });
        Ok(moved)
    }

    /// Counters that differ, and on which a hold may have been written too lately for the index to list it.
    fn differing_lately(&self) -> BTreeSet<CounterKey> {
        let lately =
            |finding: &&Finding| matches!(finding.standing, Standing::Differs(_)) && finding.end.is_none_or(|end| end > self.watched_from);
        self.findings.values().filter(lately).map(|finding| finding.key.clone()).collect()
    }
}
