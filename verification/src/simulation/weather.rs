//! What goes wrong, and how often: drawn once per world, so that some are calm, some are bad all over, and some are bad in one way only.

use super::chance::Chance;
use std::time::Duration;

/// A thing that goes wrong, each counted by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A ledger request is lost before it does anything.
    LedgerLostBefore,
    /// A ledger request is done, and its answer is lost.
    LedgerLostAfter,
    /// The ledger's client gives up, and the request is done later all the same.
    LedgerLate,
    /// A ledger request is sent twice under the client's own retry, and the second answer counts.
    LedgerAgain,
    /// Others have the items, for longer than the client's patience.
    LedgerContended,
    /// A ledger request takes nearly all of the time that it may.
    LedgerSlow,
    /// The ledger answers nobody for a while.
    LedgerOutage,
    /// The ledger hears nothing of an execution from the end of its call until it is driven again.
    LedgerDeaf,
    /// The policy cannot be read.
    PolicyUnavailable,
    /// The metrics are not taken.
    MetricsLostBefore,
    /// The metrics are taken, and the answer is lost.
    MetricsLostAfter,
    /// The function is throttled: it does not run.
    FunctionThrottled,
    /// Lambda fails before the function runs.
    FunctionNotRun,
    /// The function dies before it asks anybody for anything.
    KilledBefore,
    /// The function dies at one of its requests: before it is done, or after.
    KilledBetween,
    /// The function ends, and its answer is lost.
    KilledAfter,
    /// The function runs twice at once on one input, and one of the answers counts.
    FunctionTwice,
    /// The function hangs at one of its requests, for a second or for minutes.
    FunctionStalled,
    /// The function's answer comes late: after the task's time-out, at times.
    AnswerLate,
    /// The function runs longer than it may, and is killed for it.
    FunctionTimedOut,
    /// The execution is run twice: the same id, at once or soon after.
    ExecutionTwice,
    /// The execution is stopped midway, and driven again within the hour.
    Redriven,
    /// The execution is stopped midway, and driven again days later, at most 14.
    RedrivenDaysLater,
    /// The function's clock is wrong by up to a minute.
    ClockOff,
    /// The function's clock is wrong by minutes.
    ClockFarOff,
    /// The policy is replaced while requests are under way.
    PolicyReplaced,
}

/// How much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Faults {
    /// Nothing but what models do.
    None,
    /// From calm worlds to stormy ones.
    #[default]
    Mixed,
    /// Storms only.
    Many,
}

impl Faults {
    /// The command line's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mixed => "mixed",
            Self::Many => "many",
        }
    }
}

/// How often each thing goes wrong in one world, in cases per million.
#[derive(Debug, Clone)]
pub struct Weather {
    rates: Vec<(Fault, u32)>,
    /// When the ledger answers nobody.
    pub outages: Vec<(Duration, Duration)>,
    /// When no policy can be read.
    pub policy_outages: Vec<(Duration, Duration)>,
}

/// The faults that are drawn at each occasion, and how often in fair weather with a breeze.
const BREEZE: [(Fault, u32); 22] = [
    (Fault::LedgerLostBefore, 2_000),
    (Fault::LedgerLostAfter, 3_000),
    (Fault::LedgerLate, 1_500),
    (Fault::LedgerAgain, 2_000),
    (Fault::LedgerContended, 2_000),
    (Fault::LedgerSlow, 2_000),
    (Fault::PolicyUnavailable, 2_000),
    (Fault::MetricsLostBefore, 4_000),
    (Fault::MetricsLostAfter, 4_000),
    (Fault::FunctionThrottled, 3_000),
    (Fault::FunctionNotRun, 3_000),
    (Fault::KilledBefore, 1_500),
    (Fault::KilledBetween, 4_000),
    (Fault::KilledAfter, 2_000),
    (Fault::FunctionTwice, 4_000),
    (Fault::FunctionStalled, 1_500),
    (Fault::AnswerLate, 1_500),
    (Fault::ExecutionTwice, 10_000),
    (Fault::Redriven, 8_000),
    (Fault::RedrivenDaysLater, 2_000),
    (Fault::ClockOff, 60_000),
    (Fault::ClockFarOff, 10_000),
];

impl Weather {
    /// The weather of a world that lasts about so long.
    pub fn draw(faults: Faults, chance: &Chance, lasts: Duration) -> Self {
        let strengths: &[(u32, u32)] = match faults {
            Faults::None => &[(1, 0)],
            Faults::Mixed => &[(2, 0), (4, 1), (3, 5), (1, 15)],
            Faults::Many => &[(1, 10), (1, 25)],
        };
        let strength = chance.weighted(strengths).unwrap_or(0);
        let mut rates: Vec<(Fault, u32)> = BREEZE.iter().map(|(fault, rate)| (*fault, rate * strength)).collect();
        if strength > 1 && chance.one_in(3) {
            // Bad in one or two ways only: what hides behind other faults comes to light.
            let kept = [chance.index(rates.len()), chance.index(rates.len())];
            rates = kept.iter().filter_map(|index| rates.get(*index)).map(|(fault, rate)| (*fault, (rate * 4).min(300_000))).collect();
        }
        let outages = |happens: bool, most: u64| {
            let begin = chance.number(0..=u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
            let begin = Duration::from_millis(begin);
            let end = begin + chance.millis(500..=most);
            if happens { vec![(begin, end)] } else { Vec::new() }
        };
        let stormy = strength >= 5;
        let (ledger, policy) = (stormy && chance.one_in(2), stormy && chance.one_in(3));
        Self { rates, outages: outages(ledger, 45_000), policy_outages: outages(policy, 400_000) }
    }

    /// How often this goes wrong.
    pub fn rate(&self, fault: Fault) -> u32 {
        self.rates.iter().filter(|(known, _)| *known == fault).map(|(_, rate)| rate).sum()
    }
}

/// Whether a moment is within one of the spans.
pub fn within(spans: &[(Duration, Duration)], at: Duration) -> bool {
    spans.iter().any(|(from, until)| (*from..*until).contains(&at))
}
