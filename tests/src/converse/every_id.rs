//! Every id of the shipped catalog, as a policy that lists them all lets requests name them.

use super::{Sampling, Takes, TopK, check_model, policy};
use cost_sentry_core::catalog::{self, Catalog};
use serde_json::json;

/// The ids of the catalog that a request cannot be sent to, and why.
const UNUSABLE: [(&str, &str); 0] = [];

#[tokio::test]
async fn every_id_of_the_catalog_sends_what_its_model_takes_and_nothing_else() {
    let shipped = Catalog::shipped().unwrap();
    let ids: Vec<&str> = shipped.ids().map(catalog::ModelId::as_str).collect();
    assert!(ids.len() > 250, "{}", ids.len());
    let policy = policy(&json!({
        "models": { "any": { "id": "amazon.nova-lite-v1:0" } },
        "modelIds": ids,
        "budgets": [{ "name": "all", "limit": { "requests": 1 }, "window": "day" }],
    }));
    for id in ids.into_iter().filter(|id| UNUSABLE.iter().all(|(unusable, _)| unusable != id)) {
        let found = shipped.capabilities(shipped.underlying(id)).unwrap_or_else(|| panic!("{id}"));
        let sampling = match (found.sampling, found.temperature_with_top_p) {
            (false, _) => Sampling::None,
            (true, true) => Sampling::Both,
            (true, false) => Sampling::TemperatureOnly,
        };
        let top_k = match found.top_k {
            catalog::TopK::Claude => TopK::Claude,
            catalog::TopK::Nova => TopK::Nova,
            catalog::TopK::None => TopK::None,
        };
        check_model(&policy, id, id, Takes { system: found.system_prompt, prefill: found.prefill, sampling, top_k }).await;
    }
}
