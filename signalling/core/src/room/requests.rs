//! What participants ask.

use std::time::Instant;

use conclave_sfu_wire::control::{self, Command, MemberKey};
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::TrackId;
use conclave_signalling_wire::objects::{Permission, PictureSource, Source};
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::reply::{Renamed, Wished};
use conclave_signalling_wire::request::{
    MediaOffer, MediaPublish, MediaSlotsAck, MediaUnpublish, MediaWish, ParticipantRename, Request,
    TrackState,
};
use conclave_signalling_wire::text::DisplayName;

use crate::media::{to_mid, to_priority, to_source};
use crate::negotiation::{MEDIA_ANSWER_WITHIN, Offered};
use crate::output::{LinkId, Output, Reply};
use crate::publications::PendingPublication;
use crate::rate::seconds;
use crate::record::Actor;
use crate::room::audit::Deeds;
use crate::room::deeds::deed_of;
use crate::room::rights::Authority;
use crate::room::{Claim, Room};
use crate::slots::PendingAck;

/// A reply, or none yet because the shard is asked first.
pub(super) type Answer = Result<Option<Reply>, ErrorBody>;

/// Of which request something is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) link: LinkId,
    pub(super) key: MemberKey,
    pub(super) id: u32,
}

impl Asker {
    /// Returns where an answer goes that is not given at once.
    pub(super) fn to(self) -> ReplyTo {
        ReplyTo::Link {
            link: self.link,
            id: self.id,
        }
    }
}

/// Where an answer goes that is not given at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplyTo {
    /// To a request of a link.
    Link { link: LinkId, id: u32 },
    /// To the operator.
    Operator { ticket: u64 },
}

impl Room {
    /// Gives an answer, if it is one yet.
    pub(super) fn answer(&mut self, to: ReplyTo, answer: Answer) {
        match (to, answer) {
            (_, Ok(None)) => {}
            (ReplyTo::Link { link, id }, Ok(Some(reply))) => self.reply(link, id, reply),
            (ReplyTo::Link { link, id }, Err(error)) => self.refuse(link, id, error),
            (ReplyTo::Operator { ticket }, answer) => self.answer_operator(ticket, answer),
        }
    }

