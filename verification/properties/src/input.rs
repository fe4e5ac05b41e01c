//! What a fuzzer's bytes mean: text as it is, or, after a zero byte, edits of a valid document.

use crate::edits::{self, Edit};
use arbitrary::{Arbitrary, Unstructured};
use serde_json::Value;

/// The byte that no JSON and no YAML text begins with.
const EDITS: u8 = 0;
/// More edits than this make no document that fewer would not.
const MOST_EDITS: usize = 24;

/// An input, read.
pub enum Input<'a> {
    /// Text, or what passes for it.
    Text(&'a [u8]),
    /// A document that is valid but for some edits; where it came from, and what is left of it.
    Document(usize, Value),
}

/// Reads an input. The edits begin at one of `valid`, and take words from `vocabulary`.
pub fn read<'a>(input: &'a [u8], valid: &[Value], vocabulary: &[String]) -> Input<'a> {
    let Some((&EDITS, rest)) = input.split_first() else { return Input::Text(input) };
    let mut bytes = Unstructured::new(rest);
    let seed = usize::from(u8::arbitrary(&mut bytes).unwrap_or_default()) % valid.len();
    let mut document = valid[seed].clone();
    for _ in 0..MOST_EDITS {
        if bytes.is_empty() {
            break;
        }
        let Ok(edit) = Edit::arbitrary(&mut bytes) else { break };
        edits::apply(&mut document, &edit, vocabulary);
    }
    Input::Document(seed, document)
}

/// The input as JSON, whichever way it came.
pub fn json(input: &[u8], valid: &[Value], vocabulary: &[String]) -> Option<Value> {
    match read(input, valid, vocabulary) {
        Input::Text(text) => serde_json::from_slice(text).ok(),
        Input::Document(_, document) => Some(document),
    }
}

/// Choices that depend on the input alone, so that a failure can be had again.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The choices of this input.
    pub fn of(input: &[u8]) -> Self {
        // FNV-1a: any hash would do.
        Self(input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)))
    }

    /// The next choice, below `most`, which is not zero.
    pub fn below(&mut self, most: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) >> 33).unwrap_or_default() % most
    }

    /// One of these.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
