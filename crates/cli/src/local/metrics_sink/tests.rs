//! The sink as the AWS SDK sees it, and CloudWatch's rules.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::retry::RetryConfig;
use aws_sdk_cloudwatch::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
use aws_sdk_cloudwatch::operation::put_metric_data::PutMetricDataError;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::builders::MetricDatumBuilder;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};

use super::{Datum, MetricsSink};

const NAMESPACE: &str = "GenAIRateLimiting";

async fn started() -> (MetricsSink, Client) {
    let sink = MetricsSink::start().await.expect("a port");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(sink.endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    (sink, Client::from_conf(config))
}

async fn put(client: &Client, namespace: &str, data: Vec<MetricDatum>) -> Result<(), PutMetricDataError> {
    let sent = client.put_metric_data().namespace(namespace).set_metric_data(Some(data)).send().await;
    sent.map(|_| ()).map_err(aws_sdk_cloudwatch::error::SdkError::into_service_error)
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

fn datum(name: &str, value: f64) -> MetricDatumBuilder {
    MetricDatum::builder().metric_name(name).value(value)
}

fn dimensions(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_small_put_is_stored_with_everything_it_says() {
    let (sink, client) = started().await;
    let at = DateTime::from_millis(1_794_000_000_123);
    let sent = datum("InputTokens", 12.5).unit(StandardUnit::Count).timestamp(at).dimensions(dimension("Model", "haiku")).build();
    put(&client, NAMESPACE, vec![sent]).await.expect("accepted");
    let expected = Datum {
        namespace: NAMESPACE.to_owned(),
        name: "InputTokens".to_owned(),
        dimensions: dimensions(&[("Model", "haiku")]),
        value: 12.5,
        unit: Some("Count".to_owned()),
        timestamp: Some("2026-11-06T21:20:00.123Z".parse().expect("a time")),
    };
    assert_eq!(sink.data(), [expected]);
    sink.clear();
    assert_eq!(sink.data(), []);
    sink.shutdown().await;
}

#[tokio::test]
async fn a_put_of_1000_data_arrives_gzipped() {
    let (sink, client) = started().await;
    // 1.2 MB as CBOR: more than the sink takes, unless the SDK packed it.
    let long = "x".repeat(600);
    let data = (0..1_000).map(|_| datum("InputTokens", 1.0).dimensions(dimension("A", &long)).dimensions(dimension("B", &long)).build());
    put(&client, NAMESPACE, data.collect()).await.expect("accepted");
    assert_eq!(sink.data().len(), 1_000);
    assert!((sink.sum("InputTokens", &dimensions(&[("A", &long), ("B", &long)])) - 1_000.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_sum_is_of_one_name_with_exactly_its_dimensions() {
    let (sink, client) = started().await;
    let data = vec![
        datum("Requests", 1.0).dimensions(dimension("Model", "a")).build(),
        datum("Requests", 2.0).dimensions(dimension("Model", "a")).build(),
        datum("Requests", 4.0).dimensions(dimension("Model", "b")).build(),
        datum("Requests", 8.0).build(),
        datum("Denied", 16.0).dimensions(dimension("Model", "a")).build(),
        MetricDatum::builder().metric_name("Requests").values(10.0).counts(3.0).values(2.0).counts(1.0).build(),
        MetricDatum::builder()
            .metric_name("Statistics")
            .statistic_values(StatisticSet::builder().sample_count(2.0).sum(9.0).minimum(4.0).maximum(5.0).build())
            .build(),
    ];
    put(&client, NAMESPACE, data).await.expect("accepted");
    for (name, pairs, sum) in [
        ("Requests", &[("Model", "a")][..], 3.0),
        ("Requests", &[("Model", "b")], 4.0),
        ("Requests", &[], 40.0),
        ("Statistics", &[], 9.0),
        ("Denied", &[], 0.0),
    ] {
        assert!((sink.sum(name, &dimensions(pairs)) - sum).abs() < f64::EPSILON, "{name} {pairs:?}");
    }
}

#[tokio::test]
async fn a_broken_rule_is_answered_as_cloudwatch_does_and_nothing_is_stored() {
    let with = |name: &str, value: &str| vec![datum("A", 1.0).dimensions(dimension(name, value)).build()];
    let many = |count: usize| (0..count).map(|index| dimension(&format!("D{index}"), "v")).collect::<Vec<_>>();
    let invalid = "InvalidParameterValue";
    let cases = [
        ("no data", NAMESPACE, vec![], "MissingParameter"),
        ("no value", NAMESPACE, vec![MetricDatum::builder().metric_name("A").build()], "MissingParameter"),
        ("no name", NAMESPACE, vec![MetricDatum::builder().value(1.0).build()], "MissingParameter"),
        ("an empty namespace", "", vec![datum("A", 1.0).build()], invalid),
        ("Amazon's namespace", "AWS/Bedrock", vec![datum("A", 1.0).build()], invalid),
        ("1,001 data", NAMESPACE, (0..1_001).map(|_| datum("A", 1.0).build()).collect(), invalid),
        ("an empty name", NAMESPACE, vec![datum("", 1.0).build()], invalid),
        ("a long name", NAMESPACE, vec![datum(&"a".repeat(256), 1.0).build()], invalid),
        ("31 dimensions", NAMESPACE, vec![datum("A", 1.0).set_dimensions(Some(many(31))).build()], invalid),
        ("an empty dimension value", NAMESPACE, with("D", ""), invalid),
        ("a blank dimension value", NAMESPACE, with("D", "  "), invalid),
        ("a dimension value beyond ASCII", NAMESPACE, with("D", "é"), invalid),
        ("a dimension value of 1,025 characters", NAMESPACE, with("D", &"v".repeat(1_025)), invalid),
        ("a dimension name beyond ASCII", NAMESPACE, with("é", "v"), invalid),
        ("a dimension name with a colon first", NAMESPACE, with(":d", "v"), invalid),
        ("a dimension twice", NAMESPACE, vec![datum("A", 1.0).set_dimensions(Some(vec![dimension("D", "v"); 2])).build()], invalid),
        ("no number", NAMESPACE, vec![datum("A", f64::NAN).build()], invalid),
        ("an infinite value", NAMESPACE, vec![datum("A", f64::INFINITY).build()], invalid),
        ("an unknown unit", NAMESPACE, vec![datum("A", 1.0).unit("Tokens".into()).build()], invalid),
        (
            "counts of another size",
            NAMESPACE,
            vec![MetricDatum::builder().metric_name("A").values(1.0).counts(1.0).counts(1.0).build()],
            invalid,
        ),
        ("a value and values", NAMESPACE, vec![datum("A", 1.0).values(1.0).build()], "InvalidParameterCombination"),
    ];
    let (sink, client) = started().await;
    for (name, namespace, data, code) in cases {
        let error = put(&client, namespace, data).await.expect_err(name);
        assert_eq!(error.code(), Some(code), "{name}");
        assert!(error.message().is_some_and(|message| message.starts_with("The ")), "{name}");
    }
    assert_eq!(sink.data(), []);
    let limits = datum(&"a".repeat(255), -1.0).set_dimensions(Some(many(29))).dimensions(dimension("D", &"v".repeat(1_024)));
    for unit in StandardUnit::values() {
        put(&client, NAMESPACE, vec![limits.clone().unit((*unit).into()).build()]).await.expect(unit);
    }
}

#[tokio::test]
async fn a_failure_that_was_asked_for_stores_nothing() {
    let (sink, client) = started().await;
    sink.fail_next(2);
    for fails in [true, true, false] {
        let sent = put(&client, NAMESPACE, vec![datum("A", 1.0).build()]).await;
        assert_eq!(sent.is_err_and(|error| error.is_internal_service_fault()), fails);
    }
    assert_eq!(sink.data().len(), 1);
}
