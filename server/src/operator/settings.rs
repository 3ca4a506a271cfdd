//! `KEY=VALUE` on the command line: every setting of a room, by the names that
//! the configuration, the API and the protocol have for it.

use serde_json::{Map, Value};

use super::Failure;
use conclave_server_core::nearest::nearest_of;

/// What stands after the equals sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text, which is never nothing.
    Text,
    /// Text; nothing means that there is none.
    TextOrNone,
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Number,
    /// A whole number; nothing means that there is none.
    NumberOrNone,
    /// Texts with commas between them.
    List,
    /// JSON.
    Json,
    /// Nothing: it is taken away. What it is set to has no place on a command line.
    Nothing,
}

/// One setting.
struct Setting {
    name: &'static str,
    kind: Kind,
    values: &'static str,
    about: &'static str,
}

const fn setting(
    name: &'static str,
    kind: Kind,
    values: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        name,
        kind,
        values,
        about,
    }
}

const SETTINGS: &[Setting] = &[
    setting("title", Kind::Text, "TEXT", "its name for people"),
    setting(
        "locked",
        Kind::Switch,
        "true|false",
        "lets nobody in but hosts",
    ),
    setting(
        "lobby",
        Kind::Text,
        "on|off",
        "whether newcomers wait until admitted",
    ),
    setting(
        "lobby_message",
        Kind::TextOrNone,
        "[TEXT]",
        "what those who wait read",
    ),
    setting(
        "password",
        Kind::Nothing,
        "",
        "takes the password away; --password-stdin sets one",
    ),
    setting(
        "password_bypasses_lobby",
        Kind::Switch,
        "true|false",
        "who knows the password need not wait",
    ),
    setting(
        "start_without_host",
        Kind::Switch,
        "true|false",
        "begins before a host is there",
    ),
    setting(
        "no_host",
        Kind::Text,
        "wait|continue|end",
        "what happens when the last host is gone",
    ),
    setting(
        "no_host_grace_s",
        Kind::Number,
        "0..3600",
        "seconds after which it happens",
    ),
    setting(
        "duplicate",
        Kind::Text,
        "ask|reject_new|replace|allow",
        "what happens when somebody comes a second time",
    ),
    setting(
        "default_role",
        Kind::Text,
        "attendee|viewer",
        "the role of who comes without an invite",
    ),
    setting(
        "guests_may_cohost",
        Kind::Switch,
        "true|false",
        "whether a guest may be a co-host",
    ),
    setting(
        "attendees.microphone",
        Kind::Switch,
        "true|false",
        "attendees may speak",
    ),
    setting(
        "attendees.camera",
        Kind::Switch,
        "true|false",
        "attendees may show their camera",
    ),
    setting(
        "attendees.screen",
        Kind::Switch,
        "true|false",
        "attendees may share a screen",
    ),
    setting(
        "attendees.rename",
        Kind::Switch,
        "true|false",
        "attendees may change their own names",
    ),
    setting(
        "attendees.invite",
        Kind::Switch,
        "true|false",
        "attendees may make invites",
    ),
    setting(
        "roster",
        Kind::Text,
        "all|hosts",
        "whom attendees see in the list of people",
    ),
    setting(
        "caps.participants",
        Kind::NumberOrNone,
        "[N]",
        "how many at once",
    ),
    setting(
        "caps.microphone",
        Kind::NumberOrNone,
        "[N]",
        "how many microphones at once",
    ),
    setting(
        "caps.camera",
        Kind::NumberOrNone,
        "[N]",
        "how many cameras at once",
    ),
    setting(
        "opens_at",
        Kind::TextOrNone,
        "[TIME]",
        "when it opens, as 2026-11-22T10:00:00Z",
    ),
    setting(
        "closes_at",
        Kind::TextOrNone,
        "[TIME]",
        "when it closes for newcomers",
    ),
    setting(
        "allowed_networks",
        Kind::List,
        "[NETWORK,...]",
        "from where it may be entered; nothing for everywhere",
    ),
    setting(
        "consent_text",
        Kind::TextOrNone,
        "[TEXT]",
        "what everybody has to agree to",
    ),
    setting(
        "custom_roles",
        Kind::Json,
        "JSON",
        "its own roles: [{\"name\":…,\"base\":…,\"allow\":[…],\"deny\":[…]}]",
    ),
    setting(
        "screen",
        Kind::Text,
        "one|one_takeover|many|off",
        "who may share a screen, and how many at once",
    ),
    setting(
        "relay_only",
        Kind::Switch,
        "true|false",
        "media goes through the relay of this server only",
    ),
    setting(
        "viewers.chat",
        Kind::Switch,
        "true|false",
        "viewers may write, as far as attendees may",
    ),
    setting(
        "viewers.hands",
        Kind::Switch,
        "true|false",
        "viewers may raise their hands",
    ),
    setting(
        "viewers.reactions",
        Kind::Switch,
        "true|false",
        "viewers may send reactions",
    ),
    setting(
        "reactions",
        Kind::Switch,
        "true|false",
        "anybody below the hosts may send reactions",
    ),
    setting(
        "hands",
        Kind::Text,
        "fifo|first_timers_first",
        "in which order hands are called",
    ),
    setting(
        "cohosts_end",
        Kind::Switch,
        "true|false",
        "co-hosts may end the meeting for everybody",
    ),
    setting(
        "max_duration_s",
        Kind::NumberOrNone,
        "[60..604800]",
        "seconds after which the meeting ends by itself",
    ),
    setting(
        "chat.public",
        Kind::Text,
        "all|hosts|off",
        "who may write to all",
    ),
    setting(
        "chat.private",
        Kind::Text,
        "all|hosts|off",
        "to whom one may write privately",
    ),
    setting(
        "chat.slow_s",
        Kind::Number,
        "0..3600",
        "seconds between two messages of one participant",
    ),
    setting(
        "chat.links",
        Kind::Switch,
        "true|false",
        "links may be followed",
    ),
    setting(
        "chat.history",
        Kind::Text,
        "none|session|kept",
        "which earlier messages newcomers are shown",
    ),
    setting(
        "chat.keep",
        Kind::Text,
        "none|session|days",
        "how long messages are kept on disk, sealed",
    ),
    setting(
        "chat.keep_days",
        Kind::Number,
        "1..365",
        "for how many days, with chat.keep=days",
    ),
    setting(
        "tags",
        Kind::List,
        "[TAG,...]",
        "words to find it by; nobody in the room sees them",
    ),
    setting(
        "external_id",
        Kind::TextOrNone,
        "[TEXT]",
        "what another system calls it; no two rooms have the same",
    ),
];

