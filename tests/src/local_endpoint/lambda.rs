//! Functions behind a Lambda endpoint give the same ends as functions in the process, however their errors are reported.

use super::process::{Local, policy};
use crate::binary::Desk;
use crate::harness::{MemoryLog, World, sample};
use aws_sdk_sfn::types::HistoryEvent;
use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use cost_sentry::local::tasks::LocalTasks;
use cost_sentry::state_machine::function_arn;
use cost_sentry_asl::Tasks;
use serde_json::{Value, json};

/// How the endpoint reports a function's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reports {
    /// HTTP 200 with `X-Amz-Function-Error`, as Lambda does.
    InAHeader,
    /// HTTP 500, as `cargo lambda watch` does.
    AsA500,
}

#[derive(Clone)]
struct Functions {
    tasks: LocalTasks<MemoryLog>,
    reports: Reports,
    /// The function that never answers.
    hangs: Option<&'static str>,
}

async fn invoke(
    State(functions): State<Functions>,
    Path(name): Path<String>,
    Json(input): Json<Value>,
) -> (StatusCode, HeaderMap, Json<Value>) {
    if functions.hangs == Some(&name) {
        std::future::pending::<()>().await;
    }
    let mut headers = HeaderMap::new();
    match functions.tasks.invoke(&function_arn(&name), input).await {
        Ok(result) => (StatusCode::OK, headers, Json(result)),
        Err(error) => {
            let status = if functions.reports == Reports::AsA500 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
            if status == StatusCode::OK {
                headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
            }
            (status, headers, Json(serde_json::from_str(&error.cause).unwrap()))
        }
    }
}

/// Serves the functions over a world's own books and simulated Bedrock; the endpoint's URL.
async fn serve(world: &World, reports: Reports, hangs: Option<&'static str>) -> String {
    let functions = Functions { tasks: world.stack.tasks(world.log.clone()), reports, hangs };
    let router = Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke)).with_state(functions);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Two requests fit. The model throttles twice, answers, and refuses.
const SCRIPT: &str = "models: { '*': { next: [{ error: ThrottlingException, times: 2 }, {}, { error: AccessDeniedException }, {}] } }";

fn few() -> String {
    policy("{ name: few, limit: { requests: 2 }, window: month }")
}

/// An event's type, and the error's name where it has one.
fn event(event: &HistoryEvent) -> String {
    let error = event.lambda_function_failed_event_details().and_then(|details| details.error());
    [event.r#type().as_str()].into_iter().chain(error).collect::<Vec<_>>().join(" ")
}

/// Runs one request of each kind; how each ended, and its history in words.
async fn run_all(local: &Local) -> Vec<(String, Value, Vec<String>)> {
    let client = local.client();
    let mut ends = Vec::new();
    // Answered after retries, failed (which gives its room back), answered, denied, rejected.
    for (n, request) in [sample(), sample(), sample(), sample(), json!({ "model": "x" })].iter().enumerate() {
        let start = client.start_execution().state_machine_arn(local.standard()).name(format!("run-{n}")).input(request.to_string());
        let arn = start.send().await.unwrap().execution_arn().to_owned();
        let ended = local.ended(&arn).await;
        let document: Value = serde_json::from_str(ended.output().or(ended.cause()).unwrap()).unwrap();
        let history = client.get_execution_history().execution_arn(&arn).send().await.unwrap();
        let error = ended.error().unwrap_or("none").to_owned();
        ends.push((error, document["error"].clone(), history.events().iter().map(event).collect()));
    }
    ends
}

#[tokio::test]
async fn ends_retries_and_error_names_are_those_of_functions_in_the_process() {
    let desk = Desk::new();
    let here = run_all(&Local::start(&desk, &few(), &["--simulator", desk.file("script.yaml", SCRIPT)], &[])).await;
    let errors: Vec<&str> = here.iter().map(|(error, ..)| error.as_str()).collect();
    assert_eq!(errors, ["none", "InvocationFailed", "none", "RateLimitDenied", "InvalidRequest"]);
    assert_eq!(here[0].2.iter().filter(|event| *event == "LambdaFunctionFailed ModelThrottled").count(), 2);
    for reports in [Reports::InAHeader, Reports::AsA500] {
        let world = World::with_script(&few(), SCRIPT).await;
        let desk = Desk::new();
        let there = Local::start(&desk, &few(), &["--lambda-endpoint", &serve(&world, reports, None).await], &[]);
        assert_eq!(run_all(&there).await, here, "{reports:?}");
        assert_eq!(world.calls().len(), 5, "{reports:?}");
    }
}

#[tokio::test]
async fn a_function_that_never_answers_times_out_as_its_task_says() {
    let world = World::new(&few()).await;
    let url = serve(&world, Reports::InAHeader, Some("validate-and-set-context")).await;
    let desk = Desk::new();
    let local = Local::start(&desk, &few(), &["--lambda-endpoint", &url], &[]);
    let start = local.client().start_execution().state_machine_arn(local.standard()).input(sample().to_string());
    let arn = start.send().await.unwrap().execution_arn().to_owned();
    let ended = local.ended(&arn).await;
    assert_eq!(ended.error(), Some("InvocationFailed"));
    let took = ended.stop_date().unwrap().as_secs_f64() - ended.start_date().as_secs_f64();
    assert!((10.0..20.0).contains(&took), "{took}");
    let history = local.client().get_execution_history().execution_arn(&arn).send().await.unwrap();
    assert!(history.events().iter().any(|event| event.r#type().as_str() == "LambdaFunctionTimedOut"));
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_fails_the_execution_and_not_the_process() {
    let desk = Desk::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let local = Local::start(&desk, &few(), &["--lambda-endpoint", &format!("http://{nobody}")], &[]);
    let start = local.client().start_sync_execution().state_machine_arn(local.express()).input(sample().to_string());
    let ended = start.send().await.unwrap();
    assert_eq!(ended.error(), Some("InvocationFailed"));
    let document: Value = serde_json::from_str(ended.cause().unwrap()).unwrap();
    assert_eq!(document["error"]["name"], "StepMalfunction");
    local.stop("TERM").expect(0);
}
