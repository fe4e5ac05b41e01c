//! One stack on which a scenario is played, and what is to be seen of each request.

use super::check::Mismatch;
use super::clock::TimedTasks;
use super::file::{Request, Scenario, script_text};
use crate::harness::{Ended, SHIPPED, World, machine};
use cost_sentry::commands::new_execution;
use cost_sentry::local::simulator::{Operation, Script};
use cost_sentry::local::stack::{Options, Stack};
use cost_sentry_asl::{End, EventKind, Execution, Tasks};
use cost_sentry_aws::clients::{Clients, Endpoints, http_client};
use cost_sentry_core::budget::Unit;
use cost_sentry_core::reservation::{Figures, Reservation};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

/// The stack, and the days that have been played on it.
pub struct Stage {
    world: World,
    times: Mutex<BTreeSet<Timestamp>>,
}

impl Stage {
    /// A stack as the file wants it.
    pub async fn set(scenario: &Scenario) -> Self {
        let script = Script::parse(&script_text(&scenario.script)).unwrap();
        let options = Options { script, ..Options::default() };
        let mut world = match scenario.policy() {
            Some(policy) => World::with_options(&policy, options).await,
            None => World::without_policy(SHIPPED, options).await,
        };
        if let Some(seconds) = scenario.converse_timeout_seconds {
            world.stack.config.converse_timeout = Duration::from_secs(seconds);
        }
        world.stack.clients = clients(&world.stack, scenario.bedrock_is_closed).await;
        Self { world, times: Mutex::default() }
    }

    /// Sends a request, and gives everything that files can look at.
    pub async fn play(&self, scenario: &Scenario, request: &Request) -> Value {
        let now = scenario.now(request);
        self.times.lock().unwrap().insert(now);
        if !request.script.is_null() {
            self.world.script(&script_text(&request.script));
        }
        let calls_before = self.world.stack.simulator.as_ref().unwrap().calls().len();
        let tasks = TimedTasks::new(&self.world.stack, &self.world.log, now, &request.clock_at);
        let execution = Execution { start_time: request.started(now), ..new_execution() };
        let mut observed = if request.only_hold {
            held(&tasks, &execution, request.document()).await
        } else {
            let ended = self.world.run_on(&machine(), &execution, &request.document(), &tasks).await;
            of_end(&ended)
        };
        let fields = observed.as_object_mut().unwrap();
        fields.extend(self.calls(calls_before));
        let id = fields["requestId"].as_str().map(str::to_owned);
        let reservation = match id {
            Some(id) => self.world.reservation(&id).await,
            None => None,
        };
        fields.insert("reservation".to_owned(), json!(reservation.as_ref().map(|reservation| reservation.state)));
        let counters = match &reservation {
            Some(reservation) => self.counters(reservation).await,
            None => Map::new(),
        };
        fields.insert("counters".to_owned(), Value::Object(counters));
        observed
    }

