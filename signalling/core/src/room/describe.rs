//! What participants and the media plane know of the room.

use conclave_sfu_wire::control::{MemberKey, RoomPolicy};
use conclave_signalling_wire::objects::{self, AvLock, LobbyMode, Permission, SourceLock};

use crate::media::to_codec;
use crate::member::Member;
use crate::room::Room;
use crate::settings::{Lock, Locks};

impl Room {
    /// Writes what participants know of the room.
    pub(super) fn describe(&self) -> objects::Room {
        let settings = &self.settings;
        objects::Room {
            id: self.id,
            slug: self.slug.clone(),
            title: settings.title.clone(),
            rev: settings.rev,
            preset: settings.preset,
            locked: settings.locked,
            lobby: settings.lobby,
            lobby_message: settings.lobby_message.clone(),
            password_set: settings.password.is_some(),
            password_bypasses_lobby: settings.password_bypasses_lobby,
            start_without_host: settings.start_without_host,
            no_host: settings.no_host,
            no_host_grace_s: settings.no_host_grace_s,
            waiting_for_host: self.is_waiting_for_host(),
            duplicate: settings.duplicate,
            default_role: settings.default_role,
            guests_may_cohost: settings.guests_may_cohost,
            attendees: settings.attendees,
            viewers: settings.viewers,
            reactions: settings.reactions,
            hands: settings.hands,
            cohosts_end: settings.cohosts_end,
            max_duration_s: settings.max_duration_s,
            roster: settings.roster,
            caps: settings.caps,
            opens_at: settings.opens_at,
            closes_at: settings.closes_at,
            consent_text: settings.consent_text.clone(),
            custom_roles: settings.custom_roles.clone(),
            av_lock: AvLock {
                microphone: self.describe_lock(&settings.locks.microphone),
                camera: self.describe_lock(&settings.locks.camera),
                screen: self.describe_lock(&settings.locks.screen),
            },
            chat: settings.chat.clone(),
            screen: settings.screen,
            relay_only: settings.relay_only,
            suspended: settings.suspended.is_some(),
            ends_at: self.ends_at(),
            spotlight: self.spotlit().map(|member| member.face.id).collect(),
        }
    }

    /// Writes what a participant who does not see everybody knows of the room:
    /// allow-lists name those whom it sees. `None` if it sees everybody.
    pub(super) fn describe_to(&self, key: MemberKey) -> Option<objects::Room> {
        let viewer = self.members.get(&key)?;
        self.describe_for(viewer)
    }

    /// Does the same for somebody who comes in.
    pub(super) fn describe_for(&self, viewer: &Member) -> Option<objects::Room> {
        if viewer.permissions.contains(Permission::RosterSee) {
            return None;
        }
        let mut room = self.describe();
        let spotlit = self.spotlit();
        let shown = spotlit.filter(|member| self.is_shown(viewer, &member.face));
        room.spotlight = shown.map(|member| member.face.id).collect();
        let AvLock {
            microphone,
            camera,
            screen,
        } = &mut room.av_lock;
        for lock in [microphone, camera, screen] {
            lock.allow.retain(|id| {
                let key = self.ids.get(id);
                let other = key.and_then(|key| self.members.get(key));
                other.is_some_and(|other| self.is_shown(viewer, &other.face))
            });
        }
        Some(room)
    }

    /// Returns whether the description of the room names participants: it is
    /// another one to who sees more or fewer of them.
    pub(super) fn names_anybody(&self) -> bool {
        let Locks {
            microphone,
            camera,
            screen,
        } = &self.settings.locks;
        let locks = [microphone, camera, screen];
        self.spotlit().next().is_some() || locks.iter().any(|lock| !lock.allow.is_empty())
    }

    /// Names those on an allow-list who are there: devices are nobody's business.
    fn describe_lock(&self, lock: &Lock) -> SourceLock {
        let allowed = self
            .members
            .values()
            .filter(|member| lock.allow.contains(&member.device));
        SourceLock {
            on: lock.on,
            allow: allowed.map(|member| member.face.id).collect(),
        }
    }

    /// Writes what the media plane knows of the room.
    pub(super) fn policy(&self) -> RoomPolicy {
        RoomPolicy {
            video_codecs: self.config.codecs.iter().copied().map(to_codec).collect(),
        }
    }

    /// Returns whether a lobby stands before the room.
    pub(super) fn has_lobby(&self) -> bool {
        self.settings.lobby == LobbyMode::On
    }
}
