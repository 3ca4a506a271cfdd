use super::*;
use crate::arena::{Batch, DatagramSink};
use crate::epoch::epoch;
use conclave_sfu_wire::control::Codec;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction as MediaDirection, MediaKind as Str0mKind};
use str0m::rtp::RtpWrite;

/// A browser's half, and the transport that it speaks with.
struct Pair {
    now: Instant,
    client: Rtc,
    transport: Transport,
    slot: MidName,
    /// What the client has to send.
    outbox: Vec<Vec<u8>>,
}

const STEP: Duration = Duration::from_millis(5);

impl Pair {
    /// A client that receives one picture; not connected yet.
    fn new(sender: SenderKind) -> Pair {
        let now = epoch();
        let config = TransportConfig {
            candidates: &[server()],
            credentials: credentials(1),
            video_codecs: &[Codec::Vp8],
            sender,
        };
        let mut transport = Transport::new(now, config);
        let mut client = Rtc::builder().set_rtp_mode(true).build(now);
        client.add_local_candidate(Candidate::host(browser(), Protocol::Udp).unwrap());
        let mut changes = client.sdp_api();
        let direction = MediaDirection::RecvOnly;
        let mid = changes.add_media(Str0mKind::Video, direction, None, None, None);
        let (offer, pending) = changes.apply().unwrap();
        let negotiated = transport
            .negotiate(&offer.to_sdp_string(), || credentials(2))
            .unwrap();
        let slot = MidName::new(&mid).unwrap();
        let mut pair = Pair {
            now,
            client,
            transport,
            slot,
            outbox: Vec::new(),
        };
        pair.accept(pending, &negotiated.answer);
        pair
    }

    /// The same, after the handshake.
    fn connected(sender: SenderKind) -> Pair {
        let mut pair = Pair::new(sender);
        for _ in 0..400 {
            pair.step();
            if pair.transport.is_connected() {
                return pair;
            }
        }
        panic!("it did not connect");
    }

    fn accept(&mut self, pending: SdpPendingOffer, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.client
            .sdp_api()
            .accept_answer(pending, answer)
            .unwrap();
    }

    /// Lets time pass and carries what was sent.
    fn step(&mut self) {
        self.now += STEP;
        self.client.handle_input(Input::Timeout(self.now)).unwrap();
        self.drain_client();
        let mut arena = SendArena::default();
        for datagram in std::mem::take(&mut self.outbox) {
            if self.transport.admit(&datagram) {
                let (source, destination) = (browser(), server());
                self.transport.handle_datagram(
                    self.now,
                    source,
                    destination,
                    &datagram,
                    &mut arena,
                );
            }
        }
        self.transport.handle_timeout(self.now, &mut arena);
        self.deliver(&mut arena);
    }

    fn drain_client(&mut self) {
        loop {
            match self.client.poll_output().unwrap() {
                Output::Event(_) => {}
                Output::Transmit(transmit) => self.outbox.push(transmit.contents.to_vec()),
                Output::Timeout(_) => return,
            }
        }
    }

    fn deliver(&mut self, arena: &mut SendArena) {
        let mut sink = Collected::default();
        arena.flush(&mut sink);
        for datagram in sink.0 {
            let receive = Receive {
                proto: Protocol::Udp,
                source: server(),
                destination: browser(),
                contents: datagram.as_slice().try_into().unwrap(),
            };
            self.client
                .handle_input(Input::Receive(self.now, receive))
                .unwrap();
            self.drain_client();
        }
    }

    fn line(&self) -> &OutgoingLine {
        self.transport.outgoing(self.slot).expect("it is a slot")
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

#[test]
fn each_transport_makes_one_handshake_whose_keys_come_with_the_connection() {
    let before = handshakes::made();
    let mut pair = Pair::new(SenderKind::Own);
    // The client's provider is the process's as well, so that it counts.
    assert_eq!(handshakes::made(), before + 2);
    for _ in 0..400 {
        pair.step();
        while let Some(event) = pair.transport.poll_event() {
            if let TransportEvent::Connected { keys } = event {
                assert!(keys.is_aead());
                assert!(keys.contexts().is_ok());
                assert_eq!(handshakes::made(), before + 2);
                return;
            }
        }
        assert!(!pair.transport.is_connected(), "without keys");
    }
    panic!("it did not connect");
}

#[test]
fn the_path_is_the_one_that_was_nominated() {
    let mut pair = Pair::new(SenderKind::Own);
    assert_eq!(pair.transport.path(), None);
    pair = Pair::connected(SenderKind::Own);
    let path = Path {
        local: server(),
        remote: browser(),
    };
    assert_eq!(pair.transport.path(), Some(path));
    pair.transport.set_relay_only(true);
    assert_eq!(pair.transport.path(), None, "it is not the relay's");
}

#[test]
fn the_library_has_no_stream_of_ours_and_negotiating_again_keeps_them() {
    let mut pair = Pair::connected(SenderKind::Own);
    let before = pair.line().clone();
    assert!(before.rtx.is_some() && before.extensions.twcc.is_some());
    for restart in 2..6 {
        let mut changes = pair.client.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().unwrap();
        let negotiated = pair
            .transport
            .negotiate(&offer.to_sdp_string(), || credentials(restart))
            .unwrap();
        assert!(negotiated.restarted);
        assert!(negotiated.answer.contains(&before.ssrc.to_string()));
        pair.accept(pending, &negotiated.answer);
        for _ in 0..100 {
            pair.step();
        }
        assert_eq!(*pair.line(), before);
        let mut direct = pair.transport.rtc.direct_api();
        assert!(
            direct
                .stream_tx_by_mid(before.mid.as_str().into(), None)
                .is_none()
        );
    }
    assert!(pair.transport.is_connected() && pair.transport.path().is_some());
}

#[test]
fn a_library_that_would_seal_our_ssrc_is_stopped_and_its_transport_ends() {
    let mut pair = Pair::connected(SenderKind::Own);
    let line = pair.line().clone();
    let (mid, now) = (line.mid.as_str().into(), pair.now);
    let mut direct = pair.transport.rtc.direct_api();
    let stream = direct.declare_stream_tx(line.ssrc.into(), None, mid, None);
    let payload_type = line.formats[0].payload_type.into();
    stream.write_rtp(RtpWrite::new(
        payload_type,
        7.into(),
        9,
        now,
        vec![0x10, 1, 2, 3],
    ));
    pair.step();
    let failure = pair.transport.poll_failure();
    assert_eq!(failure, Some(TransportFailure::Panic));
    assert!(!pair.transport.is_connected());
    // The next one on this thread is none the wiser.
    Pair::connected(SenderKind::Own);
}

#[test]
fn the_guard_lets_the_library_seal_its_own() {
    let mut pair = Pair::connected(SenderKind::Str0m);
    let (mid, now) = (pair.slot.as_str().into(), pair.now);
    let params = pair.transport.rtc.codec_config().params();
    let payload_type = params.first().expect("a codec").pt();
    let mut direct = pair.transport.rtc.direct_api();
    let stream = direct
        .stream_tx_by_mid(mid, None)
        .expect("it is the library's");
    stream.write_rtp(RtpWrite::new(
        payload_type,
        7.into(),
        9,
        now,
        vec![0x10, 1, 2, 3],
    ));
    pair.step();
    assert!(pair.transport.is_connected());
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
