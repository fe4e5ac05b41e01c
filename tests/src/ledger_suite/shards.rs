//! Counters of several shards: whatever happened before, a hold is refused exactly when all shards together have no room for it.

use super::books::{claim, doubt, held, release, settle, spread, sweep, tokens};
use super::{Store, drive_all, figures, on_both_stores};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::counter::CounterItem;
use cost_sentry_core::reservation::{Charge, Reservation, Transition};
use cost_sentry_core::shard::Shard;
use cost_sentry_workflow::memory_ledger::{Books, MemoryLedger};
use cost_sentry_workflow::ports::{Created, Ledger};
use fastrand::Rng;
use std::collections::BTreeMap;

on_both_stores! {
    room_on_other_shards_is_found_and_the_charge_says_where_it_fell
    what_is_used_above_the_limit_stops_holds_on_every_shard_until_enough_is_given_back
    a_changed_limit_counts_at_once_on_every_shard
    usage_above_the_hold_is_charged_though_other_shards_have_expired
}

async fn create(store: &impl Store, reservation: &Reservation) -> Option<Reservation> {
    match store.ledger().create(reservation).await.unwrap() {
        Created::Created => Some(reservation.clone()),
        Created::OnOtherShards(placed) => Some(*placed),
        Created::NoRoom(_) => None,
        Created::Exists(stored) => panic!("{stored:?}"),
    }
}

/// Whether a hold of so much of that limit is granted.
async fn fits(store: &impl Store, id: &str, limit: u64, hold: u64) -> bool {
    create(store, &held(id, vec![tokens("b", limit, hold)])).await.is_some()
}

async fn shown(store: &impl Store) -> Vec<[i64; 3]> {
    figures(&store.ledger().figures(&[tokens("b", 1, 0)]).await.unwrap()[0])
}

async fn room_on_other_shards_is_found_and_the_charge_says_where_it_fell(store: &impl Store) {
    // 640 in tens, whatever shard each id tries first.
    for n in 0..64 {
        let placed = create(store, &held(&format!("r{n}"), vec![tokens("b", 640, 10)])).await.unwrap();
        assert_eq!(store.ledger().find(placed.request_id()).await.unwrap(), Some(placed));
    }
    assert!(!fits(store, "more", 640, 1).await);
    assert!(fits(store, "nothing", 640, 0).await);
    for n in 0..64 {
        assert_eq!(drive_all(store.ledger(), &format!("r{n}"), &[claim("c1"), settle("c1", 5, 0)]).await, "Settled");
    }
    assert_eq!(shown(store).await, [[320, 320, 0]]);
    // No shard alone has room for this one.
    assert!(fits(store, "large", 640, 320).await);
    assert!(!fits(store, "last", 640, 1).await);
    assert_eq!(drive_all(store.ledger(), "large", &[release(None)]).await, "Released");
    assert_eq!(shown(store).await, [[320, 320, 0]]);
}

async fn what_is_used_above_the_limit_stops_holds_on_every_shard_until_enough_is_given_back(store: &impl Store) {
    for id in ["a", "b", "c"] {
        assert!(fits(store, id, 100, 30).await);
    }
    drive_all(store.ledger(), "a", &[claim("c1"), settle("c1", 70, 0)]).await;
    assert_eq!(shown(store).await, [[130, 70, 0]]);
    for n in 0..20 {
        assert!(!fits(store, &format!("n{n}"), 100, 1).await);
    }
    drive_all(store.ledger(), "b", &[release(None)]).await;
    assert_eq!(shown(store).await, [[100, 70, 0]]);
    assert!(!fits(store, "n20", 100, 1).await);
    drive_all(store.ledger(), "c", &[claim("c1"), settle("c1", 20, 0)]).await;
    assert!(!fits(store, "n21", 100, 11).await);
    assert!(fits(store, "n22", 100, 10).await);
    assert_eq!(shown(store).await, [[100, 90, 0]]);
    // Again, from a counter that was cut anew, and by one whose fate was unknown.
    drive_all(store.ledger(), "n22", &[claim("c1"), doubt("c1"), settle("c1", 50, 0)]).await;
    assert_eq!(shown(store).await, [[140, 140, 0]]);
    assert!(!fits(store, "n23", 140, 1).await);
    assert!(fits(store, "n24", 141, 1).await);
}

async fn a_changed_limit_counts_at_once_on_every_shard(store: &impl Store) {
    let steps = [
        (100, 60, true, 60),
        (100, 41, false, 60),
        (200, 41, true, 101),
        (100, 1, false, 101),
        (200, 99, true, 200),
        (201, 2, false, 200),
        (150, 0, false, 200),
        (201, 1, true, 201),
        (200, 0, false, 201),
    ];
    for (step, (limit, hold, granted, committed)) in steps.into_iter().enumerate() {
        assert_eq!(fits(store, &format!("r{step}"), limit, hold).await, granted, "step {step}");
        assert_eq!(shown(store).await, [[committed, 0, 0]], "step {step}");
    }
}

