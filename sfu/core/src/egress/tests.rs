use super::*;
use crate::arena::{Batch, DatagramSink};
use crate::clock::ReportClock;
use crate::epoch::epoch;
use crate::estimate::{Probe, Probes};
use crate::packet::{CodecFacts, MediaPacket};
use crate::sender::EstimatorKind;
use crate::transport::Format;
use conclave_sfu_srtp::{Profile, RxStream, contexts};
use conclave_sfu_wire::control::{Codec, MidName};
use conclave_sfu_wire::rtcp::{self, Packet, Packets, ReportBlock};
use conclave_sfu_wire::rtp::{ExtensionIds, Header};
use rand::SeedableRng;
use std::collections::BTreeMap;

const MEDIA: u32 = 11;
const RTX: u32 = 12;
const SOUND: u32 = 21;
const THEIRS: u32 = 99;

/// A sender and the browser that it sends to.
struct Link {
    now: Instant,
    sender: OwnSender,
    browser_tx: SrtpTx,
    browser_rx: SrtpRx,
    owned: conclave_sfu_srtp::OwnedSsrc,
    streams: BTreeMap<u32, RxStream>,
    arena: SendArena,
}

/// A packet as the browser gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    ssrc: u32,
    ext_seq: u64,
    timestamp: u32,
    payload: Vec<u8>,
}

impl Link {
    fn new(profile: Profile) -> Link {
        let now = epoch();
        let material: Vec<u8> = (0..profile.material_len() as u8).collect();
        #[cfg(debug_assertions)]
        conclave_sfu_srtp::ledger::clear();
        let (tx, rx) = contexts(&material, profile, false).unwrap();
        let (mut browser_tx, browser_rx) = contexts(&material, profile, true).unwrap();
        let making = Making {
            clock: ReportClock::new(now, 1 << 40),
            estimator: EstimatorKind::Fixed(1_000_000_000).make(now),
            rng: StdRng::seed_from_u64(5),
        };
        let mut sender = OwnSender::new(now, making);
        sender.bind_line(picture(), line("v", MEDIA, Some(RTX), Codec::Vp8));
        sender.bind_line(sound(), line("a", SOUND, None, Codec::Opus));
        sender.begin(now, tx, rx);
        let owned = browser_tx.claim(THEIRS).unwrap();
        Link {
            now,
            sender,
            browser_tx,
            browser_rx,
            owned,
            streams: BTreeMap::new(),
            arena: SendArena::default(),
        }
    }

    fn push(&mut self, params: StreamParams, seq: u64, payload: &[u8]) {
        let packet = packet(self.now, params, payload);
        let out = outgoing(&packet, seq);
        let queued = Queued::new(self.now, params.index, out);
        if params.video {
            self.sender.waiting.push_picture(queued);
        } else {
            self.sender.waiting.push_sound(queued);
        }
    }

    /// Flushes over the path and returns the datagrams.
    fn flush(&mut self) -> Vec<Vec<u8>> {
        let path = Path {
            local: "192.0.2.1:10000".parse().unwrap(),
            remote: "192.0.2.2:5000".parse().unwrap(),
        };
        self.sender
            .flush_over(self.now, Some(path), &mut self.arena);
        let mut sink = Collected::default();
        self.arena.flush(&mut sink);
        sink.0
    }

    /// Opens what is RTP; `None` for RTCP.
    fn open(&mut self, mut datagram: Vec<u8>) -> Option<Got> {
        let header = Header::parse(&datagram)?;
        if (64..=95).contains(&header.payload_type) {
            return None;
        }
        let (ssrc, timestamp, len) = (header.ssrc, header.timestamp, header.header_len);
        let stream = self
            .streams
            .entry(ssrc)
            .or_insert_with(|| RxStream::new(ssrc));
        let opened = self.browser_rx.open_rtp(stream, len, &mut datagram);
        let opened = opened.expect("it is authentic");
        Some(Got {
            ssrc,
            ext_seq: opened.ext_seq,
            timestamp,
            payload: datagram[len..len + opened.payload_len].to_vec(),
        })
    }

    fn opened(&mut self) -> Vec<Got> {
        let datagrams = self.flush();
        datagrams
            .into_iter()
            .filter_map(|it| self.open(it))
            .collect()
    }

    fn reports(&mut self) -> Vec<u8> {
        let mut plain = Vec::new();
        for datagram in self.flush() {
            if (200..=206).contains(&datagram[1]) {
                self.browser_rx.open_rtcp(&datagram, &mut plain).unwrap();
            }
        }
        plain
    }

