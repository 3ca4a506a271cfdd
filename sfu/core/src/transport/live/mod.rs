//! A browser's half that is the library's, a real handshake, and a line
//! between: what a sender seals is opened by somebody who did not write it.

mod estimators;
mod profiles;

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use str0m::change::SdpAnswer;
use str0m::media::{Direction as MediaDirection, MediaKind as Str0mKind, Mid};
use str0m::rtp::RtpPacket;

use super::*;
use crate::arena::{Batch, DatagramSink};
use crate::clock::ReportClock;
use crate::egress::{Making, OwnSender};
use crate::epoch::epoch;
use crate::packet::{CodecFacts, Outgoing};
use crate::sender::{EstimatorKind, Route, Sender, StreamParams};

/// How often the world moves on.
const STEP: Duration = Duration::from_millis(1);

/// How many packets can be asked for again.
const CACHED: usize = 1_024;

/// The line from the server to the browser.
#[derive(Debug, Clone, Copy)]
struct Line {
    rate_bps: u64,
    /// One way, in both directions.
    delay: Duration,
    /// At most so much more, differently for each packet, without reordering.
    jitter: Duration,
    /// How much the buffer before the line holds, as time.
    buffer: Duration,
    loss: f64,
}

impl Line {
    fn of(rate_bps: u64) -> Line {
        Line {
            rate_bps,
            delay: Duration::from_millis(25),
            jitter: Duration::ZERO,
            buffer: Duration::from_millis(300),
            loss: 0.0,
        }
    }
}

/// One connection: the browser watches one picture and sends another.
struct World {
    now: Instant,
    line: Line,
    client: Rtc,
    /// The m-line on which the browser sends.
    camera: Mid,
    transport: Transport,
    sender: Box<dyn Sender>,
    slot: StreamParams,
    arena: SendArena,
    rng: StdRng,
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
    /// When the line is done with what it has, and the last arrival.
    busy_until: Instant,
    arrived: Instant,
    client_due: Instant,
    /// The next packet of ours that the line loses although it is good.
    loses_next: bool,
    sent: VecDeque<(u64, MediaPacket)>,
    next_seq: u64,
    stirred: bool,
    seen: Seen,
}

/// What both sides have noticed.
#[derive(Default)]
struct Seen {
    /// By the browser.
    packets: Vec<RtpPacket>,
    /// How often the browser was asked for a keyframe.
    asked: usize,
    /// By the server.
    media: Vec<MediaPacket>,
    aead: Option<bool>,
    nacked: Vec<u16>,
    wanted: usize,
    estimate_bps: u64,
    refused: usize,
}