async fn usage_above_the_hold_is_charged_though_other_shards_have_expired(store: &impl Store) {
    let charge = tokens("b", 100, 30);
    let placed = create(store, &held("r", vec![charge])).await.unwrap().charges[0].clone();
    for shard in placed.shard.from_here().skip(1) {
        store.expire_item(&placed.key_on(shard)).await;
    }
    assert_eq!(drive_all(store.ledger(), "r", &[claim("c1"), settle("c1", 500, 0)]).await, "Settled");
    assert_eq!(shown(store).await, [[500, 500, 0]]);
}

/// How the shards are cut must be exact: parts that add up to one limit, and no room below nothing but on overdrawn shards.
pub fn are_exact(shards: &[&CounterItem], of: u8) -> bool {
    let cuts: Vec<_> = shards.iter().filter_map(|item| item.cuts.get(&Unit::Tokens)).collect();
    let Some(first) = cuts.first() else { return true };
    let committed = shards.iter().flat_map(|item| item.figures.values()).map(|figures| figures.committed);
    let total: i64 = committed.sum::<i64>() + cuts.iter().map(|cut| cut.room).sum::<i64>();
    let overdrawn = shards.iter().filter(|item| item.overdrawn).count();
    cuts.len() == usize::from(of)
        && cuts.iter().all(|cut| cut.limit == first.limit)
        && total == first.limit.cast_signed()
        && (overdrawn == shards.len() || overdrawn == 0 && cuts.iter().all(|cut| cut.room >= 0))
}

fn check_cuts(books: &Books, charge: &Charge) -> Result<(), String> {
    let shards: Vec<CounterItem> = charge.counter_keys().iter().filter_map(|key| books.item(key)).collect();
    if are_exact(&shards.iter().collect::<Vec<_>>(), charge.shard.of) { Ok(()) } else { Err(format!("{shards:?}")) }
}

/// One history on one counter, one request after the other.
async fn history(seed: u64) -> Result<[u32; 3], String> {
    const LIMITS: [u64; 3] = [100, 100, 70];
    let (mut rng, ledger) = (Rng::with_seed(seed), MemoryLedger::default());
    let [mut granted, mut refused, mut beyond] = [0, 0, 0];
    for n in 0..60 {
        let before: i64 = figures(&ledger.figures(&[tokens("b", 1, 0)]).await.unwrap()[0]).iter().map(|shown| shown[0]).sum();
        if rng.bool() {
            let (limit, hold) = (rng.choice(LIMITS).unwrap(), rng.u64(..=40));
            let fits = before + hold.cast_signed() <= limit.cast_signed();
            match ledger.create(&held(&format!("r{n}"), vec![tokens("b", limit, hold)])).await.unwrap() {
                Created::NoRoom(_) if !fits => refused += 1,
                Created::Created | Created::OnOtherShards(_) if fits => granted += 1,
                other => return Err(format!("{hold} of {limit} beside {before}: {other:?}")),
            }
        } else {
            let id = format!("r{}", rng.usize(..=n));
            let used = rng.u64(..60);
            beyond += u32::from(used > 40);
            let end: Transition = match rng.u8(..6) {
                0..3 => settle("c1", used, 0),
                3 => doubt("c1"),
                4 => release(Some("c1")),
                _ => sweep(),
            };
            drive_all(&ledger, &id, &[claim("c1"), end]).await;
        }
        let books = ledger.books();
        check_cuts(&books, &tokens("b", 1, 0)).map_err(|error| format!("after {n}: {error}"))?;
        let sums = |counters: &BTreeMap<_, BTreeMap<Unit, _>>| figures(&cost_sentry_core::counter::sum(counters.values()));
        let (shown, expected) = (sums(&books.counters), sums(&books.recount()));
        if shown != expected && shown.iter().chain(&expected).flatten().any(|figure| *figure != 0) {
            return Err(format!("{shown:?}, not {expected:?}"));
        }
    }
    Ok([granted, refused, beyond])
}

#[tokio::test]
async fn in_any_history_a_hold_is_refused_exactly_when_all_shards_together_lack_room() {
    let mut reached = [0; 3];
    for seed in 0..600 {
        spread([2, 3, 7][usize::try_from(seed % 3).unwrap()]);
        let seen = history(seed).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        reached.iter_mut().zip(seen).for_each(|(sum, seen)| *sum += seen);
    }
    assert!(reached.iter().all(|times| *times > 1_000), "{reached:?}");
}

#[test]
fn every_shard_of_a_counter_has_a_key_of_its_own_and_counters_of_other_numbers_of_shards_others() {
    let charge = |index, of| Charge { shard: Shard { index, of }, ..tokens("b", 1, 1) };
    let mut keys: Vec<_> = [1, 2, 4, 64].into_iter().flat_map(|of| charge(0, of).counter_keys()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 1 + 2 + 4 + 64);
    assert!(keys.contains(&charge(3, 4).key()));
}
