//! One participant against a plain str0m that sends everything back.

use super::*;
use crate::epoch;
use crate::source::splitmix;
use str0m::change::SdpOffer;
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Input, Output};

const HERE: &str = "192.0.2.1:4000";
const SERVER: &str = "198.51.100.1:10000";
/// One way. Never zero: a round trip of nothing sends str0m's estimator into a loop.
const DELAY: Duration = Duration::from_millis(10);

/// Sends every packet of the camera's `f` back on the first video slot and the
/// microphone on the first audio slot.
struct Mirror {
    rtc: Rtc,
    due: Instant,
    video_slot: Mid,
    audio_slot: Mid,
    camera: Mid,
    microphone: Mid,
    sent: Vec<Vec<u8>>,
    received: usize,
}

impl Mirror {
    fn drain(&mut self) {
        for _ in 0..10_000 {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(due) => {
                    self.due = due;
                    return;
                }
                Output::Transmit(transmit) => self.sent.push(transmit.contents.to_vec()),
                Output::Event(Event::RtpPacket(packet)) => self.reflect(packet),
                Output::Event(Event::KeyframeRequest(_)) => {
                    let rid = Some(RtcRid::from("f"));
                    let camera = self.camera;
                    let mut api = self.rtc.direct_api();
                    api.stream_rx_by_mid(camera, rid)
                        .unwrap()
                        .request_keyframe(KeyframeRequestKind::Pli);
                }
                Output::Event(_) => {}
            }
        }
        panic!("no end of outputs");
    }

    fn reflect(&mut self, packet: RtpPacket) {
        self.received += 1;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_rx(&packet.header.ssrc).unwrap();
        let (mid, rid) = (stream.mid(), stream.rid());
        let slot = if mid == self.camera && rid == Some(RtcRid::from("f")) {
            self.video_slot
        } else if mid == self.microphone {
            self.audio_slot
        } else {
            return;
        };
        let ext_vals = ExtensionValues {
            audio_level: packet.header.ext_vals.audio_level,
            voice_activity: packet.header.ext_vals.voice_activity,
            ..ExtensionValues::default()
        };
        let write = RtpWrite::new(
            packet.header.payload_type,
            (*packet.seq_no & 0xFFFF_FFFF).into(),
            packet.header.timestamp,
            packet.timestamp,
            packet.payload,
        )
        .marker(packet.header.marker)
        .ext_vals(ext_vals)
        .nackable(slot == self.video_slot);
        self.rtc
            .direct_api()
            .stream_tx_by_mid(slot, None)
            .unwrap()
            .write_rtp(write);
    }
}

/// Both ends and the datagrams under way, with `lost` of a thousand thrown away.
struct Pair {
    now: Instant,
    participant: Participant,
    mirror: Mirror,
    wire: Vec<(Instant, bool, Vec<u8>)>,
    lost: u64,
    seed: u64,
}

impl Pair {
    fn new(lost: u64) -> Self {
        let now = epoch();
        let config = ParticipantConfig {
            video_slots: 2,
            audio_slots: 1,
            ..ParticipantConfig::new(1, HERE.parse().unwrap())
        };
        let mut participant = Participant::new(now, config);
        let offer = participant.offer(now);
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(SERVER.parse().unwrap(), "udp").unwrap());
        let offer = SdpOffer::from_sdp_string(&offer).unwrap();
        let answer = rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
        let mid = |name: MidName| Mid::from(name.as_str());
        let mut mirror = Mirror {
            rtc,
            due: now,
            video_slot: mid(participant.video_slots()[0]),
            audio_slot: mid(participant.audio_slots()[0]),
            camera: mid(participant.sending_mid(Source::Camera).unwrap()),
            microphone: mid(participant.sending_mid(Source::Microphone).unwrap()),
            sent: Vec::new(),
            received: 0,
        };
        mirror.drain();
        participant.accept_answer(now, &answer).unwrap();
        Pair {
            now,
            participant,
            mirror,
            wire: Vec::new(),
            lost,
            seed: 1,
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..1_000_000 {
            self.collect();
            let wire = self.wire.iter().map(|(at, ..)| *at);
            let next = wire
                .chain(self.participant.poll_timeout())
                .chain([self.mirror.due]);
            let next = next.min().unwrap().max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            let (due, later) = self.wire.drain(..).partition(|(at, ..)| *at <= next);
            self.wire = later;
            let due: Vec<(Instant, bool, Vec<u8>)> = due;
            for (_, to_mirror, payload) in due {
                self.deliver(to_mirror, &payload);
            }
            if self
                .participant
                .poll_timeout()
                .is_some_and(|due| due <= next)
            {
                self.participant.handle_timeout(next);
            }
            if self.mirror.due <= next {
                self.mirror.rtc.handle_input(Input::Timeout(next)).unwrap();
                self.mirror.drain();
            }
        }
        panic!("the clock stands still");
    }

