//! What becomes of publications that somebody may not have, or that others stop.
//!
//! A lock and a mute are states: the publication stays and is forwarded to
//! nobody until its owner unmutes it, if it then may. A right that was taken
//! ends the publication. Nothing here ever unmutes.

use conclave_sfu_wire::control::{Command, MemberKey};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::moderation::{MediaRevoked, RevokedReason};
use conclave_signalling_wire::objects::{Permission, PictureSource, Source};

use crate::media::to_source;
use crate::output::Notice;
use crate::permission::{Rule, decide};
use crate::room::Room;

/// A share: the picture, and the sound that is nothing without it.
pub(super) const SHARE: [Source; 2] = [Source::Screen, Source::ScreenAudio];

/// What [`Room::end`] ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// What was published.
    pub(super) live: Vec<Source>,
    /// Whether there was anything, if only asked for.
    pub(super) any: bool,
}

impl Room {
    /// Stops what a participant publishes and may not.
    pub(super) fn enforce(&mut self, key: MemberKey, by: Option<ParticipantId>) {
        for source in Source::ALL {
            let Some(member) = self.members.get(&key) else {
                return;
            };
            let permission = Permission::to_publish(source);
            let decision = decide(&self.settings, &member.subject(), self.time(), permission);
            if decision.allowed {
                continue;
            }
            match (decision.rule, source) {
                (Rule::Lock, Source::Microphone | Source::Camera) => {
                    self.lock_out(key, source, by);
                }
                (Rule::Lock | Rule::RoomPolicy, _) => {
                    self.revoke(key, source, RevokedReason::Locked, by);
                }
                (Rule::Override | Rule::CustomRole | Rule::Role, _) => {
                    self.revoke(key, source, RevokedReason::PermissionRevoked, by);
                }
            }
        }
    }

    /// Mutes a source for a lock. One that is only asked for is refused.
    fn lock_out(&mut self, key: MemberKey, source: Source, by: Option<ParticipantId>) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        if member.publications.live.contains_key(&source) {
            self.mute(key, source, RevokedReason::Locked, by);
        } else {
            self.end(key, &[source], ErrorCode::Forbidden);
        }
    }

    /// Mutes a microphone or a camera and tells its owner who did it. Returns
    /// whether it was open.
    pub(super) fn mute(
        &mut self,
        key: MemberKey,
        source: Source,
        reason: RevokedReason,
        by: Option<ParticipantId>,
    ) -> bool {
        let Some(member) = self.members.get_mut(&key) else {
            return false;
        };
        if member.publications.set_muted(source, true, by) != Some(true) {
            return false;
        }
        self.command(Command::SetMuted {
            member: key,
            source: to_source(source),
            muted: true,
        });
        self.tell_revoked(key, source, reason, by);
        true
    }

    /// Ends a source and tells its owner who did it. Returns whether there was one.
    pub(super) fn revoke(
        &mut self,
        key: MemberKey,
        source: Source,
        reason: RevokedReason,
        by: Option<ParticipantId>,
    ) -> bool {
        let refusal = match reason {
            RevokedReason::Locked | RevokedReason::PermissionRevoked => ErrorCode::Forbidden,
            RevokedReason::Muted
            | RevokedReason::Stopped
            | RevokedReason::TakenOver
            | RevokedReason::Suspended => ErrorCode::Conflict,
        };
        let ended = match source {
            Source::Screen => self.end_share(key, refusal),
            _ => self.end(key, &[source], refusal),
        };
        for source in &ended.live {
            self.tell_revoked(key, *source, reason, by);
        }
        ended.any
    }

    fn tell_revoked(
        &mut self,
        key: MemberKey,
        source: Source,
        reason: RevokedReason,
        by: Option<ParticipantId>,
    ) {
        let revoked = MediaRevoked { source, reason, by };
        self.tell(key, &Notice::new(revoked));
    }

    /// Takes the screen from a participant: the picture and its sound.
    pub(super) fn end_share(&mut self, key: MemberKey, refusal: ErrorCode) -> Ended {
        let held = self.screens.release(key);
        let ended = self.end(key, &SHARE, refusal);
        Ended {
            any: held || ended.any,
            ..ended
        }
    }

    /// Ends sources of a participant, published or asked for; what was asked
    /// for is refused.
    pub(super) fn end(&mut self, key: MemberKey, sources: &[Source], refusal: ErrorCode) -> Ended {
        let mut ended = Ended::default();
        let Some(member) = self.members.get_mut(&key) else {
            return ended;
        };
        let present = member.link();
        let mut refused = Vec::new();
        let mut over = Vec::new();
        for source in sources.iter().copied() {
            let was_live = member.publications.live.remove(&source).is_some();
            let pending = member.publications.pending.remove(&source);
            if !was_live && pending.is_none() {
                continue;
            }
            match source {
                Source::Camera => member.mirror.forget_layers(PictureSource::Camera),
                Source::Screen => member.mirror.forget_layers(PictureSource::Screen),
                Source::Microphone | Source::ScreenAudio => {}
            }
            over.push(source);
            if was_live {
                ended.live.push(source);
            }
            refused.extend(pending.filter(|pending| present == Some(pending.link)));
        }
        ended.any = !over.is_empty();
        for source in over {
            self.command(Command::Unpublish {
                member: key,
                source: to_source(source),
            });
        }
        for pending in refused {
            self.refuse(pending.link, pending.id, refusal.into());
        }
        self.update_sources(key);
        ended
    }
}
