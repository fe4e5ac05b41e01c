//! Policies of any size of which the same number of budgets applies to each request.

use serde_json::{Value, json};

/// Budgets of these policies that everybody shares.
pub const SHARED: usize = 4;
/// Budgets of each team.
pub const PER_TEAM: usize = 2;

/// How many teams a policy of so many budgets has.
pub fn teams(budgets: usize) -> usize {
    budgets.saturating_sub(SHARED) / PER_TEAM
}

/// A policy of so many budgets: four that apply to every request, and two for each team.
pub fn policy(budgets: usize) -> Value {
    let teams = teams(budgets);
    let mut list = vec![
        json!({ "name": "org-month", "limit": { "usd": 5_000_000 }, "window": "month" }),
        json!({ "name": "production-day", "limit": { "tokens": 2_000_000_000 }, "window": "day", "match": { "environment": "production" } }),
        json!({ "name": "haiku-hour", "limit": { "requests": 10_000_000 }, "window": "hour", "match": { "model": "haiku" } }),
        json!({ "name": "each-team-day", "limit": { "requests": 10_000_000 }, "window": "day", "per": ["costCenter"] }),
    ];
    for team in 0..teams {
        let name = team_name(team);
        list.push(json!({
            "name": format!("{name}-month"), "limit": { "usd": 100_000 }, "window": "month", "match": { "costCenter": name },
        }));
        list.push(json!({
            "name": format!("{name}-production-day"), "limit": { "tokens": 100_000_000 }, "window": "day", "timeZone": "Europe/Berlin",
            "match": { "costCenter": name, "environment": "production" },
        }));
    }
    json!({
        "tags": {
            "environment": { "allow": ["production", "staging"] },
            "costCenter": { "allow": (0..teams).map(team_name).collect::<Vec<_>>() },
        },
        "models": { "haiku": { "id": "us.anthropic.claude-haiku-4-5-20251001-v1:0" } },
        "budgets": list,
    })
}

/// A request of a team; six budgets apply to it.
pub fn request(team: usize) -> Value {
    json!({
        "model": "haiku",
        "prompt": {
            "messages": [{ "role": "user", "content": "Explain the benefits of using S3 using only 100 words." }],
            "parameters": { "max_tokens": 400 },
        },
        "tags": { "applicationId": "docs", "costCenter": team_name(team), "environment": "production" },
    })
}

fn team_name(team: usize) -> String {
    format!("team-{team}")
}
