use super::*;
use crate::price::{StepRates, Usage};
use crate::quantity::{NanoUsd, Tokens};
use jiff::civil::date;
use std::collections::BTreeSet;

/// The published aliases' ids.
const ALIASED: [&str; 7] = [
    "amazon.nova-lite-v1:0",
    "amazon.nova-micro-v1:0",
    "anthropic.claude-v2:0",
    "anthropic.claude-3-sonnet-20240229-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
    "us.anthropic.claude-3-5-haiku-20241022-v1:0",
];

fn catalog() -> &'static Catalog {
    Catalog::shipped().unwrap()
}

fn models() -> BTreeSet<&'static str> {
    catalog().ids().map(|id| catalog().underlying(id.as_str())).collect()
}

fn usd(per_million: &str) -> Rate {
    Rate::parse_usd_per_million(per_million).unwrap()
}

#[test]
fn every_price_in_the_map_is_read_without_loss() {
    let text = include_str!("../../data/bedrock-models.csv");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let mut lines = 0;
    for line in reader.records().map(Result::unwrap) {
        lines += 1;
        for (column, cell) in columns.iter().zip(&line).filter(|(column, _)| column.contains("_per_M") || column.contains("_gt")) {
            let Rate(pico) = if cell.is_empty() { continue } else { usd(cell) };
            let written = format!("{}.{:06}", pico / 1_000_000, pico % 1_000_000);
            assert_eq!(written.trim_end_matches('0').trim_end_matches('.'), cell, "{column} of {}", &line[0]);
        }
    }
    assert_eq!(catalog().ids().count(), lines);
}

#[test]
fn every_id_has_prices_and_every_model_capabilities_and_a_name() {
    for id in catalog().ids() {
        let prices = catalog().prices(id.as_str()).unwrap();
        assert!(prices.input > Rate(0) && prices.output > Rate(0), "{id}");
        assert!(prices.long_context.is_sorted_by_key(|step| step.above), "{id}");
    }
    for model in models() {
        let found = catalog().capabilities(model).unwrap();
        assert!(found.max_input.is_some() && found.name != model, "{model}");
        assert!(found.max_output.is_some_and(|most| found.default_max_tokens <= most && found.default_max_tokens > Tokens(0)), "{model}");
    }
    for row in &catalog().families {
        assert!(models().into_iter().any(|model| row.id_prefix.matches(model)), "no model begins with {}", row.id_prefix.0);
    }
}

#[test]
fn every_published_alias_has_prices_limits_and_capabilities() {
    for id in ALIASED {
        assert!(catalog().prices(id).is_some(), "{id}");
        assert!(catalog().capabilities(catalog().underlying(id)).is_some_and(|found| found.max_output.is_some()), "{id}");
    }
}

#[test]
fn ids_are_billed_at_their_public_prices() {
    let check = |id: &str, input: &str, output: &str, cache_read: &str, cache_write: &str| {
        let rates = catalog().prices(id).unwrap_or_else(|| panic!("{id}")).at(Tokens(1));
        let found = [rates.input, rates.output, rates.cache_read, rates.cache_write_5m];
        assert_eq!(found, [input, output, cache_read, cache_write].map(usd), "{id}");
    };
    check("us.anthropic.claude-3-5-haiku-20241022-v1:0", "0.8", "4", "0.08", "1");
    check("anthropic.claude-3-haiku-20240307-v1:0", "0.25", "1.25", "0.025", "0.3125");
    // Nova's cache writes are free; a class without a price costs what input costs.
    check("amazon.nova-micro-v1:0", "0.035", "0.14", "0.00875", "0");
    check("anthropic.claude-v2:0", "8", "24", "8", "8");
    // A bare id of Claude 4.5 and later costs ten per cent more than the global profile; older ones do not.
    check("global.anthropic.claude-haiku-4-5-20251001-v1:0", "1", "5", "0.1", "1.25");
    check("anthropic.claude-haiku-4-5-20251001-v1:0", "1.1", "5.5", "0.11", "1.375");
    check("us.anthropic.claude-haiku-4-5-20251001-v1:0", "1.1", "5.5", "0.11", "1.375");
    check("anthropic.claude-fable-5-1", "11", "55", "0.275", "13.75");
    check("anthropic.claude-mythos-preview", "27.5", "137.5", "2.75", "34.375");
    check("anthropic.claude-opus-4-1-20250805-v1:0", "15", "75", "1.5", "18.75");
    // Without a row of their own: the dearest of the model's, raised in GovCloud.
    check("ca.anthropic.claude-opus-5", "6", "30", "0.6", "7.5");
    check("anthropic.claude-mythos-5", "11", "55", "1.1", "13.75");
    check("us-gov.amazon.nova-pro-v1:0", "1.26", "5.04", "0.315", "0");
}

