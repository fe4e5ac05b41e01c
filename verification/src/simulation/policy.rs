//! Policies of a world: drawn, replaced midway, and read by a second pair of eyes: which budgets a request falls on is worked out here
//! from what was drawn, not by the code under test.

use super::chance::Chance;
use super::requests::Asked;
use serde_json::{Value, json};

/// A model of every world: its name, id, and prices in pico-dollars a token for input, output, cache reads and cache writes.
pub struct ModelDrawn {
    /// In the catalog of the policy.
    pub name: &'static str,
    /// What is called and billed.
    pub id: &'static str,
    /// Whether Bedrock counts tokens for it.
    pub counts: bool,
    /// Input, output, cache read, cache write: pico-dollars a token.
    pub rates: [u64; 4],
}

/// The models; two of them are dear, so that dollars and tokens do not run out together.
pub const MODELS: [ModelDrawn; 4] = [
    ModelDrawn { name: "quick", id: "amazon.nova-micro-v1:0", counts: false, rates: [35_000, 140_001, 8_750, 35_000] },
    ModelDrawn {
        name: "fair",
        id: "us.anthropic.claude-3-5-haiku-20241022-v1:0",
        counts: false,
        rates: [800_000, 4_000_000, 80_000, 1_000_000],
    },
    ModelDrawn {
        name: "counted",
        id: "anthropic.claude-haiku-4-5-20251001-v1:0",
        counts: true,
        rates: [1_000_003, 5_000_007, 100_001, 1_250_001],
    },
    ModelDrawn {
        name: "dear",
        id: "anthropic.claude-3-haiku-20240307-v1:0",
        counts: false,
        rates: [15_000_000, 75_000_000, 1_500_000, 18_750_000],
    },
];

/// The applications, cost centres and environments that requests name.
pub const TAGS: [(&str, &[&str]); 3] = [
    ("applicationId", &["search", "chat", "docs", "batch"]),
    ("costCenter", &["sales", "services", "support"]),
    ("environment", &["production", "staging", "dev"]),
];

/// A unit's word in the policy.
pub type UnitWord = &'static str;

/// One budget, as drawn.
#[derive(Debug, Clone)]
pub struct BudgetDrawn {
    /// Its name, which is also its id.
    pub name: String,
    /// Units and amounts; dollars in nano-dollars.
    pub limits: Vec<(UnitWord, u64)>,
    /// `minute`, `hour`, `day`, `week`, `month` or `period`, with what else the window says.
    pub window: Value,
    /// The tag or `model`, and the value that it must have.
    pub matching: Option<(&'static str, String)>,
    /// One counter per value of this key.
    pub per: Option<&'static str>,
    /// Whether it only counts.
    pub shadow: bool,
    /// How many items each of its counters is spread over.
    pub shards: u8,
}

/// A policy, as drawn.
#[derive(Debug, Clone)]
pub struct PolicyDrawn {
    /// Its budgets, in order.
    pub budgets: Vec<BudgetDrawn>,
    /// Whether a refused request has its input counted.
    pub refine: bool,
    /// Whether requests without an enforced budget are called.
    pub unbudgeted: bool,
}

const UNITS: [UnitWord; 5] = ["usd", "tokens", "inputTokens", "outputTokens", "requests"];

impl PolicyDrawn {
    /// Draws a policy for so many executions, with windows around the instant of an edge.
    pub fn draw(chance: &Chance, executions: u64, edge: jiff::Timestamp) -> Self {
        let count = chance.number(1..=6);
        let mut budgets: Vec<BudgetDrawn> = (0..count).map(|nth| BudgetDrawn::draw(chance, nth, executions, edge)).collect();
        // Most worlds have a budget around everything; the others find out what becomes of requests without one.
        if !chance.one_in(8)
            && let Some(first) = budgets.first_mut()
        {
            (first.matching, first.shadow) = (None, false);
        }
        Self { budgets, refine: !chance.one_in(4), unbudgeted: chance.one_in(8) }
    }

    /// The same with some limits, and perhaps a mode, changed.
    #[must_use]
    pub fn replaced(&self, chance: &Chance) -> Self {
        let mut next = self.clone();
        for budget in &mut next.budgets {
            for (_, amount) in &mut budget.limits {
                if chance.one_in(2) {
                    *amount = (*amount / 100 * chance.number(30..=300)).max(1);
                }
            }
        }
        if chance.one_in(3)
            && let Some(budget) = next.budgets.last_mut().filter(|budget| budget.matching.is_some())
        {
            budget.shadow = !budget.shadow;
        }
        if chance.one_in(4) && next.budgets.len() > 1 {
            let index = chance.index(next.budgets.len() - 1);
            next.budgets.swap(index, index + 1);
        }
        next
    }

