//! The VP8 payload descriptor (RFC 7741, section 4.2) and frame header (RFC 6386, section 9.1).

/// Bytes of the descriptor that a synthetic participant writes.
const DESCRIPTOR_BYTES: usize = 6;
/// Bytes of the frame header of a keyframe, and of any other frame.
const KEYFRAME_HEADER_BYTES: usize = 10;
const FRAME_HEADER_BYTES: usize = 3;

/// The descriptor of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Whether the packet begins a frame.
    pub(crate) start: bool,
    /// 15 bits.
    pub(crate) picture_id: Option<u16>,
    pub(crate) tl0_pic_idx: Option<u8>,
    /// Temporal layer, 0 to 3.
    pub(crate) temporal: u8,
    len: usize,
}

impl Descriptor {
    /// Reads the descriptor; `None` if the payload ends before it does.
    pub(crate) fn parse(payload: &[u8]) -> Option<Descriptor> {
        let first = *payload.first()?;
        let mut descriptor = Descriptor {
            start: first & 0x10 != 0 && first & 0x07 == 0,
            picture_id: None,
            tl0_pic_idx: None,
            temporal: 0,
            len: 1,
        };
        if first & 0x80 == 0 {
            return Some(descriptor);
        }
        let extension = descriptor.take(payload)?;
        if extension & 0x80 != 0 {
            let high = descriptor.take(payload)?;
            descriptor.picture_id = Some(if high & 0x80 != 0 {
                u16::from(high & 0x7F) << 8 | u16::from(descriptor.take(payload)?)
            } else {
                u16::from(high)
            });
        }
        if extension & 0x40 != 0 {
            descriptor.tl0_pic_idx = Some(descriptor.take(payload)?);
        }
        if extension & 0x30 != 0 {
            descriptor.temporal = descriptor.take(payload)? >> 6;
        }
        Some(descriptor)
    }

    /// Returns what follows the descriptor and, in a first packet, the frame header.
    pub(crate) fn body<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        let rest = payload.get(self.len..).unwrap_or_default();
        if !self.start {
            return rest;
        }
        let is_keyframe = rest.first().is_some_and(|tag| tag & 1 == 0);
        let header = if is_keyframe {
            KEYFRAME_HEADER_BYTES
        } else {
            FRAME_HEADER_BYTES
        };
        rest.get(header..).unwrap_or_default()
    }

    /// Returns width and height in pixels where a keyframe begins.
    pub(crate) fn dimensions(&self, payload: &[u8]) -> Option<(u16, u16)> {
        let header = payload.get(self.len..self.len + KEYFRAME_HEADER_BYTES)?;
        let is_keyframe = self.start && header[0] & 1 == 0 && header[3..6] == [0x9d, 0x01, 0x2a];
        is_keyframe.then(|| {
            let width = u16::from_le_bytes([header[6], header[7]]) & 0x3FFF;
            let height = u16::from_le_bytes([header[8], header[9]]) & 0x3FFF;
            (width, height)
        })
    }

    fn take(&mut self, payload: &[u8]) -> Option<u8> {
        let byte = *payload.get(self.len)?;
        self.len += 1;
        Some(byte)
    }
}

/// Writes a descriptor with a picture id of 15 bits, TL0PICIDX, TID 0 and KEYIDX.
pub(crate) fn write_descriptor(
    payload: &mut Vec<u8>,
    start: bool,
    picture_id: u16,
    tl0_pic_idx: u8,
    key_idx: u8,
) {
    let before = payload.len();
    payload.push(0x80 | u8::from(start) << 4);
    payload.push(0xF0);
    payload.push(0x80 | (picture_id >> 8) as u8);
    payload.push(picture_id as u8);
    payload.push(tl0_pic_idx);
    payload.push(key_idx & 0x1F);
    debug_assert_eq!(payload.len(), before + DESCRIPTOR_BYTES);
}

/// Writes the header that begins a frame of `frame_bytes` bytes.
pub(crate) fn write_frame_header(
    payload: &mut Vec<u8>,
    keyframe: bool,
    frame_bytes: usize,
    (width, height): (u16, u16),
) {
    // First partition size (19 bits), show_frame, version 0, inverse keyframe bit.
    let partition = (frame_bytes as u32).min(0x7_FFFF);
    let tag = partition << 5 | 1 << 4 | u32::from(!keyframe);
    payload.extend_from_slice(&tag.to_le_bytes()[..3]);
    if keyframe {
        payload.extend_from_slice(&[0x9d, 0x01, 0x2a]);
        payload.extend_from_slice(&width.to_le_bytes());
        payload.extend_from_slice(&height.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut payload = Vec::new();
        write_descriptor(&mut payload, true, 0x7ABC, 200, 31);
        write_frame_header(&mut payload, true, 4_000, (1280, 720));
        payload.push(42);
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert!(descriptor.start);
        assert_eq!(descriptor.picture_id, Some(0x7ABC));
        assert_eq!(descriptor.tl0_pic_idx, Some(200));
        assert_eq!(descriptor.dimensions(&payload), Some((1280, 720)));
        assert_eq!(descriptor.body(&payload), [42]);
    }

    #[test]
    fn a_cut_descriptor_is_refused() {
        let mut payload = Vec::new();
        write_descriptor(&mut payload, false, 5, 6, 7);
        for len in 0..DESCRIPTOR_BYTES {
            assert_eq!(Descriptor::parse(&payload[..len]), None);
        }
    }
}
