//! What is shown to everybody: reactions, the spotlight, announcements.

use std::sync::Arc;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::hands::Reaction;
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::limits::SPOTLIGHTS;
use conclave_signalling_wire::moderation::RoomRevised;
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::request::{ReactionSend, SessionAnnounce, SpotlightSet};
use conclave_signalling_wire::session::Announcement;
use conclave_signalling_wire::text::Prose;

use crate::member::Member;
use crate::output::{Notice, Reply};
use crate::room::Room;
use crate::room::policy::too_fast;
use crate::room::requests::{Answer, Asker};

impl Room {
    pub(super) fn send_reaction(&mut self, asker: Asker, send: ReactionSend) -> Answer {
        self.require(asker.key, Permission::ReactionSend)?;
        let now = self.now;
        let member = self
            .members
            .get_mut(&asker.key)
            .ok_or(ErrorCode::NotFound)?;
        member.reactions.take(now).map_err(too_fast)?;
        let own = member.face.id;
        let emoji = send.emoji;
        let say = |participant| Notice::new(Reaction { participant, emoji });
        let (named, nameless) = (say(Some(own)), say(None));
        self.tell_by(own, &named, &nameless);
        Ok(Some(Reply::Done))
    }

    /// Tells everybody something: `named` those who see its author.
    fn tell_by(&mut self, author: ParticipantId, named: &Arc<Notice>, nameless: &Arc<Notice>) {
        let keys: Vec<MemberKey> = self.members.keys().copied().collect();
        for key in keys {
            let notice = match self.is_known_to(key, author) {
                true => named,
                false => nameless,
            };
            self.tell(key, notice);
        }
    }

    pub(super) fn set_spotlight(&mut self, asker: Asker, set: SpotlightSet) -> Answer {
        self.require(asker.key, Permission::SpotlightSet)?;
        if set.participants.len() > SPOTLIGHTS {
            return Err(ErrorBody::bad("participants"));
        }
        let mut spotlight = Vec::with_capacity(set.participants.len());
        for id in set.participants {
            let key = self.known(asker.key, id)?;
            if !spotlight.contains(&key) {
                spotlight.push(key);
            }
        }
        self.pace(asker.key)?;
        if spotlight != self.spotlight {
            self.spotlight = spotlight;
            let by = self.members.get(&asker.key).map(|member| member.face.id);
            self.keep_settings(self.settings.clone());
            self.announce_room(by);
        }
        let rev = self.settings.rev;
        Ok(Some(Reply::RoomRevised(RoomRevised { rev })))
    }

    /// Returns who is in the spotlight, in the order in which they were put there.
    pub(super) fn spotlit(&self) -> impl Iterator<Item = &Member> {
        let keys = self.spotlight.iter();
        keys.filter_map(|key| self.members.get(key))
    }

    /// Takes those out of the spotlight who are gone, and shows it anew to those
    /// who see more or less of it.
    pub(super) fn settle_spotlight(&mut self) {
        let before = self.spotlight.len();
        self.spotlight.retain(|key| self.members.contains_key(key));
        let is_stale = std::mem::take(&mut self.spotlight_stale);
        if (is_stale || self.spotlight.len() != before) && !self.members.is_empty() {
            self.keep_settings(self.settings.clone());
            self.announce_room(None);
        }
    }

    pub(super) fn announce(&mut self, asker: Asker, announce: SessionAnnounce) -> Answer {
        self.require(asker.key, Permission::SessionAnnounce)?;
        let now = self.now;
        let member = self
            .members
            .get_mut(&asker.key)
            .ok_or(ErrorCode::NotFound)?;
        member.announcements.take(now).map_err(too_fast)?;
        let by = member.face.id;
        self.announce_to_all(Some(by), announce.message);
        Ok(Some(Reply::Done))
    }

    /// Tells everybody in the room something. `by` is `None` for the operator.
    pub(super) fn announce_to_all(&mut self, by: Option<ParticipantId>, message: Prose) {
        let ts = self.time();
        let say = |by, message| Notice::new(Announcement { by, message, ts });
        match by {
            None => self.broadcast(&say(None, message), None),
            Some(author) => {
                let named = say(by, message.clone());
                self.tell_by(author, &named, &say(None, message));
            }
        }
    }
}
