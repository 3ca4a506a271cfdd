use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::epoch::epoch;
use crate::packet::CodecFacts;
use crate::{EstimatorKind, SenderKind, Shard, ShardConfig};
use conclave_sfu_wire::control::{Codec, Command, Event, MemberKey, MidName, Rid, RoomKey, Source};
use conclave_sfu_wire::ufrag::UfragKey;

const ROOM: RoomKey = RoomKey(7);
const ADA: MemberKey = MemberKey(10);
const BOB: MemberKey = MemberKey(20);
const LOW: usize = 0;

/// Two shards, and what was carried between them.
struct Pair {
    now: Instant,
    shards: [Shard; 2],
    carried: Vec<String>,
}

impl Pair {
    /// Ada publishes on the first shard, Bob on the second; neither knows of the other.
    fn new() -> Self {
        let now = epoch();
        let mut pair = Pair {
            now,
            shards: [0, 1].map(|index| shard(now, index)),
            carried: Vec::new(),
        };
        for (shard, member) in [(0, ADA), (1, BOB)] {
            pair.open(shard);
            pair.publish(shard, member);
        }
        pair
    }

    fn tell(&mut self, shard: usize, command: Command) {
        self.shards[shard].handle_command(self.now, command);
    }

    fn open(&mut self, shard: usize) {
        let policy = Default::default();
        self.tell(shard, Command::OpenRoom { room: ROOM, policy });
    }

    fn span(&mut self, shard: usize, shards: &[u8]) {
        let shards = shards.to_vec();
        let room = ROOM;
        self.tell(shard, Command::Span { room, shards });
    }

    fn in_room<T>(&mut self, shard: usize, look: impl FnOnce(&mut Room, &mut Services) -> T) -> T {
        let mut seen = None;
        self.shards[shard].in_room(0, |room, services| seen = Some(look(room, services)));
        seen.expect("each shard has one room")
    }

    fn publish(&mut self, shard: usize, member: MemberKey) {
        let now = self.now;
        self.tell(shard, Command::Admit { room: ROOM, member });
        self.in_room(shard, |room, _| {
            let place = room.by_key[&member];
            let mid = MidName::new("0").unwrap();
            let origin = Origin::Here(place);
            let mut camera = Publication::new(now, origin, member, Source::Camera, mid, false);
            camera.set_encodings(now, &Rid::ALL);
            let camera = room.publications.insert(camera);
            room.members[place].publications.push(camera);
            room.announce(camera);
        });
    }

    /// Carries what waits on the way from one shard. Returns what that was.
    fn carry_from(&mut self, from: usize) -> Vec<String> {
        self.shards[from].handle_timeout(self.now);
        let mut carried = Vec::new();
        while let Some((to, crossing)) = self.shards[from].poll_crossing() {
            carried.push(format!("{from}: {}", crossing.message.kind()));
            self.shards[usize::from(to)].handle_crossing(self.now, from as u8, crossing);
        }
        self.carried.extend_from_slice(&carried);
        carried
    }

    fn carry(&mut self) {
        while !self.carry_from(0).is_empty() || !self.carry_from(1).is_empty() {}
    }

    fn knows(&mut self, shard: usize, member: MemberKey) -> bool {
        let source = Source::Camera;
        let track = Track { member, source };
        self.in_room(shard, |room, _| room.publication_there(track).is_some())
    }

    /// Lets somebody on a shard want an encoding of a camera.
    fn want(&mut self, shard: usize, member: MemberKey, encoding: usize) {
        let now = self.now;
        self.in_room(shard, |room, _| {
            let camera = room.publication_of(member, Source::Camera).unwrap();
            room.publications[camera].want(now, encoding);
            room.request_keyframes(now, camera);
        });
    }

    /// Lets a packet of the lowest encoding of a camera come.
    fn send(&mut self, shard: usize, member: MemberKey, packet: &MediaPacket) {
        let now = self.now;
        self.in_room(shard, |room, services| {
            let camera = room.publication_of(member, Source::Camera).unwrap();
            room.cross(camera, LOW, packet);
            room.fan_out(now, camera, LOW, packet, services);
        });
    }

    /// The numbers of the packets of the lowest encoding that a shard keeps.
    fn kept(&mut self, shard: usize, member: MemberKey) -> Vec<u64> {
        let now = self.now;
        self.in_room(shard, |room, _| {
            let camera = room.publication_of(member, Source::Camera).unwrap();
            let cache = &room.publications[camera].encodings[LOW].cache;
            let packets = cache.since_keyframe(now).into_iter().flatten();
            packets.map(|packet| packet.seq).collect()
        })
    }

    fn passed(&mut self, shard: usize) -> usize {
        let events = std::iter::from_fn(|| self.shards[shard].poll_event());
        let passed = |event: &Event| {
            matches!(
                event,
                Event::Passed {
                    room: ROOM,
                    number: 1
                }
            )
        };
        events.filter(passed).count()
    }

    fn began(&self) -> usize {
        let began = self.carried.iter().filter(|what| what.ends_with("began"));
        began.count()
    }
}

fn shard(now: Instant, index: u8) -> Shard {
    let config = ShardConfig {
        index,
        candidates: vec![SocketAddr::from(([192, 0, 2, 1], 10_000))],
        ufrag_key: UfragKey([1; 16]),
        seed: [2; 32],
        sender: SenderKind::default(),
        estimator: EstimatorKind::default(),
        ntp_at_start: 0,
    };
    Shard::new(now, config)
}

