//! The policy's `models`, `modelIds` and `prices` sections.

use crate::catalog::{Catalog, ModelId};
use crate::model::{ProfileArn, profile_arn};
use crate::price::{LongContext, Prices, ServiceTier};
use crate::problem::{At, Problems};
use crate::quantity::{Rate, Tokens};
use crate::tags::{self, TagValues};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// One catalog name: what it calls, what is billed, and the tags that come with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// What Converse is called with.
    pub model_id: String,
    /// The id whose price counts.
    pub billed_id: String,
    /// The foundation model behind it.
    pub underlying: String,
    /// What CloudWatch calls it.
    pub model_metric: String,
    /// The profile's own tags.
    pub tags: TagValues,
    /// No request to this model gets more output tokens than this.
    pub max_tokens: Option<Tokens>,
    /// The service tier that calls are sent in; nothing leaves it to Converse, which takes the standard one.
    pub service_tier: Option<ServiceTier>,
}

/// Prices that replace the shipped ones from a date on (UTC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceOverride {
    /// The billed id.
    pub id: String,
    /// The first day on which they count.
    pub from: Date,
    /// The standard tier's.
    pub prices: Prices,
    /// Those of other service tiers.
    pub tiers: BTreeMap<ServiceTier, Prices>,
}

impl PriceOverride {
    /// The prices in a service tier; nothing where it states none.
    pub fn prices_in(&self, tier: ServiceTier) -> Option<&Prices> {
        self.tiers.get(&tier).or_else(|| tier.is_billed_as_standard().then_some(&self.prices))
    }
}

/// The ids that a policy may name: the shipped catalog's, and newer ones that the policy gives a price.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub catalog: &'static Catalog,
    pub prices: &'a [PriceOverride],
}

impl Known<'_> {
    fn has(self, id: &str) -> bool {
        let in_catalog = || self.catalog.capabilities(self.catalog.underlying(id)).is_some();
        ModelId::parse(id).is_ok() && (in_catalog() || self.prices.iter().any(|price| price.id == id))
    }
}

const RATE_EXPECTED: &str = "US dollars per million tokens, with at most six decimals";
const PROFILE_EXPECTED: &str =
    "an inference profile's ARN: arn:aws:bedrock:REGION:ACCOUNT:application-inference-profile/ID, or …:inference-profile/ID";
const ID_EXPECTED: &str =
    "the id of a foundation model or a system profile that the catalog knows, such as `us.amazon.nova-lite-v1:0`, or that `prices` prices";
const NAME_EXPECTED: &str = "a name of 1 to 64 lower-case letters, digits and - . _ : that starts with a letter or a digit";

