//! The wire between the SDK and the services, with faults: which request of an execution meets which one, counted over all services.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The connection is never opened.
    Refused,
    /// The connection breaks before anything is sent; the client cannot know that.
    LostBefore,
    /// The service does it, and its answer is lost.
    LostAfter,
    /// The function's process ends before the request is sent.
    CrashBefore,
    /// The service does it, and then the function's process ends.
    CrashAfter,
    /// The client's time passes, and the service does it only after the next request.
    Late,
    /// DynamoDB is busy with others' requests: a conflict for a write, throttling for a read.
    Busy,
    /// The service fails, and did nothing.
    Internal,
    /// DynamoDB will never take it.
    Invalid,
}

impl Mishap {
    pub const ALL: [Self; 9] = [
        Self::Refused,
        Self::LostBefore,
        Self::LostAfter,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Late,
        Self::Busy,
        Self::Internal,
        Self::Invalid,
    ];

    /// How far it goes where it goes wrong.
    pub fn extents(self) -> &'static [Extent] {
        match self {
            Self::Refused | Self::LostBefore | Self::LostAfter => &Extent::ALL,
            // Crashes are not retried: what goes on after one is the step that records it, which has a test of its own. What goes on
            // being late or busy is the ledger's own affair, and a lost answer to everybody else.
            Self::CrashBefore | Self::CrashAfter | Self::Late | Self::Busy | Self::Internal => &[Extent::Once],
            Self::Invalid => &[Extent::Step, Extent::Rest],
        }
    }

    /// Whether it can happen to this request. Each of Bedrock's own answers has tests beside its adapter.
    pub fn can_meet(self, request: &Request) -> bool {
        match self {
            Self::Late | Self::Internal => !request.is_a_bedrock_request(),
            Self::Busy | Self::Invalid => !request.is_a_bedrock_request() && request.operation != "PutMetricData",
            _ => true,
        }
    }

    /// Whether it ends the function.
    pub fn is_crash(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }
}

/// How long things go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// With one request.
    Once,
    /// With each further request of the same state too, retries of the state included.
    Step,
    /// With each further request of the execution.
    Rest,
}

impl Extent {
    pub const ALL: [Self; 3] = [Self::Once, Self::Step, Self::Rest];
}

/// A mishap, where it begins and how far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which request of the execution, from 0.
    pub at: usize,
    pub mishap: Mishap,
    pub extent: Extent,
}

/// A request that the SDK wanted to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The state whose function it was.
    pub state: String,
    /// The operation's name.
    pub operation: String,
}

impl Request {
    /// Whether it is the one request that costs money.
    pub fn is_call(&self) -> bool {
        self.operation == "converse"
    }

    /// Whether it is for Bedrock at all.
    pub fn is_a_bedrock_request(&self) -> bool {
        self.is_call() || self.operation == "count-tokens"
    }
}

/// What is to go wrong, and what was seen so far.
#[derive(Debug, Default)]
struct Watch {
    /// The state that runs; nothing is counted and nothing goes wrong while there is none.
    state: Option<String>,
    fault: Option<Fault>,
    requests: Vec<Request>,
    late: Vec<(SharedHttpConnector, HttpRequest)>,
    /// What happens just before a request, once.
    before: Option<(usize, Interlude)>,
}

/// Something that others do meanwhile.
pub struct Interlude(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Interlude {
    pub fn new(what: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(what))
    }
}

impl std::fmt::Debug for Interlude {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interlude")
    }
}

/// The wire of one world.
#[derive(Debug, Clone, Default)]
pub struct Wire(Arc<Mutex<Watch>>);

impl Wire {
    /// A wire on which this goes wrong.
    pub fn with_fault(fault: Option<Fault>) -> Self {
        Self(Arc::new(Mutex::new(Watch { fault, ..Watch::default() })))
    }

