//! What tokens cost: the rates of a billed model id, and what a usage comes to at them.

use crate::quantity::{NanoUsd, Rate, Tokens};
use serde::{Deserialize, Serialize};
use std::iter::once;

/// The tokens that one call used, as Converse reports them: `input` leaves out what the cache served or stored.
///
/// JSON: `{"input": 12, "output": 5, "cacheRead": 0, "cacheWrite": 0}`, and `cacheWrite1h` where it is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Input tokens that the cache neither served nor stored (`inputTokens`).
    pub input: Tokens,
    /// Output tokens, hidden thinking among them (`outputTokens`).
    pub output: Tokens,
    /// Input tokens read from the prompt cache (`cacheReadInputTokens`).
    pub cache_read: Tokens,
    /// Input tokens written to the prompt cache, however long it keeps them (`cacheWriteInputTokens`).
    pub cache_write: Tokens,
    /// The part of `cache_write` that the cache keeps for an hour (`cacheDetails` with the ttl `1h`), which costs more.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h: Tokens,
}

/// Serde's shape for a skip test.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn is_zero(tokens: &Tokens) -> bool {
    tokens.0 == 0
}

impl Usage {
    /// All input: fresh, read from the cache, and written to it. Long-context prices look at this number.
    pub fn total_input(&self) -> Tokens {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// All tokens, in and out.
    pub fn total(&self) -> Tokens {
        self.total_input().saturating_add(self.output)
    }
}

/// Whether a model may store a prompt in its cache, and bill for it, without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Caching {
    /// Only a cache point in the request starts it (Anthropic, Amazon).
    Explicit,
    /// The model may do so by itself, so that any input token may be billed as a cache write.
    Automatic,
}

/// A service tier of Converse: how soon a call is served, and at which price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceTier {
    /// The standard one, where none is named.
    #[default]
    Default,
    /// Sooner, and dearer.
    Priority,
    /// Later, and cheaper.
    Flex,
    /// From capacity that is paid for by the month. What it cannot take is served, and billed, as standard; so that is the price.
    Reserved,
}

impl ServiceTier {
    /// Converse's word for each (`ServiceTierType` in the service's own model).
    pub const WORDS: [(&'static str, Self); 4] =
        [("default", Self::Default), ("priority", Self::Priority), ("flex", Self::Flex), ("reserved", Self::Reserved)];

    /// Converse's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Priority => "priority",
            Self::Flex => "flex",
            Self::Reserved => "reserved",
        }
    }

    /// Whether its tokens are billed as the standard tier's, as far as anybody outside AWS can tell beforehand.
    pub fn is_billed_as_standard(self) -> bool {
        matches!(self, Self::Default | Self::Reserved)
    }
}

/// The prices of one billed model id, in one service tier. Stored with every reservation, hence the short names in its JSON form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// Per input token.
    #[serde(rename = "in")]
    pub input: Rate,
    /// Per output token.
    #[serde(rename = "out")]
    pub output: Rate,
    /// Per input token that the cache served.
    #[serde(rename = "cr", default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Rate>,
    /// Per input token stored for five minutes.
    #[serde(rename = "cw", default, skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<Rate>,
    /// Per input token stored for an hour.
    #[serde(rename = "cwh", default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Rate>,
    /// The steps for long inputs, by ascending `above`.
    #[serde(rename = "long", default, skip_serializing_if = "Vec::is_empty")]
    pub long_context: Vec<LongContext>,
    /// The service tier, if one was named.
    #[serde(rename = "tier", default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<ServiceTier>,
}

/// A step: the rates of a call whose total input is larger than `above`. They count for all of its tokens, from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongContext {
    /// The largest total input that still has the rates before this step.
    pub above: Tokens,
    /// Per input token; `None` leaves the rate as it was.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Rate>,
    /// Per output token; `None` leaves the rate as it was.
    #[serde(rename = "out", default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Rate>,
}

