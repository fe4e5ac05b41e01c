//! The embedded services without the functions, as a process: DynamoDB in memory with the ledger's table, the simulated Bedrock, and the
//! metrics sink. For functions that run elsewhere: `infra/deploy-local` uses its Bedrock, `infra/measure` all of it.
//!
//! The first line on standard output names the endpoints. It ends with its standard input, and its last line then says how many calls
//! Bedrock saw: `{"converse": N, "countTokens": N}`.

use cost_sentry::local::dynamodb::DynamoDb;
use cost_sentry::local::metrics_sink::MetricsSink;
use cost_sentry::local::simulator::{Operation, Simulator};
use cost_sentry::local::stack::{Options, Stack, TABLE};
use std::error::Error;
use std::io::Write;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stack = Stack::start(Options::default()).await?;
    print(&serde_json::json!({
        "dynamodb": stack.dynamodb.as_ref().map(DynamoDb::endpoint),
        "bedrock": stack.simulator.as_ref().map(Simulator::endpoint),
        "cloudwatch": stack.sink.as_ref().map(MetricsSink::endpoint),
        "table": TABLE,
    }))?;
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    let calls = stack.simulator.as_ref().map(Simulator::calls).unwrap_or_default();
    let count = |operation| calls.iter().filter(|call| call.operation == operation).count();
    print(&serde_json::json!({ "converse": count(Operation::Converse), "countTokens": count(Operation::CountTokens) }))?;
    Ok(())
}

fn print(line: &serde_json::Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
