//! The model of what is muted, ended and taken away.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::moderation::RevokedReason;
use conclave_signalling_wire::objects::{Permission, Source};

use crate::model::{Model, SHARE, To, who};
use crate::rules;
use crate::rules::Why;
use crate::seen::Outcome;

impl Model {
    /// Ends what is published and asked for; returns whether there was anything.
    pub(crate) fn end(&mut self, key: MemberKey, sources: &[Source], code: ErrorCode) -> bool {
        let Some(person) = self.people.get_mut(&key) else {
            return false;
        };
        let link = person.link;
        let mut any = false;
        let mut refused = Vec::new();
        for source in sources {
            any |= person.live.remove(source).is_some();
            if let Some(asked) = person.asked.remove(source) {
                any = true;
                refused.extend((link == Some(asked.link)).then_some(asked));
            }
        }
        for asked in refused {
            self.tell(To::Link(asked.link, asked.id), Outcome::no(code));
        }
        any
    }

    pub(crate) fn end_share(&mut self, key: MemberKey, code: ErrorCode) -> bool {
        let before = self.shares.len();
        self.shares.retain(|share| share.holder != key);
        let held = self.shares.len() < before;
        self.end(key, &SHARE, code) || held
    }

    /// Takes a source away from its owner, and has it told.
    pub(crate) fn revoke(&mut self, key: MemberKey, source: Source, reason: RevokedReason) -> bool {
        let sources = match source {
            Source::Screen => &SHARE[..],
            Source::Microphone => &[Source::Microphone],
            Source::Camera => &[Source::Camera],
            Source::ScreenAudio => &[Source::ScreenAudio],
        };
        let live = &self.people[&key].live;
        let told = sources.iter().filter(|source| live.contains_key(source));
        let told: Vec<_> = told.map(|source| (key, *source, reason)).collect();
        self.expected.revoked.extend(told);
        let code = match reason {
            RevokedReason::Stopped
            | RevokedReason::Muted
            | RevokedReason::TakenOver
            | RevokedReason::Suspended => ErrorCode::Conflict,
            RevokedReason::Locked | RevokedReason::PermissionRevoked => ErrorCode::Forbidden,
        };
        match source {
            Source::Screen => self.end_share(key, code),
            _ => self.end(key, &[source], code),
        }
    }

    /// Mutes; returns whether it was open.
    pub(crate) fn mute(
        &mut self,
        key: MemberKey,
        source: Source,
        reason: RevokedReason,
        by: Option<ParticipantId>,
    ) -> bool {
        let Some(person) = self.people.get_mut(&key) else {
            return false;
        };
        let mut changed = false;
        if let Some(live) = person.live.get_mut(&source).filter(|live| !live.muted) {
            (live.muted, live.by, changed) = (true, by, true);
        }
        if let Some(asked) = person.asked.get_mut(&source).filter(|asked| !asked.muted) {
            (asked.muted, asked.by, changed) = (true, by, true);
        }
        if changed {
            self.expected.revoked.push((key, source, reason));
        }
        changed
    }

    /// Nothing is published that may not be: a lock mutes, all else ends.
    pub(crate) fn enforce(&mut self, by: Option<ParticipantId>) {
        for key in self.people.keys().copied().collect::<Vec<_>>() {
            for source in Source::ALL {
                let permission = Permission::to_publish(source);
                let person = &self.people[&key];
                let who = who(person);
                let (allowed, why) =
                    rules::decide(&self.room, &self.locks, &who, self.now, permission);
                if allowed {
                    continue;
                }
                let is_screen = SHARE.contains(&source);
                match why {
                    Why::Lock if !is_screen && person.live.contains_key(&source) => {
                        self.mute(key, source, RevokedReason::Locked, by);
                    }
                    Why::Lock | Why::Policy => {
                        self.revoke(key, source, RevokedReason::Locked);
                    }
                    Why::Right => {
                        self.revoke(key, source, RevokedReason::PermissionRevoked);
                    }
                }
            }
        }
    }
}
