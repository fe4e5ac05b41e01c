//! The catalog: what each model costs and what it accepts, read from the data files that ship with this crate.
//!
//! Invariant: an id decides nothing by its spelling in code; what holds for a family of ids stands in `data/`, and a row there
//! is all it takes to change it. Where the data is silent, the catalog names the dearer price.

mod capabilities;
mod data;
mod model_id;
#[cfg(test)]
mod tests;

pub use capabilities::{Capabilities, MAX_TEMPERATURE, MAX_TOP_P, TopK};
pub use data::CatalogError;
pub use model_id::{ModelId, NotAModelId};

pub use crate::price::Caching;
use crate::price::{Prices, ServiceTier};
use crate::quantity::Rate;
use data::{FamilyRow, PrefixRow, PriceRow};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Prices and capabilities by model id.
#[derive(Debug)]
pub struct Catalog {
    prices: BTreeMap<ModelId, PriceRow>,
    /// The longest prefix first.
    families: Vec<FamilyRow>,
    prefixes: Vec<PrefixRow>,
}

impl Catalog {
    /// The catalog that ships with this crate, read once.
    pub fn shipped() -> Result<&'static Self, &'static CatalogError> {
        static SHIPPED: OnceLock<Result<Catalog, CatalogError>> = OnceLock::new();
        SHIPPED
            .get_or_init(|| {
                Self::parse(
                    include_str!("../data/bedrock-models.csv"),
                    include_str!("../data/model-families.csv"),
                    include_str!("../data/profile-prefixes.csv"),
                )
            })
            .as_ref()
    }

    /// Reads the three files' texts; `data/README.md` describes their columns.
    pub fn parse(prices: &str, families: &str, prefixes: &str) -> Result<Self, CatalogError> {
        Ok(Self { prices: data::prices(prices)?, families: data::families(families)?, prefixes: data::prefixes(prefixes)? })
    }

    /// What is billed for calls of this id (a foundation model's, or a system profile's with its prefix); `None` for a model
    /// that the catalog does not know.
    ///
    /// An id of a known model that has no row of its own gets the dearest prices known for that model, which are raised where
    /// its prefix stands for a dearer partition: no cheaper than the truth, as far as the data goes.
    pub fn prices(&self, billed_id: &str) -> Option<Prices> {
        self.prices_in(billed_id, ServiceTier::Default)
    }

    /// The same in a service tier; `None` too where the model has no price in it.
    pub fn prices_in(&self, billed_id: &str, tier: ServiceTier) -> Option<Prices> {
        let underlying = self.underlying(billed_id);
        if let Some(row) = self.prices.get(billed_id) {
            return self.listed(row, underlying, tier);
        }
        let listed = self.rows_of(underlying).filter_map(|row| self.listed(row, underlying, tier));
        let dearest = listed.max_by_key(|prices| (prices.output, prices.input))?;
        let raise = self.split(billed_id).map_or(0, |(prefix, _)| prefix.unlisted_surcharge_percent);
        Some(dearest.raised(raise))
    }

    /// A row's prices, as billed: the price map gives some bare ids the price of the `global` profile, where a call inside one
    /// region costs more.
    fn listed(&self, row: &PriceRow, underlying: &str, tier: ServiceTier) -> Option<Prices> {
        let family = self.family(underlying);
        let mut prices = row.prices_in(tier)?;
        if prices.cache_write_5m.is_none() && family.is_some_and(|family| family.cache_writes_free.is_yes()) {
            prices.cache_write_5m = Some(Rate(0));
        }
        let is_bare = row.model_id.as_str() == underlying;
        Some(prices.raised(family.filter(|_| is_bare).map_or(0, |family| family.bare_surcharge_percent)))
    }

    /// What a model accepts, by its underlying id; `None` for one that the catalog does not know.
    pub fn capabilities(&self, underlying: &str) -> Option<Capabilities> {
        let row = self.prices.get(underlying).or_else(|| self.rows_of(underlying).next())?;
        let largest_input = self.rows_of(underlying).filter_map(|row| row.max_in).max();
        Some(self.presumed_capabilities(underlying)?.stated_by(row, largest_input))
    }

    /// What a model that the catalog does not know presumably accepts, from what its id begins with: no limits are known. For a
    /// model newer than the catalog, whose price a policy states itself.
    pub fn presumed_capabilities(&self, underlying: &str) -> Option<Capabilities> {
        self.family(underlying).map(|family| Capabilities::of_family(underlying, family))
    }

    /// The model behind an id: the id without its system-profile prefix if the rest is a known model, else the id as it is.
    pub fn underlying<'a>(&self, id: &'a str) -> &'a str {
        self.split(id).map(|(_, rest)| rest).filter(|rest| self.rows_of(rest).next().is_some()).unwrap_or(id)
    }

    /// The ids that have a price of their own, in order.
    pub fn ids(&self) -> impl Iterator<Item = &ModelId> {
        self.prices.keys()
    }

    /// A system profile's prefix and the rest of its id.
    fn split<'a>(&self, id: &'a str) -> Option<(&PrefixRow, &'a str)> {
        let (first, rest) = id.split_once('.')?;
        self.prefixes.iter().find(|row| row.prefix == first).map(|row| (row, rest))
    }

    /// The rows of a model: its own and those of its system profiles.
    fn rows_of(&self, underlying: &str) -> impl Iterator<Item = &PriceRow> {
        self.prices.values().filter(move |row| {
            let id = row.model_id.as_str();
            self.split(id).map_or(id, |(_, rest)| rest) == underlying
        })
    }

    /// What holds for the ids that begin like this one.
    fn family(&self, underlying: &str) -> Option<&FamilyRow> {
        self.families.iter().find(|row| row.id_prefix.matches(underlying))
    }
}
