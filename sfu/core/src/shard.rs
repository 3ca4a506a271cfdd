//! One shard: its rooms, its tables, its deadlines.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{
    Command, Event, MemberKey, OfferError, PublishError, RoomKey, RoomPolicy,
};
use conclave_sfu_wire::ufrag::UfragKey;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use slab::Slab;

use crate::arena::{DatagramSink, SendArena};
use crate::barriers::Barriers;
use crate::clock::ReportClock;
use crate::crossing::{Crossing, Message};
use crate::demux::{Demux, Unrouted};
use crate::governor::{Governor, Load, Permit, Turn};
use crate::room::{Offer, Publish, Room};
use crate::sender::{EstimatorKind, SenderKind};
use crate::services::{Counters, Due, Services};
use crate::timers::Timers;

/// What a shard is made of.
pub struct ShardConfig {
    /// Its number, from 0. The UDP port is the base port plus this.
    pub index: u8,
    /// Its advertised addresses; also the destinations of its datagrams.
    pub candidates: Vec<SocketAddr>,
    /// Authenticates our user fragments.
    pub ufrag_key: UfragKey,
    /// The source of all its randomness but the library's.
    pub seed: [u8; 32],
    /// Who seals what its links send.
    pub sender: SenderKind,
    /// Who says how much their paths take.
    pub estimator: EstimatorKind,
    /// The NTP timestamp (RFC 3550, section 4) of the instant that it is made
    /// at: what its sender reports count from.
    pub ntp_at_start: u64,
}

impl fmt::Debug for ShardConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardConfig")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// What is known when a turn has received its datagrams, and not served them yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TurnLoad {
    /// How long the oldest of them had waited in its socket; zero if none came.
    pub lag: Duration,
    /// How long the turn before was worked on; waiting is no work.
    pub busy: Duration,
}

/// A datagram as it came out of a socket.
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Our advertised address that it came to.
    pub destination: SocketAddr,
    /// How long it has waited in the socket.
    pub waited: Duration,
    /// What it says.
    pub payload: &'a mut [u8],
}

/// One core's share of the SFU. It owns everything that it touches.
pub struct Shard {
    index: u8,
    rooms: Slab<Room>,
    by_key: BTreeMap<RoomKey, usize>,
    /// The room of each member.
    members: BTreeMap<MemberKey, usize>,
    /// Rooms with packets to flush at the end of the turn.
    dirty: Vec<usize>,
    barriers: Barriers,
    services: Services,
    governor: Governor,
}

impl Shard {
    /// Makes a shard without rooms.
    pub fn new(now: Instant, config: ShardConfig) -> Self {
        let mut rng = StdRng::from_seed(config.seed);
        let hash_seed = (rng.random(), rng.random());
        Shard {
            index: config.index,
            rooms: Slab::new(),
            by_key: BTreeMap::new(),
            members: BTreeMap::new(),
            dirty: Vec::new(),
            barriers: Barriers::default(),
            services: Services {
                arena: SendArena::default(),
                events: VecDeque::new(),
                crossings: VecDeque::new(),
                timers: Timers::default(),
                demux: Demux::new(config.index, config.ufrag_key, hash_seed),
                candidates: config.candidates,
                counters: Counters::default(),
                rng,
                sender: config.sender,
                estimator: config.estimator,
                clock: ReportClock::new(now, config.ntp_at_start),
                turn: Turn::default(),
                permit: Permit::FULL,
            },
            governor: Governor::new(now),
        }
    }

