//! Where holds and settlements go, case by case.

use super::*;
use crate::counter::Cut;
use crate::counter::fixtures::{asks, shards};
use crate::fixtures::amount;
use crate::reservation::Figures;

/// The shards after rewrites, in the form of `shards`.
fn after(charge: &Charge, mut items: Vec<Option<CounterItem>>, rewrites: &[Rewrite]) -> String {
    for (shard, item) in charge.shard.all().zip(&mut items) {
        if let Some(rewrite) = rewrites.iter().find(|rewrite| rewrite.key == charge.key_on(shard)) {
            assert!(rewrite.change.is_allowed(item.as_ref()), "{rewrite:?} on {item:?}");
            rewrite.change.apply(item.get_or_insert_default());
        }
    }
    let text = |item: &Option<CounterItem>| match item {
        Some(item) => {
            let room = item.cuts.get(&Unit::Tokens).map_or("none".to_owned(), |cut| cut.room.to_string());
            format!("{}+{room}{}", item.committed(Unit::Tokens), if item.overdrawn { "!" } else { "" })
        }
        None => "-".to_owned(),
    };
    items.iter().map(text).collect::<Vec<_>>().join(" ")
}

fn placed(limit: u64, hold: u64, items: Vec<Option<CounterItem>>) -> String {
    placed_in(0, limit, hold, items)
}

fn placed_in(round: u32, limit: u64, hold: u64, items: Vec<Option<CounterItem>>) -> String {
    let charge = asks(limit, hold);
    match place(&charge, &items, round) {
        Place::Full => "full".to_owned(),
        Place::On(shard) => format!("on {}", shard.index),
        Place::After(shard, rewrites) => format!("on {} of {}", shard.index, after(&charge, items, &rewrites)),
    }
}

#[test]
fn a_hold_goes_where_there_is_room_and_else_room_comes_to_it() {
    let cases = [
        // The limit, the hold, and what the shards say, which were cut from 100.
        (100, 10, "15+10 15+10 15+10 15+10", "on 2"),
        (100, 11, "15+10 14+11 15+10 15+10", "on 1"),
        (100, 11, "15+10 14+11 15+10 14+11", "on 3"),
        // Room comes from the nearest that have some, and no more than is missing.
        (100, 25, "15+10 15+10 15+10 15+10", "on 2 of 15+5 15+10 15+25 15+0"),
        (100, 40, "15+10 15+10 15+10 15+10", "on 2 of 15+0 15+0 15+40 15+0"),
        (100, 41, "15+10 15+10 15+10 15+10", "full"),
        (100, 1, "25+0 25+0 25+0 25+0", "full"),
        (100, 0, "25+0 25+0 25+0 25+0", "on 2"),
        (100, 2, "25+0 24+1 25+0 24+1", "on 3 of 25+0 24+0 25+0 24+2"),
        // The first hold of a window deals the whole limit.
        (100, 10, "- - - -", "on 2 of 0+25 0+25 0+25 0+25"),
        (103, 10, "- - - -", "on 2 of 0+25 0+25 0+28 0+25"),
        // Where an even part would hold nothing, whole holds are dealt.
        (100, 30, "- - - -", "on 2 of 0+30 0+0 0+40 0+30"),
        (100, 60, "- - - -", "on 2 of 0+0 0+0 0+100 0+0"),
        (100, 100, "- - - -", "on 2 of 0+0 0+0 0+100 0+0"),
        (100, 0, "- - - -", "on 2 of 0+25 0+25 0+25 0+25"),
        // One that has expired is dealt its part like the others.
        (100, 10, "15+10 - 15+10 15+10", "on 2 of 15+13 0+13 15+16 15+13"),
    ];
    for (limit, hold, items, expected) in cases {
        assert_eq!(placed(limit, hold, shards(100, items)), expected, "{hold} of {limit}: {items}");
    }
}

#[test]
fn whoever_looks_for_room_again_and_again_looks_where_all_others_do() {
    let items = "20+5 18+7 25+0 20+5";
    for (round, expected) in [(0, "on 3 of 20+0 18+7 25+0 20+10"), (2, "on 3 of 20+0 18+7 25+0 20+10"), (3, "on 1 of 20+5 18+10 25+0 20+2")]
    {
        assert_eq!(placed_in(round, 100, 10, shards(100, items)), expected, "round {round}");
    }
}

#[test]
fn room_is_gathered_where_the_smallest_part_of_the_hold_is_missing_whatever_the_unit() {
    let amounts = vec![amount(Unit::Tokens, 100_000, 10_000, [0; 3]), amount(Unit::Requests, 100, 1, [0; 3])];
    let charge = Charge { amounts, ..asks(100_000, 10_000) };
    let cut = |[tokens, requests]: [i64; 2]| {
        let cuts = [(Unit::Tokens, Cut { limit: 100_000, room: tokens }), (Unit::Requests, Cut { limit: 100, room: requests })];
        Some(CounterItem { cuts: cuts.into(), ..CounterItem::default() })
    };
    let check = |own: [i64; 2], next: [i64; 2], expected: u8| {
        let items = [[90_000, 0], [0, 90], own, next].map(cut);
        let Place::After(shard, _) = place(&charge, &items, 0) else { panic!("no room is moved") };
        assert_eq!(shard.index, expected, "{own:?} {next:?}");
    };
    check([2_000, 1], [9_000, 1], 3);
    check([9_000, 1], [2_000, 1], 2);
    // The one request is all of that unit, 5,000 tokens are half.
    check([10_000, 0], [5_000, 1], 3);
    check([5_000, 1], [10_000, 0], 2);
}

