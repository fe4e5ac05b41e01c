//! What the tests of counters start from, and their words for what is asked.

use super::{Ask, CounterItem, Cut, Next};
use crate::budget::{CounterKey, Mode, Unit};
use crate::fixtures::{amount, charge};
use crate::reservation::{Charge, Figures};
use crate::shard::Shard;
use std::collections::BTreeMap;

/// Shards as `committed+room`, all cut from this limit; `-` for one that is not there, `!` behind one that is overdrawn.
pub fn shards(limit: u64, text: &str) -> Vec<Option<CounterItem>> {
    let shard = |word: &str| {
        let (committed, room) = word.trim_end_matches('!').split_once('+')?;
        let figures = Figures { committed: committed.parse().unwrap(), used: 0, uncertain: 0 };
        let cut = Cut { limit, room: room.parse().unwrap() };
        let (figures, cuts) = (BTreeMap::from([(Unit::Tokens, figures)]), BTreeMap::from([(Unit::Tokens, cut)]));
        Some(CounterItem { figures, cuts, overdrawn: word.ends_with('!') })
    };
    text.split(' ').map(shard).collect()
}

/// The third of four shards' charge.
pub fn asks(limit: u64, hold: u64) -> Charge {
    Charge { shard: Shard { index: 2, of: 4 }, ..charge("b", Mode::Enforce, vec![amount(Unit::Tokens, limit, hold, [0; 3])]) }
}

/// A charge on a counter of one item.
pub fn asks_one(limit: u64, hold: u64) -> Charge {
    charge("one", Mode::Enforce, vec![amount(Unit::Tokens, limit, hold, [0; 3])])
}

/// The items of a charge's counter that are there.
pub fn items(charge: &Charge, limit: u64, text: &str) -> BTreeMap<CounterKey, CounterItem> {
    let found = charge.counter_keys().into_iter().zip(shards(limit, text));
    found.filter_map(|(key, item)| Some((key, item?))).collect()
}

/// What is asked next, and of which items, each by its budget and its shard; or how it ended.
pub fn said<T>(next: &Next<T>, end: impl Fn(&T) -> String) -> String {
    let named = |keys: Vec<&CounterKey>| -> String {
        let name = |key: &&CounterKey| {
            let parts = key.parts().unwrap();
            format!(" {}{}", parts.budget, parts.shard.map_or(String::new(), |shard| shard.index.to_string()))
        };
        keys.iter().map(name).collect()
    };
    match next {
        Next::Ask(Ask::Write { moves, .. }, lost) => format!("{lost}: write{}", named(moves.iter().map(|one| &one.key).collect())),
        Next::Ask(Ask::Read(keys), lost) => format!("{lost}: read{}", named(keys.iter().collect())),
        Next::Ask(Ask::Rewrite(rewrites), lost) => format!("{lost}: rewrite{}", named(rewrites.iter().map(|one| &one.key).collect())),
        Next::End(ended) => end(ended),
    }
}
