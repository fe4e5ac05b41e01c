use super::*;
use crate::budget::Mode;
use crate::fixtures::{amount, charge, reservation, usage};
use crate::reservation::Figures;
use std::collections::BTreeMap;

#[path = "random_walk_tests.rs"]
mod random_walk;

const HASH: &str = "00112233445566778899aabbccddeeff";

fn id(text: &str) -> ClaimId {
    ClaimId(text.to_owned())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Holds 600 tokens and 2,600,000 nano-dollars, and shadows 600 tokens elsewhere.
fn charges() -> Vec<Charge> {
    let amounts = vec![
        amount(Unit::Tokens, 10_000, 600, [0; 3]),
        amount(Unit::InputTokens, 10_000, 100, [0; 3]),
        amount(Unit::OutputTokens, 10_000, 500, [0; 3]),
        amount(Unit::Requests, 10, 1, [0; 3]),
    ];
    vec![
        charge("org", Mode::Enforce, vec![amount(Unit::Usd, 1_000_000_000, 2_600_000, [0; 3])]),
        charge("trial", Mode::Shadow, vec![amount(Unit::Tokens, 10_000, 600, [0; 3])]),
        charge("app", Mode::Enforce, amounts),
    ]
}

/// A reservation in that state as the transitions leave it: claimed by `mine` where a claim leads there.
fn stands(state: State) -> Reservation {
    let claimed = matches!(state, State::Claimed | State::Settled | State::Uncertain);
    Reservation { claim_id: claimed.then(|| id("mine")), ..reservation(state, charges()) }
}

fn event(words: &str) -> Transition {
    let lease_end = at("2026-11-20T12:50:00Z");
    let skew = SignedDuration::from_secs(30);
    match words.split(' ').collect::<Vec<_>>()[..] {
        ["claim", claim, hash] => {
            let request_hash = if hash == "same" { HASH.to_owned() } else { HASH.replace('0', "f") };
            Transition::Claim { claim_id: id(claim), request_hash, lease_end }
        }
        ["unclaim", claim] => Transition::Unclaim { claim_id: id(claim), lease_end },
        ["settle", claim] => Transition::Settle { claim_id: id(claim), usage: usage(90, 80) },
        ["doubt", claim] => Transition::Doubt { claim_id: id(claim) },
        ["release", "none"] => Transition::Release { claim_id: None },
        ["release", claim] => Transition::Release { claim_id: Some(id(claim)) },
        ["sweep", "past"] => Transition::Sweep { now: at("2026-11-20T12:40:30.000000001Z"), skew },
        ["sweep", "due"] => Transition::Sweep { now: at("2026-11-20T12:40:30Z"), skew },
        ["sweep", "early"] => Transition::Sweep { now: at("2026-11-20T12:39:00Z"), skew },
        _ => panic!("{words}"),
    }
}

fn check(reservation: &Reservation, words: &str, expected: &str) {
    let verdict = transition(reservation, &event(words));
    let found = match &verdict {
        Verdict::Apply(step) => serde_json::to_value(step.next.state).unwrap().as_str().unwrap().to_owned(),
        Verdict::Done => "done".to_owned(),
        Verdict::Refused(refused) => format!("{refused:?}"),
    };
    assert_eq!(found, expected, "{words} finds {:?} by {:?}", reservation.state, reservation.claim_id);
    if let Verdict::Apply(step) = verdict {
        assert_eq!(step.next.version, reservation.version + 1, "{words}");
    }
}

#[test]
fn every_event_in_every_state_gets_the_verdict_of_the_table() {
    const ELSEWHERE: &str = "ClaimedElsewhere";
    let rows = [
        //                    HELD            DENIED          CLAIMED         SETTLED         UNCERTAIN       RELEASED
        ("claim mine same", ["CLAIMED", "LeaseLost", "done", ELSEWHERE, ELSEWHERE, "LeaseLost"]),
        ("claim other same", ["CLAIMED", "LeaseLost", ELSEWHERE, ELSEWHERE, ELSEWHERE, "LeaseLost"]),
        ("claim mine differs", ["OtherRequest"; 6]),
        ("claim other differs", ["OtherRequest"; 6]),
        ("unclaim mine", ["done", "LeaseLost", "HELD", ELSEWHERE, ELSEWHERE, "LeaseLost"]),
        ("unclaim other", ["done", "LeaseLost", ELSEWHERE, ELSEWHERE, ELSEWHERE, "LeaseLost"]),
        ("settle mine", ["LeaseLost", "LeaseLost", "SETTLED", "done", "SETTLED", "LeaseLost"]),
        ("settle other", ["LeaseLost", "LeaseLost", ELSEWHERE, ELSEWHERE, ELSEWHERE, "LeaseLost"]),
        ("doubt mine", ["LeaseLost", "LeaseLost", "UNCERTAIN", "done", "done", "LeaseLost"]),
        ("doubt other", ["LeaseLost", "LeaseLost", ELSEWHERE, ELSEWHERE, ELSEWHERE, "LeaseLost"]),
        ("release mine", ["RELEASED", "LeaseLost", "RELEASED", ELSEWHERE, "RELEASED", "done"]),
        ("release other", ["RELEASED", "LeaseLost", ELSEWHERE, ELSEWHERE, ELSEWHERE, "done"]),
        ("release none", ["RELEASED", "LeaseLost", ELSEWHERE, ELSEWHERE, ELSEWHERE, "done"]),
        ("sweep past", ["RELEASED", "NotDue", "UNCERTAIN", "NotDue", "NotDue", "NotDue"]),
        ("sweep due", ["NotDue"; 6]),
        ("sweep early", ["NotDue"; 6]),
    ];
    for (words, verdicts) in rows {
        for (state, expected) in State::ALL.into_iter().zip(verdicts) {
            check(&stands(state), words, expected);
        }
        // Released by the claim that had it: nobody's again.
        let released = Reservation { claim_id: Some(id("mine")), ..stands(State::Released) };
        check(&released, words, verdicts[5]);
    }
}

/// What a transition writes: the counters that move, as `budget unit committed used uncertain`.
fn moves(state: State, event: &Transition) -> (Reservation, [Vec<String>; 2]) {
    let Verdict::Apply(step) = transition(&stands(state), event) else { panic!("{event:?} is not applied to {state:?}") };
    let line = |delta: &CounterDelta| {
        let budget = delta.key.as_str().split('#').take(2).collect::<Vec<_>>().join("#");
        format!("{budget} {} {:+} {:+} {:+}", delta.unit.word(), delta.committed, delta.used, delta.uncertain)
    };
    (step.next, [&step.deltas, &step.shadow].map(|deltas| deltas.iter().map(line).collect()))
}

#[test]
fn a_claim_takes_a_new_lease_and_an_unclaim_gives_the_claim_back() {
    let nothing = [Vec::new(), Vec::new()];
    let (claimed, moved) = moves(State::Held, &event("claim mine same"));
    assert_eq!((claimed.claim_id, claimed.lease_end, &moved), (Some(id("mine")), at("2026-11-20T12:50:00Z"), &nothing));
    let (held, moved) = moves(State::Claimed, &event("unclaim mine"));
    assert_eq!((held.claim_id, held.lease_end, &moved), (None, at("2026-11-20T12:50:00Z"), &nothing));
}

#[test]
fn a_settlement_charges_the_usage_whatever_was_held() {
    let check = |usage: Usage, cost: u64, org: &str, app: [&str; 4], trial: &str| {
        for (state, uncertain) in [(State::Claimed, ["+0"; 6]), (State::Uncertain, ["-2600000", "-600", "-100", "-500", "-1", "-600"])] {
            let (next, [enforced, shadow]) = moves(state, &Transition::Settle { claim_id: id("mine"), usage });
            let expected: Vec<String> =
                [org].into_iter().chain(app).chain([trial]).zip(uncertain).map(|(a, b)| format!("{a} {b}")).collect();
            assert_eq!([enforced, shadow].concat(), expected, "{state:?} {usage:?}");
            assert_eq!((next.usage, next.cost), (Some(usage), Some(crate::quantity::NanoUsd(cost))));
            assert_eq!(next.charges, charges(), "the record keeps what was held");
        }
    };
    check(
        usage(90, 80),
        490_000,
        "C#org usd -2110000 +490000",
        ["C#app tokens -430 +170", "C#app inputTokens -10 +90", "C#app outputTokens -420 +80", "C#app requests +0 +1"],
        "S#trial tokens -430 +170",
    );
    check(
        usage(100, 500),
        2_600_000,
        "C#org usd +0 +2600000",
        ["C#app tokens +0 +600", "C#app inputTokens +0 +100", "C#app outputTokens +0 +500", "C#app requests +0 +1"],
        "S#trial tokens +0 +600",
    );
    // More than was held, cached input among it: counted all the same.
    let cached = Usage { cache_read: crate::quantity::Tokens(1_000), ..usage(150, 600) };
    check(
        cached,
        4_150_000,
        "C#org usd +1550000 +4150000",
        ["C#app tokens +1150 +1750", "C#app inputTokens +1050 +1150", "C#app outputTokens +100 +600", "C#app requests +0 +1"],
        "S#trial tokens +1150 +1750",
    );
}

#[test]
fn a_settlement_without_a_price_charges_the_whole_hold_in_dollars() {
    let unpriced = Reservation { prices: None, ..stands(State::Claimed) };
    let Verdict::Apply(step) = transition(&unpriced, &event("settle mine")) else { panic!("not settled") };
    assert_eq!((step.next.cost, step.deltas[0].committed, step.deltas[0].used), (None, 0, 2_600_000));
}

#[test]
fn doubt_marks_the_hold_and_never_refunds() {
    for words in ["doubt mine", "sweep past"] {
        let (next, [enforced, shadow]) = moves(State::Claimed, &event(words));
        let expected = [
            "C#org usd +0 +0 +2600000",
            "C#app tokens +0 +0 +600",
            "C#app inputTokens +0 +0 +100",
            "C#app outputTokens +0 +0 +500",
            "C#app requests +0 +0 +1",
        ];
        assert_eq!((enforced, shadow), (expected.map(str::to_owned).to_vec(), vec!["S#trial tokens +0 +0 +600".to_owned()]), "{words}");
        assert_eq!((next.claim_id, next.usage), (Some(id("mine")), None), "{words}: the claim may still settle");
    }
}

#[test]
fn a_release_gives_back_what_was_held() {
    let check = |state: State, words: &str, uncertain: [&str; 6]| {
        let (_, [enforced, shadow]) = moves(state, &event(words));
        let back = ["C#org usd -2600000", "C#app tokens -600", "C#app inputTokens -100", "C#app outputTokens -500", "C#app requests -1"];
        let expected: Vec<String> =
            back.into_iter().chain(["S#trial tokens -600"]).zip(uncertain).map(|(a, b)| format!("{a} +0 {b}")).collect();
        assert_eq!([enforced, shadow].concat(), expected, "{state:?} {words}");
    };
    check(State::Held, "release none", ["+0"; 6]);
    check(State::Held, "release other", ["+0"; 6]);
    check(State::Held, "sweep past", ["+0"; 6]);
    check(State::Claimed, "release mine", ["+0"; 6]);
    check(State::Uncertain, "release mine", ["-2600000", "-600", "-100", "-500", "-1", "-600"]);
}

#[test]
fn an_applied_event_repeated_moves_nothing() {
    for words in ["claim mine same", "unclaim mine", "settle mine", "doubt mine", "release mine", "release none", "sweep past"] {
        for state in State::ALL {
            let Verdict::Apply(step) = transition(&stands(state), &event(words)) else { continue };
            // The sweep has no claim to know its own work by: it finds nothing left to end.
            let expected = if words == "sweep past" { "NotDue" } else { "done" };
            check(&step.next, words, expected);
        }
    }
}

#[test]
fn what_a_past_lease_ends_is_open_and_nothing_else() {
    for state in State::ALL {
        let ended = matches!(transition(&stands(state), &event("sweep past")), Verdict::Apply(_));
        assert_eq!(state.is_open(), ended, "{state:?}");
    }
}

#[test]
fn a_charge_shows_what_its_counter_shows_and_nothing_in_a_unit_without_figures() {
    let shown = Figures { committed: 9_500, used: 9_000, uncertain: 200 };
    let amounts = vec![amount(Unit::Tokens, 10_000, 600, [0; 3]), amount(Unit::Requests, 10, 1, [10, 10, 0])];
    let mut app = charge("app", Mode::Enforce, amounts);
    app.show(&BTreeMap::from([(Unit::Tokens, shown)]));
    assert_eq!(app.amounts.iter().map(|amount| amount.figures).collect::<Vec<_>>(), [shown, Figures::default()]);
    assert!(!app.fits());
}
