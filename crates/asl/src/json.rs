//! JSON text to values, minding what `serde_json` lets pass: keys that occur twice.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::problem::{Problem, join};

/// Reads `text`; duplicated keys go to `problems` and the last one counts. `None` when it is no JSON at all.
pub(crate) fn read(text: &str, problems: &mut Vec<Problem>) -> Option<Value> {
    let duplicates = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Node { pointer: String::new(), duplicates: &duplicates };
    let read = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    problems.append(&mut duplicates.into_inner());
    match read {
        Ok(value) => Some(value),
        Err(error) => {
            // serde_json's own sentence ends in "at line L column C".
            problems.push(Problem { pointer: String::new(), message: format!("this is not JSON: {error}") });
            None
        }
    }
}

/// One value at `pointer`.
struct Node<'d> {
    pointer: String,
    duplicates: &'d RefCell<Vec<Problem>>,
}

impl Node<'_> {
    fn child(&self, key: &str) -> Self {
        Node { pointer: join(&self.pointer, key), duplicates: self.duplicates }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.child(&list.len().to_string()))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let child = self.child(&key);
            let pointer = child.pointer.clone();
            let value = entries.next_value_seed(child)?;
            if map.insert(key, value).is_some() {
                let message = "this key occurs twice in its object: keep one".to_owned();
                self.duplicates.borrow_mut().push(Problem { pointer, message });
            }
        }
        Ok(Value::Object(map))
    }
}
