//! A peer connection of the `webrtc` crate with made-up media.

use std::sync::Arc;
use std::time::Duration;

use conclave_sfu_wire::control::MidName;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8};
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCPeerConnectionState, RTCSessionDescription, SettingEngineBuilder, SrtpProtectionProfile,
};

const VP8: u8 = 96;
const OPUS: u8 = 111;
const CAMERA_SSRC: u32 = 0x0C0A_0001;
const MICROPHONE_SSRC: u32 = 0x0C0A_0002;
/// What follows the descriptor and frame header of every picture, and the first byte of every sound.
const PICTURE: [u8; 32] = [0xC5; 32];
const SOUND: [u8; 24] = [0xF8; 24];
const DESCRIPTOR_BYTES: usize = 4;
const FRAME_HEADER_BYTES: usize = 10;

/// What a peer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerRole {
    /// Sends one picture and one voice.
    Publisher,
    /// Has one slot for each.
    Viewer,
}

/// What a viewer has received.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) pictures: usize,
    pub(crate) sounds: usize,
    /// Neither.
    pub(crate) foreign: usize,
}

pub(crate) struct Peer {
    connection: Arc<dyn PeerConnection>,
    state: watch::Receiver<RTCPeerConnectionState>,
    packets: UnboundedReceiver<rtp::Packet>,
    camera: Option<Arc<TrackLocalStaticRTP>>,
    microphone: Option<Arc<TrackLocalStaticRTP>>,
    offer: String,
}

struct Handler {
    state: watch::Sender<RTCPeerConnectionState>,
    packets: UnboundedSender<rtp::Packet>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let packets = self.packets.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                match event {
                    // Nobody listens once the test is over.
                    TrackRemoteEvent::OnRtpPacket(packet) => drop(packets.send(packet)),
                    TrackRemoteEvent::OnEnded => break,
                    _ => {}
                }
            }
        });
    }
}

impl Peer {
    /// Makes a peer that offers these profiles of SRTP.
    pub(crate) async fn new(role: PeerRole, profiles: Vec<SrtpProtectionProfile>) -> Peer {
        let (state, watched) = watch::channel(RTCPeerConnectionState::New);
        let (sender, packets) = unbounded_channel();
        let mut engine = media_engine();
        let registry = register_default_interceptors(Registry::new(), &mut engine)
            .expect("the default interceptors fit the default engine");
        let built = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_setting_engine(
                SettingEngineBuilder::new()
                    .with_srtp_protection_profiles(profiles)
                    .build(),
            )
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler {
                state,
                packets: sender,
            }))
            .with_runtime(webrtc::runtime::default_runtime().expect("tokio is compiled in"))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build();
        let connection = Box::pin(built).await.expect("loopback has a free port");
        let mut peer = Peer {
            connection: Arc::new(connection),
            state: watched,
            packets,
            camera: None,
            microphone: None,
            offer: String::new(),
        };
        match role {
            PeerRole::Publisher => {
                peer.microphone = Some(peer.add_track(RtpCodecKind::Audio).await);
                peer.camera = Some(peer.add_track(RtpCodecKind::Video).await);
            }
            PeerRole::Viewer => {
                for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
                    let init = direction(RTCRtpTransceiverDirection::Recvonly);
                    let added = peer
                        .connection
                        .add_transceiver_from_kind(kind, Some(init))
                        .await;
                    added.expect("the codec is registered");
                }
            }
        }
        peer
    }

    /// Makes the offer, as a browser: sent at once, candidates or not.
    pub(crate) async fn offer(&mut self) -> String {
        let offer = self
            .connection
            .create_offer(None)
            .await
            .expect("there are m-lines");
        self.offer = offer.sdp.clone();
        let set = self.connection.set_local_description(offer).await;
        set.expect("its own offer is valid");
        self.offer.clone()
    }

    pub(crate) async fn accept_answer(&mut self, sdp: String) {
        let answer = RTCSessionDescription::answer(sdp).expect("the answer is SDP");
        let set = self.connection.set_remote_description(answer).await;
        set.expect("the answer fits the offer");
    }

    /// Waits until ICE and DTLS are up.
    pub(crate) async fn connected(&mut self, patience: Duration) {
        let is_up = |state: &RTCPeerConnectionState| *state == RTCPeerConnectionState::Connected;
        let up = tokio::time::timeout(patience, self.state.wait_for(is_up)).await;
        assert!(
            up.is_ok_and(|state| state.is_ok()),
            "not connected within {patience:?}"
        );
    }

    /// The mid of the first m-line of a kind.
    pub(crate) fn sending_mid(&self, kind: &str) -> MidName {
        let line = self.offer.split("m=").find(|line| line.starts_with(kind));
        let mid = line.and_then(|line| line.lines().find_map(|line| line.strip_prefix("a=mid:")));
        mid.and_then(MidName::new)
            .expect("the offer has such an m-line with a mid")
    }

    /// Sends 25 pictures and 50 sounds a second until aborted.
    pub(crate) fn send_media(&self) -> JoinHandle<()> {
        let camera = self.camera.clone().expect("a publisher");
        let microphone = self.microphone.clone().expect("a publisher");
        tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            for tick in 0_u16.. {
                pace.tick().await;
                if tick % 2 == 0 {
                    let packet = picture(tick / 2);
                    camera.write_rtp(packet).await.expect("the track is bound");
                }
                microphone
                    .write_rtp(sound(tick))
                    .await
                    .expect("the track is bound");
            }
        })
    }

    /// Takes packets until there are `wanted` of both kinds.
    pub(crate) async fn receive(&mut self, wanted: usize, patience: Duration) -> Seen {
        let mut seen = Seen::default();
        let deadline = tokio::time::Instant::now() + patience;
        while seen.pictures < wanted || seen.sounds < wanted {
            let next = tokio::time::timeout_at(deadline, self.packets.recv()).await;
            let Ok(Some(packet)) = next else { break };
            let body = packet.payload.get(DESCRIPTOR_BYTES + FRAME_HEADER_BYTES..);
            if packet.payload[..] == SOUND {
                seen.sounds += 1;
            } else if body == Some(&PICTURE[..]) {
                seen.pictures += 1;
            } else if !packet.payload.is_empty() {
                seen.foreign += 1;
            }
        }
        seen
    }

    pub(crate) async fn close(&self) {
        // A peer that the node has closed first is as well.
        let _ = self.connection.close().await;
    }

    async fn add_track(&self, kind: RtpCodecKind) -> Arc<TrackLocalStaticRTP> {
        let (codec, ssrc) = match kind {
            RtpCodecKind::Video => (vp8(), CAMERA_SSRC),
            _ => (opus(), MICROPHONE_SSRC),
        };
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..Default::default()
            },
            codec,
            ..Default::default()
        };
        let name = format!("{kind}");
        let track = MediaStreamTrack::new(
            "interop".to_owned(),
            name.clone(),
            name,
            kind,
            vec![encoding],
        );
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let init = direction(RTCRtpTransceiverDirection::Sendonly);
        let added = self
            .connection
            .add_transceiver_from_track(track.clone(), Some(init))
            .await;
        added.expect("the codec is registered");
        track
    }
}

