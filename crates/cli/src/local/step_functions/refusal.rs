//! What the endpoint refuses, under AWS's own error names.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A request that is refused: AWS's error name, and a sentence. All of them answer HTTP 400, as the service's model says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error's name.
    pub name: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    /// An ARN that is none, or names another kind of thing.
    pub fn invalid_arn(arn: &str) -> Self {
        Self { name: "InvalidArn", message: format!("Invalid Arn: '{arn}'") }
    }

    /// No such state machine.
    pub fn state_machine_does_not_exist(arn: &str) -> Self {
        Self { name: "StateMachineDoesNotExist", message: format!("State Machine Does Not Exist: '{arn}'") }
    }

    /// No such execution.
    pub fn execution_does_not_exist(arn: &str) -> Self {
        Self { name: "ExecutionDoesNotExist", message: format!("Execution Does Not Exist: '{arn}'") }
    }

    /// A name that was used for another execution.
    pub fn execution_already_exists(arn: &str) -> Self {
        Self { name: "ExecutionAlreadyExists", message: format!("Execution Already Exists: '{arn}'") }
    }

    /// An operation that this type of state machine does not have.
    pub fn type_not_supported() -> Self {
        let message = "This operation is not supported by this type of state machine".to_owned();
        Self { name: "StateMachineTypeNotSupported", message }
    }

    /// A name that AWS does not take.
    pub fn invalid_name(name: &str) -> Self {
        Self { name: "InvalidName", message: format!("Invalid Name: '{name}'") }
    }

    /// An input that is not JSON.
    pub fn invalid_input(line: usize, column: usize) -> Self {
        Self {
            name: "InvalidExecutionInput",
            message: format!("Invalid State Machine Execution Input: not JSON at line {line}, column {column}"),
        }
    }

    /// A page token that this endpoint did not give out.
    pub fn invalid_token() -> Self {
        Self { name: "InvalidToken", message: "Invalid Token".to_owned() }
    }

    /// A parameter outside its bounds.
    pub fn validation(message: impl Into<String>) -> Self {
        Self { name: "ValidationException", message: message.into() }
    }

    /// The state could not be kept: the disk is full, or the folder is gone.
    pub fn not_kept(message: impl Into<String>) -> Self {
        Self { name: "ServiceUnavailable", message: message.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = if self.name == "ServiceUnavailable" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_REQUEST };
        let body = json!({ "__type": self.name, "message": self.message }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(super::api::CONTENT_TYPE));
        response
    }
}
