//! Reading a value that somebody wrote into a type, with a name for the
//! member that is wrong: of a table in the configuration, of a body in the API.

use std::fmt;

use conclave_signalling_core::settings::{Settings, UpdateError};
use conclave_signalling_wire::room::{Allowances, Caps, Preset, RoomUpdate, ViewerAllowances};
use serde::de::{Deserialize, Deserializer};
use serde_json::{Value, json};
use serde_path_to_error::{Path, Segment};

use crate::nearest::nearest_of;

/// One step on the way to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

/// What is wrong with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is none of this name.
    Unknown,
    /// It has to be there.
    Missing,
    /// It is there twice.
    Repeated,
    /// Its value cannot be.
    Invalid,
}

impl Fault {
    /// Returns the stable code of an error in a problem document.
    pub const fn code(self) -> &'static str {
        match self {
            Fault::Unknown => "unknown_member",
            Fault::Missing => "missing",
            Fault::Repeated => "repeated",
            Fault::Invalid => "invalid",
        }
    }
}

/// A member that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadMember {
    steps: Vec<Step>,
    /// What is wrong with it.
    pub fault: Fault,
    /// A half-sentence for whoever wrote it.
    pub text: String,
}

impl BadMember {
    /// Says what is wrong with the value of a member of the outermost object.
    pub fn invalid(member: &str, text: impl Into<String>) -> Self {
        BadMember {
            steps: vec![Step::Member(member.to_owned())],
            fault: Fault::Invalid,
            text: text.into(),
        }
    }

    /// Returns the way to it as a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> String {
        let escaped = |step: &Step| match step {
            Step::Member(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Item(index) => format!("/{index}"),
        };
        self.steps.iter().map(escaped).collect()
    }

    /// Returns the way to it as messages of the protocol write it: `caps.camera`, `custom_roles[1].base`.
    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                Step::Member(name) if path.is_empty() => path.push_str(name),
                Step::Member(name) => path.extend([".", name]),
                Step::Item(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

impl fmt::Display for BadMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            path if path.is_empty() => f.write_str(&self.text),
            path => write!(f, "`{path}`: {}", self.text),
        }
    }
}

/// Reads a value. `also` are members that it may have although the type does
/// not know them, and so are offered to who misspelt one.
///
/// # Errors
/// The first member that is wrong.
pub fn read<'de, T, D>(value: D, also: &[&str]) -> Result<T, BadMember>
where
    T: Deserialize<'de>,
    D: Deserializer<'de, Error: fmt::Display>,
{
    serde_path_to_error::deserialize(value).map_err(|error| {
        let text = error.inner().to_string();
        bad_member(steps_of(error.path()), text.trim_end(), also)
    })
}

/// Fills the objects inside a room's settings that say only some of their
/// members with what they are otherwise, as a merge patch means it (RFC 7396).
pub fn complete(
    members: &mut Value,
    attendees: &Allowances,
    viewers: &ViewerAllowances,
    caps: &Caps,
) {
    let wholes = [
        ("attendees", json!(attendees)),
        ("viewers", json!(viewers)),
        ("caps", json!(caps)),
    ];
    for (name, whole) in wholes {
        if let (Some(Value::Object(said)), Value::Object(whole)) = (members.get_mut(name), whole) {
            for (name, value) in whole {
                said.entry(name).or_insert(value);
            }
        }
    }
}

/// Tries settings on a new room of a preset.
///
/// # Errors
/// The member that cannot be.
pub fn check(preset: Preset, update: &RoomUpdate) -> Result<(), BadMember> {
    if preset == Preset::HighSecurity {
        return Err(BadMember::invalid("preset", NOT_AVAILABLE));
    }
    Settings::new(preset, "").apply(update).map_err(|error| {
        let (member, text) = match error {
            UpdateError::Bad(member) => (member, about(member)),
            UpdateError::Conflict => ("rev", "is counted by the server"),
        };
        BadMember::invalid(member, text)
    })
}

const NOT_AVAILABLE: &str = "this version cannot do it yet";

