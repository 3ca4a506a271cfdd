//! `conclave key`.

use std::time::Duration;

use clap::{Args, Subcommand};
use conclave_signalling_wire::time::Timestamp;
use http::Method;
use serde_json::{Map, Value, json};

use super::api::{Api, Ask};
use super::invite::parse_span;
use super::{Failure, Output, Where, ask, ask_list, escaped, json_text, say, table};
use crate::storage;

const KEYS: &str = "/api/v1/api-keys";
const SCOPE: &str = "SCOPE";

/// Keys of programs for the API.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum KeyCommand {
    /// Make an API key; prints it, this once
    #[command(after_help = EXAMPLES)]
    Create(Box<Create>),
    /// List the API keys, the newest first
    List(Where),
    /// Show an API key, without its secret
    Show(OfKey),
    /// Change an API key
    Set(Box<Set>),
    /// Give an API key a new secret; prints it, this once
    Rotate(Rotate),
    /// End an API key, and with it all that it made
    Revoke(OfKey),
}

const EXAMPLES: &str = "\
Examples:
  conclave key create Ops --level admin                     everything but the text of chats
  conclave key create Desk --level user --tag desk          rooms with the tag `desk`, and what goes on in them
  conclave key create Wall --level read-only --all-rooms --expires 90d
  conclave key create CI --scope rooms:write --tag ci --network 192.0.2.0/24
Levels and scopes are in docs/api-keys.md.";

/// `conclave key create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What it is for
    #[arg(value_name = "NAME")]
    name: String,
    /// What it may do: a level, `instance-admin` being another name of `admin`
    #[arg(long, value_name = "LEVEL", required_unless_present = "scopes",
        value_parser = ["admin", "instance-admin", "user", "read-only", "auditor"])]
    level: Option<String>,
    /// What it may do as well, such as `content:read`; may be repeated
    #[arg(long = "scope", value_name = SCOPE)]
    scopes: Vec<String>,
    /// Only for this room, by its name in links or its id; may be repeated
    #[arg(long = "room", value_name = "ROOM")]
    rooms: Vec<String>,
    /// Only for rooms with this tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// For every room, where the level wants to be told
    #[arg(long, conflicts_with_all = ["rooms", "tags"])]
    all_rooms: bool,
    /// Only from this network, such as 192.0.2.0/24; may be repeated
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    /// Until when it holds: a time as 2026-11-22T10:00:00Z, or a number and m, h or d [default: for ever]
    #[arg(long, value_name = "END")]
    expires: Option<String>,
    #[command(flatten)]
    place: Where,
}

/// `conclave key show` and `conclave key revoke`.
#[derive(Debug, Args)]
pub(crate) struct OfKey {
    /// The key, `key_…`
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    place: Where,
}

/// `conclave key set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The key, `key_…`
    #[arg(value_name = "KEY")]
    key: String,
    /// What it is for
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// All that it may do; may be repeated
    #[arg(long = "scope", value_name = SCOPE)]
    scopes: Vec<String>,
    /// All rooms that it is for, with those of --tag; may be repeated
    #[arg(long = "room", value_name = "ROOM")]
    rooms: Vec<String>,
    /// All tags of rooms that it is for; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// For every room
    #[arg(long, conflicts_with_all = ["rooms", "tags"])]
    all_rooms: bool,
    /// All networks that it may be used from; may be repeated
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    /// From everywhere
    #[arg(long, conflicts_with = "networks")]
    all_networks: bool,
    /// Until when it holds: a time, a number and m, h or d, or `never`
    #[arg(long, value_name = "END")]
    expires: Option<String>,
    #[command(flatten)]
    place: Where,
}

/// `conclave key rotate`.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The key, `key_…`
    #[arg(value_name = "KEY")]
    key: String,
    /// How long the secret that it has holds as well: 0, or a number and m, h or d, 30d at most
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse_overlap)]
    overlap: Duration,
    #[command(flatten)]
    place: Where,
}

