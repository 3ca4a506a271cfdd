//! `conclave lobby`.

use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::api::Ask;
use super::invite::parse_span;
use super::{Failure, Output, Where, ask, json_text, room_path, say, table};

/// Who waits before a room.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum LobbyCommand {
    /// List who waits, the longest first: 50 at most
    #[command(after_help = "Examples:\n  conclave lobby list team")]
    List(OfRoom),
    /// Let in
    #[command(after_help = ADMIT_EXAMPLES)]
    Admit(Admit),
    /// Send away
    #[command(after_help = DENY_EXAMPLES)]
    Deny(Deny),
}

const ADMIT_EXAMPLES: &str = "\
Examples:
  conclave lobby admit team knk_01k… knk_01m…
  conclave lobby admit team --all --role viewer";

const DENY_EXAMPLES: &str = "\
Examples:
  conclave lobby deny team knk_01k… --reason \"This meeting is for the team\"
  conclave lobby deny team --all --block 1h        and refuse their devices for an hour";

/// `conclave lobby list`.
#[derive(Debug, Args)]
pub(crate) struct OfRoom {
    /// The room's name in links, or its id
    #[arg(value_name = "ROOM")]
    room: String,
    #[command(flatten)]
    place: Where,
}

/// Whom of those who wait.
#[derive(Debug, Args)]
struct Whom {
    /// The room's name in links, or its id
    #[arg(value_name = "ROOM")]
    room: String,
    /// Who, `knk_…`, as `list` prints it
    #[arg(value_name = "KNOCK", required_unless_present = "all")]
    knocks: Vec<String>,
    /// Everybody who waits
    #[arg(long, conflicts_with = "knocks")]
    all: bool,
    #[command(flatten)]
    place: Where,
}

/// `conclave lobby admit`.
#[derive(Debug, Args)]
pub(crate) struct Admit {
    #[command(flatten)]
    whom: Whom,
    /// As what [default: as what they come with]
    #[arg(long, value_name = "ROLE",
        value_parser = ["host", "co_host", "presenter", "attendee", "viewer"])]
    role: Option<String>,
}

/// `conclave lobby deny`.
#[derive(Debug, Args)]
pub(crate) struct Deny {
    #[command(flatten)]
    whom: Whom,
    /// Why, as they read it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// For how long their devices are refused: a number and m, h or d, a day at most
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    block: Option<Duration>,
}

/// Runs one of them.
pub(super) fn run(command: &LobbyCommand) -> Result<(), Failure> {
    match command {
        LobbyCommand::List(OfRoom { room, place }) => list(room, place),
        LobbyCommand::Admit(Admit { whom, role }) => {
            let mut body = whom.body();
            if let Some(role) = role {
                body.insert("as_role".to_owned(), json!(role));
            }
            whom.act("admit", body)
        }
        LobbyCommand::Deny(Deny {
            whom,
            reason,
            block,
        }) => {
            let mut body = whom.body();
            if let Some(reason) = reason {
                body.insert("reason".to_owned(), json!(reason));
            }
            if let Some(block) = block {
                body.insert("block_s".to_owned(), json!(block.as_secs()));
            }
            whom.act("deny", body)
        }
    }
}

impl Whom {
    fn body(&self) -> Map<String, Value> {
        let member = match self.all {
            true => ("all".to_owned(), json!(true)),
            false => ("knocks".to_owned(), json!(self.knocks)),
        };
        Map::from_iter([member])
    }

    fn act(&self, act: &str, body: Map<String, Value>) -> Result<(), Failure> {
        let path = room_path(&self.room, &["lobby", act]);
        let order = Ask::send(Method::POST, &path, Value::Object(body));
        let done = ask(&self.place.reach()?, order)?;
        if self.place.output == Output::Json {
            return say(&json_text(&done));
        }
        let results = done["results"].as_array().map_or(&[][..], Vec::as_slice);
        if results.is_empty() {
            return say("nobody waits\n");
        }
        say(&table::rows(
            &[("knock", "KNOCK"), ("result", "RESULT")],
            results,
        ))
    }
}

fn list(room: &str, place: &Where) -> Result<(), Failure> {
    let shown = ask(&place.reach()?, Ask::get(&room_path(room, &["lobby"])))?;
    if place.output == Output::Json {
        return say(&json_text(&shown));
    }
    let entries = shown["entries"].as_array().map_or(&[][..], Vec::as_slice);
    let columns = [
        ("knock", "KNOCK"),
        ("name", "NAME"),
        ("identity", "IDENTITY"),
        ("since", "SINCE"),
        ("state", "STATE"),
        ("previous_kick", "REMOVED BEFORE"),
        ("invite_note", "NOTE"),
    ];
    let mut text = table::rows(&columns, entries);
    match shown["more"].as_u64() {
        None | Some(0) => {}
        Some(more) => text.push_str(&format!("and {more} more\n")),
    }
    say(&text)
}
