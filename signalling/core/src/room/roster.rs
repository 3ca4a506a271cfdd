//! Who sees whom.
//!
//! Who may see the roster is told of everybody. The others see themselves,
//! presenters and above, and whoever publishes something: those are
//! conspicuous. Whoever becomes so comes in for them, and is gone for them when
//! it is no longer. Only for these others is anything computed per receiver.

use std::sync::Arc;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::moderation::{RoomUpdated, RosterCount};
use conclave_signalling_wire::objects::{Participant, Permission, Role};
use conclave_signalling_wire::push::{
    LeftReason, MediaQuality, MediaSlots, ParticipantJoined, ParticipantLeft, ParticipantUpdated,
    Push, Speakers,
};

use crate::member::Member;
use crate::output::Notice;
use crate::permission::PermissionSet;
use crate::room::Room;

/// One notice for those who see roles, one for those who do not.
struct Shown {
    full: Arc<Notice>,
    /// `None` where both are the same.
    masked: Option<Arc<Notice>>,
}

impl Shown {
    fn new<P: Into<Push>>(face: &Participant, say: impl Fn(Participant) -> P) -> Self {
        Shown {
            full: Notice::new(say(face.clone())),
            masked: has_mask(face).then(|| Notice::new(say(masked(face)))),
        }
    }

    fn to(&self, viewer: PermissionSet) -> &Arc<Notice> {
        match &self.masked {
            Some(masked) if !viewer.contains(Permission::RosterSeeRoles) => masked,
            _ => &self.full,
        }
    }
}

/// Returns whether everybody sees somebody.
pub(super) fn is_conspicuous(face: &Participant) -> bool {
    let sources = &face.sources;
    is_prominent(face.role)
        || sources.microphone.published
        || sources.camera.published
        || sources.screen.is_some()
        || sources.screen_audio.is_some()
}

/// Returns whether a role is no secret: others have to know who leads.
fn is_prominent(role: Role) -> bool {
    role.outranks(Role::Attendee)
}

/// Returns whether those who do not see roles see something else than what is.
fn has_mask(face: &Participant) -> bool {
    !is_prominent(face.role) && *face != masked(face)
}

/// Returns a role as somebody is told it.
pub(super) fn role_for(viewer: &Member, role: Role) -> Role {
    match viewer.permissions.contains(Permission::RosterSeeRoles) {
        false if !is_prominent(role) => Role::Attendee,
        _ => role,
    }
}

fn masked(face: &Participant) -> Participant {
    let mut face = face.clone();
    if !is_prominent(face.role) {
        face.role = Role::Attendee;
        face.custom_role = None;
        // Whether somebody may publish tells of its role and of its exceptions.
        let sources = &mut face.sources;
        sources.microphone.locked = false;
        sources.camera.locked = false;
        let shares = [&mut sources.screen, &mut sources.screen_audio];
        for share in shares.into_iter().flatten() {
            share.locked = false;
        }
    }
    face
}

fn sees_all(permissions: PermissionSet) -> bool {
    permissions.contains(Permission::RosterSee)
}

impl Room {
    /// Returns whether a participant is shown to another.
    pub(super) fn is_shown(&self, viewer: &Member, other: &Participant) -> bool {
        sees_all(viewer.permissions) || is_conspicuous(other) || viewer.face.id == other.id
    }

    /// Returns whether the participant of this name is there and shown to `viewer`.
    pub(super) fn is_known_to(&self, viewer: MemberKey, other: ParticipantId) -> bool {
        let other = self.ids.get(&other).and_then(|key| self.members.get(key));
        match (self.members.get(&viewer), other) {
            (Some(viewer), Some(other)) => self.is_shown(viewer, &other.face),
            _ => false,
        }
    }

