//! Where what we send goes.
//!
//! The library names no path. It is the pair of the last connectivity check
//! that nominated one and was answered (RFC 8445, section 7.3.1.5); whatever
//! else the library itself sends to another pair corrects it.

use std::net::SocketAddr;

use conclave_sfu_wire::demux::Class;
use conclave_sfu_wire::stun;

/// A pair of addresses that media goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    /// Our own advertised address.
    pub(crate) local: SocketAddr,
    /// The other side's.
    pub(crate) remote: SocketAddr,
}

/// Transaction id of a STUN message (RFC 8489, section 5).
type Transaction = [u8; 12];

/// Follows the path of one transport.
#[derive(Debug, Default)]
pub(super) struct PathWatch {
    /// The nominating check that is being served.
    check: Option<(Path, Transaction)>,
    current: Option<Path>,
    /// ICE has lost it.
    lost: bool,
}

impl PathWatch {
    /// Notes what comes in, before the library sees it: nobody has verified it.
    pub(super) fn received(&mut self, path: Path, datagram: &[u8]) {
        self.check = stun::has_use_candidate(datagram)
            .then(|| Some((path, transaction(datagram)?)))
            .flatten();
    }

    /// Notes what the library sends. A success response proves that the check
    /// it answers was genuine.
    pub(super) fn sent(&mut self, path: Path, datagram: &[u8]) {
        if stun::is_success_response(datagram) {
            if self
                .check
                .take_if(|(checked, id)| *checked == path && transaction(datagram) == Some(*id))
                .is_some()
            {
                self.current = Some(path);
            }
        } else if Class::of(datagram) != Some(Class::Stun) {
            self.current = Some(path);
        }
    }

    /// Notes whether ICE has a path.
    pub(super) fn set_reachable(&mut self, reachable: bool) {
        self.lost = !reachable;
    }

    /// Returns the path, while ICE has one.
    pub(super) fn current(&self) -> Option<Path> {
        self.current.filter(|_| !self.lost)
    }
}

fn transaction(datagram: &[u8]) -> Option<Transaction> {
    datagram.get(8..20)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path {
            local: SocketAddr::from(([192, 0, 2, 1], 10_000)),
            remote: SocketAddr::from(([192, 0, 2, 9], port)),
        }
    }

    fn message(kind: u16, id: u8, nominates: bool) -> Vec<u8> {
        let mut datagram = kind.to_be_bytes().to_vec();
        datagram.extend((if nominates { 4_u16 } else { 0 }).to_be_bytes());
        datagram.extend([0x21, 0x12, 0xa4, 0x42]);
        datagram.extend([id; 12]);
        if nominates {
            datagram.extend([0, 0x25, 0, 0]);
        }
        datagram
    }

    const DTLS: [u8; 13] = [22; 13];

    #[test]
    fn only_an_answered_nomination_moves_the_path() {
        let mut watch = PathWatch::default();
        watch.received(path(1), &message(1, 7, false));
        watch.sent(path(1), &message(0x101, 7, false));
        assert_eq!(watch.current(), None, "not nominated");
        watch.received(path(1), &message(1, 8, true));
        assert_eq!(watch.current(), None, "not answered");
        watch.sent(path(1), &message(0x101, 9, false));
        watch.sent(path(2), &message(0x101, 8, false));
        assert_eq!(watch.current(), None, "the answer to something else");
        watch.sent(path(1), &message(0x101, 8, false));
        assert_eq!(watch.current(), Some(path(1)));
        watch.sent(path(2), &message(1, 1, false));
        assert_eq!(watch.current(), Some(path(1)), "a check of the library's");
        watch.sent(path(2), &DTLS);
        assert_eq!(
            watch.current(),
            Some(path(2)),
            "what the library uses counts"
        );
    }

    #[test]
    fn a_check_is_forgotten_with_the_next_datagram() {
        let mut watch = PathWatch::default();
        watch.received(path(1), &message(1, 8, true));
        watch.received(path(1), &DTLS);
        watch.sent(path(1), &message(0x101, 8, false));
        assert_eq!(watch.current(), None);
    }

    #[test]
    fn a_lost_path_is_none_until_it_is_back() {
        let mut watch = PathWatch::default();
        watch.sent(path(1), &DTLS);
        watch.set_reachable(false);
        assert_eq!(watch.current(), None);
        watch.set_reachable(true);
        assert_eq!(watch.current(), Some(path(1)));
    }
}
