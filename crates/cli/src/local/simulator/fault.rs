//! The ways in which a simulated call fails: Bedrock's error names, and two failures below HTTP.

use serde::Deserialize;

/// A failure that a script can ask for; its text form is the variant's name (`timeout` and `lostConnection` excepted).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Fault {
    /// HTTP 400: the request is not acceptable; never processed.
    ValidationException,
    /// HTTP 403: never processed.
    AccessDeniedException,
    /// HTTP 404: no such model or profile; never processed.
    ResourceNotFoundException,
    /// HTTP 408: the model took too long; it may have been billed.
    ModelTimeoutException,
    /// HTTP 424: the model failed; it may have been billed.
    ModelErrorException,
    /// HTTP 429: never processed.
    ThrottlingException,
    /// HTTP 429: never processed.
    ModelNotReadyException,
    /// HTTP 500: it may have been billed.
    InternalServerException,
    /// HTTP 503: it may have been billed.
    ServiceUnavailableException,
    /// `timeout`: the request is accepted and never answered; it ends when the client hangs up.
    #[serde(rename = "timeout")]
    Timeout,
    /// `lostConnection`: the whole request is read, then the connection closes without an answer.
    #[serde(rename = "lostConnection")]
    LostConnection,
}

impl Fault {
    /// Every fault, in the order of their HTTP statuses.
    pub const ALL: [Self; 11] = [
        Self::ValidationException,
        Self::AccessDeniedException,
        Self::ResourceNotFoundException,
        Self::ModelTimeoutException,
        Self::ModelErrorException,
        Self::ThrottlingException,
        Self::ModelNotReadyException,
        Self::InternalServerException,
        Self::ServiceUnavailableException,
        Self::Timeout,
        Self::LostConnection,
    ];

    /// The name in a script; for Bedrock's errors also the `x-amzn-errortype`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ValidationException => "ValidationException",
            Self::AccessDeniedException => "AccessDeniedException",
            Self::ResourceNotFoundException => "ResourceNotFoundException",
            Self::ModelTimeoutException => "ModelTimeoutException",
            Self::ModelErrorException => "ModelErrorException",
            Self::ThrottlingException => "ThrottlingException",
            Self::ModelNotReadyException => "ModelNotReadyException",
            Self::InternalServerException => "InternalServerException",
            Self::ServiceUnavailableException => "ServiceUnavailableException",
            Self::Timeout => "timeout",
            Self::LostConnection => "lostConnection",
        }
    }

    /// The HTTP status of the answer, or nothing where no answer is sent.
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::ValidationException => Some(400),
            Self::AccessDeniedException => Some(403),
            Self::ResourceNotFoundException => Some(404),
            Self::ModelTimeoutException => Some(408),
            Self::ModelErrorException => Some(424),
            Self::ThrottlingException | Self::ModelNotReadyException => Some(429),
            Self::InternalServerException => Some(500),
            Self::ServiceUnavailableException => Some(503),
            Self::Timeout | Self::LostConnection => None,
        }
    }

    /// What the simulator says when the script gives no message.
    pub const fn message(self) -> &'static str {
        match self {
            Self::ValidationException => "The simulated request is not valid.",
            Self::AccessDeniedException => "You don't have access to the model with the specified model ID.",
            Self::ResourceNotFoundException => "The specified resource ARN was not found.",
            Self::ModelTimeoutException => "The model took too long to process the request.",
            Self::ModelErrorException => "The model encountered an error while processing the request.",
            Self::ThrottlingException => "Too many requests, please wait before trying again.",
            Self::ModelNotReadyException => "The model is not ready to serve requests yet.",
            Self::InternalServerException => "The service encountered an internal error.",
            Self::ServiceUnavailableException => "The service is temporarily unavailable.",
            Self::Timeout | Self::LostConnection => "",
        }
    }
}
