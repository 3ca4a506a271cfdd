//! A room and its policies: what participants see of it, and how to change it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;

use crate::chat::{ChatPolicy, ChatUpdate};
use crate::hands::HandOrder;
use crate::ids::{ParticipantId, RoomId};
use crate::objects::Role;
use crate::permission::Permission;
use crate::secret::SecretText;
use crate::text::{Prose, RoleName, Slug, Title};
use crate::time::Timestamp;

/// Whether a lobby stands before a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LobbyMode {
    /// Everybody waits until admitted.
    On,
    /// Nobody waits.
    Off,
}

/// Who may share a screen at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScreenPolicy {
    /// One participant; others are `busy`.
    One,
    /// One participant, which others may replace.
    OneTakeover,
    /// Several.
    Many,
    /// Nobody.
    Off,
}

/// Which set of defaults a room began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Everybody may speak.
    Meeting,
    /// Few speak to many.
    Webinar,
    /// A teacher and pupils.
    Class,
    /// One is asked by some.
    Interview,
    /// Invites only, end-to-end encrypted: not available before encryption is.
    HighSecurity,
}

/// Whether one kind of source is locked for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceLock {
    /// Whether it is.
    pub on: bool,
    /// For whom it is not.
    pub allow: Vec<ParticipantId>,
}

/// The locks of a room on sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AvLock {
    /// Voices.
    pub microphone: SourceLock,
    /// Pictures.
    pub camera: SourceLock,
    /// Screens and their sound.
    pub screen: SourceLock,
}

/// Whom a participant without special rights sees in the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RosterMode {
    /// Everybody.
    All,
    /// Presenters and above, and whoever publishes.
    Hosts,
}

/// What happens when the last host and co-host are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoHost {
    /// Those who are in go on, newcomers wait for a host.
    Wait,
    /// It goes on as before.
    Continue,
    /// It ends after `no_host_grace_s`.
    End,
}

/// What happens when a device, or the holder of a personal invite, comes a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DuplicatePolicy {
    /// It is asked.
    Ask,
    /// It is refused: nobody lends an invite to somebody else.
    RejectNew,
    /// It takes the place of the first.
    Replace,
    /// It is a second participant.
    Allow,
}

/// What attendees may do; the roles above them may anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Allowances {
    /// Publish the microphone.
    pub microphone: bool,
    /// Publish the camera.
    pub camera: bool,
    /// Share a screen.
    pub screen: bool,
    /// Change their own names.
    pub rename: bool,
    /// Make invites for attendees and viewers.
    pub invite: bool,
}

/// What viewers may do; the roles above them may anyway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ViewerAllowances {
    /// Write, and react to messages, as far as attendees may.
    pub chat: bool,
    /// Raise their hands.
    pub hands: bool,
    /// Send reactions.
    pub reactions: bool,
}

/// How many at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// Participants; null for as many as the server allows. One more place is kept for a host.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub participants: Option<u32>,
    /// Microphones that are published.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub microphone: Option<u32>,
    /// Cameras that are published.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub camera: Option<u32>,
}

/// A role of this room's own: one of the five with exceptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CustomRole {
    /// What it is called, 1 to 32 code points.
    pub name: RoleName,
    /// What it is based on, which is also its rank; not the host.
    pub base: Role,
    /// What it may do beyond that.
    #[serde(default)]
    #[ts(as = "Option<Vec<Permission>>", optional)]
    pub allow: Vec<Permission>,
    /// What it may not do of that.
    #[serde(default)]
    #[ts(as = "Option<Vec<Permission>>", optional)]
    pub deny: Vec<Permission>,
}

