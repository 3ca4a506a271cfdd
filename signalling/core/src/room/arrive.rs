//! Coming in and coming back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use conclave_sfu_wire::control::{Command, MemberKey};
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{KnockId, ParticipantId, SessionId};
use conclave_signalling_wire::objects::{self, Participant, Permission, Role};
use conclave_signalling_wire::push::{LobbyStatus, MediaRestart, RestartReason};
use conclave_signalling_wire::reply::{HelloOutcome, JoinOutcome, MediaState, Resumed};
use conclave_signalling_wire::request::DuplicateChoice;
use conclave_signalling_wire::text::DisplayName;

use crate::digest::{DeviceHash, InviteHash, NetworkTag, TokenHash, consent_hash};
use crate::member::{Arrival, Member, Presence};
use crate::origin::Prefix;
use crate::output::{LinkId, Notice, Output, Reply};
use crate::permission::PermissionSet;
use crate::publications::Publications;
use crate::record::{Actor, Change};
use crate::room::Room;
use crate::room::audit::Act;
use crate::room::door::Candidate;
use crate::room::hosts::Hosts;
use crate::room::seats::Seat;
use crate::room::standing::note_admission;

/// What somebody shows at the door, as far as the shell has checked it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// A token of an embedding site for this room, good and shown for the first time.
    Site(SiteClaim),
}

/// As what an embedding site sends somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteClaim {
    /// The name of the key with which it signed.
    pub site: Arc<str>,
    /// As what its holder comes in.
    pub role: Role,
    /// The name of its holder, which only those who rename others may change.
    pub name: Option<DisplayName>,
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
    /// The host of its page, by which it is told where the relay is.
    pub relay_host: Arc<str>,
}

/// A link that asks for its old place.
#[derive(Debug, Clone)]
pub struct Returning {
    /// Over which link.
    pub link: LinkId,
    /// From where.
    pub prefix: Prefix,
    /// From where exactly: compared with the room's allow-list and not kept.
    pub address: IpAddr,
    /// From where, as bans remember it: one per live key, the newest first.
    pub networks: Vec<NetworkTag>,
    /// The number of the `hello`.
    pub id: u32,
    /// Which place.
    pub token: TokenHash,
    /// The number of the last push that arrived.
    pub last_seq: u32,
    /// The host of its page, by which it is told where the relay is.
    pub relay_host: Arc<str>,
}

/// How somebody comes in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// By its `join` of this number.
    Door { id: u32 },
    /// From the lobby.
    Lobby {
        /// Of this knock.
        knock: KnockId,
        /// Whether somebody admitted it, and not the room by itself.
        is_admitted: bool,
    },
}

impl Room {
    /// Opens the room in the media plane, if it is not.
    fn open_media(&mut self) {
        if !std::mem::replace(&mut self.is_open, true) {
            self.command(Command::OpenRoom {
                room: self.key,
                policy: self.policy(),
            });
        }
    }

    /// Begins a meeting, if none goes on.
    fn open_session(&mut self) {
        if self.session.is_some() {
            return;
        }
        let now = self.time();
        let session = SessionId::new(now.unix_ms(), self.random());
        self.session = Some(session);
        self.session_since = Some(now);
        self.over = None;
        self.attendances.begin(now, session);
        self.tell_session_started();
        self.begin_ending();
        self.begin_chat();
        self.expire_standings();
        self.expire_bans();
    }

