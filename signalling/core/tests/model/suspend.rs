//! The model of the halt: everything below the hosts stopped at once, and what
//! was before put back.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::moderation::RevokedReason;
use conclave_signalling_wire::objects::{LobbyMode, Permission, PrivateChat, PublicChat, Source};
use conclave_signalling_wire::request::PanicSuspend;

use crate::model::{Answer, Authority, Model, To};
use crate::rules::{LockState, rank};
use crate::seen::Seen;
use crate::verbs::require;

/// What was before.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    locked: bool,
    lobby: LobbyMode,
    locks: [LockState; 3],
    public: PublicChat,
    private: PrivateChat,
}

impl Model {
    pub(crate) fn suspend(
        &mut self,
        seen: &mut Seen,
        key: MemberKey,
        by: &Authority,
        to: To,
        order: &PanicSuspend,
    ) -> Answer {
        require(by, Permission::PanicSuspend)?;
        match (order.on, self.snapshot.clone()) {
            (true, None) => self.stop_everything(by),
            (false, Some(snapshot)) => {
                self.pace(key)?;
                self.restore(&snapshot);
                self.enforce(by.actor.participant());
            }
            _ => {}
        }
        let words = format!("room {}", self.room.rev);
        self.once_stopped(seen, to, words)
    }

    fn stop_everything(&mut self, by: &Authority) {
        let actor = by.actor.participant();
        self.finish_call(actor);
        let room = &mut self.room;
        let snapshot = Snapshot {
            locked: room.locked,
            lobby: room.lobby,
            locks: self.locks.clone(),
            public: room.chat.public,
            private: room.chat.private,
        };
        (room.locked, room.lobby) = (true, LobbyMode::On);
        (room.chat.public, room.chat.private) = (PublicChat::Off, PrivateChat::Off);
        room.suspended = true;
        room.rev += 1;
        self.snapshot = Some(snapshot);
        for lock in &mut self.locks {
            lock.on = true;
            lock.allow.clear();
        }
        for key in self.keys_of(|person| rank(person.role) > 1) {
            self.mute(key, Source::Microphone, RevokedReason::Suspended, actor);
            self.mute(key, Source::Camera, RevokedReason::Suspended, actor);
            self.revoke(key, Source::Screen, RevokedReason::Suspended);
            self.revoke(key, Source::ScreenAudio, RevokedReason::Suspended);
        }
        self.enforce(actor);
    }

    /// What somebody has changed meanwhile stays as it is.
    fn restore(&mut self, before: &Snapshot) {
        let room = &mut self.room;
        if room.locked {
            room.locked = before.locked;
        }
        if room.lobby == LobbyMode::On {
            room.lobby = before.lobby;
        }
        for (lock, before) in self.locks.iter_mut().zip(&before.locks) {
            if lock.on && lock.allow.is_empty() {
                lock.clone_from(before);
            }
        }
        if room.chat.public == PublicChat::Off {
            room.chat.public = before.public;
        }
        if room.chat.private == PrivateChat::Off {
            room.chat.private = before.private;
        }
        room.suspended = false;
        room.rev += 1;
        self.snapshot = None;
    }
}
