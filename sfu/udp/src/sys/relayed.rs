//! Sockets of relayed addresses: one peer-facing UDP socket per allocation.

mod errors;

pub use errors::IcmpError;

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::headers::{Control, Name, no_name, read_facts, read_name, write_control, write_name};
use super::send::{SendBatch, SendReport, Way, send};
use super::{Family, IpFields, ip_fields, set_int};

/// Messages in one system call. Many sockets share the work of a relay, so that
/// each has few at a time.
const BATCH: usize = 8;

/// Room for the datagrams that the kernel has joined, as on the sockets of clients.
const JOINED_MAX: usize = 65_536 + 1_088;

/// The longest datagram that is relayed.
const DATAGRAM_MAX: usize = 2_048;

/// A non-blocking UDP socket on one address, which says what ICMP says.
pub struct RelayedSocket {
    socket: Socket,
    local: SocketAddr,
    dont_fragment: bool,
    /// Whether the kernel has not yet refused to segment.
    segments: bool,
}

/// Why a datagram did not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendRefused {
    /// It must not be fragmented and is longer than this many bytes, headers of IP included; 0 is not known.
    TooLarge(u32),
    /// The socket has no room.
    Full,
    /// There is no way there.
    Unreachable,
}

/// Room for what one call receives from peers.
pub struct PeerBatch {
    bytes: Vec<u8>,
    names: [Name; BATCH],
    controls: [Control; BATCH],
    /// What the kernel said about each message; `None` for one that was cut off.
    arrivals: [Option<Arrival>; BATCH],
    count: usize,
}

#[derive(Clone, Copy)]
struct Arrival {
    len: usize,
    /// Bytes of each datagram in it but the last.
    segment: usize,
    ip: IpFields,
}

/// One datagram that a peer sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerDatagram<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// What else its header said.
    pub ip: IpFields,
    /// Its bytes.
    pub payload: &'a [u8],
}

impl PeerBatch {
    /// Makes space for what one call receives.
    #[allow(
        clippy::new_without_default,
        reason = "half a megabyte is worth a word"
    )]
    pub fn new() -> PeerBatch {
        PeerBatch {
            bytes: vec![0; JOINED_MAX * BATCH],
            names: [no_name(); BATCH],
            controls: [Control::empty(); BATCH],
            arrivals: [None; BATCH],
            count: 0,
        }
    }

    /// Returns what the last receive brought; `None` stands for a datagram that was cut off.
    pub fn received(&self) -> impl Iterator<Item = Option<PeerDatagram<'_>>> {
        let places = self.bytes.chunks(JOINED_MAX).zip(&self.names);
        let places = places.zip(&self.arrivals).take(self.count);
        places.flat_map(|((bytes, name), arrival)| {
            let source = read_name(name);
            let (len, segment) = arrival.map_or((0, 0), |it| (it.len, it.segment));
            // A datagram may be empty, and one that was cut off is told as one.
            let starts = (0..len.max(1)).step_by(segment.max(1));
            starts.map(move |start| {
                let ip = (*arrival)?.ip;
                let payload = bytes.get(start..len.min(start + segment))?;
                (payload.len() <= DATAGRAM_MAX).then_some(PeerDatagram {
                    source: source?,
                    ip,
                    payload,
                })
            })
        })
    }
}

