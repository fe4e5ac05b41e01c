//! The rows of the catalog's files. `data/README.md` says where they come from.

use super::{ModelId, TopK};
use crate::price::{Caching, LongContext, Prices, ServiceTier};
use crate::quantity::{Rate, Tokens};
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A file of the catalog is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A line that does not read.
    #[error("the catalog's {file} has a line that cannot be read")]
    Unreadable {
        /// The file's name.
        file: &'static str,
        /// Where and why.
        source: csv::Error,
    },
    /// Two lines for the same id or prefix.
    #[error("the catalog's {file} has two lines for `{key}`")]
    Duplicate {
        /// The file's name.
        file: &'static str,
        /// The id or prefix.
        key: String,
    },
    /// No line for the models without a family.
    #[error("the catalog's model-families.csv has no `*` line")]
    NoDefaultFamily,
}

/// A line of the price map: US dollars per million tokens; other columns are for people.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PriceRow {
    pub model_id: ModelId,
    #[serde(rename = "in_per_M", deserialize_with = "rate")]
    input: Rate,
    #[serde(rename = "out_per_M", deserialize_with = "rate")]
    output: Rate,
    #[serde(rename = "cache_read_per_M", deserialize_with = "optional_rate")]
    cache_read: Option<Rate>,
    #[serde(rename = "cache_write_5m_per_M", deserialize_with = "optional_rate")]
    cache_write_5m: Option<Rate>,
    #[serde(rename = "cache_write_1h_per_M", deserialize_with = "optional_rate")]
    cache_write_1h: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    in_gt100k: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    out_gt100k: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    in_gt200k: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    out_gt200k: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    in_gt272k: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    out_gt272k: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    in_flex: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    out_flex: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    cache_read_flex: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    cache_write_5m_flex: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    in_priority: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    out_priority: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    cache_read_priority: Option<Rate>,
    #[serde(deserialize_with = "optional_rate")]
    cache_write_5m_priority: Option<Rate>,
    pub max_in: Option<u64>,
    pub max_out: Option<u64>,
    pub supports_sampling: Option<Flag>,
    pub supports_prefill: Option<Flag>,
    pub thinking_always_on: Option<Flag>,
    pub count_tokens_endpoint: Option<CountTokensEndpoint>,
    pub deprecation: Option<Date>,
}

/// What holds for the ids that begin alike; of several that match, the longest.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct FamilyRow {
    pub id_prefix: IdPrefix,
    pub name: String,
    pub top_k: TopK,
    pub temperature_with_top_p: YesNo,
    pub system_prompt: YesNo,
    pub prefill: YesNo,
    pub always_thinks: YesNo,
    pub default_max_tokens: u64,
    pub bare_surcharge_percent: u64,
    pub caching: Caching,
    pub cache_writes_free: YesNo,
}

/// A prefix of system profiles' ids.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PrefixRow {
    pub prefix: String,
    pub unlisted_surcharge_percent: u64,
}

/// The beginning of an id; `*` is every id's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) struct IdPrefix(pub String);

impl From<String> for IdPrefix {
    fn from(text: String) -> Self {
        Self(if text == "*" { String::new() } else { text })
    }
}

impl IdPrefix {
    pub fn matches(&self, underlying: &str) -> bool {
        underlying.starts_with(&self.0)
    }
}

/// The price map's form of a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Flag {
    True,
    False,
}

impl Flag {
    pub fn is_true(self) -> bool {
        self == Self::True
    }
}

/// The family table's form of a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum YesNo {
    Yes,
    No,
}

impl YesNo {
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

/// The service that counts a model's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CountTokensEndpoint {
    /// `CountTokens` of bedrock-runtime.
    Bedrock,
    /// Another endpoint, which is not called from here.
    BedrockMantle,
}

