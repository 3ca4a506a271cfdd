//! Attempts to write, to read and to change what the room does not let one.

#[path = "chat/changing.rs"]
mod changing;
#[path = "chat/keeping.rs"]
mod keeping;
#[path = "chat/reading.rs"]
mod reading;
#[path = "chat/texts.rs"]
mod texts;
#[path = "chat/writing.rs"]
mod writing;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::person::Person;
use crate::stage::{Room, Stage};

static MESSAGES: AtomicU32 = AtomicU32::new(1);

/// A message that there never was.
const NO_MESSAGE: &str = "msg_01m81b7bv0fr78w3ge1r70w3ge";

/// Makes a meeting with chat policies, which anybody enters.
async fn meeting(stage: &Stage, chat: Value) -> Room {
    let update = json!({"lobby": "off", "start_without_host": true, "chat": chat});
    stage.room("meeting", update).await
}

fn all() -> Value {
    json!({"kind": "all"})
}

fn hosts() -> Value {
    json!({"kind": "hosts"})
}

fn only(person: &Person) -> Value {
    json!({"kind": "participant", "participant": person.id})
}

/// Returns the data of a message that was not sent before.
fn message(to: Value, text: &str) -> Value {
    let number = MESSAGES.fetch_add(1, Ordering::Relaxed);
    json!({"client_id": format!("c-{number}"), "to": to, "text": text})
}

/// Writes. Returns the id of the message.
async fn write(person: &mut Person, to: Value, text: &str) -> String {
    let sent = person.link.ok("chat.send", message(to, text)).await;
    sent["id"].as_str().unwrap().to_owned()
}

/// Tries to write in vain. Returns the code.
async fn try_write(person: &mut Person, to: Value) -> String {
    person.link.refused("chat.send", message(to, "Hello")).await
}

/// Hears everything, and returns the texts that one is shown, in order.
async fn texts_of(person: &mut Person) -> Vec<String> {
    person.settle().await;
    let shown = person.mirror.chat.values();
    shown
        .map(|message| message["text"].as_str().unwrap().to_owned())
        .collect()
}

/// Hears everything, and returns what of it is about the chat.
async fn chat_heard(person: &mut Person) -> Vec<Value> {
    let mut heard = person.settle().await;
    heard.retain(|push| push["type"].as_str().unwrap().starts_with("chat."));
    heard
}
