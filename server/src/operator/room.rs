//! `conclave room`.

use std::io::Read as _;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use super::api::Ask;
use super::{
    Failure, Output, Where, ask, ask_list, hint_at_origin, json_text, room_path, say, settings,
    table,
};

const ROOMS: &str = "/api/v1/rooms";
/// A password has 128 characters at most.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// Making and changing rooms.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum RoomCommand {
    /// Make a room; prints its guest link and, this once, its host link
    #[command(after_help = create_help(), override_usage = "conclave room create [OPTIONS] [NAME] [KEY=VALUE]...")]
    Create(Create),
    /// List all rooms
    List(Where),
    /// Print a room and its settings
    Show(Named),
    /// Change settings of a room; whoever is in it sees it at once
    #[command(after_help = set_help())]
    Set(Set),
    /// Make a room with the policies of another; prints its links as `create` does
    #[command(after_help = DUPLICATE_EXAMPLES)]
    Duplicate(Duplicate),
    /// Delete a room with its invites and bans; whoever is in it is sent away
    Delete(Named),
}

const DUPLICATE_EXAMPLES: &str = "\
Examples:
  conclave room duplicate team team-2 --title \"Second team\"

Its password, custom roles and networks come with it; invites, bans, chat and locks do not.";

fn create_help() -> String {
    format!(
        "Examples:\n  \
         conclave room create team title=\"Team meeting\"\n  \
         conclave room create council --preset webinar lobby=off --password-stdin < password.txt\n  \
         conclave room create            a name that nobody guesses is made\n\n\
         A room without a password begins with its lobby on, one with a password with it off.\n\n{}",
        settings::help()
    )
}

fn set_help() -> String {
    format!(
        "Examples:\n  \
         conclave room set team lobby=on lobby_message=\"We begin at nine.\"\n  \
         conclave room set team attendees.screen=false caps.participants=40\n  \
         conclave room set team opens_at=            it opens at no special time\n\n{}",
        settings::help()
    )
}

/// `conclave room create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name in links, 3 to 63 of a-z, 0-9 and -, then settings
    #[arg(value_name = "NAME|KEY=VALUE")]
    words: Vec<String>,
    /// Which defaults it begins with
    #[arg(long, value_name = "PRESET", value_parser = ["meeting", "webinar", "class", "interview"])]
    preset: Option<String>,
    /// Read its password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    place: Where,
}

/// A command about one room.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its name in links, or its id
    #[arg(value_name = "NAME")]
    room: String,
    #[command(flatten)]
    place: Where,
}

/// `conclave room set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Its name in links, or its id
    #[arg(value_name = "NAME")]
    room: String,
    /// What to change
    #[arg(value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Read its new password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    place: Where,
}

/// `conclave room duplicate`.
#[derive(Debug, Args)]
pub(crate) struct Duplicate {
    /// Of which room: its name in links, or its id
    #[arg(value_name = "NAME")]
    room: String,
    /// The name of the new one in links [default: one that nobody guesses]
    #[arg(value_name = "NEW NAME")]
    slug: Option<String>,
    /// Its name for people [default: that of the other]
    #[arg(long, value_name = "TITLE")]
    title: Option<String>,
    /// A word by which operators find it; may be repeated [default: those of the other]
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// What another system calls it
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    #[command(flatten)]
    place: Where,
}

/// Runs one of them.
pub(super) fn run(command: &RoomCommand) -> Result<(), Failure> {
    match command {
        RoomCommand::Create(create) => create.run(),
        RoomCommand::List(place) => list(place),
        RoomCommand::Show(Named { room, place }) => {
            let shown = ask(&place.reach()?, Ask::get(&room_path(room, &[])))?;
            print_room(place.output, &shown)
        }
        RoomCommand::Set(set) => set.run(),
        RoomCommand::Duplicate(duplicate) => duplicate.run(),
        RoomCommand::Delete(Named { room, place }) => {
            ask(&place.reach()?, Ask::delete(&room_path(room, &[])))?;
            match place.output {
                Output::Json => Ok(()),
                Output::Table => say(&format!("{room} is deleted\n")),
            }
        }
    }
}

