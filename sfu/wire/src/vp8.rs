//! The VP8 payload descriptor and the header of a frame (RFC 7741, section 4).

use thiserror::Error;

/// Why a payload is no VP8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Vp8Error {
    /// The payload ends within the descriptor.
    #[error("vp8 descriptor is cut off")]
    Truncated,
    /// A TL0PICIDX without a temporal layer (RFC 7741, section 4.2).
    #[error("vp8 descriptor is malformed")]
    Malformed,
}

/// The number of a picture and how wide it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PictureId {
    /// 0 to 127, or to 32,767 if `is_long`.
    pub value: u16,
    /// Whether it takes 15 bits, not 7.
    pub is_long: bool,
}

/// A payload descriptor (RFC 7741, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Descriptor {
    /// N: no later frame refers to this one.
    pub is_non_reference: bool,
    /// S: the payload starts a partition.
    pub starts_partition: bool,
    /// PID, 0 to 7: which partition.
    pub partition: u8,
    /// The number of the picture.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX: counts pictures of the lowest temporal layer.
    pub tl0_pic_idx: Option<u8>,
    /// TID, 0 to 3: the temporal layer.
    pub temporal_layer: Option<u8>,
    /// Y: needs the lowest temporal layer alone, so one may climb here.
    pub is_layer_sync: bool,
    /// KEYIDX, 0 to 31.
    pub key_idx: Option<u8>,
    /// The length of the descriptor in bytes, 1 to 6.
    pub len: usize,
}

impl Descriptor {
    /// Reads the descriptor at the start of an RTP payload.
    pub fn parse(payload: &[u8]) -> Result<Descriptor, Vp8Error> {
        let mut reader = Reader { payload, at: 0 };
        let first = reader.byte()?;
        let mut descriptor = Descriptor {
            is_non_reference: first & 0x20 != 0,
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            picture_id: None,
            tl0_pic_idx: None,
            temporal_layer: None,
            is_layer_sync: false,
            key_idx: None,
            len: 1,
        };
        if first & 0x80 != 0 {
            descriptor.read_extension(&mut reader)?;
        }
        descriptor.len = reader.at;
        Ok(descriptor)
    }

    fn read_extension(&mut self, reader: &mut Reader<'_>) -> Result<(), Vp8Error> {
        let flags = reader.byte()?;
        let (has_picture_id, has_tl0) = (flags & 0x80 != 0, flags & 0x40 != 0);
        let (has_layer, has_key_idx) = (flags & 0x20 != 0, flags & 0x10 != 0);
        if has_tl0 && !has_layer {
            return Err(Vp8Error::Malformed);
        }
        if has_picture_id {
            let high = reader.byte()?;
            let is_long = high & 0x80 != 0;
            let mut value = u16::from(high & 0x7f);
            if is_long {
                value = (value << 8) | u16::from(reader.byte()?);
            }
            self.picture_id = Some(PictureId { value, is_long });
        }
        if has_tl0 {
            self.tl0_pic_idx = Some(reader.byte()?);
        }
        if has_layer || has_key_idx {
            let byte = reader.byte()?;
            if has_layer {
                self.temporal_layer = Some(byte >> 6);
                self.is_layer_sync = byte & 0x20 != 0;
            }
            if has_key_idx {
                self.key_idx = Some(byte & 0x1f);
            }
        }
        Ok(())
    }

    /// Returns whether the payload is the first of its frame.
    pub const fn starts_frame(&self) -> bool {
        self.starts_partition && self.partition == 0
    }

    /// Returns whether the payload is the first of a key frame (RFC 6386, section 9.1).
    ///
    /// `payload` is the one that the descriptor was read from.
    pub fn is_keyframe(&self, payload: &[u8]) -> bool {
        self.starts_frame() && payload.get(self.len).is_some_and(|byte| byte & 0x01 == 0)
    }

    /// Returns width and height in pixels, if the payload is the first of a key
    /// frame and holds its whole header (RFC 6386, section 9.1).
    pub fn dimensions(&self, payload: &[u8]) -> Option<(u16, u16)> {
        const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
        if !self.is_keyframe(payload) {
            return None;
        }
        let header = payload.get(self.len..)?.first_chunk::<10>()?;
        if header[3..6] != START_CODE {
            return None;
        }
        let side = |low: u8, high: u8| u16::from_le_bytes([low, high]) & 0x3fff;
        Some((side(header[6], header[7]), side(header[8], header[9])))
    }
}

/// Writes other numbers into the descriptor at the start of an RTP payload.
///
/// Each keeps the width that it has: of `picture_id` the lower 7 or 15 bits are
/// written. A number that the descriptor does not have, or that is `None`, is
/// left alone.
///
/// # Errors
/// As [`Descriptor::parse`]; nothing is changed then.
pub fn patch(
    payload: &mut [u8],
    picture_id: Option<u16>,
    tl0_pic_idx: Option<u8>,
) -> Result<(), Vp8Error> {
    let descriptor = Descriptor::parse(payload)?;
    // The first byte and the flags of the extension stand in front of both.
    let mut at = 2;
    if let Some(PictureId { is_long, .. }) = descriptor.picture_id {
        match (picture_id, is_long) {
            (Some(id), true) => payload[at..at + 2].copy_from_slice(&(0x8000 | id).to_be_bytes()),
            (Some(id), false) => payload[at] = (id & 0x7f) as u8,
            (None, _) => {}
        }
        at += if is_long { 2 } else { 1 };
    }
    if let (Some(_), Some(index)) = (descriptor.tl0_pic_idx, tl0_pic_idx) {
        payload[at] = index;
    }
    Ok(())
}

