//! The local stack: an embedded ledger, a simulated Bedrock, a sink for metrics, and the functions on top, each through the AWS SDK
//! over loopback. A service whose `AWS_ENDPOINT_URL_…` variable is set is used instead of the embedded one.

use crate::local::dynamodb::{DynamoDb, DynamoDbError, create_whole};
use crate::local::metrics_sink::MetricsSink;
use crate::local::simulator::{Script, Simulator};
use crate::local::tasks::LocalTasks;
use cost_sentry_aws::clients::{Clients, Endpoints, http_client};
use cost_sentry_aws::config::Config;
use cost_sentry_aws::ledger::DynamoDbLedger;
use cost_sentry_aws::policy_store::DynamoDbPolicyStore;
use cost_sentry_aws::table::{CreateError, create_if_absent};
use cost_sentry_aws::{config, steps};
use cost_sentry_workflow::ports::Log;
use cost_sentry_workflow::time_outs::Leases;
use std::io;
use std::path::{Path, PathBuf};

/// The local ledger's table.
pub const TABLE: &str = "cost-sentry";
/// The ledger's file in the data folder.
pub const LEDGER_FILE: &str = "ledger.sqlite";

/// The data folder's format, and the file that names it.
const FORMAT: &str = "1";
const FORMAT_FILE: &str = "FORMAT";

/// The SDK's own variables for the services that the workflow calls.
pub const ENDPOINT_VARIABLES: [&str; 3] = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL_CLOUDWATCH"];

