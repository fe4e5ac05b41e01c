//! `cost-sentry explain`: what a request would hold, and what the answer would be. Holds nothing.

use super::execution::read_request;
use super::following::follow;
use super::run::stack_failure;
use super::{Failure, policy};
use crate::cli;
use crate::local::stack::{Options, Stack};
use crate::show;
use cost_sentry_aws::edge::SystemEdge;
use cost_sentry_core::budget::{Budget, Increase};
use cost_sentry_core::outcome::RateLimit;
use cost_sentry_core::plan::{self, NoPlan, Plan};
use cost_sentry_core::policy::{InputBound, Policy};
use cost_sentry_core::refusal::{RetryAfter, retry_after};
use cost_sentry_core::request::{Origin, Request, validate};
use cost_sentry_core::reservation::State;
use cost_sentry_core::tags::TagValues;
use cost_sentry_workflow::ports::{Edge, Ledger};
use cost_sentry_workflow::time_outs;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Runs the command.
pub async fn explain(arguments: cli::Explain) -> Result<u8, Failure> {
    let document = read_request(&arguments.request)?;
    let file = policy::load(arguments.policy.policy.as_deref())?;
    let now = SystemEdge.now();
    let (explanation, status) =
        match validate(&document, &file.policy, Origin { execution_id: "explain", started_at: now, pinned: &TagValues::new() }) {
            Err(problems) => (json!({ "answer": "REQUEST_REJECTED", "problems": problems.into_vec() }), 2),
            Ok(request) => {
                let options = Options { data: Some(arguments.data.data.clone()), ..Options::default() };
                let stack = Stack::start(options).await.map_err(stack_failure)?;
                // What applying it would make of the policy: what is in force until a window ends counts here too.
                let following = follow(&stack.policies(), &file, now).await?;
                answer(&stack, following.policy(), &request, now).await?
            }
        };
    let text = if arguments.json { format!("{explanation}\n") } else { show::explanation::text(&explanation) };
    super::print(&text)?;
    Ok(status)
}

async fn answer(stack: &Stack, policy: &Policy, request: &Request, now: Timestamp) -> Result<(Value, u8), Failure> {
    let plan = plan::estimate(policy, request).and_then(|estimate| plan::plan(policy, request, estimate, now));
    match plan {
        Err(no_plan) => Ok((no_plan_answer(&no_plan), 4)),
        Ok(mut plan) => {
            let figures = stack.ledger().figures(&plan.charges).await.map_err(|error| Failure::from_error(&error))?;
            for (charge, figures) in plan.charges.iter_mut().zip(&figures) {
                charge.show(figures);
            }
            Ok(decided(&plan, policy, request, now))
        }
    }
}

fn no_plan_answer(no_plan: &NoPlan) -> Value {
    json!({ "answer": "INVOCATION_FAILED", "why": no_plan.to_string() })
}

fn decided(plan: &Plan, policy: &Policy, request: &Request, now: Timestamp) -> (Value, u8) {
    let fits = plan.fits();
    let state = if fits { State::Held } else { State::Denied };
    let reservation = plan.clone().reserve(request, state, now, now);
    let retry = retry_after(&reservation, time_outs::seconds(time_outs::CONVERSE), reservation.largest_max_tokens);
    let prices = plan.prices.as_ref().map(|prices| {
        let dearest = prices.dearest(plan.estimate.input, plan.caching);
        json!({ "inputUsdPerMillion": usd_per_million(dearest.input.0), "outputUsdPerMillion": usd_per_million(dearest.output.0) })
    });
    let cost = plan.prices.as_ref().map(|prices| plan.estimate.cost(prices, plan.caching).to_string());
    let refines = !fits && !plan.is_frozen() && plan::counts_tokens(policy, request, InputBound::Refine);
    let explanation = json!({
        "answer": if fits { "APPROVED" } else { "RATE_LIMIT_DENIED" },
        "model": request.model,
        "tags": request.tags.values,
        "inference": request.inference,
        "warnings": request.warnings,
        "estimate": {
            "inputTokensAtMost": plan.estimate.input,
            "inputBound": plan.estimate.bound,
            "outputTokensAtMost": plan.estimate.max_tokens,
            "dearestRates": prices,
            "costUsdAtMost": cost,
        },
        "countTokensWouldBeTried": refines,
        "countTokensComesFirst": plan::counts_tokens(policy, request, InputBound::CountTokens),
        "serviceTier": request.inference.service_tier,
        "increases": increases(policy, plan, now),
        "policyVersion": plan.policy_version,
        "rateLimit": RateLimit::of(&reservation, (!fits).then_some(retry)),
        "never": matches!((fits, retry), (false, RetryAfter::Never { .. })),
    });
    (explanation, if fits { 0 } else { 3 })
}

/// The increases that are part of the limits shown.
fn increases(policy: &Policy, plan: &Plan, now: Timestamp) -> Vec<Value> {
    let in_force = policy.budgets.iter().map(|budget| budget.at(now));
    let shown = in_force.filter(|budget| plan.charges.iter().any(|charge| charge.budget == budget.id));
    let counting = shown.flat_map(|budget| budget.increases.iter().filter(|one| one.counts(now)).map(move |one| (budget, one)));
    let one = |(budget, increase): (&Budget, &Increase)| {
        let added: Vec<Value> =
            increase.limits.iter().map(|limit| json!({ "unit": limit.unit, "amount": limit.unit.text(limit.amount) })).collect();
        json!({ "budget": budget.name, "added": added, "until": increase.until, "reason": increase.reason })
    };
    counting.map(one).collect()
}

/// A rate in pico-dollars per token as price lists print it.
fn usd_per_million(pico: u64) -> String {
    let digits = format!("{:06}", pico % 1_000_000);
    let kept = digits.trim_end_matches('0');
    format!("{}.{kept:0<2}", pico / 1_000_000)
}