    fn deliver(&mut self, to_mirror: bool, payload: &[u8]) {
        let (here, server) = (HERE.parse().unwrap(), SERVER.parse().unwrap());
        if !to_mirror {
            self.participant
                .handle_datagram(self.now, server, here, payload);
            return;
        }
        let contents = payload.try_into().unwrap();
        let receive = Receive {
            proto: Protocol::Udp,
            source: here,
            destination: server,
            contents,
        };
        self.mirror
            .rtc
            .handle_input(Input::Receive(self.now, receive))
            .unwrap();
        self.mirror.drain();
    }

    fn collect(&mut self) {
        let at = self.now + DELAY;
        let mut sent = Vec::new();
        while let Some(outgoing) = self.participant.poll_outgoing() {
            sent.push((at, true, outgoing.payload));
        }
        sent.extend(
            self.mirror
                .sent
                .drain(..)
                .map(|payload| (at, false, payload)),
        );
        for datagram in sent {
            if splitmix(&mut self.seed) % 1_000 >= self.lost {
                self.wire.push(datagram);
            }
        }
    }

    fn play(&mut self, duration: Duration) -> Observation {
        self.run(Duration::from_secs(1));
        assert!(self.participant.has_connected());
        self.participant.publish(self.now, Source::Camera, true);
        self.participant.publish(self.now, Source::Microphone, true);
        self.run(duration);
        self.participant.observation()
    }
}

#[test]
fn the_offer_reads_as_one_of_a_browser() {
    let now = epoch();
    let config = ParticipantConfig::new(1, HERE.parse().unwrap());
    let offer = Participant::new(now, config).offer(now);
    let lines: Vec<&str> = offer.split("\r\nm=").skip(1).collect();
    let kinds: Vec<bool> = lines.iter().map(|line| line.starts_with("video")).collect();
    let expected = [&[false, true, true, false][..], &[true; 12], &[false; 4]].concat();
    assert_eq!(kinds, expected);
    assert!(lines[1].contains("a=simulcast:send q;h;f") && !lines[1].contains("a=ssrc"));
    assert!(lines[..4].iter().all(|line| line.contains("a=sendonly")));
    assert!(lines[4..].iter().all(|line| line.contains("a=recvonly")));
    assert!(lines[1].contains("rtx/90000") && lines[4].contains("rtx/90000"));
}

#[test]
fn pictures_and_sound_come_back_whole() {
    let mut pair = Pair::new(0);
    let seen = pair.play(Duration::from_secs(3));
    let frames = seen.frames_of(1, Source::Camera);
    assert!((70..=76).contains(&frames.len()), "{} frames", frames.len());
    assert!(frames.iter().all(|frame| frame.encoding == Some(Rid::F)));
    let voice = seen.audio_of(1, Source::Microphone);
    assert!(
        (145..=151).contains(&voice.len()),
        "{} packets",
        voice.len()
    );
    assert!(voice.iter().all(|packet| packet.level == Some(30)));
    assert_eq!(seen.violations(), Vec::<String>::new());
}

#[test]
fn loss_is_repaired_by_retransmission() {
    let mut pair = Pair::new(30);
    let seen = pair.play(Duration::from_secs(5));
    let slot = &seen.video[&pair.participant.video_slots()[0]];
    // The mirror numbers as the publisher does, so what was lost on the first
    // leg and repaired there comes out of order but comes.
    assert!(slot.lost < 5, "{} lost", slot.lost);
    assert!(slot.frames.len() > 110, "{} frames", slot.frames.len());
    assert_eq!(seen.violations(), Vec::<String>::new());
}

#[test]
fn a_switched_off_device_sends_nothing() {
    let mut pair = Pair::new(0);
    pair.play(Duration::from_secs(1));
    pair.participant.publish(pair.now, Source::Camera, false);
    pair.participant
        .publish(pair.now, Source::Microphone, false);
    pair.run(Duration::from_secs(1));
    let before = pair.mirror.received;
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.mirror.received, before);
}
