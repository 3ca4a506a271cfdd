//! Participants and shards on a virtual clock, with the least control plane that connects them.

mod burden;
mod control;
#[cfg(debug_assertions)]
mod faults;
mod oracle;
mod span;
mod step;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use conclave_loadtest::{Observation, Participant, ParticipantConfig};
use conclave_sfu_core::{Counters, EstimatorKind, SenderKind, Shard, ShardConfig};
use conclave_sfu_wire::control::{Command, Event, MemberKey, RoomKey, Source, View};
use conclave_sfu_wire::relayed::RELAYED_V4;
use conclave_sfu_wire::ufrag::UfragKey;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use burden::Burden;

use crate::network::{Access, Datagram, Network};
use control::Signalling;
pub use oracle::Assignment;

/// One way between a participant and the control plane, where a test says nothing else.
pub const SIGNALLING_DELAY: Duration = Duration::from_millis(15);

/// The wall clock of the server when a meeting begins, as sender reports tell
/// it (RFC 3550, section 4): 2026-01-01 00:00 UTC.
const NTP_AT_START: u64 = 3_976_214_400 << 32;

/// How a participant joins.
#[derive(Debug, Clone, Default)]
pub struct JoinOptions {
    /// Its line; a good one if not given.
    pub access: Access,
    /// Video slots; as a browser if `None`.
    pub video_slots: Option<usize>,
    /// Whether its camera has one encoding instead of three.
    pub single_encoding: bool,
    /// Bytes of payload in a packet of its camera; as a browser if `None`.
    pub packet_bytes: Option<usize>,
    /// Whether it comes over the relay: its address is a relayed one.
    pub relayed: bool,
    /// Whether it insists on the relay.
    pub relay_only: bool,
    /// The shard that it goes to in a room that spans shards; by its number if `None`.
    pub shard: Option<usize>,
}

/// A participant and what the control plane knows about it.
struct Member {
    participant: Participant,
    room: RoomKey,
    shard: usize,
    generation: u32,
    relay_only: bool,
    signalling: Signalling,
    holds_acks: bool,
    unacked_rev: Option<u32>,
    attempts: u32,
    assignments: Vec<Assignment>,
    connected_at: Option<Instant>,
    answers: usize,
    refusals: Vec<&'static str>,
}

/// Rooms full of synthetic participants on real shards.
pub struct Meeting {
    seed: u64,
    start: Instant,
    now: Instant,
    network: Network,
    shards: Vec<(SocketAddr, Shard)>,
    members: BTreeMap<u64, Member>,
    addresses: BTreeMap<SocketAddr, u64>,
    /// What a translator makes of the addresses of those who are behind one.
    translated: BTreeMap<SocketAddr, SocketAddr>,
    spread: span::Spread,
    carrier: span::Carrier,
    barriers: u64,
    control: control::Queue,
    events: Vec<(Instant, Event)>,
    burden: Option<Burden>,
}

impl Meeting {
    /// Makes a server with one shard and nobody in it.
    pub fn new(seed: u64) -> Self {
        // SHARDS=4 lets every room span four.
        let shards = std::env::var("SHARDS").ok();
        match shards.and_then(|count| count.parse().ok()) {
            Some(count) => Meeting::spanning(seed, count),
            None => Meeting::with_shards(seed, 1),
        }
    }

    /// Makes a server with `count` shards; rooms are spread over them by number.
    pub fn with_shards(seed: u64, count: u8) -> Self {
        // SENDER=str0m runs everything as the oracle would.
        let sender = match std::env::var("SENDER").as_deref() {
            Ok("str0m") => SenderKind::Str0m,
            _ => SenderKind::Own,
        };
        Meeting::with_sender(seed, count, sender)
    }

