//! The id of a model.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// The id of a foundation model (`amazon.nova-lite-v1:0`) or of a system profile (`us.amazon.nova-lite-v1:0`); never an ARN.
///
/// Its shape is that of Converse's `modelId` for these two: segments of lower-case letters, digits and hyphens between dots and
/// colons, and at least a provider and a name. Whether such a model exists is the catalog's to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(String);

/// The text is not a model's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a foundation model or a system profile, such as `us.amazon.nova-lite-v1:0`")]
pub struct NotAModelId;

/// The longest segment that Bedrock's pattern allows, in bytes.
const LONGEST_SEGMENT: usize = 63;
/// The most segments of an id in use, `us-gov.provider.name.version:0:200k`.
const MOST_SEGMENTS: usize = 6;

impl ModelId {
    /// Checks the shape of an id.
    pub fn parse(text: &str) -> Result<Self, NotAModelId> {
        let is_segment = |segment: &str| {
            (1..=LONGEST_SEGMENT).contains(&segment.len())
                && segment.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let is_id = text.contains('.') && text.split(['.', ':']).count() <= MOST_SEGMENTS && text.split(['.', ':']).all(is_segment);
        if is_id { Ok(Self(text.to_owned())) } else { Err(NotAModelId) }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelId {
    type Err = NotAModelId;

    fn from_str(text: &str) -> Result<Self, NotAModelId> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ModelId {
    type Error = NotAModelId;

    fn try_from(text: String) -> Result<Self, NotAModelId> {
        Self::parse(&text)
    }
}

impl From<ModelId> for String {
    fn from(id: ModelId) -> Self {
        id.0
    }
}

impl Borrow<str> for ModelId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
