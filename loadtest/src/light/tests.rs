//! Light viewers at a shard of the server, on a virtual clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use conclave_sfu_core::arena::{Batch, DatagramSink};
use conclave_sfu_core::{Counters, EstimatorKind, SenderKind, Shard, ShardConfig};
use conclave_sfu_wire::control::{
    Command, Event as ShardEvent, MemberKey, Priority, RoomKey, RoomPolicy, Source, View,
};
use conclave_sfu_wire::rtp::Header;
use conclave_sfu_wire::ufrag::UfragKey;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::lines::Content;
use super::*;
use crate::epoch;
use crate::link::{Link, LinkConfig, Loss, Rate};
use crate::participant::Participant;

const SHARD: &str = "203.0.113.1:10000";
const PUBLISHER: &str = "10.0.0.1:40000";
const VIEWER: &str = "10.0.0.2:40000";
const ROOM: RoomKey = RoomKey(1);
const DELAY: Duration = Duration::from_millis(20);

/// A publisher, a shard, a light viewer behind a line.
struct Rig {
    now: Instant,
    shard: Shard,
    publisher: Participant,
    viewer: LightViewer,
    down: Link,
    /// Of the publisher.
    up: Link,
    random: StdRng,
    wire: BinaryHeap<Reverse<Datagram>>,
    order: u64,
    /// What the line of the viewer was given, without what was sent again.
    given: BTreeMap<u32, Given>,
}

/// The packets of one stream in front of a line.
struct Given {
    is_audio: bool,
    first: u64,
    highest: u64,
    /// Those that passed.
    passed: BTreeSet<u64>,
}

impl Given {
    fn new(is_audio: bool, seq: u16) -> Given {
        let first = (1 << 16) + u64::from(seq);
        Given {
            is_audio,
            first,
            highest: first,
            passed: BTreeSet::new(),
        }
    }

    fn note(&mut self, seq: u16, passes: bool) {
        let ahead = seq.wrapping_sub(self.highest as u16) as i16;
        let seq = self.highest.saturating_add_signed(i64::from(ahead));
        self.highest = self.highest.max(seq);
        if passes {
            self.passed.insert(seq);
        }
    }

