//! The sockets of one shard, and the sink that its datagrams leave through.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use conclave_sfu_core::arena::{Batch, DatagramSink};
use tracing::warn;

use crate::addresses::{AddressMap, MediaAddr};
use crate::stats::Counts;
use crate::sys::{Family, SendBatch, UdpSocket};

/// The wish for each socket buffer. The kernel counts about 2.3 kB for a packet
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
        map: &'a AddressMap,
        counts: &'a mut Counts,
    ) -> Sink<'a> {
        Sink {
            egress: self,
            sockets,
            map,
            counts,
        }
    }
}

pub(crate) struct Sink<'a> {
    egress: &'a mut Egress,
    sockets: &'a mut Sockets,
    map: &'a AddressMap,
    counts: &'a mut Counts,
}

impl DatagramSink for Sink<'_> {
    fn send(&mut self, batch: Batch<'_>) {
        let source: Option<IpAddr> = self.map.bound(batch.source);
        let (waiting, socket) = match Family::of(&batch.destination.ip()) {
            Family::V4 => (&mut self.egress.v4, &mut self.sockets.v4),
            Family::V6 => (&mut self.egress.v6, &mut self.sockets.v6),
        };
        if waiting.is_full_for(batch.payload.len()) {
            send_waiting(waiting, socket, self.counts);
        }
        waiting.push(source, batch.destination, batch.segment, batch.payload);
    }

    fn flush(&mut self) {
        send_waiting(&mut self.egress.v4, &mut self.sockets.v4, self.counts);
        send_waiting(&mut self.egress.v6, &mut self.sockets.v6, self.counts);
    }
}

fn send_waiting(waiting: &mut SendBatch, socket: &mut Option<UdpSocket>, counts: &mut Counts) {
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
    counts.add_sent(report);
}
