//! `CheckRateLimit`.

use crate::ports::Fault;
use crate::stage::{INPUT_HELD, MAX_TOKENS, Stage, answer, policy, request, start, usage};
use cost_sentry_core::quantity::Tokens;
use cost_sentry_core::reservation::State;
use cost_sentry_workflow::error::ErrorName;
use serde_json::{Value, json};

/// What the sample holds.
const HELD: u64 = INPUT_HELD + MAX_TOKENS;

fn held() -> i64 {
    i64::try_from(HELD).unwrap()
}

/// The name of the error in a finished document.
fn error(ended: &Value) -> &str {
    ended["error"]["name"].as_str().unwrap()
}

#[test]
fn a_request_that_just_fits_is_held_on_every_budget_and_one_token_less_refuses_it() {
    let mut stage = Stage::new(&policy(HELD));
    stage.edge = stage.edge.ticking(10);
    let approved = stage.approved();
    assert_eq!((stage.tokens(), stage.shadow_tokens()), ([held(), 0, 0], [held(), 0, 0]));
    assert_eq!(approved["reservation"], serde_json::to_value(stage.ledger.only()).unwrap());
    assert_eq!(approved["context"]["durationsMs"]["checkRateLimit"], 10);
    let reservation = stage.ledger.only();
    assert_eq!((reservation.state, reservation.version), (State::Held, 1));
    assert_eq!(reservation.lease_end.duration_since(reservation.held_at).as_secs(), 330);

    let stage = Stage::new(&policy(HELD - 1));
    let denied = stage.check(stage.validated()).unwrap();
    assert_eq!((denied["decision"].as_str(), denied["outcome"].as_str()), (Some("DENIED"), Some("RATE_LIMIT_DENIED")));
    assert_eq!((stage.tokens(), stage.shadow_tokens()), ([0, 0, 0], [0, 0, 0]));
    assert_eq!(stage.ledger.only().state, State::Denied);
    assert_eq!(denied["rateLimit"]["retryAfterSeconds"], "never");
    assert_eq!(denied["rateLimit"]["largestMaxTokens"], MAX_TOKENS - 1);
    assert_eq!(denied["record"]["modelName"], "haiku");
    assert_eq!(serde_json::from_str::<Value>(denied["cause"].as_str().unwrap()).unwrap()["rateLimit"], denied["rateLimit"]);
}

#[test]
fn a_refusal_shows_each_budget_as_it_is_though_room_was_seen_before() {
    let mut two = policy(10 * HELD);
    two["budgets"][0]["limit"] = json!({ "tokens": HELD });
    two["budgets"][1] = json!({ "name": "wide", "limit": { "requests": 5 }, "window": "day" });
    let stage = Stage::new(&two);
    stage.approved();
    let mut second = start(&request());
    second["executionId"] = json!("execution 2");
    let second = stage.validate(second).unwrap();
    stage.ledger.fail("figures", Fault::Stale);
    let denied = stage.check(second).unwrap();
    assert_eq!(denied["decision"], "DENIED");
    let held: Vec<(&Value, &Value)> =
        denied["rateLimit"]["budgets"].as_array().unwrap().iter().map(|budget| (&budget["name"], &budget["held"])).collect();
    assert_eq!(held, [(&json!("day"), &json!(HELD)), (&json!("wide"), &json!(0))]);
}

#[test]
fn a_repeat_gets_the_answer_that_stands_and_moves_nothing() {
    let stage = Stage::new(&policy(HELD));
    let validated = stage.validated();
    let first = stage.check(validated.clone()).unwrap();
    let books = stage.ledger.books();
    stage.edge.pass(5);
    assert_eq!(stage.check(validated).unwrap()["reservation"], first["reservation"]);
    assert_eq!(stage.ledger.books(), books);

    let stage = Stage::new(&policy(HELD - 1));
    let validated = stage.validated();
    let first = stage.check(validated.clone()).unwrap();
    let books = stage.ledger.books();
    assert_eq!(stage.check(validated.clone()).unwrap()["rateLimit"], first["rateLimit"]);
    assert_eq!(stage.ledger.books(), books);
    // More room does not change what was decided.
    let roomy = Stage { store: Stage::new(&policy(10 * HELD)).store, ..stage };
    assert_eq!(roomy.check(validated).unwrap()["decision"], "DENIED");
}

#[test]
fn a_repeat_after_the_hold_was_given_back_has_lost_its_lease() {
    let stage = Stage::new(&policy(HELD));
    let validated = stage.validated();
    stage.check(validated.clone()).unwrap();
    stage.edge.pass(330 + 61);
    stage.sweep().unwrap();
    stage.edge.pass(-400);
    let ended = stage.check(validated).unwrap();
    assert_eq!((ended["decision"].as_str(), error(&ended)), (Some("UNDECIDED"), "LeaseLost"));
    assert_eq!(ended["error"]["moneyMayHaveBeenSpent"], false);
    assert_eq!(ended["record"]["reservation"]["state"], "RELEASED");
}

