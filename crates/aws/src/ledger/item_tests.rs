//! The stored form: nothing is lost on the way to the table and back, what is broken is an error, and the sample stays small.

use super::*;
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::model::ResolvedModel;
use cost_sentry_core::plan::{estimate, plan};
use cost_sentry_core::policy::Policy;
use cost_sentry_core::price::{LongContext, ServiceTier};
use cost_sentry_core::quantity::Rate;
use cost_sentry_core::request::{Origin, validate};
use cost_sentry_core::reservation::{Transition, Verdict, transition};
use expect_test::{Expect, expect};
use serde_json::json;

#[path = "broken_item_tests.rs"]
mod broken;

/// The largest that a reservation of the sample with five charges may be: what one write unit pays for.
const WRITE_UNIT: usize = 1_024;

/// The published sample under five budgets, as `CheckRateLimit` holds for it.
fn sample() -> Reservation {
    let document = json!({
        "tags": { "costCenter": { "allow": ["support"] }, "environment": { "allow": ["production"] } },
        "models": { "claude-3-5-haiku": { "id": "us.anthropic.claude-3-5-haiku-20241022-v1:0" } },
        "budgets": [
            { "name": "org-month", "limit": { "usd": 5000 }, "window": "month" },
            { "name": "cost-center-month", "limit": { "usd": 2000 }, "window": "month", "per": ["costCenter"] },
            { "name": "model-day", "limit": { "tokens": 5_000_000 }, "window": "day", "per": ["model"] },
            { "name": "app-day", "limit": { "tokens": 2_000_000 }, "window": "day", "match": { "environment": "production" }, "per": ["applicationId"] },
            { "name": "haiku-minute", "limit": { "requests": 100 }, "window": "minute", "mode": "shadow" }
        ]
    });
    let policy = Policy::parse(&document, Catalog::shipped().unwrap()).unwrap();
    let request = serde_json::from_str(include_str!("../../../../examples/request.json")).unwrap();
    let origin = Origin {
        execution_id: "arn:aws:states:us-east-1:123456789012:execution:cost-sentry:sample",
        started_at: time("2026-11-20T12:29:59.000001Z"),
        pinned: &TagValues::new(),
    };
    let request = validate(&request, &policy, origin).unwrap();
    let now = time("2026-11-20T12:30:00.123456Z");
    let mut plan = plan(&policy, &request, estimate(&policy, &request).unwrap(), now).unwrap();
    for amount in plan.charges.iter_mut().flat_map(|charge| &mut charge.amounts) {
        let committed = i64::try_from(amount.limit / 2).unwrap() + 12_345;
        amount.figures = Figures { committed, used: committed - 2_345, uncertain: 1_234 };
    }
    plan.reserve(&request, State::Held, now, time("2026-11-20T12:35:30.123456Z"))
}

/// The same after its claim and its settlement.
fn settled() -> Reservation {
    let claim_id = ClaimId("0123456789abcdef0123456789abcdef".to_owned());
    let held = sample();
    let request_hash = held.request_hash.clone();
    let lease_end = time("2026-11-20T12:35:31.123456Z");
    let claimed = apply(&held, &Transition::Claim { claim_id: claim_id.clone(), request_hash, lease_end });
    apply(&claimed, &Transition::Settle { claim_id, usage: Usage { input: Tokens(24), output: Tokens(131), ..Usage::default() } })
}

