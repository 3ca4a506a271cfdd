//! What somebody at the other end of a link believes, from its messages alone.

use std::collections::{BTreeMap, VecDeque};

use conclave_signalling_wire::hands::QueuedHand;
use conclave_signalling_wire::ids::{MessageId, ParticipantId};
use conclave_signalling_wire::lobby::{InLobby, LobbyStatus, LobbyUpdate, WaitingState};
use conclave_signalling_wire::objects::{Override, Participant, Permission, Role, Room};
use conclave_signalling_wire::push::Push;
use conclave_signalling_wire::reply::{Joined, Resumed};
use conclave_signalling_wire::secret::ResumeToken;
use conclave_signalling_wire::text::RoleName;

/// States of the past that a client may fall back to, as if pushes had been lost.
const KEPT: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    Gate,
    Member,
    Waiter,
    Steward,
    Closed,
}

#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) own: ParticipantId,
    pub(crate) room: Room,
    pub(crate) faces: BTreeMap<ParticipantId, Participant>,
    pub(crate) role: Role,
    pub(crate) custom: Option<RoleName>,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) overrides: Vec<Override>,
}

impl View {
    fn of(joined: &Joined) -> Self {
        let faces = joined.roster.iter().chain([&joined.own]);
        View {
            own: joined.own.id,
            room: joined.room.clone(),
            faces: faces.map(|face| (face.id, face.clone())).collect(),
            role: joined.own.role,
            custom: joined.own.custom_role.clone(),
            permissions: joined.permissions.clone(),
            overrides: joined.overrides.clone(),
        }
    }

    fn hear(&mut self, push: &Push) -> Result<(), String> {
        match push {
            Push::ParticipantJoined(joined) => {
                let face = joined.participant.clone();
                if self.faces.insert(face.id, face).is_some() {
                    return Err("somebody came in twice".to_owned());
                }
            }
            Push::ParticipantUpdated(updated) => {
                let face = updated.participant.clone();
                let rev = face.rev;
                if face.id == self.own {
                    self.role = face.role;
                    self.custom.clone_from(&face.custom_role);
                }
                let before = self.faces.insert(face.id, face).map(|before| before.rev);
                // The same number: not it has changed, but what of it is shown.
                if before != Some(rev - 1) && before != Some(rev) {
                    return Err(format!("an update from {before:?} to {rev}"));
                }
            }
            Push::ParticipantLeft(left) => {
                if self.faces.remove(&left.participant).is_none() {
                    return Err("somebody left who was not there".to_owned());
                }
            }
            Push::PermissionsChanged(changed) => {
                self.role = changed.role;
                self.custom.clone_from(&changed.custom_role);
                self.permissions.clone_from(&changed.permissions);
                self.overrides.clone_from(&changed.overrides);
            }
            Push::RoomUpdated(updated) => self.room = updated.room.as_ref().clone(),
            _ => {}
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) seat: Seat,
    pub(crate) seq: u32,
    pub(crate) view: Option<View>,
    past: VecDeque<(u32, View)>,
    pub(crate) token: Option<ResumeToken>,
    /// State, message, note.
    pub(crate) status: Option<(WaitingState, Option<String>, Option<String>)>,
    pub(crate) lobby: Option<LobbyUpdate>,
    pub(crate) count: Option<u32>,
    /// Of who manages the room.
    pub(crate) room: Option<Room>,
    /// Whether it was shown the room in this step.
    pub(crate) is_room_new: bool,
    /// Whether what it may do changed in this step.
    pub(crate) is_changed: bool,
    /// The messages that it was shown in this step, with their texts.
    pub(crate) shown: Option<Vec<(MessageId, String)>>,
    pub(crate) hands: Vec<QueuedHand>,
    /// Whether it came in in this step.
    pub(crate) is_arrival: bool,
}

impl Client {
    pub(crate) fn new() -> Self {
        Client {
            seat: Seat::Gate,
            seq: 0,
            view: None,
            past: VecDeque::new(),
            token: None,
            status: None,
            lobby: None,
            count: None,
            room: None,
            is_room_new: false,
            is_changed: false,
            shown: None,
            hands: Vec::new(),
            is_arrival: false,
        }
    }