#[test]
fn another_request_under_the_same_id_is_a_violation() {
    let stage = Stage::new(&policy(10 * HELD));
    stage.approved();
    let mut other = request();
    other["prompt"]["messages"][0]["content"] = json!("Another question");
    let ended = stage.check(stage.validate(start(&other)).unwrap()).unwrap();
    assert_eq!((ended["decision"].as_str(), error(&ended)), (Some("UNDECIDED"), "ContractViolation"));
    assert_eq!(stage.tokens(), [held(), 0, 0]);
}

#[test]
fn room_that_others_hold_refuses_with_what_the_counter_shows() {
    let stage = Stage::new(&policy(2 * HELD - 1));
    stage.approved();
    let mut second = start(&request());
    second["executionId"] = json!("execution 2");
    let denied = stage.check(stage.validate(second).unwrap()).unwrap();
    assert_eq!(denied["decision"], "DENIED");
    let report = &denied["rateLimit"];
    assert_eq!((&report["retryAfterSeconds"], &report["retryAfterEstimate"]), (&json!(180), &json!("inFlightHolds")));
    assert_eq!(denied["record"]["reservation"]["charges"][0]["amounts"][1]["figures"]["committed"], HELD);
}

#[test]
fn a_deadline_too_near_for_the_call_holds_nothing() {
    // The execution ends at 12:04:55; the call and the recording of it may take 244 seconds.
    for (seconds, decision) in [(21, "APPROVED"), (22, "UNDECIDED"), (400, "UNDECIDED")] {
        let stage = Stage::new(&policy(HELD));
        let validated = stage.validated();
        stage.edge.pass(seconds);
        let ended = stage.check(validated).unwrap();
        assert_eq!(ended["decision"], decision, "{seconds}");
        if decision == "UNDECIDED" {
            assert_eq!(error(&ended), "DeadlineExceeded");
            assert!(stage.ledger.books().reservations.is_empty());
        }
    }
}

#[test]
fn a_repeat_that_comes_too_late_gives_back_what_the_first_try_holds_and_leaves_what_was_sent() {
    let late = |state: State, decision: &str| {
        let stage = Stage::new(&policy(HELD));
        let validated = stage.validated();
        let approved = stage.check(validated.clone()).unwrap();
        if state == State::Settled {
            let _ = stage.invoke(approved, [answer(Some(usage(10, 20)))]).unwrap();
        }
        stage.edge.pass(22);
        let ended = stage.check(validated).unwrap();
        assert_eq!((&ended["decision"], stage.ledger.only().state), (&json!(decision), state));
        ended
    };
    let ended = late(State::Released, "UNDECIDED");
    assert_eq!((error(&ended), &ended["error"]["moneyMayHaveBeenSpent"]), ("DeadlineExceeded", &json!(false)));
    // `InvokeModel` then says that another has it.
    late(State::Settled, "APPROVED");
    // A refusal stays one.
    let stage = Stage::new(&policy(HELD - 1));
    let validated = stage.validated();
    let denied = stage.check(validated.clone()).unwrap();
    stage.edge.pass(22);
    assert_eq!((&denied["decision"], &stage.check(validated.clone()).unwrap()["decision"]), (&json!("DENIED"), &json!("DENIED")));
    // Nobody can look: that is no answer, and may be tried again.
    stage.ledger.fail("find", Fault::Unavailable);
    assert_eq!(stage.check(validated).unwrap_err().name, ErrorName::LedgerUnavailable);
}

#[test]
fn what_was_decided_stands_though_the_policy_that_came_since_allows_no_plan() {
    let check = |limit: u64, decision: &str| {
        let stage = Stage::new(&policy(limit));
        let validated = stage.validated();
        let first = stage.check(validated.clone()).unwrap();
        assert_eq!(first["decision"], decision);
        let mut other = policy(limit);
        other["budgets"] = json!([{ "name": "b", "limit": { "requests": 1 }, "window": "day", "match": { "applicationId": "nobody" } }]);
        stage.apply(&other);
        assert_eq!(stage.check(validated.clone()).unwrap()["decision"], decision);
        stage.ledger.fail("find", Fault::Unavailable);
        assert_eq!(stage.check(validated).unwrap_err().name, ErrorName::LedgerUnavailable);
    };
    check(HELD, "APPROVED");
    check(HELD - 1, "DENIED");
}