    /// Makes a server with `count` shards whose links send in the way of `sender`.
    pub fn with_sender(seed: u64, count: u8, sender: SenderKind) -> Self {
        let start = Instant::now();
        let mut rng = StdRng::seed_from_u64(seed);
        let key = UfragKey(rng.random());
        let shards = (0..count)
            .map(|index| {
                let address = shard_address(index);
                let config = ShardConfig {
                    index,
                    candidates: vec![address],
                    ufrag_key: key,
                    seed: rng.random(),
                    sender,
                    estimator: EstimatorKind::GoogCc,
                    ntp_at_start: NTP_AT_START,
                };
                (address, Shard::new(start, config))
            })
            .collect();
        Meeting {
            seed,
            start,
            now: start,
            network: Network::new(seed),
            shards,
            members: BTreeMap::new(),
            addresses: BTreeMap::new(),
            translated: BTreeMap::new(),
            spread: span::Spread::default(),
            carrier: span::Carrier::default(),
            barriers: 0,
            control: control::Queue::default(),
            events: Vec::new(),
            burden: None,
        }
    }

    /// Lets a participant join a room over a good line, as a browser would.
    pub fn join(&mut self, member: u64, room: u64) {
        self.join_with(member, room, JoinOptions::default());
    }

    /// Lets a participant join a room.
    pub fn join_with(&mut self, member: u64, room: u64, options: JoinOptions) {
        let address = if options.relayed {
            relayed_address(member)
        } else {
            member_address(member, 0)
        };
        let mut config = ParticipantConfig::new(member, address);
        config.video_slots = options.video_slots.unwrap_or(config.video_slots);
        config.simulcast = !options.single_encoding;
        for shape in &mut config.pictures.camera {
            shape.packet_bytes = options.packet_bytes.unwrap_or(shape.packet_bytes);
        }
        config.seed = self.seed.wrapping_mul(1_000_003).wrapping_add(member);
        let mut participant = Participant::new(self.now, config);
        let sdp = participant.offer(self.now);
        let room = RoomKey(room);
        self.network.set_access(address, options.access);
        self.addresses.insert(address, member);
        let by_number = if self.spread.spans { member } else { room.0 };
        let by_number = by_number as usize % self.shards.len();
        let state = Member {
            participant,
            room,
            shard: options.shard.unwrap_or(by_number),
            generation: 1,
            relay_only: options.relay_only,
            signalling: Signalling::new(SIGNALLING_DELAY),
            holds_acks: false,
            unacked_rev: None,
            attempts: 0,
            assignments: Vec::new(),
            connected_at: None,
            answers: 0,
            refusals: Vec::new(),
        };
        self.members.insert(member, state);
        self.open_room(member, room);
        let key = MemberKey(member);
        self.command(member, Command::Admit { room, member: key });
        self.command(
            member,
            Command::Offer {
                member: key,
                generation: 1,
                sdp,
                relay_only: options.relay_only,
            },
        );
    }

    /// Replaces the peer connection of a participant by a new one from the same
    /// address, as after a reload. Its wishes stay with the server; its m-lines
    /// have other names, so that it is to publish again. What it observed is gone.
    pub fn reconnect(&mut self, member: u64) {
        let now = self.now;
        let mut config = ParticipantConfig::new(member, self.participant(member).address());
        config.seed = self.seed.wrapping_mul(1_000_003).wrapping_add(member) ^ u64::MAX;
        let mut participant = Participant::new(now, config);
        let sdp = participant.offer(now);
        let state = self.member(member);
        state.participant = participant;
        state.generation += 1;
        state.assignments.clear();
        state.connected_at = None;
        let (generation, relay_only) = (state.generation, state.relay_only);
        self.command(
            member,
            Command::Offer {
                member: MemberKey(member),
                generation,
                sdp,
                relay_only,
            },
        );
    }

    /// Lets several participants join a room and waits until all are connected.
    ///
    /// # Panics
    ///
    /// Panics if one is not after ten seconds.
    pub fn gather(&mut self, room: u64, members: &[u64]) {
        for &member in members {
            self.join(member, room);
        }
        self.wait_connected(members);
    }

    /// Waits until the participants are connected.
    ///
    /// # Panics
    ///
    /// Panics if one is not after ten seconds.
    pub fn wait_connected(&mut self, members: &[u64]) {
        let members = members.to_vec();
        self.run_until(
            "everybody is connected",
            Duration::from_secs(10),
            |meeting| {
                members.iter().all(|member| {
                    let state = &meeting.members[member];
                    state.connected_at.is_some() && state.participant.has_connected()
                })
            },
        );
    }