    pub(crate) fn join(&mut self, joined: &Joined) {
        self.seat = Seat::Member;
        self.status = None;
        self.seq = joined.seq;
        self.token = Some(joined.resume_token);
        self.past.clear();
        self.note_chat(joined);
        self.show(View::of(joined));
        (self.lobby, self.count) = (None, None);
        (self.is_room_new, self.is_arrival) = (true, true);
    }

    fn note_chat(&mut self, joined: &Joined) {
        let chat = joined.chat.iter();
        self.hands.clone_from(&joined.hands.hands);
        self.shown = Some(chat.map(|one| (one.id, one.text.clone())).collect());
    }

    fn show(&mut self, view: View) {
        self.past.push_back((self.seq, view.clone()));
        if self.past.len() > KEPT {
            self.past.pop_front();
        }
        self.view = Some(view);
    }

    pub(crate) fn wait(&mut self, lobby: &InLobby) {
        self.seat = Seat::Waiter;
        self.status = Some((lobby.state, lobby.message.clone(), None));
    }

    /// Forgets the last pushes. Returns the number that it then names.
    pub(crate) fn forget(&mut self, count: usize) -> u32 {
        for _ in 0..count {
            if self.past.len() > 1 {
                self.past.pop_back();
            }
        }
        if let Some((seq, view)) = self.past.back() {
            (self.seq, self.view) = (*seq, Some(view.clone()));
        }
        self.seq
    }

    pub(crate) fn resume(&mut self, resumed: &Resumed) -> Result<(), String> {
        self.seat = Seat::Member;
        self.token = Some(resumed.resume_token);
        (self.lobby, self.count) = (None, None);
        if let Some(joined) = &resumed.snapshot {
            self.seq = joined.seq;
            self.past.clear();
            self.note_chat(joined);
            self.show(View::of(joined));
        }
        for missed in &resumed.missed {
            self.hear(Some(missed.seq), &missed.push)?;
        }
        // What it missed was shown before this step.
        self.is_room_new = resumed.snapshot.is_some();
        Ok(())
    }

    pub(crate) fn hear(&mut self, seq: Option<u32>, push: &Push) -> Result<(), String> {
        // The only thing numbered that who waits is told, and the last.
        if let (Seat::Waiter, Push::Ended(ended)) = (self.seat, push) {
            return match (seq, ended.by) {
                (Some(1), None) => Ok(()),
                other => Err(format!("waits and hears of the end {other:?}")),
            };
        }
        if seq.is_some() != push.is_sequenced() {
            return Err(format!("{} is numbered {seq:?}", push.name()));
        }
        if let Some(seq) = seq {
            if seq != self.seq + 1 {
                return Err(format!("number {seq} after {}", self.seq));
            }
            self.seq = seq;
        }
        match push {
            Push::LobbyStatus(status) => return self.hear_status(status),
            _ if self.seat == Seat::Waiter || self.seat == Seat::Gate => {
                return Err(format!("{} to who is not in the room", push.name()));
            }
            Push::RoomUpdated(updated) if self.seat == Seat::Steward => {
                self.room = Some(updated.room.as_ref().clone());
                self.is_room_new = true;
                return Ok(());
            }
            _ if self.seat == Seat::Steward => {
                return Err(format!("{} to who only manages", push.name()));
            }
            Push::LobbyUpdate(update) => self.lobby = Some(update.clone()),
            Push::HandQueue(queue) => self.hands.clone_from(&queue.hands),
            Push::RosterCount(count) => self.count = Some(count.participants),
            Push::RoomUpdated(_) => self.is_room_new = true,
            Push::PermissionsChanged(_) => self.is_changed = true,
            _ => {}
        }
        if seq.is_some() {
            let mut view = self.view.clone().ok_or("a push to nobody")?;
            view.hear(push)?;
            self.show(view);
        }
        Ok(())
    }

    fn hear_status(&mut self, status: &LobbyStatus) -> Result<(), String> {
        let (state, waiting) = match status {
            LobbyStatus::Waiting(waiting) => (WaitingState::Waiting, waiting),
            LobbyStatus::WaitingForHost(waiting) => (WaitingState::WaitingForHost, waiting),
            LobbyStatus::Admitted { joined, .. } => {
                self.join(joined);
                return Ok(());
            }
            LobbyStatus::Denied { .. } => {
                self.status = None;
                return Ok(());
            }
        };
        // In the room it means: sent back.
        self.seat = Seat::Waiter;
        self.view = None;
        self.status = Some((state, waiting.message.clone(), waiting.note.clone()));
        Ok(())
    }
}