fn apply(reservation: &Reservation, event: &Transition) -> Reservation {
    match transition(reservation, event) {
        Verdict::Apply(step) => step.next,
        other => panic!("{other:?}"),
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One optional or unusual part of a reservation.
type Part = fn(&mut Reservation);

const PARTS: [Part; 12] = [
    |reservation| reservation.claim_id = Some(ClaimId("c".repeat(32))),
    |reservation| {
        let [cache_read, cache_write, cache_write_1h] = [3, 5, 2].map(Tokens);
        reservation.usage = Some(Usage { cache_read, cache_write, cache_write_1h, ..Usage::default() });
    },
    |reservation| reservation.cost = Some(NanoUsd(u64::MAX)),
    |reservation| reservation.largest_max_tokens = Some(Tokens(1)),
    |reservation| {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
        let word = |text: &str| text.to_owned();
        let source = "us.anthropic.claude-3-haiku-20240307-v1:0";
        let (name, underlying) = (word("sales"), word("anthropic.claude-3-haiku-20240307-v1:0"));
        reservation.tags.model_metric = word("abc123");
        let (model_id, billed_id, model_metric) = (word(arn), word(source), word("abc123"));
        reservation.model = ResolvedModel { requested: name.clone(), name, model_id, billed_id, underlying, model_metric };
    },
    |reservation| reservation.charges.iter_mut().for_each(|charge| charge.mode = Mode::Shadow),
    |reservation| {
        let amount = |(unit, _)| UnitCharge {
            unit,
            limit: u64::MAX,
            hold: 0,
            figures: Figures { committed: i64::MIN, used: i64::MAX, uncertain: -1 },
        };
        reservation.charges[0].amounts = UNITS.map(amount).to_vec();
        reservation.charges[0].budget = "renamed-budget's id".to_owned();
        reservation.charges[1].scope = "costCenter=|environment=production".to_owned();
        reservation.charges[1].shard = Shard { index: 63, of: 64 };
        reservation.charges[2].shard = Shard { index: 0, of: 2 };
    },
    |reservation| {
        let step = |above, input, output| LongContext { above: Tokens(above), input, output };
        let steps = vec![step(100_000, Some(Rate(1)), None), step(200_000, None, Some(Rate(2)))];
        let cached = Prices { cache_read: Some(Rate(0)), cache_write_5m: Some(Rate(7)), ..Prices::flat(Rate(u64::MAX), Rate(0)) };
        reservation.prices = Some(Prices { cache_write_1h: Some(Rate(9)), long_context: steps, ..cached });
    },
    |reservation| reservation.estimate = Estimate { input: Tokens(0), bound: Bound::CountTokens, max_tokens: Tokens(u64::MAX) },
    |reservation| reservation.charges[1].frozen = true,
    |reservation| {
        reservation.estimate.bound = Bound::Heuristic;
        reservation.prices = reservation.prices.take().map(|prices| Prices { tier: Some(ServiceTier::Flex), ..prices });
    },
    |reservation| (reservation.prices, reservation.tags.values) = (None, TagValues::new()),
];

#[test]
fn a_reservation_comes_back_as_it_went_in_any_state_with_any_of_its_parts() {
    let sample = sample();
    for (state, parts) in State::ALL.into_iter().flat_map(|state| (0..1u32 << PARTS.len()).map(move |parts| (state, parts))) {
        let mut reservation = Reservation { state, ..sample.clone() };
        for (_, part) in PARTS.iter().enumerate().filter(|(at, _)| parts & (1 << at) != 0) {
            part(&mut reservation);
        }
        let back = reservation_from(&reservation_item(&reservation).unwrap()).unwrap();
        assert_eq!(back, reservation, "{state:?} {parts:#b}");
    }
    let empty = Reservation { charges: Vec::new(), ..sample };
    assert_eq!(reservation_from(&reservation_item(&empty).unwrap()).unwrap(), empty);
}

#[test]
fn only_an_open_reservation_is_in_the_lease_index() {
    for state in State::ALL {
        let item = reservation_item(&Reservation { state, ..sample() }).unwrap();
        assert_eq!(item.contains_key("leasePartition"), matches!(state, State::Held | State::Claimed), "{state:?}");
        assert!(item.contains_key("leaseEnd") && item.contains_key("dayPartition") && item.contains_key("decidedAt"), "{state:?}");
    }
}

#[test]
fn a_reservation_outlives_its_counters_and_those_their_windows_by_more_than_a_redrive_may_take() {
    let reservation = sample();
    let expires: i64 = reservation_item(&reservation).unwrap()["expiresAt"].as_n().unwrap().parse().unwrap();
    for charge in &reservation.charges {
        let counter = counter_expiry(charge.span.end);
        assert!(counter >= charge.span.end.as_second() + 15 * DAY_SECONDS && counter < expires, "{}", charge.budget);
    }
}

/// An item's size by DynamoDB's rules ("DynamoDB item sizes and formats"); of a number every digit is taken as significant.
fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.trim_start_matches('-').len().div_ceil(2) + 1 + usize::from(digits.starts_with('-')),
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        AttributeValue::M(fields) => 3 + fields.len() + size(fields),
        other => panic!("not stored: {other:?}"),
    }
}

