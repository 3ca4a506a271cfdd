//! What happened, for those who are told of it by webhooks.
//!
//! Every kind of event has the members that its entry below lists, always all of
//! them: what does not apply is `null`. `data` holds identifiers, words of the
//! protocol and numbers, `personal` what only those are told who asked for it.
//! A member `by` names who acted, as [`crate::record::Actor`] is written:
//! `{"kind": "participant", "id": "par_…"}`, without `id` where there is none.

use conclave_signalling_wire::ids::{EventId, ParticipantId, RoomId, SessionId};
use conclave_signalling_wire::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A member of an event, for the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EventMember {
    /// Its name.
    pub name: &'static str,
    /// What it holds, in half a sentence.
    pub about: &'static str,
}

macro_rules! kinds {
    ($(
        $(#[doc = $doc:literal])*
        $kind:ident = $name:literal {
            data { $($data:ident: $data_about:literal,)* }
            personal { $($personal:ident: $personal_about:literal,)* }
        }
    )*) => {
        /// What kind of thing happened (`spec/admin-api.md`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventKind {$(
            $(#[doc = $doc])*
            ///
            $(#[doc = concat!("- `data.", stringify!($data), "`: ", $data_about)])*
            $(#[doc = concat!("- `personal.", stringify!($personal), "`: ", $personal_about)])*
            #[serde(rename = $name)]
            $kind,
        )*}

        impl EventKind {
            /// All of them.
            pub const ALL: &[EventKind] = &[$(EventKind::$kind,)*];

            /// Returns its name, as those who subscribe write it.
            pub const fn name(self) -> &'static str {
                match self {$(EventKind::$kind => $name,)*}
            }

            /// Returns what it means, for the catalogue.
            pub const fn about(self) -> &'static str {
                match self {$(EventKind::$kind => concat!($($doc,)*).trim_ascii(),)*}
            }

            /// Returns the members of [`Event::data`], exactly these.
            pub const fn data(self) -> &'static [EventMember] {
                match self {$(EventKind::$kind => &[$(EventMember {
                    name: stringify!($data),
                    about: $data_about,
                },)*],)*}
            }

            /// Returns the members of [`Event::personal`], exactly these.
            pub const fn personal(self) -> &'static [EventMember] {
                match self {$(EventKind::$kind => &[$(EventMember {
                    name: stringify!($personal),
                    about: $personal_about,
                },)*],)*}
            }
        }
    };
}

kinds! {
    /// A session began: somebody came into an empty room.
    SessionStarted = "session.started" {
        data {}
        personal {}
    }
    /// A session was over.
    SessionEnded = "session.ended" {
        data {
            reason: "why: `empty`, `ended`, `no_host`, `time_up`, `deleted`, `failed` or `drained`",
            by: "who ended it; `null` where nobody did",
            duration_s: "seconds that it lasted",
            peak: "the most participants at once",
            people: "devices that came, each once",
        }
        personal {}
    }
    /// Somebody came in.
    ParticipantJoined = "participant.joined" {
        data {
            role: "as what",
            identity: "how it is known: `guest`, `invited` or `verified`",
            via: "`door`, or `lobby` where it waited",
            invite: "the invite by which it came, or `null`",
            site: "the key of the site that sent it, or `null`",
        }
        personal {
            name: "its name",
        }
    }
    /// Somebody was gone for good: a lost link counts after its grace only.
    ParticipantLeft = "participant.left" {
        data {
            reason: "how: `left`, `connection_lost`, `removed`, `to_lobby` or `ended`",
            role: "what it was last",
            duration_s: "seconds for which it was there",
        }
        personal {
            name: "its name",
        }
    }
    /// Somebody was given another role.
    ParticipantRoleChanged = "participant.role_changed" {
        data {
            from: "the role before",
            to: "the role since; the same where only the custom role on it is another",
            by: "who gave it",
        }
        personal {
            name: "its name",
        }
    }
    /// Somebody was removed.
    ParticipantRemoved = "participant.removed" {
        data {
            by: "who removed it",
            role: "what it was",
            removals: "how often its device was removed from this session, this time included",
            ban: "the ban that was made of it, or `null`",
        }
        personal {
            name: "its name",
        }
    }
    /// Somebody was banned.
    ParticipantBanned = "participant.banned" {
        data {
            by: "who banned it",
            ban: "the ban",
            expires_at: "when it ends",
            strict: "whether who matches by the network alone is refused too",
        }
        personal {
            name: "its name",
        }
    }
    /// Somebody waits in the lobby.
    LobbyWaiting = "lobby.waiting" {
        data {
            knock: "its place in the lobby",
            state: "`waiting`, or `waiting_for_host`",
            identity: "how it is known: `guest`, `invited` or `verified`",
            previous_kick: "whether it was removed or sent back before",
            network_banned: "whether somebody from its network was",
        }
        personal {
            name: "its name",
        }
    }
    /// Somebody was admitted from the lobby.
    LobbyAdmitted = "lobby.admitted" {
        data {
            knock: "its place in the lobby",
            by: "who admitted it; the room itself where it waited for a host only",
        }
        personal {
            name: "its name",
        }
    }
    /// Somebody was refused in the lobby.
    LobbyDenied = "lobby.denied" {
        data {
            knock: "its place in the lobby",
            by: "who refused it; the room itself where what it came with has ended",
            block_s: "seconds for which its device is kept off, 0 for not at all",
        }
        personal {
            name: "its name",
        }
    }
    /// A room was made.
    RoomCreated = "room.created" {
        data {
            slug: "its name in links",
            by: "who made it",
        }
        personal {}
    }
    /// Policies of a room were changed.
    RoomUpdated = "room.updated" {
        data {
            changed: "the names of the policies",
            rev: "the number of the room's policies since",
            by: "who changed them",
        }
        personal {}
    }
    /// A room was locked.
    RoomLocked = "room.locked" {
        data {
            rev: "the number of the room's policies since",
            by: "who locked it",
        }
        personal {}
    }
    /// A room was unlocked.
    RoomUnlocked = "room.unlocked" {
        data {
            rev: "the number of the room's policies since",
            by: "who unlocked it",
        }
        personal {}
    }
    /// A room was deleted.
    RoomDeleted = "room.deleted" {
        data {
            slug: "its name in links",
            by: "who deleted it",
        }
        personal {}
    }
    /// An invite let somebody in.
    InviteUsed = "invite.used" {
        data {
            invite: "the invite",
            uses: "how many it let in so far, a device that it remembers once",
            max_uses: "how many it lets in, `null` for any number",
        }
        personal {
            name: "the name on it, or `null`",
        }
    }
    /// An invite was taken back.
    InviteRevoked = "invite.revoked" {
        data {
            invite: "the invite",
            by: "who took it back",
            uses: "how many it had let in",
        }
        personal {
            name: "the name on it, or `null`",
        }
    }
    /// Messages were cleared.
    ChatCleared = "chat.cleared" {
        data {
            up_to: "the number of the last message that went",
            by: "who cleared them",
        }
        personal {}
    }
    /// Somebody raised a hand.
    HandRaised = "hand.raised" {
        data {
            role: "what it is",
        }
        personal {
            name: "its name",
        }
    }
    /// A key or a password was wrong, several times.
    SecurityLoginFailed = "security.login_failed" {
        data {
            times: "how often since the last event of the kind, in a minute at most",
        }
        personal {
            network: "from where, a /24 or a /48; `null` where the rest of many is summed up",
        }
    }
    /// An API key was used from a network that it had not been used from.
    SecurityKeyUsedNewIp = "security.key_used_new_ip" {
        data {
            key: "the key",
        }
        personal {
            network: "from where, a /24 or a /48",
        }
    }
    /// Somebody was refused for asking too often.
    SecurityRateLimited = "security.rate_limited" {
        data {
            times: "how often since the last event of the kind, in a minute at most",
        }
        personal {
            network: "from where, a /24 or a /48; `null` where the rest of many is summed up",
        }
    }
    /// Somebody who is banned tried to come in.
    SecurityBanEvaded = "security.ban_evaded" {
        data {
            action: "what it tried: `join`, or `room.manage`",
            left_out: "refusals at the door before it that were not told",
        }
        personal {}
    }
    /// The server is about to stop.
    SystemDrain = "system.drain" {
        data {
            deadline_s: "seconds until it stops",
        }
        personal {}
    }
    /// The certificate of the server ends soon.
    SystemCertExpiring = "system.cert_expiring" {
        data {
            not_after: "when it ends",
        }
        personal {}
    }
    /// Little space is left where the server keeps its data.
    SystemDiskLow = "system.disk_low" {
        data {
            free_bytes: "how much is left",
        }
        personal {}
    }
    /// Somebody tries a webhook.
    WebhookTest = "webhook.test" {
        data {
            webhook: "the webhook",
        }
        personal {}
    }
}

