//! What reaches Bedrock: every shipped alias and every id of the catalog, from the request's JSON to Converse's typed input.

mod aliases;
mod every_id;
mod failures;
mod server;
mod usage;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::operation::converse::{ConverseInput, ConverseOutput};
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ConversationRole, ConverseOutput as Output, InferenceConfiguration, Message, StopReason, SystemContentBlock, TokenUsage,
};
use aws_smithy_mocks::{MockResponseInterceptor, RuleMode, create_mock_http_client, mock};
use aws_smithy_types::{Document, Number};
use cost_sentry_aws::clients::{Clients, Endpoints};
use cost_sentry_aws::config::Config;
use cost_sentry_aws::converse::BedrockModel;
use cost_sentry_core::catalog::Catalog;
use cost_sentry_core::policy::Policy;
use cost_sentry_core::request::{Origin, Request, validate};
use cost_sentry_core::tags::TagValues;
use cost_sentry_workflow::ports::{Answer, Call, CallFailed, Model};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The client that the function has, towards this endpoint.
pub async fn client(endpoint: Option<String>) -> Client {
    let variables = HashMap::from([("COST_SENTRY_TABLE", "none"), ("COST_SENTRY_CONVERSE_TIMEOUT_SECONDS", "1")]);
    let config = Config::read(|name| variables.get(name).map(|value| (*value).to_owned())).unwrap();
    let endpoints = Endpoints { bedrock_runtime: endpoint, dummy_credentials: true, ..Endpoints::default() };
    Clients::load(&config, endpoints).await.bedrock_converse()
}

/// Sends a request's call.
pub async fn call(client: Client, request: &Request) -> Result<Answer, CallFailed> {
    let call = Call {
        model_id: &request.model.model_id,
        prompt: &request.prompt,
        inference: &request.inference,
        request_id: &request.tags.request_id,
    };
    BedrockModel::new(client).converse(call).await
}

/// Checks a request as the workflow does; the pointers of its problems, where it has any.
pub fn check(policy: &Policy, document: &Value) -> Result<Request, Vec<String>> {
    let (execution_id, started_at) = ("arn:aws:states:us-east-1:1:execution:cost-sentry:r", "2026-11-21T00:00:00Z".parse().unwrap());
    let origin = Origin { execution_id, started_at, pinned: &TagValues::new() };
    validate(document, policy, origin).map_err(|problems| problems.into_vec().into_iter().map(|problem| problem.pointer).collect())
}

