//! `conclave ban`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::Ask;
use super::{Failure, Output, Where, ask, ask_list, json_text, room_path, say, table};

/// Whom a room keeps out. Hosts ban from inside the meeting.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum BanCommand {
    /// List the bans of a room, the newest first
    #[command(after_help = "Examples:\n  conclave ban list team")]
    List(OfRoom),
    /// End a ban
    #[command(after_help = "Examples:\n  conclave ban lift team ban_01k…")]
    Lift(Lift),
}

/// `conclave ban list`.
#[derive(Debug, Args)]
pub(crate) struct OfRoom {
    /// The room's name in links, or its id
    #[arg(value_name = "ROOM")]
    room: String,
    #[command(flatten)]
    place: Where,
}

/// `conclave ban lift`.
#[derive(Debug, Args)]
pub(crate) struct Lift {
    /// The room's name in links, or its id
    #[arg(value_name = "ROOM")]
    room: String,
    /// The ban, `ban_…`
    #[arg(value_name = "BAN")]
    ban: String,
    #[command(flatten)]
    place: Where,
}

/// Runs one of them.
pub(super) fn run(command: &BanCommand) -> Result<(), Failure> {
    match command {
        BanCommand::List(OfRoom { room, place }) => list(room, place),
        BanCommand::Lift(Lift { room, ban, place }) => {
            ask(
                &place.reach()?,
                Ask::delete(&room_path(room, &["bans", ban])),
            )?;
            match place.output {
                Output::Json => Ok(()),
                Output::Table => say(&format!("{ban} is lifted\n")),
            }
        }
    }
}

fn list(room: &str, place: &Where) -> Result<(), Failure> {
    let bans = ask_list(&place.reach()?, &room_path(room, &["bans"]))?;
    match place.output {
        Output::Json => say(&json_text(&Value::Array(bans))),
        Output::Table => {
            let columns = ["id", "expires_at", "keys", "name", "reason"];
            let headings = ["BAN", "EXPIRES", "KNOWS BY", "NAME", "REASON"];
            let rows: Vec<Vec<String>> = bans
                .iter()
                .map(|ban| columns.map(|column| table::cell(&ban[column])).to_vec())
                .collect();
            say(&table::text(&headings, &rows))
        }
    }
}