/// Something that happened. Kept in the transaction of what it tells of.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its identifier, the same however often it is delivered.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// In which room.
    pub room: Option<RoomId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// Whom it concerns.
    pub participant: Option<ParticipantId>,
    /// Identifiers, words of the protocol and numbers.
    pub data: Map<String, Value>,
    /// What only those are told who asked for it: names. Sealed at rest.
    pub personal: Map<String, Value>,
}

impl Event {
    /// Makes one of nothing but itself: whom and what it concerns is to be added.
    /// `data` and `personal` are objects with exactly the members that the table
    /// of [`EventKind`] lists.
    pub fn new(id: EventId, at: Timestamp, kind: EventKind, data: Value, personal: Value) -> Self {
        let event = Event {
            id,
            at,
            kind,
            room: None,
            session: None,
            participant: None,
            data: members(data),
            personal: members(personal),
        };
        debug_assert!(event.is_as_listed(), "{kind:?} has other members");
        event
    }

    /// Returns whether it has exactly the members that the table lists for its kind.
    pub fn is_as_listed(&self) -> bool {
        has_exactly(&self.data, self.kind.data())
            && has_exactly(&self.personal, self.kind.personal())
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn has_exactly(members: &Map<String, Value>, listed: &[EventMember]) -> bool {
    members.len() == listed.len()
        && listed
            .iter()
            .all(|member| members.contains_key(member.name))
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_written_as_they_are_subscribed_to() {
        for kind in EventKind::ALL {
            assert_eq!(json!(kind), json!(kind.name()));
            assert!(!kind.about().is_empty() && kind.about().ends_with('.'));
            for member in kind.data().iter().chain(kind.personal()) {
                assert!(!member.about.is_empty(), "{kind:?} {}", member.name);
            }
        }
    }

    #[test]
    fn an_event_has_all_members_that_are_listed_and_no_other() {
        let event = |data, personal| Event {
            id: EventId::new(1, [0; 10]),
            at: Timestamp::from_unix_ms(1),
            kind: EventKind::HandRaised,
            room: None,
            session: None,
            participant: None,
            data: members(data),
            personal: members(personal),
        };
        assert!(event(json!({"role": "host"}), json!({"name": "Ada"})).is_as_listed());
        assert!(!event(json!({"role": "host"}), json!({})).is_as_listed());
        assert!(!event(json!({"name": "Ada"}), json!({"name": "Ada"})).is_as_listed());
        let more = json!({"role": "host", "by": null});
        assert!(!event(more, json!({"name": "Ada"})).is_as_listed());
    }
}