pub fn policy(document: &Value) -> Policy {
    Policy::parse(document, Catalog::shipped().unwrap()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A request with all four parameters, a system message, and a trailing assistant message.
pub fn request(model: &str) -> Value {
    json!({
        "model": model,
        "prompt": {
            "messages": [
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": "What is a ledger?" },
                { "role": "user", "content": "In one sentence." },
                { "role": "assistant", "content": "A ledger" }
            ],
            "parameters": { "max_tokens": 300, "temperature": 0.7, "top_p": 0.9, "top_k": 50 }
        },
        "tags": { "applicationId": "docs" }
    })
}

/// What is expected of a model.
#[derive(Debug, Clone, Copy)]
pub struct Takes {
    pub system: bool,
    pub prefill: bool,
    pub sampling: Sampling,
    pub top_k: TopK,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    Both,
    TemperatureOnly,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopK {
    Claude,
    Nova,
    None,
}

impl Takes {
    /// The warnings of [`request`]: which parameters are dropped.
    fn dropped(self) -> Vec<String> {
        let dropped = |name: &str, why: &str| format!("PARAMETER_DROPPED `{name}` was not sent: {why}");
        if self.sampling == Sampling::None {
            return ["temperature", "top_p", "top_k"].map(|name| dropped(name, "this model takes no sampling parameters")).to_vec();
        }
        let together = dropped("top_p", "this model takes `temperature` or `top_p`, not both");
        let top_k = dropped("top_k", "this model does not have it");
        let warnings = [(self.sampling == Sampling::TemperatureOnly, together), (self.top_k == TopK::None, top_k)];
        warnings.into_iter().filter(|(drops, _)| *drops).map(|(_, warning)| warning).collect()
    }

    /// Converse's input for [`request`] without what the model refuses: whole, so that nothing else is sent.
    fn sent(self, model_id: &str, max_tokens: i32, request_id: &str) -> ConverseInput {
        let text = |text: &str| ContentBlock::Text(text.to_owned());
        let user = Message::builder().role(ConversationRole::User).content(text("What is a ledger?")).content(text("In one sentence."));
        let assistant = Message::builder().role(ConversationRole::Assistant).content(text("A ledger")).build().unwrap();
        let inference = InferenceConfiguration::builder()
            .max_tokens(max_tokens)
            .set_temperature((self.sampling != Sampling::None).then_some(0.7))
            .set_top_p((self.sampling == Sampling::Both).then_some(0.9))
            .build();
        let object = |name: &str, value| Document::Object(HashMap::from([(name.to_owned(), value)]));
        let fifty = Document::Number(Number::PosInt(50));
        let top_k = match self.top_k {
            _ if self.sampling == Sampling::None => None,
            TopK::Claude => Some(object("top_k", fifty)),
            TopK::Nova => Some(object("inferenceConfig", object("topK", fifty))),
            TopK::None => None,
        };
        let messages = [Some(user.build().unwrap()), self.prefill.then_some(assistant)];
        ConverseInput::builder()
            .model_id(model_id)
            .set_messages(Some(messages.into_iter().flatten().collect()))
            .set_system(self.system.then(|| vec![SystemContentBlock::Text("Be brief.".to_owned())]))
            .inference_config(inference)
            .set_additional_model_request_fields(top_k)
            .request_metadata("requestId", request_id)
            .build()
            .unwrap()
    }
}

/// Sends a request over a client that keeps what it is given.
async fn sent(request: &Request) -> ConverseInput {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let rule = mock!(Client::converse).then_compute_output(move |input| {
        keep.lock().unwrap().push(input.clone());
        let message = Message::builder().role(ConversationRole::Assistant).content(ContentBlock::Text("is a book.".to_owned())).build();
        let usage = TokenUsage::builder().input_tokens(9).output_tokens(4).total_tokens(13).build().unwrap();
        let output = ConverseOutput::builder().output(Output::Message(message.unwrap())).stop_reason(StopReason::EndTurn).usage(usage);
        output.build().unwrap()
    });
    let mocked = MockResponseInterceptor::new().rule_mode(RuleMode::MatchAny).with_rule(&rule);
    let config = client(None).await.config().to_builder().http_client(create_mock_http_client()).interceptor(mocked);
    let answer = call(Client::from_conf(config.build()), request).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.stop_reason.as_str(), rule.num_calls()), ("is a book.", "end_turn", 1));
    kept.lock().unwrap().remove(0)
}

/// Checks a model: what it refuses is a problem at the right place, and all else reaches Converse as it should.
pub async fn check_model(policy: &Policy, model: &str, model_id: &str, takes: Takes) {
    let mut document = request(model);
    let messages = "/prompt/messages";
    let refused = [(!takes.system, format!("{messages}/0")), (!takes.prefill, format!("{messages}/3"))];
    let refused: Vec<String> = refused.into_iter().filter(|(refused, _)| *refused).map(|(_, pointer)| pointer).collect();
    if !refused.is_empty() {
        assert_eq!(check(policy, &document).unwrap_err(), refused, "{model}");
    }
    let kept = document.pointer_mut(messages).unwrap().as_array_mut().unwrap();
    kept.retain(|message| match message["role"].as_str() {
        Some("system") => takes.system,
        Some("assistant") => takes.prefill,
        _ => true,
    });
    let request = check(policy, &document).unwrap_or_else(|pointers| panic!("{model}: {pointers:?}"));
    let warnings: Vec<String> = request.warnings.iter().map(|warning| format!("{} {}", warning.code, warning.message)).collect();
    assert_eq!(warnings, takes.dropped(), "{model}");
    assert_eq!(sent(&request).await, takes.sent(model_id, 300, &request.tags.request_id), "{model}");
}