#[test]
fn calls_cost_what_the_public_prices_come_to() {
    let check = |id: &str, usage: Usage, expected: &str| {
        let cost = catalog().prices(id).unwrap().cost(&usage);
        assert_eq!(cost, NanoUsd::parse_usd(expected).unwrap(), "{id} {usage:?}");
    };
    let plain = |input, output| Usage { input: Tokens(input), output: Tokens(output), ..Usage::default() };
    let haiku = "us.anthropic.claude-3-5-haiku-20241022-v1:0";
    check(haiku, plain(1_000_000, 1_000_000), "4.80");
    check(haiku, plain(21, 150), "0.0006168");
    check(haiku, Usage { cache_read: Tokens(1_000), cache_write: Tokens(2_000), ..plain(10, 0) }, "0.002088");
    // Above 200,000 input tokens, of whatever class, every token is dearer.
    let sonnet = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    check(sonnet, plain(200_000, 1_000), "0.6765");
    check(sonnet, plain(200_001, 1_000), "1.3447566");
    check(sonnet, Usage { cache_read: Tokens(100_001), ..plain(100_000, 0) }, "0.72600066");
    // Writes that are kept for an hour: 3,000 at 4.125 and 1,000 at 6.6.
    check(sonnet, Usage { cache_write: Tokens(4_000), cache_write_1h: Tokens(1_000), ..plain(0, 0) }, "0.018975");
    check("us.openai.gpt-6-sol", plain(272_001, 1_000_000), "17.6968044");
    // Nano-dollars round up: 1 token at 0.035 dollars a million is 35 nano-dollars, at 0.00875 it is 8.75.
    check("amazon.nova-micro-v1:0", plain(1, 0), "0.000000035");
    check("amazon.nova-micro-v1:0", Usage { cache_read: Tokens(1), ..plain(0, 0) }, "0.000000009");
    check("amazon.nova-micro-v1:0", Usage { cache_write: Tokens(1_000), ..plain(0, 0) }, "0");
}

/// What makes `Catalog::prices` right to take one row whole where an id has none of its own.
#[test]
fn among_a_models_rows_one_is_the_dearest_in_every_class() {
    for model in models() {
        let dearest = catalog().prices(&format!("ca.{model}")).unwrap();
        let rows = catalog().ids().filter(|id| catalog().underlying(id.as_str()) == model);
        for (id, prices) in rows.filter_map(|id| Some((id, catalog().prices(id.as_str())?))) {
            for total in [1, 100_001, 200_001, 272_001].map(Tokens) {
                let all = |StepRates { input, output, cache_read, cache_write_5m, cache_write_1h }| {
                    [input, output, cache_read, cache_write_5m, cache_write_1h]
                };
                let pairs = all(dearest.at(total)).into_iter().zip(all(prices.at(total)));
                assert!(pairs.into_iter().all(|(most, listed)| most >= listed), "{id} at {total}");
            }
        }
    }
}

#[test]
fn a_prefix_is_taken_off_only_when_a_known_model_remains() {
    let check = |id: &str, expected: &str| assert_eq!(catalog().underlying(id), expected);
    check("us.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0");
    check("us-gov.anthropic.claude-opus-5", "anthropic.claude-opus-5");
    check("global.openai.gpt-5.4", "openai.gpt-5.4");
    check("ca.deepseek.v3.2", "deepseek.v3.2");
    check("amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0");
    check("us.amazon.nova-lite-v9:0", "us.amazon.nova-lite-v9:0");
    check("mars.amazon.nova-lite-v1:0", "mars.amazon.nova-lite-v1:0");
}