    /// Returns the others as a participant sees them, in the order in which they came.
    pub(super) fn roster_for(&self, key: MemberKey, viewer: &Member) -> Vec<Participant> {
        let sees_roles = viewer.permissions.contains(Permission::RosterSeeRoles);
        let members = self.members.iter();
        let mut others: Vec<(u64, &Member)> = members
            .filter(|(other, member)| **other != key && self.is_shown(viewer, &member.face))
            .map(|(_, other)| (other.arrival, other))
            .collect();
        others.sort_unstable_by_key(|(arrival, _)| *arrival);
        let others = others.into_iter();
        others
            .map(|(_, other)| match sees_roles {
                true => other.face.clone(),
                false => masked(&other.face),
            })
            .collect()
    }

    /// Returns what everybody is, with what it may see, but for one.
    fn audience(&self, except: Option<ParticipantId>) -> Vec<(MemberKey, PermissionSet)> {
        self.members
            .iter()
            .filter(|(_, member)| Some(member.face.id) != except)
            .map(|(key, member)| (*key, member.permissions))
            .collect()
    }

    /// Shows somebody who comes in to those who see it.
    pub(super) fn show_arrival(&mut self, face: &Participant) {
        let shown = Shown::new(face, |participant| ParticipantJoined { participant });
        let is_conspicuous = is_conspicuous(face);
        for (viewer, permissions) in self.audience(Some(face.id)) {
            if is_conspicuous || sees_all(permissions) {
                self.tell(viewer, shown.to(permissions));
            }
        }
    }

    /// Tells those who saw somebody that it is gone.
    pub(super) fn show_departure(&mut self, face: &Participant, reason: LeftReason) {
        let participant = face.id;
        let left = Notice::new(ParticipantLeft {
            participant,
            reason,
        });
        let is_conspicuous = is_conspicuous(face);
        for (viewer, permissions) in self.audience(Some(face.id)) {
            if is_conspicuous || sees_all(permissions) {
                self.tell(viewer, &left);
            }
        }
        self.count_changed(None);
    }

    /// Shows somebody who changed to those who see it, see it now, or saw it before.
    pub(super) fn show_change(&mut self, before: &Participant, face: &Participant) {
        let participant = face.id;
        let updated = Shown::new(face, |participant| ParticipantUpdated { participant });
        let (was_seen, is_seen) = (is_conspicuous(before), is_conspicuous(face));
        let appears = (is_seen && !was_seen)
            .then(|| Shown::new(face, |participant| ParticipantJoined { participant }));
        let vanishes = (was_seen && !is_seen).then(|| {
            let reason = LeftReason::Hidden;
            Notice::new(ParticipantLeft {
                participant,
                reason,
            })
        });
        let own = self.ids.get(&participant).copied();
        if was_seen != is_seen {
            self.note_sight(own);
        }
        for (viewer, permissions) in self.audience(None) {
            if own == Some(viewer) {
                self.tell(viewer, &updated.full);
            } else if sees_all(permissions) || was_seen && is_seen {
                self.tell(viewer, updated.to(permissions));
            } else if let Some(shown) = &appears {
                self.tell(viewer, shown.to(permissions));
            } else if let Some(left) = &vanishes {
                self.tell(viewer, left);
            }
        }
    }

    /// Shows and hides others for somebody who sees more or less than before.
    pub(super) fn show_anew(&mut self, key: MemberKey, before: PermissionSet) {
        let Some(viewer) = self.members.get(&key) else {
            return;
        };
        let permissions = viewer.permissions;
        let (saw_all, sees_all) = (sees_all(before), sees_all(permissions));
        let saw_roles = before.contains(Permission::RosterSeeRoles);
        let sees_roles = permissions.contains(Permission::RosterSeeRoles);
        if saw_all == sees_all && saw_roles == sees_roles {
            return;
        }
        self.hands_stale = true;
        let mut notices = Vec::new();
        for (_, other) in self.members.iter().filter(|(other, _)| **other != key) {
            let face = &other.face;
            let always = is_conspicuous(face);
            let notice = match (saw_all || always, sees_all || always) {
                (false, true) => Notice::new(ParticipantJoined {
                    participant: if sees_roles {
                        face.clone()
                    } else {
                        masked(face)
                    },
                }),
                (true, false) => Notice::new(ParticipantLeft {
                    participant: face.id,
                    reason: LeftReason::Hidden,
                }),
                (true, true) if saw_roles != sees_roles && has_mask(face) => {
                    Notice::new(ParticipantUpdated {
                        participant: if sees_roles {
                            face.clone()
                        } else {
                            masked(face)
                        },
                    })
                }
                _ => continue,
            };
            notices.push(notice);
        }
        if saw_all != sees_all {
            if self.names_anybody() {
                let room = self.describe_to(key).unwrap_or_else(|| self.describe());
                let (room, by) = (Box::new(room), None);
                notices.push(Notice::new(RoomUpdated { room, by }));
            }
            notices.extend(self.states_of_others(key));
        }
        for notice in notices {
            self.tell(key, &notice);
        }
    }

