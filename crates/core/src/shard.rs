//! Shards: the items that a hot counter is spread over.
//!
//! DynamoDB writes one item a thousand times a second at most, and cancels transactions that meet on one. A counter of n shards is n
//! items, each with a part of the limit's room.

use serde::{Deserialize, Serialize};

/// One item of a counter: the `index`th of `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Shard {
    /// From 0.
    pub index: u8,
    /// How many items the counter has, from 1 to [`Shard::MOST`].
    pub of: u8,
}

/// A shard as it is written, which may be none.
#[derive(Deserialize)]
struct Written {
    index: u8,
    of: u8,
}

impl TryFrom<Written> for Shard {
    type Error = String;

    fn try_from(Written { index, of }: Written) -> Result<Self, String> {
        let shard = Self { index, of };
        if shard.is_valid() { Ok(shard) } else { Err(format!("a counter of {of} items has no item {index}")) }
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl Shard {
    /// The one item of a counter that is not spread.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
    /// The most items of a counter: they are written in one transaction, which takes a hundred.
    pub const MOST: u8 = 64;

    /// The shard that a request tries first: from its id alone, so that a repeat tries the same.
    pub fn of_request(request_id: &str, of: u8) -> Self {
        // FNV-1a, and the upper half folded in, since its low bits alone follow the last letters too closely.
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = request_id.bytes().fold(0xcbf2_9ce4_8422_2325, step);
        let folded = hash ^ (hash >> 32);
        Self { index: u8::try_from(folded % u64::from(of.max(1))).unwrap_or(0), of: of.max(1) }
    }

    /// Whether the counter has this item only.
    pub fn is_whole(&self) -> bool {
        self.of <= 1
    }

    /// Whether there is such a shard.
    pub fn is_valid(self) -> bool {
        (1..=Self::MOST).contains(&self.of) && self.index < self.of
    }

    /// All shards of the counter, from the first.
    pub fn all(self) -> impl Iterator<Item = Self> {
        (0..self.of).map(move |index| Self { index, of: self.of })
    }

    /// All shards of the counter, from this one on and around.
    pub fn from_here(self) -> impl Iterator<Item = Self> {
        let on = (self.index..self.of).chain(0..self.index.min(self.of));
        on.map(move |index| Self { index, of: self.of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_s_shard_stays_the_one_that_it_was() {
        let found = ["", "r", "9b551f96-e4c4-8d3f-a73f-b25aecbab805"].map(|id| [1, 4, 64].map(|of| Shard::of_request(id, of).index));
        assert_eq!(found, [[0, 1, 1], [0, 1, 25], [0, 1, 61]]);
    }

    #[test]
    fn requests_spread_evenly_over_the_shards() {
        for of in [2, 3, 4, 16, 64] {
            let mut hits = vec![0_u32; usize::from(of)];
            for n in 0..u32::from(of) * 1_000 {
                hits[usize::from(Shard::of_request(&format!("execution-{n}"), of).index)] += 1;
            }
            assert!(hits.iter().all(|hits| (800..1_200).contains(hits)), "{of}: {hits:?}");
        }
    }

    #[test]
    fn no_shard_beyond_the_last_is_read() {
        let read =
            |index: u8, of: u8| serde_json::from_value::<Shard>(serde_json::json!({ "index": index, "of": of })).map_err(|e| e.to_string());
        assert_eq!(read(3, 4), Ok(Shard { index: 3, of: 4 }));
        assert_eq!(read(4, 4), Err("a counter of 4 items has no item 4".to_owned()));
        assert!(read(0, 0).is_err() && read(0, 65).is_err() && read(63, 64).is_ok());
    }

    #[test]
    fn shards_are_counted_from_any_of_them_around() {
        let from = |index, of| Shard { index, of }.from_here().map(|shard| shard.index).collect::<Vec<_>>();
        assert_eq!(from(0, 1), [0]);
        assert_eq!(from(2, 4), [2, 3, 0, 1]);
        assert_eq!(Shard { index: 2, of: 4 }.all().map(|shard| shard.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
