//! The sockets of one shard, and the sink that its datagrams leave through.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use conclave_sfu_core::arena::{Batch, DatagramSink};
use conclave_sfu_wire::relayed::is_relayed;
use tracing::warn;

use crate::addresses::{AddressMap, MediaAddr};
use crate::relay::Relay;
use crate::stats::IoStats;
use conclave_sfu_udp::{Family, SendBatch, UdpSocket};

/// The wish for each socket buffer. The kernel io about 2.3 kB for a packet
/// of 1.2 kB, so that some 1,800 fit: a key frame to everybody in a large room.
/// More would only be delay, less loses such bursts.
const BUFFER_BYTES: usize = 4 << 20;

/// How often the kernel may choose a port that the other family has in use.
const PORT_ATTEMPTS: usize = 16;

/// One socket for each family that the media addresses have.
pub(crate) struct Sockets {
    pub(crate) v4: Option<UdpSocket>,
    pub(crate) v6: Option<UdpSocket>,
}

impl Sockets {
    /// Binds both to `port`; 0 lets the kernel choose one for both.
    pub(crate) fn bind(addresses: &[MediaAddr], port: u16) -> io::Result<Sockets> {
        let has = |family| {
            addresses
                .iter()
                .any(|address| Family::of(&address.bound) == family)
        };
        let attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "there is no media address");
        if addresses.is_empty() {
            return Err(last);
        }
        for _ in 0..attempts {
            match Self::bind_once(has(Family::V4), has(Family::V6), port) {
                Ok(sockets) => return Ok(sockets),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn bind_once(has_v4: bool, has_v6: bool, port: u16) -> io::Result<Sockets> {
        let v4 = if has_v4 {
            Some(UdpSocket::bind(Family::V4, port)?)
        } else {
            None
        };
        let port = v4.as_ref().map_or(port, UdpSocket::port);
        let v6 = if has_v6 {
            Some(UdpSocket::bind(Family::V6, port)?)
        } else {
            None
        };
        Ok(Sockets { v4, v6 })
    }

    pub(crate) fn port(&self) -> u16 {
        self.v4
            .as_ref()
            .or(self.v6.as_ref())
            .map_or(0, UdpSocket::port)
    }

    pub(crate) fn port_of(&self, family: Family) -> Option<u16> {
        let socket = match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        };
        socket.as_ref().map(UdpSocket::port)
    }

    pub(crate) fn descriptors(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [
            self.v4.as_ref().map(AsFd::as_fd),
            self.v6.as_ref().map(AsFd::as_fd),
        ]
    }

    /// Lets the kernel note when datagrams arrive.
    pub(crate) fn note_arrivals(&self) {
        for socket in [&self.v4, &self.v6].into_iter().flatten() {
            socket.note_arrivals();
        }
    }

    /// Asks for large buffers and warns of what the system withholds.
    pub(crate) fn enlarge_buffers(&self) {
        for socket in [&self.v4, &self.v6].into_iter().flatten() {
            match socket.wish_buffers(BUFFER_BYTES) {
                Ok(sizes) if sizes.receive >= BUFFER_BYTES && sizes.send >= BUFFER_BYTES => {}
                Ok(sizes) => warn!(
                    wanted_bytes = BUFFER_BYTES,
                    receive_bytes = sizes.receive,
                    send_bytes = sizes.send,
                    "socket buffers are capped; raise net.core.rmem_max and net.core.wmem_max"
                ),
                Err(error) => warn!(%error, "socket buffers could not be enlarged"),
            }
        }
    }
}

/// Gathers the datagrams of one turn and sends them in as few calls as it can.
///
/// When a socket has no room, what is left of its batch is dropped and counted:
/// media that waits is worse than media that is asked for again.
pub(crate) struct Egress {
    v4: SendBatch,
    v6: SendBatch,
}

impl Egress {
    pub(crate) fn new() -> Egress {
        Egress {
            v4: SendBatch::new(),
            v6: SendBatch::new(),
        }
    }

    /// Returns the sink for one turn.
    pub(crate) fn sink<'a>(
        &'a mut self,
        sockets: &'a mut Sockets,
        relay: &'a mut Relay,
        map: &'a AddressMap,
        io: &'a mut IoStats,
    ) -> Sink<'a> {
        Sink {
            egress: self,
            sockets,
            relay,
            map,
            io,
        }
    }
}

pub(crate) struct Sink<'a> {
    egress: &'a mut Egress,
    sockets: &'a mut Sockets,
    relay: &'a mut Relay,
    map: &'a AddressMap,
    io: &'a mut IoStats,
}

impl Sink<'_> {
    /// Hands datagrams to the relay of this process, each by itself: a client
    /// may get them by TCP. None of them ever reaches a socket.
    fn hand_over(&mut self, batch: Batch<'_>) {
        for datagram in batch.payload.chunks(batch.segment) {
            match self.relay.send(batch.source, batch.destination, datagram) {
                true => self.io.relayed_out += 1,
                false => self.io.refused_out += 1,
            }
        }
    }
}

