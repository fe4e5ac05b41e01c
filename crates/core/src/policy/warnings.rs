//! What is allowed, but probably not meant: ways around a budget, and models near their end of life.

use super::crowding::{self, Crowding};
use super::{BUDGETS_PER_REQUEST, InputBound, Policy, Unbudgeted};
use crate::budget::{Budget, Mode, Unit};
use crate::price::ServiceTier;
use crate::problem::Problem;
use crate::tags::TagRule;
use crate::window::WindowSpec;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::collections::{BTreeMap, BTreeSet};

/// How long before its end of life a model is warned of, in days.
const END_OF_LIFE_DAYS: i64 = 90;
/// How many ways around a budget are named; a policy may have thousands of profiles of one model.
const WAYS_NAMED: usize = 10;

/// What one look at the whole policy finds, so that no budget has to be held against all others.
struct Overview<'a> {
    /// The names and ids under which each foundation model is reached.
    ways: BTreeMap<&'a str, Vec<&'a str>>,
    /// How many budgets are enforced.
    enforced: usize,
    /// How many of those name a key in their `match`.
    naming: BTreeMap<&'a str, usize>,
}

impl<'a> Overview<'a> {
    fn of(policy: &'a Policy) -> Self {
        let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let names = policy.models.iter().map(|(name, entry)| (entry.underlying.as_str(), name.as_str()));
        let ids = policy.model_ids.iter().map(|id| (policy.catalog().underlying(id), id.as_str()));
        for (underlying, way) in names.chain(ids) {
            ways.entry(underlying).or_default().push(way);
        }
        let enforced = policy.budgets.iter().filter(|budget| budget.mode == Mode::Enforce);
        let mut naming: BTreeMap<&str, usize> = BTreeMap::new();
        for key in enforced.clone().flat_map(|budget| budget.matching.keys()) {
            *naming.entry(key).or_default() += 1;
        }
        Self { ways, enforced: enforced.count(), naming }
    }

    /// The names and ids other than these under which the models of these are reached, as a readable list; nothing where there are none.
    fn other_ways(&self, policy: &'a Policy, names: &'a BTreeSet<String>) -> Option<String> {
        let behind = |name: &'a String| {
            let by_name = policy.models.get(name).map(|entry| entry.underlying.as_str());
            by_name.or_else(|| policy.model_ids.get(name).map(|id| policy.catalog().underlying(id)))
        };
        let own: Vec<&str> = names.iter().filter_map(behind).collect();
        let underlying: BTreeSet<&str> = own.iter().copied().collect();
        let ways = underlying.iter().filter_map(|underlying| self.ways.get(underlying));
        let all: usize = ways.clone().map(Vec::len).sum();
        let others = all.saturating_sub(own.len());
        let shown: Vec<&str> = ways.flatten().copied().filter(|way| !names.contains(*way)).take(WAYS_NAMED).collect();
        match others.saturating_sub(shown.len()) {
            _ if shown.is_empty() => None,
            0 => Some(crate::problem::list(&shown)),
            more => Some(format!("`{}` and {more} more", shown.join("`, `"))),
        }
    }

    /// Whether an enforced budget counts whatever the value of this key is.
    fn is_covered_without(&self, key: &str) -> bool {
        self.naming.get(key).copied().unwrap_or_default() < self.enforced
    }
}

impl Policy {
    /// Everything that is worth a second look, each with its place in the document; `now` decides what is over, or near its end.
    pub fn warnings(&self, now: Timestamp) -> Vec<Problem> {
        let mut warnings = Vec::new();
        self.warn_of_end_of_life(now.to_zoned(TimeZone::UTC).date(), &mut warnings);
        self.warn_of_shared_models(&mut warnings);
        self.warn_of_unpriced_tiers(now, &mut warnings);
        if self.rules.input_bound == InputBound::Heuristic {
            let says = "an estimate, no bound: a call may use more than was held for it, and so pass a limit; what it uses is charged all the same, and counted as overage";
            warnings.push(warning("/requests/inputBound", says));
        }
        warnings.extend(self.crowding());
        let overview = Overview::of(self);
        for (i, budget) in self.budgets.iter().enumerate() {
            self.warn_of_ways_around(&format!("/budgets/{i}"), budget, &overview, &mut warnings);
            if let WindowSpec::Period(span) = &budget.window
                && span.end <= now
            {
                warnings.push(warning(&format!("/budgets/{i}/period"), "the period is over: the budget applies to nothing any more"));
            }
            for (j, _) in budget.increases.iter().enumerate().filter(|(_, increase)| increase.until <= now) {
                warnings.push(warning(&format!("/budgets/{i}/increases/{j}"), "the increase is over: it adds nothing any more"));
            }
        }
        let billed: BTreeSet<&str> = self.models.values().map(|entry| entry.billed_id.as_str()).collect();
        for (i, price) in self.prices.iter().enumerate() {
            if !billed.contains(price.id.as_str()) && !self.model_ids.contains(&price.id) {
                warnings.push(warning(
                    &format!("/prices/{i}/id"),
                    "no model of this policy is billed under this id: the price changes nothing",
                ));
            }
        }
        if !self.budgets.iter().any(|budget| budget.mode == Mode::Enforce) {
            warnings.push(warning("/budgets", "no budget is enforced: every request is refused, or with `unbudgeted: allow` none is"));
        }
        warnings
    }

