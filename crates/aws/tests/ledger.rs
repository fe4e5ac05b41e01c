//! The suites that hold the ledger to its promises (`tests/src`), on this crate and an embedded DynamoDB alone: a mutant of the ledger is
//! judged by its own package, and the tool need not be built for it. `cargo test -p cost-sentry-aws --test ledger` runs them.

#![allow(dead_code, missing_docs, reason = "the suites bring what other tests use too, and are no crate's interface here")]

// The suites know the local stack by its path in the tool's crate, which this one may not depend on.
extern crate self as cost_sentry;

/// What the suites need of the local stack.
#[cfg(test)]
pub mod local {
    /// The stack.
    pub mod stack {
        use cost_sentry_aws::clients::{Clients, Endpoints};
        use cost_sentry_aws::config::{Config, ConfigError, TABLE as TABLE_VARIABLE};
        use cost_sentry_aws::ledger::DynamoDbLedger;
        use cost_sentry_aws::policy_store::DynamoDbPolicyStore;
        use cost_sentry_aws::table::create_if_absent;
        use std::net::Ipv4Addr;
        use tokio::net::TcpListener;
        use tokio::sync::oneshot;

        /// The table's name.
        pub const TABLE: &str = "cost-sentry";

        /// Nothing to choose.
        #[derive(Debug, Default)]
        pub struct Options;

        /// An embedded DynamoDB in memory, and clients for it; dropping it stops the server.
        #[derive(Debug)]
        pub struct Stack {
            /// The clients.
            pub clients: Clients,
            _stop: oneshot::Sender<()>,
        }

        impl Stack {
            /// Starts on a port that the system picks, with the ledger's table.
            pub async fn start(_: Options) -> Result<Self, ConfigError> {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                let url = format!("http://{}", listener.local_addr().unwrap());
                let (stop, stopped) = oneshot::channel::<()>();
                tokio::spawn(async move {
                    let database = dynoxide::Database::memory().unwrap();
                    let stopped = async move { drop(stopped.await) };
                    drop(dynoxide::server::serve_with_shutdown(listener, database, stopped).await);
                });
                let config = Config::read(|name| (name == TABLE_VARIABLE).then(|| TABLE.to_owned()))?;
                let endpoints = Endpoints { dynamodb: Some(url), dummy_credentials: true, ..Endpoints::default() };
                let clients = Clients::load(&config, endpoints).await;
                create_if_absent(&clients.dynamodb(), TABLE).await.unwrap();
                Ok(Self { clients, _stop: stop })
            }

            /// The ledger.
            pub fn ledger(&self) -> DynamoDbLedger {
                DynamoDbLedger::new(self.clients.dynamodb(), TABLE)
            }

            /// The policies.
            pub fn policies(&self) -> DynamoDbPolicyStore {
                DynamoDbPolicyStore::new(self.clients.dynamodb(), TABLE)
            }
        }
    }
}

#[cfg(test)]
#[path = "../../../tests/src"]
mod suites {
    /// All of it but the tool's own command.
    mod audit {
        mod books_under_test;
        mod capacity;
        mod planted;
        mod reading;
        mod repairing;
        mod wire;
    }
    pub mod ledger_faults;
    pub mod ledger_suite;
}

#[cfg(test)]
pub use suites::ledger_suite;
