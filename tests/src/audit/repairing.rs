//! Mending: on record, only where nothing can be held any more, and never over a move that came between.

use super::books_under_test::{CLOSED, Damage, OPEN, app, audit_at, counter, damage, differences, filled, on, reservation};
use crate::ledger_suite::books::{at, claim, held, release, settle, spread, tokens};
use crate::ledger_suite::{Embedded, drive_all, figures};
use cost_sentry_aws::ledger::Mended;
use cost_sentry_core::audit::repair::{NotMended, Order, plan};
use cost_sentry_core::audit::{Adjustment, Finding, Report, Trusted, Verdict};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::reservation::Charge;
use cost_sentry_core::shard::Shard;
use cost_sentry_workflow::ports::{Created, Ledger};
use std::collections::BTreeMap;

fn order(trusted: Trusted) -> Order {
    Order { at: at(CLOSED), by: "auditor".to_owned(), reason: "a test".to_owned(), trusted }
}

fn planned(finding: &Finding, trusted: Trusted) -> Adjustment {
    plan(finding, None, at(CLOSED), &order(trusted)).unwrap()
}

/// Mends every difference; how many there were.
async fn mend_all(store: &Embedded, report: &Report, trusted: Trusted) -> usize {
    let differing = report.findings.iter().filter(|finding| matches!(finding.standing, cost_sentry_core::audit::Standing::Differs(_)));
    let mut mended = 0;
    for finding in differing {
        assert_eq!(store.ledger.mend(finding, &planned(finding, trusted)).await.unwrap(), Mended::Mended);
        mended += 1;
    }
    mended
}

async fn shown(store: &Embedded) -> Vec<[i64; 3]> {
    figures(&store.ledger.figures(&[app()]).await.unwrap()[0])
}