/// Runs one of them.
pub(super) fn run(command: &KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Create(create) => create.run(),
        KeyCommand::List(place) => list(place),
        KeyCommand::Show(OfKey { key, place }) => {
            let shown = ask(&place.reach()?, Ask::get(&path(key, "")))?;
            print_key(place.output, &shown)
        }
        KeyCommand::Set(set) => set.run(),
        KeyCommand::Rotate(rotate) => rotate.run(),
        KeyCommand::Revoke(OfKey { key, place }) => {
            ask(&place.reach()?, Ask::delete(&path(key, "")))?;
            match place.output {
                Output::Json => Ok(()),
                Output::Table => say(&format!("{key} is revoked\n")),
            }
        }
    }
}

impl Create {
    fn run(&self) -> Result<(), Failure> {
        let expires_at = self.expires.as_deref().map(end).transpose()?;
        let api = self.place.reach_or_make()?;
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(self.name));
        body.insert("scopes".to_owned(), json!(self.scopes));
        body.insert("networks".to_owned(), json!(self.networks));
        if let Some(level) = &self.level {
            body.insert("level".to_owned(), json!(level));
        }
        if let Some(rooms) = filter(&api, &self.rooms, &self.tags, self.all_rooms)? {
            body.insert("rooms".to_owned(), rooms);
        }
        if let Some(end) = expires_at {
            body.insert("expires_at".to_owned(), end);
        }
        let made = ask(&api, Ask::send(Method::POST, KEYS, Value::Object(body)))?;
        print_made(self.place.output, &made)
    }
}

impl Set {
    fn run(&self) -> Result<(), Failure> {
        let expires_at = self.expires.as_deref().map(end).transpose()?;
        let mut patch = Map::new();
        if let Some(name) = &self.name {
            patch.insert("name".to_owned(), json!(name));
        }
        if !self.scopes.is_empty() {
            patch.insert("scopes".to_owned(), json!(self.scopes));
        }
        if self.all_networks || !self.networks.is_empty() {
            patch.insert("networks".to_owned(), json!(self.networks));
        }
        if let Some(end) = expires_at {
            patch.insert("expires_at".to_owned(), end);
        }
        let is_about_rooms = self.all_rooms || !self.rooms.is_empty() || !self.tags.is_empty();
        if patch.is_empty() && !is_about_rooms {
            let text = "there is nothing to change; --help lists what can be";
            return Err(Failure::Usage(text.to_owned()));
        }
        let api = self.place.reach()?;
        if let Some(rooms) = filter(&api, &self.rooms, &self.tags, self.all_rooms)? {
            patch.insert("rooms".to_owned(), rooms);
        }
        let patch = Ask::send(Method::PATCH, &path(&self.key, ""), Value::Object(patch));
        let changed = ask(&api, patch)?;
        print_key(self.place.output, &changed)
    }
}

impl Rotate {
    fn run(&self) -> Result<(), Failure> {
        let body = json!({"overlap_s": self.overlap.as_secs()});
        let rotate = Ask::send(Method::POST, &path(&self.key, "/rotate"), body);
        let made = ask(&self.place.reach()?, rotate)?;
        print_made(self.place.output, &made)
    }
}

fn list(place: &Where) -> Result<(), Failure> {
    let keys = ask_list(&place.reach()?, KEYS)?;
    match place.output {
        Output::Json => say(&json_text(&Value::Array(keys))),
        Output::Table => {
            let row = |key: &Value| {
                let may = match &key["level"] {
                    Value::Null => table::cell(&key["scopes"]),
                    level => table::cell(level),
                };
                vec![
                    table::cell(&key["id"]),
                    table::cell(&key["state"]),
                    may,
                    rooms_cell(&key["rooms"]),
                    table::cell(&key["expires_at"]),
                    table::cell(&key["last_used_at"]),
                    table::cell(&key["name"]),
                ]
            };
            let headings = [
                "KEY",
                "STATE",
                "MAY",
                "ROOMS",
                "EXPIRES",
                "LAST USED",
                "NAME",
            ];
            let rows: Vec<_> = keys.iter().map(row).collect();
            say(&table::text(&headings, &rows))
        }
    }
}