#[test]
fn an_unknown_model_has_neither_prices_nor_capabilities() {
    for id in ["anthropic.claude-9", "us.anthropic.claude-9", "mars.amazon.nova-lite-v1:0", "amazon.nova-lite", "", "."] {
        assert_eq!(catalog().prices(id), None, "{id}");
        assert_eq!(catalog().capabilities(id), None, "{id}");
    }
    let presumed = catalog().presumed_capabilities("anthropic.claude-9").unwrap();
    assert!(!presumed.prefill && presumed.max_output.is_none() && presumed.top_k == TopK::Claude);
    assert_eq!(catalog().presumed_capabilities("acme.large").unwrap().name, "acme.large");
}

#[test]
fn models_accept_what_their_family_and_their_row_say() {
    let check = |model: &str, yes: &str, top_k: TopK, default_max_tokens: u64| {
        let found = catalog().capabilities(model).unwrap_or_else(|| panic!("{model}"));
        let facts = [
            ("sampling", found.sampling),
            ("both", found.temperature_with_top_p),
            ("system", found.system_prompt),
            ("prefill", found.prefill),
            ("thinks", found.thinking_always_on),
            ("counts", found.count_tokens),
            ("autocache", found.caching == Caching::Automatic),
        ];
        let found_yes: Vec<_> = facts.into_iter().filter_map(|(name, holds)| holds.then_some(name)).collect();
        assert_eq!(found_yes.join(" "), yes, "{model}");
        assert_eq!((found.top_k, found.default_max_tokens), (top_k, Tokens(default_max_tokens)), "{model}");
    };
    check("anthropic.claude-3-5-haiku-20241022-v1:0", "sampling both system prefill", TopK::Claude, 2_048);
    check("anthropic.claude-v2:0", "sampling both system prefill", TopK::Claude, 2_048);
    check("anthropic.claude-opus-4-20250514-v1:0", "sampling both system prefill", TopK::Claude, 2_048);
    check("anthropic.claude-opus-4-1-20250805-v1:0", "sampling system prefill counts", TopK::Claude, 2_048);
    check("anthropic.claude-haiku-4-5-20251001-v1:0", "sampling system prefill counts", TopK::Claude, 2_048);
    check("anthropic.claude-sonnet-4-6", "sampling system counts", TopK::Claude, 2_048);
    check("anthropic.claude-opus-5", "system", TopK::Claude, 2_048);
    check("anthropic.claude-opus-5-5", "system thinks", TopK::Claude, 8_192);
    check("amazon.nova-lite-v1:0", "sampling both system prefill", TopK::Nova, 2_048);
    check("amazon.titan-text-lite-v1", "sampling both", TopK::None, 2_048);
    check("meta.llama3-1-8b-instruct-v1:0", "sampling both system autocache", TopK::None, 2_048);
    check("mistral.mistral-7b-instruct-v0:2", "sampling both prefill autocache", TopK::None, 2_048);
    check("mistral.mistral-large-2402-v1:0", "sampling both system prefill autocache", TopK::None, 2_048);
    check("cohere.command-text-v14", "sampling both autocache", TopK::None, 2_048);
    check("openai.gpt-6-sol", "both system prefill autocache", TopK::None, 8_192);
    check("openai.gpt-oss-20b-1:0", "sampling both system prefill thinks autocache", TopK::None, 8_192);
    check("minimax.minimax-m2", "sampling both system prefill thinks autocache", TopK::None, 8_000);
}