#[tokio::test]
async fn after_a_repair_the_books_balance_and_the_record_says_what_was_mended() {
    let damages = [
        ("wrong", vec![Damage::Add(counter(&app()), "c_tok", 7), Damage::Add(counter(&app()), "x_tok", -600)]),
        ("missing", vec![Damage::Delete(counter(&app()))]),
        ("lost", vec![Damage::Delete(reservation("settled"))]),
        ("phantom unit", vec![Damage::Add(counter(&app()), "c_out", 3)]),
    ];
    for (case, damages) in damages {
        for trusted in [Trusted::Reservations, Trusted::Counter] {
            if case == "missing" && trusted == Trusted::Counter {
                continue;
            }
            let store = filled().await;
            if case == "missing" {
                drive_all(&store.ledger, "held", &[release(None)]).await;
                drive_all(&store.ledger, "claimed", &[settle("c", 100, 1)]).await;
            }
            damage(&store.stack.clients.dynamodb(), &damages).await;
            let before = audit_at(&store.ledger, CLOSED).await;
            let was = shown(&store).await;
            let mended = mend_all(&store, &before, trusted).await;
            let after = audit_at(&store.ledger, CLOSED).await;
            assert_eq!(after.verdict(), Verdict::Balanced, "{case}, {trusted:?}: {after:#?}");
            let recorded: Vec<&Adjustment> = after.findings.iter().flat_map(|finding| &finding.adjustments).collect();
            assert_eq!(recorded.len(), mended, "{case}");
            let adjustment = &on(&after, "app").adjustments[0];
            assert_eq!(*adjustment, planned(on(&before, "app"), trusted), "{case}");
            assert_eq!((adjustment.by.as_str(), adjustment.reason.as_str(), adjustment.at), ("auditor", "a test", at(CLOSED)));
            if trusted == Trusted::Counter {
                assert_eq!(shown(&store).await, was, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_counter_that_no_reservation_names_is_emptied_and_stays_known() {
    let store = filled().await;
    let ghost = tokens("ghost", 1_000, 600);
    store.ledger.create(&held("gone", vec![ghost.clone()])).await.unwrap();
    damage(&store.stack.clients.dynamodb(), &[Damage::Delete(reservation("gone"))]).await;
    let before = audit_at(&store.ledger, CLOSED).await;
    assert_eq!(mend_all(&store, &before, Trusted::Reservations).await, 1);
    let after = audit_at(&store.ledger, CLOSED).await;
    assert_eq!((on(&after, "ghost").standing.word(), on(&after, "ghost").adjustments.len()), ("balanced", 1));
    assert_eq!(figures(&store.ledger.figures(&[ghost]).await.unwrap()[0]), [[0; 3]]);
}

#[tokio::test]
async fn a_counter_that_is_gone_is_mended_only_when_nothing_is_in_flight_on_it() {
    let store = filled().await;
    damage(&store.stack.clients.dynamodb(), &[Damage::Delete(counter(&app()))]).await;
    let plan_now = |report: &Report| plan(on(report, "app"), None, at(CLOSED), &order(Trusted::Reservations));
    assert_eq!(plan_now(&audit_at(&store.ledger, CLOSED).await), Err(NotMended::InFlight(2)));
    drive_all(&store.ledger, "held", &[release(None)]).await;
    assert_eq!(plan_now(&audit_at(&store.ledger, CLOSED).await), Err(NotMended::InFlight(1)));
    drive_all(&store.ledger, "claimed", &[settle("c", 100, 1)]).await;
    let report = audit_at(&store.ledger, CLOSED).await;
    assert_eq!(mend_all(&store, &report, Trusted::Reservations).await, 1);
    assert_eq!(audit_at(&store.ledger, CLOSED).await.verdict(), Verdict::Balanced);
}

#[tokio::test]
async fn further_differences_are_mended_on_top_of_earlier_ones() {
    let store = filled().await;
    let client = store.stack.clients.dynamodb();
    for (n, trusted) in [Trusted::Reservations, Trusted::Counter, Trusted::Counter, Trusted::Reservations].into_iter().enumerate() {
        damage(&client, &[Damage::Add(counter(&app()), "u_tok", 11)]).await;
        let before = audit_at(&store.ledger, CLOSED).await;
        assert_eq!(differences(on(&before, "app")), [(Unit::Tokens, [0, 11, 0])], "{n}");
        mend_all(&store, &before, trusted).await;
        let after = audit_at(&store.ledger, CLOSED).await;
        assert_eq!((after.verdict(), on(&after, "app").adjustments.len()), (Verdict::Balanced, n + 1));
    }
    // A settlement after all this moves on from there.
    drive_all(&store.ledger, "uncertain", &[settle("c", 5, 5)]).await;
    assert_eq!(audit_at(&store.ledger, CLOSED).await.verdict(), Verdict::Balanced);
}

#[tokio::test]
async fn an_open_window_is_left_alone_and_the_answer_says_until_when() {
    let store = filled().await;
    damage(&store.stack.clients.dynamodb(), &[Damage::Add(counter(&app()), "c_tok", 7)]).await;
    let report = audit_at(&store.ledger, OPEN).await;
    let refused = plan(on(&report, "app"), None, at(OPEN), &order(Trusted::Reservations)).unwrap_err();
    assert_eq!(refused, NotMended::Open { closes: app().span.end, budget: "app".to_owned() });
    assert_eq!(
        refused.to_string(),
        "its window is open until 2026-11-20T13:00:00Z: mend it after that, or freeze the budget `app` in the policy and wait until the \
         functions have it"
    );
    assert_eq!(plan(on(&report, "org"), None, at(CLOSED), &order(Trusted::Reservations)), Err(NotMended::Nothing));
}

#[tokio::test]
async fn a_counter_that_moved_since_it_was_audited_is_not_mended() {
    let store = filled().await;
    damage(&store.stack.clients.dynamodb(), &[Damage::Add(counter(&app()), "c_tok", 7)]).await;
    let stale = audit_at(&store.ledger, CLOSED).await;
    drive_all(&store.ledger, "claimed", &[settle("c", 100, 1)]).await;
    let was = shown(&store).await;
    for trusted in [Trusted::Reservations, Trusted::Counter] {
        let finding = on(&stale, "app");
        assert_eq!(store.ledger.mend(finding, &planned(finding, trusted)).await.unwrap(), Mended::Moved);
    }
    let fresh = audit_at(&store.ledger, CLOSED).await;
    assert_eq!((shown(&store).await, on(&fresh, "app").adjustments.len()), (was, 0));
    // Of two who mend the same difference one does.
    let finding = on(&fresh, "app");
    let adjustment = planned(finding, Trusted::Reservations);
    let (one, two) = tokio::join!(store.ledger.mend(finding, &adjustment), store.ledger.mend(finding, &adjustment));
    let mut both = [one.unwrap(), two.unwrap()];
    both.sort_by_key(|mended| *mended == Mended::Moved);
    assert_eq!(both, [Mended::Mended, Mended::Moved]);
    assert_eq!(audit_at(&store.ledger, CLOSED).await.verdict(), Verdict::Balanced);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_that_races_settlements_mends_the_difference_and_nothing_else() {
    let (mut mended, mut moved) = (0, 0);
    for round in 0..12 {
        let store = filled().await;
        damage(&store.stack.clients.dynamodb(), &[Damage::Add(counter(&app()), "c_tok", 7)]).await;
        let report = audit_at(&store.ledger, CLOSED).await;
        let (finding, ledger) = (on(&report, "app").clone(), store.ledger.clone());
        let settling = tokio::spawn(async move {
            if round % 2 == 0 {
                drive_all(&ledger, "claimed", &[settle("c", 100, 1)]).await;
            }
            drive_all(&ledger, "held", &[release(None)]).await;
        });
        let done = store.ledger.mend(&finding, &planned(&finding, Trusted::Reservations)).await.unwrap();
        settling.await.unwrap();
        let after = audit_at(&store.ledger, CLOSED).await;
        match done {
            Mended::Mended => {
                mended += 1;
                assert_eq!(after.verdict(), Verdict::Balanced);
            }
            Mended::Moved => {
                moved += 1;
                assert_eq!(differences(on(&after, "app")), [(Unit::Tokens, [7, 0, 0])]);
            }
        }
    }
    println!("{mended} mended, {moved} moved meanwhile");
}

#[tokio::test]
async fn a_sharded_counter_holds_after_a_repair_what_its_limit_leaves_and_no_more() {
    let key = |charge: &Charge| charge.key().as_str().to_owned();
    for case in ["a reservation is lost", "a hold counted half", "a shard is lost"] {
        spread(4);
        let store = Embedded::start().await;
        let mut placed = Vec::new();
        for id in ["a", "b", "c"] {
            store.ledger.create(&held(id, vec![tokens("b", 100, 20)])).await.unwrap();
            placed.extend(store.ledger.find(id).await.unwrap().unwrap().charges);
        }
        let (left, damages) = match case {
            "a reservation is lost" => (60, vec![Damage::Delete(reservation("a"))]),
            "a hold counted half" => (40, vec![Damage::Add(key(&placed[1]), "c_tok", -15), Damage::Add(key(&placed[1]), "r_tok", 15)]),
            _ => {
                drive_all(&store.ledger, "c", &[claim("x"), settle("x", 20, 0)]).await;
                (40, vec![Damage::Delete(key(&placed[2]))])
            }
        };
        damage(&store.stack.clients.dynamodb(), &damages).await;
        let before = audit_at(&store.ledger, CLOSED).await;
        assert_eq!(mend_all(&store, &before, Trusted::Reservations).await, 1, "{case}: {before:#?}");
        assert_eq!(audit_at(&store.ledger, CLOSED).await.verdict(), Verdict::Balanced, "{case}");
        let mut granted = 0;
        for n in 0..30 {
            let created = store.ledger.create(&held(&format!("r{n}"), vec![tokens("b", 100, 5)])).await.unwrap();
            granted += if matches!(created, Created::NoRoom(_)) { 0 } else { 5 };
        }
        assert_eq!(granted, left, "{case}");
        assert_eq!(audit_at(&store.ledger, CLOSED).await.verdict(), Verdict::Balanced, "{case}");
    }
}

#[tokio::test]
async fn after_a_repair_the_shard_itself_gives_no_room_that_it_only_seemed_to_have() {
    spread(4);
    let store = Embedded::start().await;
    let mut ids = BTreeMap::<Shard, Vec<String>>::new();
    for id in (0..100).map(|n| format!("r{n}")) {
        ids.entry(Shard::of_request(&id, 4)).or_default().push(id);
    }
    for own in ids.values() {
        assert_eq!(store.ledger.create(&held(&own[0], vec![tokens("b", 100, 25)])).await.unwrap(), Created::Created);
    }
    let first = &ids.values().next().unwrap()[1];
    let key = held(first, vec![tokens("b", 100, 25)]).charges[0].key().as_str().to_owned();
    let damages = [Damage::Add(key.clone(), "c_tok", -15), Damage::Add(key, "r_tok", 15)];
    damage(&store.stack.clients.dynamodb(), &damages).await;
    assert_eq!(mend_all(&store, &audit_at(&store.ledger, CLOSED).await, Trusted::Reservations).await, 1);
    let created = store.ledger.create(&held(first, vec![tokens("b", 100, 5)])).await.unwrap();
    assert!(matches!(created, Created::NoRoom(_)), "{created:?}");
    assert_eq!(audit_at(&store.ledger, CLOSED).await.verdict(), Verdict::Balanced);
}

#[tokio::test]
async fn a_counter_whose_adjustment_cannot_be_read_is_in_doubt_and_no_other() {
    for trusted in [Trusted::Reservations, Trusted::Counter] {
        let store = filled().await;
        let client = store.stack.clients.dynamodb();
        damage(&client, &[Damage::Add(counter(&app()), "c_tok", 7)]).await;
        assert_eq!(mend_all(&store, &audit_at(&store.ledger, CLOSED).await, trusted).await, 1);
        damage(&client, &[Damage::Text(format!("A#{}#1", counter(&app())), "tr", "??")]).await;
        let report = audit_at(&store.ledger, CLOSED).await;
        assert_eq!(["app", "org"].map(|budget| on(&report, budget).standing.word()), ["cannotSay", "balanced"], "{trusted:?}");
        assert_eq!(report.verdict(), Verdict::CannotSay);
    }
}
