//! Configuration: every environment variable that the functions read, in one place, read whole at start.

use cost_sentry_workflow::time_outs::{self, Leases};
use std::time::Duration;

/// The ledger's DynamoDB table. Required.
pub const TABLE: &str = "COST_SENTRY_TABLE";
/// How metrics are delivered: `put` (PutMetricData, the default) or `emf` (Embedded Metric Format on standard output).
pub const METRICS: &str = "COST_SENTRY_METRICS";
/// The longest that one model call may take, in seconds: at most, and by default, 180.
pub const CONVERSE_TIMEOUT: &str = "COST_SENTRY_CONVERSE_TIMEOUT_SECONDS";

/// All of them.
pub const VARIABLES: [&str; 3] = [TABLE, METRICS, CONVERSE_TIMEOUT];

/// How metrics are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsDelivery {
    /// PutMetricData: a call, and an error where it fails.
    Put,
    /// A line on standard output, which CloudWatch Logs turns into metrics.
    EmbeddedMetricFormat,
}

/// What the functions are told by their environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The ledger's table.
    pub table: String,
    /// How metrics are delivered.
    pub metrics: MetricsDelivery,
    /// The longest that one model call may take.
    pub converse_timeout: Duration,
    /// How long reservations are left to their owners. Not a variable: functions that disagreed about it would sweep each other's.
    pub leases: Leases,
}

/// Everything that is wrong with the environment, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment is not complete: {}", problems.join("; "))]
pub struct ConfigError {
    /// One phrase per variable.
    pub problems: Vec<String>,
}

impl Config {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads any source of variables.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let table = get(TABLE).filter(|table| !table.is_empty());
        if table.is_none() {
            problems.push(format!("{TABLE} must name the ledger's DynamoDB table"));
        }
        let metrics = match get(METRICS).as_deref() {
            None | Some("" | "put") => MetricsDelivery::Put,
            Some("emf") => MetricsDelivery::EmbeddedMetricFormat,
            Some(_) => {
                problems.push(format!("{METRICS} must be `put` or `emf`"));
                MetricsDelivery::Put
            }
        };
        let most = u64::from(time_outs::CONVERSE);
        let seconds = match get(CONVERSE_TIMEOUT).filter(|text| !text.is_empty()) {
            None => Some(most),
            Some(text) => text.parse::<u64>().ok().filter(|seconds| (1..=most).contains(seconds)),
        };
        if seconds.is_none() {
            problems.push(format!("{CONVERSE_TIMEOUT} must be a whole number of seconds from 1 to {most}"));
        }
        match (table, seconds) {
            (Some(table), Some(seconds)) if problems.is_empty() => {
                Ok(Self { table, metrics, converse_timeout: Duration::from_secs(seconds), leases: Leases::default() })
            }
            _ => Err(ConfigError { problems }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_variable_is_reported_at_once() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Config::read(|name| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
        };
        let good = read(&[(TABLE, "t")]).unwrap();
        assert_eq!((good.metrics, good.converse_timeout), (MetricsDelivery::Put, Duration::from_mins(3)));
        assert_eq!(read(&[(TABLE, "t"), (METRICS, "emf")]).unwrap().metrics, MetricsDelivery::EmbeddedMetricFormat);
        let bad = read(&[(METRICS, "x"), (CONVERSE_TIMEOUT, "181")]).unwrap_err();
        assert_eq!(bad.problems.len(), 3, "{bad}");
    }
}
