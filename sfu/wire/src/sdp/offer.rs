//! The check of an offer, line by line, without a grammar of all of SDP.

use super::{CANDIDATES_MAX, M_LINES_MAX, SDP_BYTES_MAX, SdpError};
use crate::control::{Codec, MidName, Rid};

/// How many payload types there are (RFC 3551, section 6); what an m-line
/// names beyond repeats itself and is not looked up.
const PAYLOAD_TYPES: usize = 128;

/// What kind of media an m-line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// Which way the media of an m-line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `sendonly`: the client sends.
    Send,
    /// `recvonly`: a slot, which the server fills.
    Slot,
}

/// One m-line of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferMedia {
    /// Its mid, unique in the offer.
    pub mid: MidName,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// Which way.
    pub direction: Direction,
    /// The simulcast encodings, lowest first; empty without simulcast and for slots.
    pub rids: Vec<Rid>,
    /// The codecs of ours that it names, in its own order of preference.
    pub codecs: Vec<Codec>,
}

/// What an acceptable offer says.
#[derive(Clone, PartialEq, Eq)]
pub struct OfferFacts {
    /// The m-lines in order.
    pub media: Vec<OfferMedia>,
    /// The user fragment of the client, as its binding requests carry it behind the colon.
    pub ice_ufrag: String,
}

impl OfferFacts {
    /// Returns the m-lines of one kind and direction, in order.
    pub fn of(&self, kind: MediaKind, direction: Direction) -> impl Iterator<Item = &OfferMedia> {
        self.media
            .iter()
            .filter(move |media| media.kind == kind && media.direction == direction)
    }
}

/// Checks an offer against the limits and the shape that Conclave answers.
///
/// Passes if and only if all of this holds: sizes and counts are within the
/// limits of [`super`]; each m-line is audio or video over DTLS-SRTP, not
/// stopped, with a valid mid of its own, `sendonly` or `recvonly`, rtcp-mux and
/// in the one BUNDLE group; there is one certificate fingerprint, SHA-256 or
/// longer; simulcast names only q, h, f in the direction of sending.
pub fn check_offer(sdp: &str) -> Result<OfferFacts, SdpError> {
    if sdp.len() > SDP_BYTES_MAX {
        return Err(SdpError::TooLarge);
    }
    let mut lines = sdp.lines();
    if lines.next() != Some("v=0") {
        return Err(SdpError::Malformed);
    }
    let mut session = Section::default();
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut candidates = 0;
    for line in lines {
        let (kind, value) = split_line(line)?;
        if kind == 'm' {
            if sections.len() == M_LINES_MAX {
                return Err(SdpError::TooManyMedia);
            }
            sections.push(Section {
                m_line: value,
                ..Section::default()
            });
        } else if kind == 'a' {
            candidates += usize::from(value.starts_with("candidate:"));
            if candidates > CANDIDATES_MAX {
                return Err(SdpError::TooManyCandidates);
            }
            sections
                .last_mut()
                .unwrap_or(&mut session)
                .take_attribute(value);
        }
    }
    if sections.is_empty() {
        return Err(SdpError::NoMedia);
    }
    check_fingerprints(&session, &sections)?;
    let mut media: Vec<OfferMedia> = Vec::with_capacity(sections.len());
    for section in &sections {
        let facts = section.check(&session)?;
        if media.iter().any(|earlier| earlier.mid == facts.mid) {
            return Err(SdpError::MidTwice);
        }
        media.push(facts);
    }
    check_bundle(&session, &media)?;
    let ice_ufrag = ice_ufrag(&session, &sections)?;
    Ok(OfferFacts { media, ice_ufrag })
}

fn split_line(line: &str) -> Result<(char, &str), SdpError> {
    let (kind, value) = line.split_once('=').ok_or(SdpError::Malformed)?;
    let mut letters = kind.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_lowercase() => Ok((letter, value)),
        _ => Err(SdpError::Malformed),
    }
}

/// The lines of one m-line, or of the session, that matter here.
#[derive(Default)]
struct Section<'a> {
    m_line: &'a str,
    mid: Option<&'a str>,
    direction: Option<&'a str>,
    has_rtcp_mux: bool,
    is_bundle_only: bool,
    fingerprints: Vec<&'a str>,
    ice_ufrag: Option<&'a str>,
    ice_pwd: Option<&'a str>,
    groups: Vec<&'a str>,
    rids: Vec<&'a str>,
    simulcast: Option<&'a str>,
    rtpmaps: Vec<&'a str>,
    fmtps: Vec<&'a str>,
}

