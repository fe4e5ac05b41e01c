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

/// How long before its end of life a model is warned of, in days.
const END_OF_LIFE_DAYS: i64 = 90;

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
        for (i, budget) in self.budgets.iter().enumerate() {
            self.warn_of_ways_around(&format!("/budgets/{i}"), budget, &mut warnings);
            if let WindowSpec::Period(span) = &budget.window
                && span.end <= now
            {
                warnings.push(warning(&format!("/budgets/{i}/period"), "the period is over: the budget applies to nothing any more"));
            }
            for (j, _) in budget.increases.iter().enumerate().filter(|(_, increase)| increase.until <= now) {
                warnings.push(warning(&format!("/budgets/{i}/increases/{j}"), "the increase is over: it adds nothing any more"));
            }
        }
        for (i, price) in self.prices.iter().enumerate() {
            if !self.models.values().any(|entry| entry.billed_id == price.id) && !self.model_ids.contains(&price.id) {
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
        for (name, entry) in &self.models {
            let twin = self.models.range::<String, _>(..name).find(|(_, other)| other.model_id == entry.model_id);
            if let Some((twin, _)) = twin {
                let says = format!("calls the same id as `{twin}`; a request that names the id counts as `{twin}`");
                warnings.push(warning(&format!("/models/{name}"), &says));
            }
        }
    }

    fn warn_of_ways_around(&self, pointer: &str, budget: &Budget, warnings: &mut Vec<Problem>) {
        if budget.mode == Mode::Shadow {
            return;
        }
        if let Some(names) = budget.matching.get("model") {
            let counted =
                |underlying: &str| names.iter().any(|name| self.models.get(name).is_some_and(|entry| entry.underlying == underlying));
            let other_names = self.models.iter().filter(|(name, entry)| !names.contains(*name) && counted(&entry.underlying));
            let other_ids = self.model_ids.iter().filter(|id| counted(self.catalog().underlying(id)));
            let ways: Vec<&str> = other_names.map(|(name, _)| name.as_str()).chain(other_ids.map(String::as_str)).collect();
            if !ways.is_empty() {
                let says = format!(
                    "the same model is reached without this budget as {}; match `underlying` to count it all",
                    crate::problem::list(&ways)
                );
                warnings.push(warning(&format!("{pointer}/match/model"), &says));
            }
        }
        for key in budget.matching.keys().filter(|key| !crate::budget::Subject::MODEL_KEYS.contains(&key.as_str())) {
            let is_required = key == crate::tags::APPLICATION_ID;
            let others_cover =
                self.budgets.iter().any(|other| other.id != budget.id && other.mode == Mode::Enforce && !other.matching.contains_key(key));
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