    /// A client for the SDK that sends over this wire.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(FaultyClient { wire: self.clone(), client: cost_sentry_aws::clients::http_client() })
    }

    /// From now on, requests are those of this state; of none, when the execution has ended.
    pub fn entered(&self, state: Option<&str>) {
        self.watch().state = state.map(str::to_owned);
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.watch().requests.clone()
    }

    /// Others do this just before that request of the execution.
    pub fn before(&self, number: usize, what: Interlude) {
        self.watch().before = Some((number, what));
    }

    /// Carries out what is late.
    pub async fn deliver_late(&self) {
        let late = std::mem::take(&mut self.watch().late);
        for (connector, request) in late {
            connector.call(request).await.unwrap();
        }
    }

    fn interlude(&self) -> Option<Interlude> {
        let mut watch = self.watch();
        let is_due = watch.state.is_some() && watch.before.as_ref().is_some_and(|(number, _)| *number == watch.requests.len());
        if is_due { watch.before.take().map(|(_, what)| what) } else { None }
    }

    /// Counts a request; what goes wrong with it.
    fn fault(&self, operation: String) -> Option<Fault> {
        let mut watch = self.watch();
        let state = watch.state.clone()?;
        let number = watch.requests.len();
        watch.requests.push(Request { state: state.clone(), operation });
        let fault = watch.fault?;
        let again = match fault.extent {
            Extent::Once => false,
            Extent::Step => number > fault.at && watch.requests[fault.at].state == state,
            Extent::Rest => number > fault.at,
        };
        (number == fault.at || again).then_some(fault)
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1/";

impl HttpConnector for FaultyConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let (wire, connector, interlude) = (self.wire.clone(), self.connector.clone(), self.wire.interlude());
        let fault = self.wire.fault(operation(&request));
        HttpConnectorFuture::new(async move {
            if let Some(Interlude(what)) = interlude {
                what.await;
            }
            let Some(Fault { mishap, extent, .. }) = fault else {
                let response = connector.call(request).await;
                wire.deliver_late().await;
                return response;
            };
            match mishap {
                Mishap::Refused => {
                    request.set_uri(NOWHERE).unwrap();
                    connector.call(request).await
                }
                Mishap::LostBefore => Err(broken(extent)),
                Mishap::LostAfter => {
                    connector.call(request).await?;
                    Err(broken(extent))
                }
                Mishap::CrashBefore => crash(),
                Mishap::CrashAfter => {
                    connector.call(request).await?;
                    crash()
                }
                Mishap::Late => {
                    wire.watch().late.push((connector, request));
                    Err(ConnectorError::timeout("too late".into()))
                }
                Mishap::Busy => Ok(answer(400, &busy(&request))),
                Mishap::Internal => Ok(answer(500, &named("InternalServerError"))),
                Mishap::Invalid => Ok(answer(400, &invalid(&request))),
            }
        })
    }
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

fn named(error: &str) -> Value {
    json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{error}"), "message": "injected" })
}

/// DynamoDB's answer to a transaction that is cancelled for this reason, which its last action has; nothing for other requests.
fn cancelled(request: &HttpRequest, reason: &str) -> Option<Value> {
    let body: Value = serde_json::from_slice(request.body().bytes()?).ok()?;
    let mut reasons = vec![json!({ "Code": "None" }); body.get("TransactItems")?.as_array()?.len()];
    *reasons.last_mut()? = json!({ "Code": reason });
    let mut answer = named("TransactionCanceledException");
    answer["CancellationReasons"] = Value::Array(reasons);
    Some(answer)
}

fn busy(request: &HttpRequest) -> Value {
    let alone = if operation(request) == "PutItem" { "TransactionConflictException" } else { "ProvisionedThroughputExceededException" };
    cancelled(request, "TransactionConflict").unwrap_or_else(|| named(alone))
}

fn invalid(request: &HttpRequest) -> Value {
    cancelled(request, "ValidationError").unwrap_or_else(|| named("ValidationException"))
}

/// A broken connection. What goes on breaking is not retried by the SDK: all clients of a process share one budget of retries, and
/// the worlds of a test would use it up for each other.
fn broken(extent: Extent) -> ConnectorError {
    let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
    match extent {
        Extent::Once => ConnectorError::io(source),
        Extent::Step | Extent::Rest => ConnectorError::other(source, None),
    }
}

/// Ends the invocation, as the end of its process does: unwinds its task, quietly.
fn crash<T>() -> T {
    std::panic::resume_unwind(Box::new("the process ended"))
}

/// The operation by its name: DynamoDB says it in a header, Bedrock and CloudWatch at the end of the path.
fn operation(request: &HttpRequest) -> String {
    let last = |text: &str, separator| text.rsplit(separator).next().unwrap_or_default().to_owned();
    match request.headers().get("x-amz-target") {
        Some(target) => last(target, '.'),
        None => last(request.uri().split('?').next().unwrap_or_default(), '/'),
    }
}