struct Reader<'a> {
    payload: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Vp8Error> {
        let byte = *self.payload.get(self.at).ok_or(Vp8Error::Truncated)?;
        self.at += 1;
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bare_descriptor_is_one_byte() {
        let payload = [0x10, 0x01];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert_eq!(descriptor.len, 1);
        assert!(descriptor.starts_frame());
        assert!(!descriptor.is_keyframe(&payload));
        assert_eq!(descriptor.picture_id, None);
    }

    #[test]
    fn a_key_frame_of_a_browser_tells_its_size() {
        // 15-bit picture id 0x1234, TL0PICIDX 7, TID 1 with Y, KEYIDX 3; then a 320x180 key frame.
        let payload = [
            0x90, 0xf0, 0x92, 0x34, 7, 0x63, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4,
            0x00,
        ];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert_eq!(
            descriptor,
            Descriptor {
                is_non_reference: false,
                starts_partition: true,
                partition: 0,
                picture_id: Some(PictureId {
                    value: 0x1234,
                    is_long: true
                }),
                tl0_pic_idx: Some(7),
                temporal_layer: Some(1),
                is_layer_sync: true,
                key_idx: Some(3),
                len: 6,
            }
        );
        assert!(descriptor.is_keyframe(&payload));
        assert_eq!(descriptor.dimensions(&payload), Some((320, 180)));
        assert_eq!(descriptor.dimensions(&payload[..15]), None);
    }

    #[test]
    fn a_short_picture_id_is_one_byte() {
        let descriptor = Descriptor::parse(&[0xa0, 0x80, 0x55]).unwrap();
        assert_eq!(
            descriptor.picture_id,
            Some(PictureId {
                value: 0x55,
                is_long: false
            })
        );
        assert!(descriptor.is_non_reference);
        assert_eq!(descriptor.len, 3);
    }

    #[test]
    fn a_later_partition_starts_no_frame() {
        let payload = [0x11, 0x00];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert!(!descriptor.starts_frame());
        assert!(!descriptor.is_keyframe(&payload));
    }

    #[test]
    fn what_is_cut_off_or_malformed_is_refused() {
        for payload in [
            &[][..],
            &[0x90],
            &[0x90, 0x80],
            &[0x90, 0x80, 0x80],
            &[0x90, 0x60, 1],
            &[0x90, 0x10],
        ] {
            assert_eq!(
                Descriptor::parse(payload),
                Err(Vp8Error::Truncated),
                "{payload:02x?}"
            );
        }
        assert_eq!(
            Descriptor::parse(&[0x90, 0x40, 1, 1]),
            Err(Vp8Error::Malformed)
        );
    }

    #[test]
    fn numbers_are_replaced_in_their_width() {
        let mut payload = [0x90, 0xf0, 0x92, 0x34, 7, 0x63, 0x10];
        patch(&mut payload, Some(0x0102), Some(9)).unwrap();
        assert_eq!(payload, [0x90, 0xf0, 0x81, 0x02, 9, 0x63, 0x10]);
        patch(&mut payload, None, Some(10)).unwrap();
        assert_eq!(payload, [0x90, 0xf0, 0x81, 0x02, 10, 0x63, 0x10]);

        let mut short = [0x90, 0x80, 0x55, 0x10];
        patch(&mut short, Some(0x01ff), Some(9)).unwrap();
        assert_eq!(short, [0x90, 0x80, 0x7f, 0x10]);

        let mut bare = [0x10, 0x01, 2];
        patch(&mut bare, Some(1), Some(2)).unwrap();
        assert_eq!(bare, [0x10, 0x01, 2]);

        let mut cut = [0x90, 0xc0];
        assert_eq!(patch(&mut cut, Some(1), Some(2)), Err(Vp8Error::Malformed));
        assert_eq!(
            patch(&mut cut[..1], Some(1), None),
            Err(Vp8Error::Truncated)
        );
        assert_eq!(cut, [0x90, 0xc0]);
    }

    proptest! {
        #[test]
        fn only_the_numbers_change(mut bytes in proptest::collection::vec(any::<u8>(), 0..24), id: Option<u16>, index: Option<u8>) {
            let before = Descriptor::parse(&bytes);
            let rest = bytes.clone();
            prop_assert_eq!(patch(&mut bytes, id, index).err(), before.err());
            if let Ok(mut expected) = before {
                if let (Some(id), Some(old)) = (id, &mut expected.picture_id) {
                    old.value = id & if old.is_long { 0x7fff } else { 0x7f };
                }
                if let (Some(index), Some(old)) = (index, &mut expected.tl0_pic_idx) {
                    *old = index;
                }
                prop_assert_eq!(Descriptor::parse(&bytes), Ok(expected));
                prop_assert_eq!(&bytes[expected.len..], &rest[expected.len..]);
            } else {
                prop_assert_eq!(bytes, rest);
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(descriptor) = Descriptor::parse(&bytes) {
                prop_assert!((1..=6).contains(&descriptor.len) && descriptor.len <= bytes.len());
                prop_assert!(!descriptor.is_keyframe(&bytes) || descriptor.starts_frame());
                let _ = descriptor.dimensions(&bytes);
            }
        }
    }
}
