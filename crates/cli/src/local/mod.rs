//! Stand-ins for AWS on this machine, so that the real adapters run without an account.
//!
//! Each one is an HTTP server on 127.0.0.1 with a port picked by the system, spoken to through the AWS SDK:
//!
//! | stand-in | for | state |
//! | --- | --- | --- |
//! | [`simulator::Simulator`] | Amazon Bedrock Runtime: Converse and `CountTokens` | a script, in memory |
//! | [`metrics_sink::MetricsSink`] | Amazon CloudWatch: PutMetricData | in memory |
//! | [`dynamodb::DynamoDb`] | Amazon DynamoDB | memory, or a `SQLite` file |
//!
//! Left out: signatures (any credentials are accepted), TLS, every operation that Cost Sentry does not call.
//! Invariant: nothing here listens on an address other than loopback, and nothing prints.

pub mod clock;
pub mod dynamodb;
pub mod lambda;
mod loopback;
pub mod metrics_sink;
pub mod simulator;
pub mod stack;
pub mod step_functions;
pub mod tasks;