    /// Says something to the sender; who publishes besides hears `publishes`.
    fn say(&mut self, publishes: bool, write: impl FnOnce(&mut Vec<u8>)) -> Route {
        let datagram = self.sealed(write);
        self.sender.open(self.now, &datagram, publishes)
    }

    fn sealed(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let (mut plain, mut sealed) = (Vec::new(), Vec::new());
        write(&mut plain);
        self.browser_tx
            .seal_rtcp(&self.owned, &plain, &mut sealed)
            .unwrap();
        sealed
    }

    fn events(&mut self) -> Vec<SenderEvent> {
        let of_interest = |event: &SenderEvent| !matches!(event, SenderEvent::Estimate(_));
        self.sender.events.drain(..).filter(of_interest).collect()
    }
}

#[test]
fn packets_are_opened_across_a_rollover_with_loss() {
    for profile in [Profile::AeadAes256Gcm, Profile::Aes128CmSha1_80] {
        let mut link = Link::new(profile);
        let mut received = 0;
        for count in 0..70_000_u64 {
            link.now += Duration::from_micros(500);
            let seq = 16_000 + count;
            link.push(picture(), seq, &count.to_be_bytes());
            for datagram in link.flush() {
                // One in ten is lost, and all of those around the rollover.
                if count % 10 == 3 || (65_500..65_600).contains(&seq) {
                    continue;
                }
                if let Some(got) = link.open(datagram) {
                    assert_eq!((got.ssrc, got.ext_seq), (MEDIA, seq));
                    assert_eq!(got.payload[8..], count.to_be_bytes());
                    received += 1;
                }
            }
        }
        assert!(received > 60_000, "{received}");
    }
}

#[test]
fn a_packet_leaves_once_under_its_number_and_again_only_as_a_retransmission() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    link.push(picture(), 500, b"one");
    link.push(picture(), 500, b"two");
    let got = link.opened();
    assert_eq!(got.len(), 1, "the second is refused");
    assert_eq!(link.sender.take_sent().unsealed, 1);
    let original = packet(link.now, picture(), b"one");
    link.sender
        .resend(link.now, picture(), outgoing(&original, 500));
    let again = link.opened();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].ssrc, RTX);
    assert!(again[0].ext_seq < 1 << 15);
    assert_eq!(again[0].timestamp, got[0].timestamp);
    assert_eq!(again[0].payload[..2], 500_u16.to_be_bytes());
    assert_eq!(again[0].payload[2..], got[0].payload, "patched alike");
}

#[test]
fn nothing_of_a_source_that_was_stopped_leaves() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    link.push(picture(), 1, b"seen");
    link.opened();
    let original = packet(link.now, picture(), b"seen");
    link.sender
        .resend(link.now, picture(), outgoing(&original, 1));
    link.push(picture(), 2, b"waits");
    link.push(sound(), 7, b"another's");
    assert_eq!(
        link.say(false, |out| rtcp::nack(out, THEIRS, MEDIA, &[1])),
        Route::Done
    );
    link.sender.drop_stream(picture());
    assert!(link.events().is_empty(), "not asked for any more");
    let got = link.opened();
    assert_eq!(got.iter().map(|got| got.ssrc).collect::<Vec<_>>(), [SOUND]);
    assert!(link.sender.streams[0].recent().is_none(), "nor as padding");
}

#[test]
fn sound_leaves_first_and_pictures_that_wait_too_long_are_dropped() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    link.push(picture(), 1, b"picture");
    link.push(sound(), 1, b"sound");
    let order: Vec<u32> = link.opened().iter().map(|got| got.ssrc).collect();
    assert_eq!(order, [SOUND, MEDIA]);
    link.push(picture(), 2, b"late");
    link.now += Duration::from_millis(201);
    link.push(sound(), 2, b"sound");
    let order: Vec<u32> = link.opened().iter().map(|got| got.ssrc).collect();
    assert_eq!(order, [SOUND]);
    assert_eq!(link.events(), [SenderEvent::Dropped(picture().mid)]);
    assert_eq!(link.sender.take_sent().dropped, 1);
}

#[test]
fn without_a_path_nothing_leaves_and_pictures_begin_anew_with_it() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    link.push(picture(), 1, b"lost");
    link.push(sound(), 1, b"lost");
    let now = link.now;
    link.sender.flush_over(now, None, &mut link.arena);
    assert!(link.arena.is_empty());
    assert!(link.events().is_empty());
    assert!(link.opened().is_empty());
    assert_eq!(link.events(), [SenderEvent::Dropped(picture().mid)]);
}

