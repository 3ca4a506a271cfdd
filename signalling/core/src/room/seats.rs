//! Who sits at the other end of a link, and what follows from each step.

use std::sync::Arc;
use std::time::Instant;

use conclave_sfu_wire::control::{Command, MemberKey};
use conclave_signalling_wire::error::CloseCode;
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::ids::{KnockId, ParticipantId};
use conclave_signalling_wire::objects;
use conclave_signalling_wire::push::{Ended, LeftReason};
use conclave_signalling_wire::text::Prose;

use crate::member::Presence;
use crate::output::{LinkId, Notice, Output};
use crate::record::{Actor, Change};
use crate::room::Room;

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// To a participant.
    Member(MemberKey),
    /// To somebody in the lobby.
    Waiter(KnockId),
    /// To somebody who manages the room without being in it.
    Steward,
}

impl Room {
    /// Takes a message of a link, read or refused by `parse_request`. A link
    /// that the room does not know is ignored: it was closed already.
    pub fn handle_message(
        &mut self,
        now: Instant,
        link: LinkId,
        message: Result<RequestFrame, Malformed>,
    ) {
        self.now = now;
        match self.links.get(&link) {
            None => {}
            Some(&Seat::Member(key)) => self.hear_member(link, key, message),
            Some(&Seat::Waiter(knock)) => self.hear_waiter(link, knock, message),
            Some(&Seat::Steward) => self.hear_steward(link, message),
        }
        self.settle();
    }

    fn hear_member(
        &mut self,
        link: LinkId,
        key: MemberKey,
        message: Result<RequestFrame, Malformed>,
    ) {
        let now = self.now;
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        if member.messages.take(now).is_err() {
            return self.cut(link, CloseCode::Rate);
        }
        match message {
            Err(Malformed::Unreadable) => self.cut(link, CloseCode::Protocol),
            Err(Malformed::Refused { id, error }) => self.refuse(link, id, *error),
            // Its reply could not be told from that of the other one.
            Ok(RequestFrame { id, .. }) if member.awaits(link, id) || self.owes(link, id) => {
                self.cut(link, CloseCode::Protocol)
            }
            Ok(RequestFrame { id, request }) => {
                match self.handle_request(now, link, key, id, request) {
                    Ok(Some(reply)) => self.reply(link, id, reply),
                    Ok(None) => {}
                    Err(error) => self.refuse(link, id, error),
                }
            }
        }
    }

    /// Records that a link broke. Its participant keeps its place until the
    /// resume window ends, whoever waits until nothing was heard for too long.
    pub fn handle_link_lost(&mut self, now: Instant, link: LinkId) {
        self.now = now;
        self.drop_link(link, now + self.config.resume_window);
        self.settle();
    }

    /// Records that the page behind a link went away: a reload, which is soon
    /// back, or a closed tab, which is not.
    pub fn handle_page_gone(&mut self, now: Instant, link: LinkId) {
        self.now = now;
        self.drop_link(link, now + self.config.page_gone_window);
        self.settle();
    }

    fn drop_link(&mut self, link: LinkId, until: Instant) {
        match self.links.remove(&link) {
            None => {}
            Some(Seat::Member(key)) => self.drop_member(key, until),
            Some(Seat::Waiter(knock)) => self.lobby.link_lost(knock),
            Some(Seat::Steward) => self.forget_steward(link),
        }
    }

