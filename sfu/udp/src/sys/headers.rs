//! Addresses and control messages as the kernel writes them.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::{Duration, SystemTime};

use super::{Family, IpFields, Way};

/// Room for an address of either family.
pub(super) type Name = libc::sockaddr_storage;

/// Room for the control messages of one datagram: at most PKTINFO of IPv6 (40
/// bytes), a segment size, a traffic class and a hop limit (24 each, in either
/// direction) and a time (32), aligned as their headers must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control(pub(super) [u8; CONTROL_LEN]);

const CONTROL_LEN: usize = 144;

const _: () = {
    // SAFETY: these only compute.
    let needed = unsafe {
        libc::CMSG_SPACE(mem::size_of::<libc::in6_pktinfo>() as u32)
            + 3 * libc::CMSG_SPACE(mem::size_of::<libc::c_int>() as u32)
            + libc::CMSG_SPACE(mem::size_of::<libc::timespec>() as u32)
    };
    assert!(needed as usize <= CONTROL_LEN);
    assert!(mem::align_of::<Control>() >= mem::align_of::<libc::cmsghdr>());
};

impl Control {
    pub(super) const fn empty() -> Control {
        Control([0; CONTROL_LEN])
    }
}

/// An address of no family.
pub(super) const fn no_name() -> Name {
    // SAFETY: all zeroes are a valid value of this plain struct.
    unsafe { mem::zeroed() }
}

/// Reads an address. `None` for a family other than the two of IP.
pub(super) fn read_name(name: &Name) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the storage is larger than and aligned for every address, and all bits are valid.
            let name = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddrV4::new(address, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(
                SocketAddrV6::new(address, u16::from_be(name.sin6_port), 0, name.sin6_scope_id)
                    .into(),
            )
        }
        _ => None,
    }
}

/// Writes an address and returns its length.
pub(super) fn write_name(name: &mut Name, address: SocketAddr) -> libc::socklen_t {
    *name = no_name();
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: the storage is larger than and aligned for every address, and all zeroes are a valid one.
            let name = unsafe { &mut *std::ptr::from_mut(name).cast::<libc::sockaddr_in>() };
            name.sin_family = libc::AF_INET as libc::sa_family_t;
            name.sin_port = address.port().to_be();
            name.sin_addr.s_addr = u32::from(*address.ip()).to_be();
            mem::size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(address) => {
            // SAFETY: as above.
            let name = unsafe { &mut *std::ptr::from_mut(name).cast::<libc::sockaddr_in6>() };
            name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            name.sin6_port = address.port().to_be();
            name.sin6_addr.s6_addr = address.ip().octets();
            name.sin6_scope_id = address.scope_id();
            mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

/// What the control messages of something that arrived say.
#[derive(Default)]
pub(super) struct Facts {
    /// The local address that it was sent to.
    pub(super) destination: Option<IpAddr>,
    /// Bytes of each datagram but the last, if the kernel has joined several.
    pub(super) segment: Option<usize>,
    /// What else its header said, if the socket notes it.
    pub(super) ip: IpFields,
    /// When it arrived, on the clock of the wall.
    pub(super) arrived: Option<SystemTime>,
}

/// Reads what `recvmmsg` has filled in.
pub(super) fn read_facts(header: &libc::msghdr) -> Facts {
    let mut facts = Facts::default();
    // SAFETY: control pointer and length are those that the kernel left, within a live `Control`.
    let mut entry = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !entry.is_null() {
        // SAFETY: the macros give only entries that lie within the control buffer, aligned.
        unsafe { read_entry(entry, &mut facts) };
        // SAFETY: `entry` came from these macros for this header.
        entry = unsafe { libc::CMSG_NXTHDR(header, entry) };
    }
    facts
}

/// Reads one control message.
///
/// # Safety
/// `entry` is what the macros gave for a live control buffer that the kernel filled in.
unsafe fn read_entry(entry: *const libc::cmsghdr, facts: &mut Facts) {
    // SAFETY: as the caller promises, for all of this function; `value` looks at the length.
    let (level, kind) = unsafe { ((*entry).cmsg_level, (*entry).cmsg_type) };
    match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // SAFETY: as above; all bits of this struct are valid.
            let info = unsafe { value::<libc::in_pktinfo>(entry) };
            facts.destination =
                info.map(|info| Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            // SAFETY: as above.
            let info = unsafe { value::<libc::in6_pktinfo>(entry) };
            facts.destination = info.map(|info| Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
        }
        (libc::SOL_UDP, libc::UDP_GRO) => {
            // SAFETY: as above.
            let segment = unsafe { value::<libc::c_int>(entry) };
            facts.segment = segment
                .and_then(|segment| usize::try_from(segment).ok())
                .filter(|segment| *segment > 0);
        }
        (libc::IPPROTO_IP, libc::IP_TOS) => {
            // SAFETY: as above.
            let tos = unsafe { value::<u8>(entry) };
            facts.ip.traffic_class = tos.unwrap_or_default();
        }
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
            // SAFETY: as above.
            let class = unsafe { value::<libc::c_int>(entry) };
            facts.ip.traffic_class = class.map(|class| class as u8).unwrap_or_default();
        }
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
            // SAFETY: as above.
            let limit = unsafe { value::<libc::c_int>(entry) };
            facts.ip.hop_limit = limit.and_then(|limit| u8::try_from(limit).ok());
        }
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
            // SAFETY: as above.
            let time = unsafe { value::<libc::timespec>(entry) };
            facts.arrived = time.and_then(|time| wall_time(&time));
        }
        _ => {}
    }
}

