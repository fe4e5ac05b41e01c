//! The ledger's table: its keys and indexes, as the deployment's template must create it too.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};

/// The index by lease: open reservations only.
pub const LEASE_INDEX: &str = "lease";
/// The index by day: every reservation.
pub const DAY_INDEX: &str = "day";
/// How many keys each index is spread over, so that no one of them takes all writes.
pub const PARTITIONS: u64 = 8;
/// The attribute that DynamoDB's time to live reads.
pub const TTL_ATTRIBUTE: &str = "expiresAt";

/// A partition of the lease index.
pub fn lease_partition_name(partition: u64) -> String {
    format!("L{partition}")
}

/// The table could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The request could not be built.
    #[error("the table's description is incomplete")]
    Build(#[from] BuildError),
    /// DynamoDB refused it.
    #[error("the table could not be created")]
    Create(#[source] Box<SdkError<CreateTableError>>),
}

/// Creates the table if it is not there.
pub async fn create_if_absent(client: &Client, table: &str) -> Result<(), CreateError> {
    let request = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("leasePartition", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("leaseEnd", ScalarAttributeType::N)?)
        .attribute_definitions(attribute("dayPartition", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("decidedAt", ScalarAttributeType::N)?)
        .key_schema(key("pk", KeyType::Hash)?)
        .global_secondary_indexes(index(LEASE_INDEX, "leasePartition", "leaseEnd")?)
        .global_secondary_indexes(index(DAY_INDEX, "dayPartition", "decidedAt")?);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => Ok(()),
        Err(error) => Err(CreateError::Create(Box::new(error))),
    }
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}

fn index(name: &str, partition: &str, sort: &str) -> Result<GlobalSecondaryIndex, BuildError> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .key_schema(key(partition, KeyType::Hash)?)
        .key_schema(key(sort, KeyType::Range)?)
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
}
