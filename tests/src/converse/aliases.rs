//! The aliases that ship. What is expected is written out here by hand, from the models' own documentation, not read from the catalog.

use super::Sampling::{Both, TemperatureOnly};
use super::{Sampling, Takes, TopK, check, check_model, policy, request};
use crate::harness::SHIPPED;
use cost_sentry_core::policy::Policy;
use serde_json::Value;

/// An alias: what is called, whether a trailing assistant message is taken, sampling and `top_k`, and `max_tokens` unasked and at most.
type Row = (&'static str, &'static str, bool, Sampling, TopK, u64, u64);

const NONE: Sampling = Sampling::None;
const NO_TOP_K: TopK = TopK::None;
const SALES: &str = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/salesexample";
const SERVICES: &str = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/servicesexample";
const SUPPORT: &str = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/supportexample";

const ALIASES: [Row; 26] = [
    ("nova-lite", "amazon.nova-lite-v1:0", true, Both, TopK::Nova, 2_048, 10_000),
    ("nova-micro", "amazon.nova-micro-v1:0", true, Both, TopK::Nova, 2_048, 10_000),
    ("nova-pro", "us.amazon.nova-pro-v1:0", true, Both, TopK::Nova, 2_048, 10_000),
    ("nova-2-lite", "us.amazon.nova-2-lite-v1:0", true, Both, TopK::Nova, 2_048, 64_000),
    ("claude-2", "anthropic.claude-v2:0", true, Both, TopK::Claude, 2_048, 8_191),
    ("claude-3", "anthropic.claude-3-sonnet-20240229-v1:0", true, Both, TopK::Claude, 2_048, 4_096),
    ("claude-3-haiku", "anthropic.claude-3-haiku-20240307-v1:0", true, Both, TopK::Claude, 2_048, 4_096),
    ("claude-3-5-sonnet-v2", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", true, Both, TopK::Claude, 2_048, 8_192),
    ("claude-3-5-haiku", "us.anthropic.claude-3-5-haiku-20241022-v1:0", true, Both, TopK::Claude, 2_048, 8_192),
    ("claude-haiku-4-5", "us.anthropic.claude-haiku-4-5-20251001-v1:0", true, TemperatureOnly, TopK::Claude, 2_048, 64_000),
    ("claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", true, TemperatureOnly, TopK::Claude, 2_048, 64_000),
    ("claude-sonnet-4-6", "us.anthropic.claude-sonnet-4-6", false, TemperatureOnly, TopK::Claude, 2_048, 64_000),
    ("claude-opus-4-8", "us.anthropic.claude-opus-4-8", false, NONE, TopK::Claude, 2_048, 128_000),
    ("claude-sonnet-5", "us.anthropic.claude-sonnet-5", false, NONE, TopK::Claude, 2_048, 128_000),
    ("claude-opus-5", "us.anthropic.claude-opus-5", false, NONE, TopK::Claude, 2_048, 128_000),
    ("claude-haiku-5-5", "us.anthropic.claude-haiku-5-5", false, NONE, TopK::Claude, 2_048, 128_000),
    ("claude-sonnet-5-5", "us.anthropic.claude-sonnet-5-5", false, NONE, TopK::Claude, 8_192, 128_000),
    ("claude-opus-5-5", "us.anthropic.claude-opus-5-5", false, NONE, TopK::Claude, 8_192, 128_000),
    ("gpt-oss-120b", "openai.gpt-oss-120b-1:0", true, Both, NO_TOP_K, 8_192, 16_384),
    ("llama-3-3-70b", "us.meta.llama3-3-70b-instruct-v1:0", false, Both, NO_TOP_K, 2_048, 4_096),
    ("llama-4-maverick", "us.meta.llama4-maverick-17b-instruct-v1:0", false, Both, NO_TOP_K, 2_048, 8_192),
    ("deepseek-v3-2", "us.deepseek.v3.2", true, Both, NO_TOP_K, 2_048, 8_000),
    ("qwen3-32b", "qwen.qwen3-32b-v1:0", true, Both, NO_TOP_K, 2_048, 8_192),
    ("sales", SALES, true, Both, TopK::Claude, 2_048, 4_096),
    ("services", SERVICES, true, Both, TopK::Claude, 2_048, 4_096),
    ("support", SUPPORT, true, Both, TopK::Claude, 2_048, 4_096),
];

fn shipped() -> Policy {
    policy(&serde_saphyr::from_str::<Value>(SHIPPED).unwrap())
}

#[tokio::test]
async fn every_shipped_alias_sends_what_its_model_takes_and_nothing_else() {
    let policy = shipped();
    let mut named: Vec<&str> = ALIASES.iter().map(|(alias, ..)| *alias).collect();
    named.sort_unstable();
    assert_eq!(named, policy.models.keys().map(String::as_str).collect::<Vec<_>>(), "the table names every alias");
    for (alias, model_id, prefill, sampling, top_k, ..) in ALIASES {
        check_model(&policy, alias, model_id, Takes { system: true, prefill, sampling, top_k }).await;
    }
}

#[test]
fn max_tokens_is_always_sent_and_never_above_what_the_model_takes() {
    let policy = shipped();
    for (alias, _, _, _, _, unasked, most) in ALIASES {
        let asking = |max_tokens: Option<u64>| {
            let mut document = request(alias);
            document["prompt"] = serde_json::json!({ "messages": [{ "role": "user", "content": "Hello" }] });
            if let Some(max_tokens) = max_tokens {
                document["prompt"]["parameters"]["max_tokens"] = max_tokens.into();
            }
            check(&policy, &document).map(|request| request.inference.max_tokens.0)
        };
        assert_eq!(asking(None), Ok(unasked), "{alias}");
        assert_eq!(asking(Some(most)), Ok(most), "{alias}");
        for wrong in [0, most + 1] {
            assert_eq!(asking(Some(wrong)), Err(vec!["/prompt/parameters/max_tokens".to_owned()]), "{alias} {wrong}");
        }
    }
}

#[test]
fn every_shipped_alias_has_prices_limits_and_capabilities() {
    let policy = shipped();
    let now = "2026-11-21T12:00:00Z".parse().unwrap();
    for (alias, entry) in &policy.models {
        let prices = policy.prices_at(&entry.billed_id, now).unwrap_or_else(|| panic!("{alias} has no price"));
        assert!(prices.input.0 > 0 && prices.output.0 > 0, "{alias}: {prices:?}");
        let takes = policy.capabilities(&entry.underlying).unwrap_or_else(|| panic!("{alias} has no capabilities"));
        assert!(takes.max_input.is_some_and(|most| most.0 >= 30_000), "{alias}: {takes:?}");
        assert!(takes.max_output.is_some_and(|most| most.0 >= 4_000), "{alias}: {takes:?}");
        assert!(takes.name != entry.underlying, "{alias} has no name for people");
    }
}

#[test]
fn the_shipped_policy_warns_of_nothing() {
    let warnings = shipped().warnings("2026-11-21T00:00:00Z".parse().unwrap());
    let warnings: Vec<String> = warnings.iter().map(|warning| format!("{}: {}", warning.pointer, warning.expected)).collect();
    assert_eq!(warnings, Vec::<String>::new());
}
