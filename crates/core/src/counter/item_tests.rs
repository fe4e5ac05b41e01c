//! On which conditions an item moves or is rewritten, and what it says afterwards.

use super::fixtures::shards;
use super::*;

fn shard(text: &str) -> Option<CounterItem> {
    shards(100, text).remove(0)
}

fn tokens<T>(value: T) -> BTreeMap<Unit, T> {
    BTreeMap::from([(Unit::Tokens, value)])
}

#[test]
fn an_item_moves_only_on_its_condition() {
    let room = |limit, hold| Condition::Room(tokens(Asked { limit, hold }));
    let at_most = |most| Condition::AtMost(tokens(most));
    let excess = |excess| Condition::Excess(tokens(excess));
    let cases = [
        (at_most(15), "15+10", true),
        (at_most(14), "15+10", false),
        (at_most(0), "-", true),
        (room(100, 10), "15+10", true),
        (room(100, 11), "15+10", false),
        (room(200, 10), "15+10", false),
        (room(100, 10), "15+10!", false),
        (room(100, 10), "-", false),
        (Condition::Exists, "15+0!", true),
        (Condition::Exists, "-", false),
        (excess(10), "15+10", true),
        (excess(11), "15+10", false),
        (excess(11), "15+10!", true),
        (excess(0), "-", false),
        (Condition::Excess(BTreeMap::from([(Unit::Requests, 1)])), "15+0", true),
    ];
    for (condition, item, met) in cases {
        assert_eq!(condition.is_met(shard(item).as_ref()), met, "{condition:?} on {item}");
    }
}

#[test]
fn a_move_adds_up_and_takes_its_room_from_a_shard_only() {
    let amount = Figures { committed: 4, used: 3, uncertain: 2 };
    for (sharded, room) in [(true, 6), (false, 10)] {
        let mut item = shard("15+10").unwrap();
        let key = super::fixtures::asks(100, 4).key();
        let one = Move { key, window_end: Timestamp::UNIX_EPOCH, amounts: tokens(amount), sharded, condition: Condition::Exists };
        one.apply(&mut item);
        let figures = Figures { committed: 19, used: 3, uncertain: 2 };
        assert_eq!((item.figures, item.cuts), (tokens(figures), tokens(Cut { limit: 100, room })));
    }
}

#[test]
fn an_item_is_cut_anew_only_as_it_was_when_that_was_decided() {
    let cut = |was, share, was_overdrawn| Change::Cut { parts: tokens(Part { was, limit: 200, share }), was_overdrawn };
    let cases = [
        (cut(Some(100), 15, false), "15+10", true),
        (cut(Some(100), 14, false), "15+10", false),
        (cut(Some(200), 15, false), "15+10", false),
        (cut(None, 15, false), "15+10", false),
        (cut(Some(100), 15, true), "15+10", false),
        (cut(Some(100), 15, true), "15+10!", true),
        (cut(Some(100), 15, false), "15+10!", false),
        (cut(None, 0, false), "-", true),
        (cut(Some(100), 0, false), "-", false),
        (cut(None, 0, true), "-", false),
    ];
    for (change, item, allowed) in cases {
        assert_eq!(change.is_allowed(shard(item).as_ref()), allowed, "{change:?} on {item}");
    }
}

#[test]
fn room_is_given_only_by_an_item_of_that_limit_that_has_it_and_is_not_overdrawn() {
    let shift = |limit, room| Change::Shift(tokens(Shift { limit, room }));
    let cases = [
        (shift(100, -10), "15+10", true),
        (shift(100, -11), "15+10", false),
        (shift(100, 5), "15+0", true),
        (shift(200, -10), "15+10", false),
        (shift(200, 5), "15+10", false),
        (shift(100, -10), "15+10!", false),
        (shift(100, 5), "-", false),
        (Change::Shift(BTreeMap::from([(Unit::Requests, Shift { limit: 100, room: 1 })])), "15+10", false),
        (Change::Overdraw, "15+10", true),
        (Change::Overdraw, "-", true),
    ];
    for (change, item, allowed) in cases {
        assert_eq!(change.is_allowed(shard(item).as_ref()), allowed, "{change:?} on {item}");
    }
}
