//! An Amazon DynamoDB stand-in: the embedded `dynoxide` engine on `SQLite`, behind HTTP on loopback.
//!
//! Left out: tables are not created here (the caller does, through the SDK), and the engine emulates neither
//! `TransactionConflict` nor `TransactionInProgress`.

use std::fs::File;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::loopback::Loopback;

/// How often, and how far apart, a file is tried to be opened that another process is putting away.
const OPEN_TRIES: u32 = 100;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// A running DynamoDB stand-in; dropping it stops the server.
#[derive(Debug)]
pub struct DynamoDb {
    server: Loopback,
}

/// Why the stand-in did not start.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// The database could not be opened: no such directory, not a `SQLite` file, written by a newer engine, or locked.
    #[error("cannot open the local database: {0}")]
    Open(String),
    /// No loopback port could be had.
    #[error("cannot listen on 127.0.0.1")]
    Listen(#[source] io::Error),
}

impl DynamoDb {
    /// Starts on `path`, a `SQLite` file created where absent (its directory must exist), or in memory without one.
    ///
    /// Several processes may serve the same file at once: each write is one transaction that takes the file's write lock
    /// before it reads. One that waits longer than five seconds for another process answers HTTP 500
    /// `InternalServerError` ("database is locked or busy") and has changed nothing. Two things stay apart per process:
    /// the memory of `ClientRequestToken`s, and the description of a table once it was used, so change tables (a new
    /// index, say) only while one process has the file open.
    pub async fn start(path: Option<&Path>) -> Result<Self, DynamoDbError> {
        Self::start_on(0, path).await
    }

    /// The same on a port of one's own choice.
    pub async fn start_on(port: u16, path: Option<&Path>) -> Result<Self, DynamoDbError> {
        let not_text = || DynamoDbError::Open("its path is not UTF-8".to_owned());
        let path = path.map(|path| path.to_str().map(str::to_owned).ok_or_else(not_text)).transpose()?;
        // Opening may wait for another process that migrates the same file.
        let database = blocking(move || match path {
            Some(path) => open_alone(&path),
            None => dynoxide::Database::memory().map_err(|error| error.to_string()),
        })
        .await?;
        Self::serve(port, database).await
    }

    async fn serve(port: u16, database: dynoxide::Database) -> Result<Self, DynamoDbError> {
        let server = Loopback::start(port, |listener, stop| async move {
            // axum's accept loop retries by itself: it has no error to report.
            let _ = dynoxide::server::serve_with_shutdown(listener, database, stop.wait()).await;
        })
        .await
        .map_err(DynamoDbError::Listen)?;
        Ok(Self { server })
    }

    /// The URL for `AWS_ENDPOINT_URL_DYNAMODB`, without a trailing slash.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Stops, and waits (two seconds at most) until running requests have ended.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

/// Makes the file at `path`, where there is none, with what `fill` creates through the endpoint that it is given: the whole file or
/// none, whenever the process ends. (The engine creates a table and its indexes one after the other; a file left between them answers
/// every request with an error.)
pub async fn create_whole<F, E>(path: &Path, fill: impl FnOnce(String) -> F) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
    E: From<DynamoDbError>,
{
    let not_text = || DynamoDbError::Open("its path is not UTF-8".to_owned());
    let path = path.to_str().ok_or_else(not_text)?.to_owned();
    let (database, lock) = blocking({
        let path = path.clone();
        move || Ok((dynoxide::Database::memory().map_err(|error| error.to_string())?, lock(&path)?))
    })
    .await?;
    if !Path::new(&path).exists() {
        let server = DynamoDb::serve(0, database.clone()).await?;
        let filled = fill(server.endpoint()).await;
        server.shutdown().await;
        filled?;
        let fresh = format!("{path}.new");
        blocking(move || {
            // What an earlier process left half done, if any: nobody else is here while the lock is held.
            let _ = std::fs::remove_file(&fresh);
            database.vacuum_into(&fresh).map_err(|error| error.to_string())?;
            std::fs::rename(&fresh, &path).map_err(|error| error.to_string())
        })
        .await?;
    }
    drop(lock);
    Ok(())
}

/// Work that waits for the disk, or for another process.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, DynamoDbError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| DynamoDbError::Open(error.to_string()))?;
    done.map_err(|error| DynamoDbError::Open(first_sentence(&error).to_owned()))
}