#[test]
fn without_a_plan_nothing_is_held_and_the_error_says_why() {
    let budget = |budget: Value| {
        let mut policy = policy(HELD);
        policy["budgets"] = json!([budget]);
        policy
    };
    let many: Vec<Value> = (0..21)
        .map(|n| json!({ "name": format!("b{n}"), "limit": { "requests": 1 }, "window": "day", "match": { "model": "haiku" } }))
        .collect();
    let mut too_many = policy(HELD);
    too_many["budgets"] = json!(many);
    let none = budget(json!({ "name": "other", "limit": { "tokens": 1 }, "window": "day", "match": { "model": "mistral" } }));
    for (later, name) in [(none, "NoBudget"), (too_many, "TooManyBudgets")] {
        let stage = Stage::new(&later);
        assert_eq!(error(&stage.check(stage.validated()).unwrap()), name);
        assert!(stage.ledger.books().reservations.is_empty());
    }
    // The policy changed after the request was validated.
    let stage = Stage::new(&policy(HELD));
    let validated = stage.validated();
    let mut without = policy(HELD);
    without["models"] = json!({ "nova": { "id": "amazon.nova-lite-v1:0" } });
    let changed = Stage { store: Stage::new(&without).store, ..stage };
    assert_eq!(error(&changed.check(validated).unwrap()), "UnknownModel");
}

#[test]
fn a_dollar_budget_needs_a_price() {
    let unpriced = "us.anthropic.claude-example-v1:0";
    let mut priced = policy(HELD);
    priced["models"]["haiku"]["id"] = json!(unpriced);
    priced["prices"] = json!([{ "id": unpriced, "from": "2026-11-21", "input": 1, "output": 1 }]);
    let stage = Stage::new(&priced);
    assert_eq!(error(&stage.check(stage.validated()).unwrap()), "NoPrice");
}

#[test]
fn a_refused_request_is_counted_once_and_tried_again_with_what_it_really_is() {
    let check = |bound: &str, counted: Option<u64>, decision: &str, asked: usize| {
        let mut policy = policy(HELD - 1);
        policy["models"]["haiku"]["id"] = json!("us.anthropic.claude-haiku-4-5-20251001-v1:0");
        policy["requests"] = json!({ "inputBound": bound });
        let mut stage = Stage::new(&policy);
        stage.counter = counted.map(Tokens);
        let (checked, models) = stage.check_counting(stage.validated());
        let checked = checked.unwrap();
        assert_eq!((checked["decision"].as_str(), models.len()), (Some(decision), asked), "{bound} {counted:?}");
        if decision == "APPROVED" {
            assert_eq!(models, ["anthropic.claude-haiku-4-5-20251001-v1:0"]);
            assert_eq!(stage.tokens()[0], i64::try_from(counted.unwrap() + MAX_TOKENS).unwrap());
        } else {
            assert_eq!(stage.tokens(), [0, 0, 0]);
        }
    };
    check("refine", Some(INPUT_HELD - 1), "APPROVED", 1);
    check("refine", Some(10), "APPROVED", 1);
    check("refine", Some(INPUT_HELD), "DENIED", 1);
    check("refine", Some(INPUT_HELD + 1), "DENIED", 1);
    check("refine", None, "DENIED", 1);
    check("bytes", Some(10), "DENIED", 0);
}

#[test]
fn a_model_whose_tokens_nobody_counts_is_refused_without_asking() {
    let mut stage = Stage::new(&policy(50));
    stage.counter = Some(Tokens(1));
    let mut request = request();
    request["model"] = json!("mistral");
    let (checked, models) = stage.check_counting(stage.validate(start(&request)).unwrap());
    assert_eq!((checked.unwrap()["decision"].as_str(), models.len()), (Some("DENIED"), 0));
}

#[test]
fn a_ledger_that_fails_is_an_error_that_says_how() {
    let check = |operation: &'static str, fault, expected: ErrorName| {
        let stage = Stage::new(&policy(HELD));
        let validated = stage.validated();
        stage.ledger.fail(operation, fault);
        let thrown = stage.check(validated.clone()).unwrap_err();
        assert_eq!(thrown.name, expected);
        assert!(!thrown.message.is_empty() && thrown.source.is_some());
        // The next try meets what the failed one left, if it left anything.
        assert_eq!(stage.check(validated).unwrap()["decision"], "APPROVED");
        assert_eq!(stage.tokens()[0], held());
    };
    check("figures", Fault::Unavailable, ErrorName::LedgerUnavailable);
    check("create", Fault::Contended, ErrorName::LedgerContended);
    check("create", Fault::Unavailable, ErrorName::LedgerUnavailable);
    check("create", Fault::Unreadable, ErrorName::ContractViolation);
    check("create", Fault::Lost, ErrorName::LedgerUnavailable);
}

#[test]
fn a_denial_that_cannot_be_written_is_no_denial() {
    let stage = Stage::new(&policy(HELD - 1));
    let validated = stage.validated();
    stage.ledger.fail("create", Fault::Unavailable);
    assert_eq!(stage.check(validated.clone()).unwrap_err().name, ErrorName::LedgerUnavailable);
    assert_eq!(stage.check(validated).unwrap()["decision"], "DENIED");
}

#[test]
fn what_no_state_hands_over_is_a_violation() {
    let stage = Stage::new(&policy(HELD));
    for broken in [json!(null), json!({}), start(&request())] {
        assert_eq!(stage.check(broken).unwrap_err().name, ErrorName::ContractViolation);
    }
}