    /// Obeys the control plane.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::OpenRoom { room, policy } => self.open_room(room, policy),
            Command::Span { room, shards } => self.span(now, room, &shards),
            Command::CloseRoom { room } => self.close_room(now, room),
            Command::Admit { room, member } => self.admit(now, room, member),
            Command::Drop { member } => {
                self.in_room_of(member, |room, services| room.remove(now, member, services));
                self.members.remove(&member);
            }
            Command::Offer {
                member,
                generation,
                sdp,
                relay_only,
            } => {
                let offer = Offer {
                    member,
                    generation,
                    sdp: &sdp,
                    relay_only,
                };
                let known = self.in_room_of(member, |room, services| {
                    room.offer(now, offer, services);
                });
                if !known {
                    let error = OfferError::UnknownMember;
                    self.services.events.push_back(Event::OfferRefused {
                        member,
                        generation,
                        error,
                    });
                }
            }
            Command::EndTransport { member } => {
                self.in_room_of(member, |room, services| {
                    room.end_transport(now, member, services);
                });
            }
            Command::Publish {
                member,
                attempt,
                mid,
                source,
                muted,
            } => {
                let publish = Publish {
                    member,
                    attempt,
                    mid,
                    source,
                    muted,
                };
                let known = self.in_room_of(member, |room, services| {
                    room.publish(now, publish, services);
                });
                if !known {
                    let error = PublishError::UnknownMember;
                    self.services.events.push_back(Event::PublishRefused {
                        member,
                        attempt,
                        source,
                        error,
                    });
                }
            }
            Command::SetMuted {
                member,
                source,
                muted,
            } => {
                self.in_room_of(member, |room, services| {
                    room.set_muted(now, member, source, muted, services);
                });
            }
            Command::Unpublish { member, source } => {
                self.in_room_of(member, |room, services| {
                    room.unpublish(now, member, source, services);
                });
            }
            Command::Wish { member, views } => {
                self.in_room_of(member, |room, services| {
                    room.wish(now, member, views, services)
                });
            }
            Command::AckSlots { member, rev } => {
                self.in_room_of(member, |room, services| {
                    room.ack_slots(now, member, rev, services)
                });
            }
            Command::SetLink { member, up } => {
                self.in_room_of(member, |room, services| {
                    room.set_link(now, member, up, services)
                });
            }
            Command::Barrier { room, number } => self.begin_barrier(room, number),
        }
    }

    /// Takes what the shard `from` has given for us, in the order in which it has.
    pub fn handle_crossing(&mut self, now: Instant, from: u8, crossing: Crossing) {
        let Crossing { room, message } = crossing;
        match message {
            // Whatever was said before it has taken effect by now.
            Message::Barrier { number } => {
                let message = Message::BarrierPassed { number };
                self.services
                    .crossings
                    .push_back((from, Crossing { room, message }));
            }
            Message::BarrierPassed { number } => {
                let services = &mut self.services;
                self.barriers.pass(from, room, number, services);
            }
            message => {
                if let Some(index) = self.by_key.get(&room).copied() {
                    self.in_room(index, |room, services| {
                        room.handle_crossing(now, from, message, services);
                    });
                }
            }
        }
    }

    /// Begins a turn: what is too much to do is given up before it is done. A
    /// shard that is never told how late it is gives up nothing.
    pub fn begin_turn(&mut self, now: Instant, load: TurnLoad) {
        let turn = Turn {
            lag: load.lag,
            busy: load.busy,
            ..std::mem::take(&mut self.services.turn)
        };
        let Some(permit) = self.governor.handle_turn(now, turn) else {
            return;
        };
        let before = std::mem::replace(&mut self.services.permit, permit);
        for index in self.by_key.values().copied().collect::<Vec<_>>() {
            self.in_room(index, |room, services| room.apply_permit(before, services));
        }
    }

    /// Takes a datagram that came from `source` to our advertised address
    /// `destination` just now.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &mut [u8],
    ) {
        let waited = Duration::ZERO;
        let datagram = Datagram {
            source,
            destination,
            waited,
            payload,
        };
        self.handle_waiting(now, datagram);
    }

    /// Takes a datagram that has waited in its socket: a picture may be too late
    /// to be worth anything. Nothing else is.
    pub fn handle_waiting(&mut self, now: Instant, datagram: Datagram<'_>) {
        let Datagram {
            source,
            destination,
            waited,
            payload,
        } = datagram;
        self.services.turn.did_others(1);
        let place = match self.services.demux.route(source, destination, payload) {
            Ok(place) => place,
            Err(Unrouted::Unknown) => {
                self.services.counters.unroutable += 1;
                return;
            }
            Err(Unrouted::NotRelayed) => {
                self.services.counters.not_relayed += 1;
                return;
            }
        };
        self.in_room(place.room, |room, services| {
            if !room.drops_late(now, place, waited, payload, services) {
                room.handle_datagram(now, place, source, destination, payload, services);
            }
        });
    }

    /// Serves what is due and lets go of what the turn has pushed. To be called
    /// after each batch of datagrams and commands.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, due)) = self.services.timers.pop_due(now) {
            match due {
                Due::Transport(place) => self.in_room(place.room, |room, services| {
                    room.handle_transport_timeout(now, at, place, services);
                }),
                Due::Tick(place) => self.in_room(place.room, |room, services| {
                    room.handle_tick(now, place, services);
                }),
            };
        }
        while let Some(index) = self.dirty.pop() {
            self.in_room(index, |room, services| room.flush(now, services));
        }
    }

    /// Ends all transports and says so to the other sides.
    pub fn close(&mut self, now: Instant) {
        for index in self.by_key.values().copied().collect::<Vec<_>>() {
            self.in_room(index, |room, services| room.close(now, services));
        }
    }

    /// Returns when the next turn is due although nothing comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = [self.services.timers.next(), self.governor.poll_timeout()];
        due.into_iter().flatten().min()
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.services.events.pop_front()
    }

    /// Takes the next thing that is for another shard, and its number. To be
    /// called after [`Shard::handle_timeout`]. What is for one shard is to get
    /// there in this order; of that, media may be lost.
    pub fn poll_crossing(&mut self) -> Option<(u8, Crossing)> {
        self.services.crossings.pop_front()
    }

    /// Hands all waiting datagrams to `sink`.
    pub fn flush(&mut self, sink: &mut dyn DatagramSink) {
        self.services.arena.flush(sink);
    }

    /// Returns what was counted since the start.
    pub fn counters(&self) -> Counters {
        self.services.counters
    }

    /// Leaves the library the streams of a member that are ours: what the guard
    /// of nonces stands against. Only scenarios do so.
    #[cfg(debug_assertions)]
    #[doc(hidden)]
    pub fn leave_streams(&mut self, member: MemberKey) {
        self.in_room_of(member, |room, _| room.leave_streams(member));
    }

    /// Returns how much there is to do, and what is done without.
    pub fn load(&self) -> Load {
        self.governor.load()
    }

    fn open_room(&mut self, key: RoomKey, policy: RoomPolicy) {
        if let Some(index) = self.by_key.get(&key) {
            self.rooms[*index].set_policy(policy);
            return;
        }
        let entry = self.rooms.vacant_entry();
        self.by_key.insert(key, entry.key());
        let index = entry.key();
        entry.insert(Room::new(key, index, policy));
    }

    fn span(&mut self, now: Instant, room: RoomKey, shards: &[u8]) {
        let own = self.index;
        if let Some(index) = self.by_key.get(&room).copied() {
            self.in_room(index, |room, services| {
                room.span(now, own, shards, services);
            });
        }
    }

    fn begin_barrier(&mut self, room: RoomKey, number: u64) {
        let index = self.by_key.get(&room);
        let held = index.and_then(|index| self.rooms.get(*index));
        let peers = held.into_iter().flat_map(Room::peers).collect();
        self.barriers.begin(room, number, peers, &mut self.services);
    }

    fn close_room(&mut self, now: Instant, key: RoomKey) {
        let Some(index) = self.by_key.get(&key).copied() else {
            return;
        };
        self.in_room(index, |room, services| room.close(now, services));
        self.forget_room(key);
    }

    fn admit(&mut self, now: Instant, room: RoomKey, member: MemberKey) {
        let Some(index) = self.by_key.get(&room).copied() else {
            return;
        };
        self.members.insert(member, index);
        self.in_room(index, |room, services| room.admit(now, member, services));
    }

    fn in_room_of(
        &mut self,
        member: MemberKey,
        serve: impl FnOnce(&mut Room, &mut Services),
    ) -> bool {
        match self.members.get(&member).copied() {
            Some(index) => self.in_room(index, serve),
            None => false,
        }
    }

    /// Serves a room so that a panic ends that room alone. Returns whether it is there.
    pub(crate) fn in_room(
        &mut self,
        index: usize,
        serve: impl FnOnce(&mut Room, &mut Services),
    ) -> bool {
        let Some(room) = self.rooms.get_mut(index) else {
            return false;
        };
        let services = &mut self.services;
        if catch_unwind(AssertUnwindSafe(|| serve(room, services))).is_err() {
            let room = room.key();
            tracing::error!(room = room.0, "a room panicked and was ended");
            self.services.counters.panics += 1;
            self.services.events.push_back(Event::RoomFailed { room });
            self.forget_room(room);
            return true;
        }
        room.take_crossings(services);
        if room.is_dirty() && !self.dirty.contains(&index) {
            self.dirty.push(index);
        }
        true
    }

    fn forget_room(&mut self, key: RoomKey) {
        let Some(index) = self.by_key.remove(&key) else {
            return;
        };
        let Some(room) = self.rooms.try_remove(index) else {
            return;
        };
        for entry in room.demux_entries() {
            self.services.demux.close(entry);
        }
        self.members.retain(|_, room| *room != index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;
    use conclave_sfu_wire::control::Source;

    fn shard(now: Instant) -> Shard {
        let config = ShardConfig {
            index: 0,
            candidates: vec![SocketAddr::from(([192, 0, 2, 1], 10_000))],
            ufrag_key: UfragKey([1; 16]),
            seed: [2; 32],
            sender: SenderKind::default(),
            estimator: EstimatorKind::default(),
            ntp_at_start: 0,
        };
        Shard::new(now, config)
    }

    fn admitted(shard: &mut Shard, now: Instant, room: u64, member: u64) {
        let (room, member) = (RoomKey(room), MemberKey(member));
        shard.handle_command(
            now,
            Command::OpenRoom {
                room,
                policy: RoomPolicy::default(),
            },
        );
        shard.handle_command(now, Command::Admit { room, member });
    }

    #[test]
    fn a_room_that_panics_ends_alone() {
        let now = epoch();
        let mut shard = shard(now);
        admitted(&mut shard, now, 1, 10);
        admitted(&mut shard, now, 2, 20);
        let index = shard.by_key[&RoomKey(1)];
        shard.in_room(index, |_, _| panic!("a bug"));
        assert!(matches!(
            shard.poll_event(),
            Some(Event::RoomFailed { room: RoomKey(1) })
        ));
        assert!(shard.poll_event().is_none());
        assert_eq!(shard.counters().panics, 1);
        assert!(!shard.members.contains_key(&MemberKey(10)));
        assert!(shard.members.contains_key(&MemberKey(20)));
        // Its deadlines are still on the heap and wake nobody.
        shard.handle_timeout(now + std::time::Duration::from_secs(1));
        assert!(
            shard
                .poll_event()
                .is_none_or(|event| !matches!(event, Event::RoomFailed { .. }))
        );
    }

    #[test]
    fn commands_for_nobody_are_answered_or_ignored() {
        let now = epoch();
        let mut shard = shard(now);
        let member = MemberKey(1);
        shard.handle_command(
            now,
            Command::Offer {
                member,
                generation: 1,
                sdp: "v=0\r\n".into(),
                relay_only: false,
            },
        );
        assert!(matches!(
            shard.poll_event(),
            Some(Event::OfferRefused {
                error: OfferError::UnknownMember,
                ..
            })
        ));
        let mid = conclave_sfu_wire::control::MidName::new("1").unwrap();
        let source = Source::Camera;
        shard.handle_command(
            now,
            Command::Publish {
                member,
                attempt: 4,
                mid,
                source,
                muted: false,
            },
        );
        assert!(matches!(
            shard.poll_event(),
            Some(Event::PublishRefused {
                attempt: 4,
                error: PublishError::UnknownMember,
                ..
            })
        ));
        shard.handle_command(now, Command::EndTransport { member });
        shard.handle_command(now, Command::Drop { member });
        shard.handle_command(now, Command::CloseRoom { room: RoomKey(9) });
        assert!(shard.poll_event().is_none());
        let room = RoomKey(9);
        shard.handle_command(now, Command::Barrier { room, number: 7 });
        assert!(matches!(
            shard.poll_event(),
            Some(Event::Passed {
                room: RoomKey(9),
                number: 7
            })
        ));
    }

    #[test]
    fn a_publication_needs_a_negotiated_line() {
        let now = epoch();
        let mut shard = shard(now);
        admitted(&mut shard, now, 1, 10);
        let mid = conclave_sfu_wire::control::MidName::new("1").unwrap();
        let (member, source) = (MemberKey(10), Source::Camera);
        for tried in [1, 2] {
            shard.handle_command(
                now,
                Command::Publish {
                    member,
                    attempt: tried,
                    mid,
                    source,
                    muted: false,
                },
            );
            assert!(matches!(
                shard.poll_event(),
                Some(Event::PublishRefused {
                    attempt,
                    error: PublishError::UnknownMid,
                    ..
                }) if attempt == tried
            ));
        }
    }
}