    /// Brings somebody in who may come in.
    pub(super) fn admit(&mut self, candidate: Candidate, link: LinkId, way: Way) {
        let Candidate {
            visitor,
            invite,
            by_claim,
            role,
            custom_role,
            identity,
            overrides,
            ..
        } = candidate;
        let Some(key) = visitor.member else {
            debug_assert!(false, "whoever comes in has a key");
            return;
        };
        self.open_media();
        self.open_session();
        let joined_at = self.time();
        let participant = ParticipantId::new(joined_at.unix_ms(), self.random());
        let session = SessionId::new(joined_at.unix_ms(), self.random());
        let token = self.draw_token();
        let face = Participant {
            id: participant,
            rev: 1,
            name: visitor.name,
            role,
            custom_role,
            identity,
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
            changes: self.config.room_changes,
            link,
            face,
            session,
            device: visitor.device,
            token: TokenHash::from(&token),
            prefix: visitor.prefix,
            networks: visitor.networks,
            claim: visitor.claim,
            invite,
            by_claim,
            overrides,
            relay_host: visitor.relay_host,
        });
        self.endow(&mut member);
        member.knows_lobby = self.lobby.is_empty();
        if member.permissions.contains(Permission::SessionStart) {
            self.hosts = Hosts::Present;
        }
        let face = member.face.clone();
        self.arrivals += 1;
        member.arrival = self.arrivals;
        self.members.insert(key, member);
        self.links.insert(link, Seat::Member(key));
        self.ids.insert(participant, key);
        self.note_present(key, way);
        self.note_arrival(key, way);
        if visitor.consent.is_some() {
            self.note_consent(key);
        }
        self.note_reader(visitor.device);
        self.show_arrival(&face);
        self.count_changed(Some(key));
        let Some(joined) = self.joined(key, token).map(Box::new) else {
            return;
        };
        match way {
            Way::Door { id } => self.reply(link, id, Reply::Join(JoinOutcome::Joined(joined))),
            Way::Lobby { knock, .. } => {
                let admitted = LobbyStatus::Admitted { knock, joined };
                self.outputs.push_back(Output::Push {
                    link,
                    seq: None,
                    notice: Notice::new(admitted),
                });
            }
        }
        self.tell_states(key);
        self.remember_hands(key);
    }

    /// Keeps what its coming in leaves behind: the use of an invite, and that a
    /// device is back which was given something.
    fn note_arrival(&mut self, key: MemberKey, way: Way) {
        let now = self.time();
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let (id, device, prefix) = (member.face.id, member.device, member.prefix);
        let given = (member.face.role, member.face.custom_role.clone());
        let (by_claim, came_by) = (member.by_claim.clone(), member.invite);
        let claim = member.claim.clone();
        let is_given = given != by_claim;
        let mut is_limited = false;
        if let Some(invite) = member.invite
            && let Some(used) = self.invites.used(now, invite, device).cloned()
        {
            is_limited = used.max_uses.is_some();
            self.persist(Change::Invite(Box::new(used.clone())));
            self.tell_invite_used(&used, id);
            self.audit(Act {
                actor: Actor::Participant(id),
                prefix: Some(prefix),
                action: "invite.use",
                target: Some(invite.to_string()),
                detail: None,
            });
        }
        let is_admitted = matches!(
            way,
            Way::Lobby {
                is_admitted: true,
                ..
            }
        );
        if let Claim::Site(sent) = &claim {
            self.audit(Act {
                actor: Actor::Participant(id),
                prefix: Some(prefix),
                action: "token.use",
                target: Some(sent.site.to_string()),
                detail: None,
            });
        }
        let is_known = self.standing_of(&device).is_some();
        // After a crash nothing else tells that the device of a used up invite
        // was in this meeting.
        if is_known || is_limited || is_admitted || is_given {
            self.change_standing(device, |standing| {
                standing.invite = came_by.or(standing.invite);
                if is_admitted {
                    note_admission(standing, given, &by_claim);
                    return;
                }
                standing.admitted |= is_limited && standing.removals == 0 && !standing.sent_back;
                if is_given {
                    (standing.role, standing.custom_role) = (Some(given.0), given.1);
                }
            });
        }
    }

    /// Writes down to which text somebody agreed who comes in: it was compared at the door.
    fn note_consent(&mut self, key: MemberKey) {
        let text = self.settings.consent_text.as_deref();
        let Some((hash, member)) = text.map(consent_hash).zip(self.members.get(&key)) else {
            return;
        };
        let (actor, prefix) = (Actor::Participant(member.face.id), Some(member.prefix));
        self.audit(Act {
            actor,
            prefix,
            action: "consent.given",
            target: None,
            detail: Some(hash),
        });
    }

    /// Gives a link its old place back, or answers that it is gone. Returns whether the link is in the room.
    pub fn handle_resume(&mut self, now: Instant, returning: &Returning) -> bool {
        self.now = now;
        self.begin_step();
        let is_in = self.resume(returning);
        self.settle();
        is_in
    }

    fn resume(&mut self, returning: &Returning) -> bool {
        let Returning {
            link,
            prefix,
            address,
            id,
            token,
            last_seq,
            ref networks,
            ref relay_host,
        } = *returning;
        let Some(key) = self
            .members
            .iter()
            .find(|(_, member)| {
                let is_host = member.by_claim.0 == Role::Host;
                member.token == token
                    && !self.is_revoked(member.invite)
                    && (is_host || self.is_allowed(address))
            })
            .map(|(key, _)| *key)
        else {
            self.refuse(link, id, resume_failed());
            return false;
        };
        let fresh = self.draw_token();
        let Some(member) = self.members.get_mut(&key) else {
            return false;
        };
        member.knows_lobby = self.lobby.rev() == 0;
        let before = std::mem::replace(&mut member.presence, Presence::Connected(link));
        let moved = std::mem::replace(&mut member.prefix, prefix) != prefix;
        member.networks.clone_from(networks);
        member.relay_host = Arc::clone(relay_host);
        let media = member.negotiation.state();
        member.token = TokenHash::from(&fresh);
        let missed = member.log.since(last_seq);
        self.outputs.extend([
            Output::TokenRevoked(token),
            Output::TokenIssued(TokenHash::from(&fresh)),
        ]);
        if let Presence::Connected(old) = before {
            // The network broke before the server could know.
            self.close(old, CloseCode::TakenOver);
        }
        self.links.insert(link, Seat::Member(key));
        let snapshot = match &missed {
            None => self.joined(key, fresh).map(Box::new),
            Some(_) => None,
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
        self.tell_hands_again(key);
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
