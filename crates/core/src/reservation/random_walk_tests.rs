//! Many reservations on shared counters, moved by events in any order: the counters always equal the sums over the reservations.

use super::{HASH, Verdict, at, id, transition};
use crate::budget::{CounterKey, Mode, Unit};
use crate::fixtures::{amount, charge, reservation};
use crate::price::Usage;
use crate::quantity::Tokens;
use crate::reservation::{CounterDelta, Refused, Reservation, State, Transition};
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// Committed, used and uncertain, by counter and unit.
type Counters = BTreeMap<(CounterKey, Unit), [i64; 3]>;

/// Xorshift: the same walk each time.
struct Walk(u64);

impl Walk {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn hold(&mut self) -> Reservation {
        let [input, output] = [self.below(1_000), 1 + self.below(2_000)];
        let dollars = vec![amount(Unit::Usd, 1 << 40, input * 1_000 + output * 5_000, [0; 3])];
        let tokens = vec![amount(Unit::Tokens, 1 << 40, input + output, [0; 3]), amount(Unit::Requests, 1 << 40, 1, [0; 3])];
        let mut charges = vec![charge("org", Mode::Enforce, dollars), charge("app", Mode::Enforce, tokens.clone())];
        if self.below(2) == 0 {
            charges.push(charge("trial", Mode::Shadow, tokens));
        }
        if self.below(3) == 0 {
            "team=other".clone_into(&mut charges[1].scope);
        }
        Reservation { version: 1, ..reservation(State::Held, charges) }
    }

    fn event(&mut self) -> Transition {
        let claim_id = id(if self.below(3) == 0 { "other" } else { "mine" });
        let lease_end = at("2026-11-20T12:50:00Z");
        match self.below(8) {
            0..=2 => Transition::Claim { claim_id, request_hash: HASH.to_owned(), lease_end },
            3 => Transition::Unclaim { claim_id, lease_end },
            4 => {
                let [input, output, cache_read] = [self.below(1_000), self.below(3_000), self.below(500)].map(Tokens);
                Transition::Settle { claim_id, usage: Usage { input, output, cache_read, ..Usage::default() } }
            }
            5 => Transition::Doubt { claim_id },
            6 => Transition::Release { claim_id: (self.below(2) == 0).then_some(claim_id) },
            _ => Transition::Sweep { now: at("2026-11-20T12:45:00Z"), skew: SignedDuration::from_secs(self.below(600).cast_signed()) },
        }
    }
}

/// What one charge stands for in the state that its reservation is in.
fn share(reservation: &Reservation, unit: Unit, hold: u64) -> [i64; 3] {
    let hold = hold.cast_signed();
    match reservation.state {
        State::Held | State::Claimed => [hold, 0, 0],
        State::Uncertain => [hold, 0, hold],
        State::Denied | State::Released => [0, 0, 0],
        State::Settled => {
            let used = reservation.usage.unwrap();
            let (input, output) = (used.input.0 + used.cache_read.0, used.output.0);
            let actual = match unit {
                Unit::Usd => input * 1_000 + output * 5_000,
                Unit::Tokens => input + output,
                _ => 1,
            };
            [actual.cast_signed(), actual.cast_signed(), 0]
        }
    }
}

fn sums(reservations: &[Reservation]) -> Counters {
    let mut sums = Counters::new();
    for reservation in reservations {
        for charge in &reservation.charges {
            for amount in &charge.amounts {
                add(&mut sums, (charge.key(), amount.unit), share(reservation, amount.unit, amount.hold));
            }
        }
    }
    sums
}

fn add(counters: &mut Counters, key: (CounterKey, Unit), amounts: [i64; 3]) {
    let figures = counters.entry(key).or_default();
    figures.iter_mut().zip(amounts).for_each(|(figure, amount)| *figure += amount);
}

fn book(counters: &mut Counters, deltas: &[CounterDelta]) {
    for delta in deltas {
        add(counters, (delta.key.clone(), delta.unit), [delta.committed, delta.used, delta.uncertain]);
    }
}

#[test]
fn after_any_history_the_counters_equal_the_sums_over_the_reservations() {
    let mut walk = Walk(0x9e37_79b9_7f4a_7c15);
    let (mut reservations, mut counters) = (Vec::<Reservation>::new(), Counters::new());
    let mut reached = BTreeMap::<State, u32>::new();
    for _ in 0..6_000 {
        if reservations.len() < 150 && walk.below(20) == 0 {
            let held = walk.hold();
            book(&mut counters, &held.hold_deltas());
            book(&mut counters, &held.shadow_hold_deltas());
            reservations.push(held);
        }
        let i = usize::try_from(walk.below(150)).unwrap();
        if i >= reservations.len() {
            continue;
        }
        let (before, event) = (reservations[i].clone(), walk.event());
        if let Verdict::Apply(step) = transition(&before, &event) {
            assert_eq!(step.next.version, before.version + 1);
            assert!(step.deltas.iter().all(|delta| delta.key.as_str().starts_with("C#")), "{event:?}");
            assert!(step.shadow.iter().all(|delta| delta.key.as_str().starts_with("S#")), "{event:?}");
            book(&mut counters, &step.deltas);
            book(&mut counters, &step.shadow);
            let repeated = transition(&step.next, &event);
            let swept = matches!(event, Transition::Sweep { .. });
            assert_eq!(repeated, if swept { Verdict::Refused(Refused::NotDue) } else { Verdict::Done }, "{event:?}");
            *reached.entry(step.next.state).or_default() += 1;
            reservations[i] = step.next;
        }
        assert_eq!(counters, sums(&reservations), "after {event:?} on {:?}", before.state);
    }
    let mut shares = Counters::new();
    for (key, unit, figures) in reservations.iter().flat_map(Reservation::shares) {
        add(&mut shares, (key, unit), [figures.committed, figures.used, figures.uncertain]);
    }
    counters.retain(|(key, _), _| key.as_str().starts_with("C#"));
    assert_eq!(shares, counters, "a reservation's own account of its shares");
    let open = reservations.iter().filter(|reservation| reservation.state.is_open()).count();
    assert!(reached.len() == 5 && reached.values().all(|times| *times >= 20) && open < 150, "the walk went nowhere: {reached:?}");
}
