//! Where outgoing datagrams wait for one batched send.
//!
//! Consecutive datagrams to one destination are laid end to end, so that the
//! socket can hand them to the kernel as one message with generic segmentation
//! (all segments of equal size, the last may be shorter).

use std::net::SocketAddr;

/// Most segments that Linux takes in one message (`UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 64;

/// Most payload bytes of one message: 65,535 less IPv6 and UDP headers.
const MESSAGE_BYTES_MAX: usize = 65_535 - 48;

/// One send: one or several datagrams to one destination.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Our own advertised address and port that it must leave from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// Bytes of each datagram; the last may be shorter.
    pub segment: usize,
    /// The datagrams, end to end.
    pub payload: &'a [u8],
}

/// What takes datagrams from an arena: a socket, or a simulated network.
pub trait DatagramSink {
    /// Takes one batch. It may keep it back until [`DatagramSink::flush`].
    fn send(&mut self, batch: Batch<'_>);

    /// Lets go of everything kept back.
    fn flush(&mut self) {}
}

struct Message {
    source: SocketAddr,
    destination: SocketAddr,
    segment: usize,
    len: usize,
    /// A segment shorter than the others closes the message.
    closed: bool,
}

/// Collects the datagrams of one turn of a shard.
#[derive(Default)]
pub struct SendArena {
    /// Only ever grows; what is in use ends at `used`.
    bytes: Vec<u8>,
    used: usize,
    messages: Vec<Message>,
}

impl SendArena {
    /// Appends a datagram; joins it to the last message where segmentation allows.
    pub fn push(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        if !datagram.is_empty() {
            self.slot(source, destination, datagram.len())
                .copy_from_slice(datagram);
        }
    }

    /// Appends a datagram of `len` bytes, at least 1, which the caller is to
    /// write: what is in them is left from before. Joins it to the last message
    /// where segmentation allows.
    pub fn slot(&mut self, source: SocketAddr, destination: SocketAddr, len: usize) -> &mut [u8] {
        let start = self.used;
        self.used += len;
        if self.bytes.len() < self.used {
            self.bytes.resize(self.used, 0);
        }
        if let Some(last) = self.messages.last_mut()
            && last.joins(source, destination, len)
        {
            last.len += len;
            last.closed = len < last.segment;
        } else {
            self.messages.push(Message {
                source,
                destination,
                segment: len,
                len,
                closed: false,
            });
        }
        &mut self.bytes[start..self.used]
    }

    /// Takes the last datagram back, which has `len` bytes: it could not be written.
    pub fn take_back(&mut self, len: usize) {
        let Some(last) = self.messages.last_mut() else {
            return;
        };
        debug_assert!(len <= last.len, "it is the last datagram's length");
        let len = len.min(last.len);
        last.len -= len;
        last.closed = false;
        self.used -= len;
        if last.len == 0 {
            self.messages.pop();
        }
    }

    /// Hands everything to `sink` in order and empties the arena; its memory stays.
    pub fn flush(&mut self, sink: &mut dyn DatagramSink) {
        let mut rest = &self.bytes[..self.used];
        for message in &self.messages {
            let (payload, behind) = rest.split_at(message.len);
            rest = behind;
            sink.send(Batch {
                source: message.source,
                destination: message.destination,
                segment: message.segment,
                payload,
            });
        }
        sink.flush();
        self.used = 0;
        self.messages.clear();
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

impl Message {
    fn joins(&self, source: SocketAddr, destination: SocketAddr, len: usize) -> bool {
        !self.closed
            && self.destination == destination
            && self.source == source
            && len <= self.segment
            && self.len + len <= MESSAGE_BYTES_MAX
            && self.len / self.segment < SEGMENTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[derive(Default)]
    struct Collected {
        batches: usize,
        datagrams: Vec<(SocketAddr, Vec<u8>)>,
    }

    impl DatagramSink for Collected {
        fn send(&mut self, batch: Batch<'_>) {
            self.batches += 1;
            assert!(batch.payload.len() <= MESSAGE_BYTES_MAX);
            assert!(batch.payload.len().div_ceil(batch.segment) <= SEGMENTS_MAX);
            for datagram in batch.payload.chunks(batch.segment) {
                self.datagrams.push((batch.destination, datagram.to_vec()));
            }
        }
    }

    #[test]
    fn a_frame_to_one_destination_is_one_message() {
        let mut arena = SendArena::default();
        for len in [1_100, 1_100, 1_100, 300] {
            arena.push(address(1), address(2), &vec![7; len]);
        }
        let mut sink = Collected::default();
        arena.flush(&mut sink);
        assert_eq!((sink.batches, sink.datagrams.len()), (1, 4));
        assert!(arena.is_empty());
    }

    #[test]
    fn what_was_taken_back_never_was() {
        let mut arena = SendArena::default();
        arena.push(address(1), address(2), &[1; 100]);
        arena.slot(address(1), address(2), 60).fill(2);
        arena.take_back(60);
        arena.slot(address(1), address(2), 100).fill(3);
        arena.slot(address(1), address(3), 50);
        arena.take_back(50);
        let mut sink = Collected::default();
        arena.flush(&mut sink);
        let expected = [(address(2), vec![1; 100]), (address(2), vec![3; 100])];
        assert_eq!((sink.batches, sink.datagrams), (1, expected.to_vec()));
    }

    proptest! {
        #[test]
        fn every_datagram_arrives_whole_and_in_order(
            sizes in prop::collection::vec((0u16..3, 1usize..1500), 0..200),
        ) {
            let mut arena = SendArena::default();
            let mut expected = Vec::new();
            for (index, (port, len)) in sizes.iter().enumerate() {
                let datagram = vec![index as u8; *len];
                arena.push(address(9), address(*port), &datagram);
                expected.push((address(*port), datagram));
            }
            let mut sink = Collected::default();
            arena.flush(&mut sink);
            prop_assert_eq!(sink.datagrams, expected);
        }
    }
}