/// The stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The embedded DynamoDB.
    #[error("the local ledger could not be opened")]
    DynamoDb(#[from] DynamoDbError),
    /// No port, or no folder.
    #[error("{what}")]
    Io {
        /// What could not be done.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The ledger's table.
    #[error("the ledger's table could not be created")]
    Table(#[from] CreateError),
    /// The environment.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// A folder that a newer version has written.
    #[error("{} was written by a newer version (format {found}, this version knows {FORMAT})", folder.display())]
    NewerFormat {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: String,
    },
    /// An endpoint elsewhere, without the flag for it.
    #[error("{variable} points to an endpoint that is not on this machine; --allow-remote-endpoints permits that")]
    RemoteEndpoint {
        /// Which variable.
        variable: &'static str,
    },
}

/// The ports of the embedded services on 127.0.0.1; 0 lets the system pick.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// DynamoDB's.
    pub dynamodb: u16,
    /// Bedrock Runtime's.
    pub bedrock_runtime: u16,
    /// CloudWatch's.
    pub cloudwatch: u16,
}

/// What the stack is made of.
#[derive(Debug, Default)]
pub struct Options {
    /// The folder that the ledger is kept in; nothing keeps it in memory.
    pub data: Option<PathBuf>,
    /// How the simulated Bedrock behaves.
    pub script: Script,
    /// Where the embedded services listen.
    pub ports: Ports,
    /// How long reservations are left to their owners.
    pub leases: Leases,
    /// Whether endpoints that the environment names may be elsewhere.
    pub allow_remote_endpoints: bool,
    /// Another HTTP client for the SDK: where tests inject faults.
    pub http_client: Option<aws_smithy_runtime_api::client::http::SharedHttpClient>,
}

/// The running stack; dropping it stops its servers.
#[derive(Debug)]
pub struct Stack {
    /// Nothing where the environment names another one.
    pub dynamodb: Option<DynamoDb>,
    /// Nothing where the environment names another one.
    pub simulator: Option<Simulator>,
    /// Nothing where the environment names another one.
    pub sink: Option<MetricsSink>,
    /// What the functions are configured with.
    pub config: Config,
    /// What they call.
    pub clients: Clients,
    /// Where the services are.
    pub endpoints: Endpoints,
}

impl Stack {
    /// Starts what the environment does not name, and creates the ledger's table where it is not there.
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let [dynamodb_url, bedrock_url, cloudwatch_url] =
            ENDPOINT_VARIABLES.map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()));
        for (variable, url) in ENDPOINT_VARIABLES.iter().zip([&dynamodb_url, &bedrock_url, &cloudwatch_url]) {
            if url.as_ref().is_some_and(|url| !is_loopback(url)) && !options.allow_remote_endpoints {
                return Err(StackError::RemoteEndpoint { variable });
            }
        }
        let listening = |source| StackError::Io { what: "no port on 127.0.0.1 could be opened".to_owned(), source };
        let config = Config::read(|name| if name == config::TABLE { Some(TABLE.to_owned()) } else { std::env::var(name).ok() })?;
        let config = Config { leases: options.leases, ..config };
        let dynamodb = match &dynamodb_url {
            Some(_) => None,
            None => {
                Some(DynamoDb::start_on(options.ports.dynamodb, ledger_file(options.data.as_deref(), &config).await?.as_deref()).await?)
            }
        };
        let simulator = match &bedrock_url {
            Some(_) => None,
            None => Some(Simulator::start_on(options.ports.bedrock_runtime, options.script).await.map_err(listening)?),
        };
        let sink = match &cloudwatch_url {
            Some(_) => None,
            None => Some(MetricsSink::start_on(options.ports.cloudwatch).await.map_err(listening)?),
        };
        let endpoints = Endpoints {
            dynamodb: dynamodb.as_ref().map(DynamoDb::endpoint).or(dynamodb_url),
            bedrock_runtime: simulator.as_ref().map(Simulator::endpoint).or(bedrock_url),
            cloudwatch: sink.as_ref().map(MetricsSink::endpoint).or(cloudwatch_url),
            dummy_credentials: !options.allow_remote_endpoints,
        };
        let clients = Clients::with_http_client(&config, endpoints.clone(), options.http_client.unwrap_or_else(http_client)).await;
        create_if_absent(&clients.dynamodb(), TABLE).await?;
        Ok(Self { dynamodb, simulator, sink, config, clients, endpoints })
    }

    /// The functions of the state machine.
    pub fn tasks<G: Log + Clone + 'static>(&self, log: G) -> LocalTasks<G> {
        LocalTasks::new(&self.config, &self.clients, log)
    }

    /// The sweep.
    pub fn sweep<G: Log + Clone>(&self, log: G) -> steps::SweepReservations<G> {
        steps::sweep_reservations(&self.config, &self.clients, log)
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

/// The ledger's file in the data folder, with its table.
async fn ledger_file(data: Option<&Path>, config: &Config) -> Result<Option<PathBuf>, StackError> {
    let Some(folder) = data else { return Ok(None) };
    std::fs::create_dir_all(folder)
        .map_err(|source| StackError::Io { what: format!("the folder {} could not be created", folder.display()), source })?;
    check_format(folder)?;
    let file = folder.join(LEDGER_FILE);
    let with_table = async |endpoint| {
        let endpoints = Endpoints { dynamodb: Some(endpoint), dummy_credentials: true, ..Endpoints::default() };
        let clients = Clients::with_http_client(config, endpoints, http_client()).await;
        Ok::<(), StackError>(create_if_absent(&clients.dynamodb(), TABLE).await?)
    };
    Box::pin(create_whole(&file, with_table)).await?;
    Ok(Some(file))
}

/// A newer version's books could mean something else: they are left alone.
fn check_format(folder: &Path) -> Result<(), StackError> {
    let path = folder.join(FORMAT_FILE);
    let failed = |source| StackError::Io { what: format!("{} could not be used", path.display()), source };
    match std::fs::read_to_string(&path) {
        Ok(found) if found.trim() == FORMAT => Ok(()),
        Ok(found) => Err(StackError::NewerFormat { folder: folder.to_path_buf(), found: found.trim().to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => write_format(folder, &path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// Puts the whole file in its place at once: another process that starts on the folder at the same time must not read half of it.
fn write_format(folder: &Path, path: &Path) -> io::Result<()> {
    let fresh = folder.join(format!("{FORMAT_FILE}.{}", uuid::Uuid::new_v4()));
    std::fs::write(&fresh, format!("{FORMAT}\n"))?;
    std::fs::rename(&fresh, path)
}

/// Whether a URL's host is this machine.
pub fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| host == *own || host.strip_prefix(own).is_some_and(|port| port.starts_with(':')))
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_local() {
        for own in ["http://127.0.0.1:8000", "http://localhost:8000/x", "http://[::1]:1", "https://localhost"] {
            assert!(is_loopback(own), "{own}");
        }
        for other in [
            "http://10.0.0.1",
            "https://dynamodb.us-east-1.amazonaws.com",
            "http://localhost.example.com",
            "http://a@b",
            "http://127.0.0.1@evil",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
