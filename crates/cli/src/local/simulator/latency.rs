//! A duration as scripts write it: `250ms`, `2s`, or a plain number of milliseconds.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Unexpected, Visitor};

/// How long the simulator waits before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Latency(pub(super) Duration);

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LatencyVisitor)
    }
}

struct LatencyVisitor;

impl Visitor<'_> for LatencyVisitor {
    type Value = Latency;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a latency such as 250ms, 2s or 250 (milliseconds)")
    }

    fn visit_u64<E: serde::de::Error>(self, milliseconds: u64) -> Result<Self::Value, E> {
        Ok(Latency(Duration::from_millis(milliseconds)))
    }

    fn visit_i64<E: serde::de::Error>(self, milliseconds: i64) -> Result<Self::Value, E> {
        let unsigned = u64::try_from(milliseconds).map_err(|_| E::invalid_value(Unexpected::Signed(milliseconds), &self))?;
        self.visit_u64(unsigned)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let milliseconds = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(number), _) => number.parse().ok(),
            (None, Some(number)) => number.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1_000)),
            (None, None) => None,
        };
        match milliseconds {
            Some(milliseconds) => self.visit_u64(milliseconds),
            None => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}
