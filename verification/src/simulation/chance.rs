//! Chance: one stream of numbers per world, from its seed, for everything that could be one way or another.

use super::executor::lock;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Clones draw from the same stream.
#[derive(Clone)]
pub struct Chance {
    stream: Arc<Mutex<fastrand::Rng>>,
}

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { stream: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))) }
    }

    /// A number in the range.
    pub fn number(&self, range: RangeInclusive<u64>) -> u64 {
        lock(&self.stream).u64(range)
    }

    /// An index below `length`, which is not zero.
    pub fn index(&self, length: usize) -> usize {
        if length > 1 { lock(&self.stream).usize(..length) } else { 0 }
    }

    /// From 0 up to 1.
    pub fn fraction(&self) -> f64 {
        lock(&self.stream).f64()
    }

    /// Whether something happens that happens so many times in a million.
    pub fn happens(&self, per_million: u32) -> bool {
        per_million > 0 && lock(&self.stream).u32(..1_000_000) < per_million
    }

    /// Whether something happens that happens once in so many times.
    pub fn one_in(&self, times: u64) -> bool {
        self.number(1..=times) == 1
    }

    /// A duration of so many milliseconds, to the microsecond.
    pub fn millis(&self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(self.number(range.start() * 1_000..=range.end() * 1_000))
    }

    /// A duration of so many seconds, to the microsecond.
    pub fn seconds(&self, range: RangeInclusive<u64>) -> Duration {
        self.millis(range.start() * 1_000..=range.end() * 1_000)
    }

    /// One of them; nothing of nothing.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.index(items.len())) }
    }

    /// One of them, each as often as its weight says; nothing where no weight is above zero.
    pub fn weighted<T: Copy>(&self, items: &[(u32, T)]) -> Option<T> {
        let total: u32 = items.iter().map(|(weight, _)| weight).sum();
        let mut left = if total > 0 { lock(&self.stream).u32(..total) } else { return None };
        for (weight, item) in items {
            if left < *weight {
                return Some(*item);
            }
            left -= weight;
        }
        None
    }
}

/// The seed of the world of that number: neighbours have nothing in common (the finaliser of `SplitMix64`).
pub fn world_seed(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
