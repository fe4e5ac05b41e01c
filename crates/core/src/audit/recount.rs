//! The recount: what every counter should show, added up from reservations as they are read.

use crate::budget::{CounterKey, Unit};
use crate::reservation::{Charge, Figures, Reservation, State};
use crate::window::Span;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What reservations say of one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What people call the budget.
    pub name: String,
    /// The window.
    pub span: Span,
    /// The sums of their shares, per unit.
    pub sums: BTreeMap<Unit, Figures>,
    /// How many have a share, one that was given back included.
    pub reservations: u64,
    /// Those that could not be read but for their charges.
    unreadable: BTreeSet<String>,
}

/// The sums so far. What no transition can change any more is added and forgotten; what may still move is kept, so that it can be taken
/// back and added anew when it has moved.
#[derive(Debug, Clone)]
pub struct Recount {
    watched_from: Timestamp,
    accounts: BTreeMap<CounterKey, Account>,
    open: BTreeMap<String, Reservation>,
    ended: BTreeSet<String>,
    /// Reservations of which nothing but their time could be read.
    dark: BTreeMap<String, Timestamp>,
    read: u64,
}

impl Recount {
    /// Without any reservation. Those decided from `watched_from` on may be noted again and count once; earlier ones are to be noted
    /// again only while they are open.
    pub fn watching(watched_from: Timestamp) -> Self {
        let (accounts, open, ended, dark) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { watched_from, accounts, open, ended, dark, read: 0 }
    }

    /// Takes a reservation into account as it stands now; the counters in which its shares are others than before.
    pub fn note(&mut self, reservation: &Reservation) -> BTreeSet<CounterKey> {
        let id = reservation.request_id();
        if self.is_ended(id) || self.open.get(id).is_some_and(|known| known.version == reservation.version) {
            return BTreeSet::new();
        }
        let before = self.open.remove(id);
        match &before {
            Some(before) => self.add(before, Figures::minus),
            None => self.read += 1,
        }
        self.add(reservation, Figures::plus);
        if before.is_none() && reservation.state != State::Denied {
            for charge in &reservation.charges {
                self.account_of(charge).reservations += 1;
            }
        }
        if !reservation.state.is_final() {
            self.open.insert(id.to_owned(), reservation.clone());
        } else if reservation.held_at >= self.watched_from {
            self.ended.insert(id.to_owned());
        }
        let same = |charge: &&Charge| before.as_ref().is_some_and(|before| before.shares_on(charge) == reservation.shares_on(charge));
        reservation.charges.iter().filter(|charge| !same(charge)).map(Charge::key).collect()
    }

    /// Takes note of a reservation that could not be read: with its charges, if at least these could; the counters that it concerns.
    pub fn note_unreadable(&mut self, id: &str, charges: Option<&[Charge]>, decided_at: Timestamp) -> BTreeSet<CounterKey> {
        self.ended.insert(id.to_owned());
        if let Some(charges) = charges {
            for charge in charges {
                self.account_of(charge).unreadable.insert(id.to_owned());
            }
            return charges.iter().map(Charge::key).collect();
        }
        self.dark.insert(id.to_owned(), decided_at);
        let concerned = self.accounts.iter().filter(|(_, account)| account.span.contains(decided_at));
        concerned.map(|(key, _)| key.clone()).collect()
    }

    fn add(&mut self, reservation: &Reservation, operation: fn(Figures, Figures) -> Figures) {
        for charge in reservation.charges.iter().filter(|_| reservation.state != State::Denied) {
            let shares = reservation.shares_on(charge);
            let sums = &mut self.account_of(charge).sums;
            for amount in &charge.amounts {
                sums.entry(amount.unit).or_default();
            }
            for (_, unit, share) in shares {
                let sum = sums.entry(unit).or_default();
                *sum = operation(*sum, share);
            }
        }
    }

    fn account_of(&mut self, charge: &Charge) -> &mut Account {
        self.accounts.entry(charge.key()).or_insert_with(|| Account {
            name: charge.name.clone(),
            span: charge.span,
            sums: BTreeMap::new(),
            reservations: 0,
            unreadable: BTreeSet::new(),
        })
    }

    /// What reservations say of a counter; nothing where none names it.
    pub fn account(&self, key: &CounterKey) -> Option<&Account> {
        self.accounts.get(key)
    }

    /// Every counter that a reservation names.
    pub fn accounts(&self) -> impl Iterator<Item = (&CounterKey, &Account)> {
        self.accounts.iter()
    }

    /// The ids of reservations that may still move, and touch one of these counters.
    pub fn open_on(&self, keys: &BTreeSet<CounterKey>) -> Vec<String> {
        let touches = |reservation: &Reservation| reservation.charges.iter().any(|charge| keys.contains(&charge.key()));
        self.open.iter().filter(|(_, reservation)| touches(reservation)).map(|(id, _)| id.clone()).collect()
    }

    /// How many reservations on this counter a step or the sweep has still to end.
    pub(super) fn in_flight_on(&self, key: &CounterKey) -> u64 {
        let touches = |reservation: &Reservation| reservation.charges.iter().any(|charge| charge.key() == *key);
        self.open.values().filter(|reservation| reservation.state.is_open() && touches(reservation)).map(|_| 1).sum()
    }

    /// Whether a reservation is known, and no transition changes it any more.
    pub fn is_ended(&self, id: &str) -> bool {
        self.ended.contains(id)
    }

    /// How many reservations were read.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Every reservation that could not be read.
    pub fn unreadable(&self) -> BTreeSet<String> {
        self.accounts.values().flat_map(|account| &account.unreadable).chain(self.dark.keys()).cloned().collect()
    }

    /// Those that a counter may depend on: where not even the charges could be read, each in whose window they were decided.
    pub(super) fn unreadable_of(&self, key: &CounterKey, end: Option<Timestamp>) -> BTreeSet<String> {
        let start = key.parts().map(|parts| parts.start);
        let within = |at: Timestamp| start.is_none_or(|start| start <= at) && end.is_none_or(|end| at < end);
        let mut found: BTreeSet<String> = self.dark.iter().filter(|(_, at)| within(**at)).map(|(id, _)| id.clone()).collect();
        found.extend(self.account(key).into_iter().flat_map(|account| account.unreadable.clone()));
        found
    }
}
