//! RTP headers and their extensions (RFC 3550, section 5.1; RFC 8285).

/// The header without contributing sources and extensions.
pub const HEADER_MIN: usize = 12;

/// The longest header that [`write_header`] writes.
pub const HEADER_MAX: usize = HEADER_MIN + EXTENSION_HEADER + EXTENSIONS_MAX.next_multiple_of(4);

/// The longest mid or rid that fits into a one-byte extension; longer ones are left out.
pub const NAME_MAX: usize = 16;

/// Profile and length, in front of the extensions.
const EXTENSION_HEADER: usize = 4;
/// One byte of id and length with each: TWCC, three names, level, orientation.
const EXTENSIONS_MAX: usize = 3 + 3 * (1 + NAME_MAX) + 2 + 2;
/// One-byte extensions (RFC 8285, section 4.2).
const ONE_BYTE: u16 = 0xbede;
/// Two-byte extensions (RFC 8285, section 4.3), without the application's four bits.
const TWO_BYTE: u16 = 0x1000;

/// A header that was read. It borrows the packet for its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// End of a frame, or start of a talk spurt.
    pub marker: bool,
    /// Sequence number.
    pub seq: u16,
    /// Timestamp in units of the codec's clock.
    pub timestamp: u32,
    /// The stream.
    pub ssrc: u32,
    /// The last byte of the payload, once opened, tells how many of its end are padding.
    pub has_padding: bool,
    /// Bytes from the start of the packet to the payload.
    pub header_len: usize,
    profile: u16,
    extensions: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads the header at the start of a packet, sealed or not.
    ///
    /// `None` for another version, and for a header that is cut off.
    pub fn parse(packet: &'a [u8]) -> Option<Header<'a>> {
        let fixed: &[u8; HEADER_MIN] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let word = |at: usize| {
            u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]])
        };
        let mut header_len = HEADER_MIN + 4 * usize::from(fixed[0] & 0x0f);
        let (mut profile, mut extensions) = (0, &[][..]);
        if fixed[0] & 0x10 != 0 {
            let (head, rest) = packet
                .get(header_len..)?
                .split_first_chunk::<EXTENSION_HEADER>()?;
            profile = u16::from_be_bytes([head[0], head[1]]);
            extensions = rest.get(..4 * usize::from(u16::from_be_bytes([head[2], head[3]])))?;
            header_len += EXTENSION_HEADER + extensions.len();
        }
        (packet.len() >= header_len).then_some(Header {
            payload_type: fixed[1] & 0x7f,
            marker: fixed[1] & 0x80 != 0,
            seq: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: word(4),
            ssrc: word(8),
            has_padding: fixed[0] & 0x20 != 0,
            header_len,
            profile,
            extensions,
        })
    }

    /// Returns the first extension with a negotiated id, 1 to 255.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions()
            .find(|extension| extension.0 == id)
            .map(|extension| extension.1)
    }

    /// Returns ids and contents of all extensions up to the first that is malformed.
    pub const fn extensions(&self) -> ExtensionIter<'a> {
        ExtensionIter {
            profile: self.profile,
            rest: self.extensions,
        }
    }

    /// Returns the payload of an opened packet without its padding.
    ///
    /// `packet` is the one that the header was read from, without the tag. `None`
    /// if it is shorter or the padding is longer than the payload.
    pub fn payload<'p>(&self, packet: &'p [u8]) -> Option<&'p [u8]> {
        let payload = packet.get(self.header_len..)?;
        if !self.has_padding {
            return Some(payload);
        }
        let padding = usize::from(*payload.last()?);
        payload
            .get(..payload.len().checked_sub(padding)?)
            .filter(|_| padding > 0)
    }
}

/// Walks the extensions of a header.
#[derive(Debug, Clone)]
pub struct ExtensionIter<'a> {
    profile: u16,
    rest: &'a [u8],
}