pub(super) fn parse(problems: &mut Problems, at: &At<'_>, known: Known<'_>) -> BTreeMap<String, ModelEntry> {
    let Some(fields) = at.fields() else {
        problems.add(&at.pointer, "an object of models by name");
        return BTreeMap::new();
    };
    if fields.is_empty() {
        problems.add(&at.pointer, "at least one model");
    }
    let mut models = BTreeMap::new();
    for (name, field) in fields {
        if !is_name(name) {
            problems.add(&field.pointer, NAME_EXPECTED);
        }
        if let Some(entry) = entry(problems, &field, known) {
            models.insert(name.to_owned(), entry);
        }
    }
    models
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:".contains(&b);
    name.len() <= 64 && name.bytes().all(allowed) && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn entry(problems: &mut Problems, at: &At<'_>, known: Known<'_>) -> Option<ModelEntry> {
    if !problems.object(at, &["id", "profile", "source", "tags", "maxTokens", "serviceTier"]) {
        return None;
    }
    let tags = at.get("tags").map(|at| tags::parse(problems, &at)).unwrap_or_default();
    let max_tokens = at.get("maxTokens").and_then(|field| {
        let most = field.value.as_u64().filter(|most| *most >= 1).map(Tokens);
        if most.is_none() {
            problems.add(field.pointer, "a whole number of tokens, at least 1");
        }
        most
    });
    let service_tier = at.get("serviceTier").and_then(|field| problems.word(&field, &ServiceTier::WORDS));
    let (model_id, billed_id, model_metric) = match (at.get("id"), at.get("profile")) {
        (Some(field), None) => {
            let id = known_id(problems, &field, known)?;
            if let Some(source) = at.get("source") {
                problems.add(source.pointer, "no `source` beside an `id`: it names the model of an application profile");
            }
            (id.clone(), id.clone(), id)
        }
        (None, Some(field)) => profile(problems, at, &field, known)?,
        _ => {
            problems.add(&at.pointer, "either `id` (a model or system profile), or `profile` (an ARN) with `source`");
            return None;
        }
    };
    let underlying = known.catalog.underlying(&billed_id).to_owned();
    Some(ModelEntry { model_id, billed_id, underlying, model_metric, tags, max_tokens, service_tier })
}

fn profile(problems: &mut Problems, entry: &At<'_>, at: &At<'_>, known: Known<'_>) -> Option<(String, String, String)> {
    let arn = problems.string(at, PROFILE_EXPECTED)?;
    let (metric, default_source) = match profile_arn(arn) {
        Some(ProfileArn::Application(id)) => (id.to_owned(), None),
        Some(ProfileArn::System(id)) => (id.to_owned(), Some(id.to_owned())),
        None => {
            problems.add(&at.pointer, PROFILE_EXPECTED);
            return None;
        }
    };
    let source = match (entry.get("source"), default_source) {
        (Some(field), _) => known_id(problems, &field, known)?,
        (None, Some(source)) if known.has(&source) => source,
        (None, Some(_)) => {
            problems.add(&at.pointer, "a system profile that the catalog knows, or `source` with the id that it stands for");
            return None;
        }
        (None, None) => {
            problems.add(entry.child("source"), "the id that the application profile was copied from: its price and model");
            return None;
        }
    };
    Some((arn.to_owned(), source, metric))
}

fn known_id(problems: &mut Problems, at: &At<'_>, known: Known<'_>) -> Option<String> {
    let id = problems.string(at, ID_EXPECTED)?;
    let found = known.has(id);
    if !found {
        problems.add(&at.pointer, ID_EXPECTED);
    }
    found.then(|| id.to_owned())
}

pub(super) fn ids(problems: &mut Problems, at: &At<'_>, known: Known<'_>) -> BTreeSet<String> {
    let Some(items) = at.items() else {
        problems.add(&at.pointer, "a list of full model ids that requests may name");
        return BTreeSet::new();
    };
    items.iter().filter_map(|item| known_id(problems, item, known)).collect()
}

pub(super) fn prices(problems: &mut Problems, at: &At<'_>) -> Vec<PriceOverride> {
    let Some(items) = at.items() else {
        problems.add(&at.pointer, "a list of prices, each with `id`, `from`, `input` and `output`");
        return Vec::new();
    };
    let (mut prices, mut seen) = (Vec::new(), BTreeSet::new());
    for item in &items {
        let Some(price) = price(problems, item) else { continue };
        if !seen.insert((price.id.clone(), price.from)) {
            problems.add(item.child("from"), "a day from which no other price of this id counts: which of the two is meant?");
        }
        prices.push(price);
    }
    prices
}

/// The fields of a price list: the standard tier's, and each other tier's.
const RATES: [&str; 6] = ["input", "output", "cacheRead", "cacheWrite5m", "cacheWrite1h", "longContext"];

fn price(problems: &mut Problems, at: &At<'_>) -> Option<PriceOverride> {
    let known: Vec<&str> = ["id", "from"].into_iter().chain(RATES).chain(["tiers"]).collect();
    if !problems.object(at, &known) {
        return None;
    }
    let id_expected = "the id that is billed";
    let id = problems.required(at, "id", id_expected).and_then(|field| problems.string(&field, id_expected));
    let date_expected = "the first day on which the price counts, as YYYY-MM-DD";
    let from = problems.required(at, "from", date_expected).and_then(|field| {
        let date = field.value.as_str().and_then(|text| text.parse::<Date>().ok());
        if date.is_none() {
            problems.add(field.pointer, date_expected);
        }
        date
    });
    let prices = rates(problems, at);
    let tiers = at.get("tiers").map(|at| tiers(problems, &at)).unwrap_or_default();
    Some(PriceOverride { id: id?.to_owned(), from: from?, prices: prices?, tiers })
}

fn tiers(problems: &mut Problems, at: &At<'_>) -> BTreeMap<ServiceTier, Prices> {
    let words = ServiceTier::WORDS.map(|(word, _)| word);
    let others: Vec<&str> = words.into_iter().filter(|word| *word != ServiceTier::Default.word()).collect();
    if !problems.object(at, &others) {
        return BTreeMap::new();
    }
    let mut found = BTreeMap::new();
    for (word, tier) in ServiceTier::WORDS.into_iter().filter(|(_, tier)| *tier != ServiceTier::Default) {
        let Some(field) = at.get(word) else { continue };
        if problems.object(&field, &RATES)
            && let Some(prices) = rates(problems, &field)
        {
            found.insert(tier, prices);
        }
    }
    found
}

fn rates(problems: &mut Problems, at: &At<'_>) -> Option<Prices> {
    let input = problems.required(at, "input", RATE_EXPECTED).and_then(|field| rate(problems, &field));
    let output = problems.required(at, "output", RATE_EXPECTED).and_then(|field| rate(problems, &field));
    let mut optional = |name| at.get(name).and_then(|field| rate(problems, &field));
    let [cache_read, five_minutes, one_hour] = ["cacheRead", "cacheWrite5m", "cacheWrite1h"].map(&mut optional);
    let long_context = at.get("longContext").map(|field| steps(problems, &field)).unwrap_or_default();
    Some(Prices { cache_read, cache_write_5m: five_minutes, cache_write_1h: one_hour, long_context, ..Prices::flat(input?, output?) })
}

/// The steps for long inputs, in the order of what they begin above.
fn steps(problems: &mut Problems, at: &At<'_>) -> Vec<LongContext> {
    let Some(items) = at.items() else {
        problems.add(&at.pointer, "a list of steps, each with `above` and `input` or `output`");
        return Vec::new();
    };
    let mut found: Vec<LongContext> = Vec::new();
    for item in &items {
        if !problems.object(item, &["above", "input", "output"]) {
            continue;
        }
        let expected = "a whole number of input tokens, larger than that of the step before";
        let above = problems.required(item, "above", expected).and_then(|field| {
            let above = field.value.as_u64().filter(|above| found.last().is_none_or(|last| last.above.0 < *above));
            if above.is_none() {
                problems.add(field.pointer, expected);
            }
            above
        });
        let mut optional = |name| item.get(name).map(|field| rate(problems, &field));
        match (optional("input"), optional("output")) {
            (None, None) => problems.add(&item.pointer, "`input` or `output`, or both"),
            (input, output) => {
                found.extend(above.map(|above| LongContext { above: Tokens(above), input: input.flatten(), output: output.flatten() }));
            }
        }
    }
    found
}

fn rate(problems: &mut Problems, at: &At<'_>) -> Option<Rate> {
    let text = decimal(at);
    let rate = text.as_deref().and_then(Rate::parse_usd_per_million);
    if rate.is_none() {
        problems.add(&at.pointer, RATE_EXPECTED);
    }
    rate
}

/// A decimal as it was written: a number, or a string where exactness matters to the writer.
pub(super) fn decimal(at: &At<'_>) -> Option<String> {
    match at.value {
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::String(text) => Some(text.clone()),
        _ => None,
    }
}
