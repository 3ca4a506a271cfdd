//! `conclave session`.

mod acts;
mod records;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::{Api, Ask};
use super::{
    Failure, Output, Where, ask, ask_list, ask_list_of, json_text, path_in, query_of, say, table,
};
use acts::{Act, Announce, End, Mute, Remove, SetRole};
use records::{Attendance, Chat};

const SESSIONS: &str = "/api/v1/sessions";

/// Meetings that go on, and those that are over.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum SessionCommand {
    /// List meetings, the newest first
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Print a meeting
    Show(OfSession),
    /// List who is in a meeting
    #[command(after_help = "Examples:\n  conclave session people team")]
    People(OfSession),
    /// Mute somebody, or end what somebody shares
    #[command(after_help = acts::MUTE_EXAMPLES)]
    Mute(Mute),
    /// Remove somebody
    #[command(after_help = acts::REMOVE_EXAMPLES)]
    Remove(Remove),
    /// Give somebody a role
    #[command(after_help = "Examples:\n  conclave session role team par_01k… presenter")]
    Role(SetRole),
    /// Send somebody back to the lobby
    ToLobby(Act),
    /// Lock the room of a meeting: nobody else comes in
    Lock(OfSession),
    /// Unlock it
    Unlock(OfSession),
    /// Tell everybody in a meeting something
    #[command(
        after_help = "Examples:\n  conclave session announce team \"We close in five minutes\""
    )]
    Announce(Announce),
    /// End a meeting
    #[command(after_help = acts::END_EXAMPLES)]
    End(End),
    /// Print who took part, and for how long each was there and spoke
    #[command(after_help = records::ATTENDANCE_EXAMPLES)]
    Attendance(Attendance),
    /// Print what was written to everybody or to the hosts
    #[command(after_help = records::CHAT_EXAMPLES)]
    Chat(Chat),
}

const LIST_EXAMPLES: &str = "\
Examples:
  conclave session list --live
  conclave session list --room team --ended --from 2026-11-22T00:00:00Z";

/// `conclave session list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only of this room: its name in links, or its id, also after it was deleted
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// Only those that go on
    #[arg(long, conflicts_with = "ended")]
    live: bool,
    /// Only those that are over
    #[arg(long)]
    ended: bool,
    /// Only those that began at TIME or later, as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only those that began before TIME
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    place: Where,
}

/// A command about one meeting.
#[derive(Debug, Args)]
pub(crate) struct OfSession {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    place: Where,
}

/// Which meeting.
#[derive(Debug, Args)]
struct Which {
    /// The meeting, `ses_…`, or the room in which it goes on
    #[arg(value_name = "SESSION|ROOM")]
    session: String,
}

impl Which {
    /// Returns the path of the session, or of something in it.
    fn path(&self, api: &Api, rest: &[&str]) -> Result<String, Failure> {
        Ok(path_in(SESSIONS, &self.id(api)?, rest))
    }

    /// Finds the session: names of rooms have no underscore.
    fn id(&self, api: &Api) -> Result<String, Failure> {
        let Which { session } = self;
        if session.starts_with("ses_") {
            return Ok(session.clone());
        }
        let wanted = [("state", "live"), ("limit", "1"), ("room", session)];
        let found = ask(api, Ask::get(&format!("{SESSIONS}{}", query_of(&wanted))))?;
        match &found["data"][0]["id"] {
            Value::String(id) => Ok(id.clone()),
            _ => Err(Failure::Failed(format!(
                "nobody is in {session}; `conclave session list --room {session}` lists its meetings that are over"
            ))),
        }
    }
}

/// Runs one of them.
pub(super) fn run(command: &SessionCommand) -> Result<(), Failure> {
    match command {
        SessionCommand::List(list) => list.run(),
        SessionCommand::Show(of) => show(of),
        SessionCommand::People(of) => people(of),
        SessionCommand::Mute(mute) => mute.run(),
        SessionCommand::Remove(remove) => remove.run(),
        SessionCommand::Role(role) => role.run(),
        SessionCommand::ToLobby(act) => act.to_lobby(),
        SessionCommand::Lock(of) => acts::lock(of, true),
        SessionCommand::Unlock(of) => acts::lock(of, false),
        SessionCommand::Announce(announce) => announce.run(),
        SessionCommand::End(end) => end.run(),
        SessionCommand::Attendance(attendance) => attendance.run(),
        SessionCommand::Chat(chat) => chat.run(),
    }
}