/// A room and its policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Room {
    /// Its identifier.
    pub id: RoomId,
    /// Its name in links.
    pub slug: Slug,
    /// Its name for people.
    pub title: String,
    /// Rises by one with each change.
    pub rev: u32,
    /// Which defaults it began with.
    pub preset: Preset,
    /// Whether it lets nobody in but hosts.
    pub locked: bool,
    /// Whether a lobby stands before it.
    pub lobby: LobbyMode,
    /// What those in the lobby read.
    pub lobby_message: Option<String>,
    /// Whether it asks for a password.
    pub password_set: bool,
    /// Whether who knows the password need not wait in the lobby.
    pub password_bypasses_lobby: bool,
    /// Whether it begins before a host is there.
    pub start_without_host: bool,
    /// What happens when the last host is gone.
    pub no_host: NoHost,
    /// Seconds after which it happens.
    pub no_host_grace_s: u32,
    /// Whether newcomers wait because no host is there.
    pub waiting_for_host: bool,
    /// What happens when somebody comes a second time.
    pub duplicate: DuplicatePolicy,
    /// The role of who comes without an invite: attendee or viewer.
    pub default_role: Role,
    /// Whether a guest may be a co-host.
    pub guests_may_cohost: bool,
    /// What attendees may do.
    pub attendees: Allowances,
    /// What viewers may do.
    pub viewers: ViewerAllowances,
    /// Whether anybody below the hosts may send reactions.
    pub reactions: bool,
    /// In which order hands are called.
    pub hands: HandOrder,
    /// Whether co-hosts may end the meeting for everybody.
    pub cohosts_end: bool,
    /// Seconds after which the meeting ends by itself, 60 to 604,800.
    pub max_duration_s: Option<u32>,
    /// Whom those without special rights see.
    pub roster: RosterMode,
    /// How many at once.
    pub caps: Caps,
    /// When it opens.
    pub opens_at: Option<Timestamp>,
    /// When it closes for newcomers.
    pub closes_at: Option<Timestamp>,
    /// What everybody has to agree to before coming in.
    pub consent_text: Option<String>,
    /// Its own roles.
    pub custom_roles: Vec<CustomRole>,
    /// Its locks on sources.
    pub av_lock: AvLock,
    /// Its chat policies.
    pub chat: ChatPolicy,
    /// Who may share a screen.
    pub screen: ScreenPolicy,
    /// Whether media is taken only through the relay of this server: see `media.offer`.
    pub relay_only: bool,
    /// Whether everything was stopped at once.
    pub suspended: bool,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
    /// Who is shown large to everybody.
    pub spotlight: Vec<ParticipantId>,
}

/// What to do with a member that may be null: absent keeps, null clears, a value sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Leave it.
    #[default]
    Keep,
    /// Make it null.
    Clear,
    /// Make it this.
    Set(T),
}

impl<T> Patch<T> {
    /// Returns whether nothing changes.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Patch::Keep)
    }

    /// Changes a value.
    pub fn apply(self, value: &mut Option<T>) {
        match self {
            Patch::Keep => {}
            Patch::Clear => *value = None,
            Patch::Set(new) => *value = Some(new),
        }
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Patch::Keep | Patch::Clear => serializer.serialize_none(),
            Patch::Set(value) => serializer.serialize_some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Patch::Clear, Patch::Set))
    }
}

