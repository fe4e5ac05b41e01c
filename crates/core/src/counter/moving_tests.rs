//! A later transition, answer by answer.

use super::*;
use crate::counter::fixtures::{asks, asks_one, items, said, shards};
use crate::fixtures::{reservation, usage};
use crate::reservation::{ClaimId, State, Transition, Verdict, transition};

const READ: &str = "0: read b0 b1 b2 b3";

/// The settlement of holds on a counter of one item, of 5 of 100 tokens, and on the third of four shards of another, of 10.
fn settlement(used: u64) -> Step {
    let claim_id = ClaimId("c".to_owned());
    let claimed = reservation(State::Claimed, vec![asks_one(100, 5), asks(100, 10)]);
    let claimed = Reservation { claim_id: Some(claim_id.clone()), ..claimed };
    match transition(&claimed, &Transition::Settle { claim_id, usage: usage(used, 0) }) {
        Verdict::Apply(step) => *step,
        other => panic!("{other:?}"),
    }
}

/// Items that fail their conditions: the whole counter's, the shard's; each as it is, if it is there.
fn refused(one: Option<&str>, shard: Option<&str>) -> Answer {
    let of = |charge: Charge, text: Option<&str>| Some((charge.key(), shards(100, text?)[0].clone()));
    Answer::Refused([of(asks_one(100, 10), one), of(asks(100, 10), shard)].into_iter().flatten().collect())
}

fn found(text: &str) -> Answer {
    Answer::Items(items(&asks(100, 10), 100, text))
}

/// What the answers to a settlement of 30 lead to, one after another.
fn told(answers: Vec<Answer>) -> Vec<String> {
    let end = |moved: &Moved| match moved {
        Moved::Moved => "moved".to_owned(),
        Moved::Changed(stored) => format!("found {:?}", stored.as_ref().map(|stored| stored.version)),
        Moved::Contended => "contended".to_owned(),
    };
    let (mut moving, ask) = Moving::start(7, &settlement(30));
    assert_eq!(said(&Next::Ask(ask, 0), end), "0: write b2 one");
    answers.into_iter().map(|answer| said(&moving.answer(answer), end)).collect()
}

#[test]
fn only_a_shard_that_more_was_used_on_than_held_is_asked_for_room() {
    for (used, excess) in [(0, None), (10, None), (11, Some(1)), (30, Some(20))] {
        let (_, ask) = Moving::start(7, &settlement(used));
        let Ask::Write { version: Some(7), moves, .. } = ask else { panic!("{ask:?}") };
        let asked: Vec<_> = moves.into_iter().map(|one| (one.condition, one.sharded)).collect();
        let on_shard = excess.map_or(Condition::Exists, |excess| Condition::Excess(BTreeMap::from([(Unit::Tokens, excess)])));
        assert_eq!(asked, [(on_shard, true), (Condition::Exists, false)], "{used}");
    }
}

#[test]
fn a_settlement_leaves_out_what_has_expired_and_makes_room_where_it_is_short() {
    let check = |answers: Vec<Answer>, expected: &[&str]| assert_eq!(told(answers), expected);
    let stored = settlement(30).next;
    check(vec![Answer::Done], &["moved"]);
    check(vec![Answer::Stored(None)], &["found None"]);
    check(vec![Answer::Stored(Some(Box::new(stored)))], &["found Some(8)"]);
    check(vec![refused(Some("-"), None), Answer::Done], &["0: write b2", "moved"]);
    check(vec![refused(Some("-"), Some("-"))], &["0: write"]);
    check(vec![refused(None, Some("10+0")), found("15+10 15+10 10+15 10+15")], &[READ, "0: rewrite b2 b3"]);
    let short = || vec![refused(None, Some("10+0")), found("15+10 15+10 25+0 15+10")];
    for answer in [Answer::Done, Answer::Changed] {
        check([short(), vec![answer]].concat(), &[READ, "0: rewrite b0 b2 b3", "0: write b2 one"]);
    }
    check(vec![refused(None, Some("10+0")), found("15+0 15+10 10+20 15+15")], &[READ, "0: write b2 one"]);
    check(vec![refused(None, Some("10+0")), found("15+0 15+10 - 15+15")], &[READ, "0: write one"]);
    check(vec![refused(Some("-"), Some("10+0")), found("15+0 15+10 10+20 15+15")], &[READ, "0: write b2"]);
    // Where the limit leaves too little, all holds are stopped first.
    check(vec![refused(None, Some("10+0")), found("25+5 25+5 25+5 5+0")], &[READ, "0: rewrite b0 b1 b2 b3"]);
}

#[test]
fn what_has_expired_is_not_left_out_twice() {
    assert_eq!(told(vec![refused(Some("-"), None), refused(Some("-"), None)]), ["0: write b2", "contended"]);
    assert_eq!(told(vec![refused(None, None)]), ["contended"]);
}

#[test]
fn a_settlement_whose_room_others_take_each_time_waits_longer_each_time_and_gives_up_after_its_rounds() {
    let round = || vec![refused(None, Some("10+0")), found("15+0 15+10 10+20 15+15")];
    let told = told((0..=ROUNDS).flat_map(|_| round()).collect());
    let after_reading: Vec<&str> = told[1..].iter().step_by(2).map(String::as_str).collect();
    let expected: Vec<String> = (0..ROUNDS).map(|lost| format!("{lost}: write b2 one")).chain(["contended".to_owned()]).collect();
    assert_eq!(after_reading, expected);
}
