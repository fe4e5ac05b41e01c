//! What a history does to a ledger, and the answers, comparable between stores.

use super::books::{amount, at, charge, claim, denied, doubt, held, release, settle, shadow, sweep, unclaim};
use cost_sentry_core::budget::{CounterKey, Unit};
use cost_sentry_core::reservation::{Charge, Reservation, State, Transition, Verdict, transition};
use cost_sentry_core::shard::Shard;
use cost_sentry_workflow::ledger::{Driven, drive, drive_stored};
use cost_sentry_workflow::ports::{Created, Ledger, Written};
use proptest::prelude::*;

/// The largest hold that is drawn, in any unit: above some limits.
const LARGEST_HOLD: u64 = 1_000;

/// What a history's policy says: its budgets, each with its limits, and how many shards their counters have. What else a budget can say
/// that changes its writes belongs here.
#[derive(Debug, Clone)]
pub struct Terms {
    budgets: Vec<Vec<(Unit, u64)>>,
    shards: u8,
}

/// One operation.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Creates a reservation of that id, held or denied; a hold counts on its shadow counters too.
    Create(String, Vec<Charge>, bool),
    /// Drives what is stored under that id.
    Drive(String, Transition),
    /// Drives from a copy that may be out of date.
    DriveCopy(Reservation, Transition),
    /// Writes what was decided on a copy that may be out of date.
    Write(Reservation, Transition),
    /// Lists so many leases that are past.
    Leases(usize),
    /// An item of a counter is forgotten; the store itself does that.
    Expire(CounterKey),
}

impl Operation {
    /// The word of each.
    pub const WORDS: [&'static str; 6] = ["create", "drive", "drive a copy", "write", "leases", "expire"];

    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create(..) => "create",
            Self::Drive(..) => "drive",
            Self::DriveCopy(..) => "drive a copy",
            Self::Write(..) => "write",
            Self::Leases(_) => "leases",
            Self::Expire(_) => "expire",
        }
    }
}

/// What a ledger says to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Created(Created),
    Driven(Driven),
    /// Nothing was decided that could be written.
    NotDecided,
    Written(Written),
    Past(Vec<Reservation>),
    Nothing,
}

/// Does it.
pub async fn carry_out(ledger: &impl Ledger, operation: &Operation) -> Answer {
    match operation {
        Operation::Create(id, charges, deny) => {
            let reservation = if *deny { denied(id, charges.clone()) } else { held(id, charges.clone()) };
            let created = sorted(ledger.create(&reservation).await.unwrap());
            if matches!(created, Created::Created | Created::OnOtherShards(_)) && reservation.state == State::Held {
                ledger.count_shadow(&reservation.shadow_hold_deltas()).await;
            }
            Answer::Created(created)
        }
        Operation::Drive(id, event) => Answer::Driven(drive_stored(ledger, id, event).await.unwrap()),
        Operation::DriveCopy(known, event) => Answer::Driven(drive(ledger, known.clone(), event).await.unwrap()),
        Operation::Write(known, event) => match transition(known, event) {
            Verdict::Apply(step) => Answer::Written(ledger.write(known.version, &step).await.unwrap()),
            Verdict::Done | Verdict::Refused(_) => Answer::NotDecided,
        },
        Operation::Leases(most) => Answer::Past(ledger.leases_past(at("2026-11-20T12:46:00Z"), *most).await.unwrap()),
        Operation::Expire(_) => Answer::Nothing,
    }
}

/// A refusal's counters come in no order.
fn sorted(created: Created) -> Created {
    match created {
        Created::NoRoom(mut refusing) => {
            refusing.sort_by(|(a, _), (b, _)| a.cmp(b));
            Created::NoRoom(refusing)
        }
        other => other,
    }
}

impl Terms {
    /// Three budgets with one to three limits each, some too small for the largest hold.
    pub fn any() -> impl Strategy<Value = Self> {
        let limit = |unit| (Just(unit), 500..4_000_u64);
        let one = limit(Unit::Tokens).prop_map(|tokens| vec![tokens]);
        let two = (limit(Unit::Tokens), (Just(Unit::Requests), 2..6_u64)).prop_map(|(tokens, requests)| vec![tokens, requests]);
        let three = (limit(Unit::Usd), limit(Unit::InputTokens), limit(Unit::OutputTokens)).prop_map(|(a, b, c)| vec![a, b, c]);
        let shards = prop_oneof![3 => Just(1), 2 => Just(3)];
        (one, two, three, shards).prop_map(|(one, two, three, shards)| Self { budgets: vec![one, two, three], shards })
    }

    fn budget(&self, n: usize, amounts: &[(Unit, u64)], holds: &[u64]) -> Charge {
        let hold = |unit, hold: u64| if unit == Unit::Requests { 1 } else { hold };
        let amounts: Vec<_> = amounts.iter().zip(holds).map(|((unit, limit), held)| amount(*unit, *limit, hold(*unit, *held))).collect();
        Charge { shard: Shard { index: 0, of: self.shards }, ..charge(&format!("b{n}"), &amounts) }
    }

    /// Every item of a counter that a history can touch, shadows' among them.
    pub fn all_items(&self) -> Vec<CounterKey> {
        let exact = self.budgets.iter().enumerate().map(|(n, limits)| self.budget(n, limits, &[0; 3]));
        exact.flat_map(|exact| [exact.clone(), shadow(exact)]).flat_map(|charge| charge.counter_keys()).collect()
    }

    /// One of these.
    pub fn item(&self) -> impl Strategy<Value = CounterKey> + use<> {
        prop::sample::select(self.all_items())
    }

    /// What one request holds: each budget not at all, enforced, or as a shadow; sometimes by a policy with lower limits, that is in force
    /// at the same time.
    pub fn charges(&self) -> impl Strategy<Value = Vec<Charge>> + use<> {
        let terms = self.clone();
        let drawn = prop::collection::vec((0..5_u8, prop::array::uniform3(0..=LARGEST_HOLD)), terms.budgets.len());
        (drawn, prop::bool::weighted(0.2)).prop_map(move |(drawn, lower)| {
            let in_force = |(unit, limit): &(Unit, u64)| (*unit, if lower { limit * 4 / 5 } else { *limit });
            let drawn = drawn.into_iter().zip(&terms.budgets).enumerate();
            let charges = drawn.filter_map(|(n, ((how, holds), limits))| {
                let limits: Vec<_> = limits.iter().map(in_force).collect();
                match how {
                    0 => None,
                    1 => Some(shadow(terms.budget(n, &limits, &holds))),
                    _ => Some(terms.budget(n, &limits, &holds)),
                }
            });
            charges.collect()
        })
    }
}

/// An event: mostly one claim's, sometimes another's, or another request's.
pub fn event() -> impl Strategy<Value = Transition> {
    let whose = || prop::sample::select(vec!["c1", "c1", "c1", "c2"]);
    let other_request = |event| match event {
        Transition::Claim { claim_id, lease_end, .. } => Transition::Claim { claim_id, lease_end, request_hash: "f".repeat(32) },
        event => event,
    };
    prop_oneof![
        8 => whose().prop_map(claim),
        1 => whose().prop_map(move |whose| other_request(claim(whose))),
        2 => whose().prop_map(unclaim),
        4 => (whose(), 0..800_u64, 0..300_u64).prop_map(|(whose, input, output)| settle(whose, input, output)),
        2 => whose().prop_map(doubt),
        2 => prop::option::of(whose()).prop_map(release),
        2 => Just(sweep()),
    ]
}
