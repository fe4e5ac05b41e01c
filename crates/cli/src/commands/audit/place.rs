//! Whose books: a data folder's, or a table's.

use crate::cli;
use crate::commands::Failure;
use crate::commands::run::stack_failure;
use crate::local::stack::{ENDPOINT_VARIABLES, LEDGER_FILE, Options, Stack, TABLE as LOCAL_TABLE};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use cost_sentry_aws::clients::{Clients, Endpoints};
use cost_sentry_aws::config::{Config, TABLE};
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_aws::policy_store::DynamoDbPolicyStore;
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use cost_sentry_workflow::ports::{LedgerError, PolicyError, PolicyStore};
use std::time::Duration;

/// How long DynamoDB's indexes may lag behind their table: far longer than they are seen to.
const INDEX_LAG: Duration = Duration::from_secs(3);

/// The longest that one request may take, and how often it is sent.
const REQUEST: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 6;

/// Open books.
pub struct Place {
    pub ledger: DynamoDbLedger,
    /// The current policy, if there is one that can be used.
    pub policy: Option<Policy>,
    /// How long its indexes may lag.
    pub lag: Duration,
    remote: bool,
    /// What serves a data folder.
    _stack: Option<Stack>,
}

impl Place {
    /// Opens what the arguments name.
    pub async fn open(arguments: &cli::Audit) -> Result<Self, Failure> {
        if let Some(table) = &arguments.table {
            return Self::table(table).await;
        }
        let folder = &arguments.data.data;
        let elsewhere = ENDPOINT_VARIABLES.first().is_some_and(|name| std::env::var_os(name).is_some_and(|url| !url.is_empty()));
        if !elsewhere && !folder.join(LEDGER_FILE).is_file() {
            let hint = "--data names the folder that `cost-sentry run` or `local` keeps its books in, --table a table on AWS";
            return Err(Failure::new(format!("{} holds no ledger", folder.display())).hint(hint));
        }
        let stack = Stack::start(Options { data: Some(folder.clone()), ..Options::default() }).await.map_err(stack_failure)?;
        let policy = current(&stack.policies()).await?;
        let ledger = DynamoDbLedger::new(patient(&stack.clients.dynamodb()), LOCAL_TABLE);
        Ok(Self { ledger, policy, lag: Duration::ZERO, remote: false, _stack: Some(stack) })
    }

    async fn table(table: &str) -> Result<Self, Failure> {
        let config = Config::read(|name| if name == TABLE { Some(table.to_owned()) } else { std::env::var(name).ok() });
        let config = config.map_err(|error| Failure::from_error(&error))?;
        let client = Clients::load(&config, Endpoints::default()).await.dynamodb();
        let policy = current(&DynamoDbPolicyStore::new(client.clone(), table)).await.map_err(hinted)?;
        Ok(Self { ledger: DynamoDbLedger::new(patient(&client), table), policy, lag: INDEX_LAG, remote: true, _stack: None })
    }

    /// What to say of an error of the ledger.
    pub fn failure(&self, error: &LedgerError) -> Failure {
        let failure = Failure::from_error(error);
        if self.remote { hinted(failure) } else { failure }
    }
}

/// The same client with more time: a step has to answer soon, an audit may wait while the table is busy.
fn patient(client: &Client) -> Client {
    let time_outs = TimeoutConfig::builder().operation_attempt_timeout(REQUEST).operation_timeout(REQUEST * ATTEMPTS).build();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
    Client::from_conf(client.config().to_builder().timeout_config(time_outs).retry_config(retries).build())
}

fn hinted(failure: Failure) -> Failure {
    failure.hint("credentials and region are looked for as the AWS CLI does; the table and its index `day` must exist")
}

/// The current policy; nothing where none was ever applied, or none that this version can use.
async fn current(store: &DynamoDbPolicyStore) -> Result<Option<Policy>, Failure> {
    let document = match store.current_version().await {
        Ok(version) => store.document(&version).await,
        Err(error) => Err(error),
    };
    match document {
        Ok(document) => {
            let catalog = Catalog::shipped().map_err(|error| Failure::from_error(&error))?;
            let policy = Policy::parse_stored(&document, catalog).ok();
            if policy.is_none() {
                eprintln!("the current policy was written for another version: no budget counts as frozen, and more days are read");
            }
            Ok(policy)
        }
        Err(PolicyError::Absent) => Ok(None),
        Err(error) => Err(Failure::from_error(&error)),
    }
}