fn packet(now: Instant, seq: u64, keyframe_start: bool) -> MediaPacket {
    MediaPacket {
        codec: Codec::H264,
        ssrc: 1,
        seq,
        timestamp: seq as u32 * 3_000,
        marker: true,
        arrival: now,
        keyframe_start,
        height_px: None,
        facts: CodecFacts::H264,
        level: None,
        quarter_turns: None,
        payload: vec![0; 100].into(),
    }
}

#[test]
fn shards_that_hear_of_each_other_at_any_time_tell_each_other_everything_once() {
    for order in [
        &[0, 1][..],
        &[1, 0],
        &[0, 9, 1],
        &[1, 9, 0],
        &[0, 0, 9, 1, 1],
    ] {
        let mut pair = Pair::new();
        for step in order {
            match step {
                9 => pair.carry(),
                shard => pair.span(*shard, &[0, 1]),
            }
        }
        pair.carry();
        assert!(pair.knows(0, BOB) && pair.knows(1, ADA), "{order:?}");
        assert_eq!(pair.began(), 2, "{order:?}: {:?}", pair.carried);
    }
}

#[test]
fn a_shard_that_is_not_listed_is_forgotten_and_met_again() {
    let mut pair = Pair::new();
    pair.span(0, &[0, 1]);
    pair.span(1, &[0, 1]);
    pair.carry();
    pair.span(0, &[0]);
    assert!(!pair.knows(0, BOB));
    assert!(pair.in_room(0, |room, _| room.span.is_none()));
    // What it still says is not heard.
    pair.publish(1, MemberKey(21));
    pair.carry();
    assert!(!pair.knows(0, MemberKey(21)));
    pair.span(0, &[0, 1]);
    pair.carry();
    for member in [BOB, MemberKey(21)] {
        assert!(pair.knows(0, member));
    }
    assert!(pair.knows(1, ADA));
}

#[test]
fn a_room_that_is_opened_again_is_told_of_everything_again() {
    let mut pair = Pair::new();
    pair.span(0, &[0, 1]);
    pair.span(1, &[0, 1]);
    pair.carry();
    pair.tell(1, Command::CloseRoom { room: ROOM });
    pair.open(1);
    pair.span(1, &[0, 1]);
    pair.carry();
    assert!(pair.knows(1, ADA));
    assert!(!pair.knows(0, BOB), "it is not published any more");
}

#[test]
fn what_is_wanted_crosses_from_the_last_keyframe_on_and_only_then() {
    let mut pair = Pair::new();
    pair.span(0, &[0, 1]);
    pair.span(1, &[0, 1]);
    pair.carry();
    let now = pair.now;
    for (seq, key) in [(1, true), (2, false), (3, true), (4, false)] {
        pair.send(0, ADA, &packet(now, seq, key));
    }
    let carried = pair.carry_from(0);
    assert_eq!(carried, ["0: carries"], "only what it is");
    pair.want(1, ADA, LOW);
    pair.carry();
    assert_eq!(pair.kept(1, ADA), [3, 4]);
    let sent = packet(now, 5, false);
    pair.send(0, ADA, &sent);
    pair.carry();
    assert_eq!(pair.kept(1, ADA), [3, 4, 5]);
    let shares = Arc::strong_count(&sent.payload);
    assert_eq!(shares, 2, "here and in the cache of its own shard");

    // Nobody has wanted it for a while: what is left is of no use later.
    pair.now += std::time::Duration::from_secs(2);
    let now = pair.now;
    pair.in_room(1, |room, services| room.tend_span(now, services));
    pair.send(0, ADA, &packet(now, 6, false));
    assert_eq!(pair.kept(1, ADA), [0_u64; 0]);
    pair.carry();
    pair.send(0, ADA, &packet(now, 7, false));
    assert_eq!(pair.carry_from(0), [""; 0]);
    assert_eq!(pair.kept(1, ADA), [0_u64; 0], "packet 6 was not asked for");
}

#[test]
fn a_demand_for_what_was_before_is_not_taken() {
    let mut pair = Pair::new();
    pair.span(0, &[0, 1]);
    pair.span(1, &[0, 1]);
    pair.carry();
    pair.want(1, ADA, LOW);
    pair.in_room(0, |room, _| {
        let camera = room.publication_of(ADA, Source::Camera).unwrap();
        room.announce(camera);
    });
    pair.carry_from(1);
    let wanted = pair.in_room(0, |room, _| {
        let camera = room.publication_of(ADA, Source::Camera).unwrap();
        room.publications[camera].across[0].wanted
    });
    assert_eq!(wanted, Encodings::default());
    pair.carry();
    pair.want(1, ADA, LOW);
    assert_eq!(pair.carry_from(1), ["1: demand"], "it is said again");
}

#[test]
fn a_barrier_is_passed_by_all_and_at_once_by_who_does_not_hold_the_room() {
    let mut pair = Pair::new();
    let barrier = Command::Barrier {
        room: ROOM,
        number: 1,
    };
    pair.tell(0, barrier.clone());
    assert_eq!(pair.passed(0), 1, "alone");
    pair.span(0, &[0, 1]);
    pair.tell(0, barrier.clone());
    assert_eq!(pair.passed(0), 0);
    pair.carry();
    assert_eq!(pair.passed(0), 1, "the other knows nothing of it");
    pair.span(1, &[0, 1]);
    pair.carry();
    pair.tell(0, barrier.clone());
    pair.tell(0, Command::CloseRoom { room: ROOM });
    pair.carry();
    assert_eq!(pair.passed(0), 1, "although the room ended");
    pair.tell(1, barrier);
    pair.carry();
    assert_eq!(pair.passed(1), 1);
}
