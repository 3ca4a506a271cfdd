//! What a made-up payload says about itself.

use conclave_sfu_wire::control::{Rid, Source};

const PICTURE_MAGIC: u16 = 0xC0CA;
const AUDIO_MAGIC: u16 = 0xC0CB;
const PICTURE_STAMP_BYTES: usize = 34;
const AUDIO_STAMP_BYTES: usize = 26;

/// What one packet of a made-up picture says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureStamp {
    /// Who made it.
    pub publisher: u64,
    /// Camera or screen.
    pub source: Source,
    /// Which encoding; `None` without simulcast.
    pub encoding: Option<Rid>,
    /// Counts the frames of this encoding, from 0.
    pub frame: u32,
    /// Which packet of the frame, from 0.
    pub index: u16,
    /// How many packets the frame has.
    pub count: u16,
    /// Whether the frame refers to no other.
    pub keyframe: bool,
    /// When the packet left, in nanoseconds since [`ParticipantConfig::epoch`].
    ///
    /// [`ParticipantConfig::epoch`]: crate::ParticipantConfig::epoch
    pub sent_ns: u64,
}

/// What one made-up Opus packet says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioStamp {
    /// Who made it.
    pub publisher: u64,
    /// Microphone or the sound of a screen.
    pub source: Source,
    /// Counts the packets of this source, from 0.
    pub counter: u32,
    /// When the packet left, in nanoseconds since [`ParticipantConfig::epoch`].
    ///
    /// [`ParticipantConfig::epoch`]: crate::ParticipantConfig::epoch
    pub sent_ns: u64,
}

/// Why a payload could not be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// It ends before its stamp does.
    #[error("payload too short")]
    Short,
    /// It was not made by a synthetic participant.
    #[error("payload without stamp")]
    Foreign,
    /// It was changed on the way.
    #[error("checksum differs")]
    Checksum,
}

/// Appends the stamp of a picture packet and filler until `payload` is `total` bytes long.
/// Returns where the stamp begins; [`seal`] makes it whole.
///
/// A `total` without room for the stamp gives the stamp alone.
pub(crate) fn write_picture(payload: &mut Vec<u8>, stamp: &PictureStamp, total: usize) -> usize {
    let start = begin(payload, PICTURE_MAGIC, stamp.publisher);
    payload.push(source_code(stamp.source));
    payload.push(encoding_code(stamp.encoding));
    payload.extend_from_slice(&stamp.frame.to_be_bytes());
    payload.extend_from_slice(&stamp.index.to_be_bytes());
    payload.extend_from_slice(&stamp.count.to_be_bytes());
    payload.push(u8::from(stamp.keyframe));
    payload.push(0);
    fill(payload, stamp.frame as u8 ^ stamp.index as u8, total);
    start
}

/// Appends the stamp of an audio packet and filler until `payload` is `total` bytes long.
/// Returns where the stamp begins; [`seal`] makes it whole.
pub(crate) fn write_audio(payload: &mut Vec<u8>, stamp: &AudioStamp, total: usize) -> usize {
    let start = begin(payload, AUDIO_MAGIC, stamp.publisher);
    payload.push(source_code(stamp.source));
    // The counter has 24 bits here: 93 hours of 20 ms.
    payload.extend_from_slice(&stamp.counter.to_be_bytes()[1..]);
    fill(payload, stamp.counter as u8, total);
    start
}

/// Notes in the stamp that begins at `start` when the packet leaves, and its checksum.
pub(crate) fn seal(payload: &mut [u8], start: usize, sent_ns: u64) {
    payload[start + 6..start + 14].copy_from_slice(&sent_ns.to_be_bytes());
    let sum = checksum(&payload[start + 6..]);
    payload[start + 2..start + 6].copy_from_slice(&sum.to_be_bytes());
}

/// Reads the stamp of one RTP payload of a made-up VP8 stream, descriptor included.
///
/// # Errors
///
/// Says why the payload is not one that a [`crate::Participant`] has made.
pub fn picture_stamp(payload: &[u8]) -> Result<PictureStamp, StampError> {
    let descriptor = crate::vp8::Descriptor::parse(payload).ok_or(StampError::Foreign)?;
    read_picture(descriptor.body(payload))
}

/// Reads what stands behind the VP8 descriptor and header of a packet.
pub(crate) fn read_picture(body: &[u8]) -> Result<PictureStamp, StampError> {
    let stamp = unseal(body, PICTURE_MAGIC, PICTURE_STAMP_BYTES)?;
    Ok(PictureStamp {
        publisher: u64::from_be_bytes(array(stamp, 14)),
        source: source_of(stamp[22]).ok_or(StampError::Foreign)?,
        encoding: encoding_of(stamp[23]).ok_or(StampError::Foreign)?,
        frame: u32::from_be_bytes(array(stamp, 24)),
        index: u16::from_be_bytes(array(stamp, 28)),
        count: u16::from_be_bytes(array(stamp, 30)),
        keyframe: stamp[32] == 1,
        sent_ns: u64::from_be_bytes(array(stamp, 6)),
    })
}

