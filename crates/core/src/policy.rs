//! The policy: tag rules, the catalog of models, request rules, price overrides and budgets, compiled from one reviewed document.
//!
//! [`Policy::parse`] takes the document as JSON (the tool reads the YAML) and names every problem at once.

mod budgets;
mod carried;
mod crowding;
mod definition;
mod increases;
mod models;
mod sections;
mod succession;
mod warnings;

pub use models::{ModelEntry, PriceOverride};
pub use sections::{InputBound, RefusedParameters, Rules, Unbudgeted};
pub use succession::{Change, Counts, Succession};

use crate::budget::Budgets;
use crate::catalog::{Capabilities, Catalog};
use crate::model::ResolvedModel;
use crate::price::{Prices, ServiceTier};
use crate::problem::{At, Problems, child};
use crate::tags::TagRule;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most budgets that may apply to one request: its reservation and their counters go into one DynamoDB transaction.
pub const BUDGETS_PER_REQUEST: usize = 20;

const SECTIONS: [&str; 6] = ["tags", "models", "modelIds", "requests", "prices", "budgets"];

/// A compiled policy: checked, immutable, known by its version.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Made from the content of the stored document: the same document has the same version.
    pub version: String,
    /// Made from the content of the reviewed document alone: tells whether the same file is applied again.
    pub reviewed: String,
    /// What each tag may be.
    pub tags: BTreeMap<String, TagRule>,
    /// The models by their catalog names.
    pub models: BTreeMap<String, ModelEntry>,
    /// Full ids that requests may name besides those of `models`.
    pub model_ids: BTreeSet<String>,
    /// What requests may ask for.
    pub rules: Rules,
    /// Prices that replace the shipped ones from a date on.
    pub prices: Vec<PriceOverride>,
    /// The budgets, in the document's order.
    pub budgets: Budgets,
    /// The first of the names that call an id, for requests that name the id.
    name_of_id: BTreeMap<String, String>,
    catalog: &'static Catalog,
}

impl Policy {
    /// Compiles a policy as it is stored: the reviewed document, and what [`Policy::succeed`] wrote beside it.
    pub fn parse_stored(stored: &Value, catalog: &'static Catalog) -> Result<Self, Problems> {
        let mut policy = Self::parse(&carried::reviewed(stored), catalog)?;
        let mut problems = Problems::default();
        if let Some(at) = At::root(stored).get(carried::SECTION) {
            policy.budgets.change(|budgets| carried::read(&mut problems, &at, budgets));
        }
        policy.version = version(stored);
        if problems.is_empty() { Ok(policy) } else { Err(problems) }
    }

    /// Compiles a policy document as people write it, or says everything that is wrong with it.
    pub fn parse(document: &Value, catalog: &'static Catalog) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let root = At::root(document);
        if !problems.object(&root, &SECTIONS) {
            return Err(problems);
        }
        let tags = root.get("tags").map(|at| sections::tags(&mut problems, &at)).unwrap_or_default();
        let prices = root.get("prices").map(|at| models::prices(&mut problems, &at)).unwrap_or_default();
        let known = models::Known { catalog, prices: &prices };
        let models = match problems.required(&root, "models", "an object of models by name") {
            Some(at) => models::parse(&mut problems, &at, known),
            None => BTreeMap::new(),
        };
        let model_ids = root.get("modelIds").map(|at| models::ids(&mut problems, &at, known)).unwrap_or_default();
        let rules = root.get("requests").map(|at| sections::rules(&mut problems, &at)).unwrap_or_default();
        check_profile_tags(&mut problems, &models, &tags);
        let budgets = match problems.required(&root, "budgets", "a list of budgets") {
            Some(at) => budgets::parse(&mut problems, &at, budgets::Names { tags: &tags, models: &models, model_ids: &model_ids, catalog }),
            None => Vec::new(),
        };
        let name_of_id = models.iter().rev().map(|(name, entry)| (entry.model_id.clone(), name.clone())).collect();
        let budgets = budgets.into();
        let version = version(document);
        let policy = Self { reviewed: version.clone(), version, tags, models, model_ids, rules, prices, budgets, name_of_id, catalog };
        if problems.is_empty() { Ok(policy) } else { Err(problems) }
    }

    /// The model that a request means, and the tags that go with it; nothing where the policy does not allow it.
    pub fn resolve(&self, requested: &str) -> Option<(ResolvedModel, Option<&ModelEntry>)> {
        let by_name = self.models.get_key_value(requested);
        let found = by_name.or_else(|| self.models.get_key_value(self.name_of_id.get(requested)?));
        if let Some((name, entry)) = found {
            let model = ResolvedModel {
                requested: requested.to_owned(),
                name: name.clone(),
                model_id: entry.model_id.clone(),
                billed_id: entry.billed_id.clone(),
                underlying: entry.underlying.clone(),
                model_metric: entry.model_metric.clone(),
            };
            return Some((model, Some(entry)));
        }
        let id = self.model_ids.get(requested)?;
        let model = ResolvedModel {
            requested: requested.to_owned(),
            name: id.clone(),
            model_id: id.clone(),
            billed_id: id.clone(),
            underlying: self.catalog.underlying(id).to_owned(),
            model_metric: id.clone(),
        };
        Some((model, None))
    }

    /// What tokens cost for a billed id at that time, where no service tier is named.
    pub fn prices_at(&self, billed_id: &str, now: Timestamp) -> Option<Prices> {
        self.prices_in(billed_id, None, now)
    }

    /// What tokens cost for a billed id in a service tier at that time: the newest override that counts by then, else the shipped
    /// price. An override speaks for the tiers that it states, and for those that are billed as standard.
    pub fn prices_in(&self, billed_id: &str, tier: Option<ServiceTier>, now: Timestamp) -> Option<Prices> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let overrides = self.prices.iter().filter(|price| price.id == billed_id && price.from <= today);
        let wanted = tier.unwrap_or_default();
        let prices = match overrides.max_by_key(|price| price.from) {
            Some(found) => found.prices_in(wanted).cloned(),
            None => self.catalog.prices_in(billed_id, wanted),
        };
        prices.map(|prices| Prices { tier, ..prices })
    }

    /// What the foundation model behind an id can do.
    pub fn capabilities(&self, underlying: &str) -> Option<Capabilities> {
        self.catalog.capabilities(underlying).or_else(|| self.catalog.presumed_capabilities(underlying))
    }

    /// The shipped catalog that the policy was compiled against.
    pub fn catalog(&self) -> &'static Catalog {
        self.catalog
    }
}

/// A profile's tag that its list does not allow would make every request to the model invalid.
fn check_profile_tags(problems: &mut Problems, models: &BTreeMap<String, ModelEntry>, rules: &BTreeMap<String, TagRule>) {
    for (name, entry) in models {
        for (tag, value) in &entry.tags {
            if rules.get(tag).is_some_and(|rule| rule.accept(value).is_none()) {
                problems.add(child(&(child("/models", name) + "/tags"), tag), "a value that `tags` lists for this tag");
            }
        }
    }
}

/// Sixteen hexadecimal digits of the content's hash: objects in the order of their keys, so that formatting and comments do not count.
fn version(document: &Value) -> String {
    crate::canonical::digest(document, 8)
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "succession_tests.rs"]
mod succession_tests;

#[cfg(test)]
#[path = "crowding_tests.rs"]
mod crowding_tests;
