//! Samples in the documents are accepted by what they are samples of.

use super::{blocks, documents};
use crate::harness::SHIPPED;
use cost_sentry::local::simulator::Script;
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::outcome::Document as OutcomeDocument;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::request::{Origin, validate};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

fn policy(text: &str) -> Policy {
    let document: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Policy::parse(&document, Catalog::shipped().unwrap()).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
}

/// The fenced blocks of a language, with the document that each is in.
fn samples(language: &str) -> Vec<(String, String)> {
    let of = |document: super::Document| {
        let fenced = blocks(&document.text).into_iter().filter(|block| block.language == language);
        fenced.map(|block| (document.path.clone(), block.body)).collect::<Vec<_>>()
    };
    documents().into_iter().flat_map(of).collect()
}

#[test]
fn every_yaml_block_is_a_policy_without_problems_or_a_script() {
    let mut policies = 0;
    for (path, text) in samples("yaml") {
        if path == "docs/simulator.md" {
            Script::parse(&text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
        } else {
            policy(&text);
            policies += 1;
        }
    }
    assert!(policies >= 3);
}

#[test]
fn every_json_block_is_a_request_that_validates_or_a_whole_outcome() {
    let found = samples("json");
    assert!(!found.is_empty());
    for (path, text) in found {
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
        if value.get("outcome").is_some() {
            let outcome: OutcomeDocument = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(serde_json::to_value(outcome).unwrap(), value, "{path}: a field is missing, or one too many");
        } else {
            let origin = Origin { execution_id: "document", started_at: Timestamp::UNIX_EPOCH, pinned: &BTreeMap::new() };
            validate(&value, &policy(SHIPPED), origin).unwrap_or_else(|problems| panic!("{path}: {problems:?}"));
        }
    }
}
