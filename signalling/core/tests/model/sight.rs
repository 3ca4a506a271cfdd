//! What there is and who sees it, worked out anew.

use std::collections::{BTreeMap, BTreeSet};

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::ids::{KnockId, ParticipantId};
use conclave_signalling_wire::lobby::WaitingState;
use conclave_signalling_wire::objects::{
    Hand, NoHost, Participant, Permission, Presence, Role, Room, Source, SourceState, Sources,
};

use crate::model::{Authority, Lead, Model, Person, at, who};
use crate::rules;

impl Model {
    pub(crate) fn may(&self, person: &Person) -> BTreeSet<Permission> {
        rules::all(&self.room, &self.locks, &who(person), self.now)
    }

    pub(crate) fn holds(&self, key: MemberKey, permission: Permission) -> bool {
        let person = self.people.get(&key);
        person.is_some_and(|person| self.may(person).contains(&permission))
    }

    pub(crate) fn of_link(&self, link: LinkId) -> Option<MemberKey> {
        let mut people = self.people.iter();
        people
            .find(|(_, person)| person.link == Some(link))
            .map(|(key, _)| *key)
    }

    pub(crate) fn waiter_of(&self, link: LinkId) -> Option<KnockId> {
        let mut waiting = self.waiting.iter();
        waiting
            .find(|(_, waiter)| waiter.link == Some(link))
            .map(|(knock, _)| *knock)
    }

    pub(crate) fn knows_link(&self, link: LinkId) -> bool {
        self.of_link(link).is_some()
            || self.waiter_of(link).is_some()
            || self.stewards.contains_key(&link)
    }

    pub(crate) fn of_id(&self, id: ParticipantId) -> Option<MemberKey> {
        let mut people = self.people.iter();
        people
            .find(|(_, person)| person.id == id)
            .map(|(key, _)| *key)
    }

    pub(crate) fn is_waiting_for_host(&self) -> bool {
        match self.lead {
            Lead::NotBegun => !self.room.start_without_host,
            Lead::Present | Lead::Missed { .. } => false,
            Lead::Gone => self.room.no_host == NoHost::Wait,
        }
    }

    pub(crate) fn waiting_state(&self) -> WaitingState {
        match self.is_waiting_for_host() {
            true => WaitingState::WaitingForHost,
            false => WaitingState::Waiting,
        }
    }

    /// The sources of somebody, as everybody sees them.
    pub(crate) fn sources(&self, person: &Person) -> Sources {
        let state = |source: Source| {
            let publication = person.live.get(&source);
            let permission = Permission::to_publish(source);
            SourceState {
                published: publication.is_some(),
                muted: publication.is_none_or(|publication| publication.muted),
                muted_by: publication.and_then(|publication| publication.by),
                locked: !rules::decide(&self.room, &self.locks, &who(person), self.now, permission)
                    .0,
            }
        };
        let shared = |source: Source| person.live.contains_key(&source).then(|| state(source));
        Sources {
            microphone: state(Source::Microphone),
            camera: state(Source::Camera),
            screen: shared(Source::Screen),
            screen_audio: shared(Source::ScreenAudio),
        }
    }

    fn hand_of_id(&self, id: ParticipantId) -> Option<Hand> {
        let raised_at = at(self.hand_of(self.of_id(id)?)?);
        Some(Hand { raised_at })
    }

    /// Somebody as the hosts see it. The number of changes is left to who compares.
    pub(crate) fn face(&self, person: &Person) -> Participant {
        Participant {
            id: person.id,
            rev: 0,
            name: person.name.clone(),
            role: person.role,
            custom_role: person.custom.clone(),
            identity: person.identity,
            presence: match person.link {
                Some(_) => Presence::Connected,
                None => Presence::Reconnecting,
            },
            joined_at: at(person.joined_at).whole_seconds(),
            hand: self.hand_of_id(person.id),
            sources: self.sources(person),
        }
    }

    /// Whether everybody sees somebody: who leads or shows something.
    pub(crate) fn is_conspicuous(person: &Person) -> bool {
        rules::rank(person.role) <= 2 || !person.live.is_empty()
    }

    pub(crate) fn sees(&self, viewer: MemberKey, other: MemberKey) -> bool {
        viewer == other
            || self.holds(viewer, Permission::RosterSee)
            || self.people.get(&other).is_some_and(Model::is_conspicuous)
    }

    /// Whom somebody sees, itself included, and as what.
    pub(crate) fn roster_of(&self, viewer: MemberKey) -> BTreeMap<ParticipantId, Participant> {
        let sees_all = self.holds(viewer, Permission::RosterSee);
        let sees_roles = self.holds(viewer, Permission::RosterSeeRoles);
        let mut roster = BTreeMap::new();
        for (key, person) in &self.people {
            let is_own = *key == viewer;
            if !is_own && !sees_all && !Model::is_conspicuous(person) {
                continue;
            }
            let mut face = self.face(person);
            if !is_own && !sees_roles && rules::rank(face.role) > 2 {
                face.role = Role::Attendee;
                face.custom_role = None;
                let Sources {
                    microphone,
                    camera,
                    screen,
                    screen_audio,
                } = &mut face.sources;
                let shares = screen.iter_mut().chain(screen_audio);
                for source in shares.chain([microphone, camera]) {
                    source.locked = false;
                }
            }
            roster.insert(face.id, face);
        }
        roster
    }

    /// The room as somebody sees it; `None` for who manages it.
    pub(crate) fn room_of(&self, viewer: Option<MemberKey>) -> Room {
        let mut room = self.room.clone();
        room.waiting_for_host = self.is_waiting_for_host();
        room.ends_at = self.ends_at().map(at);
        let av_lock = &mut room.av_lock;
        let shown = [
            &mut av_lock.microphone,
            &mut av_lock.camera,
            &mut av_lock.screen,
        ];
        for (shown, lock) in shown.into_iter().zip(&self.locks) {
            shown.on = lock.on;
            let allowed = self.people.iter().filter(|(key, person)| {
                lock.allow.contains(&person.device)
                    && viewer.is_none_or(|viewer| self.sees(viewer, **key))
            });
            shown.allow = allowed.map(|(_, person)| person.id).collect();
        }
        room
    }

    pub(crate) fn authority(&self, key: MemberKey) -> Authority {
        let person = &self.people[&key];
        Authority {
            actor: Actor::Participant(person.id),
            role: person.role,
            may: self.may(person),
        }
    }
}
