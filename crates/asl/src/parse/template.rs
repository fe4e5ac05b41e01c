//! Payload templates: a Task's `Parameters`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::kind;
use super::reader::Reader;
use crate::machine::Template;
use crate::path::Path;
use crate::problem::join;

/// Reads a template, which the specification wants to be an object.
pub(super) fn read(value: &Value, pointer: &str, reader: &mut Reader) -> Template {
    if !value.is_object() {
        reader.report(pointer, format!("`Parameters` must be an object, not {}", kind(value)));
    }
    node(value, pointer, reader)
}

fn node(value: &Value, pointer: &str, reader: &mut Reader) -> Template {
    match value {
        Value::Object(map) => {
            let mut fields = BTreeMap::new();
            for (key, value) in map {
                let at = join(pointer, key);
                let (name, field) = match key.strip_suffix(".$") {
                    Some(name) => (name, path(key, value, &at, reader)),
                    None => (key.as_str(), node(value, &at, reader)),
                };
                if fields.insert(name.to_owned(), field).is_some() {
                    reader.report(at, format!("`{name}` and `{name}.$` set the same field: keep one"));
                }
            }
            Template::Object(fields)
        }
        Value::Array(items) => {
            Template::Array(items.iter().enumerate().map(|(index, item)| node(item, &join(pointer, &index.to_string()), reader)).collect())
        }
        scalar => Template::Static(scalar.clone()),
    }
}

fn path(key: &str, value: &Value, pointer: &str, reader: &mut Reader) -> Template {
    let message = match value.as_str().map(Path::parse) {
        Some(Ok(path)) => return Template::Path(path),
        Some(Err(error)) => error.to_string(),
        None => format!("`{key}` ends in `.$`, so its value must be a reference path, not {}", kind(value)),
    };
    reader.report(pointer, message);
    Template::Static(Value::Null)
}
