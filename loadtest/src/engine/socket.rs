//! UDP sockets that take datagrams in batches, with the kernel's stamps of their arrival.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns, UdpGroSegment};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt,
};
use nix::sys::time::TimeSpec;

/// Messages of one call. A participant gets a frame or two between two turns.
const BATCH: usize = 32;
/// Room for one message: what a server sends as one train arrives as one, if nothing on the way
/// takes it apart. Between machines that is done by the network card, or by the receiver's kernel;
/// here it would be done, and paid for, by the server's.
const MESSAGE_MAX: usize = 65_536;
/// What the kernel may keep for a participant while the generator is elsewhere: a second of 4 Mbit/s.
const BUFFER_BYTES: usize = 512 * 1024;

/// The socket of one peer.
#[expect(clippy::disallowed_types, reason = "the engine has the sockets")]
pub(super) struct Socket {
    socket: std::net::UdpSocket,
    local: SocketAddr,
}

impl Socket {
    /// Binds to a port of the kernel's choice.
    #[expect(clippy::disallowed_types, reason = "the engine has the sockets")]
    pub(super) fn bind(address: IpAddr) -> io::Result<Socket> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        setsockopt(&socket, UdpGroSegment, &true)?;
        // Beyond the system's cap only root may go; what there is must do.
        if setsockopt(&socket, RcvBufForce, &BUFFER_BYTES).is_err() {
            setsockopt(&socket, RcvBuf, &BUFFER_BYTES)?;
        }
        let local = socket.local_addr()?;
        Ok(Socket { socket, local })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends one datagram; returns whether the kernel took it.
    pub(super) fn send(&self, destination: SocketAddr, payload: &[u8]) -> bool {
        match self.socket.send_to(payload, destination) {
            Ok(_) => true,
            // An ICMP error of an earlier datagram: this one was not looked at.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.socket.send_to(payload, destination).is_ok()
            }
            Err(_) => false,
        }
    }

    /// Takes the datagrams that have arrived, a batch at most: source, the wall clock's time of arrival if the
    /// kernel tells it, and the bytes.
    pub(super) fn receive(
        &self,
        batch: &mut Batch,
        mut take: impl FnMut(SocketAddr, Option<Duration>, &[u8]),
    ) -> io::Result<()> {
        let Batch { headers, buffers } = batch;
        let mut buffers = buffers.iter_mut();
        let mut parts: [[IoSliceMut<'_>; 1]; BATCH] = std::array::from_fn(|_| {
            let buffer = buffers.next().expect("there are BATCH buffers");
            [IoSliceMut::new(&mut buffer[..])]
        });
        let fd = self.socket.as_raw_fd();
        let received = match recvmmsg(fd, headers, &mut parts, MsgFlags::MSG_DONTWAIT, None) {
            Ok(received) => received,
            // The last is an ICMP error of an earlier datagram; reading took it away.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut has_shrunk = false;
        for message in received {
            let (mut stamp, mut datagram_len) = (None, None);
            for entry in message.cmsgs().into_iter().flatten() {
                match entry {
                    ControlMessageOwned::ScmTimestampns(at) => stamp = Some(since_1970(at)),
                    ControlMessageOwned::UdpGroSegments(len) => {
                        datagram_len = usize::try_from(len).ok().filter(|len| *len > 0);
                    }
                    _ => {}
                }
            }
            has_shrunk |= datagram_len.is_none();
            let Some(source) = message.address.as_ref().and_then(socket_address) else {
                continue;
            };
            let Some(bytes) = message.iovs().next() else {
                continue;
            };
            for datagram in bytes.chunks(datagram_len.unwrap_or(MESSAGE_MAX)) {
                take(source, stamp, datagram);
            }
        }
        if has_shrunk {
            // The kernel wrote how little it told, and takes that for the room that there is: of
            // the next train it would not tell where its datagrams end.
            *headers = headers_anew();
        }
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Room for what one call receives. To be used for sockets of one family only: the lengths
/// that the kernel wrote are what it is given the next time.
pub(super) struct Batch {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Vec<Vec<u8>>,
}

impl Batch {
    pub(super) fn new() -> Batch {
        Batch {
            headers: headers_anew(),
            buffers: vec![vec![0; MESSAGE_MAX]; BATCH],
        }
    }
}

fn headers_anew() -> MultiHeaders<SockaddrStorage> {
    MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec, i32)))
}

fn since_1970(stamp: TimeSpec) -> Duration {
    Duration::new(
        u64::try_from(stamp.tv_sec()).unwrap_or_default(),
        u32::try_from(stamp.tv_nsec()).unwrap_or_default(),
    )
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(SocketAddr::from((v6.ip(), v6.port())))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use nix::sys::socket::sockopt::UdpGsoSegment;

    use super::super::clock::Moment;
    use super::*;

    #[test]
    fn datagrams_arrive_with_source_bytes_and_the_time_of_arrival() {
        for address in [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ] {
            let (from, to) = (
                Socket::bind(address).unwrap(),
                Socket::bind(address).unwrap(),
            );
            let before = Moment::read();
            // More than one batch, so that headers are used twice.
            for number in 0..2 * BATCH as u8 {
                assert!(from.send(to.local(), &[number; 100]));
            }
            let mut batch = Batch::new();
            let mut seen = Vec::new();
            for _ in 0..2 {
                to.receive(&mut batch, |source, stamp, bytes| {
                    assert_eq!((source, bytes.len()), (from.local(), 100));
                    let arrival = Moment::read().instant_of(stamp.unwrap());
                    assert!(arrival + Duration::from_millis(1) > before.now);
                    seen.push(bytes[0]);
                })
                .unwrap();
            }
            assert_eq!(seen, (0..2 * BATCH as u8).collect::<Vec<_>>());
            to.receive(&mut batch, |_, _, _| panic!("nothing is left"))
                .unwrap();
        }
    }

    #[test]
    fn a_train_of_datagrams_comes_apart_at_the_right_places() {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (from, to) = (
            Socket::bind(address).unwrap(),
            Socket::bind(address).unwrap(),
        );
        setsockopt(&from.socket, UdpGsoSegment, &100).unwrap();
        let mut batch = Batch::new();
        // One by itself leaves the kernel's note on the headers that the train is taken with.
        for (sent, expected) in [(90, &[90][..]), (250, &[100, 100, 50])] {
            assert!(from.send(to.local(), &vec![7; sent]));
            let mut lengths = Vec::new();
            to.receive(&mut batch, |_, stamp, bytes| {
                assert!(stamp.is_some());
                lengths.push(bytes.len());
            })
            .unwrap();
            assert_eq!(lengths, expected);
        }
    }
}