/// Waits until no other process makes or opens the file, and keeps all others waiting while the lock lives.
fn lock(path: &str) -> Result<File, String> {
    let lock = File::create(format!("{path}.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    Ok(lock)
}

/// Opens a file while no other process opens it, and tries again while one closes it: where two of them make a file ready, or one
/// puts it away, `SQLite` refuses the other at once, without the patience that it has for requests.
fn open_alone(path: &str) -> Result<dynoxide::Database, String> {
    let _lock = lock(path)?;
    let mut tries = 0;
    loop {
        tries += 1;
        match dynoxide::Database::new(path).map_err(|error| error.to_string()) {
            Err(error) if error.contains("locked") && tries < OPEN_TRIES => std::thread::sleep(OPEN_PAUSE),
            opened => return opened,
        }
    }
}

/// What went wrong; the engine goes on with advice to programmers.
fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::retry::RetryConfig;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
    use aws_sdk_dynamodb::types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};

    use super::{DynamoDb, DynamoDbError, create_whole};

    fn client(server: &DynamoDb) -> Client {
        client_of(server.endpoint())
    }

    fn client_of(endpoint: String) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .build();
        Client::from_conf(config)
    }

    async fn create_table(client: &Client) {
        let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build().expect("a key");
        let kind = AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S).build().expect("a type");
        let table = client.create_table().table_name("ledger").key_schema(key).attribute_definitions(kind);
        table.billing_mode(BillingMode::PayPerRequest).send().await.expect("a table");
    }

    /// Adds one while `committed` is below 20; whether there was room.
    async fn add_one(client: &Client) -> bool {
        let update = client.update_item().table_name("ledger").key("pk", AttributeValue::S("counter".to_owned()));
        let update = update
            .update_expression("ADD committed :one")
            .condition_expression("attribute_not_exists(committed) OR committed <= :room")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":room", AttributeValue::N("19".to_owned()));
        match update.send().await {
            Ok(_) => true,
            Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => false,
            Err(error) => panic!("{error:?}"),
        }
    }

    #[tokio::test]
    async fn a_file_keeps_its_tables_over_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger.db");
        for start in 0..2 {
            let server = DynamoDb::start(Some(&path)).await.expect("a server");
            let client = client(&server);
            if start == 0 {
                create_table(&client).await;
            }
            for _ in 0..10 {
                assert!(add_one(&client).await, "start {start}");
            }
            server.shutdown().await;
        }
        let server = DynamoDb::start(Some(&path)).await.expect("a server");
        assert!(!add_one(&client(&server)).await, "20 were committed before");
    }

    #[tokio::test]
    async fn two_servers_on_one_file_share_one_ceiling() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger.db");
        let servers = [DynamoDb::start(Some(&path)).await.expect("a server"), DynamoDb::start(Some(&path)).await.expect("a server")];
        create_table(&client(&servers[0])).await;
        let adding: Vec<_> = (0..40)
            .map(|index| {
                let client = client(&servers[index % 2]);
                tokio::spawn(async move { add_one(&client).await })
            })
            .collect();
        let mut added = 0;
        for add in adding {
            added += u32::from(add.await.expect("no panic"));
        }
        assert_eq!(added, 20);
    }

    #[tokio::test]
    async fn memory_starts_empty_each_time() {
        for _ in 0..2 {
            let server = DynamoDb::start(None).await.expect("a server");
            create_table(&client(&server)).await;
        }
    }

    #[tokio::test]
    async fn a_new_file_is_there_whole_or_not_at_all() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger.db");
        // What a process leaves that ended while it made the file.
        std::fs::write(directory.path().join("ledger.db.new"), "half").expect("a file");
        let failed = create_whole(&path, async |_| Err(DynamoDbError::Open("halfway".to_owned()))).await;
        assert!(failed.is_err() && !path.exists());
        for expected in [1, 0] {
            let mut filled = 0;
            let fill = async |endpoint: String| {
                filled += 1;
                assert!(!path.exists());
                create_table(&client_of(endpoint)).await;
                Ok::<(), DynamoDbError>(())
            };
            create_whole(&path, fill).await.expect("a file");
            assert_eq!(filled, expected, "a file that is there is left as it is");
        }
        let server = DynamoDb::start(Some(&path)).await.expect("a server");
        assert!(add_one(&client(&server)).await);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger.db");
        std::fs::write(&path, "not a database, and long enough to be seen as none".repeat(30)).expect("a file");
        for path in [path, directory.path().join("absent/ledger.db")] {
            let error = DynamoDb::start(Some(&path)).await.expect_err("no database");
            assert!(matches!(error, DynamoDbError::Open(_)), "{error:?}");
        }
    }
}