fn media_engine() -> MediaEngine {
    let mut engine = MediaEngine::default();
    for (codec, payload_type, kind) in [
        (vp8(), VP8, RtpCodecKind::Video),
        (opus(), OPUS, RtpCodecKind::Audio),
    ] {
        let parameters = RTCRtpCodecParameters {
            rtp_codec: codec,
            payload_type,
        };
        engine
            .register_codec(parameters, kind)
            .expect("each codec once");
    }
    for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
        let mid = RTCRtpHeaderExtensionCapability {
            uri: "urn:ietf:params:rtp-hdrext:sdes:mid".to_owned(),
        };
        engine
            .register_header_extension(mid, kind, None)
            .expect("each extension once");
    }
    engine
}

fn vp8() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_VP8.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: Vec::new(),
    }
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

fn direction(direction: RTCRtpTransceiverDirection) -> RTCRtpTransceiverInit {
    RTCRtpTransceiverInit {
        direction,
        streams: Vec::new(),
        send_encodings: Vec::new(),
    }
}

/// One keyframe of 720 lines in one packet (RFC 7741, sections 4.2 and 4.3).
fn picture(frame: u16) -> rtp::Packet {
    let [high, low] = (frame & 0x7FFF).to_be_bytes();
    let mut payload = vec![0x90, 0x80, 0x80 | high, low];
    payload.extend_from_slice(&[0x10, 0x04, 0x00, 0x9d, 0x01, 0x2a]);
    payload.extend_from_slice(&[0x00, 0x05, 0xD0, 0x02]);
    payload.extend_from_slice(&PICTURE);
    packet(VP8, CAMERA_SSRC, frame, 3_600, payload)
}

fn sound(count: u16) -> rtp::Packet {
    packet(OPUS, MICROPHONE_SSRC, count, 960, SOUND.to_vec())
}

fn packet(payload_type: u8, ssrc: u32, count: u16, ticks: u32, payload: Vec<u8>) -> rtp::Packet {
    rtp::Packet {
        header: rtp::Header {
            version: 2,
            marker: payload_type == VP8,
            payload_type,
            sequence_number: count,
            timestamp: u32::from(count) * ticks,
            ssrc,
            ..Default::default()
        },
        payload: payload.into(),
    }
}