impl<'a> Iterator for ExtensionIter<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let (first, rest) = self.rest.split_first()?;
            if *first == 0 {
                self.rest = rest;
                continue;
            }
            let (id, len, rest) = match self.profile {
                // Id 15 ends the list (RFC 8285, section 4.2).
                ONE_BYTE if first >> 4 == 15 => return None,
                ONE_BYTE => (first >> 4, usize::from(first & 0x0f) + 1, rest),
                profile if profile & 0xfff0 == TWO_BYTE => {
                    let (len, rest) = rest.split_first()?;
                    (*first, usize::from(*len), rest)
                }
                _ => return None,
            };
            let (content, rest) = rest.split_at_checked(len)?;
            self.rest = rest;
            // Id 0 with a length is padding that takes room.
            if id != 0 {
                return Some((id, content));
            }
        }
    }
}

/// The fixed fields of a header that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// 0 to 127.
    pub payload_type: u8,
    /// End of a frame, or start of a talk spurt.
    pub marker: bool,
    /// Sequence number.
    pub seq: u16,
    /// Timestamp in units of the codec's clock.
    pub timestamp: u32,
    /// The stream.
    pub ssrc: u32,
    /// Whether the payload ends with padding and the count of it.
    pub has_padding: bool,
}

/// The ids that an m-line negotiated, 1 to 14. One that is not, or is above 14,
/// is `None`: its extension is not written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01.
    pub twcc: Option<u8>,
    /// RFC 9143.
    pub mid: Option<u8>,
    /// RFC 8852: the encoding.
    pub rid: Option<u8>,
    /// RFC 8852: the encoding that a retransmission is of.
    pub repaired_rid: Option<u8>,
    /// RFC 6464.
    pub audio_level: Option<u8>,
    /// 3GPP TS 26.114, section 7.4.5.
    pub orientation: Option<u8>,
}

/// What one packet says in its extensions. `None` is not written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extensions<'a> {
    /// The ids of the m-line.
    pub ids: ExtensionIds,
    /// Number of the packet within its transport.
    pub twcc: Option<u16>,
    /// The m-line, 1 to 16 bytes.
    pub mid: Option<&'a str>,
    /// The encoding, 1 to 16 bytes.
    pub rid: Option<&'a str>,
    /// The encoding that is repaired, 1 to 16 bytes.
    pub repaired_rid: Option<&'a str>,
    /// How loud, 0 to 127 below full scale in decibels, and whether it is a voice.
    pub audio_level: Option<(u8, bool)>,
    /// How far the picture is to be turned clockwise, 0 to 3 quarters.
    pub quarter_turns: Option<u8>,
}

impl Extensions<'_> {
    /// Returns the length of the header with these extensions, at most [`HEADER_MAX`].
    pub fn header_len(&self) -> usize {
        let mut len = 0;
        self.each(|_, content| len += 1 + content.len());
        match len {
            0 => HEADER_MIN,
            _ => HEADER_MIN + EXTENSION_HEADER + len.next_multiple_of(4),
        }
    }

    /// Calls `write` with id and 1 to 16 bytes of each extension that is written.
    fn each(&self, mut write: impl FnMut(u8, &[u8])) {
        let mut put = |id: Option<u8>, content: &[u8]| {
            if let Some(id @ 1..=14) = id
                && (1..=NAME_MAX).contains(&content.len())
            {
                write(id, content);
            }
        };
        let ids = &self.ids;
        if let Some(number) = self.twcc {
            put(ids.twcc, &number.to_be_bytes());
        }
        for (id, name) in [
            (ids.mid, self.mid),
            (ids.rid, self.rid),
            (ids.repaired_rid, self.repaired_rid),
        ] {
            put(id, name.unwrap_or_default().as_bytes());
        }
        if let Some((level, voice)) = self.audio_level {
            put(ids.audio_level, &[u8::from(voice) << 7 | level & 0x7f]);
        }
        if let Some(turns) = self.quarter_turns {
            put(ids.orientation, &[turns & 3]);
        }
    }
}

