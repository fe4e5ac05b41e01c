//! Policies in the ledger's table: immutable documents in chunks under their versions, and one pointer to the current one.
//!
//! | item | `pk` | attributes |
//! | --- | --- | --- |
//! | chunk | `P#<version>#<n>` | `text`, `chunks` (how many there are) |
//! | pointer | `P#current` | `version`, `appliedAt` |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use cost_sentry_workflow::ports::{PolicyError, PolicyStore};
use cost_sentry_workflow::time_outs;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// The pointer's key.
const CURRENT: &str = "P#current";
/// Bytes of text per chunk: an item holds 400 KB at most.
const CHUNK_BYTES: usize = 300_000;

/// The policies of a table.
#[derive(Debug, Clone)]
pub struct DynamoDbPolicyStore {
    client: Client,
    table: String,
}

impl DynamoDbPolicyStore {
    /// Over this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Stores a checked policy under its version and makes it the current one: first every chunk, then the pointer, so that a reader
    /// never finds half a policy.
    pub async fn apply(&self, version: &str, document: &Value, now: Timestamp) -> Result<(), PolicyError> {
        self.store(version, document).await?;
        self.point(version, now).send().await.map_err(|error| PolicyError::Unavailable(Box::new(error)))?;
        Ok(())
    }

    /// The same, if the current version is still the one (or none) that the policy was made to follow; says whether it was.
    pub async fn apply_after(&self, before: Option<&str>, version: &str, document: &Value, now: Timestamp) -> Result<bool, PolicyError> {
        self.store(version, document).await?;
        let request = self.point(version, now);
        let request = match before {
            Some(before) => request
                .condition_expression("#v = :before")
                .expression_attribute_names("#v", "version")
                .expression_attribute_values(":before", AttributeValue::S(before.to_owned())),
            None => request.condition_expression("attribute_not_exists(pk)"),
        };
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => Ok(false),
            Err(error) => Err(PolicyError::Unavailable(Box::new(error))),
        }
    }

    /// Every chunk of a version.
    async fn store(&self, version: &str, document: &Value) -> Result<(), PolicyError> {
        let text = document.to_string();
        let chunks = chunks(&text);
        for (n, chunk) in chunks.iter().enumerate() {
            let request = self
                .client
                .put_item()
                .table_name(&self.table)
                .item("pk", AttributeValue::S(format!("P#{version}#{n}")))
                .item("text", AttributeValue::S((*chunk).to_owned()))
                .item("chunks", AttributeValue::N(chunks.len().to_string()));
            request.send().await.map_err(|error| PolicyError::Unavailable(Box::new(error)))?;
        }
        Ok(())
    }

    /// The write of the pointer.
    fn point(&self, version: &str, now: Timestamp) -> PutItemFluentBuilder {
        let request = self.client.put_item().table_name(&self.table).item("pk", AttributeValue::S(CURRENT.to_owned()));
        request.item("version", AttributeValue::S(version.to_owned())).item("appliedAt", AttributeValue::S(now.to_string()))
    }

    async fn item(&self, key: String) -> Result<Option<HashMap<String, AttributeValue>>, PolicyError> {
        let request = self.client.get_item().table_name(&self.table).key("pk", AttributeValue::S(key)).consistent_read(true);
        let output = request.send().await.map_err(|error| PolicyError::Unavailable(Box::new(error)))?;
        Ok(output.item)
    }
}

/// The text in pieces of at most [`CHUNK_BYTES`], cut between characters.
fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while rest.len() > CHUNK_BYTES {
        let (chunk, tail) = rest.split_at(rest.floor_char_boundary(CHUNK_BYTES));
        chunks.push(chunk);
        rest = tail;
    }
    chunks.push(rest);
    chunks
}

impl PolicyStore for DynamoDbPolicyStore {
    async fn current_version(&self) -> Result<String, PolicyError> {
        let pointer = self.item(CURRENT.to_owned()).await?.ok_or(PolicyError::Absent)?;
        let version = pointer.get("version").and_then(|value| value.as_s().ok()).cloned();
        version.ok_or_else(|| PolicyError::Unusable("the pointer names no version".to_owned()))
    }

    async fn document(&self, version: &str) -> Result<Value, PolicyError> {
        let most = Duration::from_secs(u64::from(time_outs::POLICY_DOCUMENT));
        tokio::time::timeout(most, Box::pin(self.read(version))).await.unwrap_or_else(|late| Err(PolicyError::Unavailable(Box::new(late))))
    }
}

impl DynamoDbPolicyStore {
    async fn read(&self, version: &str) -> Result<Value, PolicyError> {
        let broken = |what: &str| PolicyError::Unusable(format!("version {version}: {what}"));
        let mut text = String::new();
        let (mut n, mut count) = (0, 1);
        while n < count {
            let chunk = self.item(format!("P#{version}#{n}")).await?.ok_or_else(|| broken("a chunk is missing"))?;
            let number = chunk.get("chunks").and_then(|value| value.as_n().ok()).and_then(|count| count.parse().ok());
            count = number.ok_or_else(|| broken("a chunk has no count"))?;
            let part = chunk.get("text").and_then(|value| value.as_s().ok()).ok_or_else(|| broken("a chunk has no text"))?;
            text.push_str(part);
            n += 1;
        }
        serde_json::from_str(&text).map_err(|_| broken("it is not JSON"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_cut_between_characters_and_lose_nothing() {
        let text = "é".repeat(CHUNK_BYTES);
        let chunks = chunks(&text);
        assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES) && chunks.len() >= 2);
        assert_eq!(chunks.concat(), text);
    }
}
