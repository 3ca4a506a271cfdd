//! A media plane that agrees to everything that it is told in the right place,
//! and remembers it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use conclave_sfu_wire::control::{Command, Event, MemberKey, MidName, Rid, RoomKey, Source};
use conclave_signalling_node::{Media, MediaBusy};
use tokio::sync::mpsc;

/// What a member publishes, and whether it is muted.
type Publications = BTreeMap<Source, bool>;

/// Shards without packets, which insist on being told what concerns them alone.
pub(crate) struct FakeShards {
    count: usize,
    events: mpsc::Sender<Event>,
    members: Mutex<BTreeMap<MemberKey, Publications>>,
    places: Mutex<Places>,
}

/// What is on which shard.
#[derive(Default)]
struct Places {
    rooms: BTreeMap<RoomKey, BTreeSet<usize>>,
    members: BTreeMap<MemberKey, (RoomKey, usize)>,
    /// Shards that ever had a member.
    used: BTreeSet<usize>,
}

impl Places {
    /// Takes note of a command for a shard, which has to be the right one.
    fn note(&mut self, shard: usize, command: &Command) {
        let is_open = |places: &Places, room: &RoomKey| {
            let shards = places.rooms.get(room);
            shards.is_some_and(|shards| shards.contains(&shard))
        };
        match command {
            Command::OpenRoom { room, .. } => {
                self.rooms.entry(*room).or_default().insert(shard);
            }
            Command::Span { room, shards } => {
                let told: BTreeSet<usize> = shards.iter().copied().map(usize::from).collect();
                assert!(told.contains(&shard), "a shard is told of its own rooms");
                assert!(told.is_subset(&self.rooms[room]), "it is open on all");
            }
            Command::CloseRoom { room } => {
                let shards = self.rooms.get_mut(room).unwrap();
                assert!(shards.remove(&shard), "it was open there");
                let is_left = |(of, at): &(RoomKey, usize)| of == room && *at == shard;
                self.members.retain(|_, place| !is_left(place));
            }
            Command::Admit { room, member } => {
                assert!(is_open(self, room), "a member comes to an open room");
                self.members.insert(*member, (*room, shard));
                self.used.insert(shard);
            }
            Command::Barrier { room, .. } => assert!(is_open(self, room)),
            Command::Drop { member } => {
                let place = self.members.remove(member);
                assert!(place.is_none_or(|(_, at)| at == shard));
            }
            Command::Offer { member, .. }
            | Command::EndTransport { member }
            | Command::Publish { member, .. }
            | Command::SetMuted { member, .. }
            | Command::Unpublish { member, .. }
            | Command::Wish { member, .. }
            | Command::AckSlots { member, .. }
            | Command::SetLink { member, .. } => {
                let place = self.members.get(member);
                assert!(place.is_none_or(|(_, at)| *at == shard), "its own shard");
            }
        }
    }
}

impl FakeShards {
    pub(crate) fn new(count: usize, events: mpsc::Sender<Event>) -> Self {
        FakeShards {
            count,
            events,
            members: Mutex::default(),
            places: Mutex::default(),
        }
    }

    /// Returns how many shards have had members.
    pub(crate) fn used(&self) -> usize {
        self.places.lock().unwrap().used.len()
    }

    /// Returns what all members publish, sorted: source, and whether it is muted.
    pub(crate) fn published(&self) -> Vec<(Source, bool)> {
        let members = self.members.lock().unwrap();
        let mut all: Vec<_> = members
            .values()
            .flatten()
            .map(|(source, muted)| (*source, *muted))
            .collect();
        all.sort();
        all
    }

    fn report(&self, event: Event) {
        // The queue is longer than what one test says before it listens.
        let _ = self.events.try_send(event);
    }
}

impl Media for FakeShards {
    fn shards(&self) -> usize {
        self.count
    }

    fn send(&self, shard: usize, command: Command) -> Result<(), MediaBusy> {
        self.places.lock().unwrap().note(shard, &command);
        let mut members = self.members.lock().unwrap();
        match command {
            Command::Admit { member, .. } => {
                members.insert(member, Publications::new());
            }
            Command::Drop { member } => {
                members.remove(&member);
            }
            Command::Offer {
                member,
                generation,
                sdp,
                ..
            } => self.report(Event::Answer {
                member,
                generation,
                sdp,
                video_slots: vec![mid("4")],
                audio_slots: vec![mid("16")],
            }),
            Command::Publish {
                member,
                attempt,
                source,
                muted,
                ..
            } => {
                if let Some(publications) = members.get_mut(&member) {
                    publications.insert(source, muted);
                }
                self.report(Event::Published {
                    member,
                    attempt,
                    source,
                    rids: Rid::ALL.to_vec(),
                });
            }
            Command::SetMuted {
                member,
                source,
                muted,
            } => {
                if let Some(known) = members
                    .get_mut(&member)
                    .and_then(|publications| publications.get_mut(&source))
                {
                    *known = muted;
                }
            }
            Command::Unpublish { member, source } => {
                if let Some(publications) = members.get_mut(&member) {
                    publications.remove(&source);
                }
            }
            Command::AckSlots { member, rev } => self.report(Event::SlotsAcked {
                member,
                rev,
                first_rtp_timestamps: Vec::new(),
            }),
            Command::Barrier { room, number } => self.report(Event::Passed { room, number }),
            Command::OpenRoom { .. }
            | Command::Span { .. }
            | Command::CloseRoom { .. }
            | Command::EndTransport { .. }
            | Command::Wish { .. }
            | Command::SetLink { .. } => {}
        }
        Ok(())
    }
}

fn mid(text: &str) -> MidName {
    MidName::new(text).unwrap()
}