/// Reads the value of a control message; `None` if it is shorter than that.
///
/// # Safety
/// As for [`read_entry`], and all bits of a `T` are valid.
#[allow(
    clippy::unnecessary_cast,
    reason = "the length is of another type with musl"
)]
unsafe fn value<T: Copy>(entry: *const libc::cmsghdr) -> Option<T> {
    // SAFETY: the header is there, and the value behind it if the length says so.
    unsafe {
        let is_whole = (*entry).cmsg_len as usize >= cmsg_len::<T>();
        is_whole.then(|| libc::CMSG_DATA(entry).cast::<T>().read_unaligned())
    }
}

fn wall_time(time: &libc::timespec) -> Option<SystemTime> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds) + Duration::from_nanos(nanos.into()))
}

/// Writes the control messages of a send: the source address, the fields of the
/// IP header that are not the host's own, and the segment size, each if there is
/// one. Returns their length; 0 is none. What lies behind stays as it was.
pub(super) fn write_control(control: &mut Control, way: &Way, segment: Option<u16>) -> usize {
    let mut at = 0;
    match way.source {
        Some(IpAddr::V4(source)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from(source).to_be(),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            at = push_entry(control, at, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(source)) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: source.octets(),
                },
                ipi6_ifindex: 0,
            };
            at = push_entry(control, at, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        None => {}
    }
    if way.ip != IpFields::default() {
        at = push_ip_fields(control, at, way);
    }
    if let Some(segment) = segment {
        at = push_entry(control, at, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
    }
    at
}

fn push_ip_fields(control: &mut Control, mut at: usize, way: &Way) -> usize {
    let (level, class, limit) = match Family::of(&way.destination.ip()) {
        Family::V4 => (libc::IPPROTO_IP, libc::IP_TOS, libc::IP_TTL),
        Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, libc::IPV6_HOPLIMIT),
    };
    if way.ip.traffic_class != 0 {
        let value = libc::c_int::from(way.ip.traffic_class);
        at = push_entry(control, at, level, class, value);
    }
    if let Some(hops) = way.ip.hop_limit {
        at = push_entry(control, at, level, limit, libc::c_int::from(hops));
    }
    at
}

fn push_entry<T: Copy>(control: &mut Control, at: usize, level: i32, kind: i32, value: T) -> usize {
    let size = mem::size_of::<T>() as u32;
    // SAFETY: these only compute.
    let (space, len) = unsafe {
        (
            libc::CMSG_SPACE(size) as usize,
            libc::CMSG_LEN(size) as usize,
        )
    };
    assert!(at + space <= CONTROL_LEN, "all entries fit, see above");
    // SAFETY: all zeroes are a valid value of this plain struct.
    let mut header: libc::cmsghdr = unsafe { mem::zeroed() };
    header.cmsg_level = level;
    header.cmsg_type = kind;
    header.cmsg_len = len as _;
    // SAFETY: `at + space` lies within the buffer, which is aligned for the header
    // because `at` is a sum of `CMSG_SPACE`s; the value follows where `CMSG_DATA` says.
    unsafe {
        let entry = control.0.as_mut_ptr().add(at).cast::<libc::cmsghdr>();
        entry.write(header);
        libc::CMSG_DATA(entry).cast::<T>().write_unaligned(value);
    }
    at + space
}

fn cmsg_len<T>() -> usize {
    // SAFETY: only computes.
    unsafe { libc::CMSG_LEN(mem::size_of::<T>() as u32) as usize }
}
