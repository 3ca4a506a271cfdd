//! `conclave invite`.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use conclave_signalling_wire::time::Timestamp;
use http::Method;
use serde_json::{Map, Value, json};

use super::api::{Ask, Content};
use super::{
    Failure, Output, Where, ask, ask_list, hint_at_origin, json_text, query_of, room_path, say,
    table,
};
use crate::storage;

/// Bytes of a body of the API that holds many things.
const TABLE_BYTES_MAX: u64 = 1024 * 1024;

/// Links that let people in.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum InviteCommand {
    /// Make an invite; prints its link, this once
    #[command(after_help = EXAMPLES)]
    Create(Box<Create>),
    /// Make a personal invite for each of many people; prints their links, this once
    #[command(after_help = BULK_EXAMPLES)]
    Bulk(Bulk),
    /// List the invites of a room, the newest first
    List(OfRoom),
    /// Take an invite back
    Revoke(Revoke),
}

const EXAMPLES: &str = "\
Examples:
  conclave invite create team --role host                    another host link
  conclave invite create team --name \"Ada Lovelace\" --name-locked --max-uses 1 --bypass-lobby
  conclave invite create team --role viewer --expires-in 7d  for any number of viewers, for a week";

const BULK_EXAMPLES: &str = "\
Examples:
  conclave invite bulk team people.csv --dry-run
  conclave invite bulk team people.csv --output json > links.json
  conclave invite bulk team - < people.csv

The first line of FILE names the columns: `name`, and perhaps `role` and `note`.
  name,role,note
  Ada Lovelace,co_host,ada@example.org
  Grace Hopper,,
All invites are made, or none. Each is for one person, who keeps the name.";

/// `conclave invite create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The room's name in links, or its id
    #[arg(value_name = "ROOM")]
    room: String,
    /// As what its holder comes in
    #[arg(long, value_name = "ROLE", default_value = "attendee",
        value_parser = ["host", "co_host", "presenter", "attendee", "viewer"])]
    role: String,
    /// A custom role of the room that is based on the role
    #[arg(long, value_name = "NAME")]
    custom_role: Option<String>,
    /// The name of its holder
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Its holder keeps this name
    #[arg(long, requires = "name")]
    name_locked: bool,
    /// How many people may use it [default: any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_uses: Option<u32>,
    /// From when it holds, as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Until when it holds
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in")]
    expires_at: Option<String>,
    /// For how long it holds: a number and m, h or d
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    expires_in: Option<Duration>,
    /// Its holder need not wait in the lobby
    #[arg(long)]
    bypass_lobby: bool,
    /// It holds only for the browser that uses it first
    #[arg(long)]
    bind_device: bool,
    /// A note for those who see the list
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    place: Where,
}

/// `conclave invite bulk`.
#[derive(Debug, Args)]
pub(crate) struct Bulk {
    /// The room's name in links, or its id
    #[arg(value_name = "ROOM")]
    room: String,
    /// The people, as a table in CSV; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only say how many invites would be made
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Where,
}

/// `conclave invite list`.
#[derive(Debug, Args)]
pub(crate) struct OfRoom {
    /// The room's name in links, or its id
    #[arg(value_name = "ROOM")]
    room: String,
    #[command(flatten)]
    place: Where,
}

/// `conclave invite revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The room's name in links, or its id
    #[arg(value_name = "ROOM")]
    room: String,
    /// The invite, `inv_…`
    #[arg(value_name = "INVITE")]
    invite: String,
    /// Remove who came in by it
    #[arg(long)]
    remove_holders: bool,
    #[command(flatten)]
    place: Where,
}

/// Runs one of them.
pub(super) fn run(command: &InviteCommand) -> Result<(), Failure> {
    match command {
        InviteCommand::Create(create) => create.run(),
        InviteCommand::Bulk(bulk) => bulk.run(),
        InviteCommand::List(OfRoom { room, place }) => list(room, place),
        InviteCommand::Revoke(revoke) => revoke.run(),
    }
}

impl Create {
    fn run(&self) -> Result<(), Failure> {
        let api = self.place.reach()?;
        let path = room_path(&self.room, &["invites"]);
        let made = ask(&api, Ask::send(Method::POST, &path, self.body()))?;
        match self.place.output {
            Output::Json => say(&json_text(&made)),
            Output::Table => say(&format!(
                "invite  {}\nlink    {}\n\nThe link is not shown again.\n{}",
                table::cell(&made["id"]),
                table::cell(&made["link"]),
                hint_at_origin(&made["link"])
            )),
        }
    }