impl World {
    /// A connection over `line`, sent to by `kind`, after its handshake.
    fn connected(kind: SenderKind, line: Line, seed: u64) -> World {
        let now = epoch();
        let config = TransportConfig {
            candidates: &[server()],
            credentials: credentials(1),
            video_codecs: &[Codec::Vp8],
            sender: kind,
        };
        let mut transport = Transport::new(now, config);
        let (mut client, _) = provider::build(Rtc::builder().set_rtp_mode(true), now);
        client.add_local_candidate(Candidate::host(browser(), Protocol::Udp).unwrap());
        let mut changes = client.sdp_api();
        let mut line_of =
            |direction| changes.add_media(Str0mKind::Video, direction, None, None, None);
        let camera = line_of(MediaDirection::SendOnly);
        let slot = line_of(MediaDirection::RecvOnly);
        let (offer, pending) = changes.apply().unwrap();
        let negotiated = transport
            .negotiate(&offer.to_sdp_string(), || credentials(2))
            .unwrap();
        let answer = SdpAnswer::from_sdp_string(&negotiated.answer).unwrap();
        client.sdp_api().accept_answer(pending, answer).unwrap();
        let slot = StreamParams {
            mid: MidName::new(&slot).unwrap(),
            video: true,
            index: 0,
        };
        let mut sender: Box<dyn Sender> = match kind {
            SenderKind::Str0m => Box::new(Str0mSender::default()),
            SenderKind::Own => {
                let making = Making {
                    clock: ReportClock::new(now, 1 << 40),
                    estimator: EstimatorKind::GoogCc.make(now),
                    rng: StdRng::seed_from_u64(seed),
                };
                Box::new(OwnSender::new(now, making))
            }
        };
        sender.bind(&mut transport, slot);
        let mut world = World {
            now,
            line,
            client,
            camera,
            transport,
            sender,
            slot,
            arena: SendArena::default(),
            rng: StdRng::seed_from_u64(seed),
            up: VecDeque::new(),
            down: VecDeque::new(),
            busy_until: now,
            arrived: now,
            client_due: now,
            loses_next: false,
            sent: VecDeque::new(),
            next_seq: 1_000,
            stirred: true,
            seen: Seen {
                estimate_bps: ESTIMATE_START_BPS,
                ..Seen::default()
            },
        };
        world.run_until("it is connected", |world| {
            world.transport.path().is_some() && world.client.is_connected()
        });
        world
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.step();
        }
    }

    fn run_until(&mut self, what: &str, mut holds: impl FnMut(&World) -> bool) {
        let end = self.now + Duration::from_secs(10);
        while !holds(self) {
            assert!(self.now < end, "not within ten seconds: {what}");
            self.step();
        }
    }

    /// Sends a packet of a picture on the slot.
    fn push(&mut self, payload: Vec<u8>, marker: bool) {
        let packet = MediaPacket {
            codec: Codec::Vp8,
            ssrc: 7,
            seq: self.next_seq,
            timestamp: (self.next_seq as u32).wrapping_mul(90),
            marker,
            arrival: self.now,
            keyframe_start: false,
            height_px: None,
            facts: CodecFacts::Vp8 {
                picture_id: None,
                tl0_pic_idx: None,
            },
            level: None,
            quarter_turns: None,
            payload: payload.into(),
        };
        let out = outgoing(&packet);
        self.sender
            .push(self.now, &mut self.transport, self.slot, out);
        self.sent.push_back((self.next_seq, packet));
        if self.sent.len() > CACHED {
            self.sent.pop_front();
        }
        self.next_seq += 1;
        self.stirred = true;
    }

    fn step(&mut self) {
        self.now += STEP;
        let now = self.now;
        while let Some((_, datagram)) = self.up.pop_front_if(|(at, _)| *at <= now) {
            self.serve(&datagram);
        }
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.transport.poll_timeout()) {
            self.transport.handle_timeout(now, &mut self.arena);
        }
        if std::mem::take(&mut self.stirred) || is_due(self.sender.poll_timeout()) {
            self.transport.flush(now, &mut self.arena);
            self.sender.flush(&mut self.transport, now, &mut self.arena);
        }
        self.take_events();
        self.transmit();
        while let Some((_, datagram)) = self.down.pop_front_if(|(at, _)| *at <= now) {
            let receive = Receive {
                proto: Protocol::Udp,
                source: server(),
                destination: browser(),
                contents: datagram.as_slice().try_into().unwrap(),
            };
            let input = Input::Receive(now, receive);
            self.client.handle_input(input).unwrap();
            self.drain_client();
        }
        if self.client_due <= now {
            self.client.handle_input(Input::Timeout(now)).unwrap();
            self.drain_client();
        }
    }

    /// What a room does with a datagram.
    fn serve(&mut self, datagram: &[u8]) {
        let now = self.now;
        if demux::Class::of(datagram) == Some(demux::Class::Rtcp) {
            let route = self.sender.handle_rtcp(now, &self.transport, datagram);
            self.seen.refused += usize::from(route == Route::Refused);
            self.stirred = true;
            if route != Route::Transport {
                return;
            }
        }
        if self.transport.admit(datagram) {
            let (source, destination) = (browser(), server());
            self.transport
                .handle_datagram(now, source, destination, datagram, &mut self.arena);
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Connected { keys } => {
                    self.seen.aead = Some(keys.is_aead());
                    self.sender.connected(self.now, keys).unwrap();
                }
                TransportEvent::Media { packet, .. } => self.seen.media.push(packet),
                _ => {}
            }
        }
        while let Some(event) = self.sender.poll_event(&mut self.transport) {
            match event {
                SenderEvent::Estimate(bps) => self.seen.estimate_bps = bps,
                SenderEvent::Keyframe(_) => self.seen.wanted += 1,
                SenderEvent::Nack(_, seq) => {
                    self.seen.nacked.push(seq);
                    let found = self.sent.iter().find(|(sent, _)| *sent as u16 == seq);
                    if let Some((_, packet)) = found {
                        let out = outgoing(packet);
                        self.sender.resend(self.now, self.slot, out);
                        self.stirred = true;
                    }
                }
                SenderEvent::Dropped(_) => {}
            }
        }
        assert_eq!(self.transport.poll_failure(), None);
    }

    /// Puts what leaves on the line.
    fn transmit(&mut self) {
        let mut sink = Collected::default();
        self.arena.flush(&mut sink);
        for datagram in sink.0 {
            let begins = self.busy_until.max(self.now);
            let lost = self.rng.random::<f64>() < self.line.loss;
            if begins - self.now > self.line.buffer || lost {
                continue;
            }
            let is_rtp = demux::Class::of(&datagram) == Some(demux::Class::Rtp);
            if is_rtp && std::mem::take(&mut self.loses_next) {
                continue;
            }
            let micros = datagram.len() as u64 * 8_000_000 / self.line.rate_bps;
            self.busy_until = begins + Duration::from_micros(micros);
            let jitter = self.line.jitter.mul_f64(self.rng.random::<f64>());
            let arrives = self.busy_until + self.line.delay + jitter;
            self.arrived = self.arrived.max(arrives);
            self.down.push_back((self.arrived, datagram));
        }
    }

    fn drain_client(&mut self) {
        loop {
            match self.client.poll_output().unwrap() {
                Output::Event(Event::RtpPacket(packet)) => self.seen.packets.push(packet),
                Output::Event(Event::KeyframeRequest(_)) => self.seen.asked += 1,
                Output::Event(_) => {}
                Output::Transmit(transmit) => {
                    let arrives = self.now + self.line.delay;
                    self.up.push_back((arrives, transmit.contents.to_vec()));
                }
                Output::Timeout(at) => {
                    self.client_due = at;
                    return;
                }
            }
        }
    }
}

/// The packet with the numbers that the publisher gave it.
fn outgoing(packet: &MediaPacket) -> Outgoing<'_> {
    Outgoing {
        packet,
        seq: packet.seq,
        timestamp: packet.timestamp,
        marker: packet.marker,
        picture_id: None,
        tl0_pic_idx: None,
    }
}

#[derive(Default)]
struct Collected(Vec<Vec<u8>>);

impl DatagramSink for Collected {
    fn send(&mut self, batch: Batch<'_>) {
        let datagrams = batch.payload.chunks(batch.segment);
        self.0.extend(datagrams.map(<[u8]>::to_vec));
    }
}

fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 10_000))
}

fn browser() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 5_000))
}

fn credentials(number: u8) -> Credentials {
    Credentials {
        ufrag: format!("ufrag{number}"),
        password: format!("{number}").repeat(32),
    }
}
