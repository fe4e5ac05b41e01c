use super::*;
use crate::budget::{Mode, Unit};
use crate::fixtures::{amount, charge, reservation, usage};
use crate::refusal::{Basis, RetryAfter};
use crate::reservation::{Charge, Reservation, State};
use crate::tags::TagValues;
use serde_json::Value;

#[path = "outcome_shape_tests.rs"]
mod shape;

/// A document on this reservation.
fn document(outcome: Outcome, reservation: &Reservation, retry: Option<RetryAfter>) -> Document {
    Document {
        tags: Some(reservation.tags.clone()),
        model: Some(ModelReport::from(&reservation.model)),
        rate_limit: Some(RateLimit::of(reservation, retry)),
        ..Document::new(outcome)
    }
}

fn answer(content: &str) -> Response {
    Response { role: "assistant".to_owned(), content: content.to_owned(), stop_reason: "end_turn".to_owned() }
}

/// The most that a policy and a request can bring: twenty budgets of five units, thirteen tags of the greatest length, of which each
/// budget has so many in its scope.
fn largest(outcome: Outcome, in_scope: usize, refused: bool) -> Document {
    let tags: TagValues = (0..13).map(|i| (format!("{i:x>128}"), "v".repeat(256))).collect();
    let scope = tags.iter().cycle().take(in_scope).map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("|");
    let figures = if refused { [999_999_999_999_999, 999_999_999_999, 999_999_999_999] } else { [0; 3] };
    let units = Unit::WORDS.map(|(_, unit)| amount(unit, 1_000_000_000_000_000, 999_999_999_999, figures)).to_vec();
    let budget = |i| Charge { scope: scope.clone(), ..charge(&format!("{i:b>64}"), Mode::Enforce, units.clone()) };
    let mut reservation = reservation(State::Denied, (0..20).map(budget).collect());
    reservation.tags.values = tags;
    let retry = RetryAfter::Seconds { seconds: 1_800, basis: Basis::WindowEnd };
    let mut document = document(outcome, &reservation, (outcome == Outcome::RateLimitDenied).then_some(retry));
    document.warnings = (0..4).map(|_| Warning::parameter_dropped("temperature", "this model takes no sampling parameters")).collect();
    document
}

fn failed(mut document: Document, message: &str) -> Document {
    let message = message.to_owned();
    document.error = Some(ErrorReport { name: "InvocationUncertain".to_owned(), message, money_may_have_been_spent: true });
    document
}

#[test]
fn a_cause_is_valid_json_of_a_bounded_size_whatever_is_in_it() {
    let check = |document: &Document| {
        let cause = document.cause();
        assert!(cause.len() <= MAX_CAUSE_BYTES, "{} bytes", cause.len());
        let read: Document = serde_json::from_str(&cause).unwrap();
        assert_eq!((read.outcome, &read.model), (document.outcome, &document.model));
        let (read_tags, tags) = (read.tags.clone().unwrap(), document.tags.as_ref().unwrap());
        assert_eq!((read_tags.request_id, read_tags.timestamp), (tags.request_id.clone(), tags.timestamp.clone()));
        read
    };
    // A policy may name a key again: the last scope has each of the thirteen three times.
    for in_scope in [0, 1, 3, 13, 39] {
        for refused in [false, true] {
            let denied = check(&largest(Outcome::RateLimitDenied, in_scope, refused)).rate_limit.unwrap();
            assert_eq!(denied.retry.map(|retry| retry.retry_after_seconds), Some(Value::from(1_800)), "{in_scope} {refused}");
            assert!(!refused || in_scope > 13 || !denied.budgets.is_empty(), "{in_scope}: which budget refused");
            for message in ["try again", &"\u{1}".repeat(50_000), &"\"\\🦀".repeat(50_000)] {
                let failed = check(&failed(largest(Outcome::InvocationFailed, in_scope, refused), message));
                let error = failed.error.unwrap();
                assert!(error.money_may_have_been_spent && message.starts_with(&error.message) && !error.message.is_empty());
            }
        }
    }
    let mut answered = failed(largest(Outcome::InvocationFailed, 1, true), "try again");
    answered.response = Some(answer(&"x".repeat(40_000)));
    check(&answered);
}

#[test]
fn what_a_cause_can_spare_goes_first_the_warnings_and_then_the_budgets_that_did_not_refuse() {
    let refused = amount(Unit::Tokens, 100, 40, [61, 61, 0]);
    let fits = amount(Unit::Tokens, 100, 40, [60, 60, 0]);
    let charges = |fitting: usize| {
        let fitting = (0..fitting).map(|i| charge(&format!("fits-{i}"), Mode::Enforce, vec![fits; 5]));
        let refusing = (0..3).map(|i| charge(&format!("refuses-{i}"), Mode::Enforce, vec![refused]));
        fitting.chain(refusing).collect::<Vec<_>>()
    };
    let check = |fitting: usize, warnings: usize, left: (usize, usize)| {
        let mut document = document(Outcome::RateLimitDenied, &reservation(State::Denied, charges(fitting)), None);
        document.warnings = vec![Warning::not_booked(); warnings];
        let read: Document = serde_json::from_str(&document.cause()).unwrap();
        assert_eq!((read.rate_limit.unwrap().budgets.len(), read.warnings.len()), left, "{fitting} {warnings}");
        assert_eq!(read.tags, document.tags);
    };
    check(1, 10, (8, 10));
    check(1, 400, (8, 3));
    check(30, 3, (3, 0));
    let many: Document = serde_json::from_str(&largest(Outcome::RateLimitDenied, 0, true).cause()).unwrap();
    assert_eq!(many.rate_limit.unwrap().budgets.len(), 10, "of a hundred that refused");
    let small = document(Outcome::RateLimitDenied, &reservation(State::Denied, charges(1)), None);
    assert_eq!(small.cause(), serde_json::to_string(&small).unwrap());
}