    fn calls(&self, before: usize) -> Map<String, Value> {
        let calls = self.world.stack.simulator.as_ref().unwrap().calls();
        let new = &calls[before..];
        let count = |operation| new.iter().filter(|call| call.operation == operation).count();
        let sent = new.iter().rfind(|call| call.operation == Operation::Converse);
        let sent = sent.map(|call| {
            let tier = &call.body["serviceTier"]["type"];
            json!({ "modelId": call.model_id, "maxTokens": call.body["inferenceConfig"]["maxTokens"], "serviceTier": tier })
        });
        let fields = [
            ("converseCalls", json!(count(Operation::Converse))),
            ("countTokensCalls", json!(count(Operation::CountTokens))),
            ("sent", sent.unwrap_or_default()),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The counters that a reservation falls on, as they are now.
    async fn counters(&self, reservation: &Reservation) -> Map<String, Value> {
        let mut counters = Map::new();
        for charge in &reservation.charges {
            let stored = self.world.stack.ledger().counters(&[charge.key()]).await.unwrap();
            for (unit, figures) in stored.into_iter().flat_map(|(_, figures)| figures) {
                counters.insert(budget_name(&charge.name, &charge.scope, unit.word()), figures_json(unit, figures));
            }
        }
        counters
    }

    /// Every counter is the sum of its reservations' shares.
    pub async fn books_balance(&self) -> Vec<Mismatch> {
        let ledger = self.world.stack.ledger();
        let times = self.times.lock().unwrap().clone();
        let days: BTreeSet<_> = times.iter().map(|time| time.to_zoned(TimeZone::UTC).date()).collect();
        let mut sums: BTreeMap<_, Figures> = BTreeMap::new();
        for day in days {
            for reservation in ledger.decided_on(day).await.unwrap() {
                let keys = reservation.enforced().flat_map(|charge| charge.amounts.iter().map(|amount| (charge.key(), amount.unit)));
                keys.for_each(|key| _ = sums.entry(key).or_default());
                for (key, unit, share) in reservation.shares() {
                    let sum = sums.entry((key, unit)).or_default();
                    sum.committed += share.committed;
                    sum.used += share.used;
                    sum.uncertain += share.uncertain;
                }
            }
        }
        let mut mismatches = Vec::new();
        for ((key, unit), sum) in sums {
            let stored = ledger.counters(std::slice::from_ref(&key)).await.unwrap();
            let stored = stored.first().and_then(|(_, figures)| figures.get(&unit).copied()).unwrap_or_default();
            if stored != sum {
                let field = format!("counter {}", key.as_str());
                mismatches.push(Mismatch { field, expected: format!("{sum:?}"), found: format!("{stored:?}") });
            }
        }
        mismatches
    }
}

/// The stack's clients with what the file changes about them.
async fn clients(stack: &Stack, bedrock_is_closed: bool) -> Clients {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bedrock = if bedrock_is_closed { format!("http://{closed}") } else { stack.simulator.as_ref().unwrap().endpoint() };
    let endpoints = Endpoints {
        dynamodb: Some(stack.dynamodb.as_ref().unwrap().endpoint()),
        bedrock_runtime: Some(bedrock),
        cloudwatch: Some(stack.sink.as_ref().unwrap().endpoint()),
        dummy_credentials: true,
    };
    Clients::with_http_client(&stack.config, endpoints, http_client()).await
}

/// The first two states alone: what they hold stays held.
async fn held(tasks: &TimedTasks, execution: &Execution, request: Value) -> Value {
    let function = |binary| cost_sentry::state_machine::function_arn(binary);
    let start = json!({ "request": request, "executionId": execution.id, "startedAt": execution.start_time, "pinnedTags": {} });
    let validated = tasks.invoke(&function("validate-and-set-context"), start).await.unwrap();
    let approved = tasks.invoke(&function("check-rate-limit"), validated).await.unwrap();
    json!({
        "outcome": approved["decision"],
        "requestId": approved["request"]["tags"]["requestId"],
        "warnings": approved["request"]["warnings"],
        "problems": [],
        "retries": 0,
    })
}

/// What an execution's end and its history show.
fn of_end(ended: &Ended) -> Value {
    let (document, error) = ended.document();
    let bytes = match &ended.end {
        End::Failed { cause, .. } => cause.len(),
        _ => document.to_string().len(),
    };
    assert!(bytes <= if error.is_some() { 30_000 } else { 240_000 }, "a document of {bytes} bytes");
    let list = |items: &Value, field: &str| -> Value { items.as_array().into_iter().flatten().map(|item| item[field].clone()).collect() };
    let retries = ended.events.iter().filter(|event| matches!(event.kind, EventKind::RetryScheduled { .. })).count();
    let rate_limit = &document["rateLimit"];
    let budgets: Map<String, Value> = rate_limit["budgets"].as_array().into_iter().flatten().map(named_budget).collect();
    let rejected = document["problems"].is_array();
    let content = document["response"]["content"].as_str();
    json!({
        "end": error,
        "outcome": if rejected { json!("REQUEST_REJECTED") } else { document["outcome"].clone() },
        "error": if rejected { &document["error"] } else { &document["error"]["name"] },
        "moneyMayHaveBeenSpent": document["error"].get("moneyMayHaveBeenSpent"),
        "requestId": if rejected { &document["requestId"] } else { &document["tags"]["requestId"] },
        "tags": document["tags"],
        "model": document["model"],
        "response": document["response"],
        "answerBytes": content.map(str::len),
        "usage": document["usage"],
        "budgets": budgets,
        "retryAfterSeconds": rate_limit["retryAfterSeconds"],
        "retryAfterEstimate": rate_limit["retryAfterEstimate"],
        "largestMaxTokens": rate_limit["largestMaxTokens"],
        "warnings": list(&document["warnings"], "code"),
        "problems": list(&document["problems"], "pointer"),
        "retries": retries,
    })
}

fn named_budget(budget: &Value) -> (String, Value) {
    let text = |field: &str| budget[field].as_str().unwrap();
    (budget_name(text("name"), text("scope"), text("unit")), budget.clone())
}

/// What files call a budget's counter: `org-month usd`, `cost-center-month[costCenter=sales] usd`.
fn budget_name(name: &str, scope: &str, unit: &str) -> String {
    let scope = if scope.is_empty() { String::new() } else { format!("[{scope}]") };
    format!("{name}{scope} {unit}")
}

/// Figures as outcomes write them: dollars as a decimal, all else as numbers.
fn figures_json(unit: Unit, figures: Figures) -> Value {
    let value = |figure: i64| match unit {
        Unit::Usd => json!(unit.text(u64::try_from(figure).expect("a counter is never below zero"))),
        _ => json!(figure),
    };
    json!({ "committed": value(figures.committed), "used": value(figures.used), "uncertain": value(figures.uncertain) })
}