impl RelayedSocket {
    /// Binds to an address of this host; port 0 leaves the choice to the kernel.
    pub fn bind(local: SocketAddr) -> io::Result<RelayedSocket> {
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        match Family::of(&local.ip()) {
            Family::V4 => {
                set_int(&socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1)?;
                let discover = libc::IP_PMTUDISC_DONT;
                set_int(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, discover)?;
            }
            Family::V6 => {
                socket.set_only_v6(true)?;
                set_int(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?;
                let discover = libc::IPV6_PMTUDISC_DONT;
                set_int(
                    &socket,
                    libc::IPPROTO_IPV6,
                    libc::IPV6_MTU_DISCOVER,
                    discover,
                )?;
            }
        }
        ip_fields::note(&socket, Family::of(&local.ip()));
        // An older kernel does not join, and everything comes by itself.
        let _ = set_int(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
        socket.bind(&local.into())?;
        let local = socket
            .local_addr()?
            .as_socket()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(RelayedSocket {
            socket,
            local,
            dont_fragment: false,
            segments: true,
        })
    }

    /// Returns the address that it is bound to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends one datagram, from the address that it is bound to.
    ///
    /// With `dont_fragment` it leaves in one piece or not at all (the DF bit of IPv4).
    ///
    /// # Errors
    /// [`SendRefused`]; either way the socket stays good.
    pub fn send(
        &mut self,
        way: &Way,
        payload: &[u8],
        dont_fragment: bool,
    ) -> Result<(), SendRefused> {
        if self.dont_fragment != dont_fragment {
            self.forbid_fragments(dont_fragment)
                .map_err(|_| SendRefused::Unreachable)?;
        }
        match self.send_once(way, payload) {
            Ok(()) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                Err(SendRefused::TooLarge(self.mtu_of_refusal()))
            }
            // The kernel tells an ICMP error of an earlier datagram with the next call: that was
            // it, and the error queue has the details.
            Err(error) if is_about_an_earlier_one(&error) => self
                .send_once(way, payload)
                .map_err(|_| SendRefused::Unreachable),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(SendRefused::Full),
            Err(_) => Err(SendRefused::Unreachable),
        }
    }

    /// Sends a batch and empties it, as [`UdpSocket::send`](super::UdpSocket::send) does. What is
    /// longer than the way takes leaves in fragments.
    pub fn send_batch(&mut self, batch: &mut SendBatch) -> SendReport {
        if self.dont_fragment {
            // If it cannot be forbidden, it cannot be allowed either.
            let _ = self.forbid_fragments(false);
        }
        send(&self.socket, &mut self.segments, batch)
    }

    fn send_once(&self, way: &Way, payload: &[u8]) -> io::Result<()> {
        let (mut name, mut control) = (no_name(), Control::empty());
        let mut part = libc::iovec {
            iov_base: payload.as_ptr().cast_mut().cast(),
            iov_len: payload.len(),
        };
        // SAFETY: all zeroes are a valid value of this plain struct.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_namelen = write_name(&mut name, way.destination);
        header.msg_name = (&raw mut name).cast();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        let len = write_control(&mut control, way, None);
        if len > 0 {
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = len as _;
        }
        // SAFETY: the header points to bytes, a name and control messages with their true
        // lengths; all outlive the call, and the kernel only reads them.
        let sent = unsafe {
            libc::sendmsg(
                self.socket.as_raw_fd(),
                &raw const header,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    fn forbid_fragments(&mut self, forbid: bool) -> io::Result<()> {
        let (level, name, value) = match (Family::of(&self.local.ip()), forbid) {
            (Family::V4, true) => (
                libc::IPPROTO_IP,
                libc::IP_MTU_DISCOVER,
                libc::IP_PMTUDISC_DO,
            ),
            (Family::V4, false) => (
                libc::IPPROTO_IP,
                libc::IP_MTU_DISCOVER,
                libc::IP_PMTUDISC_DONT,
            ),
            (Family::V6, true) => (
                libc::IPPROTO_IPV6,
                libc::IPV6_MTU_DISCOVER,
                libc::IPV6_PMTUDISC_DO,
            ),
            (Family::V6, false) => (
                libc::IPPROTO_IPV6,
                libc::IPV6_MTU_DISCOVER,
                libc::IPV6_PMTUDISC_DONT,
            ),
        };
        set_int(&self.socket, level, name, value)?;
        self.dont_fragment = forbid;
        Ok(())
    }

    /// Takes what the kernel noted about the datagram that it has just refused.
    fn mtu_of_refusal(&self) -> u32 {
        let mut mtu = 0;
        while let Some(error) = self.take_queued() {
            if error.origin == libc::SO_EE_ORIGIN_LOCAL {
                mtu = error.info;
            }
        }
        mtu
    }

    /// Takes up to 8 messages that have arrived, each of one datagram or several; 0 if there is none.
    pub fn receive(&self, batch: &mut PeerBatch) -> io::Result<usize> {
        batch.count = 0;
        // SAFETY: all zeroes are a valid value of these plain structs.
        let (mut parts, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { mem::zeroed() };
        for index in 0..BATCH {
            let place = &mut batch.bytes[index * JOINED_MAX..][..JOINED_MAX];
            parts[index].iov_base = place.as_mut_ptr().cast();
            parts[index].iov_len = place.len();
            let header = &mut headers[index].msg_hdr;
            header.msg_name = (&raw mut batch.names[index]).cast();
            header.msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
            header.msg_iov = &raw mut parts[index];
            header.msg_iovlen = 1;
            header.msg_control = batch.controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = batch.controls[index].0.len() as _;
        }
        // SAFETY: BATCH headers, each pointing to buffers of `batch` and `parts` with
        // their true lengths; all outlive the call and nothing else refers to them.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::Interrupted
                | io::ErrorKind::OutOfMemory => Ok(0),
                _ if is_about_an_earlier_one(&error) => Ok(0),
                _ => Err(error),
            };
        }
        batch.count = count as usize;
        for (header, arrival) in headers.iter().zip(&mut batch.arrivals).take(batch.count) {
            let len = header.msg_len as usize;
            let is_cut = header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
            *arrival = (!is_cut).then(|| {
                let facts = read_facts(&header.msg_hdr);
                let segment = facts.segment.unwrap_or(len);
                Arrival {
                    len,
                    segment,
                    ip: facts.ip,
                }
            });
        }
        Ok(batch.count)
    }
}

impl AsFd for RelayedSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// With errors of the network asked for, any call on the socket may report one that came meanwhile.
pub(super) fn is_about_an_earlier_one(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENOPROTOOPT
                | libc::EPROTO
                | libc::EACCES
                | libc::EMSGSIZE
        )
    )
}

#[cfg(test)]
mod tests;
