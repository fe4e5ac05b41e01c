//! Metrics to CloudWatch: by PutMetricData, or as Embedded Metric Format lines.

use crate::config::MetricsDelivery;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use cost_sentry_workflow::metrics::{MetricUnit, NAMESPACE, Point};
use cost_sentry_workflow::ports::{Log, Metrics, MetricsError};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// CloudWatch, by the delivery that the configuration names.
#[derive(Debug, Clone)]
pub enum CloudWatch<G> {
    /// PutMetricData.
    Put(aws_sdk_cloudwatch::Client),
    /// Embedded Metric Format lines into this log.
    Embedded(G),
}

impl<G> CloudWatch<G> {
    /// Over this client or log, as the configuration says.
    pub fn new(delivery: MetricsDelivery, client: impl FnOnce() -> aws_sdk_cloudwatch::Client, log: G) -> Self {
        match delivery {
            MetricsDelivery::Put => Self::Put(client()),
            MetricsDelivery::EmbeddedMetricFormat => Self::Embedded(log),
        }
    }
}

impl<G: Log> Metrics for CloudWatch<G> {
    async fn put(&self, points: &[Point], at: Timestamp) -> Result<(), MetricsError> {
        match self {
            Self::Put(client) => {
                let data = points.iter().map(|point| datum(point, at)).collect();
                let request = client.put_metric_data().namespace(NAMESPACE).set_metric_data(Some(data));
                request.send().await.map(|_| ()).map_err(|error| MetricsError(Box::new(error)))
            }
            Self::Embedded(log) => {
                for point in points {
                    log.line(&embedded(point, at));
                }
                Ok(())
            }
        }
    }
}

fn datum(point: &Point, at: Timestamp) -> MetricDatum {
    let unit = match point.unit {
        MetricUnit::Count => StandardUnit::Count,
        MetricUnit::Percent => StandardUnit::Percent,
        MetricUnit::None => StandardUnit::None,
    };
    let dimension = |(name, value): &(&str, String)| Dimension::builder().name(*name).value(value).build();
    MetricDatum::builder()
        .metric_name(point.name)
        .value(point.value)
        .unit(unit)
        .timestamp(aws_sdk_cloudwatch::primitives::DateTime::from_millis(at.as_millisecond()))
        .set_dimensions(Some(point.dimensions.iter().map(dimension).collect()))
        .build()
}

/// One point as an Embedded Metric Format object (CloudWatch Logs' specification of that format).
fn embedded(point: &Point, at: Timestamp) -> Value {
    let names: Vec<&str> = point.dimensions.iter().map(|(name, _)| *name).collect();
    let mut object = Map::new();
    let metric = json!({ "Name": point.name, "Unit": point.unit.word() });
    object.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [names], "Metrics": [metric] }],
        }),
    );
    object.extend(point.dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    object.insert(point.name.to_owned(), json!(point.value));
    Value::Object(object)
}
