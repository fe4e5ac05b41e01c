//! The input of PutMetricData as it comes over the wire: CBOR maps with CloudWatch's member names, perhaps gzipped.

use std::io::Read;

use ciborium::Value;
use flate2::read::GzDecoder;
use jiff::Timestamp;
use serde::Deserialize;

/// The most that a gzipped body may unpack to; CloudWatch's own limit, on the packed body, is 1 MB.
const LARGEST_UNPACKED: u64 = 16 * 1024 * 1024;

/// `PutMetricDataInput`; what is required is checked later, to be named in CloudWatch's words.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutMetricData {
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) metric_data: Vec<MetricDatum>,
}

/// `MetricDatum`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MetricDatum {
    pub(super) metric_name: Option<String>,
    #[serde(default)]
    pub(super) dimensions: Vec<Dimension>,
    timestamp: Option<Value>,
    pub(super) value: Option<f64>,
    pub(super) statistic_values: Option<StatisticSet>,
    #[serde(default)]
    pub(super) values: Vec<f64>,
    #[serde(default)]
    pub(super) counts: Vec<f64>,
    pub(super) unit: Option<String>,
}

/// `Dimension`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Dimension {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: String,
}

/// `StatisticSet`; only the sum is kept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StatisticSet {
    pub(super) sum: f64,
}

impl PutMetricData {
    /// Reads a body; the error says what could not be read.
    pub(super) fn parse(body: &[u8], gzipped: bool) -> Result<Self, String> {
        if !gzipped {
            return ciborium::from_reader(body).map_err(|error| error.to_string());
        }
        ciborium::from_reader(GzDecoder::new(body).take(LARGEST_UNPACKED)).map_err(|error| error.to_string())
    }
}

impl MetricDatum {
    /// The time, to the millisecond; an error where the member is no epoch timestamp (CBOR tag 1, seconds).
    pub(super) fn timestamp(&self) -> Result<Option<Timestamp>, &'static str> {
        const WRONG: &str = "is not a timestamp";
        let Some(value) = &self.timestamp else { return Ok(None) };
        let Value::Tag(1, seconds) = value else { return Err(WRONG) };
        let seconds = match seconds.as_ref() {
            Value::Float(seconds) => *seconds,
            Value::Integer(seconds) => i64::try_from(*seconds).ok().and_then(whole).ok_or(WRONG)?,
            _ => return Err(WRONG),
        };
        #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range of i64 saturates, and jiff refuses that")]
        let milliseconds = (seconds * 1_000.0).round() as i64;
        Timestamp::from_millisecond(milliseconds).map(Some).map_err(|_| WRONG)
    }
}

/// Seconds that a float holds exactly.
fn whole(seconds: i64) -> Option<f64> {
    i32::try_from(seconds).ok().map(f64::from)
}
