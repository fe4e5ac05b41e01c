//! HTTP for the simulator: Bedrock's paths, statuses and headers.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Answered, Operation};
use super::fault::Fault;
use super::play::{Play, Reply};
use crate::local::loopback::{Cut, Stop};

/// Bedrock's own limit on a request is 25 MB.
const LARGEST_REQUEST: usize = 25_000_000;

#[derive(Debug, Clone)]
struct Shared {
    play: Arc<Play>,
    stop: Stop,
    requests: Arc<AtomicU64>,
}

/// The routes of Bedrock Runtime that the simulator serves.
pub(super) fn router(play: Arc<Play>, stop: Stop) -> Router {
    Router::new()
        .route("/model/{model_id}/converse", post(converse))
        .route("/model/{model_id}/count-tokens", post(count_tokens))
        .fallback(async || {
            response(0, StatusCode::NOT_FOUND, Some("UnknownOperationException"), &json!({ "message": "Unknown operation" }))
        })
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .with_state(Shared { play, stop, requests: Arc::default() })
}

async fn converse(State(shared): State<Shared>, Path(model): Path<String>, ConnectInfo(cut): ConnectInfo<Cut>, body: Bytes) -> Response {
    serve(shared, Operation::Converse, model, &cut, &body).await
}

async fn count_tokens(
    State(shared): State<Shared>,
    Path(model): Path<String>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    body: Bytes,
) -> Response {
    serve(shared, Operation::CountTokens, model, &cut, &body).await
}

async fn serve(shared: Shared, operation: Operation, model_id: String, cut: &Cut, body: &[u8]) -> Response {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let Reply { latency, answered } = shared.play.reply(operation, model_id, body, Timestamp::now());
    if !latency.is_zero() {
        wait_or_stop(tokio::time::sleep(latency), &shared.stop).await;
    }
    match answered {
        Answered::Answer(body) => response(number, StatusCode::OK, None, &body),
        Answered::Fault { fault, message } => match fault.status().and_then(|status| StatusCode::from_u16(status).ok()) {
            Some(status) => response(number, status, Some(fault.name()), &json!({ "message": message })),
            None => no_answer(fault, cut, &shared.stop).await,
        },
    }
}

/// Ends the connection: at once, or when the client hangs up (which drops this future) or the simulator stops.
async fn no_answer(fault: Fault, cut: &Cut, stop: &Stop) -> Response {
    if fault == Fault::Timeout {
        wait_or_stop(pending(), stop).await;
    }
    cut.now();
    Response::new(Body::empty())
}

async fn wait_or_stop(wait: impl Future<Output = ()>, stop: &Stop) {
    tokio::select! {
        () = wait => {}
        () = stop.clone().wait() => {}
    }
}

fn response(number: u64, status: StatusCode, error: Option<&'static str>, body: &Value) -> Response {
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("x-amzn-requestid", format!("00000000-0000-4000-8000-{number:012x}"));
    if let Some(error) = error {
        response = response.header("x-amzn-errortype", error);
    }
    // All parts are valid by construction; an empty response is the harmless way to say otherwise.
    response.body(Body::from(body.to_string())).unwrap_or_default()
}