#[test]
fn a_sender_report_tells_name_clock_and_counts() {
    let mut link = Link::new(Profile::AeadAes256Gcm);
    link.push(picture(), 100, &[7; 500]);
    link.flush();
    link.now += Duration::from_secs(1);
    link.push(picture(), 101, &[7; 500]);
    let plain = link.reports();
    let packets: Vec<Packet<'_>> = Packets::new(&plain).collect();
    let [Packet::SenderReport(report), Packet::Sdes(names)] = packets[..] else {
        panic!("{packets:?}");
    };
    assert_eq!((report.ssrc, report.packets), (MEDIA, 2));
    assert_eq!(report.octets, 2 * 508);
    assert_eq!(
        report.ntp,
        (1 << 40) + (1 << 32),
        "a second after the start"
    );
    assert_eq!(report.rtp_time, 101 * 3_000, "it arrived just now");
    assert_eq!(names.cname(), Some((MEDIA, &b"name"[..])));
    link.now += Duration::from_secs(1);
    assert!(link.reports().is_empty(), "nothing new to tell");
}

#[test]
fn a_round_trip_is_taken_from_a_receiver_report() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    link.push(picture(), 1, b"x");
    link.flush();
    let sent = link.sender.reports.middle(link.now);
    link.now += Duration::from_millis(250);
    let block = ReportBlock {
        ssrc: MEDIA,
        last_sr: sent,
        delay_since_last_sr: 65_536 / 5,
        ..ReportBlock::default()
    };
    let route = link.say(false, |out| rtcp::receiver_report(out, THEIRS, &[block]));
    assert_eq!(route, Route::Done);
    let round_trip = link.sender.round_trip.expect("it is known");
    assert!(round_trip.as_millis().abs_diff(50) <= 1, "{round_trip:?}");
}

#[test]
fn feedback_is_routed_by_what_it_is_about() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    link.push(picture(), 40, b"x");
    link.flush();
    link.events();
    assert_eq!(
        link.say(true, |out| rtcp::pli(out, THEIRS, MEDIA)),
        Route::Done
    );
    assert_eq!(
        link.say(true, |out| rtcp::fir(out, THEIRS, MEDIA, 3)),
        Route::Done
    );
    assert_eq!(
        link.say(true, |out| rtcp::nack(out, THEIRS, MEDIA, &[40, 42])),
        Route::Done
    );
    let mid = picture().mid;
    let expected = [
        SenderEvent::Keyframe(mid),
        SenderEvent::Nack(mid, 40),
        SenderEvent::Nack(mid, 42),
    ];
    assert_eq!(link.events(), expected);
    assert_eq!(
        link.say(true, |out| rtcp::bye(out, &[THEIRS])),
        Route::Transport
    );
    let name = |out: &mut Vec<u8>| {
        rtcp::receiver_report(out, THEIRS, &[]);
        rtcp::sdes_cname(out, THEIRS, "c");
    };
    assert_eq!(link.say(true, name), Route::Transport, "it publishes");
    assert_eq!(link.say(false, name), Route::Done, "it only watches");
}

#[test]
fn rtcp_that_is_replayed_forged_or_plain_is_refused() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    let datagram = link.sealed(|out| rtcp::pli(out, THEIRS, MEDIA));
    let mut forged = datagram.clone();
    forged[9] ^= 1;
    let mut plain = datagram.clone();
    let trailer = plain.len() - 4;
    plain[trailer] &= 0x7f;
    let now = link.now;
    let mut routes = |datagram: &[u8]| link.sender.open(now, datagram, true);
    assert_eq!(routes(&forged), Route::Refused);
    assert_eq!(routes(&plain), Route::Refused);
    assert_eq!(routes(&datagram), Route::Done);
    assert_eq!(routes(&datagram), Route::Refused, "a second time");
}

#[test]
fn a_storm_of_nacks_is_bounded() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    let mut resent = 0;
    let mut sent = 0;
    for round in 0..500_u64 {
        link.now += Duration::from_millis(5);
        link.push(picture(), 1_000 + round, &[3; 1_000]);
        let newest = (1_000 + round) as u16;
        let all: Vec<u16> = (newest - 900..=newest).collect();
        link.say(false, |out| rtcp::nack(out, THEIRS, MEDIA, &all));
        // The room finds every one of them.
        for event in link.events() {
            if let SenderEvent::Nack(_, seq) = event {
                let original = packet(link.now, picture(), &[3; 1_000]);
                let now = link.now;
                link.sender
                    .resend(now, picture(), outgoing(&original, seq.into()));
            }
        }
        for got in link.opened() {
            let bytes = got.payload.len();
            if got.ssrc == RTX {
                resent += bytes
            } else {
                sent += bytes
            }
        }
    }
    assert!(resent > sent / 4, "{resent} of {sent}");
    assert!(resent < sent * 2 / 5, "{resent} of {sent}");
}