    /// Numbers that were used, those among them that never were in front of the line.
    fn span(&self) -> u64 {
        self.highest + 1 - self.first
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    at: Instant,
    order: u64,
    source: SocketAddr,
    destination: SocketAddr,
    payload: Vec<u8>,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Rig {
    /// Lets both join, and the publisher publish.
    fn new(simulcast: bool) -> Rig {
        let now = epoch();
        let config = ShardConfig {
            index: 0,
            candidates: vec![address(SHARD)],
            ufrag_key: UfragKey([7; 16]),
            seed: [11; 32],
            sender: SenderKind::Own,
            estimator: EstimatorKind::GoogCc,
            ntp_at_start: 3_976_214_400 << 32,
        };
        let mut publisher = ParticipantConfig {
            simulcast,
            ..ParticipantConfig::new(1, address(PUBLISHER))
        };
        if simulcast {
            // More than the server takes a path for of which it knows nothing.
            publisher.pictures.camera[2].bitrate_bps = 5_000_000;
        }
        let viewer = ParticipantConfig {
            video_slots: 2,
            ..ParticipantConfig::new(2, address(VIEWER))
        };
        let mut rig = Rig {
            now,
            shard: Shard::new(now, config),
            publisher: Participant::new(now, publisher),
            viewer: LightViewer::new(now, viewer),
            down: Link::new(LinkConfig {
                delay: DELAY,
                ..LinkConfig::default()
            }),
            up: Link::new(LinkConfig {
                delay: DELAY,
                ..LinkConfig::default()
            }),
            random: StdRng::seed_from_u64(5),
            wire: BinaryHeap::new(),
            order: 0,
            given: BTreeMap::new(),
        };
        let policy = RoomPolicy::default();
        rig.command(Command::OpenRoom { room: ROOM, policy });
        let offers = [rig.publisher.offer(now), rig.viewer.offer_to_watch(now)];
        for (number, sdp) in (1..).zip(offers) {
            let member = MemberKey(number);
            rig.command(Command::Admit { room: ROOM, member });
            rig.command(Command::Offer {
                member,
                generation: 1,
                sdp,
                relay_only: false,
            });
        }
        let camera = View {
            member: MemberKey(1),
            source: Source::Camera,
            max_height_px: 720,
            priority: Priority::Gallery,
        };
        rig.command(Command::Wish {
            member: MemberKey(2),
            views: vec![camera],
        });
        rig.run(Duration::from_secs(2));
        assert!(rig.publisher.has_connected() && rig.viewer.has_connected());
        for source in [Source::Microphone, Source::Camera] {
            rig.command(Command::Publish {
                member: MemberKey(1),
                attempt: 1,
                mid: rig.publisher.sending_mid(source).unwrap(),
                source,
                muted: false,
            });
        }
        rig
    }

    fn command(&mut self, command: Command) {
        self.shard.handle_command(self.now, command);
    }

    fn counters(&self) -> Counters {
        self.shard.counters()
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..10_000_000 {
            self.collect();
            let wire = self.wire.peek().map(|Reverse(datagram)| datagram.at);
            let due = [
                wire,
                self.publisher.poll_timeout(),
                self.viewer.poll_timeout(),
                self.shard.poll_timeout(),
            ];
            let next = due.into_iter().flatten().min().unwrap().max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            while self
                .wire
                .peek()
                .is_some_and(|Reverse(datagram)| datagram.at <= next)
            {
                let Some(Reverse(datagram)) = self.wire.pop() else {
                    break;
                };
                self.deliver(datagram);
            }
            if self.publisher.poll_timeout().is_some_and(|due| due <= next) {
                self.publisher.handle_timeout(next);
            }
            if self.viewer.poll_timeout().is_some_and(|due| due <= next) {
                self.viewer.handle_timeout(next);
            }
        }
        panic!("the clock stands still");
    }

    fn deliver(&mut self, datagram: Datagram) {
        let Datagram {
            source,
            destination,
            mut payload,
            ..
        } = datagram;
        let now = self.now;
        if destination == address(SHARD) {
            self.shard
                .handle_datagram(now, source, destination, &mut payload);
        } else if destination == address(PUBLISHER) {
            self.publisher
                .handle_datagram(now, source, destination, &payload);
        } else {
            self.viewer
                .handle_datagram(now, source, destination, &payload);
        }
    }

    fn collect(&mut self) {
        let mut sent = Vec::new();
        while let Some(outgoing) = self.publisher.poll_outgoing() {
            sent.push(outgoing);
        }
        while let Some(outgoing) = self.viewer.poll_outgoing() {
            sent.push(outgoing);
        }
        let mut sink = Sink(Vec::new());
        self.shard.handle_timeout(self.now);
        self.shard.flush(&mut sink);
        sent.append(&mut sink.0);
        while let Some(event) = self.shard.poll_event() {
            self.handle_event(event);
        }
        for outgoing in sent {
            self.send(outgoing);
        }
    }

    fn send(&mut self, outgoing: Outgoing) {
        let times = if outgoing.destination == address(VIEWER) {
            let len = outgoing.payload.len();
            let times = self.down.pass(self.now, len, &mut self.random);
            let is_rtp = Class::of(&outgoing.payload) == Some(Class::Rtp);
            if let Some(header) = Header::parse(&outgoing.payload).filter(|_| is_rtp) {
                let media = self.viewer.media().unwrap();
                let content = media.lines().content(header.payload_type).unwrap();
                if content != Content::Rtx {
                    let is_audio = matches!(content, Content::Audio(_));
                    let given = self.given.entry(header.ssrc);
                    let given = given.or_insert_with(|| Given::new(is_audio, header.seq));
                    given.note(header.seq, !times.is_empty());
                }
            }
            times
        } else if outgoing.source == address(PUBLISHER) {
            let len = outgoing.payload.len();
            self.up.pass(self.now, len, &mut self.random)
        } else {
            vec![self.now + DELAY]
        };
        for at in times {
            self.order += 1;
            self.wire.push(Reverse(Datagram {
                at,
                order: self.order,
                source: outgoing.source,
                destination: outgoing.destination,
                payload: outgoing.payload.clone(),
            }));
        }
    }

    /// Ends the lines' faults and the media; returns what the viewer counted, which is all that
    /// there was to count.
    fn finish(&mut self) -> Counts {
        for line in [&mut self.up, &mut self.down] {
            line.config = LinkConfig {
                delay: DELAY,
                ..LinkConfig::default()
            };
        }
        self.run(Duration::from_secs(1));
        for source in [Source::Microphone, Source::Camera] {
            self.publisher.publish(self.now, source, false);
        }
        self.run(Duration::from_secs(1));
        let counts = self.viewer.counts();
        let of = |is_audio| {
            self.given
                .values()
                .filter(move |it| it.is_audio == is_audio)
        };
        let span = |is_audio| of(is_audio).map(Given::span).sum::<u64>();
        let video = counts.video_packets + counts.video_lost() + counts.video_late;
        assert_eq!(video, span(false), "{counts:?}");
        let audio = counts.audio_packets + counts.audio_lost() + counts.audio_late;
        assert_eq!(audio, span(true), "{counts:?}");
        let heard = of(true).map(|it| it.passed.len() as u64).sum::<u64>();
        assert_eq!(counts.audio_packets + counts.audio_late, heard);
        let seen = of(false).map(|it| it.passed.len() as u64).sum::<u64>();
        let came = counts.video_packets + counts.video_late;
        let resent = self.counters().resent;
        assert!((seen..=seen + resent).contains(&came), "{seen} {counts:?}");
        counts
    }

    fn handle_event(&mut self, event: ShardEvent) {
        let now = self.now;
        match event {
            ShardEvent::Answer {
                member: MemberKey(1),
                sdp,
                ..
            } => {
                self.publisher.accept_answer(now, &sdp).unwrap();
            }
            ShardEvent::Answer { sdp, .. } => self.viewer.accept_answer(now, &sdp).unwrap(),
            ShardEvent::Published { source, .. } => self.publisher.publish(now, source, true),
            ShardEvent::Layers { source, active, .. } => {
                self.publisher.set_active(source, &active);
            }
            ShardEvent::Slots { member, rev, .. } => {
                self.command(Command::AckSlots { member, rev });
            }
            ShardEvent::OfferRefused { .. } | ShardEvent::TransportFailed { .. } => {
                panic!("refused");
            }
            _ => {}
        }
    }
}

struct Sink(Vec<Outgoing>);

impl DatagramSink for Sink {
    fn send(&mut self, batch: Batch<'_>) {
        for payload in batch.payload.chunks(batch.segment) {
            self.0.push(Outgoing {
                source: batch.source,
                destination: batch.destination,
                payload: payload.to_vec(),
            });
        }
    }
}

#[test]
fn everything_arrives_and_every_answer_is_taken() {
    let mut rig = Rig::new(false);
    rig.run(Duration::from_secs(8));
    let counts = rig.viewer.counts();
    assert!(counts.audio_packets > 380, "{counts:?}");
    assert_eq!((counts.video_given_up, counts.audio_given_up), (0, 0));
    let frames = rig.viewer.frames_ended();
    assert!((150..=250).contains(&frames), "{frames} frames");
    assert!(rig.viewer.first_video().is_some() && rig.viewer.first_audio().is_some());
    assert_eq!(rig.counters().rtcp_refused, 0);
    assert_eq!(rig.counters().nacked, 0);
}

#[test]
fn its_feedback_lets_the_estimate_rise_to_the_highest_encoding() {
    let mut rig = Rig::new(true);
    rig.run(Duration::from_secs(2));
    let start = rig.viewer.counts().video_packets;
    rig.run(Duration::from_secs(2));
    let early = rig.viewer.counts().video_packets - start;
    rig.run(Duration::from_secs(20));
    let before = rig.viewer.counts().video_packets;
    rig.run(Duration::from_secs(2));
    let late = rig.viewer.counts().video_packets - before;
    // 5 Mbit/s in packets of some 1,100 bytes. Reports alone let the estimate rise as well,
    // but not in two seconds.
    assert!(early > 900 && late > 900, "{early} then {late}");
    assert!(rig.counters().probes > 0);
    assert_eq!(rig.counters().rtcp_refused, 0);
}

#[test]
fn loss_is_counted_to_the_packet() {
    for (up, down) in [(0.0, 0.05), (0.05, 0.0), (0.02, 0.02)] {
        let mut rig = Rig::new(false);
        rig.run(Duration::from_secs(3));
        rig.up.config.loss = Loss::Bernoulli(up);
        rig.down.config.loss = Loss::Bernoulli(down);
        rig.down.config.reordering = 0.02;
        rig.down.config.duplication = 0.02;
        rig.run(Duration::from_secs(10));
        let counts = rig.finish();
        // What was sent again made good for nearly all of the picture; sound is not sent again.
        assert!(rig.counters().resent > 0, "{:?}", rig.counters());
        assert!(counts.video_lost() <= 3, "{counts:?}");
        assert!(counts.audio_lost() > 0, "{counts:?}");
        assert_eq!(rig.counters().dropped, 0);
        assert_eq!(rig.counters().rtcp_refused, 0);
    }
}

#[test]
fn pictures_that_the_server_gives_up_are_lost_to_the_packet() {
    let mut rig = Rig::new(false);
    rig.run(Duration::from_secs(3));
    // A third of what the picture needs: what waits in front of it for too long is dropped.
    rig.down.config.rate = Some(Rate {
        bitrate_bps: 500_000,
        burst_bytes: 8_000,
        queue_bytes: 12_500,
    });
    rig.run(Duration::from_secs(10));
    let counts = rig.finish();
    assert!(rig.counters().dropped > 0, "{:?}", rig.counters());
    assert!(counts.video_lost() > 100, "{counts:?}");
}
