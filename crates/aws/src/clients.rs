//! The SDK's clients, built once, before the first request.

use crate::config::Config;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::{TimeoutConfig, TimeoutConfigBuilder};
use cost_sentry_workflow::time_outs;
use std::time::Duration;

/// The longest that a connection may take to open.
const CONNECT: Duration = Duration::from_secs(2);
/// How long one attempt of a ledger request may take: half of the request's time, so that a second one has its chance.
const LEDGER_ATTEMPT: Duration = Duration::from_millis(time_outs::LEDGER_REQUEST as u64 * 1_000 / 2);
/// Attempts per request to services whose requests are safe to repeat.
pub(crate) const ATTEMPTS: u32 = 3;

/// Where the services are, if not on AWS. An endpoint given here wins over the SDK's own variables, so that whoever fills this in has
/// to look at `AWS_ENDPOINT_URL_*` first.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// DynamoDB's.
    pub dynamodb: Option<String>,
    /// Bedrock Runtime's.
    pub bedrock_runtime: Option<String>,
    /// CloudWatch's.
    pub cloudwatch: Option<String>,
    /// Sign with fixed, worthless credentials in a fixed region: for endpoints that are not AWS.
    pub dummy_credentials: bool,
}

/// The configuration that all clients share.
#[derive(Debug, Clone)]
pub struct Clients {
    shared: SdkConfig,
    endpoints: Endpoints,
    converse_timeout: Duration,
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

/// Time-outs of an operation that may take so long. A connection has half of that at most: one that never opened must show as that, and
/// not as an operation of unknown fate.
fn within(operation: Duration) -> TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(CONNECT.min(operation / 2)).operation_timeout(operation)
}

/// The HTTP client that all SDK clients share.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

impl Clients {
    /// Reads credentials and region as the SDK does.
    pub async fn load(config: &Config, endpoints: Endpoints) -> Self {
        Self::with_http_client(config, endpoints, http_client()).await
    }

    /// The same over a given HTTP client: where faults are injected, or requests are looked at.
    pub async fn with_http_client(config: &Config, endpoints: Endpoints, http_client: SharedHttpClient) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client);
        if endpoints.dummy_credentials {
            loader = loader.region(Region::new("us-east-1")).credentials_provider(Credentials::new("local", "local", None, None, "local"));
        }
        Self { shared: loader.load().await, endpoints, converse_timeout: config.converse_timeout }
    }

    /// DynamoDB: requests are conditional or idempotent, so the SDK may repeat them.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::config::Builder::from(&self.shared);
        if let Some(url) = &self.endpoints.dynamodb {
            config = config.endpoint_url(url);
        }
        let config = config
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(Duration::from_millis(50)))
            .timeout_config(within(seconds(time_outs::LEDGER_REQUEST)).operation_attempt_timeout(LEDGER_ATTEMPT).build());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// Bedrock for the call itself: one attempt, since each further one could be billed; no stalled-stream protection, which has cut
    /// off slow answers that were being paid for.
    pub fn bedrock_converse(&self) -> aws_sdk_bedrockruntime::Client {
        self.bedrock(1, self.converse_timeout)
    }

    /// Bedrock for counting tokens: free, and not worth waiting for.
    pub fn bedrock_count_tokens(&self) -> aws_sdk_bedrockruntime::Client {
        self.bedrock(1, seconds(time_outs::COUNT_TOKENS))
    }

    fn bedrock(&self, attempts: u32, timeout: Duration) -> aws_sdk_bedrockruntime::Client {
        let mut config = aws_sdk_bedrockruntime::config::Builder::from(&self.shared);
        if let Some(url) = &self.endpoints.bedrock_runtime {
            config = config.endpoint_url(url);
        }
        let config = config
            .retry_config(RetryConfig::standard().with_max_attempts(attempts))
            .stalled_stream_protection(aws_sdk_bedrockruntime::config::StalledStreamProtectionConfig::disabled())
            .timeout_config(within(timeout).build());
        aws_sdk_bedrockruntime::Client::from_conf(config.build())
    }

    /// CloudWatch.
    pub fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        let mut config = aws_sdk_cloudwatch::config::Builder::from(&self.shared);
        if let Some(url) = &self.endpoints.cloudwatch {
            config = config.endpoint_url(url);
        }
        let config =
            config.retry_config(RetryConfig::standard().with_max_attempts(2)).timeout_config(within(seconds(time_outs::METRICS)).build());
        aws_sdk_cloudwatch::Client::from_conf(config.build())
    }
}
