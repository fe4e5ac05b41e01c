//! A counter item in the embedded DynamoDB, over HTTP and through the SDK, as the ledger's items are.
//!
//! At its best: a consistent GetItem, then one UpdateItem with `ADD`.

use crate::side_by_side::design::{Books, Design, Failed};
use crate::side_by_side::traffic::Arrival;
use crate::side_by_side::world::World;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use cost_sentry::local::stack::{Options, Stack, TABLE};

const KEY: &str = "read-then-write";
const USED: &str = "used";

/// An embedded DynamoDB with the ledger's table.
pub async fn stack() -> Result<Stack, Failed> {
    Stack::start(Options::default()).await.map_err(|error| Failed::because("the local stack did not start")(&error))
}

/// The counter.
pub struct CounterItem {
    /// Serves as long as it is kept.
    _stack: Stack,
    client: Client,
}

impl CounterItem {
    /// A counter of what is spent.
    pub async fn new(spent: u64) -> Result<Self, Failed> {
        let stack = stack().await?;
        let counter = Self { client: stack.clients.dynamodb(), _stack: stack };
        counter.add(spent).await?;
        Ok(counter)
    }

    async fn read(&self) -> Result<u64, Failed> {
        let request = self.client.get_item().table_name(TABLE).key("pk", AttributeValue::S(KEY.to_owned())).consistent_read(true);
        let output = request.send().await.map_err(|error| Failed::because("GetItem failed")(&error))?;
        let used = output.item.as_ref().and_then(|item| item.get(USED)?.as_n().ok()?.parse().ok());
        Ok(used.unwrap_or_default())
    }

    async fn add(&self, tokens: u64) -> Result<(), Failed> {
        let request = self
            .client
            .update_item()
            .table_name(TABLE)
            .key("pk", AttributeValue::S(KEY.to_owned()))
            .update_expression("ADD #used :tokens")
            .expression_attribute_names("#used", USED)
            .expression_attribute_values(":tokens", AttributeValue::N(tokens.to_string()));
        request.send().await.map(drop).map_err(|error| Failed::because("UpdateItem failed")(&error))
    }
}

impl Design for CounterItem {
    async fn serve(&self, arrival: &Arrival, world: &World) -> Result<(), Failed> {
        if self.read().await? + arrival.counted_hold() > world.limit {
            world.refuse(arrival);
            return Ok(());
        }
        world.approve(arrival);
        world.call(arrival).await;
        self.add(arrival.usage()).await
    }

    async fn books(&self, _world: &World) -> Result<Books, Failed> {
        Ok(Books { counted: self.read().await?, uncertain: 0 })
    }
}