#[test]
fn padding_is_of_what_the_receiver_has_just_had() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    // A picture that was large once, and has been small for 20 minutes.
    link.push(picture(), 100, &[1; 1_000]);
    link.opened();
    let newest = 40_000;
    for seq in (500..=newest).step_by(500) {
        link.now += Duration::from_secs(15);
        link.push(picture(), seq, &[2; 300]);
        link.opened();
    }
    let mut probes = Probes::default();
    probes.push(Probe {
        id: 1,
        rate_bps: 3_000_000,
        min_bytes: 3_000,
        min_packets: 5,
        duration: Duration::from_millis(15),
    });
    link.sender.probes.offer(link.now, &probes);
    let padding = link.opened();
    assert!(!padding.is_empty(), "it probes with what it has");
    for again in padding {
        assert_eq!(again.ssrc, RTX);
        let original = u16::from_be_bytes([again.payload[0], again.payload[1]]);
        let behind = (newest as u16).wrapping_sub(original);
        // Further behind it would be taken for one that is still to come.
        assert!(behind < 1 << 14, "{behind} behind the newest");
    }
}

#[test]
fn goodbye_is_said_for_what_was_sent() {
    let mut link = Link::new(Profile::AeadAes128Gcm);
    link.push(picture(), 1, b"x");
    link.flush();
    let path = link.sender.path.unwrap();
    let keys = link.sender.keys.as_mut().unwrap();
    let (streams, arena) = (&link.sender.streams, &mut link.arena);
    link.sender.reports.bye(&mut keys.tx, streams, path, arena);
    let mut sink = Collected::default();
    link.arena.flush(&mut sink);
    let mut plain = Vec::new();
    link.browser_rx.open_rtcp(&sink.0[0], &mut plain).unwrap();
    let last = Packets::new(&plain).last();
    let Some(Packet::Bye(bye)) = last else {
        panic!("{last:?}");
    };
    assert_eq!(bye.ssrcs.into_iter().collect::<Vec<_>>(), [MEDIA]);
}

#[derive(Default)]
struct Collected(Vec<Vec<u8>>);

impl DatagramSink for Collected {
    fn send(&mut self, batch: Batch<'_>) {
        let datagrams = batch.payload.chunks(batch.segment);
        self.0.extend(datagrams.map(<[u8]>::to_vec));
    }
}

fn picture() -> StreamParams {
    StreamParams {
        mid: MidName::new("v").unwrap(),
        video: true,
        index: 0,
    }
}

fn sound() -> StreamParams {
    StreamParams {
        mid: MidName::new("a").unwrap(),
        video: false,
        index: 1,
    }
}

fn line(mid: &str, ssrc: u32, rtx: Option<u32>, codec: Codec) -> OutgoingLine {
    OutgoingLine {
        mid: MidName::new(mid).unwrap(),
        ssrc,
        rtx,
        formats: vec![Format {
            codec,
            payload_type: 100,
            rtx: rtx.map(|_| 101),
        }],
        extensions: ExtensionIds {
            twcc: Some(3),
            mid: Some(4),
            ..ExtensionIds::default()
        },
        cname: "name".to_owned(),
    }
}

/// Eight bytes of VP8 descriptor and header, and what is given.
fn packet(now: Instant, params: StreamParams, payload: &[u8]) -> MediaPacket {
    let vp8 = [0x90, 0x80, 0x81, 0x00, 0x11, 0, 0, 0];
    let codec = if params.video {
        Codec::Vp8
    } else {
        Codec::Opus
    };
    MediaPacket {
        codec,
        ssrc: 1,
        seq: 0,
        timestamp: 0,
        marker: true,
        arrival: now,
        keyframe_start: false,
        height_px: None,
        facts: CodecFacts::Opus,
        level: None,
        quarter_turns: None,
        payload: [&vp8, payload].concat().into(),
    }
}

fn outgoing(packet: &MediaPacket, seq: u64) -> Outgoing<'_> {
    Outgoing {
        packet,
        seq,
        timestamp: seq as u32 * 3_000,
        marker: packet.marker,
        picture_id: Some(seq as u16 & 0x7fff),
        tl0_pic_idx: None,
    }
}
