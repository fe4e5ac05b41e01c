//! HTTP for the sink: Smithy RPC v2 CBOR, as the Rust SDK sends it and wants it answered.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use ciborium::Value;

use super::Book;
use super::input::PutMetricData;
use super::rules::{self, RefusalKind};

/// CloudWatch's limit on a request, packed if it is packed.
const LARGEST_REQUEST: usize = 1024 * 1024;
const PUT_METRIC_DATA: &str = "/service/GraniteServiceVersion20100801/operation/PutMetricData";

/// One of the service's errors: what each layer of the protocol calls it.
#[derive(Debug, Clone, Copy)]
struct Shape {
    status: StatusCode,
    /// The shape's name in the service model, for `__type`.
    name: &'static str,
    /// The older query protocol's code and fault, which the SDK still reads first.
    query_error: &'static str,
}

const INTERNAL: Shape =
    Shape { status: StatusCode::INTERNAL_SERVER_ERROR, name: "InternalServiceFault", query_error: "InternalServiceError;Receiver" };
const UNREADABLE: Shape =
    Shape { status: StatusCode::BAD_REQUEST, name: "SerializationException", query_error: "SerializationException;Sender" };
const UNKNOWN: Shape =
    Shape { status: StatusCode::NOT_FOUND, name: "UnknownOperationException", query_error: "UnknownOperationException;Sender" };

fn refusal(kind: RefusalKind) -> Shape {
    let (name, query_error) = match kind {
        RefusalKind::MissingParameter => ("MissingRequiredParameterException", "MissingParameter;Sender"),
        RefusalKind::InvalidValue => ("InvalidParameterValueException", "InvalidParameterValue;Sender"),
        RefusalKind::InvalidCombination => ("InvalidParameterCombinationException", "InvalidParameterCombination;Sender"),
    };
    Shape { status: StatusCode::BAD_REQUEST, name, query_error }
}

/// The one route of CloudWatch that the sink serves.
pub(super) fn router(book: Arc<Book>) -> Router {
    Router::new()
        .route(PUT_METRIC_DATA, post(put_metric_data))
        .fallback(async || error(UNKNOWN, "This stand-in knows PutMetricData only, over RPC v2 CBOR."))
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .with_state(book)
}

async fn put_metric_data(State(book): State<Arc<Book>>, headers: HeaderMap, body: Bytes) -> Response {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given.as_bytes() == value.as_bytes());
    if !is("smithy-protocol", "rpc-v2-cbor") {
        return error(UNKNOWN, "This stand-in speaks RPC v2 CBOR only.");
    }
    if book.take_failure() {
        return error(INTERNAL, "A failure that the test asked for.");
    }
    let input = match PutMetricData::parse(&body, is("content-encoding", "gzip")) {
        Ok(input) => input,
        Err(problem) => return error(UNREADABLE, &problem),
    };
    match rules::check(&input) {
        Ok(data) => {
            book.add(data);
            response(StatusCode::OK).body(Body::empty()).unwrap_or_default()
        }
        Err(rules::Refusal { kind, message }) => error(refusal(kind), &message),
    }
}

fn error(shape: Shape, message: &str) -> Response {
    let body = Value::Map(vec![
        (Value::from("__type"), Value::from(format!("com.amazonaws.cloudwatch#{}", shape.name))),
        (Value::from("message"), Value::from(message)),
    ]);
    let mut bytes = Vec::new();
    // Writing to a vector does not fail.
    let _ = ciborium::into_writer(&body, &mut bytes);
    response(shape.status)
        .header("content-type", "application/cbor")
        .header("x-amzn-query-error", shape.query_error)
        .body(Body::from(bytes))
        .unwrap_or_default()
}

fn response(status: StatusCode) -> axum::http::response::Builder {
    Response::builder().status(status).header("smithy-protocol", "rpc-v2-cbor")
}
