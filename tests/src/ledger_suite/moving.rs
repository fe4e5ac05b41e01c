//! Moving a reservation that is stored: each transition takes exactly the table's amounts along, once.

use super::books::{amount, charge, claim, denied, doubt, held, release, settle, shadow, sweep, tokens, unclaim};
use super::{Store, drive_all, figures, on_both_stores, word};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::reservation::{Charge, Reservation, State, Step, Transition, Verdict, transition};
use cost_sentry_workflow::ledger::{Driven, drive, drive_stored};
use cost_sentry_workflow::ports::{Ledger, Written};

on_both_stores! {
    each_transition_takes_exactly_its_amounts_along_and_a_repeat_takes_none
    a_write_on_another_version_is_refused_with_what_is_stored
    a_transition_decided_on_a_stale_copy_is_decided_anew
    of_two_claims_one_stands
    a_settlement_after_its_counters_expired_changes_the_reservation_alone
    a_settlement_after_one_counter_expired_moves_the_others
    usage_above_the_hold_is_charged_above_the_limit
}

/// A hold of 600 tokens, 2,600 nano-dollars and a request, each on a counter of its own or beside another.
fn charges(case: &str) -> Vec<Charge> {
    let pair = [amount(Unit::Usd, 100_000, 2_600), amount(Unit::Requests, 10, 1)];
    vec![tokens(&format!("{case}-tokens"), 1_000, 600), charge(&format!("{case}-pair"), &pair)]
}

async fn shown(store: &impl Store, charges: &[Charge]) -> Vec<[i64; 3]> {
    store.ledger().figures(charges).await.unwrap().iter().flat_map(figures).collect()
}

/// Tokens, nano-dollars and requests, each committed, used and uncertain.
type Shown = [[i64; 3]; 3];

const HELD: Shown = [[600, 0, 0], [2_600, 0, 0], [1, 0, 0]];
const DOUBTED: Shown = [[600, 0, 600], [2_600, 0, 2_600], [1, 0, 1]];
const NOTHING: Shown = [[0; 3]; 3];
/// Of 100 tokens in and 20 out.
const BELOW: Shown = [[120, 120, 0], [200, 200, 0], [1, 1, 0]];
/// Of 200 tokens in and 700 out.
const ABOVE: Shown = [[900, 900, 0], [3_700, 3_700, 0], [1, 1, 0]];

async fn each_transition_takes_exactly_its_amounts_along_and_a_repeat_takes_none(store: &impl Store) {
    let (mine, other) = ("c1", "c2");
    let cases: [(&str, Vec<Transition>, &str, Shown, &str); 16] = [
        ("claim", vec![claim(mine)], "Claimed", HELD, "Claimed"),
        ("unclaim", vec![claim(mine), unclaim(mine)], "Held", HELD, "Held"),
        ("settle below", vec![claim(mine), settle(mine, 100, 20)], "Settled", BELOW, "Settled"),
        ("settle above", vec![claim(mine), settle(mine, 200, 700)], "Settled", ABOVE, "Settled"),
        ("settle nothing", vec![claim(mine), settle(mine, 0, 0)], "Settled", [[0; 3], [0; 3], [1, 1, 0]], "Settled"),
        ("doubt", vec![claim(mine), doubt(mine)], "Uncertain", DOUBTED, "Uncertain"),
        ("doubt, settle", vec![claim(mine), doubt(mine), settle(mine, 100, 20)], "Settled", BELOW, "Settled"),
        ("doubt, release", vec![claim(mine), doubt(mine), release(Some(mine))], "Released", NOTHING, "Released"),
        ("release claimed", vec![claim(mine), release(Some(mine))], "Released", NOTHING, "Released"),
        ("release held", vec![release(None)], "Released", NOTHING, "Released"),
        ("sweep held", vec![sweep()], "Released", NOTHING, "NotDue"),
        ("sweep claimed", vec![claim(mine), sweep()], "Uncertain", DOUBTED, "NotDue"),
        ("swept, settle", vec![claim(mine), sweep(), settle(mine, 200, 700)], "Settled", ABOVE, "Settled"),
        ("other claims", vec![claim(mine), claim(other)], "ClaimedElsewhere", HELD, "ClaimedElsewhere"),
        ("other settles", vec![claim(mine), settle(other, 1, 1)], "ClaimedElsewhere", HELD, "ClaimedElsewhere"),
        ("released, settle", vec![release(None), settle(mine, 1, 1)], "LeaseLost", NOTHING, "LeaseLost"),
    ];
    for (case, events, first, expected, again) in cases {
        let charges = charges(case);
        store.ledger().create(&held(case, charges.clone())).await.unwrap();
        assert_eq!(drive_all(store.ledger(), case, &events).await, first, "{case}");
        assert_eq!(shown(store, &charges).await, expected, "{case}");
        let stored = store.ledger().find(case).await.unwrap().unwrap();
        for _ in 0..2 {
            let repeat = drive_stored(store.ledger(), case, events.last().unwrap()).await.unwrap();
            assert_eq!(word(&repeat), again, "{case}, repeated");
        }
        assert_eq!(store.ledger().find(case).await.unwrap().unwrap(), stored, "{case}, repeated");
        assert_eq!(shown(store, &charges).await, expected, "{case}, repeated");
    }
}

