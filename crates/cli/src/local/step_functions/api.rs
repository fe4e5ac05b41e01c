//! The HTTP side: AWS JSON 1.0, one path, the operation in a header.

use super::answers;
use super::arn::MachineType;
use super::executions::Executions;
use super::refusal::Refusal;
use super::requests::Parameters;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use cost_sentry_asl::Tasks;
use serde_json::{Value, json};

/// AWS JSON 1.0.
pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// What goes before an operation's name in the header.
const TARGET: &str = "AWSStepFunctions.";
/// A request body: an input of 262,144 bytes, escaped, and then some; what is too long for AWS has to get its answer too.
const LARGEST_BODY: usize = 8_000_000;

/// The one route.
pub(super) fn router<T: Tasks + Send + Sync + 'static>(executions: Executions<T>) -> Router {
    Router::new().route("/", post(serve::<T>)).layer(DefaultBodyLimit::max(LARGEST_BODY)).with_state(executions)
}

async fn serve<T: Tasks + Send + Sync + 'static>(State(executions): State<Executions<T>>, headers: HeaderMap, body: Bytes) -> Response {
    match answer(&executions, &headers, &body).await {
        Ok(answer) => {
            let mut response = Response::new(Body::from(answer.to_string()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn answer<T>(executions: &Executions<T>, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal>
where
    T: Tasks + Send + Sync + 'static,
{
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix(TARGET).unwrap_or_default();
    let body: Value = serde_json::from_slice(if body.is_empty() { b"{}" } else { body })
        .map_err(|_| Refusal { name: "SerializationException", message: "the request's body is not JSON".to_owned() })?;
    let parameters = Parameters(&body);
    match operation {
        "StartExecution" => {
            let machine = parameters.machine()?;
            let record = executions.start(machine, parameters.execution_name()?, parameters.input()?)?;
            Ok(json!({ "executionArn": record.started.arn, "startDate": answers::seconds(record.started.started_at) }))
        }
        "StartSyncExecution" => {
            if parameters.machine()? != MachineType::Express {
                return Err(Refusal::type_not_supported());
            }
            let record = executions.run(parameters.execution_name()?, parameters.input()?).await;
            Ok(answers::sync(&record))
        }
        "DescribeExecution" => Ok(answers::describe(&executions.describe(&parameters.execution()?)?)),
        "StopExecution" => {
            let stopped = executions.stop(&parameters.execution()?, parameters.error()?, parameters.cause()?)?;
            Ok(json!({ "stopDate": answers::seconds(stopped) }))
        }
        "ListExecutions" => list(executions, &parameters),
        "GetExecutionHistory" => history(executions, &parameters),
        "DescribeStateMachine" => Ok(answers::state_machine(parameters.machine()?, executions)),
        "ListStateMachines" => Ok(answers::state_machines(executions)),
        "ValidateStateMachineDefinition" => Ok(answers::validation(&parameters.required("definition")?)),
        _ => {
            let message = format!("this endpoint does not serve the operation '{operation}'");
            Err(Refusal { name: "UnknownOperationException", message })
        }
    }
}

fn list<T: Tasks + Send + Sync + 'static>(executions: &Executions<T>, parameters: &Parameters<'_>) -> Result<Value, Refusal> {
    if parameters.machine()? != MachineType::Standard {
        return Err(Refusal::type_not_supported());
    }
    let status = parameters.status()?;
    let wanted = executions.list().into_iter().filter(|record| status.is_none_or(|status| record.status() == status));
    let (page, next) = parameters.page(wanted.map(|record| answers::listed(&record)).collect())?;
    Ok(paged("executions", &page, next))
}

fn history<T: Tasks + Send + Sync + 'static>(executions: &Executions<T>, parameters: &Parameters<'_>) -> Result<Value, Refusal> {
    let record = executions.describe(&parameters.execution()?)?;
    let mut events = record.history.answers(parameters.flag("includeExecutionData", true));
    if parameters.flag("reverseOrder", false) {
        events.reverse();
    }
    let (page, next) = parameters.page(events)?;
    Ok(paged("events", &page, next))
}

fn paged(name: &str, page: &[Value], next: Option<String>) -> Value {
    let mut answer = json!({ name: page });
    if let (Some(token), Some(fields)) = (next, answer.as_object_mut()) {
        fields.insert("nextToken".to_owned(), json!(token));
    }
    answer
}