/// The rates of one call, every class resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepRates {
    /// Per input token.
    pub input: Rate,
    /// Per output token.
    pub output: Rate,
    /// Per input token that the cache served.
    pub cache_read: Rate,
    /// Per input token stored for five minutes.
    pub cache_write_5m: Rate,
    /// Per input token stored for an hour.
    pub cache_write_1h: Rate,
}

/// The dearest rates that a call can reach: what a worst case is held at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DearestRates {
    /// Per input token, of whichever class.
    pub input: Rate,
    /// Per output token.
    pub output: Rate,
}

impl Prices {
    /// Prices without cache classes or steps.
    pub fn flat(input: Rate, output: Rate) -> Self {
        Self { input, output, cache_read: None, cache_write_5m: None, cache_write_1h: None, long_context: Vec::new(), tier: None }
    }

    /// The rates of a call with this total input.
    ///
    /// A step multiplies the cache rates as it multiplies the input rate: so does every stepped row of the price map that the
    /// catalog was made from. A class without a price costs what input costs, never nothing; an hour's write without a price
    /// costs no less than a five-minute one.
    pub fn at(&self, total_input: Tokens) -> StepRates {
        let reached = || self.long_context.iter().rev().filter(|step| total_input > step.above);
        let input = reached().find_map(|step| step.input).unwrap_or(self.input);
        let output = reached().find_map(|step| step.output).unwrap_or(self.output);
        let stepped = |rate: Rate| if self.input.0 == 0 { rate } else { rate.scaled(input.0, self.input.0) };
        let class = |rate: Option<Rate>| rate.map(stepped);
        let cache_write_5m = class(self.cache_write_5m).unwrap_or(input);
        StepRates {
            input,
            output,
            cache_read: class(self.cache_read).unwrap_or(input),
            cache_write_5m,
            cache_write_1h: class(self.cache_write_1h).unwrap_or(input.max(cache_write_5m)),
        }
    }

    /// What a usage costs: each class at its rate, at the step that the total input reaches, rounded up once.
    pub fn cost(&self, usage: &Usage) -> NanoUsd {
        let rates = self.at(usage.total_input());
        let for_an_hour = usage.cache_write_1h.min(usage.cache_write);
        let for_five_minutes = Tokens(usage.cache_write.0.saturating_sub(for_an_hour.0));
        NanoUsd::cost([
            (usage.input, rates.input),
            (usage.output, rates.output),
            (usage.cache_read, rates.cache_read),
            (for_five_minutes, rates.cache_write_5m),
            (for_an_hour, rates.cache_write_1h),
        ])
    }

    /// The dearest rates that a request of at most this much input can reach without a cache point of its own.
    pub fn dearest(&self, input_bound: Tokens, caching: Caching) -> DearestRates {
        let beyond_steps = self.long_context.iter().map(|step| step.above.saturating_add(Tokens(1)));
        let reachable = once(Tokens(0)).chain(beyond_steps.filter(|total| *total <= input_bound));
        reachable.map(|total| self.at(total)).fold(DearestRates::default(), |dearest, rates| {
            let input = match caching {
                Caching::Explicit => rates.input,
                Caching::Automatic => rates.input.max(rates.cache_read).max(rates.cache_write_5m),
            };
            DearestRates { input: dearest.input.max(input), output: dearest.output.max(rates.output) }
        })
    }

