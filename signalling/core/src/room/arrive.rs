//! Coming in and coming back.

use std::net::IpAddr;
use std::time::Instant;

use conclave_sfu_wire::control::{Command, MemberKey};
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{ParticipantId, SessionId};
use conclave_signalling_wire::objects::{self, Identity, Participant};
use conclave_signalling_wire::push::{LeftReason, MediaRestart, RestartReason};
use conclave_signalling_wire::reply::{
    Duplicate, DuplicateOption, HelloOutcome, JoinOutcome, MediaState, Resumed,
};
use conclave_signalling_wire::request::DuplicateChoice;
use conclave_signalling_wire::text::DisplayName;

use crate::digest::{DeviceHash, InviteHash, NetworkTag, TokenHash};
use crate::member::{Arrival, Member, Presence};
use crate::origin::Prefix;
use crate::output::{LinkId, Notice, Output, Reply};
use crate::permission::PermissionSet;
use crate::publications::Publications;
use crate::room::Room;

/// What somebody shows at the door, as far as the shell has checked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing.
    Open,
    /// The password, which was right when it had this number.
    Password {
        /// [`crate::settings::Settings::password_rev`] of the hash that was checked.
        rev: u32,
    },
    /// The secret of an invite, to be judged here.
    Invite(InviteHash),
}

/// Somebody at the door.
#[derive(Debug, Clone)]
pub struct Entrant {
    /// Over which link.
    pub link: LinkId,
    /// The key under which the media plane will know it; drawn anew for each try.
    pub member: MemberKey,
    /// From where.
    pub prefix: Prefix,
    /// From where exactly: compared with the room's allow-list and not kept.
    pub address: IpAddr,
    /// From where, as bans remember it: one per live key, the newest first.
    pub networks: Vec<NetworkTag>,
    /// The number of the `join`.
    pub id: u32,
    /// Its name.
    pub name: DisplayName,
    /// Its device.
    pub device: DeviceHash,
    /// What it shows.
    pub claim: Claim,
    /// Whether so many wrong passwords were tried here that right ones wait in the lobby too.
    pub to_lobby: bool,
    /// What it agreed to.
    pub consent_hash: Option<String>,
    /// What it chose after the outcome `duplicate`.
    pub duplicate: Option<DuplicateChoice>,
}

/// A link that asks for its old place.
#[derive(Debug, Clone)]
pub struct Returning {
    /// Over which link.
    pub link: LinkId,
    /// From where.
    pub prefix: Prefix,
    /// The number of the `hello`.
    pub id: u32,
    /// Which place.
    pub token: TokenHash,
    /// The number of the last push that arrived.
    pub last_seq: u32,
}

impl Room {
    /// Brings somebody in, or answers why not. Returns whether the link is in the room.
    pub fn handle_join(&mut self, now: Instant, entrant: Entrant) -> bool {
        self.now = now;
        let (link, id) = (entrant.link, entrant.id);
        let replaced = match (self.same_device(&entrant), entrant.duplicate) {
            (None, _) | (Some(_), Some(DuplicateChoice::JoinAsSecond)) => None,
            // Nobody sits before a link that broke: its place is free for its own device.
            (Some((other, presence @ Presence::Dropped { .. })), None)
            | (Some((other, presence)), Some(DuplicateChoice::TakeOver)) => Some((other, presence)),
            (Some((other, Presence::Connected(_))), None) => {
                self.offer_choice(link, id, other);
                return false;
            }
        };
        let others = self.members.len() - usize::from(replaced.is_some());
        if others >= self.config.participants_max {
            self.refuse(link, id, ErrorCode::Full.into());
            return false;
        }
        if self.members.is_empty() {
            self.command(Command::OpenRoom {
                room: self.key,
                policy: self.policy(),
            });
        }
        if let Some((other, presence)) = replaced {
            // Its successor comes at once: the media plane keeps the room, whose
            // key it must not meet again after an end.
            self.vacate(other, LeftReason::Left);
            if let Presence::Connected(old) = presence {
                self.outputs.push_back(Output::Close {
                    link: old,
                    code: CloseCode::TakenOver,
                });
            }
        }
        self.admit(entrant);
        true
    }

    /// Finds the newest participant of the same device.
    fn same_device(&self, entrant: &Entrant) -> Option<(MemberKey, Presence)> {
        let mut same = self
            .members
            .iter()
            .filter(|(_, member)| member.device == entrant.device);
        same.next_back()
            .map(|(key, member)| (*key, member.presence))
    }