    /// Asks for a publication; the device is switched on once it is accepted.
    pub fn publish(&mut self, member: u64, source: Source) {
        self.publish_as(member, source, false);
    }

    /// Asks for a publication that begins muted or not. The device is on in both
    /// cases: what a client still sends while muted is the server's to keep back.
    pub fn publish_as(&mut self, member: u64, source: Source, muted: bool) {
        let mid = self
            .participant(member)
            .sending_mid(source)
            .expect("the first offer is made");
        let state = self.member(member);
        state.attempts += 1;
        let attempt = state.attempts;
        self.command(
            member,
            Command::Publish {
                member: MemberKey(member),
                attempt,
                mid,
                source,
                muted,
            },
        );
    }

    /// Switches a device on or off without a word to the server.
    pub fn switch_device(&mut self, member: u64, source: Source, on: bool) {
        let now = self.now;
        self.member(member).participant.publish(now, source, on);
    }

    /// Sets how loud a microphone is as RFC 6464 counts it: 0 is loudest, 127 silence.
    pub fn set_level(&mut self, member: u64, level: u8) {
        self.member(member)
            .participant
            .set_level(Source::Microphone, level);
    }

    /// Mutes or unmutes at the server; the client goes on sending.
    pub fn set_muted(&mut self, member: u64, source: Source, muted: bool) {
        self.command(
            member,
            Command::SetMuted {
                member: MemberKey(member),
                source,
                muted,
            },
        );
    }

    /// Ends a publication at the server; the client goes on sending.
    pub fn unpublish(&mut self, member: u64, source: Source) {
        self.command(
            member,
            Command::Unpublish {
                member: MemberKey(member),
                source,
            },
        );
    }

    /// Lets the control plane decide something about a participant by itself,
    /// and ask to be told when it has taken effect. Returns the number of the barrier.
    pub fn decide(&mut self, member: u64, command: Command) -> u64 {
        self.barriers += 1;
        let number = self.barriers;
        let state = self.member(member);
        let (shard, room) = (state.shard, state.room);
        if matches!(command, Command::CloseRoom { .. }) {
            for shard in self.shards_of(room) {
                self.order(shard, command.clone());
            }
        } else {
            self.order(shard, command);
        }
        self.order_barrier(room, number);
        number
    }

    /// Sends the whole list of wanted pictures.
    pub fn wish(&mut self, member: u64, views: Vec<View>) {
        self.command(
            member,
            Command::Wish {
                member: MemberKey(member),
                views,
            },
        );
    }

    /// Makes a client keep its slot acknowledgements back, or send the last one at once.
    pub fn hold_acks(&mut self, member: u64, hold: bool) {
        let state = self.member(member);
        state.holds_acks = hold;
        if !hold && let Some(rev) = state.unacked_rev.take() {
            self.command(
                member,
                Command::AckSlots {
                    member: MemberKey(member),
                    rev,
                },
            );
        }
    }

    /// Breaks or mends the signalling link; the control plane notices at once.
    /// What is under way waits for the link to come back.
    pub fn set_link(&mut self, member: u64, up: bool) {
        self.member(member).signalling.set_up(up);
        let shard = self.member(member).shard;
        self.order(
            shard,
            Command::SetLink {
                member: MemberKey(member),
                up,
            },
        );
        if up {
            self.resume_link(member);
        }
    }

    /// Takes a participant off the network without a word.
    pub fn vanish(&mut self, member: u64) {
        let address = self.participant(member).address();
        let mut access = self.network.access(address).unwrap_or_default();
        access.up.cut = true;
        access.down.cut = true;
        self.network.set_access(address, access);
        self.set_link(member, false);
    }

    /// Ends the participation at the server.
    pub fn drop_member(&mut self, member: u64) {
        let shard = self.member(member).shard;
        self.order(
            shard,
            Command::Drop {
                member: MemberKey(member),
            },
        );
    }