    /// Begins a step: what is known of the last one is forgotten.
    pub(super) fn begin_step(&mut self) {
        self.barriers.begin();
        self.deeds = Deeds::default();
    }

    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        link: LinkId,
        key: MemberKey,
        id: u32,
        request: Request,
    ) -> Answer {
        self.begin_step();
        let asker = Asker { link, key, id };
        let sender = self.members.get(&key).ok_or(ErrorCode::NotFound)?;
        let own = sender.face.id;
        let who = (Actor::Participant(own), Some(sender.prefix));
        let deed = deed_of(&request, Some(own));
        let answer = self.perform(now, asker, request);
        if let Some(deed) = deed {
            let sender = self.members.get_mut(&key);
            let mut refusals = sender.map(|sender| std::mem::take(&mut sender.refusals));
            self.record(who, deed, &answer, refusals.as_mut());
            if let (Some(refusals), Some(sender)) = (refusals, self.members.get_mut(&key)) {
                sender.refusals = refusals;
            }
        }
        answer
    }

    fn perform(&mut self, now: Instant, asker: Asker, request: Request) -> Answer {
        match request {
            // A link says these once, before it is in a room.
            Request::Hello(_)
            | Request::RoomInfo(_)
            | Request::Join(_)
            | Request::RoomCreate(_)
            | Request::RoomManage(_) => Err(ErrorCode::BadRequest.into()),
            // Only who waits says this.
            Request::LobbyPing(_) => Err(ErrorCode::BadRequest.into()),
            Request::Leave(_) => self.leave(asker),
            Request::ParticipantRename(rename) => self.rename(asker, rename),
            Request::TrackState(state) => self.set_muted(asker, state),
            Request::MediaOffer(offer) => self.offer(now, asker, offer),
            Request::TurnRefresh(_) => self.refresh_relay(now, asker),
            Request::MediaPublish(publish) => self.publish(now, asker, publish),
            Request::MediaUnpublish(unpublish) => self.unpublish(asker, unpublish),
            Request::MediaWish(wish) => self.wish(now, asker, wish),
            Request::MediaSlotsAck(ack) => self.ack_slots(now, asker, ack),
            Request::ScreenStart(start) => self.start_screen(now, asker, start),
            Request::LobbyAdmit(admit) => self.admit_waiting(asker, admit),
            Request::LobbyDeny(deny) => self.deny_waiting(asker, deny),
            Request::LobbyNote(note) => self.note_waiting(asker, note),
            Request::ParticipantToLobby(order) => self.send_to_lobby(asker, order),
            Request::InviteCreate(create) => self.create_invite(asker, create),
            Request::InviteList(_) => self.list_invites(asker),
            Request::InviteRevoke(revoke) => self.revoke_invite(asker, revoke),
            Request::BanList(_) => self.list_bans(asker),
            Request::BanLift(lift) => self.lift_ban(asker, lift),
            Request::RoomUpdate(update) => self.update_room(asker, update),
            Request::MediaLock(lock) => self.lock_sources(asker, lock),
            Request::RoleSet(set) => self.set_role(asker, set),
            Request::PermOverride(order) => self.override_permission(asker, order),
            Request::MediaMute(mute) => self.mute_others(asker, mute),
            Request::MediaRequest(request) => self.request_media(asker, request),
            Request::MediaRequestReply(reply) => self.answer_request(asker, reply),
            Request::MediaGrant(grant) => self.grant_source(asker, grant),
            Request::ParticipantRemove(order) => self.remove_participant(asker, order),
            Request::ScreenPause(pause) => self.pause_screen(asker, pause),
            Request::ScreenTakeoverReply(reply) => self.answer_takeover(now, asker, reply),
            Request::ChatSend(send) => self.send_chat(asker, send),
            Request::ChatEdit(edit) => self.edit_chat(asker, edit),
            Request::ChatDelete(delete) => self.delete_chat(asker, delete),
            Request::ChatReact(react) => self.react_in_chat(asker, react),
            Request::ChatPin(pin) => self.pin_chat(asker, pin),
            Request::ChatClear(clear) => self.clear_chat(asker, clear),
            Request::ChatExport(export) => self.export_chat(asker, export),
            Request::HandRaise(_) => self.raise_hand(asker),
            Request::HandLower(lower) => self.lower_hand(asker, lower),
            Request::HandLowerAll(_) => self.lower_all_hands(asker),
            Request::HandNext(next) => self.call_next(asker, next),
            Request::ReactionSend(send) => self.send_reaction(asker, send),
            Request::SpotlightSet(set) => self.set_spotlight(asker, set),
            Request::PanicSuspend(order) => self.suspend(asker, order),
            Request::SessionAnnounce(announce) => self.announce(asker, announce),
            Request::HostTransfer(transfer) => self.offer_host(asker, transfer),
            Request::HostTransferReply(reply) => self.answer_host_offer(now, asker, reply),
            Request::SessionEnd(end) => self.end_session(asker, end),
            Request::SessionEndCancel(_) => self.cancel_end(asker),
            Request::AttendanceGet(get) => self.list_attendance(asker, get),
        }
    }

    fn leave(&mut self, asker: Asker) -> Answer {
        self.reply(asker.link, asker.id, Reply::Done);
        self.outputs.push_back(Output::Close {
            link: asker.link,
            code: CloseCode::Normal,
        });
        self.remove(asker.key, LeftReason::Left);
        Ok(None)
    }

    fn rename(&mut self, asker: Asker, rename: ParticipantRename) -> Answer {
        let own = self.members.get(&asker.key).ok_or(ErrorCode::NotFound)?;
        if own.face.id != rename.participant {
            let authority = self.authority_of(asker.key)?;
            return self.rename_for(&authority, rename);
        }
        self.require(asker.key, Permission::SelfRename)?;
        if self.is_name_locked(asker.key) {
            return Err(ErrorCode::Forbidden.into());
        }
        self.give_name(asker.key, rename.name, true)
    }

    /// Renames a participant on the authority of somebody else.
    pub(super) fn rename_for(&mut self, by: &Authority, rename: ParticipantRename) -> Answer {
        let target = self.reach(by, Permission::ParticipantRename, rename.participant)?;
        self.give_name(target, rename.name, false)
    }

    fn give_name(&mut self, target: MemberKey, name: DisplayName, is_own: bool) -> Answer {
        let face = &self.members.get(&target).ok_or(ErrorCode::NotFound)?.face;
        if face.name == name {
            let rev = face.rev;
            return Ok(Some(Reply::Renamed(Renamed { rev })));
        }
        // Kept before anybody is told.
        self.note_name(target, (!is_own).then(|| name.clone()));
        let rev = self.update(target, |face| face.name = name);
        self.note_became(target);
        Ok(Some(Reply::Renamed(Renamed { rev })))
    }

    /// Returns whether that by which a participant came in fixes its name.
    fn is_name_locked(&self, key: MemberKey) -> bool {
        let Some(member) = self.members.get(&key) else {
            return false;
        };
        let invite = member.invite.and_then(|id| self.invites.get(&id));
        let is_sent = matches!(&member.claim, Claim::Site(sent) if sent.name.is_some());
        is_sent || invite.is_some_and(|invite| invite.name_locked)
    }

    fn set_muted(&mut self, asker: Asker, state: TrackState) -> Answer {
        let TrackState { source, muted } = state;
        if !muted {
            self.require(asker.key, Permission::to_publish(source))?;
        }
        let member = self.members.get_mut(&asker.key);
        let publications = &mut member.ok_or(ErrorCode::NotFound)?.publications;
        let changed = publications.set_muted(source, muted, None);
        if changed.ok_or_else(not_published)? {
            self.command(Command::SetMuted {
                member: asker.key,
                source: to_source(source),
                muted,
            });
            self.update_sources(asker.key);
        }
        Ok(Some(Reply::Done))
    }

    fn offer(&mut self, now: Instant, asker: Asker, offer: MediaOffer) -> Answer {
        let MediaOffer {
            generation,
            sdp,
            relay_only,
        } = offer;
        let relay_only = relay_only || self.settings.relay_only;
        let member = self
            .members
            .get_mut(&asker.key)
            .ok_or(ErrorCode::NotFound)?;
        let offered = Offered {
            link: asker.link,
            id: asker.id,
            generation,
            relay_only,
        };
        let is_new = member.negotiation.offer(now, offered, sdp.len())?;
        if is_new {
            member.mirror.forget_slots();
        }
        self.command(Command::Offer {
            member: asker.key,
            generation,
            sdp,
            relay_only,
        });
        Ok(None)
    }

    fn publish(&mut self, now: Instant, asker: Asker, publish: MediaPublish) -> Answer {
        let MediaPublish { mid, source, muted } = publish;
        let mid = to_mid(&mid).ok_or_else(|| ErrorBody::bad("mid"))?;
        let mut may = self.require(asker.key, Permission::to_publish(source));
        if source == Source::ScreenAudio {
            // The sound is nothing without its picture, and ends with the right to that.
            may = may.and(self.require(asker.key, Permission::PublishScreen));
        }
        let may = may.and(self.check_cap(asker.key, source));
        if let Err(error) = may {
            // Said again and refused, it is over.
            self.end(asker.key, &[source], ErrorCode::Conflict);
            return Err(error);
        }
        let mut track = TrackId::new(self.clock.at(now).unix_ms(), self.random());
        if matches!(source, Source::Screen | Source::ScreenAudio) {
            let share = self.acquire_screen(now, asker.key, track)?;
            if source == Source::Screen {
                track = share;
            }
        }
        let member = self
            .members
            .get_mut(&asker.key)
            .ok_or(ErrorCode::NotFound)?;
        let earlier = member.publications.pending.get(&source);
        if earlier.is_some_and(|pending| pending.link == asker.link) {
            return Err(ErrorCode::Conflict.into());
        }
        let is_left_over = earlier.is_some();
        // Said again, as after a resume, for a new peer connection or for
        // another m-line: the shard knows what is negotiated, the room does not.
        if let Some(publication) = member.publications.live.get(&source) {
            track = publication.track;
        }
        let deadline = now + MEDIA_ANSWER_WITHIN;
        let attempt = member.publications.next_attempt();
        let pending = PendingPublication {
            link: asker.link,
            id: asker.id,
            attempt,
            track,
            muted,
            muted_by: None,
            deadline,
        };
        member.publications.pending.insert(source, pending);
        let (member, source) = (asker.key, to_source(source));
        if is_left_over {
            // The shard may have accepted what an older link asked for. If it
            // refuses this, nothing may be forwarded of which the room knows nothing.
            self.command(Command::Unpublish { member, source });
        }
        self.command(Command::Publish {
            member,
            attempt,
            mid,
            source,
            muted,
        });
        Ok(None)
    }

    /// Asks whether one more may publish a source.
    fn check_cap(&self, key: MemberKey, source: Source) -> Result<(), ErrorBody> {
        let cap = match source {
            Source::Microphone => self.settings.caps.microphone,
            Source::Camera => self.settings.caps.camera,
            Source::Screen | Source::ScreenAudio => None,
        };
        let Some(cap) = cap else {
            return Ok(());
        };
        let others = self.members.iter().filter(|(other, _)| **other != key);
        let publishing = others.filter(|(_, member)| member.publications.has(source));
        if publishing.count() >= cap as usize {
            return Err(ErrorBody::from(ErrorCode::Full).field("source"));
        }
        Ok(())
    }

    fn unpublish(&mut self, asker: Asker, unpublish: MediaUnpublish) -> Answer {
        let ended = match unpublish.source {
            Source::Screen => self.end_share(asker.key, ErrorCode::Conflict),
            source => self.end(asker.key, &[source], ErrorCode::Conflict),
        };
        if ended.any {
            Ok(Some(Reply::Done))
        } else {
            Err(not_published())
        }
    }

    fn wish(&mut self, now: Instant, asker: Asker, wish: MediaWish) -> Answer {
        self.require(asker.key, Permission::ReceiveMedia)?;
        let member = self
            .members
            .get_mut(&asker.key)
            .ok_or(ErrorCode::NotFound)?;
        member
            .wishes
            .take(now)
            .map_err(|wait| ErrorBody::from(ErrorCode::RateLimited).retry_after_s(seconds(wait)))?;
        if wish.views.len() > usize::from(self.config.video_slots) {
            return Err(ErrorBody::bad("views"));
        }
        if let Some(place) = wish.views.iter().position(|view| view.max_height_px == 0) {
            return Err(ErrorBody::bad(format!("views[{place}].max_height_px")));
        }
        let sees_screens = self.require(asker.key, Permission::ReceiveScreen).is_ok();
        let mut views: Vec<control::View> = Vec::with_capacity(wish.views.len());
        for view in &wish.views {
            // Who has just left is no error of who has not heard of it.
            let Some(member) = self.ids.get(&view.participant).copied() else {
                continue;
            };
            let source = to_source(view.source.into());
            let known = views
                .iter()
                .any(|other| other.member == member && other.source == source);
            let may_see = view.source != PictureSource::Screen || sees_screens;
            if member != asker.key && !known && may_see {
                let priority = to_priority(view.priority);
                views.push(control::View {
                    member,
                    source,
                    max_height_px: view.max_height_px,
                    priority,
                });
            }
        }
        let screens = views.iter();
        let screens = screens.filter(|view| view.source == control::Source::Screen);
        let screens = screens.map(|view| view.member).collect();
        if let Some(member) = self.members.get_mut(&asker.key) {
            member.screens = screens;
        }
        self.command(Command::Wish {
            member: asker.key,
            views,
        });
        Ok(Some(Reply::Wished(Wished { rev: wish.rev })))
    }

    fn ack_slots(&mut self, now: Instant, asker: Asker, ack: MediaSlotsAck) -> Answer {
        let member = self
            .members
            .get_mut(&asker.key)
            .ok_or(ErrorCode::NotFound)?;
        if ack.rev == 0 || ack.rev > member.mirror.rev() {
            return Err(ErrorBody::bad("rev"));
        }
        if member
            .mirror
            .acks
            .get(&ack.rev)
            .is_some_and(|pending| pending.link == asker.link)
        {
            return Err(ErrorCode::Conflict.into());
        }
        let pending = PendingAck {
            link: asker.link,
            id: asker.id,
            deadline: now + MEDIA_ANSWER_WITHIN,
        };
        member.mirror.acks.insert(ack.rev, pending);
        self.command(Command::AckSlots {
            member: asker.key,
            rev: ack.rev,
        });
        Ok(None)
    }
}

/// Returns the refusal of what concerns a source that is not there.
pub(super) fn not_published() -> ErrorBody {
    ErrorBody::from(ErrorCode::NotFound).field("source")
}
