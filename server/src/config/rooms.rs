//! Rooms that exist from the start, and who may make others.

use std::path::{Path, PathBuf};

use conclave_signalling_core::settings::Settings;
use conclave_signalling_wire::room::{LobbyMode, Preset, RoomUpdate};
use conclave_signalling_wire::text::{Slug, Title};
use toml::{Table, Value};

use super::layers::Origin;
use super::reader::Reader;
use conclave_server_core::members::{self, BadMember};

/// The room that `--dev` has without being asked.
pub(crate) const DEV_ROOM: &str = "welcome";

/// Members of a table of `[[rooms]]` beside those of [`RoomUpdate`].
const OWN_MEMBERS: [&str; 3] = ["slug", "preset", "password_file"];

/// Who may make rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayCreate {
    /// The operator alone: configuration, command line, API.
    Admins,
    /// Whoever opens the page.
    Anyone,
}

/// A room that exists from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// Its name in links.
    pub(crate) slug: Slug,
    /// Which defaults it begins with.
    pub(crate) preset: Preset,
    /// What it has beyond them; its title is there. The password is in a file.
    pub(crate) update: RoomUpdate,
    /// The file of its password.
    pub(crate) password_file: Option<PathBuf>,
    /// Who named it.
    pub(crate) origin: Origin,
}

impl Room {
    /// Returns the room of `--dev`: everybody walks in and begins.
    fn welcome() -> Self {
        Room {
            slug: Slug::new(DEV_ROOM).expect("seven lower-case letters"),
            preset: Preset::Meeting,
            update: RoomUpdate {
                title: Some(Title::new("Welcome").expect("one line of seven letters")),
                lobby: Some(LobbyMode::Off),
                start_without_host: Some(true),
                ..RoomUpdate::default()
            },
            password_file: None,
            origin: Origin::Default,
        }
    }

    fn parse(table: &Table, origin: &Origin) -> Result<Self, BadMember> {
        let mut members = table.clone();
        let mut own = |name: &str| match members.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(BadMember::invalid(name, "must be text in quotes")),
        };
        let slug = own("slug")?.ok_or_else(|| BadMember::invalid("slug", "is missing"))?;
        let slug = Slug::new(&slug).map_err(|_| {
            BadMember::invalid(
                "slug",
                format!("`{slug}` must be 3 to 63 of a-z, 0-9 and -, and not begin with -"),
            )
        })?;
        let preset = match own("preset")? {
            None => Preset::Meeting,
            Some(name) => members::read(serde_json::Value::String(name), &[])
                .map_err(|bad| BadMember::invalid("preset", bad.text))?,
        };
        let password_file = own("password_file")?.map(PathBuf::from);
        if members.contains_key("password") {
            let text = "write the password into a file of its own that only the server's user \
                        may read, and name the file by `password_file`";
            return Err(BadMember::invalid("password", text));
        }
        if members.contains_key("rev") {
            return Err(BadMember::invalid("rev", "is counted by the server"));
        }
        let mut members = plain(members);
        let defaults = Settings::new(preset, "");
        members::complete(
            &mut members,
            &defaults.attendees,
            &defaults.viewers,
            &defaults.caps,
        );
        let mut update: RoomUpdate = members::read(members, &OWN_MEMBERS)?;
        if update.title.is_none() {
            update.title = Title::new(slug.as_str()).ok();
        }
        members::check(preset, &update)?;
        Ok(Room {
            slug,
            preset,
            update,
            password_file,
            origin: origin.clone(),
        })
    }
}

/// Returns a table as messages write it: TOML has a type of its own for times.
pub(super) fn plain(table: Table) -> serde_json::Value {
    let members = table
        .into_iter()
        .map(|(name, member)| (name, plain_value(member)));
    serde_json::Value::Object(members.collect())
}

fn plain_value(value: Value) -> serde_json::Value {
    match value {
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(items) => items.into_iter().map(plain_value).collect(),
        Value::Table(table) => plain(table),
        Value::String(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Boolean(switch) => switch.into(),
    }
}

/// Returns a path as it stands in a configuration: beside the file that names it, unless absolute.
pub(crate) fn beside(origin: &Origin, path: &Path) -> PathBuf {
    match origin {
        Origin::File(file) => file.parent().unwrap_or(Path::new("")).join(path),
        _ => path.to_owned(),
    }
}

impl Reader<'_> {
    /// Reads `[meetings]`.
    pub(super) fn may_create(&mut self) -> MayCreate {
        self.parsed("meetings.create", |text| match text {
            "admins" => Ok(MayCreate::Admins),
            "anyone" => Ok(MayCreate::Anyone),
            _ => Err(format!("`{text}` is not admins or anyone")),
        })
        .unwrap_or(MayCreate::Admins)
    }

    /// Reads `[[rooms]]`.
    pub(super) fn rooms(&mut self, dev: bool) -> Vec<Room> {
        let mut rooms: Vec<Room> = Vec::new();
        let setting = self.layers.get("rooms");
        let tables = setting.and_then(|setting| setting.value.as_array());
        let origin = setting.map_or(&Origin::Default, |setting| &setting.origin);
        for (index, table) in tables
            .into_iter()
            .flatten()
            .filter_map(Value::as_table)
            .enumerate()
        {
            let place = format!("rooms[{index}]");
            match Room::parse(table, origin) {
                Ok(room) if rooms.iter().any(|other| other.slug == room.slug) => {
                    let problem = format!("the slug `{}` is there twice", room.slug);
                    self.complain("rooms", &format!("{place}: {problem}"));
                }
                Ok(room) => rooms.push(room),
                Err(bad) => self.complain("rooms", &format!("{place}: {bad}")),
            }
        }
        if dev && rooms.iter().all(|room| room.slug.as_str() != DEV_ROOM) {
            rooms.insert(0, Room::welcome());
        }
        rooms
    }
}