impl<'a> Section<'a> {
    fn take_attribute(&mut self, attribute: &'a str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "mid" => self.mid = Some(value),
            "sendonly" | "recvonly" | "sendrecv" | "inactive" => self.direction = Some(name),
            "rtcp-mux" => self.has_rtcp_mux = true,
            "bundle-only" => self.is_bundle_only = true,
            "fingerprint" => self.fingerprints.push(value),
            "ice-ufrag" => self.ice_ufrag = Some(value),
            "ice-pwd" => self.ice_pwd = Some(value),
            "group" => self.groups.push(value),
            "rid" => self.rids.push(value),
            "simulcast" => self.simulcast = Some(value),
            "rtpmap" => self.rtpmaps.push(value),
            "fmtp" => self.fmtps.push(value),
            _ => {}
        }
    }

    fn check(&self, session: &Section<'_>) -> Result<OfferMedia, SdpError> {
        let mut words = self.m_line.split(' ');
        let kind = match words.next() {
            Some("audio") => MediaKind::Audio,
            Some("video") => MediaKind::Video,
            _ => return Err(SdpError::MediaKind),
        };
        let port = words.next().ok_or(SdpError::Malformed)?;
        if words.next() != Some("UDP/TLS/RTP/SAVPF") {
            return Err(SdpError::MediaKind);
        }
        if port == "0" && !self.is_bundle_only {
            return Err(SdpError::Stopped);
        }
        let mid = self.mid.and_then(MidName::new).ok_or(SdpError::Mid)?;
        let direction = match self.direction.or(session.direction) {
            Some("sendonly") => Direction::Send,
            Some("recvonly") => Direction::Slot,
            _ => return Err(SdpError::Direction),
        };
        if !self.has_rtcp_mux {
            return Err(SdpError::RtcpMux);
        }
        let rids = self.simulcast_rids()?;
        if !rids.is_empty() && (kind, direction) != (MediaKind::Video, Direction::Send) {
            return Err(SdpError::Simulcast);
        }
        let codecs = self.codecs(kind, words);
        Ok(OfferMedia {
            mid,
            kind,
            direction,
            rids,
            codecs,
        })
    }

    /// The encodings, lowest first. Those of `a=rid` and of `a=simulcast` must be the same.
    fn simulcast_rids(&self) -> Result<Vec<Rid>, SdpError> {
        let mut declared = Vec::new();
        for line in &self.rids {
            // Restrictions may follow; they do not matter here.
            let mut words = line.split(' ');
            let rid = words.next().and_then(Rid::parse);
            let (Some(rid), Some("send")) = (rid, words.next()) else {
                return Err(SdpError::Simulcast);
            };
            insert_once(&mut declared, rid)?;
        }
        let mut listed = Vec::new();
        if let Some(line) = self.simulcast {
            let list = line.strip_prefix("send ").ok_or(SdpError::Simulcast)?;
            for name in list.split(';') {
                // A tilde marks an encoding that begins inactive.
                let rid = Rid::parse(name.strip_prefix('~').unwrap_or(name));
                insert_once(&mut listed, rid.ok_or(SdpError::Simulcast)?)?;
            }
        }
        declared.sort_unstable();
        listed.sort_unstable();
        if declared != listed {
            return Err(SdpError::Simulcast);
        }
        Ok(declared)
    }

    /// The codecs of ours among the payload types of the m-line.
    fn codecs<'w>(
        &self,
        kind: MediaKind,
        payload_types: impl Iterator<Item = &'w str>,
    ) -> Vec<Codec> {
        let mut codecs = Vec::new();
        for payload_type in payload_types.take(PAYLOAD_TYPES) {
            let Some(name) = self
                .rtpmaps
                .iter()
                .find_map(|line| for_payload_type(line, payload_type))
            else {
                continue;
            };
            let codec = match kind {
                MediaKind::Audio if name.eq_ignore_ascii_case("opus/48000/2") => Codec::Opus,
                MediaKind::Video if name.eq_ignore_ascii_case("VP8/90000") => Codec::Vp8,
                MediaKind::Video
                    if name.eq_ignore_ascii_case("H264/90000")
                        && self.is_our_h264(payload_type) =>
                {
                    Codec::H264
                }
                _ => continue,
            };
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        codecs
    }

    /// Constrained baseline (RFC 6184, section 8.1, table 5) in packetization mode 1.
    fn is_our_h264(&self, payload_type: &str) -> bool {
        let Some(parameters) = self
            .fmtps
            .iter()
            .find_map(|line| for_payload_type(line, payload_type))
        else {
            return false;
        };
        let parameter = |wanted: &str| {
            parameters.split(';').find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                name.eq_ignore_ascii_case(wanted).then_some(value)
            })
        };
        let profile = parameter("profile-level-id").and_then(|id| u32::from_str_radix(id, 16).ok());
        let is_constrained_baseline = profile.is_some_and(|id| {
            let (profile_idc, profile_iop) = (id >> 16, (id >> 8) & 0xff);
            match profile_idc {
                0x42 => profile_iop & 0x4f == 0x40,
                0x4d => profile_iop & 0x8f == 0x80,
                0x58 => profile_iop & 0xcf == 0xc0,
                _ => false,
            }
        });
        is_constrained_baseline && parameter("packetization-mode") == Some("1")
    }
}

