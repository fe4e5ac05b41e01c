//! A word that the client wrote, or the model, or Bedrock, is nowhere but in the request and in the answer.

use crate::binary::Desk;
use crate::harness::{World, sample};
use cost_sentry::commands::new_execution;
use cost_sentry::local::stack::TABLE;
use cost_sentry::state_machine::function_arn;
use cost_sentry_asl::{End, Tasks};
use cost_sentry_core::outcome::Document;
use cost_sentry_workflow::payload::{Approved, Ended, Start, Validated};
use cost_sentry_workflow::ports::{Answer, Call};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const WORD: &str = "kanarienvogel";

/// Nine requests have room, the last one has not.
const POLICY: &str = r#"{
    models: { claude-3-5-haiku: { id: "us.anthropic.claude-3-5-haiku-20241022-v1:0" } },
    budgets: [{ name: some, limit: { requests: 4 }, period: { from: "2020-01-01T00:00:00Z", until: "2100-01-01T00:00:00Z" } }],
}"#;
const SCRIPT: &str = r"models: { '*': { answer: 'a kanarienvogel sings', next: [
    { answer: 'kanarienvogel', stopReason: end_turn },
    { error: ValidationException, message: 'messages.0: kanarienvogel is not valid' },
    { error: ThrottlingException, message: 'kanarienvogel' }, { answer: 'kanarienvogel' },
    { error: AccessDeniedException, message: 'kanarienvogel' },
    { error: ModelErrorException, message: 'kanarienvogel' },
    { error: InternalServerException, message: 'kanarienvogel' },
    { error: lostConnection } ] } }";

fn request() -> Value {
    let mut request = sample();
    request["prompt"]["messages"] = json!([
        { "role": "system", "content": format!("Think of a {WORD}.") },
        { "role": "user", "content": format!("What is a {WORD}?") },
    ]);
    request
}

/// Requests in which something is wrong, and the word stands where only a value can.
fn bad_requests() -> Vec<Value> {
    let with = |pointer: &str, value: Value| {
        let mut request = request();
        *request.pointer_mut(pointer).unwrap() = value;
        request
    };
    vec![
        with("/model", json!(WORD)),
        with("/prompt/messages/0/role", json!(WORD)),
        with("/prompt/messages/1/content", json!([WORD])),
        with("/prompt/parameters/max_tokens", json!(WORD)),
        with("/tags/applicationId", json!(format!("{WORD}é"))),
        with("/tags", json!(WORD)),
        json!(WORD),
        json!([WORD]),
    ]
}

async fn everything_stored(world: &World) -> String {
    let scan = world.stack.clients.dynamodb().scan().table_name(TABLE).into_paginator().items().send();
    let items = scan.collect::<Result<Vec<_>, _>>().await.unwrap();
    assert!(items.len() > 5, "{items:?}");
    format!("{items:?}")
}

#[tokio::test]
async fn no_text_of_prompt_answer_or_bedrock_is_logged_stored_counted_or_part_of_an_error() {
    let world = World::with_script(POLICY, SCRIPT).await;
    let (mut answers, mut failures) = (0, 0);
    for request in std::iter::repeat_n(request(), 9).chain(bad_requests()) {
        match world.run(&request).await.end {
            End::Succeeded { output } => {
                answers += 1;
                assert!(output["response"]["content"].as_str().unwrap().contains(WORD), "the client gets the answer");
            }
            End::Failed { error, cause } => {
                failures += 1;
                assert!(!error.contains(WORD) && !cause.contains(WORD), "{error}: {cause}");
            }
            End::TimedOut => panic!("timed out"),
        }
    }
    assert_eq!((answers, failures), (2, 15));
    let logged = Value::from(world.log_lines()).to_string();
    assert!(!logged.contains(WORD), "{logged}");
    let stored = everything_stored(&world).await;
    assert!(!stored.contains(WORD), "{stored}");
    let counted = format!("{:?}", world.stack.sink.as_ref().unwrap().data());
    assert!(!counted.contains(WORD), "{counted}");
}

fn shown<T: DeserializeOwned + std::fmt::Debug>(payload: &Value) -> String {
    format!("{:?}", serde_json::from_value::<T>(payload.clone()).unwrap())
}

#[tokio::test]
async fn no_debug_form_of_a_payload_shows_it() {
    let world = World::with_script(POLICY, SCRIPT).await;
    let tasks = world.stack.tasks(world.log.clone());
    let execution = new_execution();
    let start = json!({ "request": request(), "executionId": execution.id, "startedAt": execution.start_time, "pinnedTags": {} });
    let validated = tasks.invoke(&function_arn("validate-and-set-context"), start.clone()).await.unwrap();
    let approved = tasks.invoke(&function_arn("check-rate-limit"), validated.clone()).await.unwrap();
    let ended = tasks.invoke(&function_arn("invoke-model"), approved.clone()).await.unwrap();
    let done = tasks.invoke(&function_arn("record-metrics"), ended.clone()).await.unwrap();
    let request = serde_json::from_value::<Approved>(approved.clone()).unwrap().request;
    let call = Call { model_id: "m", prompt: &request.prompt, inference: &request.inference, request_id: &request.tags.request_id };
    let answer = Answer { text: WORD.to_owned(), stop_reason: "end_turn".to_owned(), usage: None };
    let forms = [
        ("Start", shown::<Start>(&start)),
        ("Validated", shown::<Validated>(&validated)),
        ("Approved", shown::<Approved>(&approved)),
        ("Ended", shown::<Ended>(&ended)),
        ("Document", shown::<Document>(&done)),
        ("Request", format!("{request:?}")),
        ("Call", format!("{call:?}")),
        ("Answer", format!("{answer:?}")),
    ];
    assert!(done.to_string().contains(WORD), "the answer is in the payload");
    for (name, form) in forms {
        assert!(!form.contains(WORD), "{name}: {form}");
    }
}

#[test]
fn the_binary_shows_the_answer_and_nothing_else() {
    let desk = Desk::new();
    let (policy, script) = (desk.file("policy.yaml", POLICY), desk.file("script.yaml", SCRIPT));
    let run = |request: &Value, status: i32, says_it: bool| {
        let request = desk.file("request.json", &request.to_string());
        let done = desk.run(&["run", request, "--policy", policy, "--simulator", script, "--data", "books"]).expect(status);
        assert!(!done.stderr.contains(WORD), "{done:?}");
        assert_eq!(done.stdout.contains(WORD), says_it, "{done:?}");
    };
    run(&request(), 0, true);
    for bad in bad_requests() {
        run(&bad, 2, false);
    }
    desk.file("script.yaml", "models: { '*': { always: { error: AccessDeniedException, message: kanarienvogel } } }");
    run(&request(), 4, false);
    let log = std::fs::read_to_string(desk.books().join("log.jsonl")).unwrap();
    assert!(!log.contains(WORD), "{log}");
}
