//! The stored form of a reservation's model: six texts, most of them empty, since the ids mostly repeat each other.

use cost_sentry_core::model::ResolvedModel;

/// Requested, name, id, billed id, underlying, metric.
pub(super) type StoredModel = (String, String, String, String, String, String);

/// A text that is stored only where it differs from another.
pub(super) fn unless(text: &str, like: &str) -> String {
    if text == like { String::new() } else { text.to_owned() }
}

pub(super) fn like(stored: String, other: &str) -> String {
    if stored.is_empty() { other.to_owned() } else { stored }
}

/// The underlying id is nearly always the end of the billed one: then only how much of that goes before it is stored.
pub(super) fn stored(model: &ResolvedModel) -> StoredModel {
    let underlying = match model.billed_id.strip_suffix(&model.underlying) {
        Some("") => String::new(),
        Some(prefix) => prefix.len().to_string(),
        None => model.underlying.clone(),
    };
    (
        model.requested.clone(),
        unless(&model.name, &model.requested),
        unless(&model.model_id, &model.requested),
        unless(&model.billed_id, &model.model_id),
        underlying,
        unless(&model.model_metric, &model.model_id),
    )
}

/// The model of its stored form; nothing where that is none.
pub(super) fn read((requested, name, model_id, billed_id, underlying, metric): StoredModel) -> Option<ResolvedModel> {
    let name = like(name, &requested);
    let model_id = like(model_id, &requested);
    let billed_id = like(billed_id, &model_id);
    let model_metric = like(metric, &model_id);
    let underlying = match (underlying.as_str(), underlying.parse::<usize>()) {
        ("", _) => billed_id.clone(),
        (_, Ok(cut)) => billed_id.get(cut..)?.to_owned(),
        (whole, Err(_)) => whole.to_owned(),
    };
    Some(ResolvedModel { requested, name, model_id, billed_id, underlying, model_metric })
}