/// Prints a key and its text.
fn print_made(output: Output, made: &Value) -> Result<(), Failure> {
    match output {
        Output::Json => say(&json_text(made)),
        Output::Table => {
            let mut text = format!(
                "id    {}\nkey   {}\n\nThe key is not shown again.\n",
                table::cell(&made["id"]),
                table::cell(&made["text"]),
            );
            if let Some(until) = made["former_until"].as_str() {
                text.push_str(&format!("The one before it holds until {until}.\n"));
            }
            say(&text)
        }
    }
}

fn print_key(output: Output, key: &Value) -> Result<(), Failure> {
    if output == Output::Json {
        return say(&json_text(key));
    }
    let mut text = String::new();
    let mut line = |label: &str, value: &str| text.push_str(&format!("{label:<12} {value}\n"));
    for (label, member) in [
        ("key", "id"),
        ("name", "name"),
        ("state", "state"),
        ("level", "level"),
        ("scopes", "scopes"),
    ] {
        line(label, &table::cell(&key[member]));
    }
    line("rooms", &rooms_cell(&key["rooms"]));
    for (label, member) in [
        ("networks", "networks"),
        ("made by", "created_by"),
        ("made", "created_at"),
        ("expires", "expires_at"),
        ("revoked", "revoked_at"),
        ("former until", "former_until"),
        ("last used", "last_used_at"),
        ("from", "last_used_prefix"),
    ] {
        line(label, &table::cell(&key[member]));
    }
    say(&text)
}

fn rooms_cell(filter: &Value) -> String {
    let items = |member: &str| filter[member].as_array().into_iter().flatten();
    let tags = items("tags").map(|tag| format!("#{}", table::cell(tag)));
    let all: Vec<String> = items("rooms").map(table::cell).chain(tags).collect();
    match filter {
        Value::Null => "all".to_owned(),
        _ => all.join(","),
    }
}

/// Returns what is said about rooms, whose names become identifiers: others may get the names.
fn filter(
    api: &Api,
    rooms: &[String],
    tags: &[String],
    all: bool,
) -> Result<Option<Value>, Failure> {
    if all {
        return Ok(Some(Value::Null));
    }
    if rooms.is_empty() && tags.is_empty() {
        return Ok(None);
    }
    let mut ids = Vec::new();
    for room in rooms {
        let shown = ask(api, Ask::get(&super::room_path(room, &[])))?;
        ids.push(shown["id"].clone());
    }
    Ok(Some(json!({"rooms": ids, "tags": tags})))
}

fn path(key: &str, rest: &str) -> String {
    format!("{KEYS}/{}{rest}", escaped(key))
}

/// Reads an end: a time, a span from now on, or `never`.
fn end(text: &str) -> Result<Value, Failure> {
    if text == "never" {
        return Ok(Value::Null);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(json!(time));
    }
    let span = parse_span(text).map_err(|error| {
        Failure::Usage(format!(
            "--expires: {error}, a time such as 2026-11-22T10:00:00Z, or never"
        ))
    })?;
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let end = storage::now().unix_ms().saturating_add(span);
    Ok(json!(Timestamp::from_unix_ms(end).whole_seconds()))
}

fn parse_overlap(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        text => parse_span(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_a_span_or_never() {
        assert_eq!(end("never").unwrap(), Value::Null);
        assert_eq!(end("2027-01-01T00:00:00Z").unwrap(), "2027-01-01T00:00:00Z");
        assert!(end("90d").unwrap().as_str().unwrap() > "2020");
        assert!(matches!(end("soon"), Err(Failure::Usage(_))));
        assert_eq!(parse_overlap("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn rooms_are_shown_in_one_cell() {
        assert_eq!(rooms_cell(&Value::Null), "all");
        let filter = json!({"rooms": ["room_1"], "tags": ["a", "b"]});
        assert_eq!(rooms_cell(&filter), "room_1,#a,#b");
    }
}
