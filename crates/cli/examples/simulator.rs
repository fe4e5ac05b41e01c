//! The simulated Bedrock alone, as a process: for stacks that run elsewhere, such as the local deployment of `infra/deploy-local`.
//!
//! The first line on standard output is `{"bedrock": ENDPOINT}`. It ends with its standard input, and its last line then says how many
//! calls it saw: `{"converse": N, "countTokens": N}`.

use cost_sentry::local::simulator::{Operation, Script, Simulator};
use std::error::Error;
use std::io::Write;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulator = Simulator::start(Script::default()).await?;
    print(&serde_json::json!({ "bedrock": simulator.endpoint() }))?;
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    let calls = simulator.calls();
    let count = |operation| calls.iter().filter(|call| call.operation == operation).count();
    print(&serde_json::json!({ "converse": count(Operation::Converse), "countTokens": count(Operation::CountTokens) }))?;
    simulator.shutdown().await;
    Ok(())
}

fn print(line: &serde_json::Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
