//! A wire to the embedded DynamoDB on which chosen requests go wrong, in ways that the embedded one never shows by itself.

use crate::ledger_suite::Embedded;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What happens to one request.
#[derive(Debug, Clone)]
pub enum Mishap {
    /// Nothing.
    Pass,
    /// It is carried out, and its answer is lost.
    Lost,
    /// It is not carried out, and answered with this status and body.
    Answer(u16, Value),
}

/// An error by its name, with HTTP 400.
pub fn error(name: &str) -> Mishap {
    Mishap::Answer(400, json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "injected" }))
}

/// HTTP 500.
pub fn internal() -> Mishap {
    Mishap::Answer(500, json!({ "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "injected" }))
}

/// A cancelled transaction: a code for each action, `None` where nothing was wrong with it.
pub fn cancelled(codes: &[&str]) -> Mishap {
    cancelled_with(&codes.iter().map(|code| json!({ "Code": code })).collect::<Vec<_>>())
}

/// A cancelled transaction, its reasons whole.
pub fn cancelled_with(reasons: &[Value]) -> Mishap {
    let name = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    Mishap::Answer(400, json!({ "__type": name, "Message": "injected", "CancellationReasons": reasons }))
}

/// The wire: what is to happen to the next requests, and how many there were.
#[derive(Debug, Clone)]
pub struct Wire(Arc<Mutex<Watch>>);

#[derive(Debug, Default)]
struct Watch {
    next: VecDeque<Mishap>,
    then: Option<Mishap>,
    requests: usize,
}

impl Wire {
    /// A client of the store over a new wire, on which nothing goes wrong yet.
    ///
    /// Its retries have a budget of their own: all clients of a process for one service share one, which other tests use up.
    pub fn lay(store: &Embedded) -> (Self, aws_sdk_dynamodb::Client) {
        let wire = Self(Arc::default());
        let client = SharedHttpClient::new(FaultyClient { wire: wire.clone(), client: cost_sentry_aws::clients::http_client() });
        let partition = RetryPartition::custom("faults").token_bucket(TokenBucket::new(10_000)).build();
        let config = store.stack.clients.dynamodb().config().to_builder().http_client(client).retry_partition(partition);
        (wire, aws_sdk_dynamodb::Client::from_conf(config.build()))
    }

    /// From now on: these mishaps, then this one for good, or none.
    pub fn script(&self, next: impl IntoIterator<Item = Mishap>, then: Option<Mishap>) {
        *self.0.lock().unwrap() = Watch { next: next.into_iter().collect(), then, requests: 0 };
    }

    /// How many requests there were since.
    pub fn requests(&self) -> usize {
        self.0.lock().unwrap().requests
    }

    fn take(&self) -> Mishap {
        let mut watch = self.0.lock().unwrap();
        watch.requests += 1;
        watch.next.pop_front().or_else(|| watch.then.clone()).unwrap_or(Mishap::Pass)
    }
}

#[derive(Debug)]
struct FaultyClient {
    wire: Wire,
    client: SharedHttpClient,
}

impl HttpClient for FaultyClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(FaultyConnector { wire: self.wire.clone(), connector })
    }
}

#[derive(Debug)]
struct FaultyConnector {
    wire: Wire,
    connector: SharedHttpConnector,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (mishap, connector) = (self.wire.take(), self.connector.clone());
        HttpConnectorFuture::new(async move {
            match mishap {
                Mishap::Pass => connector.call(request).await,
                Mishap::Lost => {
                    connector.call(request).await?;
                    Err(ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()))
                }
                Mishap::Answer(status, body) => Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))),
            }
        })
    }
}