    fn offer_choice(&mut self, link: LinkId, id: u32, other: MemberKey) {
        let Some(member) = self.members.get(&other) else {
            return;
        };
        let duplicate = Duplicate {
            participant: member.face.id,
            options: vec![
                DuplicateOption::TakeOver,
                DuplicateOption::JoinAsSecond,
                DuplicateOption::Cancel,
            ],
        };
        self.reply(link, id, Reply::Join(JoinOutcome::Duplicate(duplicate)));
    }

    fn admit(&mut self, entrant: Entrant) {
        let Entrant {
            link,
            member: key,
            prefix,
            id,
            name,
            device,
            networks,
            ..
        } = entrant;
        let joined_at = self.time();
        let participant = ParticipantId::new(joined_at.unix_ms(), self.random());
        let session = SessionId::new(joined_at.unix_ms(), self.random());
        let token = self.draw_token();
        let face = Participant {
            id: participant,
            rev: 1,
            name,
            role: self.settings.default_role,
            custom_role: None,
            identity: Identity::Guest,
            presence: objects::Presence::Connected,
            joined_at: joined_at.whole_seconds(),
            hand: None,
            sources: Publications::default().sources(PermissionSet::all()),
        };
        self.command(Command::Admit {
            room: self.key,
            member: key,
        });
        self.outputs
            .push_back(Output::TokenIssued(TokenHash::from(&token)));
        let mut member = Member::new(Arrival {
            link,
            face,
            session,
            device,
            token: TokenHash::from(&token),
            prefix,
            networks,
            invite: None,
            overrides: Vec::new(),
        });
        self.endow(&mut member);
        self.show_arrival(&member.face);
        let joined = self.joined(key, &member, token);
        self.members.insert(key, member);
        self.links.insert(link, key);
        self.ids.insert(participant, key);
        self.count_changed(Some(key));
        self.reply(link, id, Reply::Join(JoinOutcome::Joined(Box::new(joined))));
        self.tell_states(key);
    }

    /// Gives a link its old place back, or answers that it is gone. Returns whether the link is in the room.
    pub fn handle_resume(&mut self, now: Instant, returning: &Returning) -> bool {
        self.now = now;
        let Returning {
            link,
            prefix,
            id,
            token,
            last_seq,
        } = *returning;
        let Some(key) = self
            .members
            .iter()
            .find(|(_, member)| member.token == token)
            .map(|(key, _)| *key)
        else {
            self.refuse(link, id, resume_failed());
            return false;
        };
        let fresh = self.draw_token();
        let Some(member) = self.members.get_mut(&key) else {
            return false;
        };
        let before = std::mem::replace(&mut member.presence, Presence::Connected(link));
        let moved = std::mem::replace(&mut member.prefix, prefix) != prefix;
        let media = member.negotiation.state();
        member.token = TokenHash::from(&fresh);
        let missed = member.log.since(last_seq);
        self.outputs.extend([
            Output::TokenRevoked(token),
            Output::TokenIssued(TokenHash::from(&fresh)),
        ]);
        if let Presence::Connected(old) = before {
            // The network broke before the server could know.
            self.links.remove(&old);
            self.outputs.push_back(Output::Close {
                link: old,
                code: CloseCode::TakenOver,
            });
        }
        self.links.insert(link, key);
        let snapshot = match (&missed, self.members.get(&key)) {
            (None, Some(member)) => Some(Box::new(self.joined(key, member, fresh))),
            _ => None,
        };
        let resumed = Resumed {
            missed: missed.unwrap_or_default(),
            snapshot,
            resume_token: fresh,
            media,
        };
        self.reply(
            link,
            id,
            Reply::Hello(HelloOutcome::Resumed(Box::new(resumed))),
        );
        if let Presence::Dropped { .. } = before {
            self.update(key, |face| face.presence = objects::Presence::Connected);
        }
        self.tell_states(key);
        if moved && media == MediaState::Kept {
            self.tell(
                key,
                &Notice::new(MediaRestart {
                    reason: RestartReason::Network,
                }),
            );
        }
        if let Presence::Dropped { .. } = before {
            // Only now may the shard give a slot to somebody else.
            self.command(Command::SetLink {
                member: key,
                up: true,
            });
        }
        true
    }
}

/// Returns the refusal of a resume whose place is gone.
pub fn resume_failed() -> ErrorBody {
    ErrorBody::from(ErrorCode::ResumeFailed).rejoin()
}