/// The shipped catalog but for one cell in the row of an id.
fn with_cell(id: &str, column: &str, cell: &str) -> Catalog {
    let mut reader = csv::Reader::from_reader(include_str!("../../data/bedrock-models.csv").as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = reader.headers().unwrap().clone();
    writer.write_record(&columns).unwrap();
    let at = columns.iter().position(|name| name == column).unwrap();
    for row in reader.records() {
        let mut cells: Vec<String> = row.unwrap().iter().map(str::to_owned).collect();
        if cells[0] == id {
            cells[at] = cell.to_owned();
        }
        writer.write_record(&cells).unwrap();
    }
    let prices = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    Catalog::parse(&prices, include_str!("../../data/model-families.csv"), include_str!("../../data/profile-prefixes.csv")).unwrap()
}

#[test]
fn a_models_own_row_is_believed_before_its_family() {
    let model = "anthropic.claude-3-5-haiku-20241022-v1:0";
    let check = |column: &str, fact: fn(&Capabilities) -> bool| {
        for (cell, holds) in [("True", true), ("False", false)] {
            assert_eq!(fact(&with_cell(model, column, cell).capabilities(model).unwrap()), holds, "{column} {cell}");
        }
    };
    check("supports_sampling", |found| found.sampling);
    check("supports_prefill", |found| found.prefill);
    check("thinking_always_on", |found| found.thinking_always_on);
    let small = with_cell(model, "max_out", "100").capabilities(model).unwrap();
    assert_eq!((small.max_output, small.default_max_tokens), (Some(Tokens(100)), Tokens(100)));
    assert!(with_cell(model, "count_tokens_endpoint", "bedrock").capabilities(model).unwrap().count_tokens);
}

#[test]
fn limits_names_and_ends_of_life_come_from_the_data() {
    let found = catalog().capabilities("anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap();
    assert_eq!((found.name.as_str(), found.end_of_life), ("Claude Sonnet 4.5", Some(date(2027, 4, 8))));
    assert_eq!((found.max_input, found.max_output), (Some(Tokens(200_000)), Some(Tokens(64_000))));
    // The published 128,000 tokens may be 131,072.
    let gpt_oss = catalog().capabilities("openai.gpt-oss-20b-1:0").unwrap();
    assert_eq!(gpt_oss.input_ceiling(), Some(Tokens(134_400)));
    // Where a model's ids differ, the largest input is the safe bound.
    assert_eq!(catalog().capabilities("nvidia.nemotron-nano-3-30b").unwrap().max_input, Some(Tokens(262_144)));
}

#[test]
fn only_the_shape_of_a_foundation_model_or_system_profile_is_an_id() {
    for id in ["amazon.nova-lite-v1:0", "us-gov.anthropic.claude-opus-5", "deepseek.v3.2", "amazon.titan-text-premier-v1:0:32k"] {
        let parsed = ModelId::parse(id).unwrap();
        assert_eq!((parsed.as_str(), parsed.to_string().as_str()), (id, id));
    }
    let long = format!("amazon.{}", "x".repeat(64));
    let arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0";
    for text in ["", "nova", "amazon.", ".nova", "amazon..nova", "amazon.nova lite", "Amazon.nova", "a.b\n", "a.b.c.d.e.f.g", &long, arn] {
        assert_eq!(ModelId::parse(text), Err(NotAModelId), "{text}");
    }
}

#[test]
fn a_file_that_is_not_right_is_an_error_and_not_an_empty_catalog() {
    let (prices, families) = (include_str!("../../data/bedrock-models.csv"), include_str!("../../data/model-families.csv"));
    let prefixes = include_str!("../../data/profile-prefixes.csv");
    let check = |prices: &str, families: &str, expected: &str| {
        let error = Catalog::parse(prices, families, prefixes).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let twice = format!("{prices}{}\n", prices.lines().nth(1).unwrap());
    check(&twice, families, "the catalog's bedrock-models.csv has two lines for `ai21.j2-mid-v1`");
    let unreadable = "the catalog's bedrock-models.csv has a line that cannot be read";
    check(&prices.replacen("v1,12.5,", "v1,a lot,", 1), families, unreadable);
    check(&prices.replacen("v1,12.5,", "v1,,", 1), families, unreadable);
    check(&prices.replacen("ai21.j2-mid-v1", "claude", 1), families, unreadable);
    check(prices, &families.replacen("*,", "?,", 1), "the catalog's model-families.csv has no `*` line");
    let twice = format!("{families}{}\n", families.lines().nth(2).unwrap());
    check(prices, &twice, "the catalog's model-families.csv has two lines for `ai21.j2-`");
}

#[test]
fn a_service_tier_costs_what_its_own_columns_say_and_nothing_is_made_up() {
    use ServiceTier::{Default, Flex, Priority, Reserved};
    let check = |id: &str, tier: ServiceTier, expected: Option<[&str; 4]>| {
        let rates = catalog().prices_in(id, tier).map(|prices| prices.at(Tokens(1)));
        let found = rates.map(|rates| [rates.input, rates.output, rates.cache_read, rates.cache_write_5m]);
        assert_eq!(found, expected.map(|rates| rates.map(usd)), "{id} {tier:?}");
    };
    let nova = "us.amazon.nova-pro-v1:0";
    check(nova, Default, Some(["0.8", "3.2", "0.2", "0"]));
    check(nova, Reserved, Some(["0.8", "3.2", "0.2", "0"]));
    check(nova, Flex, Some(["0.4", "1.6", "0.1", "0"]));
    check(nova, Priority, Some(["1.4", "5.6", "0.35", "0"]));
    // A class without a price in the tier costs what input costs there, and a bare id's surcharge counts in every tier.
    check("openai.gpt-oss-120b-1:0", Flex, Some(["0.075", "0.3", "0.075", "0.075"]));
    check("amazon.nova-2-lite-v1:0", Priority, Some(["0.5775", "4.8125", "0.144375", "0"]));
    check("us.moonshotai.kimi-k3", Flex, Some(["1.65", "8.25", "0.165", "2.0625"]));
    check("us.moonshotai.kimi-k3", Priority, Some(["5.775", "28.875", "0.5775", "7.21875"]));
    check("apac.amazon.nova-pro-v1:0", Priority, None);
    check("us.anthropic.claude-haiku-4-5-20251001-v1:0", Flex, None);
    check("us.anthropic.claude-haiku-4-5-20251001-v1:0", Reserved, Some(["1.1", "5.5", "0.11", "1.375"]));
    check("anthropic.claude-99", Flex, None);
}

#[test]
fn a_long_input_is_dearer_in_a_tier_by_as_much_as_in_the_standard_one() {
    let nova = "us.amazon.nova-pro-v1:0";
    let check = |column: &str, cell: &str, tier: ServiceTier, total: u64, expected: [&str; 3]| {
        let rates = with_cell(nova, column, cell).prices_in(nova, tier).unwrap().at(Tokens(total));
        assert_eq!([rates.input, rates.output, rates.cache_read], expected.map(usd), "{column} {cell} {tier:?} {total}");
    };
    check("in_gt200k", "1.6", ServiceTier::Default, 200_001, ["1.6", "3.2", "0.4"]);
    check("in_gt200k", "1.6", ServiceTier::Flex, 200_000, ["0.4", "1.6", "0.1"]);
    check("in_gt200k", "1.6", ServiceTier::Flex, 200_001, ["0.8", "1.6", "0.2"]);
    check("out_gt272k", "6.4", ServiceTier::Priority, 272_001, ["1.4", "11.2", "0.35"]);
}

#[test]
fn priority_is_never_cheaper_and_flex_never_dearer_than_standard_in_any_class() {
    let mut seen = [0, 0];
    for id in catalog().ids() {
        let all = |tier| {
            let rates = catalog().prices_in(id.as_str(), tier)?.at(Tokens(1));
            Some([rates.input, rates.output, rates.cache_read, rates.cache_write_5m])
        };
        let standard = all(ServiceTier::Default).unwrap();
        // A class that only the standard tier has a price for says nothing: in the other it costs what input does.
        for (at, tier) in [ServiceTier::Flex, ServiceTier::Priority].into_iter().enumerate() {
            let Some(rates) = all(tier) else { continue };
            seen[at] += 1;
            let pairs = || rates.into_iter().zip(standard).take(2);
            assert!(
                pairs().all(|(rate, standard)| if tier == ServiceTier::Flex { rate <= standard } else { rate >= standard }),
                "{id} {tier:?}"
            );
        }
    }
    assert_eq!(seen, [49, 54], "a row that lost its tier prices would fail closed");
}