fn text(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => format!("{text:?}"),
        AttributeValue::N(digits) => digits.clone(),
        AttributeValue::L(values) => format!("[{}]", values.iter().map(text).collect::<Vec<_>>().join(" ")),
        AttributeValue::M(fields) => format!("{{{}}}", lines(fields).join(" ")),
        other => panic!("not stored: {other:?}"),
    }
}

fn lines(item: &Item) -> Vec<String> {
    let mut lines: Vec<String> = item.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    lines.sort();
    lines
}

fn check_stored(reservation: &Reservation, expected: &Expect) {
    let item = reservation_item(reservation).unwrap();
    let size = size(&item);
    expected.assert_eq(&format!("{}\n{size} bytes\n", lines(&item).join("\n")));
    assert!(size < WRITE_UNIT, "{size} bytes");
}

#[test]
fn the_sample_with_five_charges_takes_less_than_a_kilobyte_when_held() {
    check_stored(
        &sample(),
        &expect![[r#"
            ch=[["org-month" "" "month" 1793491200 1796083200 "" 0 [[0 5000000000000 8143200 2500000012345 2500000010000 1234]]] ["cost-center-month" "" "month" 1793491200 1796083200 "costCenter=support" 0 [[0 2000000000000 8143200 1000000012345 1000000010000 1234]]] ["model-day" "" "day" 1795132800 1795219200 "model=claude-3-5-haiku" 0 [[1 5000000 2179 2512345 2510000 1234]]] ["app-day" "" "day" 1795132800 1795219200 "applicationId=aws-documentation-helper" 0 [[1 2000000 2179 1012345 1010000 1234]]] ["haiku-minute" "" "minute" 1795177800 1795177860 "" 1 [[4 100 1 12395 10050 1234]]]]
            dayPartition="2026-11-20#5"
            decidedAt=1795177800123456
            es=[179 0 2000]
            expiresAt=1802131200
            h="1d1c40636f4b2bd1dfaa6900f708ba38"
            leaseEnd=1795178130123456
            leasePartition="L5"
            m=["claude-3-5-haiku" "" "us.anthropic.claude-3-5-haiku-20241022-v1:0" "" "3" ""]
            p="972befbc22c1751e"
            pk="R#9b551f96-e4c4-8d3f-a73f-b25aecbab805"
            pr={cr=80000 cw=1000000 in=800000 out=4000000}
            s="HE"
            t={applicationId="aws-documentation-helper" costCenter="support" environment="production"}
            ts=1795177799000001
            v=1
            887 bytes
        "#]],
    );
}

#[test]
fn the_sample_with_five_charges_takes_less_than_a_kilobyte_when_settled() {
    check_stored(
        &settled(),
        &expect![[r#"
            ch=[["org-month" "" "month" 1793491200 1796083200 "" 0 [[0 5000000000000 8143200 2500000012345 2500000010000 1234]]] ["cost-center-month" "" "month" 1793491200 1796083200 "costCenter=support" 0 [[0 2000000000000 8143200 1000000012345 1000000010000 1234]]] ["model-day" "" "day" 1795132800 1795219200 "model=claude-3-5-haiku" 0 [[1 5000000 2179 2512345 2510000 1234]]] ["app-day" "" "day" 1795132800 1795219200 "applicationId=aws-documentation-helper" 0 [[1 2000000 2179 1012345 1010000 1234]]] ["haiku-minute" "" "minute" 1795177800 1795177860 "" 1 [[4 100 1 12395 10050 1234]]]]
            ci="0123456789abcdef0123456789abcdef"
            co=543200
            dayPartition="2026-11-20#5"
            decidedAt=1795177800123456
            es=[179 0 2000]
            expiresAt=1802131200
            h="1d1c40636f4b2bd1dfaa6900f708ba38"
            leaseEnd=1795178131123456
            m=["claude-3-5-haiku" "" "us.anthropic.claude-3-5-haiku-20241022-v1:0" "" "3" ""]
            p="972befbc22c1751e"
            pk="R#9b551f96-e4c4-8d3f-a73f-b25aecbab805"
            pr={cr=80000 cw=1000000 in=800000 out=4000000}
            s="SE"
            t={applicationId="aws-documentation-helper" costCenter="support" environment="production"}
            ts=1795177799000001
            us=[24 131 0 0 0]
            v=3
            932 bytes
        "#]],
    );
}
