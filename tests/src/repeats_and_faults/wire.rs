//! The wire between the SDK and the services, with faults: which request of an execution meets which one, counted over all services.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
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
}

impl Mishap {
    pub const ALL: [Self; 5] = [Self::Refused, Self::LostBefore, Self::LostAfter, Self::CrashBefore, Self::CrashAfter];

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
        let Some(Fault { mishap, extent, .. }) = self.wire.fault(operation(&request)) else {
            return self.connector.call(request);
        };
        let connector = self.connector.clone();
        HttpConnectorFuture::new(async move {
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
            }
        })
    }
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