/// Reads the stamp of one RTP payload of a made-up Opus stream.
///
/// # Errors
///
/// Says why the payload is not one that a [`crate::Participant`] has made.
pub fn audio_stamp(payload: &[u8]) -> Result<AudioStamp, StampError> {
    // The first byte is Opus's table of contents.
    let body = payload.get(1..).ok_or(StampError::Short)?;
    let stamp = unseal(body, AUDIO_MAGIC, AUDIO_STAMP_BYTES)?;
    Ok(AudioStamp {
        publisher: u64::from_be_bytes(array(stamp, 14)),
        source: source_of(stamp[22]).ok_or(StampError::Foreign)?,
        counter: u32::from_be_bytes([0, stamp[23], stamp[24], stamp[25]]),
        sent_ns: u64::from_be_bytes(array(stamp, 6)),
    })
}

/// Appends what both kinds of stamps begin with: magic, room for checksum and time, publisher.
fn begin(payload: &mut Vec<u8>, magic: u16, publisher: u64) -> usize {
    let start = payload.len();
    payload.extend_from_slice(&magic.to_be_bytes());
    payload.extend_from_slice(&[0; 12]);
    payload.extend_from_slice(&publisher.to_be_bytes());
    start
}

fn fill(payload: &mut Vec<u8>, filler: u8, total: usize) {
    if payload.len() < total {
        payload.resize(total, filler);
    }
}

fn unseal(body: &[u8], magic: u16, stamp_bytes: usize) -> Result<&[u8], StampError> {
    let stamp = body.get(..stamp_bytes).ok_or(StampError::Short)?;
    if stamp[..2] != magic.to_be_bytes() {
        return Err(StampError::Foreign);
    }
    if checksum(&body[6..]) != u32::from_be_bytes(array(stamp, 2)) {
        return Err(StampError::Checksum);
    }
    Ok(stamp)
}

/// FNV-1a over words: fast enough to run over every byte of a load test.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        sum = (sum ^ u64::from_le_bytes(array(word, 0))).wrapping_mul(0x0100_0000_01b3);
    }
    for &byte in words.remainder() {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (sum >> 32) as u32 ^ sum as u32
}

/// Copies `N` bytes from `at`; the callers have checked the length.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn source_code(source: Source) -> u8 {
    match source {
        Source::Microphone => 0,
        Source::Camera => 1,
        Source::Screen => 2,
        Source::ScreenAudio => 3,
    }
}

fn source_of(code: u8) -> Option<Source> {
    [
        Source::Microphone,
        Source::Camera,
        Source::Screen,
        Source::ScreenAudio,
    ]
    .get(usize::from(code))
    .copied()
}

fn encoding_code(encoding: Option<Rid>) -> u8 {
    match encoding {
        None => 0,
        Some(Rid::Q) => 1,
        Some(Rid::H) => 2,
        Some(Rid::F) => 3,
    }
}

fn encoding_of(code: u8) -> Option<Option<Rid>> {
    [None, Some(Rid::Q), Some(Rid::H), Some(Rid::F)]
        .get(usize::from(code))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: PictureStamp = PictureStamp {
        publisher: 7,
        source: Source::Screen,
        encoding: Some(Rid::H),
        frame: 70_000,
        index: 2,
        count: 9,
        keyframe: true,
        sent_ns: 5_000_000_000,
    };

    #[test]
    fn a_picture_stamp_reads_back_and_fills_the_packet() {
        let mut payload = vec![1, 2, 3];
        let start = write_picture(&mut payload, &PICTURE, 500);
        seal(&mut payload, start, PICTURE.sent_ns);
        assert_eq!(payload.len(), 500);
        assert_eq!(read_picture(&payload[3..]), Ok(PICTURE));
    }

    #[test]
    fn an_audio_stamp_reads_back() {
        let stamp = AudioStamp {
            publisher: 9,
            source: Source::Microphone,
            counter: 12_345,
            sent_ns: 7,
        };
        let mut payload = vec![0xF8];
        let start = write_audio(&mut payload, &stamp, 80);
        seal(&mut payload, start, stamp.sent_ns);
        assert_eq!(audio_stamp(&payload), Ok(stamp));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let mut payload = Vec::new();
        let start = write_picture(&mut payload, &PICTURE, 61);
        seal(&mut payload, start, PICTURE.sent_ns);
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 0x40;
            assert!(read_picture(&changed).is_err(), "byte {at}");
        }
        assert_eq!(read_picture(&payload[..20]), Err(StampError::Short));
    }
}
