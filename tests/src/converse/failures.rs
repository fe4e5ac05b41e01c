//! Calls that fail, over a real socket: each is taken for what it is, and each is sent once.

use super::server::{Reply, Server, json_reply};
use super::{call, check, client, policy};
use cost_sentry_core::request::Request;
use cost_sentry_workflow::ports::{Answer, CallFailed};
use serde_json::json;

/// A small request.
pub fn hello() -> Request {
    let policy = policy(&json!({
        "models": { "any": { "id": "amazon.nova-lite-v1:0" } },
        "budgets": [{ "name": "all", "limit": { "requests": 1 }, "window": "day" }],
    }));
    let messages = json!([{ "role": "user", "content": "Hello" }]);
    check(&policy, &json!({ "model": "any", "prompt": { "messages": messages }, "tags": { "applicationId": "docs" } })).unwrap()
}

/// The call's result at a server that answers so; it must have been sent once.
pub async fn called(what: &str, reply: Reply) -> Result<Answer, CallFailed> {
    let server = Server::start(reply);
    let result = call(client(Some(server.endpoint.clone())).await, &hello()).await;
    assert_eq!(server.requests(), 1, "{what}");
    result
}

#[tokio::test]
async fn each_error_of_bedrock_is_taken_for_what_it_is_and_the_call_is_sent_once() {
    let cases = [
        (400, Some("ValidationException"), CallFailed::Rejected),
        (403, Some("AccessDeniedException"), CallFailed::AccessDenied),
        (404, Some("ResourceNotFoundException"), CallFailed::NotFound),
        (408, Some("ModelTimeoutException"), CallFailed::TimedOut),
        (424, Some("ModelErrorException"), CallFailed::Failed),
        (429, Some("ThrottlingException"), CallFailed::Throttled),
        (429, Some("ModelNotReadyException"), CallFailed::NotReady),
        (500, Some("InternalServerException"), CallFailed::Failed),
        (503, Some("ServiceUnavailableException"), CallFailed::Failed),
        // None of these says that nothing was done.
        (400, Some("SomeNewException"), CallFailed::Failed),
        (429, Some("TooManyRequestsException"), CallFailed::Failed),
        (429, None, CallFailed::Failed),
        (408, None, CallFailed::Failed),
        (502, None, CallFailed::Failed),
        (504, None, CallFailed::Failed),
    ];
    for (status, name, expected) in cases {
        let what = format!("{status} {name:?}");
        let found = called(&what, json_reply(status, name, r#"{"message":"m"}"#)).await;
        assert_eq!(found, Err(expected), "{what}");
    }
}

#[tokio::test]
async fn what_breaks_after_the_request_was_sent_is_never_taken_for_not_processed() {
    let html = "<html>It works!</html>";
    let cut = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"output\":".to_vec();
    let cases = [
        ("closed without an answer", Reply::Bytes(Vec::new()), CallFailed::ConnectionLost),
        ("not HTTP", Reply::Bytes(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()), CallFailed::ConnectionLost),
        ("cut in the middle", Reply::Bytes(cut), CallFailed::ConnectionLost),
        ("not JSON", json_reply(200, None, html), CallFailed::Failed),
        ("JSON of another shape", json_reply(200, None, r#"{"output":[1],"usage":"none"}"#), CallFailed::Failed),
        ("an error without JSON", json_reply(500, None, html), CallFailed::Failed),
        ("silence", Reply::Silence, CallFailed::TimedOut),
    ];
    for (what, reply, expected) in cases {
        assert_eq!(called(what, reply).await, Err(expected), "{what}");
    }
}

#[tokio::test]
async fn a_connection_that_never_opened_sent_nothing() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for endpoint in [format!("http://{closed}"), "http://name.invalid".to_owned(), format!("https://{closed}")] {
        assert_eq!(call(client(Some(endpoint.clone())).await, &hello()).await, Err(CallFailed::Unreachable), "{endpoint}");
    }
}

#[tokio::test]
async fn a_connection_that_takes_too_long_to_open_sent_nothing() {
    // A listener whose queue is full lets every further connection wait.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let _waiting: Vec<_> = (0..2).map(|_| std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_millis(50))).collect();
    // The call may take a second in all: less than the two that a connection has where there is time for them.
    let client = client(Some(format!("http://{address}"))).await;
    assert_eq!(call(client, &hello()).await, Err(CallFailed::Unreachable));
}
