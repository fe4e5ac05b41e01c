//! Edits of a JSON document, each of which leaves JSON: what is nearly valid goes deeper than noise does.

use arbitrary::Arbitrary;
use serde_json::{Map, Value, json};

/// The most nodes of a document: copies of copies grow fast.
const MOST_NODES: usize = 2_000;
/// The most bytes of one text: more than any door lets in.
const MOST_BYTES: usize = 300_000;

/// One edit. Places count the document's nodes in their order, and words those that are known, both as often around as needed.
#[derive(Debug, Arbitrary)]
pub enum Edit {
    /// Another value at a place.
    Put(u16, Leaf),
    /// A field or an item less.
    Remove(u16),
    /// A field under another name.
    Rename(u16, Name),
    /// A field or an item more.
    Add(u16, Name, Leaf),
    /// A copy of one place over another.
    Copy(u16, u16),
    /// An item again and again, or a text.
    Repeat(u16, u8),
}

/// A value without others in it.
#[derive(Debug, Arbitrary)]
pub enum Leaf {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A small number.
    Small(i8),
    /// Any whole number.
    Whole(i64),
    /// A number at the end of what some type holds.
    Bound(u8),
    /// Any other number.
    Fraction(f64),
    /// Any text.
    Text(String),
    /// A known word.
    Known(u16),
    /// An empty list.
    List,
    /// An empty object.
    Object,
}

/// A field's name.
#[derive(Debug, Arbitrary)]
pub enum Name {
    /// A known word.
    Known(u16),
    /// Any text.
    Any(String),
}

fn bounds() -> [Value; 16] {
    [
        json!(0),
        json!(1),
        json!(-1),
        json!(i32::MAX),
        json!(u32::MAX),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1_u64 << 53),
        json!(0.5),
        json!(-0.0),
        json!(1e308),
        json!(5e-324),
        json!(9_999_999_999_999_999_i64),
        json!(253_402_207_200_000_000_i64),
        json!(-377_705_023_201_000_000_i64),
    ]
}

impl Leaf {
    fn value(&self, vocabulary: &[String]) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Flag(flag) => json!(flag),
            Self::Small(number) => json!(number),
            Self::Whole(number) => json!(number),
            Self::Bound(at) => bounds()[usize::from(*at) % 16].clone(),
            Self::Fraction(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Known(at) => json!(known(*at, vocabulary)),
            Self::List => json!([]),
            Self::Object => json!({}),
        }
    }
}

impl Name {
    fn text(&self, vocabulary: &[String]) -> String {
        match self {
            Self::Known(at) => known(*at, vocabulary),
            Self::Any(text) => text.clone(),
        }
    }
}

fn known(at: u16, vocabulary: &[String]) -> String {
    vocabulary[usize::from(at) % vocabulary.len()].clone()
}

/// Carries out one edit; one that makes no sense where it falls changes nothing.
pub fn apply(document: &mut Value, edit: &Edit, vocabulary: &[String]) {
    let places = places(document);
    let place = |at: u16| places[usize::from(at) % places.len()].clone();
    match edit {
        Edit::Put(at, leaf) => replace(document, &place(*at), leaf.value(vocabulary)),
        Edit::Remove(at) => drop(take(document, &place(*at))),
        Edit::Rename(at, name) => {
            let place = place(*at);
            if let Some(value) = take(document, &place) {
                let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
                add(document, parent, name.text(vocabulary), value);
            }
        }
        Edit::Add(at, name, leaf) => add(document, &place(*at), name.text(vocabulary), leaf.value(vocabulary)),
        Edit::Copy(from, to) => {
            let copy = document.pointer(&place(*from)).cloned().unwrap_or_default();
            if places.len() + self::places(&copy).len() <= MOST_NODES {
                replace(document, &place(*to), copy);
            }
        }
        Edit::Repeat(at, times) => match document.pointer_mut(&place(*at)) {
            Some(Value::Array(items)) if !items.is_empty() && places.len() + items.len() * usize::from(*times) <= MOST_NODES => {
                let last = items[items.len() - 1].clone();
                items.extend(std::iter::repeat_n(last, usize::from(*times)));
            }
            Some(Value::String(text)) if text.len() * usize::from(*times) <= MOST_BYTES => *text = text.repeat(usize::from(*times)),
            _ => {}
        },
    }
}

/// The pointer of every node, the document's own first.
pub fn places(document: &Value) -> Vec<String> {
    let mut places = vec![String::new()];
    let mut below = |name: &str, value: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        places.extend(self::places(value).into_iter().map(|rest| format!("/{name}{rest}")));
    };
    match document {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| below(&at.to_string(), value)),
        _ => {}
    }
    places
}

fn replace(document: &mut Value, place: &str, value: Value) {
    if let Some(found) = document.pointer_mut(place) {
        *found = value;
    }
}

fn take(document: &mut Value, place: &str) -> Option<Value> {
    let (parent, name) = place.rsplit_once('/')?;
    match document.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(&name.replace("~1", "/").replace("~0", "~")),
        Value::Array(items) => {
            let at = name.parse().ok().filter(|at| *at < items.len())?;
            Some(items.remove(at))
        }
        _ => None,
    }
}

fn add(document: &mut Value, place: &str, name: String, value: Value) {
    match document.pointer_mut(place) {
        Some(Value::Object(fields)) => drop(fields.insert(name, value)),
        Some(Value::Array(items)) => items.push(value),
        Some(other) if other.is_null() => *other = Value::Object(Map::from_iter([(name, value)])),
        _ => {}
    }
}

/// Every name and every text of these documents, each once.
pub fn vocabulary(documents: &[Value]) -> Vec<String> {
    let mut words = std::collections::BTreeSet::from([String::new()]);
    for document in documents {
        collect(document, &mut words);
    }
    words.into_iter().collect()
}

fn collect(document: &Value, words: &mut std::collections::BTreeSet<String>) {
    match document {
        Value::String(text) => drop(words.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            words.insert(name.clone());
            collect(value, words);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
