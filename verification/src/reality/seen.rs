//! What a run has shown.

use super::TOKENS;
use cost_sentry_core::reservation::{Reservation, State};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A run's figures.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Clients at once.
    pub clients: usize,
    /// Executions that were to be started.
    pub executions: usize,
    /// One line for each kill.
    pub kills: Vec<String>,
    /// Executions whose start, or end, a client was told.
    pub acknowledged: u64,
    /// Synchronous executions whose client was cut off, and asked again.
    pub cut_off: u64,
    /// How the acknowledged ones ended.
    pub endings: BTreeMap<String, u64>,
    /// Acknowledged executions that never ended.
    pub lost_executions: u64,
    /// Calls that the simulator answered.
    pub paid_calls: usize,
    /// Requests whose call it got more than once.
    pub paid_twice: usize,
    /// Paid calls that the books do not charge.
    pub lost_calls: usize,
    /// By what amounts limits were passed: by a counter, and by the simulator's own count of calls and tokens.
    pub over: Vec<String>,
    /// Holds that the sweep gave back.
    pub released: u64,
    /// Claims that the sweep marked uncertain.
    pub uncertain: u64,
    /// Reservations and counters that the last audit compared.
    pub audited: (u64, usize),
    /// What each audit said: one after each kill, with traffic, and the last one.
    pub audits: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl Seen {
    /// Whether nothing was over, nothing lost, and the books balance; with traffic an audit may only not be able to say.
    pub fn holds(&self) -> bool {
        let among = self.audits.iter().all(|verdict| verdict != "outOfBalance");
        let nothing_lost = self.lost_executions == 0 && self.lost_calls == 0 && self.paid_twice == 0;
        self.over.is_empty() && nothing_lost && among && self.audits.last().is_some_and(|last| last == "balanced")
    }

    /// Whether the run put the books to any test: calls were paid, budgets refused, and the process was killed among them. On a machine
    /// too slow for so many clients steps only run out of time.
    pub fn is_telling(&self) -> bool {
        let ended = |ending: &str| self.endings.get(ending).copied().unwrap_or_default();
        ended("INVOCATION_SUCCEEDED") > 0
            && ended("RATE_LIMIT_DENIED") > 0
            && self.uncertain + self.released + ended("InvocationUncertain") > 0
    }

    /// Compares what the simulator was asked, what is reserved, and what the counters show.
    pub(super) fn judge(&mut self, paid: &[String], reservations: &[Reservation], audit: &Value, room: u64) {
        let distinct: BTreeSet<&String> = paid.iter().collect();
        let charged = |one: &&Reservation| matches!(one.state, State::Settled | State::Uncertain);
        let charged: BTreeSet<&str> = reservations.iter().filter(charged).map(Reservation::request_id).collect();
        self.paid_calls = paid.len();
        self.paid_twice = paid.len() - distinct.len();
        self.lost_calls = distinct.iter().filter(|id| !charged.contains(id.as_str())).count();
        if paid.len() as u64 > room {
            self.over.push(format!("{} calls were answered, the budget has room for {room}", paid.len()));
        }
        let (tokens, most) = (paid.len() as u64 * TOKENS, room * TOKENS);
        if tokens > most {
            self.over.push(format!("{tokens} tokens were used, the budgets have room for {most}"));
        }
        let none = Vec::new();
        let counters = audit.get("counters").and_then(Value::as_array).unwrap_or(&none);
        self.audited = (audit.get("reservations").and_then(Value::as_u64).unwrap_or_default(), counters.len());
        self.over_limits(reservations, counters);
    }

    /// Counters above the limit that their reservations name.
    fn over_limits(&mut self, reservations: &[Reservation], counters: &[Value]) {
        let mut limits: BTreeMap<(String, &str), u64> = BTreeMap::new();
        for charge in reservations.iter().flat_map(|one| &one.charges) {
            for amount in &charge.amounts {
                limits.insert((charge.key().as_str().to_owned(), amount.unit.word()), amount.limit);
            }
        }
        let mut compared = 0;
        for counter in counters {
            let key = counter.get("key").and_then(Value::as_str).unwrap_or_default();
            for unit in counter.get("units").and_then(Value::as_array).into_iter().flatten() {
                let word = unit.get("unit").and_then(Value::as_str).unwrap_or_default();
                let committed = unit.pointer("/stored/committed").map(|shown| match shown {
                    Value::String(dollars) => cost_sentry_core::quantity::NanoUsd::parse_usd(dollars).map(|nano| nano.0),
                    number => number.as_u64(),
                });
                match (limits.get(&(key.to_owned(), word)), committed.flatten()) {
                    (Some(limit), Some(committed)) => {
                        compared += 1;
                        if committed > *limit {
                            let word = if word == "usd" { "nano-dollars" } else { word };
                            self.over.push(format!("{key} has {committed} {word} committed, its limit is {limit}"));
                        }
                    }
                    _ => self.over.push(format!("{key} cannot be compared with its limit in {word}")),
                }
            }
        }
        if compared == 0 {
            self.over.push("no counter was compared with its limit".to_owned());
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kill in &self.kills {
            writeln!(f, "{kill}")?;
        }
        let endings: Vec<String> = self.endings.iter().map(|(ending, count)| format!("{ending} {count}")).collect();
        writeln!(f, "clients      {}, kills {}, {:.0} s", self.clients, self.kills.len(), self.seconds)?;
        writeln!(
            f,
            "executions   {}, acknowledged {}; synchronous ones cut off, and asked again {}",
            self.executions, self.acknowledged, self.cut_off
        )?;
        writeln!(f, "ended        {}", endings.join(", "))?;
        writeln!(f, "calls paid   {}, twice for one request {}", self.paid_calls, self.paid_twice)?;
        writeln!(f, "swept        {} holds released, {} claims marked uncertain", self.released, self.uncertain)?;
        writeln!(f, "over         {}", self.over.len())?;
        for over in &self.over {
            writeln!(f, "             {over}")?;
        }
        writeln!(f, "lost         {} executions, {} paid calls", self.lost_executions, self.lost_calls)?;
        let (reservations, counters) = self.audited;
        let last = self.audits.last().map_or("none", String::as_str);
        write!(f, "audit        {last}: {counters} counters, {reservations} reservations; among traffic: {}", {
            let among = self.audits.len().saturating_sub(1);
            self.audits.iter().take(among).map(String::as_str).collect::<Vec<_>>().join(", ")
        })
    }
}
