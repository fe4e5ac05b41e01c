//! Patience: how often a store is asked again while others' requests are in the way, and how long is waited before.
//!
//! The waits are drawn evenly between nothing and their most (full jitter), so that those who collided once don't again.

/// How often a request is tried that only others' requests are in the way of.
pub const ATTEMPTS: u32 = 8;
/// The most of the first wait; each further one is twice as long, up to [`LONGEST_WAIT_MS`].
const FIRST_WAIT_MS: u64 = 10;
const LONGEST_WAIT_MS: u64 = 400;

/// The longest wait after an attempt that others were in the way of, in milliseconds; attempts count from 0.
pub fn longest_wait_ms(attempt: u32) -> u64 {
    FIRST_WAIT_MS.saturating_mul(1u64 << attempt.min(16)).min(LONGEST_WAIT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        assert_eq!([0, 1, 2, 5, 6, 7, u32::MAX].map(longest_wait_ms), [10, 20, 40, 320, 400, 400, 400]);
    }
}
