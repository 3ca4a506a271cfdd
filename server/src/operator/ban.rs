//! `conclave ban`.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::api::Ask;
use super::invite::{end_of, parse_span};
use super::{Failure, Output, Where, ask, ask_list, json_text, room_path, say, table};

const BANS: &str = "/api/v1/bans";

/// Whom a room keeps out. Hosts ban from inside the meeting.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum BanCommand {
    /// Keep somebody out of a room
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Box<Create>),
    /// List the bans of a room, or of all rooms, the newest first
    #[command(after_help = "Examples:\n  conclave ban list team")]
    List(OfRoom),
    /// End a ban
    #[command(after_help = "Examples:\n  conclave ban lift team ban_01k…")]
    Lift(Lift),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  conclave ban create team --participant par_01k… --reason \"Played music\"    who is there, and is removed
  conclave ban create team --invite inv_01k… --expires-in 30d
  conclave ban create team --network 192.0.2.7 --name Mallory --strict

Of a network only a keyed hash is kept. Its ban lasts a day at most, the others a year.";

/// `conclave ban create`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["participant", "invite", "network"]))]
pub(crate) struct Create {
    /// The room's name in links, or its id
    #[arg(value_name = "ROOM")]
    room: String,
    /// Somebody who is in the room, `par_…`
    #[arg(long, value_name = "PARTICIPANT")]
    participant: Option<String>,
    /// Who comes by an invite for one person, `inv_…`
    #[arg(long, value_name = "INVITE")]
    invite: Option<String>,
    /// Who comes from the network of an address
    #[arg(long, value_name = "ADDRESS")]
    network: Option<String>,
    /// A name for those who see the list
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Until when, as 2026-11-22T10:00:00Z [default: for a day]
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in")]
    expires_at: Option<String>,
    /// For how long: a number and m, h or d
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    expires_in: Option<Duration>,
    /// Refuse whoever shares only the network too; else they wait in the lobby
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    place: Where,
}

/// `conclave ban list`.
#[derive(Debug, Args)]
pub(crate) struct OfRoom {
    /// The room's name in links, or its id [default: all rooms]
    #[arg(value_name = "ROOM")]
    room: Option<String>,
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
        BanCommand::Create(create) => create.run(),
        BanCommand::List(OfRoom { room, place }) => list(room.as_deref(), place),
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

impl Create {
    fn run(&self) -> Result<(), Failure> {
        let mut body = Map::from_iter([("strict".to_owned(), json!(self.strict))]);
        let texts = [
            ("participant", &self.participant),
            ("invite", &self.invite),
            ("network", &self.network),
            ("name", &self.name),
            ("reason", &self.reason),
            (
                "expires_at",
                &end_of(self.expires_at.as_ref(), self.expires_in),
            ),
        ];
        for (member, text) in texts {
            if let Some(text) = text {
                body.insert(member.to_owned(), json!(text));
            }
        }
        let path = room_path(&self.room, &["bans"]);
        let order = Ask::send(Method::POST, &path, Value::Object(body));
        let made = ask(&self.place.reach()?, order)?;
        match self.place.output {
            Output::Json => say(&json_text(&made)),
            Output::Table => say(&format!(
                "ban      {}\nexpires  {}\n",
                table::cell(&made["id"]),
                table::cell(&made["expires_at"])
            )),
        }
    }
}

fn list(room: Option<&str>, place: &Where) -> Result<(), Failure> {
    let path = room.map_or_else(|| BANS.to_owned(), |room| room_path(room, &["bans"]));
    let bans = ask_list(&place.reach()?, &path)?;
    if place.output == Output::Json {
        return say(&json_text(&Value::Array(bans)));
    }
    let mut columns = vec![
        ("id", "BAN"),
        ("expires_at", "EXPIRES"),
        ("keys", "KNOWS BY"),
        ("name", "NAME"),
        ("reason", "REASON"),
    ];
    if room.is_none() {
        columns.insert(1, ("slug", "ROOM"));
    }
    say(&table::rows(&columns, &bans))
}
