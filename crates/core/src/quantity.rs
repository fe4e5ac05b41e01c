//! Quantities: tokens, nano-dollars, and prices per token. Integers only; rounding is always up, never in the caller's favour.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A count of model tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(pub u64);

/// Money: an integer count of nano-dollars (1 USD = 1,000,000,000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub u64);

/// A price: pico-dollars per token. One US dollar per million tokens is 1,000,000 of these, so that a published price with up to
/// six decimals per million tokens is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub u64);

/// Pico-dollars in a nano-dollar.
const PICO_PER_NANO: u128 = 1_000;

impl Tokens {
    /// The sum, held at the largest number that fits: a bound that overflows stays a bound.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl NanoUsd {
    /// Nano-dollars in one US dollar.
    pub const PER_USD: u64 = 1_000_000_000;

    /// The cost of several amounts of tokens at their rates, added up before the one rounding (up).
    pub fn cost(items: impl IntoIterator<Item = (Tokens, Rate)>) -> Self {
        let pico: u128 =
            items.into_iter().map(|(tokens, rate)| u128::from(tokens.0).saturating_mul(u128::from(rate.0))).fold(0, u128::saturating_add);
        Self(u64::try_from(pico.div_ceil(PICO_PER_NANO)).unwrap_or(u64::MAX))
    }

    /// Reads a decimal number of US dollars such as `5000` or `0.25`: at most nine decimals, not negative, not rounded.
    pub fn parse_usd(text: &str) -> Option<Self> {
        parse_decimal(text, 9).map(Self)
    }
}

impl fmt::Display for NanoUsd {
    /// Decimal US dollars without trailing zeros, at least two decimals: `0.000141`, `12.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Self::PER_USD, self.0 % Self::PER_USD);
        let digits = format!("{fraction:09}");
        let kept = digits.trim_end_matches('0');
        write!(f, "{whole}.{kept:0<2}")
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Rate {
    /// Reads US dollars per million tokens, as price lists print them: `0.00875` is 8,750 pico-dollars a token.
    pub fn parse_usd_per_million(text: &str) -> Option<Self> {
        parse_decimal(text, 6).map(Self)
    }

    /// The rate times `numerator / denominator`, rounded up (an in-region surcharge of 10 % is 11/10).
    #[must_use]
    pub fn scaled(self, numerator: u64, denominator: u64) -> Self {
        let scaled = (u128::from(self.0) * u128::from(numerator)).div_ceil(u128::from(denominator.max(1)));
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }
}

/// `text` as a count of 10^-decimals, exactly; `None` where it is not a plain non-negative decimal or does not fit.
fn parse_decimal(text: &str, decimals: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > decimals as usize {
        return None;
    }
    let padding = 10u64.checked_pow(decimals - u32::try_from(fraction.len()).ok()?)?;
    let scale = 10u64.checked_pow(decimals)?;
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()?.checked_mul(padding)? };
    whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_and_written_without_loss() {
        for (text, nano) in [("0", 0), ("5000", 5_000_000_000_000), ("0.25", 250_000_000), ("0.000000001", 1), ("1.50", 1_500_000_000)] {
            assert_eq!(NanoUsd::parse_usd(text), Some(NanoUsd(nano)), "{text}");
        }
        for text in ["", ".", ".5", "-1", "1e3", "1,0", "0.0000000001", "99999999999999999999", " 1", "+1", "1.+5", "1.5.5"] {
            assert_eq!(NanoUsd::parse_usd(text), None, "{text}");
        }
        for (nano, text) in [(0, "0.00"), (141_000, "0.000141"), (12_500_000_000, "12.50"), (1, "0.000000001")] {
            assert_eq!(NanoUsd(nano).to_string(), text);
        }
        assert_eq!(Tokens(1_234).to_string(), "1234");
    }

    #[test]
    fn costs_round_up_once() {
        let rate = Rate::parse_usd_per_million("0.00875").unwrap();
        assert_eq!(rate, Rate(8_750));
        assert_eq!(NanoUsd::cost([(Tokens(1), rate)]), NanoUsd(9));
        assert_eq!(NanoUsd::cost([(Tokens(1), rate), (Tokens(1), rate)]), NanoUsd(18));
        assert_eq!(NanoUsd::cost([(Tokens(u64::MAX), Rate(u64::MAX))]), NanoUsd(u64::MAX));
        assert_eq!(Rate(1_000_001).scaled(11, 10), Rate(1_100_002));
    }
}
