//! The meeting that goes on, as the operator sees it: all of it.

use conclave_signalling_wire::chat::ChatMessage;
use conclave_signalling_wire::ids::InviteId;
use conclave_signalling_wire::objects::{Override, Participant};
use conclave_signalling_wire::time::Timestamp;

use crate::member::Member;
use crate::record::SessionRecord;
use crate::room::Room;

/// The meeting that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// Since when, and how many took part so far.
    pub session: SessionRecord,
    /// When it ends by itself, or by somebody who said so.
    pub ends_at: Option<Timestamp>,
    /// How many wait in the lobby.
    pub waiting: u32,
    /// Who is there, dropped ones included, in the order in which they came.
    pub participants: Vec<LiveParticipant>,
}

/// Somebody who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveParticipant {
    /// What a host sees of it.
    pub face: Participant,
    /// What it may or may not do whatever its role.
    pub overrides: Vec<Override>,
    /// The invite by which it came in.
    pub invite: Option<InviteId>,
    /// From where, as a /24 or a /48.
    pub prefix: String,
}

/// Messages that are not private, in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatPage {
    /// What is known of the chat: of this meeting, and what is kept of others.
    pub messages: Vec<ChatMessage>,
    /// Whether there are more after them.
    pub has_more: bool,
}

impl Room {
    /// Describes the meeting that goes on; `None` while nobody is in the room.
    pub(super) fn live(&self) -> Option<LiveSession> {
        let session = self.attendances.session()?.clone();
        let mut members: Vec<&Member> = self.members.values().collect();
        members.sort_unstable_by_key(|member| member.arrival);
        let participants = members.into_iter().map(|member| LiveParticipant {
            face: member.face.clone(),
            overrides: self.live_overrides(member),
            invite: member.invite,
            prefix: member.prefix.to_string(),
        });
        Some(LiveSession {
            session,
            ends_at: self.ends_at(),
            waiting: u32::try_from(self.lobby.iter().count()).unwrap_or(u32::MAX),
            participants: participants.collect(),
        })
    }
}