/// Returns the settings for the help of a command.
pub(super) fn help() -> String {
    let mut text = String::from("Settings:\n");
    for Setting {
        name,
        values,
        about,
        ..
    } in SETTINGS
    {
        let written = format!("{name}={values}");
        text.push_str(&format!("  {written:42} {about}\n"));
    }
    text
}

/// Returns the settings of a room, each as [`read`] takes it.
pub(super) fn written(room: &Value) -> String {
    let mut text = String::new();
    for Setting { name, kind, .. } in SETTINGS {
        let value = match name.split_once('.') {
            Some((outer, inner)) => &room[outer][inner],
            None => &room[*name],
        };
        let value = match value {
            _ if *kind == Kind::Nothing => continue,
            Value::Null => String::new(),
            Value::String(text) => text.replace('\n', " "),
            Value::Array(items) if *kind == Kind::List => {
                let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                items.join(",")
            }
            other => other.to_string(),
        };
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

/// Reads `KEY=VALUE`s into a merge patch of a room.
///
/// # Errors
/// The first that cannot be, with words for whoever typed it.
pub(super) fn read(texts: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut patch = Map::new();
    for text in texts {
        let (name, written) = text.split_once('=').ok_or_else(|| {
            Failure::Usage(format!("`{text}` is not KEY=VALUE; --help lists the keys"))
        })?;
        let setting = find(name)?;
        let value = value(setting.kind, written)
            .map_err(|expected| Failure::Usage(format!("`{name}`: must be {expected}")))?;
        let is_new = match name.split_once('.') {
            None => patch.insert(name.to_owned(), value).is_none(),
            Some((outer, inner)) => {
                let object = patch
                    .entry(outer)
                    .or_insert_with(|| Value::Object(Map::new()));
                let members = object.as_object_mut();
                members.is_some_and(|members| members.insert(inner.to_owned(), value).is_none())
            }
        };
        if !is_new {
            return Err(Failure::Usage(format!("`{name}`: is there twice")));
        }
    }
    Ok(patch)
}

fn find(name: &str) -> Result<&'static Setting, Failure> {
    let found = SETTINGS.iter().find(|setting| setting.name == name);
    found.ok_or_else(|| {
        let nearest = nearest_of(name, SETTINGS.iter().map(|setting| setting.name));
        Failure::Usage(format!(
            "`{name}`: there is no such setting; the nearest is `{}`",
            nearest.unwrap_or_default()
        ))
    })
}

fn value(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::TextOrNone | Kind::NumberOrNone | Kind::Nothing if text.is_empty() => Ok(Value::Null),
        Kind::Text if text.is_empty() => Err("something"),
        Kind::Text | Kind::TextOrNone => Ok(text.into()),
        Kind::Switch => text.parse().map(Value::Bool).map_err(|_| "true or false"),
        Kind::Number | Kind::NumberOrNone => text
            .parse::<u32>()
            .map(Value::from)
            .map_err(|_| "a whole number"),
        Kind::List => {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            Ok(parts.map(Value::from).collect())
        }
        Kind::Json => serde_json::from_str(text).map_err(|_| "JSON"),
        Kind::Nothing => Err(
            "nothing here: every user of this machine sees a command line; use --password-stdin",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use conclave_signalling_wire::room::RoomUpdate;
    use serde_json::json;

    use super::*;

    fn read_all(texts: &[&str]) -> Result<Value, String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        read(&texts)
            .map(Value::Object)
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn every_member_of_an_update_is_a_setting() {
        let error = serde_json::from_value::<RoomUpdate>(json!({"?": 0})).unwrap_err();
        let text = error.to_string();
        let members: BTreeSet<&str> = text.split('`').skip(3).step_by(2).collect();
        let settable: BTreeSet<&str> = SETTINGS
            .iter()
            .filter_map(|setting| setting.name.split('.').next())
            .collect();
        let missing: Vec<_> = members.difference(&settable).collect();
        assert_eq!(missing, [&"rev"]);
        assert!(settable.is_subset(&members));
    }

    #[test]
    fn settings_become_a_merge_patch() {
        assert_eq!(
            read_all(&[
                "title=A = b",
                "lobby=off",
                "lobby_message=",
                "password=",
                "attendees.screen=false",
                "caps.camera=4",
                "caps.participants=",
                "allowed_networks=192.0.2.0/24, 2001:db8::/32",
            ])
            .unwrap(),
            json!({
                "title": "A = b",
                "lobby": "off",
                "lobby_message": null,
                "password": null,
                "attendees": {"screen": false},
                "caps": {"camera": 4, "participants": null},
                "allowed_networks": ["192.0.2.0/24", "2001:db8::/32"],
            })
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let room = json!({
            "title": "Team",
            "locked": false,
            "attendees": {"screen": true},
            "caps": {"camera": null},
            "allowed_networks": ["192.0.2.0/24", "2001:db8::/32"],
            "custom_roles": [],
        });
        let text = written(&room);
        let said = [
            "title",
            "locked",
            "attendees.screen",
            "caps.camera",
            "allowed_networks",
        ];
        let lines: Vec<String> = text
            .lines()
            .filter(|line| {
                said.iter()
                    .any(|name| line.starts_with(&format!("{name}=")))
            })
            .map(str::to_owned)
            .collect();
        let mut expected = room;
        expected.as_object_mut().unwrap().remove("custom_roles");
        assert_eq!(Value::Object(read(&lines).unwrap()), expected);
        assert!(!text.contains("password="));
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (text, expected) in [
            ("lobby", "`lobby` is not KEY=VALUE; --help lists the keys"),
            (
                "loby=on",
                "`loby`: there is no such setting; the nearest is `lobby`",
            ),
            ("locked=yes", "`locked`: must be true or false"),
            ("title=", "`title`: must be something"),
            ("caps.camera=many", "`caps.camera`: must be a whole number"),
            ("custom_roles=[", "`custom_roles`: must be JSON"),
        ] {
            assert_eq!(read_all(&[text]).unwrap_err(), expected);
        }
        assert!(
            read_all(&["password=hunter22"])
                .unwrap_err()
                .contains("--password-stdin")
        );
        assert_eq!(
            read_all(&["lobby=on", "lobby=off"]).unwrap_err(),
            "`lobby`: is there twice"
        );
    }
}
