//! A scriptable Amazon Bedrock Runtime on loopback: Converse and `CountTokens`, answers and failures.
//!
//! Any model id is answered, deterministically; a [`Script`] changes what it answers. Left out: streaming, tools, images,
//! guardrails, the list of models, prices, and which sampling parameters a single model refuses.
//!
//! ```no_run
//! # use cost_sentry::local::simulator::{Script, Simulator};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let script = Script::parse("models: { '*': { next: [{ error: ThrottlingException, times: 2 }] } }")?;
//! let simulator = Simulator::start(script).await?;
//! let endpoint = simulator.endpoint(); // for AWS_ENDPOINT_URL_BEDROCK_RUNTIME
//! # Ok(()) }
//! ```

mod call;
mod converse;
mod fault;
mod latency;
mod play;
mod script;
mod script_error;
mod server;
#[cfg(test)]
mod tests;
mod usage;

use std::io;
use std::sync::Arc;

pub use call::{Answered, Call, Operation};
pub use fault::Fault;
pub use script::Script;
pub use script_error::ScriptError;

use super::loopback::{self, Loopback};
use play::Play;

/// A running simulator; dropping it stops the server.
#[derive(Debug)]
pub struct Simulator {
    play: Arc<Play>,
    server: Loopback,
}

impl Simulator {
    /// Starts on 127.0.0.1, on a port picked by the system.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::start_on(0, script).await
    }

    /// The same on a port of one's own choice.
    pub async fn start_on(port: u16, script: Script) -> io::Result<Self> {
        let play = Arc::new(Play::new(script));
        let shared = Arc::clone(&play);
        let server = Loopback::start(port, |listener, stop| {
            let router = server::router(shared, stop.clone());
            loopback::serve(listener, router, stop)
        })
        .await?;
        Ok(Self { play, server })
    }

    /// The URL for `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, without a trailing slash.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// The calls received so far, oldest first; only the latest 10,000 are kept.
    pub fn calls(&self) -> Vec<Call> {
        self.play.calls()
    }

    /// Replaces the script, `next` lists included, from the next call on; calls stay recorded.
    pub fn set_script(&self, script: Script) {
        self.play.set_script(script);
    }

    /// Stops, and waits (two seconds at most) until running requests have ended.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
