//! The document's shape, for each of the three ends.

use super::{answer, document, failed};
use crate::budget::{Mode, Unit};
use crate::fixtures::{amount, charge, reservation, usage};
use crate::outcome::{Document, Outcome, RateLimit, Standing, UsageReport};
use crate::quantity::{NanoUsd, Tokens};
use crate::refusal::{Basis, RetryAfter};
use crate::reservation::{Charge, Reservation, State};
use crate::warning::Warning;
use expect_test::{Expect, expect};

fn check(document: &Document, expected: &Expect) {
    expected.assert_eq(&serde_json::to_string_pretty(document).unwrap());
    let read: Document = serde_json::from_str(&serde_json::to_string(document).unwrap()).unwrap();
    assert_eq!(read, *document, "what one step writes another reads");
}

#[test]
fn a_success_has_the_answer_its_usage_and_what_was_charged() {
    let charges = vec![
        charge("org-month", Mode::Enforce, vec![amount(Unit::Usd, 5_000_000_000_000, 2_600_000, [12_000_000, 7_000_000, 2_000_000])]),
        charge("trial", Mode::Shadow, vec![amount(Unit::Tokens, 1_000, 600, [500, 500, 0])]),
    ];
    let mut settled = reservation(State::Settled, charges);
    settled.note_usage(usage(90, 80));
    let mut success = document(Outcome::InvocationSucceeded, &settled, None);
    success.response = Some(answer("Objects, forever."));
    success.usage = Some(UsageReport::new(&usage(90, 80), settled.cost));
    success.warnings = vec![Warning::parameter_dropped("top_p", "this model takes `temperature` or `top_p`, not both")];
    check(
        &success,
        &expect![[r#"
        {
          "outcome": "INVOCATION_SUCCEEDED",
          "tags": {
            "applicationId": "docs",
            "requestId": "6f1c1d3e-0000-8000-8000-000000000001",
            "timestamp": "2026-11-20T12:29:59.000001Z",
            "modelMetric": "us.anthropic.claude-3-5-haiku-20241022-v1:0"
          },
          "model": {
            "requested": "claude-3-5-haiku",
            "modelId": "us.anthropic.claude-3-5-haiku-20241022-v1:0"
          },
          "response": {
            "role": "assistant",
            "content": "Objects, forever.",
            "stopReason": "end_turn"
          },
          "usage": {
            "inputTokens": 90,
            "outputTokens": 80,
            "cacheReadInputTokens": 0,
            "cacheWriteInputTokens": 0,
            "totalTokens": 170,
            "costUsd": "0.00049"
          },
          "rateLimit": {
            "snapshotAt": "2026-11-20T12:30:00Z",
            "budgets": [
              {
                "name": "org-month",
                "scope": "",
                "unit": "usd",
                "limit": "5000.00",
                "used": "0.007",
                "held": "0.003",
                "uncertain": "0.002",
                "charge": "0.0026",
                "charged": "0.00049",
                "resetsAt": "2026-11-20T13:00:00Z",
                "mode": "enforce",
                "standing": "fits",
                "reason": null
              },
              {
                "name": "trial",
                "scope": "",
                "unit": "tokens",
                "limit": 1000,
                "used": 500,
                "held": 0,
                "uncertain": 0,
                "charge": 600,
                "charged": 170,
                "resetsAt": "2026-11-20T13:00:00Z",
                "mode": "shadow",
                "standing": "wouldRefuse",
                "reason": "600 tokens asked, 500 of 1000 left until 2026-11-20T13:00:00Z"
              }
            ]
          },
          "warnings": [
            {
              "code": "PARAMETER_DROPPED",
              "message": "`top_p` was not sent: this model takes `temperature` or `top_p`, not both"
            }
          ],
          "error": null
        }"#]],
    );
}

#[test]
fn a_failure_says_why_and_whether_money_may_have_been_spent() {
    let nothing = Document::new(Outcome::InvocationFailed);
    check(
        &failed(nothing, "The call may have been billed and its answer is lost: look before you repeat it."),
        &expect![[r#"
        {
          "outcome": "INVOCATION_FAILED",
          "tags": null,
          "model": null,
          "response": null,
          "usage": null,
          "rateLimit": null,
          "warnings": [],
          "error": {
            "name": "InvocationUncertain",
            "message": "The call may have been billed and its answer is lost: look before you repeat it.",
            "moneyMayHaveBeenSpent": true
          }
        }"#]],
    );
}

/// Only the part that a denial is about.
fn check_denial(reservation: &Reservation, retry: RetryAfter, expected: &Expect) {
    let denied = document(Outcome::RateLimitDenied, reservation, Some(retry));
    expected.assert_eq(&serde_json::to_string_pretty(&denied.rate_limit).unwrap());
    let read: Document = serde_json::from_str(&denied.cause()).unwrap();
    assert_eq!(read, denied);
}

#[test]
fn a_denial_says_which_budget_refused_and_when_to_try_again() {
    let charges = vec![
        charge("calls", Mode::Enforce, vec![amount(Unit::Requests, 10, 1, [9, 9, 0])]),
        charge(
            "app-day",
            Mode::Enforce,
            vec![amount(Unit::Tokens, 1_000, 600, [500, 100, 0]), amount(Unit::OutputTokens, 900, 500, [500, 450, 50])],
        ),
    ];
    let retry = RetryAfter::Seconds { seconds: 1_800, basis: Basis::WindowEnd };
    check_denial(
        &reservation(State::Denied, charges),
        retry,
        &expect![[r#"
        {
          "snapshotAt": "2026-11-20T12:30:00Z",
          "budgets": [
            {
              "name": "calls",
              "scope": "",
              "unit": "requests",
              "limit": 10,
              "used": 9,
              "held": 0,
              "uncertain": 0,
              "charge": 1,
              "charged": null,
              "resetsAt": "2026-11-20T13:00:00Z",
              "mode": "enforce",
              "standing": "fits",
              "reason": null
            },
            {
              "name": "app-day",
              "scope": "",
              "unit": "tokens",
              "limit": 1000,
              "used": 100,
              "held": 400,
              "uncertain": 0,
              "charge": 600,
              "charged": null,
              "resetsAt": "2026-11-20T13:00:00Z",
              "mode": "enforce",
              "standing": "refused",
              "reason": "600 tokens asked, 500 of 1000 left; requests in flight hold the rest"
            },
            {
              "name": "app-day",
              "scope": "",
              "unit": "outputTokens",
              "limit": 900,
              "used": 450,
              "held": 0,
              "uncertain": 50,
              "charge": 500,
              "charged": null,
              "resetsAt": "2026-11-20T13:00:00Z",
              "mode": "enforce",
              "standing": "refused",
              "reason": "500 outputTokens asked, 400 of 900 left until 2026-11-20T13:00:00Z"
            }
          ],
          "retryAfterSeconds": 1800,
          "retryAfterEstimate": "windowEnd",
          "largestMaxTokens": null
        }"#]],
    );
}

#[test]
fn a_denial_for_good_says_what_would_fit() {
    let charges = vec![charge("small", Mode::Enforce, vec![amount(Unit::Usd, 2_000_000, 2_600_000, [0; 3])])];
    let retry = RetryAfter::Never { largest_max_tokens: Some(Tokens(380)) };
    check_denial(
        &reservation(State::Denied, charges),
        retry,
        &expect![[r#"
        {
          "snapshotAt": "2026-11-20T12:30:00Z",
          "budgets": [
            {
              "name": "small",
              "scope": "",
              "unit": "usd",
              "limit": "0.002",
              "used": "0.00",
              "held": "0.00",
              "uncertain": "0.00",
              "charge": "0.0026",
              "charged": null,
              "resetsAt": "2026-11-20T13:00:00Z",
              "mode": "enforce",
              "standing": "neverFits",
              "reason": "the request asks for 0.0026 usd, more than the whole limit of 0.002"
            }
          ],
          "retryAfterSeconds": "never",
          "retryAfterEstimate": null,
          "largestMaxTokens": 380
        }"#]],
    );
}

#[test]
fn a_frozen_budget_says_so_unless_the_request_is_too_large_for_it_anyway() {
    let check = |mode: Mode, hold: u64, expected: Standing, reason: &str| {
        let frozen = Charge { frozen: true, ..charge("b", mode, vec![amount(Unit::Tokens, 100, hold, [61, 61, 0])]) };
        let report = RateLimit::of(&reservation(State::Denied, vec![frozen]), None).budgets.remove(0);
        assert_eq!((report.standing, report.reason.as_deref()), (expected, Some(reason)), "{mode:?} {hold}");
    };
    let frozen = "the budget is frozen: it takes no new request until its policy says so";
    let too_large = "the request asks for 101 tokens, more than the whole limit of 100";
    check(Mode::Enforce, 1, Standing::Frozen, frozen);
    check(Mode::Enforce, 40, Standing::Frozen, frozen);
    check(Mode::Enforce, 101, Standing::NeverFits, too_large);
    check(Mode::Shadow, 1, Standing::WouldRefuse, frozen);
    check(Mode::Shadow, 101, Standing::WouldRefuse, too_large);
}

#[test]
fn usage_counts_every_class_of_token() {
    let usage = crate::price::Usage { cache_read: Tokens(30), cache_write: Tokens(5), ..usage(90, 80) };
    let report = |cost| serde_json::to_string(&UsageReport::new(&usage, cost)).unwrap();
    expect![[
        r#"{"inputTokens":90,"outputTokens":80,"cacheReadInputTokens":30,"cacheWriteInputTokens":5,"totalTokens":205,"costUsd":"0.00049"}"#
    ]]
    .assert_eq(&report(Some(NanoUsd(490_000))));
    expect![[
        r#"{"inputTokens":90,"outputTokens":80,"cacheReadInputTokens":30,"cacheWriteInputTokens":5,"totalTokens":205,"costUsd":null}"#
    ]]
    .assert_eq(&report(None));
}