/// Changes to a room: absent members stay as they are. Data of `room.update`,
/// and what the command line and the configuration say about a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[ts(optional_fields = nullable)]
pub struct RoomUpdate {
    /// The `rev` that the sender has seen; absent to change whatever it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rev: Option<u32>,
    /// Its name for people, 1 to 120 code points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// Whether it lets nobody in but hosts. Needs `room.lock`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Whether a lobby stands before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lobby: Option<LobbyMode>,
    /// What those in the lobby read, at most 500 code points.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    #[ts(as = "Option<Prose>")]
    pub lobby_message: Patch<Prose>,
    /// The password, 8 to 128 code points; null to ask for none. Needs `room.password`.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    #[ts(as = "Option<SecretText>")]
    pub password: Patch<SecretText>,
    /// Whether who knows the password need not wait in the lobby.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_bypasses_lobby: Option<bool>,
    /// Whether it begins before a host is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_without_host: Option<bool>,
    /// What happens when the last host is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_host: Option<NoHost>,
    /// Seconds after which it happens, at most 3,600.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = 3600)))]
    pub no_host_grace_s: Option<u32>,
    /// What happens when somebody comes a second time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<DuplicatePolicy>,
    /// The role of who comes without an invite: attendee or viewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["attendee", "viewer", null])))]
    pub default_role: Option<Role>,
    /// Whether a guest may be a co-host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guests_may_cohost: Option<bool>,
    /// What attendees may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attendees: Option<Allowances>,
    /// What viewers may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewers: Option<ViewerAllowances>,
    /// Whether anybody below the hosts may send reactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reactions: Option<bool>,
    /// In which order hands are called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hands: Option<HandOrder>,
    /// Whether co-hosts may end the meeting for everybody. Needs `session.end` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohosts_end: Option<bool>,
    /// Seconds after which the meeting ends by itself, 60 to 604,800; null for never. Needs `session.end` too.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    #[ts(as = "Option<u32>")]
    #[cfg_attr(feature = "schema", schemars(range(min = 60, max = 604_800)))]
    pub max_duration_s: Patch<u32>,
    /// Changes to the chat policies. Needs `chat.configure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatUpdate>,
    /// Whom those without special rights see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roster: Option<RosterMode>,
    /// How many at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caps: Option<Caps>,
    /// When it opens.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    #[ts(as = "Option<Timestamp>")]
    pub opens_at: Patch<Timestamp>,
    /// When it closes for newcomers.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    #[ts(as = "Option<Timestamp>")]
    pub closes_at: Patch<Timestamp>,
    /// Networks from which it may be entered, such as `192.0.2.0/24`; an empty list for all. At most 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub allowed_networks: Option<Vec<String>>,
    /// What everybody has to agree to, at most 500 code points.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    #[ts(as = "Option<Prose>")]
    pub consent_text: Patch<Prose>,
    /// Its own roles, at most 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub custom_roles: Option<Vec<CustomRole>>,
    /// Who may share a screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screen: Option<ScreenPolicy>,
    /// Whether media is taken only through the relay of this server. Who is connected otherwise
    /// hears `media.reset` at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_only: Option<bool>,
    /// Words by which the operator finds it, at most 16 of 1 to 32 of `a-z`, `0-9`, `_` and `-`.
    /// Only the operator sees and sets them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = 16),
            inner(length(min = 1, max = 32), regex(pattern = "^[a-z0-9_-]+$"))
        )
    )]
    pub tags: Option<Vec<String>>,
    /// What another system calls it, 1 to 128 visible ASCII characters; no two rooms have the same.
    /// Only the operator sees and sets it.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    #[ts(as = "Option<String>")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[!-~]{1,128}$")))]
    pub external_id: Patch<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Result<RoomUpdate, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn absent_keeps_null_clears_and_a_value_sets() {
        let kept = RoomUpdate::default();
        let cleared = RoomUpdate {
            lobby_message: Patch::Clear,
            password: Patch::Clear,
            opens_at: Patch::Clear,
            ..RoomUpdate::default()
        };
        let set = RoomUpdate {
            lobby_message: Patch::Set(Prose::new("Soon").unwrap()),
            opens_at: Patch::Set(Timestamp::from_unix_ms(0)),
            ..RoomUpdate::default()
        };
        for (update, json) in [
            (kept, "{}"),
            (
                cleared,
                r#"{"lobby_message":null,"password":null,"opens_at":null}"#,
            ),
            (
                set,
                r#"{"lobby_message":"Soon","opens_at":"1970-01-01T00:00:00Z"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&update).unwrap(), json);
            assert_eq!(read(json), Ok(update));
        }
    }

    #[test]
    fn null_keeps_what_cannot_be_null() {
        assert_eq!(
            read(r#"{"rev":null,"title":null,"locked":null,"caps":null}"#),
            Ok(RoomUpdate::default())
        );
    }

    #[test]
    fn an_update_refuses_what_it_does_not_know() {
        for json in [
            r#"{"slug":"other"}"#,
            r#"{"password_set":true}"#,
            r#"{"locked":true,"locked":true}"#,
            r#"{"lobby_message":"a","lobby_message":null}"#,
            r#"{"caps":{"participant":1}}"#,
            r#"{"attendees":{"microphone":true}}"#,
            r#"{"custom_roles":[{"name":"A","base":"viewer","rank":1}]}"#,
            r#"{"custom_roles":[{"name":"A","base":"viewer","allow":["chat.fly"]}]}"#,
            r#"{"lobby_message":""}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_patch_changes_a_value() {
        let mut value = Some(1);
        Patch::Keep.apply(&mut value);
        assert_eq!(value, Some(1));
        Patch::Set(2).apply(&mut value);
        assert_eq!(value, Some(2));
        Patch::Clear.apply(&mut value);
        assert_eq!(value, None);
    }

    fn patch<T: std::fmt::Debug + Clone>(
        value: impl Strategy<Value = T>,
    ) -> impl Strategy<Value = Patch<T>> {
        prop_oneof![
            Just(Patch::Keep),
            Just(Patch::Clear),
            value.prop_map(Patch::Set)
        ]
    }

    proptest! {
        #[test]
        fn every_update_round_trips(
            rev: Option<u32>,
            locked: Option<bool>,
            participants: Option<Option<u32>>,
            password in patch(any::<String>().prop_map(SecretText::new)),
            closes_at in patch(any::<u64>().prop_map(Timestamp::from_unix_ms)),
            networks: Option<Vec<String>>,
            (allow, deny) in {
                let some = proptest::sample::subsequence(Permission::ALL, 0..5);
                (some.clone(), some)
            },
        ) {
            let update = RoomUpdate {
                rev,
                locked,
                caps: participants.map(|participants| Caps { participants, ..Caps::default() }),
                password,
                closes_at,
                allowed_networks: networks,
                custom_roles: Some(vec![CustomRole {
                    name: RoleName::new("Interpreter").unwrap(),
                    base: Role::Viewer,
                    allow,
                    deny,
                }]),
                ..RoomUpdate::default()
            };
            prop_assert_eq!(read(&serde_json::to_string(&update).unwrap()), Ok(update));
        }
    }
}
