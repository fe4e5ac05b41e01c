//! The template as JSON, CloudFormation's short forms written out: `!Ref X` becomes `{"Ref": "X"}`, `!Sub X` `{"Fn::Sub": "X"}`.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The template that ships.
pub const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

/// Reads a template.
pub fn read(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1);
    json_of(&documents[0])
}

fn json_of(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(**value),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), json_of(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, inside) => match tag.suffix.as_str() {
            "Ref" | "Condition" => json!({ tag.suffix.as_str(): json_of(inside) }),
            function => json!({ format!("Fn::{function}"): json_of(inside) }),
        },
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => panic!("CloudFormation would not read this: {node:?}"),
    }
}

/// The logical ids and bodies of all resources of a type.
pub fn resources<'t>(template: &'t Value, kind: &str) -> Vec<(&'t str, &'t Value)> {
    let all = template["Resources"].as_object().unwrap().iter();
    all.filter(|(_, body)| body["Type"] == kind).map(|(id, body)| (id.as_str(), body)).collect()
}

/// `!Ref` and `!GetAtt` as they are written, and a text as it is.
pub fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) if fields.len() == 1 => {
            let (function, argument) = fields.iter().next().unwrap();
            format!("!{} {}", function.trim_start_matches("Fn::"), argument.as_str().map_or_else(|| argument.to_string(), str::to_owned))
        }
        other => other.to_string(),
    }
}

/// One value or a list of them.
pub fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}