    fn drop_member(&mut self, key: MemberKey, until: Instant) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        member.presence = Presence::Dropped { until };
        self.command(Command::SetLink {
            member: key,
            up: false,
        });
        self.update(key, |face| face.presence = objects::Presence::Reconnecting);
    }

    /// Closes a link whose place may be taken again.
    pub(super) fn cut(&mut self, link: LinkId, code: CloseCode) {
        self.outputs.push_back(Output::Close { link, code });
        self.drop_link(link, self.now + self.config.resume_window);
    }

    /// Closes a link that leads nowhere any more.
    pub(super) fn close(&mut self, link: LinkId, code: CloseCode) {
        self.links.remove(&link);
        self.outputs.push_back(Output::Close { link, code });
    }

    /// Draws the consequences of a step: each is found by comparing what is with
    /// what was told, so that no act has to know whom it concerns.
    pub(super) fn settle(&mut self) {
        self.settle_hosts();
        self.settle_ending();
        self.settle_screens();
        self.settle_transfers();
        self.settle_waiters();
        self.tell_watchers();
        self.settle_stewards();
        self.settle_calls();
        self.settle_chat();
        self.settle_session();
    }

    /// Ends the meeting when the last participant is gone, and closes the room
    /// in the media plane when nobody is left who could begin another.
    fn settle_session(&mut self) {
        if !self.members.is_empty() {
            return;
        }
        if self.session.is_some() {
            // A crash and a lost network are no end: who was in comes back to the meeting.
            if self.last_gone != Some(LeftReason::ConnectionLost) {
                self.note_ended();
            }
            self.note_over();
            self.session = None;
            self.forget_session();
            self.end_chat();
            let now = self.time();
            if let Some(since) = self.session_since.take() {
                for invite in self.invites.meeting_ended(now, since) {
                    self.persist(Change::Invite(Box::new(invite)));
                }
            }
            // Last: what lasted as long as the meeting has no end any more.
            self.forget_ending();
        }
        if self.is_open && self.is_idle() {
            self.is_open = false;
            self.command(Command::CloseRoom { room: self.key });
        }
    }

    /// Ends the meeting for everybody in the room and in its lobby. `reason` is
    /// `ended`, or `connection_lost` where nobody wanted it.
    pub(super) fn end_meeting(
        &mut self,
        by: Option<ParticipantId>,
        message: Option<&Prose>,
        reason: LeftReason,
    ) {
        self.last_gone = Some(reason);
        if self.session.is_some() {
            self.end_chat();
        }
        self.say_ended(by, message);
        // Closed first, so that nobody is told how the others go one by one.
        let links: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, seat)| !matches!(seat, Seat::Steward))
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            self.close(link, CloseCode::Ended);
        }
        self.lobby.clear();
        let members = std::mem::take(&mut self.members);
        self.ids.clear();
        // Else the room is about to be closed in the media plane, and they with it.
        let stays_open = !self.is_idle();
        for (key, member) in members {
            let who = (Actor::Participant(member.face.id), Some(member.prefix));
            self.audit_left_out(who, &member.refusals);
            self.outputs.push_back(Output::TokenRevoked(member.token));
            if stays_open {
                self.command(Command::Drop { member: key });
            }
            self.note_absent(&member, reason);
            self.note_left(&member.device);
        }
        self.screens = Default::default();
        self.takeovers = Default::default();
        self.transfers = Default::default();
        self.prompts = Default::default();
        self.speakers = None;
        self.quality = None;
    }

    /// Tells everybody in the room and in its lobby that the meeting is over.
    fn say_ended(&mut self, by: Option<ParticipantId>, message: Option<&Prose>) {
        let ended = |by| {
            Notice::new(Ended {
                by,
                message: message.map(|message| message.as_str().to_owned()),
                countdown_s: 0,
            })
        };
        let (named, unnamed) = (ended(by), ended(None));
        let keys: Vec<MemberKey> = self.members.keys().copied().collect();
        for key in keys {
            let is_known = by.is_some_and(|by| self.is_known_to(key, by));
            self.tell(key, if is_known { &named } else { &unnamed });
        }
        // Who waits is told nothing of who is in the room.
        let waiting = self.lobby.iter().filter_map(|(_, known)| known.link());
        self.outputs.extend(waiting.map(|link| Output::Push {
            link,
            seq: Some(1),
            notice: Arc::clone(&unnamed),
        }));
    }
}
