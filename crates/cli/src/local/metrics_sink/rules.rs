//! CloudWatch's rules on metric data, and its words and names for a broken one.
//!
//! Source: the API reference of PutMetricData, `MetricDatum` and `Dimension`.

use std::collections::BTreeMap;

use super::Datum;
use super::input::{Dimension, MetricDatum, PutMetricData};

const DATA_MOST: usize = 1_000;
const DIMENSIONS_MOST: usize = 30;
const VALUES_MOST: usize = 150;
const NAME_LONGEST: usize = 255;
const DIMENSION_VALUE_LONGEST: usize = 1_024;

/// Every unit of `StandardUnit`, as count and rate where both exist.
const UNITS: [&str; 13] = [
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Count",
    "Percent",
    "None",
];
const TIME_UNITS: [&str; 3] = ["Seconds", "Microseconds", "Milliseconds"];

/// A request that CloudWatch would not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: RefusalKind,
    pub(super) message: String,
}

/// The error's shape in the service model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalKind {
    MissingParameter,
    InvalidValue,
    InvalidCombination,
}

fn missing(what: &str) -> Refusal {
    Refusal { kind: RefusalKind::MissingParameter, message: format!("The parameter {what} is required.") }
}

fn invalid(message: String) -> Refusal {
    Refusal { kind: RefusalKind::InvalidValue, message }
}

/// The data of one request, all or none.
pub(super) fn check(input: &PutMetricData) -> Result<Vec<Datum>, Refusal> {
    let namespace = input.namespace.as_deref().ok_or_else(|| missing("Namespace"))?;
    check_text("Namespace", namespace, NAME_LONGEST)?;
    if namespace.starts_with("AWS/") {
        return Err(invalid("The value AWS/ for parameter Namespace is invalid.".to_owned()));
    }
    if input.metric_data.is_empty() {
        return Err(missing("MetricData"));
    }
    check_size("MetricData", input.metric_data.len(), DATA_MOST)?;
    let numbered = input.metric_data.iter().enumerate();
    numbered.map(|(index, datum)| check_datum(namespace, &format!("MetricData.member.{}", index + 1), datum)).collect()
}

fn check_datum(namespace: &str, place: &str, datum: &MetricDatum) -> Result<Datum, Refusal> {
    let name = datum.metric_name.as_deref().ok_or_else(|| missing(&format!("{place}.MetricName")))?;
    check_text(&format!("{place}.MetricName"), name, NAME_LONGEST)?;
    check_size(&format!("{place}.Dimensions"), datum.dimensions.len(), DIMENSIONS_MOST)?;
    check_size(&format!("{place}.Values"), datum.values.len(), VALUES_MOST)?;
    if let Some(unit) = datum.unit.as_deref().filter(|unit| !is_unit(unit)) {
        return Err(invalid(format!("The value {unit} for parameter {place}.Unit is invalid.")));
    }
    let timestamp = datum.timestamp().map_err(|problem| invalid(format!("The parameter {place}.Timestamp {problem}.")))?;
    Ok(Datum {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: check_dimensions(place, &datum.dimensions)?,
        value: check_value(place, datum)?,
        unit: datum.unit.clone(),
        timestamp,
    })
}

fn check_dimensions(place: &str, dimensions: &[Dimension]) -> Result<BTreeMap<String, String>, Refusal> {
    let mut checked = BTreeMap::new();
    for (index, Dimension { name, value }) in dimensions.iter().enumerate() {
        let place = format!("{place}.Dimensions.member.{}", index + 1);
        check_text(&format!("{place}.Name"), name, NAME_LONGEST)?;
        check_text(&format!("{place}.Value"), value, DIMENSION_VALUE_LONGEST)?;
        if checked.insert(name.clone(), value.clone()).is_some() {
            return Err(invalid(format!("The parameter {place}.Name occurs twice in one metric.")));
        }
    }
    Ok(checked)
}

/// ASCII, with something visible in it, no leading colon in a name, and not too long.
fn check_text(place: &str, text: &str, longest: usize) -> Result<(), Refusal> {
    let problem = if text.trim().is_empty() {
        "must not be empty".to_owned()
    } else if text.chars().any(|character| !character.is_ascii() || character.is_ascii_control()) {
        "must contain only ASCII characters, and no control characters".to_owned()
    } else if text.len() > longest {
        format!("must be shorter than {} characters", longest + 1)
    } else if text.starts_with(':') && !place.ends_with(".Value") {
        "must not start with a colon".to_owned()
    } else {
        return Ok(());
    };
    Err(invalid(format!("The parameter {place} {problem}.")))
}

fn check_size(place: &str, size: usize, most: usize) -> Result<(), Refusal> {
    if size > most {
        return Err(invalid(format!("The collection {place} must not have a size greater than {most}.")));
    }
    Ok(())
}

/// One of value, values (with counts) and statistics, every number finite and within ±2^360.
fn check_value(place: &str, datum: &MetricDatum) -> Result<f64, Refusal> {
    let largest = 2_f64.powi(360);
    let given = [datum.value.is_some(), !datum.values.is_empty(), datum.statistic_values.is_some()];
    match given.iter().filter(|given| **given).count() {
        0 => return Err(missing(&format!("{place}.Value"))),
        1 => {}
        _ => {
            let message = format!("The parameters {place}.Value, {place}.Values and {place}.StatisticValues are mutually exclusive.");
            return Err(Refusal { kind: RefusalKind::InvalidCombination, message });
        }
    }
    if !datum.counts.is_empty() && datum.counts.len() != datum.values.len() {
        return Err(invalid(format!("The parameters {place}.Values and {place}.Counts must be of the same size.")));
    }
    let counts = datum.counts.iter().copied().chain(std::iter::repeat(1.0));
    let from_values: f64 = datum.values.iter().zip(counts).map(|(value, count)| value * count).sum();
    let statistics = datum.statistic_values.as_ref().map(|statistics| statistics.sum);
    let value = datum.value.or(statistics).unwrap_or(from_values);
    if value.is_finite() && value.abs() <= largest {
        Ok(value)
    } else {
        Err(invalid(format!("The value {value} for parameter {place}.Value is invalid.")))
    }
}

fn is_unit(unit: &str) -> bool {
    let rate = unit.strip_suffix("/Second").is_some_and(|unit| UNITS.contains(&unit) && !matches!(unit, "Percent" | "None"));
    UNITS.contains(&unit) || TIME_UNITS.contains(&unit) || rate
}