    /// The document as a policy file would say it.
    pub fn document(&self) -> Value {
        let price = |model: &ModelDrawn| {
            let [input, output, read, write] = model.rates.map(decimal_of_rate);
            json!({ "id": model.id, "from": "2020-01-01", "input": input, "output": output, "cacheRead": read, "cacheWrite5m": write })
        };
        json!({
            "tags": TAGS.iter().map(|(name, values)| ((*name).to_owned(), json!({ "allow": values }))).collect::<serde_json::Map<_, _>>(),
            "models": MODELS.iter().map(|model| (model.name.to_owned(), json!({ "id": model.id }))).collect::<serde_json::Map<_, _>>(),
            "prices": MODELS.iter().map(price).collect::<Vec<_>>(),
            "requests": {
                "inputBound": if self.refine { "refine" } else { "bytes" },
                "unbudgeted": if self.unbudgeted { "allow" } else { "deny" },
            },
            "budgets": self.budgets.iter().map(BudgetDrawn::document).collect::<Vec<_>>(),
        })
    }
}

impl BudgetDrawn {
    fn draw(chance: &Chance, nth: u64, executions: u64, edge: jiff::Timestamp) -> Self {
        let mut units = UNITS.to_vec();
        let limits = (0..chance.number(1..=2)).map(|_| units.swap_remove(chance.index(units.len()))).collect::<Vec<_>>();
        let matching = chance.one_in(3).then(|| key_and_value(chance)).flatten();
        let per = chance.one_in(3).then(|| chance.pick(&["applicationId", "costCenter", "model"]).copied()).flatten();
        // How much of what is wanted the budget has room for: a twentieth to twice as much.
        let share = chance.number(5..=200);
        let wanted = executions / if per.is_some() || matching.is_some() { 4 } else { 1 } + 1;
        let limit = |unit: UnitWord| {
            // What an average request holds.
            let each = match unit {
                "usd" => 6_000_000,
                "tokens" => 1_400,
                "inputTokens" => 500,
                "outputTokens" => 900,
                _ => 1,
            };
            (unit, (wanted * each * share / 100).max(1))
        };
        let limits: Vec<_> = limits.into_iter().map(limit).collect();
        // As chance has it without being asked again.
        let shards = match limits.first().map_or(0, |(_, amount)| amount % 7) {
            0 => 2,
            1 => 3,
            2 => 5,
            _ => 1,
        };
        Self { name: format!("b{nth}"), limits, window: window(chance, edge), matching, per, shadow: chance.one_in(5), shards }
    }

    fn document(&self) -> Value {
        let limits = self.limits.iter().map(|(unit, amount)| {
            let amount = if *unit == "usd" { json!(decimal(*amount, 9)) } else { json!(amount) };
            ((*unit).to_owned(), amount)
        });
        let mut document = self.window.as_object().cloned().unwrap_or_default();
        let mut say = |name: &str, value: Value| document.insert(name.to_owned(), value);
        say("name", json!(self.name));
        say("limit", Value::Object(limits.collect()));
        if let Some((key, value)) = &self.matching {
            say("match", json!({ *key: value }));
        }
        if let Some(key) = self.per {
            say("per", json!([key]));
        }
        if self.shadow {
            say("mode", json!("shadow"));
        }
        if self.shards > 1 {
            say("shards", json!(self.shards));
        }
        Value::Object(document)
    }

    /// Whether a request falls on the budget at that time.
    pub fn applies(&self, asked: &Asked, at: jiff::Timestamp) -> bool {
        let matches = self.matching.as_ref().is_none_or(|(key, value)| asked.value(key) == Some(value.as_str()));
        matches && self.period().is_none_or(|(from, until)| (from..until).contains(&at))
    }

    /// The counter's scope for a request.
    pub fn scope(&self, asked: &Asked) -> String {
        self.per.map_or_else(String::new, |key| format!("{key}={}", asked.value(key).unwrap_or_default()))
    }

    /// The amount of a unit's limit.
    pub fn limit(&self, unit: &str) -> Option<u64> {
        self.limits.iter().find(|(known, _)| *known == unit).map(|(_, amount)| *amount)
    }

    fn period(&self) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
        let period = self.window.get("period")?;
        let instant = |name: &str| period.get(name)?.as_str()?.parse().ok();
        Some((instant("from")?, instant("until")?))
    }

    /// Seconds of a window that needs no calendar; nothing where it does.
    pub fn plain_seconds(&self) -> Option<i64> {
        if self.window.get("timeZone").is_some() {
            return None;
        }
        match self.window.get("window")?.as_str()? {
            "minute" => Some(60),
            "hour" => Some(3_600),
            "day" => Some(86_400),
            _ => None,
        }
    }
}

fn key_and_value(chance: &Chance) -> Option<(&'static str, String)> {
    if chance.one_in(2) {
        return chance.pick(&MODELS).map(|model| ("model", model.name.to_owned()));
    }
    let (name, values) = chance.pick(&TAGS)?;
    Some((name, (*chance.pick(values)?).to_owned()))
}

fn window(chance: &Chance, edge: jiff::Timestamp) -> Value {
    let zone = chance.pick(&["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]).copied().unwrap_or("UTC");
    match chance.number(0..=11) {
        0..=2 => json!({ "window": "minute" }),
        3 | 4 => json!({ "window": "hour" }),
        5 | 6 => json!({ "window": "day" }),
        7 => json!({ "window": "day", "timeZone": zone }),
        8 => json!({ "window": "week", "resetDay": "sunday" }),
        9 => json!({ "window": "month", "resetDay": chance.number(28..=31) }),
        10 => json!({ "window": "month", "timeZone": zone }),
        _ => {
            let around = |seconds: i64| edge.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(edge).to_string();
            let (before, after) = (chance.number(60..=4_000).cast_signed(), chance.number(1..=4_000).cast_signed());
            json!({ "period": { "from": around(-before), "until": around(after) } })
        }
    }
}

/// Dollars per million tokens, from pico-dollars a token.
fn decimal_of_rate(rate: u64) -> String {
    decimal(rate, 6)
}

/// A number of so many decimals as text.
fn decimal(amount: u64, decimals: u32) -> String {
    let scale = 10u64.pow(decimals);
    format!("{}.{:0width$}", amount / scale, amount % scale, width = decimals as usize)
}
