//! Creating a reservation: all its charges or none, each up to its limit exactly.

use super::books::{amount, charge, claim, denied, doubt, held, settle, shadow, tokens};
use super::{Store, drive_all, figures, on_both_stores};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::policy::BUDGETS_PER_REQUEST;
use cost_sentry_core::reservation::{Charge, Reservation};
use cost_sentry_workflow::ports::{Created, Ledger};

on_both_stores! {
    a_hold_moves_each_unit_of_each_budget_by_its_amount
    a_denial_is_stored_and_moves_nothing
    a_hold_fits_up_to_the_limit_exactly
    one_full_budget_keeps_all_the_others_still
    a_refusal_shows_the_counters_that_refused_and_no_others
    an_id_that_is_stored_answers_with_what_is_stored
    a_hold_above_its_limit_is_refused_without_a_write
    as_many_charges_as_a_request_may_have_move_together
    a_shadow_budget_neither_refuses_nor_moves_with_the_hold
    a_request_without_enforced_charges_is_stored
    counters_that_do_not_exist_show_nothing
}

async fn shown(store: &impl Store, charges: &[Charge]) -> Vec<Vec<[i64; 3]>> {
    store.ledger().figures(charges).await.unwrap().iter().map(figures).collect()
}

/// Creates a reservation; which shards it fell on is the store's business, and noted in what is stored.
async fn create(store: &impl Store, reservation: &Reservation) -> Created {
    match store.ledger().create(reservation).await.unwrap() {
        Created::OnOtherShards(placed) => {
            assert_eq!(store.ledger().find(reservation.request_id()).await.unwrap(), Some((*placed).clone()));
            let asked = |(charge, asked): (&Charge, &Charge)| Charge { shard: asked.shard, ..charge.clone() };
            let charges = placed.charges.iter().zip(&reservation.charges).map(asked).collect();
            assert_eq!(Reservation { charges, ..*placed }, *reservation);
            Created::Created
        }
        other => other,
    }
}

/// The counters of a refusal, in the order of their keys.
fn refusing(created: Created) -> Vec<(String, Vec<[i64; 3]>)> {
    let Created::NoRoom(found) = created else { panic!("{created:?}") };
    let counter = |key: &str| key.split('#').take(5).collect::<Vec<_>>().join("#");
    let mut found: Vec<_> = found.iter().map(|(key, shown)| (counter(key.as_str()), figures(shown))).collect();
    found.sort();
    found
}

fn key(budget: &str) -> String {
    format!("C#{budget}#hour#2026-11-20T12:00:00Z#")
}

async fn a_hold_moves_each_unit_of_each_budget_by_its_amount(store: &impl Store) {
    let amounts = [(Unit::Usd, 2_600), (Unit::Tokens, 600), (Unit::InputTokens, 100), (Unit::OutputTokens, 500), (Unit::Requests, 1)];
    let charges = vec![charge("all", &amounts.map(|(unit, hold)| amount(unit, 10_000, hold))), tokens("other", 600, 600)];
    let reservation = held("r", charges.clone());
    assert_eq!(create(store, &reservation).await, Created::Created);
    let all = amounts.map(|(_, hold)| [hold.cast_signed(), 0, 0]).to_vec();
    assert_eq!(shown(store, &charges).await, [all, vec![[600, 0, 0]]]);
    assert_eq!(store.ledger().find("r").await.unwrap(), Some(reservation));
    assert_eq!(store.ledger().find("R#r").await.unwrap(), None);
}

async fn a_denial_is_stored_and_moves_nothing(store: &impl Store) {
    let charges = vec![tokens("full", 10, 600), tokens("roomy", 1_000, 600)];
    let reservation = denied("r", charges.clone());
    assert_eq!(create(store, &reservation).await, Created::Created);
    assert_eq!(shown(store, &charges).await, vec![Vec::<[i64; 3]>::new(); 2]);
    assert_eq!(create(store, &held("r", charges)).await, Created::Exists(Box::new(reservation)));
}

async fn a_hold_fits_up_to_the_limit_exactly(store: &impl Store) {
    let steps = [(60, true, 60), (41, false, 60), (40, true, 100), (1, false, 100), (0, true, 100)];
    for (step, (hold, fits, committed)) in steps.into_iter().enumerate() {
        let charges = vec![tokens("hundred", 100, hold)];
        let created = create(store, &held(&format!("r{step}"), charges.clone())).await;
        assert_eq!(created == Created::Created, fits, "{hold}: {created:?}");
        assert_eq!(shown(store, &charges).await, [vec![[committed, 0, 0]]], "{hold}");
        assert_eq!(store.ledger().find(&format!("r{step}")).await.unwrap().is_some(), fits, "{hold}");
    }
}

async fn one_full_budget_keeps_all_the_others_still(store: &impl Store) {
    for full in 0..3 {
        let budgets = [0, 1, 2].map(|at| tokens(&format!("{full}-{at}"), if at == full { 599 } else { 5_000 }, 300));
        create(store, &held(&format!("first-{full}"), budgets.to_vec())).await;
        let created = create(store, &held(&format!("second-{full}"), budgets.to_vec())).await;
        assert_eq!(refusing(created), [(key(&format!("{full}-{full}")), vec![[300, 0, 0]])]);
        assert_eq!(shown(store, &budgets).await, vec![vec![[300, 0, 0]]; 3]);
        assert_eq!(store.ledger().find(&format!("second-{full}")).await.unwrap(), None);
    }
    // One unit without room is enough.
    let two = |hold| vec![charge("two-units", &[amount(Unit::Tokens, 5_000, 300), amount(Unit::Requests, 1, hold)])];
    assert_eq!(create(store, &held("one", two(1))).await, Created::Created);
    assert_eq!(refusing(create(store, &held("two", two(1))).await), [(key("two-units"), vec![[300, 0, 0], [1, 0, 0]])]);
}

