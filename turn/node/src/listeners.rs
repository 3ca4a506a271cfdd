//! The UDP sockets that clients come to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use conclave_sfu_udp::{IpFields, ReceiveBatch, SendBatch, UdpSocket, Way};
use conclave_turn_wire::FiveTuple;
use tracing::warn;

use crate::stats::UdpStats;

/// The wish for each socket buffer, as for those of the shards: a key frame to
/// everybody in a large room comes in one burst.
const BUFFER_BYTES: usize = 4 << 20;

/// How often the kernel may choose a port that the other family has in use.
const PORT_ATTEMPTS: usize = 16;

/// All UDP sockets of the relay. Few: searched in order.
pub(crate) struct Listeners {
    listeners: Vec<Listener>,
    stats: UdpStats,
}

/// One socket, and what waits to leave by it.
struct Listener {
    socket: UdpSocket,
    waiting: SendBatch,
}

impl Listeners {
    /// Binds all of them.
    pub(crate) fn bind(addresses: &[SocketAddr]) -> io::Result<Listeners> {
        let mut listeners = Vec::new();
        for address in addresses {
            for socket in bind(*address)? {
                enlarge_buffers(&socket);
                socket.join_arrivals();
                listeners.push(Listener {
                    socket,
                    waiting: SendBatch::new(),
                });
            }
        }
        Ok(Listeners {
            listeners,
            stats: UdpStats::default(),
        })
    }

    /// Has the sockets tell what the IP header of each datagram says. It costs something, and is of
    /// use only to what goes on to peers by sockets.
    pub(crate) fn note_ip_fields(&self) {
        for socket in self.sockets() {
            socket.note_ip_fields();
        }
    }

    /// Returns the sockets, in order.
    pub(crate) fn sockets(&self) -> impl ExactSizeIterator<Item = &UdpSocket> {
        self.listeners.iter().map(|listener| &listener.socket)
    }

    /// Takes what has arrived at a socket; returns its port.
    pub(crate) fn receive(&self, index: usize, batch: &mut ReceiveBatch) -> io::Result<u16> {
        let socket = &self.listeners[index].socket;
        socket.receive(batch)?;
        Ok(socket.port())
    }

    /// Queues one datagram of our own, made of `header` and `payload`, to a client.
    pub(crate) fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8]) {
        self.queue(to, IpFields::default(), header, payload);
    }

    /// Queues what a peer sent, behind `header`; `ip` is what its IP header said when it arrived.
    pub(crate) fn pass_on(&mut self, to: &FiveTuple, ip: IpFields, header: &[u8], payload: &[u8]) {
        match ip.onward() {
            Some(ip) => self.queue(to, ip, header, payload),
            None => self.stats.hop_limit_out += 1,
        }
    }

    fn queue(&mut self, to: &FiveTuple, ip: IpFields, header: &[u8], payload: &[u8]) {
        let Listeners { listeners, stats } = self;
        let Some(listener) = listeners.iter_mut().find(|one| one.has(to.server)) else {
            debug_assert!(false, "an answer to a client of no socket");
            return;
        };
        let way = Way {
            source: Some(to.server.ip()),
            destination: to.client.0,
            ip,
        };
        if listener.waiting.append_by(&way, header, payload) {
            return;
        }
        listener.let_go(stats);
        // Into an empty batch every datagram goes.
        let _ = listener.waiting.append_by(&way, header, payload);
    }

    /// Hands everything that waits to the kernel.
    pub(crate) fn flush(&mut self) {
        for listener in &mut self.listeners {
            listener.let_go(&mut self.stats);
        }
    }

    /// Returns what was counted.
    pub(crate) fn stats(&self) -> UdpStats {
        self.stats
    }

    pub(crate) fn stats_mut(&mut self) -> &mut UdpStats {
        &mut self.stats
    }
}

impl Listener {
    /// Returns whether a client that sent to `server` came by this socket.
    fn has(&self, server: SocketAddr) -> bool {
        let local = self.socket.local();
        local.port() == server.port()
            && local.is_ipv4() == server.is_ipv4()
            && (local.ip() == server.ip() || local.ip().is_unspecified())
    }

    fn let_go(&mut self, stats: &mut UdpStats) {
        if self.waiting.is_empty() {
            return;
        }
        let report = self.socket.send(&mut self.waiting);
        if report.segmentation_refused {
            warn!("the kernel does not segment UDP here; sending costs more");
        }
        stats.datagrams_out += report.datagrams;
        stats.full_out += report.full;
        stats.refused_out += report.refused;
    }
}

/// Binds to an address; to both families if it is `[::]`.
fn bind(address: SocketAddr) -> io::Result<Vec<UdpSocket>> {
    if address.ip() != IpAddr::from([0u16; 8]) {
        return Ok(vec![UdpSocket::bind_to(address)?]);
    }
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    let attempts = if address.port() == 0 {
        PORT_ATTEMPTS
    } else {
        1
    };
    for _ in 0..attempts {
        let v6 = match UdpSocket::bind_to(address) {
            Ok(v6) => Some(v6),
            // A host may have been booted without the family.
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => None,
            Err(error) => return Err(error),
        };
        let port = v6.as_ref().map_or(address.port(), UdpSocket::port);
        match UdpSocket::bind_to((Ipv4Addr::UNSPECIFIED, port).into()) {
            Ok(v4) => return Ok(v6.into_iter().chain([v4]).collect()),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn enlarge_buffers(socket: &UdpSocket) {
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
