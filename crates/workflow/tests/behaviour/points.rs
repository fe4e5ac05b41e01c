//! What a finished request counts.

use crate::stage::{HAIKU, INPUT_HELD, MAX_TOKENS, Stage, answer, policy, usage};
use cost_sentry_core::price::Usage;
use cost_sentry_core::quantity::Tokens;
use cost_sentry_workflow::metrics::{MetricUnit, count};
use cost_sentry_workflow::ports::CallFailed;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

fn stage() -> Stage {
    Stage::new(&policy(400))
}

/// Records a finished request; its points, a line each.
fn check(stage: &Stage, ended: Value, expected: &Expect) {
    stage.record(ended).unwrap();
    let points = stage.heard.points.lock().unwrap();
    let lines = points.iter().map(|point| {
        let dimensions: Vec<String> = point.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {} {} {}", point.name, point.value, point.unit.word(), dimensions.join(" ")).trim_end().replace(HAIKU, "HAIKU")
    });
    expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_success_counts_its_tokens_its_cost_and_what_is_spoken_for() {
    let stage = stage();
    let usage = Usage { cache_read: Tokens(3), cache_write: Tokens(4), ..usage(10, 20) };
    let ended = stage.invoke(stage.approved(), [answer(Some(usage))]).unwrap();
    check(
        &stage,
        ended,
        &expect![[r#"
        TotalRequests 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        RateLimitApproved 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        InputTokens 17 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        OutputTokens 20 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        SpendUsd 0.00009224 None CostCenter=sales Application=docs
        BudgetUtilization 0.009408 Percent Budget=day
        BudgetUtilization 47 Percent Budget=day
        BudgetUtilization 47 Percent Budget=watched"#]],
    );
}

#[test]
fn a_success_beyond_its_hold_counts_the_overage() {
    let stage = stage();
    let ended = stage.invoke(stage.approved(), [answer(Some(usage(INPUT_HELD + 7, MAX_TOKENS)))]).unwrap();
    check(
        &stage,
        ended,
        &expect![[r#"
        TotalRequests 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        RateLimitApproved 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        InputTokens 95 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        OutputTokens 100 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        SpendUsd 0.000476 None CostCenter=sales Application=docs
        OverageTokens 7 Count
        BudgetUtilization 0.009408 Percent Budget=day
        BudgetUtilization 47 Percent Budget=day
        BudgetUtilization 47 Percent Budget=watched"#]],
    );
}

#[test]
fn a_denial_counts_as_one_and_asks_nothing_of_the_budget() {
    let stage = Stage::new(&policy(187));
    let denied = stage.check(stage.validated()).unwrap();
    check(
        &stage,
        denied,
        &expect![[r#"
        TotalRequests 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        RateLimitDenied 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        BudgetUtilization 0 Percent Budget=day
        BudgetUtilization 0 Percent Budget=day
        BudgetUtilization 0 Percent Budget=watched"#]],
    );
}

#[test]
fn a_failure_in_doubt_counts_its_doubt_whether_or_not_it_is_written_yet() {
    let stage = self::stage();
    let ended = stage.invoke(stage.approved(), [Err(CallFailed::TimedOut)]).unwrap();
    check(
        &stage,
        ended.clone(),
        &expect![[r#"
        TotalRequests 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        RateLimitApproved 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        InvocationFailed 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        UncertainCharges 1 Count
        BudgetUtilization 0.009408 Percent Budget=day
        BudgetUtilization 47 Percent Budget=day
        BudgetUtilization 47 Percent Budget=watched"#]],
    );

    let pending = self::stage();
    let mut ended = pending.invoke(pending.approved(), [Err(CallFailed::Rejected)]).unwrap();
    ended["record"]["pending"] = json!({ "claimId": null, "call": "doubt" });
    check(
        &pending,
        ended,
        &expect![[r#"
        TotalRequests 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        RateLimitApproved 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        InvocationFailed 1 Count Model=haiku ModelId=HAIKU CostCenter=sales Application=docs Environment=dev
        UncertainCharges 1 Count
        BudgetUtilization 0.009408 Percent Budget=day
        BudgetUtilization 47 Percent Budget=day
        BudgetUtilization 47 Percent Budget=watched"#]],
    );
}

#[test]
fn a_duplicate_counts_as_nothing_else() {
    let stage = stage();
    let approved = stage.approved();
    stage.invoke(approved.clone(), [answer(Some(usage(10, 20)))]).unwrap();
    let ended = stage.invoke(approved, []).unwrap();
    check(&stage, ended, &expect!["DuplicateExecutions 1 Count"]);
}

#[test]
fn an_error_of_the_workflow_counts_without_dimensions_and_what_is_not_known_is_none() {
    let stage = stage();
    check(
        &stage,
        json!({ "Error": "PolicyUnavailable" }),
        &expect![[r#"
        TotalRequests 1 Count Model=none ModelId=none CostCenter=none Application=none Environment=none
        SentryErrors 1 Count"#]],
    );
}

#[test]
fn units_are_in_the_words_of_cloudwatch() {
    assert_eq!([MetricUnit::Count, MetricUnit::Percent, MetricUnit::None].map(MetricUnit::word), ["Count", "Percent", "None"]);
    let point = count("Name", 2.0);
    assert_eq!((point.name, point.unit, point.dimensions.len()), ("Name", MetricUnit::Count, 0));
}
