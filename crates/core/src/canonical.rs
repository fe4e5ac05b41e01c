//! One text for one content: objects in the order of their keys, whichever order the build's `serde_json` keeps.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The first `bytes` bytes of the content's SHA-256, in hexadecimal digits.
pub fn digest(value: &Value, bytes: usize) -> String {
    let hash = Sha256::digest(sorted(value).to_string().as_bytes());
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).filter_map(|digit| char::from_digit(digit.into(), 16));
    digits.take(2 * bytes).collect()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            fields.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        scalar => scalar.clone(),
    }
}