impl PriceRow {
    /// The prices as the line states them.
    pub fn prices(&self) -> Prices {
        let step = |above, input: Option<Rate>, output: Option<Rate>| {
            (input.is_some() || output.is_some()).then_some(LongContext { above: Tokens(above), input, output })
        };
        let steps = [
            step(100_000, self.in_gt100k, self.out_gt100k),
            step(200_000, self.in_gt200k, self.out_gt200k),
            step(272_000, self.in_gt272k, self.out_gt272k),
        ];
        Prices {
            input: self.input,
            output: self.output,
            cache_read: self.cache_read,
            cache_write_5m: self.cache_write_5m,
            cache_write_1h: self.cache_write_1h,
            long_context: steps.into_iter().flatten().collect(),
            tier: None,
        }
    }

    /// The prices in a service tier; nothing where the line states none. A tier's step for long inputs is dearer by as much as the
    /// standard one's: the line has no figure of its own for it.
    pub fn prices_in(&self, tier: ServiceTier) -> Option<Prices> {
        let standard = self.prices();
        let (input, output, cache_read, cache_write_5m) = match tier {
            ServiceTier::Default | ServiceTier::Reserved => return Some(standard),
            ServiceTier::Flex => (self.in_flex?, self.out_flex?, self.cache_read_flex, self.cache_write_5m_flex),
            ServiceTier::Priority => (self.in_priority?, self.out_priority?, self.cache_read_priority, self.cache_write_5m_priority),
        };
        let like = |rate: Rate, of: Rate, standard: Rate| if standard.0 == 0 { rate } else { rate.scaled(of.0, standard.0) };
        let step = |step: &LongContext| LongContext {
            above: step.above,
            input: step.input.map(|rate| like(rate, input, self.input)),
            output: step.output.map(|rate| like(rate, output, self.output)),
        };
        let long_context = standard.long_context.iter().map(step).collect();
        Some(Prices { cache_read, cache_write_5m, long_context, ..Prices::flat(input, output) })
    }
}

/// The price map by id.
pub(super) fn prices(text: &str) -> Result<BTreeMap<ModelId, PriceRow>, CatalogError> {
    let file = "bedrock-models.csv";
    let mut by_id = BTreeMap::new();
    for row in rows::<PriceRow>(file, text)? {
        if let Some(earlier) = by_id.insert(row.model_id.clone(), row) {
            return Err(CatalogError::Duplicate { file, key: earlier.model_id.into() });
        }
    }
    Ok(by_id)
}

/// The families, the longest prefix first.
pub(super) fn families(text: &str) -> Result<Vec<FamilyRow>, CatalogError> {
    let file = "model-families.csv";
    let mut families: Vec<FamilyRow> = rows(file, text)?;
    families.sort_by(|a, b| (Reverse(a.id_prefix.0.len()), &a.id_prefix.0).cmp(&(Reverse(b.id_prefix.0.len()), &b.id_prefix.0)));
    let twice = families.iter().zip(families.iter().skip(1)).find(|(a, b)| a.id_prefix == b.id_prefix);
    if let Some((row, _)) = twice {
        return Err(CatalogError::Duplicate { file, key: row.id_prefix.0.clone() });
    }
    if families.last().is_none_or(|row| !row.id_prefix.0.is_empty()) {
        return Err(CatalogError::NoDefaultFamily);
    }
    Ok(families)
}

/// The prefixes of system profiles.
pub(super) fn prefixes(text: &str) -> Result<Vec<PrefixRow>, CatalogError> {
    rows("profile-prefixes.csv", text)
}

fn rows<Row: DeserializeOwned>(file: &'static str, text: &str) -> Result<Vec<Row>, CatalogError> {
    let rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize().collect::<Result<_, _>>();
    rows.map_err(|source| CatalogError::Unreadable { file, source })
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
    optional_rate(deserializer)?.ok_or_else(|| D::Error::custom("expected a price"))
}

fn optional_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    let read = |text: String| Rate::parse_usd_per_million(&text).ok_or_else(|| D::Error::custom("expected US dollars per million tokens"));
    Option::<String>::deserialize(deserializer)?.map(read).transpose()
}
