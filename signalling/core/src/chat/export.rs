//! The chat as a file.

use std::fmt::Write as _;

use conclave_signalling_wire::chat::{ChatExported, ChatFormat, ChatMessage, ChatTarget};
use conclave_signalling_wire::limits::CHAT_EXPORT_BYTES;
use conclave_signalling_wire::objects::Role;

use crate::csv;

/// The head of a CSV file.
const COLUMNS: [&str; 11] = [
    "number",
    "id",
    "time",
    "from",
    "role",
    "to",
    "text",
    "reply_to",
    "edited_at",
    "deleted_by",
    "reactions",
];

/// Writes a piece of the file: what fits of `messages`, which are in the order of
/// their numbers. The first piece has the head.
pub fn piece(
    messages: impl Iterator<Item = ChatMessage>,
    format: ChatFormat,
    is_first: bool,
) -> ChatExported {
    let mut text = String::new();
    if is_first && format == ChatFormat::Csv {
        csv::row(&mut text, COLUMNS);
    }
    let mut last = None;
    for message in messages {
        if text.len() >= CHAT_EXPORT_BYTES {
            return ChatExported { text, next: last };
        }
        last = Some(message.number);
        match format {
            ChatFormat::Jsonl => push_json(&mut text, &message),
            ChatFormat::Txt => push_line(&mut text, &message),
            ChatFormat::Csv => csv::row(&mut text, cells(&message).iter().map(String::as_str)),
        }
    }
    ChatExported { text, next: None }
}

fn push_json(text: &mut String, message: &ChatMessage) {
    // A message has no map with other keys than strings, and nothing else can fail.
    text.push_str(&serde_json::to_string(message).unwrap_or_default());
    text.push('\n');
}

/// Writes a message to be read. Its further lines are indented, so that none can
/// pass for a message of somebody else.
fn push_line(text: &mut String, message: &ChatMessage) {
    let to = match message.to {
        ChatTarget::All {} => "",
        ChatTarget::Hosts {} => " to the hosts",
        ChatTarget::Participant { .. } => " privately",
    };
    let what = match (message.deleted_by, message.edited_at) {
        (Some(_), _) => "(deleted)".to_owned(),
        (None, Some(_)) => format!("{} (edited)", message.text),
        (None, None) => message.text.clone(),
    };
    let (name, role) = (message.from.name.as_str(), role(message.from.role));
    // Writing into a string does not fail.
    let _ = writeln!(
        text,
        "{} {name} ({role}){to}: {}",
        message.ts,
        what.replace('\n', "\n    ")
    );
}

/// Returns what stands in each of [`COLUMNS`].
fn cells(message: &ChatMessage) -> [String; COLUMNS.len()] {
    let to = match message.to {
        ChatTarget::All {} => "all".to_owned(),
        ChatTarget::Hosts {} => "hosts".to_owned(),
        ChatTarget::Participant { participant } => participant.to_string(),
    };
    let reactions = message.reactions.iter().map(|reaction| {
        let emoji = serde_json::to_value(reaction.emoji).unwrap_or_default();
        format!("{} {}", emoji.as_str().unwrap_or_default(), reaction.count)
    });
    let maybe = |value: Option<String>| value.unwrap_or_default();
    [
        message.number.to_string(),
        message.id.to_string(),
        message.ts.to_string(),
        message.from.name.as_str().to_owned(),
        role(message.from.role).to_owned(),
        to,
        message.text.clone(),
        maybe(message.reply_to.map(|id| id.to_string())),
        maybe(message.edited_at.map(|at| at.to_string())),
        maybe(message.deleted_by.map(|by| role(by).to_owned())),
        reactions.collect::<Vec<_>>().join(", "),
    ]
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Host => "host",
        Role::CoHost => "co_host",
        Role::Presenter => "presenter",
        Role::Attendee => "attendee",
        Role::Viewer => "viewer",
    }
}