impl Create {
    fn run(&self) -> Result<(), Failure> {
        let (name, written) = match self.words.split_first() {
            Some((first, rest)) if !first.contains('=') => (Some(first), rest),
            _ => (None, self.words.as_slice()),
        };
        let mut body = settings::read(written)?;
        read_password(self.password_stdin, &mut body)?;
        if let Some(name) = name {
            body.insert("slug".to_owned(), json!(name));
        }
        if let Some(preset) = &self.preset {
            body.insert("preset".to_owned(), json!(preset));
        }
        let api = self.place.reach_or_make()?;
        let made = ask(&api, Ask::send(Method::POST, ROOMS, Value::Object(body)))?;
        print_made(self.place.output, &made)
    }
}

impl Duplicate {
    fn run(&self) -> Result<(), Failure> {
        let mut body = Map::new();
        let texts = [
            ("slug", &self.slug),
            ("title", &self.title),
            ("external_id", &self.external_id),
        ];
        for (member, text) in texts {
            if let Some(text) = text {
                body.insert(member.to_owned(), json!(text));
            }
        }
        if !self.tags.is_empty() {
            body.insert("tags".to_owned(), json!(self.tags));
        }
        let path = room_path(&self.room, &["duplicate"]);
        let order = Ask::send(Method::POST, &path, Value::Object(body));
        let made = ask(&self.place.reach()?, order)?;
        print_made(self.place.output, &made)
    }
}

/// Prints a room that was made, with its links.
fn print_made(output: Output, made: &Value) -> Result<(), Failure> {
    match output {
        Output::Json => say(&json_text(made)),
        Output::Table => say(&format!(
            "room        {}\nguest link  {}\nhost link   {}\n\n\
             Who has the host link is a host. It is not shown again.\n{}",
            table::cell(&made["slug"]),
            table::cell(&made["guest_link"]),
            table::cell(&made["host_link"]),
            hint_at_origin(&made["host_link"])
        )),
    }
}

impl Set {
    fn run(&self) -> Result<(), Failure> {
        let mut patch = settings::read(&self.settings)?;
        read_password(self.password_stdin, &mut patch)?;
        if patch.is_empty() {
            let text = "there is nothing to change; --help lists the settings";
            return Err(Failure::Usage(text.to_owned()));
        }
        let api = self.place.reach()?;
        let path = room_path(&self.room, &[]);
        let changed = ask(&api, Ask::send(Method::PATCH, &path, Value::Object(patch)))?;
        print_room(self.place.output, &changed)
    }
}

fn list(place: &Where) -> Result<(), Failure> {
    let rooms = ask_list(&place.reach()?, ROOMS)?;
    match place.output {
        Output::Json => say(&json_text(&Value::Array(rooms))),
        Output::Table => {
            let columns = [
                "slug",
                "lobby",
                "password_set",
                "is_live",
                "guest_link",
                "title",
            ];
            let headings = ["NAME", "LOBBY", "PASSWORD", "LIVE", "GUEST LINK", "TITLE"];
            let rows: Vec<Vec<String>> = rooms
                .iter()
                .map(|room| columns.map(|column| table::cell(&room[column])).to_vec())
                .collect();
            say(&table::text(&headings, &rows))
        }
    }
}

/// Prints a room; each setting in the form in which `room set` takes it.
fn print_room(output: Output, room: &Value) -> Result<(), Failure> {
    if output == Output::Json {
        return say(&json_text(room));
    }
    let mut text = String::new();
    let facts = [
        ("room", "slug"),
        ("id", "id"),
        ("guest link", "guest_link"),
        ("preset", "preset"),
        ("password", "password_set"),
    ];
    for (label, member) in facts {
        text.push_str(&format!("{label:<11} {}\n", table::cell(&room[member])));
    }
    text.push('\n');
    text.push_str(&settings::written(room));
    say(&text)
}

fn read_password(is_asked: bool, body: &mut Map<String, Value>) -> Result<(), Failure> {
    if !is_asked {
        return Ok(());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(PASSWORD_BYTES_MAX)
        .read_to_string(&mut text)?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    body.insert("password".to_owned(), json!(password));
    Ok(())
}
