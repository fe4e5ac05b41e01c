//! The steps with a clock that stands still: windows, leases and deadlines fall where a file puts them.

use crate::harness::MemoryLog;
use cost_sentry::local::stack::Stack;
use cost_sentry::state_machine::function_arn;
use cost_sentry_asl::{TaskError, Tasks};
use cost_sentry_aws::converse::{BedrockModel, BedrockTokenCounter};
use cost_sentry_aws::edge::SystemEdge;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_aws::metrics::CloudWatch;
use cost_sentry_aws::policy_store::DynamoDbPolicyStore;
use cost_sentry_core::reservation::ClaimId;
use cost_sentry_workflow::policy_cache::PolicyCache;
use cost_sentry_workflow::ports::Edge;
use cost_sentry_workflow::steps::{CheckRateLimit, InvokeModel, RecordMetrics, STEPS, ValidateAndSetContext};
use cost_sentry_workflow::time_outs::Leases;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// A clock that always shows the same time.
#[derive(Debug, Clone, Copy)]
pub struct StoppedClock(pub Timestamp);

impl Edge for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn draw_claim_id(&self) -> ClaimId {
        SystemEdge.draw_claim_id()
    }
}

/// The functions, each with its own stopped clock.
pub struct TimedTasks {
    validate_and_set_context: ValidateAndSetContext<DynamoDbPolicyStore, MemoryLog, StoppedClock>,
    check_rate_limit: CheckRateLimit<DynamoDbPolicyStore, DynamoDbLedger, BedrockTokenCounter, StoppedClock>,
    invoke_model: InvokeModel<DynamoDbLedger, BedrockModel, StoppedClock>,
    record_metrics: RecordMetrics<DynamoDbLedger, CloudWatch<MemoryLog>, MemoryLog, StoppedClock>,
}

impl TimedTasks {
    /// The functions of a stack: at `now`, except for the states that have a time of their own.
    pub fn new(stack: &Stack, log: &MemoryLog, now: Timestamp, at: &BTreeMap<String, Timestamp>) -> Self {
        let clock = |state: &str| StoppedClock(at.get(state).copied().unwrap_or(now));
        assert!(at.keys().all(|name| STEPS.iter().any(|step| step.state == name)), "{at:?}");
        let clients = &stack.clients;
        Self {
            validate_and_set_context: ValidateAndSetContext {
                policy: PolicyCache::new(stack.policies()),
                log: log.clone(),
                edge: clock("ValidateAndSetContext"),
            },
            check_rate_limit: CheckRateLimit {
                policy: PolicyCache::new(stack.policies()),
                ledger: stack.ledger(),
                counter: BedrockTokenCounter::new(clients.bedrock_count_tokens()),
                edge: clock("CheckRateLimit"),
                leases: Leases::default(),
            },
            invoke_model: InvokeModel {
                ledger: stack.ledger(),
                model: BedrockModel::new(clients.bedrock_converse()),
                edge: clock("InvokeModel"),
                leases: Leases::default(),
            },
            record_metrics: RecordMetrics {
                ledger: stack.ledger(),
                metrics: CloudWatch::new(stack.config.metrics, || clients.cloudwatch(), log.clone()),
                log: log.clone(),
                edge: clock("RecordMetrics"),
            },
        }
    }
}

impl Tasks for TimedTasks {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        let step = STEPS.iter().find(|step| function_arn(&step.binary()) == resource).unwrap();
        let done = match step.state {
            "ValidateAndSetContext" => Box::pin(self.validate_and_set_context.run(input)).await,
            "CheckRateLimit" => Box::pin(self.check_rate_limit.run(input)).await,
            "InvokeModel" => Box::pin(self.invoke_model.run(input)).await,
            _ => Box::pin(self.record_metrics.run(input)).await,
        };
        done.map_err(|thrown| TaskError { error: thrown.name.name().to_owned(), cause: thrown.message })
    }
}
