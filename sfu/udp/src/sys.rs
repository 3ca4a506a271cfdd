//! UDP sockets of Linux with what `std` does not offer: batches in both
//! directions, the destination address of what arrives, the source address of
//! what leaves, segmentation by the kernel, and a wait with nanoseconds.
//!
//! The only unsafe code of the media plane. Every function is safe to call with
//! any values; raw pointers live no longer than the call that made them.

mod headers;
mod ip_fields;
mod ready;
mod receive;
mod relayed;
mod send;
mod wait;

pub use ip_fields::IpFields;
pub use ready::{ReadySet, Watch};
pub use receive::{ReceiveBatch, Received};
pub use relayed::{IcmpError, PeerBatch, PeerDatagram, RelayedSocket, SendRefused};
pub use send::{SendBatch, SendReport, Way};
pub use wait::{WaitList, Waker, wait};

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

/// Messages in one system call, in each direction.
pub(crate) const BATCH: usize = 64;

/// The two makes of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Returns that of an address.
    pub fn of(address: &IpAddr) -> Family {
        if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }
}

/// A non-blocking UDP socket bound to one address, or to all of one family.
pub struct UdpSocket {
    socket: Socket,
    local: SocketAddr,
    /// Whether the kernel has not yet refused to segment.
    segments: bool,
}

/// What the kernel granted of the wish for socket buffers, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferSizes {
    /// For what arrives.
    pub receive: usize,
    /// For what leaves.
    pub send: usize,
}

impl UdpSocket {
    /// Binds to `port` on all addresses, or to one of the kernel's choice if it is 0.
    pub fn bind(family: Family, port: u16) -> io::Result<UdpSocket> {
        UdpSocket::bind_to(match family {
            Family::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            Family::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        })
    }

    /// Binds to one address, or to all of its family if it is the unspecified
    /// one; port 0 lets the kernel choose.
    pub fn bind_to(address: SocketAddr) -> io::Result<UdpSocket> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        match Family::of(&address.ip()) {
            Family::V4 => set_int(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
            Family::V6 => {
                socket.set_only_v6(true)?;
                set_int(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            }
        }
        socket.bind(&address.into())?;
        let bound = socket
            .local_addr()?
            .as_socket()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(UdpSocket {
            socket,
            local: bound,
            segments: true,
        })
    }

    /// Returns the local port.
    pub fn port(&self) -> u16 {
        self.local.port()
    }

    /// Returns the address that it is bound to, perhaps the unspecified one.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Asks for buffers of `bytes` in each direction, beyond the system's cap if
    /// the process may; returns what there is.
    pub fn wish_buffers(&self, bytes: usize) -> io::Result<BufferSizes> {
        let wish = i32::try_from(bytes).unwrap_or(i32::MAX);
        if set_int(&self.socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wish).is_err() {
            self.socket.set_recv_buffer_size(bytes)?;
        }
        if set_int(&self.socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, wish).is_err() {
            self.socket.set_send_buffer_size(bytes)?;
        }
        // The kernel reports twice what it granted: it counts its own overhead.
        Ok(BufferSizes {
            receive: self.socket.recv_buffer_size()? / 2,
            send: self.socket.send_buffer_size()? / 2,
        })
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn set_int(socket: &Socket, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer is to an `int` that outlives the call, and the length is its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests;
