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
    bytes: Vec<u8>,
    messages: Vec<Message>,
}

impl SendArena {
    /// Appends a datagram; joins it to the last message where segmentation allows.
    pub fn push(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        if datagram.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(datagram);
        if let Some(last) = self.messages.last_mut()
            && last.joins(source, destination, datagram.len())
        {
            last.len += datagram.len();
            last.closed = datagram.len() < last.segment;
            return;
        }
        self.messages.push(Message {
            source,
            destination,
            segment: datagram.len(),
            len: datagram.len(),
            closed: false,
        });
    }

    /// Hands everything to `sink` in order and empties the arena; its memory stays.
    pub fn flush(&mut self, sink: &mut dyn DatagramSink) {
        let mut rest = self.bytes.as_slice();
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
        self.bytes.clear();
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