impl DatagramSink for Sink<'_> {
    fn send(&mut self, batch: Batch<'_>) {
        self.io.bytes_out += batch.payload.len() as u64;
        if is_relayed(batch.destination.ip()) {
            return self.hand_over(batch);
        }
        let source: Option<IpAddr> = self.map.bound(batch.source);
        let (waiting, socket) = match Family::of(&batch.destination.ip()) {
            Family::V4 => (&mut self.egress.v4, &mut self.sockets.v4),
            Family::V6 => (&mut self.egress.v6, &mut self.sockets.v6),
        };
        if waiting.is_full_for(batch.payload.len()) {
            send_waiting(waiting, socket, self.io);
        }
        waiting.push(source, batch.destination, batch.segment, batch.payload);
    }

    fn flush(&mut self) {
        send_waiting(&mut self.egress.v4, &mut self.sockets.v4, self.io);
        send_waiting(&mut self.egress.v6, &mut self.sockets.v6, self.io);
        self.relay.flush();
    }
}

fn send_waiting(waiting: &mut SendBatch, socket: &mut Option<UdpSocket>, io: &mut IoStats) {
    if waiting.is_empty() {
        return;
    }
    let Some(socket) = socket else {
        // The shard answers only where something came from, so that there is a socket.
        debug_assert!(false, "a datagram to a family without a socket");
        *waiting = SendBatch::new();
        return;
    };
    let report = socket.send(waiting);
    if report.segmentation_refused {
        warn!("the kernel does not segment UDP here; sending costs more");
    }
    io.add_sent(report);
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::time::Duration;

    use conclave_sfu_core::arena::SendArena;
    use conclave_sfu_wire::relayed::{RELAYED_V4, RELAYED_V6};

    use super::*;
    use crate::relay::RelayPort;
    use conclave_sfu_udp::{ReceiveBatch, wait};

    #[test]
    fn what_an_arena_holds_arrives_in_order_and_is_counted() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let addresses = [MediaAddr::direct(here)];
        let mut sockets = Sockets::bind(&addresses, 0).unwrap();
        let map = AddressMap::new(&addresses, 0, |family| sockets.port_of(family)).unwrap();
        let receiver = UdpSocket::bind(Family::V4, 0).unwrap();
        let destination = SocketAddr::new(here, receiver.port());
        let mut arena = SendArena::default();
        let mut expected = Vec::new();
        // Ever shorter datagrams are ever new messages: more than one call takes.
        for index in 0..150u8 {
            let datagram = vec![index; 200 - usize::from(index / 2)];
            arena.push(map.candidates()[0], destination, &datagram);
            expected.push(datagram);
        }
        let (mut egress, mut io) = (Egress::new(), IoStats::default());
        arena.flush(&mut egress.sink(&mut sockets, &mut Relay::None, &map, &mut io));
        assert_eq!((io.datagrams_out, io.full_out, io.refused_out), (150, 0, 0));
        assert!(io.messages_out < 100, "{} messages", io.messages_out);
        let mut batch = ReceiveBatch::new();
        let mut arrived = Vec::new();
        while arrived.len() < expected.len() {
            let [ready] = wait([Some(receiver.as_fd())], Some(Duration::from_secs(10))).unwrap();
            assert!(ready, "{} arrived", arrived.len());
            receiver.receive(&mut batch).unwrap();
            for received in batch.received().flatten() {
                assert_eq!(received.source, map.candidates()[0]);
                arrived.push(received.payload.to_vec());
            }
        }
        assert_eq!(arrived, expected);
    }

    #[test]
    fn what_is_for_the_relay_is_handed_over_one_by_one_and_never_reaches_a_socket() {
        let addresses = [MediaAddr::direct(IpAddr::from(Ipv4Addr::LOCALHOST))];
        let mut sockets = Sockets::bind(&addresses, 0).unwrap();
        let map = AddressMap::new(&addresses, 0, |family| sockets.port_of(family)).unwrap();
        let here = map.candidates()[0];
        let relayed = [
            SocketAddr::from((RELAYED_V4, 1_024)),
            SocketAddr::from((RELAYED_V6, 65_535)),
        ];
        let mut arena = SendArena::default();
        for len in [1_100, 1_100, 300] {
            arena.push(here, relayed[0], &vec![1; len]);
        }
        arena.push(here, relayed[1], &[2; 20]);
        let (port, ends) = RelayPort::pair().unwrap();
        let mut relay = Relay::apart(Some(port));
        let (mut egress, mut io) = (Egress::new(), IoStats::default());
        arena.flush(&mut egress.sink(&mut sockets, &mut relay, &map, &mut io));
        assert_eq!(
            (io.relayed_out, io.datagrams_out, io.refused_out),
            (4, 0, 0)
        );
        assert_eq!(io.bytes_out, 2_520);
        let mut parcel = ends.from_shard.take().unwrap();
        let handed: Vec<_> = parcel
            .datagrams()
            .map(|(source, destination, payload)| (source, destination, payload.len()))
            .collect();
        assert_eq!(
            handed,
            [
                (here, relayed[0], 1_100),
                (here, relayed[0], 1_100),
                (here, relayed[0], 300),
                (here, relayed[1], 20)
            ]
        );
        arena.push(here, relayed[0], &[3; 20]);
        arena.flush(&mut egress.sink(&mut sockets, &mut Relay::None, &map, &mut io));
        assert_eq!(
            (io.relayed_out, io.datagrams_out, io.refused_out),
            (4, 0, 1)
        );
    }
}
