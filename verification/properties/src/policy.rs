//! Policies: any text is read and compiled, or refused with problems that lead somewhere. What is compiled is the same after it was
//! stored and read, and answers a request at any moment.

use crate::document;
use crate::input::{self, Chance, Input};
use crate::{edits, pointers, request, samples};
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::problem::Problem;
use cost_sentry_core::request::validate;
use cost_sentry_core::tags::TagValues;
use cost_sentry_workflow::policy_cache::compile;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::LazyLock;

static VALID: LazyLock<Vec<Value>> = LazyLock::new(samples::policy_documents);
static VOCABULARY: LazyLock<Vec<String>> = LazyLock::new(|| edits::vocabulary(&VALID));
static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(samples::policies);
static REQUESTS: LazyLock<Vec<Value>> = LazyLock::new(samples::requests);

/// The property.
pub fn check(input: &[u8]) {
    let (text, document) = match input::read(input, &VALID, &VOCABULARY) {
        Input::Document(_, document) => (document.to_string(), document),
        Input::Text(text) => {
            let Ok(text) = std::str::from_utf8(text) else { return };
            match document::read(text) {
                Ok(document) => (text.to_owned(), document),
                Err(problem) => {
                    assert!(!problem.to_string().is_empty());
                    return;
                }
            }
        }
    };
    let mut chance = Chance::of(input);
    match Policy::parse(&document, Catalog::shipped().unwrap()) {
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a problem");
            check_places(&text, &document, problems.as_slice());
            assert!(compile(&document).is_err());
        }
        Ok(policy) => {
            let now = *chance.one(&samples::moments());
            check_places(&text, &document, &policy.warnings(now));
            check_stored(&document, &policy);
            check_succession(&document, &policy, chance.one(&POLICIES), now);
            for document in REQUESTS.iter() {
                let request = validate(document, &policy, samples::origin(&TagValues::new()));
                if let Ok(request) = request {
                    request::check_plan(&request, &policy, now);
                }
            }
        }
    }
}

/// Every problem leads to something in the document, and to a line of its text.
fn check_places(text: &str, document: &Value, problems: &[Problem]) {
    let lines = text.split(['\n', '\r']).count();
    for problem in problems {
        pointers::check(document, &problem.pointer);
    }
    for placed in document::place(text, problems, "") {
        if let Some(place) = placed.place {
            assert!((1..=lines + 1).contains(&place.line) && place.column >= 1, "{place:?} of {lines} lines");
        }
    }
}

/// As `policy apply` stores it and the functions read it.
fn check_stored(document: &Value, policy: &Policy) {
    let stored: Value = serde_json::from_str(&document.to_string()).unwrap();
    let read = compile(&stored).unwrap_or_else(|error| panic!("{error} once it was stored"));
    assert_eq!(read.version, policy.version, "another version once it was stored");
    assert_eq!(format!("{read:?}"), format!("{policy:?}"), "another policy once it was stored");
}

/// As `policy apply` stores it over another one: what is stored reads as what counts, and applied again it changes nothing.
fn check_succession(document: &Value, policy: &Policy, current: &Policy, now: Timestamp) {
    let first = policy.clone().succeed(document, current, now);
    check_stored(&first.document, &first.policy);
    let again = policy.clone().succeed(document, &first.policy, now);
    assert_eq!(again.document, first.document, "applied again it is another policy");
    check_stored(&again.document, &again.policy);
    for change in first.changes.iter().chain(&first.policy.pending(now)) {
        assert!(!change.says.is_empty() && change.from.is_none_or(|from| from > now), "{change:?}");
    }
}
