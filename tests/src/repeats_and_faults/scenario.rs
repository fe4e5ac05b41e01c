//! The executions that are disturbed: one for each way in which the plain run goes.

use super::tasks::Watched;
use super::wire::{Fault, Wire};
use crate::harness::{Ended, World, machine};
use cost_sentry::commands::new_execution;
use cost_sentry::local::simulator::Script;
use cost_sentry::local::stack::Options;
use cost_sentry_asl::{Execution, Tasks};
use serde_json::{Value, json};
use std::pin::Pin;
use tokio::task::JoinSet;

/// Every unit, windows of two kinds, a shadow, and one budget that is too small.
const POLICY: &str = r"
tags:
  applicationId: { allow: [ledger-tests] }
models:
  roomy: { id: us.anthropic.claude-3-5-haiku-20241022-v1:0 }
  tight: { id: us.anthropic.claude-sonnet-4-5-20250929-v1:0 }
budgets:
  - { name: org-month, limit: { usd: 100, requests: 1000 }, window: month }
  - { name: app-month, limit: { tokens: 2000000, inputTokens: 1000000 }, window: month, per: [applicationId] }
  - { name: tight-month, limit: { outputTokens: 400 }, window: month, match: { model: tight } }
  - { name: watched-month, limit: { outputTokens: 100 }, window: month, mode: shadow }
";

/// One way in which an undisturbed execution goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    pub name: &'static str,
    model: &'static str,
    script: &'static str,
    /// How many calls Bedrock sees.
    pub calls: usize,
}

/// The model answers.
pub const ANSWERED: Scenario = Scenario { name: "answered", model: "roomy", script: "", calls: 1 };
/// A budget refuses, after the input was counted.
pub const DENIED: Scenario = Scenario { name: "denied", model: "tight", script: "", calls: 0 };
/// Bedrock refuses.
pub const FAILED: Scenario =
    Scenario { name: "failed", model: "roomy", script: "models: { roomy: { always: { error: AccessDeniedException } } }", calls: 1 };
/// Bedrock throttles once, then the model answers.
pub const THROTTLED: Scenario =
    Scenario { name: "throttled", model: "roomy", script: "models: { roomy: { next: [{ error: ThrottlingException }] } }", calls: 2 };

pub const SCENARIOS: [Scenario; 4] = [ANSWERED, DENIED, FAILED, THROTTLED];

/// A world of its own for one execution.
pub struct Trial {
    pub world: World,
    pub wire: Wire,
    pub scenario: Scenario,
    pub execution: Execution,
}

impl Trial {
    /// A fresh world in which this goes wrong.
    pub async fn new(scenario: Scenario, fault: Option<Fault>) -> Self {
        let wire = Wire::with_fault(fault);
        let options =
            Options { script: Script::parse(scenario.script).unwrap(), http_client: Some(wire.http_client()), ..Options::default() };
        let world = World::with_options(POLICY, options).await;
        // The same id in every world: what two worlds make of it can be compared.
        let execution = Execution { id: "arn:aws:states:us-east-1:000000000000:execution:cost-sentry:trial".to_owned(), ..new_execution() };
        Self { world, wire, scenario, execution }
    }

    /// The functions.
    pub fn tasks(&self) -> Watched {
        Watched::new(&machine(), self.wire.clone(), self.world.stack.tasks(self.world.log.clone()))
    }

    /// Runs the execution.
    pub async fn run(&self) -> Ended {
        self.run_on(&self.tasks()).await
    }

    /// Runs the execution on these tasks.
    pub async fn run_on(&self, tasks: &impl Tasks) -> Ended {
        self.world.run_on(&machine(), &self.execution, &self.request(), tasks).await
    }

    fn request(&self) -> Value {
        json!({
            "model": self.scenario.model,
            "prompt": { "messages": [{ "role": "user", "content": "What does a ledger promise?" }], "parameters": { "max_tokens": 500 } },
            "tags": { "applicationId": "ledger-tests" },
        })
    }
}

/// How many cases run at a time.
const AT_A_TIME: usize = 8;

/// A case, which gives its problems.
type Case = Pin<Box<dyn Future<Output = Vec<String>> + Send>>;

/// Runs cases, some at a time, and fails with all problems of all of them.
pub fn each<C>(cases: impl IntoIterator<Item = C>) -> impl Future<Output = ()>
where
    C: Future<Output = Vec<String>> + Send + 'static,
{
    let cases: Vec<Case> = cases.into_iter().map(|case| Box::pin(case) as Case).collect();
    async {
        let (mut running, mut problems) = (JoinSet::new(), Vec::new());
        for case in cases {
            if running.len() == AT_A_TIME {
                problems.extend(running.join_next().await.unwrap().unwrap());
            }
            running.spawn(case);
        }
        problems.extend(running.join_all().await.concat());
        assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    }
}
