//! What the network sent back about datagrams: the error queue of a socket.

use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use super::super::headers::{Name, no_name, read_name};
use super::RelayedSocket;

/// An error that the network sent back about a datagram of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// Where that datagram went.
    pub destination: SocketAddr,
    /// Type of the ICMP (or ICMPv6, by the family) message.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The size that would fit, where the message tells one, else 0. In bytes, with the headers of IP.
    pub mtu: u32,
}

impl RelayedSocket {
    /// Takes the next error that the network sent back.
    pub fn take_error(&self) -> Option<IcmpError> {
        while let Some(error) = self.take_queued() {
            let is_icmp = matches!(
                error.origin,
                libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6
            );
            let Some(destination) = read_name(&error.destination).filter(|_| is_icmp) else {
                continue;
            };
            return Some(IcmpError {
                destination,
                kind: error.kind,
                code: error.code,
                mtu: error.info,
            });
        }
        None
    }

    /// Takes the next entry of the error queue, whoever made it.
    pub(super) fn take_queued(&self) -> Option<Queued> {
        let mut destination = no_name();
        let mut control = ErrorControl([0; ERROR_CONTROL_LEN]);
        // SAFETY: all zeroes are a valid value of this plain struct.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_name = (&raw mut destination).cast();
        header.msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = ERROR_CONTROL_LEN as _;
        // SAFETY: the header points to a name and a control buffer with their true lengths, which outlive the call.
        let result = unsafe {
            libc::recvmsg(
                self.socket.as_raw_fd(),
                &raw mut header,
                libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT,
            )
        };
        if result < 0 {
            return None;
        }
        // SAFETY: control pointer and length are those that the kernel left, within a live buffer.
        let mut entry = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
        while !entry.is_null() {
            // SAFETY: the macros give only entries whose header lies within the buffer, aligned.
            let (level, kind, len) = unsafe {
                (
                    (*entry).cmsg_level,
                    (*entry).cmsg_type,
                    (*entry).cmsg_len as usize,
                )
            };
            let is_error = matches!(
                (level, kind),
                (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
            );
            // SAFETY: only computes.
            let needed =
                unsafe { libc::CMSG_LEN(mem::size_of::<libc::sock_extended_err>() as u32) };
            if is_error && len >= needed as usize {
                // SAFETY: the entry holds at least this struct, of which all bits are valid.
                let error = unsafe {
                    libc::CMSG_DATA(entry)
                        .cast::<libc::sock_extended_err>()
                        .read_unaligned()
                };
                return Some(Queued {
                    destination,
                    origin: error.ee_origin,
                    kind: error.ee_type,
                    code: error.ee_code,
                    info: error.ee_info,
                });
            }
            // SAFETY: `entry` came from these macros for this header.
            entry = unsafe { libc::CMSG_NXTHDR(&raw const header, entry) };
        }
        None
    }
}

/// An entry of a socket's error queue.
pub(super) struct Queued {
    destination: Name,
    pub(super) origin: u8,
    kind: u8,
    code: u8,
    pub(super) info: u32,
}

/// An extended error with the address of who complained, and some room besides.
const ERROR_CONTROL_LEN: usize = 256;

#[repr(C, align(8))]
struct ErrorControl([u8; ERROR_CONTROL_LEN]);
