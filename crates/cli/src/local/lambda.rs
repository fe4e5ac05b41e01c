//! The functions of the state machine behind a Lambda endpoint, such as `cargo lambda watch`: real function processes.
//!
//! Two ways of reporting a function's error are understood: HTTP 200 with `X-Amz-Function-Error`, as Lambda does, and HTTP 500 with the
//! error document, as `cargo lambda watch` does. Left out: credentials, and any scheme but plain HTTP on this machine.

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode};
use cost_sentry_asl::{TaskError, Tasks};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// Functions behind an endpoint.
#[derive(Debug, Clone)]
pub struct LambdaTasks {
    endpoint: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl LambdaTasks {
    /// Functions at this URL, such as `http://127.0.0.1:9000`.
    pub fn new(endpoint: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { endpoint: endpoint.trim_end_matches('/').to_owned(), client }
    }
}

/// What Lambda's service reports by itself, in the names that Step Functions gives it.
fn service_error(name: &str, cause: &str) -> TaskError {
    TaskError { error: format!("Lambda.{name}"), cause: cause.to_owned() }
}

impl Tasks for LambdaTasks {
    async fn invoke(&self, resource: &str, input: Value) -> Result<Value, TaskError> {
        let function = resource.rsplit(':').next().unwrap_or_default();
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.endpoint);
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(input.to_string())))
            .map_err(|_| service_error("SdkClientException", "the Lambda endpoint is not a URL"))?;
        let response = self.client.request(request).await;
        let response = response.map_err(|_| service_error("SdkClientException", "the Lambda endpoint did not answer"))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| service_error("SdkClientException", "the Lambda endpoint's answer broke off"))?;
        read(parts.status, parts.headers.contains_key("x-amz-function-error"), &body.to_bytes())
    }
}

/// What an answer means.
fn read(status: StatusCode, is_function_error: bool, body: &[u8]) -> Result<Value, TaskError> {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    let error_type = document.as_ref().and_then(|document| document.get("errorType")).and_then(Value::as_str);
    match (status, error_type, &document) {
        (StatusCode::OK, _, Some(result)) if !is_function_error => Ok(result.clone()),
        (StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR, Some(error), Some(document)) => {
            let message = document.get("errorMessage").cloned().unwrap_or_default();
            let cause = json!({ "errorMessage": message, "errorType": error }).to_string();
            Err(TaskError { error: error.to_owned(), cause })
        }
        (StatusCode::OK, _, _) => Err(service_error("Unknown", "the function ended without an answer")),
        (StatusCode::TOO_MANY_REQUESTS, _, _) => Err(service_error("TooManyRequestsException", "the function is busy")),
        (StatusCode::NOT_FOUND, _, _) => Err(service_error("ResourceNotFoundException", "no function of this name is served")),
        (status, _, _) if status.is_server_error() => Err(service_error("ServiceException", "the Lambda endpoint failed")),
        _ => Err(service_error("AWSLambdaException", "the Lambda endpoint refused the invocation")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_reporting_a_function_error_keep_its_name() {
        let error = json!({ "errorType": "LedgerContended", "errorMessage": "m" }).to_string();
        let name = |status: u16, flag: bool, body: &str| {
            read(StatusCode::from_u16(status).unwrap(), flag, body.as_bytes()).map_err(|error| error.error)
        };
        assert_eq!(name(200, false, "{\"a\":1}"), Ok(json!({ "a": 1 })));
        assert_eq!(name(200, true, &error), Err("LedgerContended".to_owned()));
        assert_eq!(name(500, false, &error), Err("LedgerContended".to_owned()));
        // A result that merely looks like an error document is a result.
        assert!(name(200, false, &error).is_ok());
        assert_eq!(name(200, true, "not JSON"), Err("Lambda.Unknown".to_owned()));
        assert_eq!(name(500, false, "not JSON"), Err("Lambda.ServiceException".to_owned()));
        assert_eq!(name(429, false, ""), Err("Lambda.TooManyRequestsException".to_owned()));
        assert_eq!(name(404, false, ""), Err("Lambda.ResourceNotFoundException".to_owned()));
    }
}
