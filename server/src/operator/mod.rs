//! What an operator does from the command line: rooms, meetings, invites, bans, keys, audit.
//!
//! Each command is one or a few requests to the API, answered by the server
//! that runs on the data folder, if none does in this process, or by a server
//! elsewhere that takes a key.

mod api;
mod audit;
mod ban;
mod invite;
mod key;
mod lobby;
mod remote;
mod room;
mod save;
mod session;
mod settings;
mod table;
mod webhook;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use http::{Method, StatusCode};
use serde_json::Value;

pub(crate) use audit::AuditCommand;
pub(crate) use ban::BanCommand;
pub(crate) use invite::InviteCommand;
pub(crate) use key::KeyCommand;
pub(crate) use lobby::LobbyCommand;
pub(crate) use room::RoomCommand;
pub(crate) use session::SessionCommand;
pub(crate) use webhook::WebhookCommand;

use crate::config::{ConfigError, Layers, Local, Surroundings, add_defaults};
use api::{Api, Ask, Content};
use remote::Elsewhere;

/// Which server, and how to print.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// Read settings from a TOML file, that of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder of the server [default: ./conclave-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// What links begin with where no server runs and the file does not say it
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// Print for people, or for programs
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs: what the API answers.
    Json,
}

impl Where {
    fn load(
        &self,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Local, ConfigError> {
        let mut layers = Layers::of_file(self.config.as_deref())?;
        layers.add_environment(environment)?;
        let flags = [
            ("data_dir", "--data-dir", &self.data_dir),
            ("public_url", "--public-url", &self.public_url),
        ];
        for (path, flag, text) in flags {
            if let Some(text) = text {
                layers.add_flag(path, flag, text.as_str());
            }
        }
        add_defaults(
            &mut layers,
            Surroundings {
                dev: false,
                cores: 1,
            },
        );
        Local::from_layers(&layers)
    }

    /// Finds who answers; there must be a server, or what one left.
    fn reach(&self) -> Result<Api, Failure> {
        self.find(false)
    }

    /// Finds who answers, if need be on a new database.
    fn reach_or_make(&self) -> Result<Api, Failure> {
        self.find(true)
    }

    fn find(&self, may_make: bool) -> Result<Api, Failure> {
        match self.elsewhere.server()? {
            Some(remote) => Ok(Api::There(Box::new(remote))),
            None => Api::reach(self.load(std::env::vars_os())?, may_make),
        }
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was written cannot be meant; exit code 2.
    Usage(String),
    /// It was not done; exit code 1.
    Failed(String),
    /// Whoever read the output has gone: there is nobody to tell; exit code 1.
    Unread,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Failed(text) => f.write_str(text),
            Failure::Unread => f.write_str("nobody reads the output any more"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Failed(format!("{error:#}"))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Usage(format!("the configuration is not usable\n{error}"))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Failed(error.to_string()),
        }
    }
}

/// Runs one of the commands.
///
/// # Errors
/// When it was not done, with words for whoever typed it.
pub(crate) fn run(command: &Operate) -> Result<(), Failure> {
    match command {
        Operate::Room(command) => room::run(command),
        Operate::Invite(command) => invite::run(command),
        Operate::Session(command) => session::run(command),
        Operate::Lobby(command) => lobby::run(command),
        Operate::Ban(command) => ban::run(command),
        Operate::Webhook(command) => webhook::run(command),
        Operate::Key(command) => key::run(command),
        Operate::Audit(command) => audit::run(command),
    }
}

/// The commands of an operator.
#[derive(Debug)]
pub(crate) enum Operate {
    /// `conclave room`.
    Room(RoomCommand),
    /// `conclave invite`.
    Invite(InviteCommand),
    /// `conclave session`.
    Session(SessionCommand),
    /// `conclave lobby`.
    Lobby(LobbyCommand),
    /// `conclave ban`.
    Ban(BanCommand),
    /// `conclave webhook`.
    Webhook(WebhookCommand),
    /// `conclave key`.
    Key(KeyCommand),
    /// `conclave audit`.
    Audit(AuditCommand),
}

/// Asks for something and returns the answer, which is null if there is none.
fn ask(api: &Api, ask: Ask) -> Result<Value, Failure> {
    let (status, bytes) = api.ask_whole(&ask)?;
    if !status.is_success() {
        return Err(refused(status, &bytes));
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Failed(format!("the server's answer: {error}")))
}

/// Asks for all pages of a list.
fn ask_list(api: &Api, path: &str) -> Result<Vec<Value>, Failure> {
    ask_list_of(api, path, &[])
}

/// The same of a list that is asked for some of its entries.
fn ask_list_of(api: &Api, path: &str, wanted: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
    let mut entries = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = wanted.to_vec();
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let mut page = ask(api, Ask::get(&format!("{path}{}", query_of(&query))))?;
        if let Value::Array(data) = page["data"].take() {
            entries.extend(data);
        }
        match page["next_cursor"].take() {
            Value::String(next) => cursor = Some(next),
            _ => return Ok(entries),
        }
    }
}

/// Returns the words of a problem document (RFC 9457), or what else was answered.
fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = ["detail", "title"]
        .iter()
        .find_map(|member| problem[member].as_str());
    let text = text.map_or_else(|| format!("the server answered {status}"), str::to_owned);
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Failure::Usage(text),
        _ => Failure::Failed(text),
    }
}

/// Returns the path of a room in the API, or of something in it.
fn room_path(room: &str, rest: &[&str]) -> String {
    path_in("/api/v1/rooms", room, rest)
}

/// Returns the path of one of a collection, or of something in it.
fn path_in(collection: &str, name: &str, rest: &[&str]) -> String {
    let mut path = format!("{collection}/{}", escaped(name));
    for step in rest {
        path.push('/');
        path.push_str(&escaped(step));
    }
    path
}

fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Returns the query of a URL, with its question mark if there is one.
fn query_of<V: AsRef<str>>(pairs: &[(&str, V)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    format!("?{}", query.finish())
}

/// Returns what a link lacks where nothing says at which address the server is reached.
fn hint_at_origin(link: &Value) -> &'static str {
    if link.as_str().is_some_and(|link| link.starts_with('/')) {
        "The address of the server goes before the link: say --public-url or --config to see it whole.\n"
    } else {
        ""
    }
}

/// Returns a value as programs read it.
fn json_text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Prints, unless the one who reads has gone (`conclave room list | head`).
fn say(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

impl Ask {
    fn get(path: &str) -> Self {
        Ask {
            method: Method::GET,
            path: path.to_owned(),
            body: None,
        }
    }

    fn send(method: Method, path: &str, body: Value) -> Self {
        Ask {
            method,
            path: path.to_owned(),
            body: Some(Content::Json(body)),
        }
    }

    /// An act that needs no words.
    fn post(path: &str) -> Self {
        Ask {
            method: Method::POST,
            path: path.to_owned(),
            body: None,
        }
    }

    fn delete(path: &str) -> Self {
        Ask {
            method: Method::DELETE,
            path: path.to_owned(),
            body: None,
        }
    }
}
