//! A hold, answer by answer.

use super::*;
use crate::budget::Mode;
use crate::counter::Asked;
use crate::counter::fixtures::{asks, asks_one, items, said, shards};
use crate::fixtures::{amount, charge, reservation};
use crate::reservation::State;

const READ: &str = "0: read b0 b1 b2 b3";

/// A hold of 30 of 100 tokens on a counter of one item, and on the third of four shards of another.
fn both() -> Reservation {
    let trial = charge("trial", Mode::Shadow, vec![amount(Unit::Tokens, 100, 30, [0; 3])]);
    reservation(State::Held, vec![asks_one(100, 30), trial, asks(100, 30)])
}

fn refused(reservation: &Reservation, budgets: &[&str]) -> Answer {
    let of = |charge: &&Charge| budgets.contains(&charge.budget.as_str());
    Answer::Refused(reservation.charges.iter().filter(of).map(|charge| (charge.key(), None)).collect())
}

fn found(text: &str) -> Answer {
    Answer::Items(items(&asks(100, 30), 100, text))
}

/// What the answers lead to, one after another.
fn told(answers: Vec<Answer>) -> Vec<String> {
    let end = |held: &Held| match held {
        Held::Held(placed) => format!("held on {}", placed.charges[2].shard.index),
        Held::Exists(stored) => format!("version {} exists", stored.version),
        Held::NoRoom(full) => {
            let committed = |figures: &BTreeMap<Unit, Figures>| figures.get(&Unit::Tokens).map_or(0, |figures| figures.committed);
            format!("no room beside {:?}", full.iter().map(|(_, figures)| committed(figures)).collect::<Vec<_>>())
        }
        Held::Contended => "contended".to_owned(),
    };
    let (mut holding, ask) = Holding::start(&both());
    let first = said(&Next::Ask(ask, 0), end);
    [first].into_iter().chain(answers.into_iter().map(|answer| said(&holding.answer(answer), end))).collect()
}

#[test]
fn a_hold_asks_one_item_for_the_rest_of_the_limit_and_a_shard_for_room_and_nothing_of_a_shadow() {
    let (_, ask) = Holding::start(&both());
    let Ask::Write { version: None, moves, .. } = ask else { panic!("{ask:?}") };
    let asked: Vec<_> = moves.into_iter().map(|one| (one.condition, one.sharded)).collect();
    let room = BTreeMap::from([(Unit::Tokens, Asked { limit: 100, hold: 30 })]);
    assert_eq!(asked, [(Condition::Room(room), true), (Condition::AtMost(BTreeMap::from([(Unit::Tokens, 70)])), false)]);
}

#[test]
fn a_hold_is_written_on_items_that_have_as_much_left_as_it_asks() {
    let (_, ask) = Holding::start(&both());
    let Ask::Write { moves, .. } = ask else { panic!("{ask:?}") };
    let check = |sharded: bool, items: &str, expected: [bool; 3]| {
        let condition = &moves.iter().find(|one| one.sharded == sharded).unwrap().condition;
        assert_eq!([0, 1, 2].map(|at| condition.is_met(shards(100, items)[at].as_ref())), expected, "{items}");
    };
    check(false, "70+0 71+0 -", [true, false, true]);
    check(true, "70+30 70+29 -", [true, false, false]);
    check(true, "70+30! 70+30 0+31", [false, true, true]);
    assert!(!moves[0].condition.is_met(shards(101, "0+101")[0].as_ref()), "cut from another limit");
}

#[test]
fn a_hold_looks_at_all_shards_when_its_own_is_short_and_goes_where_room_is_or_can_be_moved_to() {
    let both = both();
    let check = |answers: Vec<Answer>, expected: &[&str]| assert_eq!(told(answers)[1..], *expected);
    let short = || refused(&both, &["b"]);
    let stored = Reservation { version: 9, ..both.clone() };
    check(vec![Answer::Done], &["held on 2"]);
    check(vec![Answer::Stored(Some(Box::new(stored)))], &["version 9 exists"]);
    check(vec![refused(&both, &["one"])], &["no room beside [0]"]);
    check(vec![short(), found("25+0 25+0 0+20 0+30"), Answer::Done], &[READ, "0: write b3 one", "held on 3"]);
    let moved = || vec![short(), found("25+0 0+25 0+25 0+25")];
    for answer in [Answer::Done, Answer::Changed] {
        check([moved(), vec![answer]].concat(), &[READ, "0: rewrite b2 b3", "0: write b2 one"]);
    }
    check(vec![short(), found("25+0 25+0 20+5 5+20")], &[READ, "no room beside [75]"]);
    check(vec![refused(&both, &["b", "one"]), found("25+0 25+0 0+20 0+30")], &[READ, "no room beside [0]"]);
    check(vec![refused(&both, &["b", "one"]), found("25+0 25+0 25+0 0+25")], &[READ, "no room beside [0, 75]"]);
}

#[test]
fn a_hold_lets_a_settlement_that_has_just_stopped_all_holds_go_first_but_does_not_wait_for_ever() {
    let stopped = || found("0+25! 0+25! 0+25! 0+25!");
    let waited = told([vec![refused(&both(), &["b"])], (0..=ROUNDS_FOR_OTHERS).map(|_| stopped()).collect()].concat());
    let read = |lost: u32| format!("{lost}: read b0 b1 b2 b3");
    let cut = "3: rewrite b0 b1 b2 b3".to_owned();
    assert_eq!(waited[1..], [read(0), read(1), read(2), read(3), cut]);
    // One that is spent beyond the limit has been settled: nobody is to be waited for.
    let spent = told(vec![refused(&both(), &["b"]), found("0+25! 50+-25! 0+25! 0+25!")]);
    assert_eq!(spent[2], "0: rewrite b0 b1 b2 b3");
}

#[test]
fn a_hold_whose_room_others_take_each_time_waits_longer_each_time_and_gives_up_after_its_rounds() {
    let round = || vec![refused(&both(), &["b"]), found("25+0 25+0 0+30 20+0")];
    let told = told((0..=ROUNDS).flat_map(|_| round()).collect());
    let after_reading: Vec<&str> = told[2..].iter().step_by(2).map(String::as_str).collect();
    let expected: Vec<String> = (0..ROUNDS).map(|lost| format!("{lost}: write b2 one")).chain(["contended".to_owned()]).collect();
    assert_eq!(after_reading, expected);
}