#[test]
fn another_limit_cuts_all_shards_anew_and_refuses_by_that_limit() {
    let cases = [
        (200, 10, "15+10 15+10 15+10 15+10", "on 2 of 15+35 15+35 15+35 15+35"),
        (80, 10, "15+10 15+10 15+10 15+10", "on 2 of 15+0 15+0 15+10 15+10"),
        (70, 10, "15+10 15+10 15+10 15+10", "on 2 of 15+0 15+0 15+10 15+0"),
        (69, 10, "15+10 15+10 15+10 15+10", "full"),
        (59, 0, "15+10 15+10 15+10 15+10", "full"),
    ];
    for (limit, hold, items, expected) in cases {
        assert_eq!(placed(limit, hold, shards(100, items)), expected, "{hold} of {limit}: {items}");
    }
}

#[test]
fn an_overdrawn_counter_is_full_until_all_of_it_is_within_the_limit_and_is_then_cut_anew() {
    let cases = [
        (100, 1, "70-30! 20+0! 10+0! 5+0!", "full"),
        (100, 0, "70-30! 20+0! 10+0! 5+0!", "full"),
        (100, 5, "70-30! 5+15! 10+0! 5+0!", "on 2 of 70+0 5+0 10+5 5+5"),
        (100, 10, "70-30! 5+15! 10+0! 5+0!", "on 2 of 70+0 5+0 10+10 5+0"),
        (100, 11, "70-30! 5+15! 10+0! 5+0!", "full"),
    ];
    for (limit, hold, items, expected) in cases {
        assert_eq!(placed(limit, hold, shards(100, &items.replace('-', "+-"))), expected, "{hold} of {limit}: {items}");
    }
}

#[test]
fn a_settlement_above_its_hold_takes_the_room_of_others_and_else_stops_all_holds_first() {
    let cases = [
        (10, "15+10 15+10 15+10 15+10", "open"),
        (25, "15+10 15+10 15+10 15+10", "15+5 15+10 15+25 15+0"),
        (40, "15+10 15+10 15+10 15+10", "15+0 15+0 15+40 15+0"),
        (41, "15+10 15+10 15+10 15+10", "15+10! 15+10! 15+10! 15+10!"),
        (41, "15+10! 15+10! 15+10! 15+10!", "open"),
        (25, "15+10 15+10 - 15+10", "expired"),
        (20, "15+10 - 15+10 -", "15+0 - 15+20 -"),
        (21, "15+10 - 15+10 -", "15+10! 0+none! 15+10! 0+none!"),
    ];
    for (excess, items, expected) in cases {
        let (charge, found) = (asks(100, 5), shards(100, items));
        let found = match way(&charge, &found, &BTreeMap::from([(Unit::Tokens, excess)])) {
            Way::Expired => "expired".to_owned(),
            Way::Open => "open".to_owned(),
            Way::After(rewrites) => after(&charge, found, &rewrites),
        };
        assert_eq!(found, expected, "{excess} above: {items}");
    }
}

#[test]
fn room_in_one_unit_is_no_room_in_another() {
    let mut items = shards(100, "15+10 15+10 15+10 15+10");
    let both = Charge { amounts: vec![amount(Unit::Tokens, 100, 10, [0; 3]), amount(Unit::Requests, 4, 1, [0; 3])], ..asks(100, 10) };
    // A unit that the policy has just added is cut first, and so are all others again.
    let Place::After(shard, rewrites) = place(&both, &items, 0) else { panic!("not cut") };
    assert_eq!((shard, rewrites.len()), (both.shard, 4));
    for (item, rewrite) in items.iter_mut().flatten().zip(&rewrites) {
        rewrite.change.apply(item);
    }
    let room = |item: &CounterItem| [item.cuts[&Unit::Tokens].room, item.cuts[&Unit::Requests].room];
    assert_eq!(items.iter().flatten().map(room).collect::<Vec<_>>(), [[10, 1]; 4]);
    // The shard's last request is gone; the next has one, and the tokens.
    items[2].as_mut().unwrap().cuts.get_mut(&Unit::Requests).unwrap().room = 0;
    items[2].as_mut().unwrap().figures.insert(Unit::Requests, Figures { committed: 1, used: 0, uncertain: 0 });
    assert_eq!(place(&both, &items, 0), Place::On(Shard { index: 3, of: 4 }));
    // A policy without the unit cuts it out, so that nothing old is left of it when it comes back.
    let only = asks(200, 10);
    let Place::After(_, rewrites) = place(&only, &items, 0) else { panic!("not cut") };
    rewrites.iter().zip(items.iter_mut().flatten()).for_each(|(rewrite, item)| rewrite.change.apply(item));
    assert!(items.iter().flatten().all(|item| !item.cuts.contains_key(&Unit::Requests)));
}

#[test]
fn a_deal_gives_out_all_room_and_the_first_shard_gets_its_hold() {
    for (room, hold, shards) in (0..60).flat_map(|room| (0..=room).flat_map(move |hold| [1, 2, 3, 7].map(|shards| (room, hold, shards)))) {
        let dealt = deal(room, hold, shards);
        assert_eq!((dealt.len(), dealt.iter().sum::<u64>()), (usize::from(shards), room), "{room} {hold} {shards}");
        assert!(dealt[0] >= hold, "{room} {hold} {shards}: {dealt:?}");
        let useful = dealt.iter().map(|part| part.checked_div(hold).unwrap_or(1)).sum::<u64>();
        let whole = room.checked_div(hold).unwrap_or(1);
        assert!(useful >= whole.min(u64::from(shards)), "{room} {hold} {shards}: {dealt:?}");
    }
}