    /// Moves a participant to another address and restarts ICE from there.
    /// The old address is cut off.
    pub fn move_to(&mut self, member: u64, network: u8) {
        let address = member_address(member, network);
        let old = self.participant(member).address();
        let access = self.network.access(old).unwrap_or_default();
        self.network.set_access(address, access);
        self.addresses.insert(address, member);
        let mut cut = access;
        cut.up.cut = true;
        cut.down.cut = true;
        self.network.set_access(old, cut);
        self.restart_from(member, address);
    }

    /// Lets the translator of a participant give it another address outside, as
    /// one does that has forgotten a mapping. The participant does not notice.
    pub fn rebind(&mut self, member: u64, network: u8) {
        let inside = self.participant(member).address();
        let outside = member_address(member, network);
        let before = self.translated.insert(inside, outside).unwrap_or(inside);
        let access = self.network.access(before).unwrap_or_default();
        self.network.set_access(outside, access);
        self.addresses.remove(&before);
        self.addresses.insert(outside, member);
    }

    /// Moves a participant to a relayed address, from where it restarts ICE and
    /// insists on the relay. Its old address is still connected.
    pub fn move_to_relay(&mut self, member: u64) {
        let address = relayed_address(member);
        let access = self.network.access(self.participant(member).address());
        self.network.set_access(address, access.unwrap_or_default());
        self.addresses.insert(address, member);
        self.member(member).relay_only = true;
        self.restart_from(member, address);
    }

    /// Restarts ICE without leaving the address.
    pub fn restart_ice(&mut self, member: u64) {
        let address = self.participant(member).address();
        self.restart_from(member, address);
    }

    fn restart_from(&mut self, member: u64, address: SocketAddr) {
        let now = self.now;
        let state = self.member(member);
        let (generation, relay_only) = (state.generation, state.relay_only);
        let sdp = state.participant.restart_ice(now, address);
        self.command(
            member,
            Command::Offer {
                member: MemberKey(member),
                generation,
                sdp,
                relay_only,
            },
        );
    }

    /// Changes the line of a participant.
    pub fn set_access(&mut self, member: u64, access: Access) {
        let address = self.participant(member).address();
        self.network.set_access(address, access);
    }

    /// Puts a datagram on the network as anybody could.
    pub fn inject(&mut self, source: SocketAddr, destination: SocketAddr, payload: Vec<u8>) {
        self.network.send(
            self.now,
            Datagram {
                source,
                destination,
                payload,
            },
        );
    }

    /// Lets a participant ask for a keyframe of everything that it gets.
    pub fn pester(&mut self, member: u64) {
        let now = self.now;
        self.member(member).participant.pester(now);
    }

    /// The simulated network.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The address of the shard that holds the room of a participant.
    pub fn server_address(&self, member: u64) -> SocketAddr {
        self.shards[self.members[&member].shard].0
    }

    /// What the shard that holds the room of a participant has counted.
    pub fn counters(&self, member: u64) -> Counters {
        self.shards[self.members[&member].shard].1.counters()
    }

    /// The present.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// When the meeting began.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// A participant, to be looked at.
    pub fn participant(&self, member: u64) -> &Participant {
        &self.members[&member].participant
    }

    /// Everything that a participant has received.
    pub fn observation(&self, member: u64) -> Observation {
        self.participant(member).observation()
    }

    /// Which source was given to which slot of a participant, in order.
    pub fn assignments(&self, member: u64) -> &[Assignment] {
        &self.members[&member].assignments
    }

    /// How many answers a participant has taken.
    pub fn answers(&self, member: u64) -> usize {
        self.members[&member].answers
    }

    /// What the shards have reported, with the time at the shard.
    pub fn events(&self) -> &[(Instant, Event)] {
        &self.events
    }

    fn member(&mut self, member: u64) -> &mut Member {
        self.members
            .get_mut(&member)
            .expect("the participant has joined")
    }
}

fn shard_address(index: u8) -> SocketAddr {
    SocketAddr::new(
        IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
        10_000 + u16::from(index),
    )
}

/// Participants sit in 10.`network`.0.0/16, each at an address of its own.
fn relayed_address(member: u64) -> SocketAddr {
    SocketAddr::from((RELAYED_V4, 1_024 + member as u16))
}

fn member_address(member: u64, network: u8) -> SocketAddr {
    let [high, low] = (member as u16).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, network, high, low)), 40_000)
}