fn insert_once(rids: &mut Vec<Rid>, rid: Rid) -> Result<(), SdpError> {
    if rids.contains(&rid) {
        return Err(SdpError::Simulcast);
    }
    rids.push(rid);
    Ok(())
}

/// What follows the payload type, if the line is for this one.
fn for_payload_type<'a>(line: &'a str, payload_type: &str) -> Option<&'a str> {
    line.strip_prefix(payload_type)?.strip_prefix(' ')
}

fn check_fingerprints(session: &Section<'_>, sections: &[Section<'_>]) -> Result<(), SdpError> {
    let of_session = &session.fingerprints;
    if of_session.is_empty()
        && sections
            .iter()
            .any(|section| section.fingerprints.is_empty())
    {
        return Err(SdpError::FingerprintMissing);
    }
    let mut first: Option<&str> = None;
    for line in of_session
        .iter()
        .chain(sections.iter().flat_map(|section| &section.fingerprints))
    {
        check_fingerprint(line)?;
        if !first.get_or_insert(line).eq_ignore_ascii_case(line) {
            return Err(SdpError::FingerprintDiffers);
        }
    }
    Ok(())
}

fn check_fingerprint(line: &str) -> Result<(), SdpError> {
    let (hash, value) = line.split_once(' ').ok_or(SdpError::Fingerprint)?;
    let len = if hash.eq_ignore_ascii_case("sha-256") {
        32
    } else if hash.eq_ignore_ascii_case("sha-384") {
        48
    } else if hash.eq_ignore_ascii_case("sha-512") {
        64
    } else {
        return Err(SdpError::Fingerprint);
    };
    let mut octets = 0;
    for octet in value.split(':') {
        octets += 1;
        if octet.len() != 2 || !octet.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(SdpError::Fingerprint);
        }
    }
    if octets == len {
        Ok(())
    } else {
        Err(SdpError::Fingerprint)
    }
}

fn check_bundle(session: &Section<'_>, media: &[OfferMedia]) -> Result<(), SdpError> {
    let mut groups = session
        .groups
        .iter()
        .filter_map(|group| group.strip_prefix("BUNDLE "));
    let (Some(group), None) = (groups.next(), groups.next()) else {
        return Err(SdpError::Bundle);
    };
    // Each m-line is compared with each name: at most 24 by what fits a line.
    let names = group.split(' ').filter(|name| !name.is_empty());
    let is_complete = names.clone().count() == media.len()
        && media
            .iter()
            .all(|line| names.clone().any(|name| name == line.mid.as_str()));
    if is_complete {
        Ok(())
    } else {
        Err(SdpError::Bundle)
    }
}

/// The fragment that holds for the bundle: that of its first m-line, or of the session.
fn ice_ufrag(session: &Section<'_>, sections: &[Section<'_>]) -> Result<String, SdpError> {
    let is_valid = |text: &str, min: usize| {
        (min..=256).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
    };
    let first = sections.first();
    let ufrag = first
        .and_then(|section| section.ice_ufrag)
        .or(session.ice_ufrag);
    let pwd = first
        .and_then(|section| section.ice_pwd)
        .or(session.ice_pwd);
    match (ufrag, pwd) {
        (Some(ufrag), Some(pwd)) if is_valid(ufrag, 4) && is_valid(pwd, 22) => Ok(ufrag.to_owned()),
        _ => Err(SdpError::IceCredentials),
    }
}