    /// Every rate raised by a percentage, rounded up.
    #[must_use]
    pub fn raised(&self, percent: u64) -> Self {
        let raise = |rate: Rate| rate.scaled(100u64.saturating_add(percent), 100);
        Self {
            input: raise(self.input),
            output: raise(self.output),
            cache_read: self.cache_read.map(raise),
            cache_write_5m: self.cache_write_5m.map(raise),
            cache_write_1h: self.cache_write_1h.map(raise),
            long_context: self
                .long_context
                .iter()
                .map(|step| LongContext { above: step.above, input: step.input.map(raise), output: step.output.map(raise) })
                .collect(),
            tier: self.tier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        Prices {
            cache_read: Some(Rate(100)),
            cache_write_5m: Some(Rate(1_250)),
            long_context: vec![
                LongContext { above: Tokens(100), input: Some(Rate(2_000)), output: None },
                LongContext { above: Tokens(200), input: None, output: Some(Rate(7_000)) },
            ],
            ..Prices::flat(Rate(1_000), Rate(5_000))
        }
    }

    #[test]
    fn a_step_counts_from_the_first_token_above_it() {
        let check = |total: u64, input: u64, output: u64, read: u64, write: u64, hour_write: u64| {
            let rates = prices().at(Tokens(total));
            let found = [rates.input, rates.output, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h];
            assert_eq!(found, [input, output, read, write, hour_write].map(Rate), "{total}");
        };
        check(0, 1_000, 5_000, 100, 1_250, 1_250);
        check(100, 1_000, 5_000, 100, 1_250, 1_250);
        check(101, 2_000, 5_000, 200, 2_500, 2_500);
        check(201, 2_000, 7_000, 200, 2_500, 2_500);
    }

    #[test]
    fn the_dearest_rates_are_those_that_the_bound_can_reach() {
        let check = |bound: u64, caching, input: u64, output: u64| {
            let expected = DearestRates { input: Rate(input), output: Rate(output) };
            assert_eq!(prices().dearest(Tokens(bound), caching), expected, "{bound} {caching:?}");
        };
        check(100, Caching::Explicit, 1_000, 5_000);
        check(100, Caching::Automatic, 1_250, 5_000);
        check(101, Caching::Explicit, 2_000, 5_000);
        check(5_000, Caching::Automatic, 2_500, 7_000);
        let cheaper_when_long =
            Prices { long_context: vec![LongContext { above: Tokens(10), input: Some(Rate(1)), output: Some(Rate(1)) }], ..prices() };
        let expected = DearestRates { input: Rate(1_000), output: Rate(5_000) };
        assert_eq!(cheaper_when_long.dearest(Tokens(11), Caching::Explicit), expected);
    }

    #[test]
    fn no_usage_within_the_bounds_costs_more_than_the_dearest_rates() {
        for total in 0..300 {
            for (cached, output) in [(0, 0), (total / 2, 10), (total, 10)] {
                let usage =
                    Usage { input: Tokens(total - cached), cache_write: Tokens(cached), output: Tokens(output), ..Usage::default() };
                let dearest = prices().dearest(Tokens(total), Caching::Automatic);
                let held = NanoUsd::cost([(Tokens(total), dearest.input), (Tokens(output), dearest.output)]);
                assert!(prices().cost(&usage) <= held, "{usage:?}");
            }
        }
    }

    #[test]
    fn the_stored_form_is_short_and_reads_back() {
        let check = |prices: Prices, expected: &str| {
            assert_eq!(serde_json::to_string(&prices).unwrap(), expected);
            assert_eq!(serde_json::from_str::<Prices>(expected).unwrap(), prices);
        };
        check(Prices::flat(Rate(800_000), Rate(4_000_000)), r#"{"in":800000,"out":4000000}"#);
        check(prices(), r#"{"in":1000,"out":5000,"cr":100,"cw":1250,"long":[{"above":100,"in":2000},{"above":200,"out":7000}]}"#);
        let usage = Usage { input: Tokens(1), output: Tokens(2), cache_read: Tokens(3), cache_write: Tokens(4), ..Usage::default() };
        assert_eq!(serde_json::to_string(&usage).unwrap(), r#"{"input":1,"output":2,"cacheRead":3,"cacheWrite":4}"#);
        assert_eq!(serde_json::from_str::<Usage>(r#"{"input":1}"#).unwrap(), Usage { input: Tokens(1), ..Usage::default() });
        assert_eq!((usage.total_input(), usage.total()), (Tokens(8), Tokens(10)));
        let kept = Usage { cache_write_1h: Tokens(4), ..usage };
        let stored = serde_json::to_string(&kept).unwrap();
        assert_eq!(stored, r#"{"input":1,"output":2,"cacheRead":3,"cacheWrite":4,"cacheWrite1h":4}"#);
        assert_eq!(serde_json::from_str::<Usage>(&stored).unwrap(), kept);
    }
}