    fn warn_of_end_of_life(&self, today: Date, warnings: &mut Vec<Problem>) {
        let soon = today.saturating_add(END_OF_LIFE_DAYS.days());
        for (name, entry) in &self.models {
            let Some(end) = self.capabilities(&entry.underlying).and_then(|found| found.end_of_life) else { continue };
            let says = match () {
                () if end <= today => format!("the model's end of life was {end}: calls may fail"),
                () if end <= soon => format!("the model's end of life is {end}"),
                () => continue,
            };
            warnings.push(warning(&format!("/models/{name}"), &says));
        }
    }

    /// A tier without a price fails closed wherever dollars count.
    fn warn_of_unpriced_tiers(&self, now: Timestamp, warnings: &mut Vec<Problem>) {
        for (name, entry) in &self.models {
            let tier = entry.service_tier.unwrap_or(ServiceTier::Default);
            let may_meet = |budget: &&Budget| {
                let values = [("model", name), ("modelId", &entry.model_id), ("underlying", &entry.underlying)];
                let meets = |(key, value): (&str, &String)| budget.matching.get(key).is_none_or(|wanted| wanted.contains(value));
                budget.mode == Mode::Enforce && budget.limits.iter().any(|limit| limit.unit == Unit::Usd) && values.into_iter().all(meets)
            };
            let budget = self.budgets.iter().find(may_meet);
            if let (Some(budget), None) = (budget, self.prices_in(&entry.billed_id, entry.service_tier, now)) {
                let says = format!(
                    "no price is known in the service tier `{}`: every request that budget `{}` applies to is refused until `prices` states one",
                    tier.word(),
                    budget.name
                );
                let at = if entry.service_tier.is_some() { "/serviceTier" } else { "" };
                warnings.push(warning(&format!("/models/{name}{at}"), &says));
            }
        }
    }

    /// A request on which more budgets meet than it can hold on, if there may be one.
    fn crowding(&self) -> Option<Problem> {
        let says = match crowding::search(self) {
            Crowding::None => return None,
            Crowding::Found { model, tags, count } => {
                let model = format!("model `{model}`");
                let tags = tags.iter().map(|(key, value)| format!("{key} `{value}`"));
                let request = std::iter::once(model).chain(tags).collect::<Vec<_>>().join(" and ");
                format!("{count} budgets apply to a request with {request}, and at most {BUDGETS_PER_REQUEST} can: it would be refused")
            }
            Crowding::Unknown => {
                format!(
                    "too many combinations to tell whether more than {BUDGETS_PER_REQUEST} budgets meet on one: such a request is refused"
                )
            }
        };
        Some(warning("/budgets", &says))
    }

    /// Two names for one model: a budget on one of them does not count calls through the other.
    fn warn_of_shared_models(&self, warnings: &mut Vec<Problem>) {
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, entry) in &self.models {
            let twin = *first.entry(&entry.model_id).or_insert(name);
            if twin != name {
                let says = format!("calls the same id as `{twin}`; a request that names the id counts as `{twin}`");
                warnings.push(warning(&format!("/models/{name}"), &says));
            }
        }
    }

    fn warn_of_ways_around<'a>(&'a self, pointer: &str, budget: &'a Budget, overview: &Overview<'a>, warnings: &mut Vec<Problem>) {
        if budget.mode == Mode::Shadow {
            return;
        }
        if let Some(names) = budget.matching.get("model")
            && let Some(ways) = overview.other_ways(self, names)
        {
            let says = format!("the same model is reached without this budget as {ways}; match `underlying` to count it all");
            warnings.push(warning(&format!("{pointer}/match/model"), &says));
        }
        for key in budget.matching.keys().filter(|key| !crate::budget::Subject::MODEL_KEYS.contains(&key.as_str())) {
            let is_required = key == crate::tags::APPLICATION_ID;
            let others_cover = overview.is_covered_without(key);
            let open = !matches!(self.tags.get(key), Some(TagRule::Listed { .. }));
            let uncovered_passes = self.rules.unbudgeted == Unbudgeted::Allow;
            if (others_cover || uncovered_passes) && (open || !is_required) {
                let escapes = if others_cover { "is held to other budgets only" } else { "may be held to no budget at all" };
                let says = format!("a request with another `{key}`, or without it, {escapes}: pin the tag, or map it to a profile");
                let key = key.replace('~', "~0").replace('/', "~1");
                warnings.push(warning(&format!("{pointer}/match/{key}"), &says));
            }
        }
    }
}

fn warning(pointer: &str, says: &str) -> Problem {
    Problem { pointer: pointer.to_owned(), expected: says.to_owned() }
}