/// Writes a header with one-byte extensions to the start of `out`.
///
/// Returns its length, which is [`Extensions::header_len`], or 0 if `out` is
/// shorter than that.
pub fn write_header(out: &mut [u8], fields: &Fields, extensions: &Extensions<'_>) -> usize {
    let len = extensions.header_len();
    let Some((fixed, rest)) = out
        .get_mut(..len)
        .and_then(|out| out.split_first_chunk_mut::<HEADER_MIN>())
    else {
        return 0;
    };
    let has_extensions = !rest.is_empty();
    fixed[0] = 0x80 | u8::from(fields.has_padding) << 5 | u8::from(has_extensions) << 4;
    fixed[1] = u8::from(fields.marker) << 7 | fields.payload_type & 0x7f;
    fixed[2..4].copy_from_slice(&fields.seq.to_be_bytes());
    fixed[4..8].copy_from_slice(&fields.timestamp.to_be_bytes());
    fixed[8..12].copy_from_slice(&fields.ssrc.to_be_bytes());
    if let Some((head, body)) = rest.split_first_chunk_mut::<EXTENSION_HEADER>() {
        head[..2].copy_from_slice(&ONE_BYTE.to_be_bytes());
        // At most 15 words.
        head[2..].copy_from_slice(&((body.len() / 4) as u16).to_be_bytes());
        body.fill(0);
        let mut at = 0;
        extensions.each(|id, content| {
            body[at] = id << 4 | (content.len() - 1) as u8;
            body[at + 1..][..content.len()].copy_from_slice(content);
            at += 1 + content.len();
        });
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIELDS: Fields = Fields {
        payload_type: 96,
        marker: true,
        seq: 0x1234,
        timestamp: 0x5678_9abc,
        ssrc: 0xdef0_1234,
        has_padding: false,
    };

    const IDS: ExtensionIds = ExtensionIds {
        twcc: Some(3),
        mid: Some(4),
        rid: Some(10),
        repaired_rid: Some(11),
        audio_level: Some(1),
        orientation: Some(14),
    };

    #[test]
    fn a_header_without_extensions_is_twelve_bytes() {
        let mut out = [0xff; 20];
        let len = write_header(&mut out, &FIELDS, &Extensions::default());
        assert_eq!(
            out[..len],
            [
                0x80, 0xe0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34
            ]
        );
        assert_eq!(out[len], 0xff);
    }

    #[test]
    fn extensions_stand_behind_their_ids_and_are_padded() {
        let extensions = Extensions {
            ids: ExtensionIds {
                rid: None,
                orientation: Some(15),
                ..IDS
            },
            twcc: Some(0x0102),
            mid: Some("a1"),
            rid: Some("not negotiated"),
            quarter_turns: Some(1),
            ..Extensions::default()
        };
        let mut out = [0xff; HEADER_MAX];
        let len = write_header(&mut out, &FIELDS, &extensions);
        assert_eq!(out[0], 0x90);
        assert_eq!(
            out[12..len],
            [0xbe, 0xde, 0, 2, 0x31, 1, 2, 0x41, b'a', b'1', 0, 0]
        );
        assert_eq!(write_header(&mut out[..len - 1], &FIELDS, &extensions), 0);
    }

    #[test]
    fn the_longest_header_has_its_constant() {
        let name = Some("0123456789abcdef");
        let extensions = Extensions {
            ids: IDS,
            twcc: Some(1),
            mid: name,
            rid: name,
            repaired_rid: name,
            audio_level: Some((127, true)),
            quarter_turns: Some(3),
        };
        assert_eq!(extensions.header_len(), HEADER_MAX);
        let mut out = [0; HEADER_MAX];
        assert_eq!(write_header(&mut out, &FIELDS, &extensions), HEADER_MAX);
        let longer = Extensions {
            mid: Some("0123456789abcdefg"),
            ..extensions
        };
        assert_eq!(longer.header_len(), HEADER_MAX - 16);
    }

    #[test]
    fn a_header_of_a_browser_is_read() {
        // One contributing source; audio level, two bytes of padding, TWCC; then the end by id 15.
        let packet = [
            0xb1, 0x6f, 0, 7, 0, 0, 0, 9, 0, 0, 0, 8, 1, 2, 3, 4, 0xbe, 0xde, 0, 3, 0x10, 0x85, 0,
            0, 0x31, 0xaa, 0xbb, 0xf0, 0x41, 1, 2, 3, 0x55, 0x66, 0, 2,
        ];
        let header = Header::parse(&packet).unwrap();
        assert_eq!(
            (header.payload_type, header.marker, header.seq),
            (111, false, 7)
        );
        assert_eq!(
            (header.timestamp, header.ssrc, header.header_len),
            (9, 8, 32)
        );
        assert_eq!(header.extension(1), Some(&[0x85][..]));
        assert_eq!(header.extension(3), Some(&[0xaa, 0xbb][..]));
        assert_eq!(header.extension(4), None);
        assert_eq!(header.payload(&packet), Some(&[0x55, 0x66][..]));
        assert_eq!(
            header.payload(&packet[..33]),
            None,
            "more padding than payload"
        );
        assert_eq!(header.payload(&packet[..32]), None);
        assert_eq!(header.payload(&packet[..35]), None, "padding of nothing");
    }

    #[test]
    fn two_byte_extensions_are_read() {
        let packet = [
            0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0x00, 0, 2, 20, 3, 1, 2, 3, 21, 0, 0,
        ];
        let header = Header::parse(&packet).unwrap();
        assert_eq!(header.extension(20), Some(&[1, 2, 3][..]));
        assert_eq!(header.extension(21), Some(&[][..]));
        assert_eq!(header.extensions().count(), 2);
        assert_eq!(header.payload(&packet), Some(&[][..]));
    }

    #[test]
    fn a_header_that_is_cut_off_is_refused() {
        let mut packet = [0; HEADER_MAX];
        let extensions = Extensions {
            ids: IDS,
            twcc: Some(1),
            mid: Some("0"),
            ..Extensions::default()
        };
        let len = write_header(&mut packet, &FIELDS, &extensions);
        for end in 0..len {
            assert_eq!(Header::parse(&packet[..end]), None, "{end} bytes");
        }
        assert!(Header::parse(&packet[..len]).is_some());
        packet[0] = 0x50;
        assert_eq!(Header::parse(&packet), None, "version 1");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Some(header) = Header::parse(&bytes) {
                prop_assert!((HEADER_MIN..=bytes.len()).contains(&header.header_len));
                for (id, content) in header.extensions() {
                    prop_assert!(id > 0 && content.len() < 256);
                }
                if let Some(payload) = header.payload(&bytes) {
                    prop_assert!(payload.len() <= bytes.len() - header.header_len);
                }
            }
        }

        #[test]
        fn what_is_written_is_read(
            payload_type in 0u8..128, marker: bool, seq: u16, timestamp: u32, ssrc: u32, twcc: Option<u16>,
            mid in proptest::option::of("[a-z0-9]{1,16}"), rid in proptest::option::of("[a-z0-9]{1,16}"),
            audio_level in proptest::option::of((0u8..128, any::<bool>())), quarter_turns in proptest::option::of(0u8..4),
        ) {
            let fields = Fields { payload_type, marker, seq, timestamp, ssrc, has_padding: false };
            let extensions = Extensions {
                ids: IDS, twcc, mid: mid.as_deref(), rid: rid.as_deref(), repaired_rid: None, audio_level, quarter_turns,
            };
            let mut out = [0xff; HEADER_MAX];
            let len = write_header(&mut out, &fields, &extensions);
            prop_assert_eq!(len % 4, 0);
            let header = Header::parse(&out).unwrap();
            prop_assert_eq!(header.header_len, len);
            prop_assert_eq!((header.payload_type, header.marker, header.seq), (payload_type, marker, seq));
            prop_assert_eq!((header.timestamp, header.ssrc), (timestamp, ssrc));
            prop_assert_eq!(header.extension(3).map(<[u8]>::to_vec), twcc.map(|number| number.to_be_bytes().to_vec()));
            prop_assert_eq!(header.extension(4), mid.as_deref().map(str::as_bytes));
            prop_assert_eq!(header.extension(10), rid.as_deref().map(str::as_bytes));
            prop_assert_eq!(header.extension(1).map(<[u8]>::to_vec), audio_level.map(|(level, voice)| vec![u8::from(voice) << 7 | level]));
            prop_assert_eq!(header.extension(14).map(<[u8]>::to_vec), quarter_turns.map(|turns| vec![turns]));
        }
    }
}
