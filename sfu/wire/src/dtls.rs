//! What may reach a DTLS 1.2 server before its handshake is complete.
//!
//! Nothing authenticates a record before that, so one spoofed datagram could
//! end the association: a plaintext alert, or a hello with an odd version.
//! What is lost by dropping such records is only the word of a peer that it
//! gives up; time says the same.

const HEADER: usize = 13;
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
/// DTLS 1.0, which first hellos carry for compatibility, and 1.2 (RFC 6347, section 4.1).
const VERSIONS: [[u8; 2]; 2] = [[0xfe, 0xff], [0xfe, 0xfd]];

/// What is to be done with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Hand it to the DTLS library.
    Pass,
    /// Count it and drop it.
    Drop(Reason),
}

/// Why a datagram is dropped before the handshake is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no record in it, or the last is cut off.
    Truncated,
    /// A record of an unknown content type.
    ContentType,
    /// A record whose version is neither that of DTLS 1.0 nor that of 1.2.
    Version,
    /// A record without content (RFC 5246, section 6.2.1).
    Empty,
    /// An alert in epoch 0, which anybody could have sent.
    PlaintextAlert,
    /// Application data in epoch 0, which no handshake contains.
    PlaintextData,
}

/// Decides whether a datagram may reach a DTLS server whose handshake is not complete.
///
/// All records of the datagram must be acceptable (RFC 6347, section 4.1);
/// the contents of handshake messages are not looked into.
pub fn before_handshake(datagram: &[u8]) -> Verdict {
    let mut rest = datagram;
    loop {
        let record = match Record::split(rest) {
            Ok((record, behind)) => {
                rest = behind;
                record
            }
            Err(reason) => return Verdict::Drop(reason),
        };
        if let Err(reason) = record.check() {
            return Verdict::Drop(reason);
        }
        if rest.is_empty() {
            return Verdict::Pass;
        }
    }
}

/// Returns whether the first record of the datagram is a plaintext ClientHello, whole or its first fragment.
pub fn is_client_hello(datagram: &[u8]) -> bool {
    let Ok((record, _)) = Record::split(datagram) else {
        return false;
    };
    record.content_type == HANDSHAKE
        && record.epoch == 0
        && record.content.first() == Some(&CLIENT_HELLO)
}

struct Record<'a> {
    content_type: u8,
    version: [u8; 2],
    epoch: u16,
    content: &'a [u8],
}

impl<'a> Record<'a> {
    fn split(bytes: &'a [u8]) -> Result<(Record<'a>, &'a [u8]), Reason> {
        let (header, behind) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or(Reason::Truncated)?;
        let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (content, rest) = behind.split_at_checked(len).ok_or(Reason::Truncated)?;
        let record = Record {
            content_type: header[0],
            version: [header[1], header[2]],
            epoch: u16::from_be_bytes([header[3], header[4]]),
            content,
        };
        Ok((record, rest))
    }

    fn check(&self) -> Result<(), Reason> {
        let plaintext = self.epoch == 0;
        match self.content_type {
            ALERT if plaintext => return Err(Reason::PlaintextAlert),
            APPLICATION_DATA if plaintext => return Err(Reason::PlaintextData),
            CHANGE_CIPHER_SPEC | ALERT | HANDSHAKE | APPLICATION_DATA => {}
            _ => return Err(Reason::ContentType),
        }
        if !VERSIONS.contains(&self.version) {
            return Err(Reason::Version);
        }
        if self.content.is_empty() {
            return Err(Reason::Empty);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V10: [u8; 2] = [0xfe, 0xff];
    const V12: [u8; 2] = [0xfe, 0xfd];

    #[test]
    fn a_client_hello_of_either_version_passes() {
        for version in VERSIONS {
            let hello = record(HANDSHAKE, version, 0, &[CLIENT_HELLO, 0, 0, 1]);
            assert_eq!(before_handshake(&hello), Verdict::Pass);
            assert!(is_client_hello(&hello));
        }
    }

    #[test]
    fn the_fifteen_byte_alert_is_dropped() {
        let alert = record(ALERT, V12, 0, &[2, 40]);
        assert_eq!(alert.len(), 15);
        assert_eq!(
            before_handshake(&alert),
            Verdict::Drop(Reason::PlaintextAlert)
        );
    }

    #[test]
    fn an_alert_behind_a_good_record_drops_the_datagram() {
        let flight = [
            record(HANDSHAKE, V12, 0, &[16, 0]),
            record(ALERT, V12, 0, &[2, 40]),
        ]
        .concat();
        assert_eq!(
            before_handshake(&flight),
            Verdict::Drop(Reason::PlaintextAlert)
        );
    }

    #[test]
    fn the_last_flight_of_a_client_passes() {
        let flight = [
            record(HANDSHAKE, V12, 0, &[16, 0, 0, 66]),
            record(CHANGE_CIPHER_SPEC, V12, 0, &[1]),
            record(HANDSHAKE, V12, 1, &[0xaa; 40]),
        ]
        .concat();
        assert_eq!(before_handshake(&flight), Verdict::Pass);
        assert!(!is_client_hello(&flight));
    }

    #[test]
    fn a_sealed_alert_is_for_the_library_to_check() {
        assert_eq!(
            before_handshake(&record(ALERT, V12, 1, &[0; 26])),
            Verdict::Pass
        );
    }

    #[test]
    fn odd_records_are_dropped_with_their_reason() {
        let cases = [
            (Vec::new(), Reason::Truncated),
            (
                record(HANDSHAKE, V10, 0, &[CLIENT_HELLO, 0])[..14].to_vec(),
                Reason::Truncated,
            ),
            (
                record(HANDSHAKE, V12, 0, &[1])[..12].to_vec(),
                Reason::Truncated,
            ),
            (
                record(HANDSHAKE, [0x03, 0x03], 0, &[CLIENT_HELLO]),
                Reason::Version,
            ),
            (
                record(HANDSHAKE, [0xfe, 0xfc], 0, &[CLIENT_HELLO]),
                Reason::Version,
            ),
            (
                record(HANDSHAKE, [0xfe, 0xfe], 0, &[CLIENT_HELLO]),
                Reason::Version,
            ),
            (record(HANDSHAKE, V12, 0, &[]), Reason::Empty),
            (
                record(APPLICATION_DATA, V12, 0, &[1]),
                Reason::PlaintextData,
            ),
            (record(24, V12, 0, &[1]), Reason::ContentType),
            (record(0x2c, V12, 0, &[1]), Reason::ContentType),
        ];
        for (datagram, reason) in cases {
            assert_eq!(
                before_handshake(&datagram),
                Verdict::Drop(reason),
                "{datagram:02x?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = (before_handshake(&bytes), is_client_hello(&bytes));
        }

        #[test]
        fn no_datagram_that_passes_holds_a_plaintext_alert(
            records in proptest::collection::vec((19u8..26, 0u16..2, proptest::collection::vec(any::<u8>(), 0..4)), 1..5),
        ) {
            let datagram: Vec<u8> = records.iter().flat_map(|(kind, epoch, content)| record(*kind, V12, *epoch, content)).collect();
            let holds = records.iter().any(|(kind, epoch, _)| *kind == ALERT && *epoch == 0);
            prop_assert!(!(holds && before_handshake(&datagram) == Verdict::Pass));
        }
    }

    fn record(content_type: u8, version: [u8; 2], epoch: u16, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![content_type, version[0], version[1]];
        bytes.extend_from_slice(&epoch.to_be_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&(content.len() as u16).to_be_bytes());
        bytes.extend_from_slice(content);
        bytes
    }
}
