//! The prompt: system messages apart, the conversation as Converse wants it.

use crate::catalog::Capabilities;
use crate::problem::{At, Problems};
use serde::{Deserialize, Serialize};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person or program that asks.
    User,
    /// The model; at the end of a conversation, the beginning of its answer.
    Assistant,
}

/// One turn: messages in a row from the same role make one turn with several parts, as Converse wants roles to alternate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The texts, each with something in it.
    pub content: Vec<String>,
}

/// What is sent: never shown by `Debug`, since it is the client's own business.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The system messages, in order.
    pub system: Vec<String>,
    /// The conversation: starts with the user, roles alternate.
    pub messages: Vec<Message>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({:?}, {} texts)", self.role, self.content.len())
    }
}

impl std::fmt::Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prompt({} system texts, {:?})", self.system.len(), self.messages)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    System,
    Turn(Role),
}

const PROMPT_EXPECTED: &str = "an object with `messages` and optionally `parameters`";
const MESSAGES_EXPECTED: &str = "a list of at least one message, each with `role` and `content`";
const CONTENT_EXPECTED: &str = "a string with at least one character that is not white space";
const ROLES: [(&str, Speaker); 3] =
    [("system", Speaker::System), ("user", Speaker::Turn(Role::User)), ("assistant", Speaker::Turn(Role::Assistant))];

pub(super) fn parse(problems: &mut Problems, root: &At<'_>, capabilities: Option<&Capabilities>) -> Option<Prompt> {
    let at = problems.required(root, "prompt", PROMPT_EXPECTED)?;
    if !problems.object(&at, &["messages", "parameters"]) {
        return None;
    }
    let list = problems.required(&at, "messages", MESSAGES_EXPECTED)?;
    let items = list.items().filter(|items| !items.is_empty());
    let Some(items) = items else {
        problems.add(&list.pointer, MESSAGES_EXPECTED);
        return None;
    };
    let before = problems.len();
    let spoken: Vec<(Speaker, String, String)> = items.iter().filter_map(|item| message(problems, item)).collect();
    let all_read = problems.len() == before;
    let mut prompt = Prompt { system: Vec::new(), messages: Vec::new() };
    let mut last_turn = list.pointer.clone();
    for (speaker, text, pointer) in spoken {
        match speaker {
            Speaker::System => {
                if capabilities.is_some_and(|found| !found.system_prompt) {
                    problems.add(pointer, "no `system` message: this model does not take a system prompt");
                }
                prompt.system.push(text);
            }
            Speaker::Turn(role) => {
                last_turn = pointer;
                match prompt.messages.last_mut() {
                    Some(turn) if turn.role == role => turn.content.push(text),
                    _ => prompt.messages.push(Message { role, content: vec![text] }),
                }
            }
        }
    }
    if all_read {
        check_order(problems, &prompt, &list.pointer, last_turn, capabilities);
    }
    Some(prompt)
}

fn message(problems: &mut Problems, at: &At<'_>) -> Option<(Speaker, String, String)> {
    if !problems.object(at, &["role", "content"]) {
        return None;
    }
    let role = problems.required(at, "role", "one of `system`, `user` and `assistant`").and_then(|field| problems.word(&field, &ROLES));
    let content = problems.required(at, "content", CONTENT_EXPECTED).and_then(|field| {
        let text = field.value.as_str().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            problems.add(&field.pointer, CONTENT_EXPECTED);
        }
        text
    });
    Some((role?, content?.to_owned(), at.pointer.clone()))
}

fn check_order(problems: &mut Problems, prompt: &Prompt, list: &str, last_turn: String, capabilities: Option<&Capabilities>) {
    match prompt.messages.first().map(|message| message.role) {
        Some(Role::User) => {}
        Some(Role::Assistant) => problems.add(list, "a conversation that starts with a `user` message"),
        None => problems.add(list, "at least one `user` message"),
    }
    let ends_with_assistant = prompt.messages.last().is_some_and(|message| message.role == Role::Assistant);
    if ends_with_assistant && capabilities.is_some_and(|found| !found.prefill) {
        problems.add(last_turn, "a last message that is not the assistant's: this model refuses a prefilled answer");
    }
}
