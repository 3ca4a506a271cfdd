//! The made-up devices of a participant, and the m-lines on which they send.

use std::collections::BTreeMap;
use std::time::Instant;

use conclave_sfu_wire::control::{MidName, Rid, Source};
use str0m::Rtc;
use str0m::format::Codec as RtcCodec;
use str0m::media::{Direction, MediaKind, Mid, Pt, Rid as RtcRid, Simulcast, SimulcastLayer};
use str0m::rtp::{ExtensionValues, RtpWrite};

use super::{ParticipantConfig, name_of};
use crate::source::{AudioSource, PictureSource, SourcePacket, splitmix};

/// Cameras, screens, microphones.
pub(super) struct Devices {
    epoch: Instant,
    mids: BTreeMap<Source, Mid>,
    pictures: BTreeMap<Source, PictureSource>,
    sounds: BTreeMap<Source, AudioSource>,
    sent: u64,
}

/// A packet that is due.
pub(super) struct Due {
    source: Source,
    packet: SourcePacket,
    level: Option<u8>,
}

impl Devices {
    /// Makes devices that are off.
    pub(super) fn new(now: Instant, epoch: Instant, config: &ParticipantConfig) -> Self {
        let mut seed = config.seed;
        let shapes = config.pictures;
        let camera: Vec<_> = if config.simulcast {
            Rid::ALL.into_iter().map(Some).zip(shapes.camera).collect()
        } else {
            vec![(None, shapes.camera[2])]
        };
        let mut picture = |source, fps, shapes: &[_]| {
            (
                source,
                PictureSource::new(now, config.id, source, fps, shapes, splitmix(&mut seed)),
            )
        };
        let pictures = BTreeMap::from([
            picture(Source::Camera, shapes.camera_fps, &camera),
            picture(Source::Screen, shapes.screen_fps, &[(None, shapes.screen)]),
        ]);
        let mut sound = |source| {
            (
                source,
                AudioSource::new(now, config.id, source, splitmix(&mut seed)),
            )
        };
        let sounds = BTreeMap::from([sound(Source::Microphone), sound(Source::ScreenAudio)]);
        Devices {
            epoch,
            mids: BTreeMap::new(),
            pictures,
            sounds,
            sent: 0,
        }
    }

    /// Adds the sending m-lines to an offer.
    pub(super) fn offer(
        &mut self,
        api: &mut str0m::change::SdpApi<'_>,
        config: &ParticipantConfig,
    ) {
        for source in [
            Source::Microphone,
            Source::Camera,
            Source::Screen,
            Source::ScreenAudio,
        ] {
            let simulcast = (source == Source::Camera && config.simulcast).then(simulcast);
            let stream = Some(format!("send{}", config.id));
            let mid = api.add_media(
                kind_of(source),
                Direction::SendOnly,
                stream,
                None,
                simulcast,
            );
            self.mids.insert(source, mid);
        }
    }

    pub(super) fn set_on(&mut self, now: Instant, source: Source, on: bool) {
        if let Some(picture) = self.pictures.get_mut(&source) {
            picture.set_on(now, on);
        }
        if let Some(sound) = self.sounds.get_mut(&source) {
            sound.set_on(now, on);
        }
    }

    pub(super) fn set_active(&mut self, source: Source, active: &[Rid]) {
        if let Some(picture) = self.pictures.get_mut(&source) {
            picture.set_active(active);
        }
    }

    pub(super) fn set_level(&mut self, source: Source, level: u8) {
        if let Some(sound) = self.sounds.get_mut(&source) {
            sound.set_level(level);
        }
    }

    pub(super) fn handle_keyframe_request(&mut self, now: Instant, mid: Mid, rid: Option<Rid>) {
        let source = self.mids.iter().find(|(_, own)| **own == mid);
        let picture = source.and_then(|(source, _)| self.pictures.get_mut(source));
        if let Some(picture) = picture {
            picture.handle_keyframe_request(now, rid);
        }
    }

    /// Makes what is due at `now`.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        for (source, picture) in &mut self.pictures {
            picture.handle_timeout(now);
            due.extend(picture.poll_burst(now).into_iter().map(|packet| Due {
                source: *source,
                packet,
                level: None,
            }));
        }
        for (source, sound) in &mut self.sounds {
            while let Some(packet) = sound.poll_packet(now) {
                due.push(Due {
                    source: *source,
                    packet,
                    level: Some(sound.level()),
                });
            }
        }
        due
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let pictures = self.pictures.values();
        let sounds = self.sounds.values();
        pictures
            .filter_map(PictureSource::poll_timeout)
            .chain(sounds.filter_map(AudioSource::poll_timeout))
            .min()
    }

    /// Hands a packet to the stack; returns whether it was taken. The stack sends it at its next timeout.
    pub(super) fn write(&mut self, now: Instant, rtc: &mut Rtc, due: Due) -> bool {
        let Due {
            source,
            packet,
            level,
        } = due;
        let Some(mid) = self.mids.get(&source).copied() else {
            return false;
        };
        let Some(pt) = payload_type(rtc, mid, source) else {
            return false;
        };
        let rid = packet.encoding.map(|rid| RtcRid::from(rid.as_str()));
        let mut api = rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, rid) else {
            return false;
        };
        let ext_vals = ExtensionValues {
            // Negative decibels; the wire has their absolute value.
            audio_level: level.map(|level| -(level.min(127) as i8)),
            voice_activity: level.map(|level| level < 60),
            ..ExtensionValues::default()
        };
        let (seq, timestamp, marker) = (packet.seq, packet.timestamp, packet.marker);
        let sent_ns = now.saturating_duration_since(self.epoch).as_nanos() as u64;
        let payload = packet.into_payload(sent_ns);
        let write = RtpWrite::new(pt, seq.into(), timestamp, now, payload)
            .marker(marker)
            .ext_vals(ext_vals)
            .nackable(source.is_video());
        stream.write_rtp(write);
        self.sent += 1;
        true
    }

    /// Packets handed to the stack so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The m-lines that were offered for sending.
    pub(super) fn mids(&self) -> impl Iterator<Item = (Source, Mid)> {
        self.mids.iter().map(|(source, mid)| (*source, *mid))
    }

    pub(super) fn mid(&self, source: Source) -> Option<Mid> {
        self.mids.get(&source).copied()
    }

    pub(super) fn sending_mid(&self, source: Source) -> Option<MidName> {
        self.mid(source).map(name_of)
    }

    pub(super) fn picture(&self, source: Source) -> Option<&PictureSource> {
        self.pictures.get(&source)
    }
}

fn payload_type(rtc: &Rtc, mid: Mid, source: Source) -> Option<Pt> {
    let codec = if source.is_video() {
        RtcCodec::Vp8
    } else {
        RtcCodec::Opus
    };
    let remote = rtc.media(mid)?.remote_pts();
    let params = rtc.codec_config().params().iter();
    params
        .filter(|params| params.spec().codec == codec)
        .map(|params| params.pt())
        .find(|pt| remote.contains(pt))
}

fn simulcast() -> Simulcast {
    let send = Rid::ALL
        .into_iter()
        .map(|rid| SimulcastLayer::new(rid.as_str()))
        .collect();
    Simulcast {
        send,
        recv: Vec::new(),
    }
}

fn kind_of(source: Source) -> MediaKind {
    if source.is_video() {
        MediaKind::Video
    } else {
        MediaKind::Audio
    }
}
