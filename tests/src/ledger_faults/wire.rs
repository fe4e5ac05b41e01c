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
use aws_smithy_types::timeout::TimeoutConfig;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to one request.
#[derive(Debug, Clone)]
pub enum Mishap {
    /// Nothing.
    Pass,
    /// It is carried out, and its answer is lost.
    Lost,
    /// The connection is reset before it is carried out.
    Reset,
    /// Its time passes before it is carried out, which happens once the next request is done.
    Late,
    /// It is not carried out, and answered with this status and body.
    Answer(u16, Value),
    /// It is not carried out, because of this, in DynamoDB's word for a reason: in a transaction at its first action or at its last, as
    /// one of the cancellation's reasons, else as an error.
    Cancelled(&'static str, Place),
    /// The same because of two: the first action's, and the last one's, which is also that of what is no transaction.
    CancelledTwice(&'static str, &'static str),
    /// It is not carried out, and nobody ever answers.
    Silence,
    /// It is answered so only after a while.
    Slow(Duration, Box<Mishap>),
}

/// Which action of a transaction is in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The reservation's.
    First,
    /// A counter's.
    Last,
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
    late: Vec<(SharedHttpConnector, HttpRequest)>,
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

    /// The same with a client that no slow machine makes give up, for what is not about time.
    pub fn lay_patiently(store: &Embedded) -> (Self, aws_sdk_dynamodb::Client) {
        let (wire, client) = Self::lay(store);
        let config = client.config().to_builder().timeout_config(TimeoutConfig::disabled());
        (wire, aws_sdk_dynamodb::Client::from_conf(config.build()))
    }

    /// From now on: these mishaps, then this one for good, or none.
    pub fn script(&self, next: impl IntoIterator<Item = Mishap>, then: Option<Mishap>) {
        *self.0.lock().unwrap() = Watch { next: next.into_iter().collect(), then, requests: 0, late: Vec::new() };
    }

    /// Carries out what is late, in the order in which it was sent.
    pub async fn deliver_late(&self) {
        let late = std::mem::take(&mut self.0.lock().unwrap().late);
        for (connector, request) in late {
            connector.call(request).await.unwrap();
        }
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
        let (mishap, connector, wire) = (self.wire.take(), self.connector.clone(), self.wire.clone());
        HttpConnectorFuture::new(async move { meet(mishap, wire, connector, request).await })
    }
}

async fn meet(mishap: Mishap, wire: Wire, connector: SharedHttpConnector, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let broken = || ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
    match mishap {
        Mishap::Pass => {
            let response = connector.call(request).await;
            wire.deliver_late().await;
            response
        }
        Mishap::Lost => {
            connector.call(request).await?;
            Err(broken())
        }
        Mishap::Reset => Err(broken()),
        Mishap::Late => {
            wire.0.lock().unwrap().late.push((connector, request));
            Err(ConnectorError::timeout("too late".into()))
        }
        Mishap::Answer(status, body) => Ok(answer(status, &body)),
        Mishap::Cancelled(reason, Place::First) => Ok(in_trouble(&request, reason, "None", reason)),
        Mishap::Cancelled(reason, Place::Last) => Ok(in_trouble(&request, "None", reason, reason)),
        Mishap::CancelledTwice(first, last) => Ok(in_trouble(&request, first, last, last)),
        Mishap::Silence => std::future::pending().await,
        Mishap::Slow(time, mishap) => {
            tokio::time::sleep(time).await;
            Box::pin(meet(*mishap, wire, connector, request)).await
        }
    }
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

/// DynamoDB's answer to this request when it is not carried out: a transaction's has one reason per action, in their order, here something
/// else than `None` for the first and the last at most; what is no transaction has one for itself.
fn in_trouble(request: &HttpRequest, first: &str, last: &str, alone: &str) -> HttpResponse {
    let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
    let trouble = match body.get("TransactItems").and_then(Value::as_array) {
        Some(actions) => {
            let mut codes = vec!["None"; actions.len()];
            for (place, code) in [(codes.len() - 1, last), (0, first)] {
                if code != "None" {
                    codes[place] = code;
                }
            }
            cancelled(&codes)
        }
        None if alone == "ThrottlingError" => error("ThrottlingException"),
        None if alone == "ValidationError" => error("ValidationException"),
        None => error(&format!("{alone}Exception")),
    };
    let Mishap::Answer(status, body) = trouble else { unreachable!() };
    answer(status, &body)
}