    fn body(&self) -> Value {
        let expires_at = end_of(self.expires_at.as_ref(), self.expires_in);
        let mut body = Map::new();
        body.insert("role".to_owned(), json!(self.role));
        let texts = [
            ("custom_role", &self.custom_role),
            ("name", &self.name),
            ("not_before", &self.not_before),
            ("expires_at", &expires_at),
            ("note", &self.note),
        ];
        for (member, text) in texts {
            if let Some(text) = text {
                body.insert(member.to_owned(), json!(text));
            }
        }
        if let Some(uses) = self.max_uses {
            body.insert("max_uses".to_owned(), json!(uses));
        }
        let switches = [
            ("name_locked", self.name_locked),
            ("bypass_lobby", self.bypass_lobby),
            ("bind_device", self.bind_device),
        ];
        for (member, on) in switches {
            body.insert(member.to_owned(), json!(on));
        }
        Value::Object(body)
    }
}

impl Bulk {
    fn run(&self) -> Result<(), Failure> {
        let query = [("dry_run", self.dry_run.to_string())];
        let order = Ask {
            method: Method::POST,
            path: room_path(&self.room, &["invites", "bulk"]) + &query_of(&query),
            body: Some(Content::Csv(self.table()?)),
        };
        let made = ask(&self.place.reach()?, order)?;
        if self.place.output == Output::Json {
            return say(&json_text(&made));
        }
        if self.dry_run {
            let count = table::cell(&made["count"]);
            return say(&format!("{count} invites would be made\n"));
        }
        let columns = [
            ("id", "INVITE"),
            ("name", "NAME"),
            ("role", "ROLE"),
            ("link", "LINK"),
        ];
        let invites = made["invites"].as_array().map_or(&[][..], Vec::as_slice);
        say(&format!(
            "{}\nThe links are not shown again.\n{}",
            table::rows(&columns, invites),
            hint_at_origin(&made["invites"][0]["link"])
        ))
    }

    fn table(&self) -> Result<String, Failure> {
        let mut text = String::new();
        let source: &mut dyn Read = if self.file.as_os_str() == "-" {
            &mut io::stdin()
        } else {
            &mut File::open(&self.file).map_err(|error| self.unread(&error))?
        };
        // One byte more than is taken is refused by the server.
        source
            .take(TABLE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|error| self.unread(&error))?;
        Ok(text)
    }

    fn unread(&self, error: &io::Error) -> Failure {
        Failure::Failed(format!("cannot read {}: {error}", self.file.display()))
    }
}

impl Revoke {
    fn run(&self) -> Result<(), Failure> {
        let query = [("remove_holders", self.remove_holders.to_string())];
        let path = room_path(&self.room, &["invites", &self.invite]) + &query_of(&query);
        ask(&self.place.reach()?, Ask::delete(&path))?;
        match self.place.output {
            Output::Json => Ok(()),
            Output::Table => say(&format!("{} is revoked\n", self.invite)),
        }
    }
}

fn list(room: &str, place: &Where) -> Result<(), Failure> {
    let invites = ask_list(&place.reach()?, &room_path(room, &["invites"]))?;
    match place.output {
        Output::Json => say(&json_text(&Value::Array(invites))),
        Output::Table => {
            let row = |invite: &Value| {
                let max = match &invite["max_uses"] {
                    Value::Null => "any".to_owned(),
                    max => max.to_string(),
                };
                vec![
                    table::cell(&invite["id"]),
                    table::cell(&invite["state"]),
                    table::cell(&invite["role"]),
                    format!("{} of {max}", table::cell(&invite["uses"])),
                    table::cell(&invite["expires_at"]),
                    table::cell(&invite["name"]),
                    table::cell(&invite["note"]),
                ]
            };
            let headings = ["INVITE", "STATE", "ROLE", "USES", "EXPIRES", "NAME", "NOTE"];
            let rows: Vec<_> = invites.iter().map(row).collect();
            say(&table::text(&headings, &rows))
        }
    }
}

/// Returns a time that was said, or that is a span from here.
pub(super) fn end_of(at: Option<&String>, span: Option<Duration>) -> Option<String> {
    let Some(span) = span else {
        return at.cloned();
    };
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let end = storage::now().unix_ms().saturating_add(span);
    Some(Timestamp::from_unix_ms(end).whole_seconds().to_string())
}

/// Reads a number and m, h or d.
pub(super) fn parse_span(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is not a number and m, h or d");
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let number: u32 = text
        .strip_suffix(unit)
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(expected)?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(parse_span("90m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_span("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "7", "d", "-1d", "1w", "1.5h", "7é"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }
}
