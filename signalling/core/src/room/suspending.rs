//! Everything stopped at once, and restored.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::moderation::{PermissionsReason, RevokedReason, RoomRevised};
use conclave_signalling_wire::objects::{Permission, Source};
use conclave_signalling_wire::request::PanicSuspend;

use crate::output::Reply;
use crate::record::Actor;
use crate::room::Room;
use crate::room::requests::{Answer, Asker};

impl Room {
    /// Suspends the room, or restores it; see [`crate::settings::Settings::suspend`].
    /// Nothing that somebody below the hosts publishes is forwarded any more when
    /// the reply is given. Restoring unmutes nobody. Said again, it does nothing.
    pub(super) fn suspend(&mut self, asker: Asker, order: PanicSuspend) -> Answer {
        self.require(asker.key, Permission::PanicSuspend)?;
        let by = self.members.get(&asker.key).map(|member| member.face.id);
        if order.on {
            self.stop_everything(by);
        } else if self.settings.suspended.is_some() {
            // Stopping is never too often: it cannot be done twice without this.
            self.pace(asker.key)?;
            let mut settings = self.settings.clone();
            settings.restore();
            let before = self.settings.clone();
            self.keep_settings(settings);
            self.tell_changes(&before, by.map_or(Actor::Room, Actor::Participant));
            self.announce_room(by);
            self.refresh_all(by, PermissionsReason::RoomChanged);
        }
        let rev = self.settings.rev;
        self.once_stopped(asker.to(), Reply::RoomRevised(RoomRevised { rev }))
    }

    fn stop_everything(&mut self, by: Option<ParticipantId>) {
        if self.settings.suspended.is_some() {
            return;
        }
        // What a call gave is nothing that is to be restored.
        self.finish_call(by);
        let mut settings = self.settings.clone();
        settings.suspend();
        let before = self.settings.clone();
        self.keep_settings(settings);
        self.tell_changes(&before, by.map_or(Actor::Room, Actor::Participant));
        let members = self.members.iter();
        let lower = members.filter(|(_, member)| !member.face.role.is_host());
        let lower: Vec<MemberKey> = lower.map(|(key, _)| *key).collect();
        let reason = RevokedReason::Suspended;
        for key in lower {
            self.mute(key, Source::Microphone, reason, by);
            self.mute(key, Source::Camera, reason, by);
            self.revoke(key, Source::Screen, reason, by);
            self.revoke(key, Source::ScreenAudio, reason, by);
        }
        self.announce_room(by);
        self.refresh_all(by, PermissionsReason::RoomChanged);
    }
}
