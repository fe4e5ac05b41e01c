//! Requests: [`validate`] answers any JSON without a panic. A problem's pointer leads somewhere and its text repeats no value of the
//! request. A request that is found good is found good again, and the same, and survives its way through JSON.

use crate::input::{self, Chance};
use crate::{edits, pointers, samples};
use cost_sentry_core::plan::{self, NoPlan};
use cost_sentry_core::policy::Policy;
use cost_sentry_core::problem::Problems;
use cost_sentry_core::request::{MAX_REQUEST_BYTES, Request, Role, validate};
use cost_sentry_core::reservation::{Reservation, State};
use cost_sentry_core::tags::{KNOWN, TagValues};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// What marks a text, and a number, as a value of the request.
const MARK: &str = "qZ7mark";
const MARKED_NUMBER: u64 = 987_654_321;
/// The most tags of its own that a request may have; a profile's tags come on top.
const OWN_TAGS: usize = 10;

static VALID: LazyLock<Vec<Value>> = LazyLock::new(samples::requests);
static VOCABULARY: LazyLock<Vec<String>> = LazyLock::new(|| edits::vocabulary(&VALID));
static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(samples::policies);

/// The property.
pub fn check(input: &[u8]) {
    let Some(document) = input::json(input, &VALID, &VOCABULARY) else { return };
    let mut chance = Chance::of(input);
    let policy = chance.one(&POLICIES).clone();
    let pinned = if chance.below(4) == 0 { TagValues::from([("costCenter".to_owned(), "support".to_owned())]) } else { TagValues::new() };
    let found = validate(&document, &policy, samples::origin(&pinned));
    assert_eq!(found, validate(&document, &policy, samples::origin(&pinned)), "another answer to the same request");
    match found {
        Err(problems) => check_problems(&document, &problems),
        Ok(request) => {
            check_again(&request, &policy, &pinned);
            check_plan(&request, &policy, *chance.one(&samples::moments()));
        }
    }
    let text = document.to_string();
    if !text.contains(MARK) && !text.contains(&MARKED_NUMBER.to_string()) {
        let mut marked = document;
        mark(&mut marked, &mut chance);
        if let Err(problems) = validate(&marked, &policy, samples::origin(&pinned)) {
            check_problems(&marked, &problems);
            let shown = format!("{problems:?}");
            assert!(!shown.contains(MARK) && !shown.contains(&MARKED_NUMBER.to_string()), "a value of the request in {shown}");
        }
    }
}

fn check_problems(document: &Value, problems: &Problems) {
    assert!(!problems.is_empty(), "refused without a problem");
    for problem in problems.as_slice() {
        // Of a request without tags this one is asked for all the same.
        if problem.pointer != "/tags/applicationId" || document.get("tags").is_some() {
            pointers::check(document, &problem.pointer);
        }
        assert!(!problem.expected.is_empty());
    }
}

/// Marks about half of the values, so that what depends on others' being right is reached too.
fn mark(value: &mut Value, chance: &mut Chance) {
    match value {
        Value::String(text) if chance.below(2) == 0 => text.push_str(MARK),
        Value::Number(_) if chance.below(2) == 0 => *value = json!(MARKED_NUMBER),
        Value::Array(items) => items.iter_mut().for_each(|item| mark(item, chance)),
        Value::Object(fields) => fields.values_mut().for_each(|field| mark(field, chance)),
        _ => {}
    }
}

/// The request that this one is the reading of: as it is sent, after every default, synonym and cap.
fn rewritten(request: &Request) -> Value {
    let message = |role: &str, text: &String| json!({ "role": role, "content": text });
    let system = request.prompt.system.iter().map(|text| message("system", text));
    let turns = request.prompt.messages.iter().flat_map(|turn| {
        let role = if turn.role == Role::User { "user" } else { "assistant" };
        turn.content.iter().map(move |text| message(role, text))
    });
    let messages: Vec<Value> = system.chain(turns).collect();
    let inference = &request.inference;
    let top_k = inference.additional_model_request_fields.as_ref().and_then(|fields| {
        let nova = fields.get("inferenceConfig").and_then(|config| config.get("topK"));
        fields.get("top_k").or(nova).cloned()
    });
    let given = [("temperature", inference.temperature.map(Value::from)), ("top_p", inference.top_p.map(Value::from)), ("top_k", top_k)];
    let mut parameters: Map<String, Value> = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    parameters.insert("max_tokens".to_owned(), inference.max_tokens.0.into());
    json!({ "model": request.model.requested, "prompt": { "messages": messages, "parameters": parameters }, "tags": request.tags.values })
}

fn check_again(request: &Request, policy: &Policy, pinned: &TagValues) {
    let text = serde_json::to_string(request).unwrap();
    let read: Request = serde_json::from_str(&text).unwrap();
    assert_eq!(read, *request, "changed on its way through JSON");
    assert_eq!(read.hash(), request.hash());
    let document = rewritten(request);
    let own = request.tags.values.keys().filter(|name| !KNOWN.contains(&name.as_str())).count();
    if own > OWN_TAGS || document.to_string().len() > MAX_REQUEST_BYTES {
        return;
    }
    let again = validate(&document, policy, samples::origin(pinned)).unwrap_or_else(|problems| panic!("{problems:?} in {document}"));
    // What was dropped or capped is not there to be warned of any more.
    assert_eq!(Request { warnings: Vec::new(), ..again }, Request { warnings: Vec::new(), ..request.clone() }, "read otherwise again");
}

/// What would be held at that moment, and that it survives its way through JSON.
pub(crate) fn check_plan(request: &Request, policy: &Policy, now: Timestamp) {
    let estimate = plan::estimate(policy, request).expect("a valid request has a known model");
    assert_eq!(estimate.max_tokens, request.inference.max_tokens);
    assert!(estimate.input.0 > 0);
    let planned = match plan::plan(policy, request, estimate, now) {
        Ok(planned) => planned,
        Err(NoPlan::UnknownModel) => panic!("a valid request's model is unknown to its policy"),
        Err(_) => return,
    };
    for charge in &planned.charges {
        assert!(charge.span.start <= now && now < charge.span.end, "{now} is outside {:?}", charge.span);
        assert!(!charge.amounts.is_empty());
    }
    if let Some(largest) = planned.largest_max_tokens() {
        assert!(largest <= estimate.max_tokens && largest.0 > 0);
    }
    for state in [State::Held, State::Denied] {
        let reservation = planned.clone().reserve(request, state, now, now);
        let text = serde_json::to_string(&reservation).unwrap();
        assert_eq!(serde_json::from_str::<Reservation>(&text).unwrap(), reservation, "changed on its way through JSON");
    }
}
