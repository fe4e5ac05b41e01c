//! The steps on AWS: each built with only the ports it needs, so that a function's main shows which permissions it wants.

use crate::clients::Clients;
use crate::config::Config;
use crate::converse::{BedrockModel, BedrockTokenCounter};
use crate::edge::SystemEdge;
use crate::ledger::DynamoDbLedger;
use crate::metrics::CloudWatch;
use crate::policy_store::DynamoDbPolicyStore;
use cost_sentry_workflow::policy_cache::PolicyCache;
use cost_sentry_workflow::ports::Log;
use cost_sentry_workflow::steps;

/// `ValidateAndSetContext` on DynamoDB.
pub type ValidateAndSetContext<G> = steps::ValidateAndSetContext<DynamoDbPolicyStore, G, SystemEdge>;
/// `CheckRateLimit` on DynamoDB and Bedrock's CountTokens.
pub type CheckRateLimit = steps::CheckRateLimit<DynamoDbPolicyStore, DynamoDbLedger, BedrockTokenCounter, SystemEdge>;
/// `InvokeModel` on DynamoDB and Bedrock's Converse.
pub type InvokeModel = steps::InvokeModel<DynamoDbLedger, BedrockModel, SystemEdge>;
/// `RecordMetrics` on DynamoDB and CloudWatch.
pub type RecordMetrics<G> = steps::RecordMetrics<DynamoDbLedger, CloudWatch<G>, G, SystemEdge>;
/// `SweepReservations` on DynamoDB and CloudWatch.
pub type SweepReservations<G> = steps::SweepReservations<DynamoDbLedger, CloudWatch<G>, G, SystemEdge>;

/// Reads policies.
pub fn validate_and_set_context<G: Log>(config: &Config, clients: &Clients, log: G) -> ValidateAndSetContext<G> {
    steps::ValidateAndSetContext { policy: policy(config, clients), log, edge: SystemEdge }
}

/// Reads policies, writes the ledger, counts tokens.
pub fn check_rate_limit(config: &Config, clients: &Clients) -> CheckRateLimit {
    let counter = BedrockTokenCounter::new(clients.bedrock_count_tokens());
    steps::CheckRateLimit {
        policy: policy(config, clients),
        ledger: ledger(config, clients),
        counter,
        edge: SystemEdge,
        leases: config.leases,
    }
}

/// Writes the ledger, calls the model.
pub fn invoke_model(config: &Config, clients: &Clients) -> InvokeModel {
    let model = BedrockModel::new(clients.bedrock_converse());
    steps::InvokeModel { ledger: ledger(config, clients), model, edge: SystemEdge, leases: config.leases }
}

/// Writes the ledger, sends metrics.
pub fn record_metrics<G: Log + Clone>(config: &Config, clients: &Clients, log: G) -> RecordMetrics<G> {
    let metrics = CloudWatch::new(config.metrics, || clients.cloudwatch(), log.clone());
    steps::RecordMetrics { ledger: ledger(config, clients), metrics, log, edge: SystemEdge }
}

/// Writes the ledger, sends metrics.
pub fn sweep_reservations<G: Log + Clone>(config: &Config, clients: &Clients, log: G) -> SweepReservations<G> {
    let metrics = CloudWatch::new(config.metrics, || clients.cloudwatch(), log.clone());
    steps::SweepReservations { ledger: ledger(config, clients), metrics, log, edge: SystemEdge, leases: config.leases }
}

fn ledger(config: &Config, clients: &Clients) -> DynamoDbLedger {
    DynamoDbLedger::new(clients.dynamodb(), &config.table)
}

fn policy(config: &Config, clients: &Clients) -> PolicyCache<DynamoDbPolicyStore> {
    PolicyCache::new(DynamoDbPolicyStore::new(clients.dynamodb(), &config.table))
}