fn step(reservation: &Reservation, event: &Transition) -> Step {
    match transition(reservation, event) {
        Verdict::Apply(step) => *step,
        other => panic!("{other:?}"),
    }
}

async fn a_write_on_another_version_is_refused_with_what_is_stored(store: &impl Store) {
    let charges = charges("r");
    let first = held("r", charges.clone());
    store.ledger().create(&first).await.unwrap();
    let claimed = step(&first, &claim("c1"));
    assert_eq!(store.ledger().write(1, &claimed).await.unwrap(), Written::Written);
    let changed = Written::Changed(Some(Box::new(claimed.next.clone())));
    // With and without counters to move, and even its own repeat: what that means is for the transition table to say.
    for late in [step(&first, &release(None)), step(&first, &claim("c2")), claimed.clone()] {
        for version in [1, 3] {
            assert_eq!(store.ledger().write(version, &late).await.unwrap(), changed);
        }
    }
    let (absent, denied) = (held("absent", charges.clone()), denied("denied", charges.clone()));
    for nobody in [step(&absent, &claim("c1")), step(&absent, &release(None))] {
        assert_eq!(store.ledger().write(1, &nobody).await.unwrap(), Written::Changed(None));
    }
    store.ledger().create(&denied).await.unwrap();
    assert_eq!(drive_all(store.ledger(), "denied", &[claim("c1")]).await, "LeaseLost");
    assert_eq!(drive_all(store.ledger(), "absent", &[claim("c1")]).await, "Absent");
    assert_eq!(word(&drive(store.ledger(), absent, &claim("c1")).await.unwrap()), "Absent");
    assert_eq!(shown(store, &charges).await, HELD);
    assert_eq!(store.ledger().find("r").await.unwrap(), Some(claimed.next));
}

async fn a_transition_decided_on_a_stale_copy_is_decided_anew(store: &impl Store) {
    let first = held("r", charges("r"));
    store.ledger().create(&first).await.unwrap();
    drive_all(store.ledger(), "r", &[claim("c1"), unclaim("c1"), claim("c2"), unclaim("c2")]).await;
    let driven = drive(store.ledger(), first, &claim("c3")).await.unwrap();
    let Driven::Stands(stored) = driven else { panic!("{driven:?}") };
    assert_eq!((stored.version, stored.state), (6, State::Claimed));
    assert_eq!(store.ledger().find("r").await.unwrap(), Some(*stored));
}

async fn of_two_claims_one_stands(store: &impl Store) {
    let first = held("r", charges("r"));
    store.ledger().create(&first).await.unwrap();
    let one = drive(store.ledger(), first.clone(), &claim("c1")).await.unwrap();
    let two = drive(store.ledger(), first.clone(), &claim("c2")).await.unwrap();
    let again = drive(store.ledger(), first, &claim("c1")).await.unwrap();
    assert_eq!([one, two, again].map(|driven| word(&driven)), ["Claimed", "ClaimedElsewhere", "Claimed"]);
}

async fn a_settlement_after_its_counters_expired_changes_the_reservation_alone(store: &impl Store) {
    for (case, last, state) in [
        ("settle", settle("c1", 1, 1), State::Settled),
        ("doubt", doubt("c1"), State::Uncertain),
        ("release", release(Some("c1")), State::Released),
    ] {
        let charges = charges(case);
        store.ledger().create(&held(case, charges.clone())).await.unwrap();
        for charge in &charges {
            store.expire(charge).await;
        }
        assert_eq!(drive_all(store.ledger(), case, &[claim("c1"), last]).await, format!("{state:?}"));
        assert_eq!(shown(store, &charges).await, Vec::<[i64; 3]>::new(), "{case}");
        assert_eq!(store.ledger().find(case).await.unwrap().unwrap().state, state);
    }
}

async fn a_settlement_after_one_counter_expired_moves_the_others(store: &impl Store) {
    let charges: Vec<Charge> = ["a", "b", "c", "d"].map(|budget| tokens(budget, 1_000, 600)).to_vec();
    store.ledger().create(&held("r", charges.clone())).await.unwrap();
    store.expire(&charges[0]).await;
    store.expire(&charges[2]).await;
    drive_all(store.ledger(), "r", &[claim("c1"), settle("c1", 1, 1)]).await;
    let shown: Vec<_> = store.ledger().figures(&charges).await.unwrap().iter().map(figures).collect();
    assert_eq!(shown, [vec![], vec![[2, 2, 0]], vec![], vec![[2, 2, 0]]]);
}

async fn usage_above_the_hold_is_charged_above_the_limit(store: &impl Store) {
    let charges = vec![tokens("b", 600, 600), shadow(tokens("trial", 600, 600))];
    store.ledger().create(&held("r", charges.clone())).await.unwrap();
    drive_all(store.ledger(), "r", &[claim("c1"), settle("c1", 1_000, 5_000)]).await;
    // The shadow's hold was never counted here, so that only the settlement's own amounts show.
    assert_eq!(shown(store, &charges).await, [[6_000, 6_000, 0], [5_400, 6_000, 0]]);
}