impl List {
    fn run(&self) -> Result<(), Failure> {
        let state = match (self.live, self.ended) {
            (true, _) => Some("live"),
            (false, true) => Some("ended"),
            (false, false) => None,
        };
        let parameters = [
            ("state", state),
            ("room", self.room.as_deref()),
            ("from", self.from.as_deref()),
            ("to", self.until.as_deref()),
        ];
        let said = parameters.into_iter();
        let said: Vec<_> = said
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let sessions = ask_list_of(&self.place.reach()?, SESSIONS, &said)?;
        if self.place.output == Output::Json {
            return say(&json_text(&Value::Array(sessions)));
        }
        let columns = [
            ("id", "SESSION"),
            ("slug", "ROOM"),
            ("state", "STATE"),
            ("started_at", "STARTED"),
            ("ended_at", "ENDED"),
            ("ended", "WHY"),
            ("peak", "PEAK"),
            ("people", "PEOPLE"),
        ];
        say(&table::rows(&columns, &sessions))
    }
}

fn show(OfSession { which, place }: &OfSession) -> Result<(), Failure> {
    let api = place.reach()?;
    let shown = ask(&api, Ask::get(&which.path(&api, &[])?))?;
    if place.output == Output::Json {
        return say(&json_text(&shown));
    }
    let facts = [
        ("session", "id"),
        ("room", "slug"),
        ("state", "state"),
        ("started", "started_at"),
        ("ended", "ended_at"),
        ("why", "ended"),
        ("peak", "peak"),
        ("people", "people"),
        ("present", "participants"),
        ("waiting", "waiting"),
        ("ends", "ends_at"),
    ];
    let lines =
        facts.map(|(label, member)| format!("{label:<8} {}\n", table::cell(&shown[member])));
    say(&lines.concat())
}

fn people(OfSession { which, place }: &OfSession) -> Result<(), Failure> {
    let api = place.reach()?;
    let people = ask_list(&api, &which.path(&api, &["participants"])?)?;
    if place.output == Output::Json {
        return say(&json_text(&Value::Array(people)));
    }
    let headings = [
        "PARTICIPANT",
        "NAME",
        "ROLE",
        "IDENTITY",
        "PRESENCE",
        "JOINED",
        "OPEN",
        "HAND",
        "FROM",
    ];
    let row = |person: &Value| {
        let member = |name: &str| table::cell(&person[name]);
        let role = match &person["custom_role"] {
            Value::Null => member("role"),
            custom => table::cell(custom),
        };
        vec![
            member("id"),
            member("name"),
            role,
            member("identity"),
            member("presence"),
            member("joined_at"),
            open_sources(&person["sources"]),
            table::cell(&Value::Bool(!person["hand"].is_null())),
            member("prefix"),
        ]
    };
    let rows: Vec<_> = people.iter().map(row).collect();
    say(&table::text(&headings, &rows))
}

/// Returns what somebody lets others hear or see.
fn open_sources(sources: &Value) -> String {
    let names = ["microphone", "camera", "screen", "screen_audio"];
    let is_open = |name: &&str| {
        let source = &sources[*name];
        source["published"] == true && source["muted"] == false
    };
    let open: Vec<&str> = names.into_iter().filter(is_open).collect();
    if open.is_empty() {
        return "-".to_owned();
    }
    open.join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn open_is_what_others_hear_or_see() {
        let sources = json!({
            "microphone": {"published": true, "muted": false},
            "camera": {"published": true, "muted": true},
            "screen": {"published": true, "muted": false},
        });
        assert_eq!(open_sources(&sources), "microphone,screen");
        assert_eq!(open_sources(&json!({})), "-");
    }
}