async fn a_refusal_shows_the_counters_that_refused_and_no_others(store: &impl Store) {
    let budgets = |hold| vec![tokens("a", 1_000, hold), tokens("b", 900, hold), tokens("c", 5_000, hold)];
    let settled = held("settled", budgets(300));
    let doubtful = held("doubtful", budgets(300));
    for (reservation, end) in [(settled, settle("c1", 100, 50)), (doubtful, doubt("c1"))] {
        create(store, &reservation).await;
        drive_all(store.ledger(), reservation.request_id(), &[claim("c1"), end]).await;
    }
    create(store, &held("open", budgets(300))).await;
    let shown = vec![[750, 150, 300]];
    assert_eq!(refusing(create(store, &held("refused", budgets(151))).await), [(key("b"), shown.clone())]);
    assert_eq!(refusing(create(store, &held("refused", budgets(251))).await), [(key("a"), shown.clone()), (key("b"), shown)]);
}

async fn an_id_that_is_stored_answers_with_what_is_stored(store: &impl Store) {
    let first = held("r", vec![tokens("b", 100, 100)]);
    create(store, &first).await;
    // Even one that has no room, or that could never have any, or asks for something else, is a repeat first.
    let repeats = [first.clone(), held("r", vec![tokens("b", 100, 1)]), held("r", vec![tokens("b", 100, 101)]), denied("r", Vec::new())];
    for repeat in repeats {
        assert_eq!(create(store, &repeat).await, Created::Exists(Box::new(first.clone())));
    }
    assert_eq!(shown(store, &first.charges).await, [vec![[100, 0, 0]]]);
}

async fn a_hold_above_its_limit_is_refused_without_a_write(store: &impl Store) {
    let charges = |hold| vec![tokens("small", 100, hold), tokens("absent", 1, hold), tokens("large", 1_000, hold)];
    create(store, &held("first", vec![tokens("small", 100, 30)])).await;
    let expected = [(key("absent"), vec![]), (key("small"), vec![[30, 0, 0]])];
    assert_eq!(refusing(create(store, &held("r", charges(101))).await), expected);
    assert_eq!(shown(store, &charges(0)).await, [vec![[30, 0, 0]], vec![], vec![]]);
    assert_eq!(store.ledger().find("r").await.unwrap(), None);
}

async fn as_many_charges_as_a_request_may_have_move_together(store: &impl Store) {
    let charges: Vec<Charge> = (0..BUDGETS_PER_REQUEST).map(|n| tokens(&format!("b{n}"), 1_000, 600)).collect();
    assert_eq!(create(store, &held("r", charges.clone())).await, Created::Created);
    assert_eq!(shown(store, &charges).await, vec![vec![[600, 0, 0]]; BUDGETS_PER_REQUEST]);
    drive_all(store.ledger(), "r", &[claim("c1"), settle("c1", 100, 20)]).await;
    assert_eq!(shown(store, &charges).await, vec![vec![[120, 120, 0]]; BUDGETS_PER_REQUEST]);
    let full: Vec<Charge> = charges.iter().map(|charge| tokens(&charge.budget, 600, 481)).collect();
    assert_eq!(refusing(create(store, &held("s", full)).await).len(), BUDGETS_PER_REQUEST);
}

async fn a_shadow_budget_neither_refuses_nor_moves_with_the_hold(store: &impl Store) {
    let charges = vec![tokens("b", 1_000, 600), shadow(tokens("b", 10, 600)), shadow(tokens("trial", 10, 600))];
    let reservation = held("r", charges.clone());
    assert_eq!(create(store, &reservation).await, Created::Created);
    assert_eq!(shown(store, &charges).await, [vec![[600, 0, 0]], vec![], vec![]]);
    store.ledger().count_shadow(&reservation.shadow_hold_deltas()).await;
    assert_eq!(shown(store, &charges).await, vec![vec![[600, 0, 0]]; 3]);
    drive_all(store.ledger(), "r", &[claim("c1"), settle("c1", 700, 0)]).await;
    assert_eq!(shown(store, &charges).await, vec![vec![[700, 700, 0]]; 3]);
}

async fn a_request_without_enforced_charges_is_stored(store: &impl Store) {
    let reservation = held("r", vec![shadow(tokens("trial", 10, 600))]);
    assert_eq!(create(store, &reservation).await, Created::Created);
    assert_eq!(create(store, &reservation).await, Created::Exists(Box::new(reservation.clone())));
    assert_eq!(store.ledger().find("r").await.unwrap(), Some(reservation));
}

async fn counters_that_do_not_exist_show_nothing(store: &impl Store) {
    assert_eq!(shown(store, &[]).await, Vec::<Vec<[i64; 3]>>::new());
    create(store, &held("r", vec![tokens("second", 10, 5)])).await;
    let asked = [tokens("first", 10, 5), tokens("second", 10, 5), tokens("third", 10, 5)];
    assert_eq!(shown(store, &asked).await, [vec![], vec![[5, 0, 0]], vec![]]);
    // More than one request for many items takes.
    let many: Vec<Charge> = (0..105).map(|n| tokens(&format!("absent-{n}"), 10, 5)).chain([tokens("second", 10, 5)]).collect();
    assert_eq!(shown(store, &many).await.last(), Some(&vec![[5, 0, 0]]));
}