/// Returns what a member of a room may be, beyond its form.
pub fn about(member: &str) -> &'static str {
    match member {
        "default_role" => "must be `attendee` or `viewer`",
        "no_host_grace_s" => "must be 0 to 3600",
        "caps" => "each must be at least 1",
        "max_duration_s" => "must be 60 to 604800",
        "chat.slow_s" => "must be 0 to 3600",
        "chat.keep_days" => "must be 1 to 365",
        "closes_at" => "must be after `opens_at`",
        "allowed_networks" => {
            "must be at most 64 networks, such as `192.0.2.0/24` or `2001:db8::/32`"
        }
        "custom_roles" => {
            "must be at most 16 of different names, none based on the host, none denied \
             `room.join` or `receive.*`"
        }
        "tags" => "must be at most 16 of 1 to 32 of a-z, 0-9, _ and -",
        "external_id" => "must be 1 to 128 visible ASCII characters",
        "password" => "must be 8 to 128 characters",
        _ => "cannot be",
    }
}

fn steps_of(path: &Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Item(*index)),
        Segment::Map { key } => Some(Step::Member(key.clone())),
        Segment::Enum { variant } => Some(Step::Member(variant.clone())),
        Segment::Unknown => None,
    };
    path.iter().filter_map(step).collect()
}

/// Makes words of serde's: "unknown field `a`, expected one of `b`, `c`" and its siblings.
fn bad_member(mut steps: Vec<Step>, text: &str, also: &[&str]) -> BadMember {
    let faults = [
        ("unknown field `", Fault::Unknown),
        ("missing field `", Fault::Missing),
        ("duplicate field `", Fault::Repeated),
    ];
    let named = faults.into_iter().find_map(|(start, fault)| {
        let (name, rest) = text.strip_prefix(start)?.split_once('`')?;
        Some((fault, name, rest))
    });
    let Some((fault, name, rest)) = named else {
        return BadMember {
            steps,
            fault: Fault::Invalid,
            text: text.to_owned(),
        };
    };
    let is_outermost = steps.len() <= 1;
    let step = Step::Member(name.to_owned());
    // Some deserializers report the path with the unknown member, some without.
    if steps.last() != Some(&step) {
        steps.push(step);
    }
    let text = match fault {
        Fault::Unknown => {
            let known = rest.split('`').skip(1).step_by(2);
            let also = also.iter().copied().filter(|_| is_outermost);
            let known: Vec<_> = also.chain(known).collect();
            match nearest_of(name, known.into_iter()) {
                Some(nearest) => format!("there is no such member; the nearest is `{nearest}`"),
                None => "there is no such member".to_owned(),
            }
        }
        Fault::Missing => "is missing".to_owned(),
        Fault::Repeated => "is there twice".to_owned(),
        Fault::Invalid => text.to_owned(),
    };
    BadMember { steps, fault, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> (String, String, &'static str) {
        let mut value = serde_json::Deserializer::from_str(json);
        let bad = read::<RoomUpdate, _>(&mut value, &["slug"]).unwrap_err();
        (bad.pointer(), bad.to_string(), bad.fault.code())
    }

    #[test]
    fn a_member_that_is_wrong_is_named_wherever_it_is() {
        for (json, pointer, text, code) in [
            (
                r#"{"loby":"on"}"#,
                "/loby",
                "`loby`: there is no such member; the nearest is `lobby`",
                "unknown_member",
            ),
            (
                r#"{"slog":"on"}"#,
                "/slog",
                "`slog`: there is no such member; the nearest is `slug`",
                "unknown_member",
            ),
            (
                r#"{"caps":{"cameras":1}}"#,
                "/caps/cameras",
                "`caps.cameras`: there is no such member; the nearest is `camera`",
                "unknown_member",
            ),
            (
                r#"{"chat":{"publik":"off"}}"#,
                "/chat/publik",
                "`chat.publik`: there is no such member; the nearest is `public`",
                "unknown_member",
            ),
            (
                r#"{"custom_roles":[{"name":"A"}]}"#,
                "/custom_roles/0/base",
                "`custom_roles[0].base`: is missing",
                "missing",
            ),
            (
                r#"{"locked":true,"locked":true}"#,
                "/locked",
                "`locked`: is there twice",
                "repeated",
            ),
        ] {
            assert_eq!(
                refused(json),
                (pointer.to_owned(), text.to_owned(), code),
                "{json}"
            );
        }
        let (pointer, text, code) = refused(r#"{"lobby":"perhaps"}"#);
        assert_eq!((pointer.as_str(), code), ("/lobby", "invalid"));
        assert!(
            text.starts_with("`lobby`: unknown variant `perhaps`, expected `on` or `off`"),
            "{text}"
        );
    }
}