#[test]
fn an_answer_is_cut_to_what_a_state_can_carry_and_never_within_a_character() {
    let check = |text: &str, warnings: usize| {
        let mut document = document(Outcome::InvocationSucceeded, &reservation(State::Settled, Vec::new()), None);
        document.response = Some(answer(text));
        document.usage = Some(UsageReport::new(&usage(1, 2), Some(NanoUsd(3))));
        document.warnings = vec![Warning::overage(7); warnings];
        let before = document.clone();
        document.fit();
        let size = serde_json::to_string(&document).unwrap().len();
        assert!(size <= MAX_DOCUMENT_BYTES, "{size} bytes");
        let kept = document.response.as_ref().unwrap().content.clone();
        if kept == text {
            assert_eq!(document, before);
        } else {
            assert!(size > MAX_DOCUMENT_BYTES - 100, "{size} bytes: more was cut than needed");
            assert!(text.starts_with(&kept));
            let says = Warning::answer_cut(kept.len(), text.len());
            assert_eq!((document.warnings.last(), document.warnings.len(), &document.usage), (Some(&says), warnings + 1, &before.usage));
        }
        kept == text
    };
    for piece in ["x", "\"", "\\", "\n", "\u{1}", "\u{7f}", "é", "\u{2028}", "🦀", "e\u{301}", "👩‍👩‍👧‍👦 \"said\" \u{0}"]
    {
        for warnings in [0, 2] {
            assert!(check(piece, warnings));
            assert!(!check(&piece.repeat(245_000 / piece.len()), warnings), "{piece:?}");
        }
        // Wherever within a character the limit falls.
        for offset in 1..4 {
            assert!(!check(&format!("{}{}", "y".repeat(offset), piece.repeat(245_000 / piece.len())), 0), "{piece:?}");
        }
    }
    // The warning is longer by a digit.
    assert!(!check(&"x".repeat(1_000_000), 1));
}

#[test]
fn a_report_on_budgets_that_takes_more_than_half_of_the_room_is_cut_before_the_answer() {
    let fits = |report_bytes: usize, answer_bytes: usize| {
        let charges: Vec<_> = (0..20).map(|i| charge(&format!("b{i}"), Mode::Enforce, vec![amount(Unit::Tokens, 9, 1, [0; 3])])).collect();
        let mut document = document(Outcome::InvocationSucceeded, &reservation(State::Settled, charges), None);
        document.response = Some(answer(&"x".repeat(answer_bytes)));
        let rest = serde_json::to_string(&document.rate_limit).unwrap().len();
        document.rate_limit.as_mut().unwrap().budgets[19].scope = "x".repeat(report_bytes - rest);
        document.fit();
        let (kept, budgets) = (document.response.unwrap().content.len(), document.rate_limit.unwrap().budgets.len());
        (budgets, kept == answer_bytes, document.warnings.len())
    };
    assert_eq!(fits(120_000, 100_000), (20, true, 0));
    assert_eq!(fits(120_000, 150_000), (20, false, 1));
    assert_eq!(fits(120_001, 150_000), (10, true, 0));
    assert_eq!(fits(200_000, 250_000), (10, false, 1));
}

#[test]
fn a_document_of_exactly_the_most_bytes_is_left_alone() {
    let mut document = Document { response: Some(answer("")), ..Document::new(Outcome::InvocationSucceeded) };
    let rest = serde_json::to_string(&document).unwrap().len();
    for (bytes, is_cut) in [(MAX_DOCUMENT_BYTES, false), (MAX_DOCUMENT_BYTES + 1, true)] {
        document.response = Some(answer(&"x".repeat(bytes - rest)));
        document.fit();
        assert_eq!(
            (document.warnings.len(), document.warnings.iter().any(|warning| warning.code == "ANSWER_CUT")),
            (usize::from(is_cut), is_cut)
        );
    }
    let mut without_answer = Document { warnings: vec![Warning::not_booked(); 3_000], ..Document::new(Outcome::InvocationFailed) };
    without_answer.fit();
    assert_eq!(without_answer.warnings.len(), 3_000, "there is no answer to cut");
}

#[test]
fn an_answer_never_shows_in_debug() {
    let document = Document { response: Some(answer("the merger is on Friday")), ..Document::new(Outcome::InvocationSucceeded) };
    let shown = format!("{document:?} {document:#?}");
    assert!(!shown.contains("merger") && shown.contains("Response(23 bytes, end_turn)"), "{shown}");
}

#[test]
fn an_outcomes_word_is_the_one_in_the_document() {
    for outcome in [Outcome::InvocationSucceeded, Outcome::InvocationFailed, Outcome::RateLimitDenied] {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.word());
    }
}