    /// Returns what only counts in its newest form and depends on whom one sees.
    pub(super) fn states_of_others(&self, key: MemberKey) -> Vec<Arc<Notice>> {
        let states = [self.speakers.clone(), self.quality.clone()];
        let filtered = states.into_iter().flatten();
        let mut notices: Vec<_> = filtered.map(|notice| self.filter(key, &notice)).collect();
        notices.extend(self.count_for(key));
        notices
    }

    fn count_for(&self, key: MemberKey) -> Option<Arc<Notice>> {
        let viewer = self.members.get(&key)?;
        (!sees_all(viewer.permissions)).then(|| {
            let participants = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
            Notice::new(RosterCount { participants })
        })
    }

    /// Tells those who do not see everybody how many there are.
    pub(super) fn count_changed(&mut self, except: Option<MemberKey>) {
        let audience = self.audience(None);
        let mut blind = audience
            .into_iter()
            .filter(|(key, permissions)| !sees_all(*permissions) && Some(*key) != except)
            .peekable();
        if let Some((first, _)) = blind.peek()
            && let Some(count) = self.count_for(*first)
        {
            for (key, _) in blind {
                self.tell(key, &count);
            }
        }
    }

    /// Tells everybody something about many: each hears of those it sees.
    pub(super) fn broadcast_filtered(&mut self, notice: &Arc<Notice>) {
        for (viewer, permissions) in self.audience(None) {
            if sees_all(permissions) {
                self.tell(viewer, notice);
            } else {
                let filtered = self.filter(viewer, notice);
                self.tell(viewer, &filtered);
            }
        }
    }

    /// Leaves those out of speakers and of quality whom a participant does not see.
    fn filter(&self, viewer: MemberKey, notice: &Arc<Notice>) -> Arc<Notice> {
        let sees_everybody = self
            .members
            .get(&viewer)
            .is_some_and(|viewer| sees_all(viewer.permissions));
        if sees_everybody {
            return Arc::clone(notice);
        }
        let knows = |other: ParticipantId| self.is_known_to(viewer, other);
        match notice.push() {
            Push::Speakers(Speakers { speakers }) => {
                let known = speakers.iter().filter(|one| knows(one.participant));
                Notice::new(Speakers {
                    speakers: known.cloned().collect(),
                })
            }
            Push::MediaQuality(MediaQuality { participants }) => {
                let known = participants.iter().filter(|one| knows(one.participant));
                Notice::new(MediaQuality {
                    participants: known.cloned().collect(),
                })
            }
            _ => Arc::clone(notice),
        }
    }

    /// Takes the labels off slots that name somebody whom the participant does
    /// not see: its source has ended, and the shard is about to say so.
    pub(super) fn unlabel(&self, viewer: MemberKey, mut slots: MediaSlots) -> MediaSlots {
        for slot in &mut slots.slots {
            if slot
                .participant
                .is_some_and(|named| !self.is_known_to(viewer, named))
            {
                slot.participant = None;
                slot.source = None;
                slot.paused = true;
            }
        }
        slots
    }
}
