//! Batches of datagrams that arrive: recvmmsg.

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use super::headers::{Control, Facts, Name, no_name, read_facts, read_name};
use super::{BATCH, Family, IpFields, UdpSocket, ip_fields, set_int};

/// Room for one datagram. WebRTC sends at most about 1,500 bytes; what is longer is junk.
const DATAGRAM_MAX: usize = 2_048;

/// A call asks for as many datagrams at least; more of these would be for nothing under little load.
const WANTED_MIN: usize = 4;

/// Room for datagrams that the kernel has joined, as many as it ever does. The
/// odd rest keeps the beginnings of neighbours out of the same lines of the cache.
const JOINED_MAX: usize = 65_536 + 1_088;

/// Messages of joined datagrams in one system call: room for more would be a megabyte.
const JOINED_BATCH: usize = 16;

/// Room for what one call receives.
pub struct ReceiveBatch {
    bytes: Vec<u8>,
    /// Bytes of each place.
    place: usize,
    names: Vec<Name>,
    controls: Vec<Control>,
    facts: Vec<Fact>,
    /// When the first of them arrived, if the kernel says so.
    oldest: Option<SystemTime>,
    /// How many datagrams the next call asks for at first: to ask for all 64
    /// costs more than to take one.
    wanted: usize,
}

/// What the kernel said about one message; `None` for one that cannot be used.
type Fact = Option<Arrival>;

#[derive(Clone, Copy)]
struct Arrival {
    len: usize,
    /// Bytes of each datagram in it but the last.
    segment: usize,
    source: SocketAddr,
    destination: IpAddr,
    ip: IpFields,
    at: Option<SystemTime>,
}

/// One datagram that arrived.
pub struct Received<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// The local address that it was sent to.
    pub destination: IpAddr,
    /// What else its header said, if the socket [notes it](UdpSocket::note_ip_fields).
    pub ip: IpFields,
    /// How long it has waited in its socket, as far as that is known.
    pub waited: Option<Duration>,
    /// Its bytes.
    pub payload: &'a mut [u8],
}

impl ReceiveBatch {
    /// Makes space for what one call receives from a socket that joins nothing.
    #[allow(clippy::new_without_default, reason = "some 100 KiB are worth a word")]
    pub fn new() -> ReceiveBatch {
        ReceiveBatch::with(BATCH, DATAGRAM_MAX)
    }

    /// Makes space for what one call receives from a socket that
    /// [joins arrivals](UdpSocket::join_arrivals): 1 MiB, of which little is ever touched.
    pub fn joined() -> ReceiveBatch {
        ReceiveBatch::with(JOINED_BATCH, JOINED_MAX)
    }

    fn with(count: usize, place: usize) -> ReceiveBatch {
        ReceiveBatch {
            bytes: vec![0; count * place],
            place,
            names: vec![no_name(); count],
            controls: vec![Control::empty(); count],
            facts: Vec::with_capacity(count),
            oldest: None,
            wanted: count,
        }
    }

    /// Returns how long the oldest datagram of the last receive has waited in its
    /// socket. `None` if nothing came, the socket does not
    /// [note arrivals](UdpSocket::note_arrivals), or the clock was set back.
    pub fn waited(&self) -> Option<Duration> {
        SystemTime::now().duration_since(self.oldest?).ok()
    }

    /// Returns what the last receive brought; `None` stands for a datagram that was cut off.
    pub fn received(&mut self) -> impl Iterator<Item = Option<Received<'_>>> {
        let places = self.bytes.chunks_mut(self.place);
        let now = self.oldest.map(|_| SystemTime::now());
        let waited = move |fact: &Arrival| now?.duration_since(fact.at?).ok();
        self.facts
            .iter()
            .zip(places)
            .flat_map(move |(fact, bytes)| {
                let datagrams = fact.map(|fact| {
                    let len = fact.len.min(bytes.len());
                    bytes[..len].chunks_mut(fact.segment).map(move |payload| {
                        Some(Received {
                            source: fact.source,
                            destination: fact.destination,
                            ip: fact.ip,
                            waited: waited(&fact),
                            payload,
                        })
                    })
                });
                let other = match fact {
                    None => Some(None),
                    Some(fact) if fact.len == 0 => Some(Some(Received {
                        source: fact.source,
                        destination: fact.destination,
                        ip: fact.ip,
                        waited: waited(fact),
                        payload: &mut [],
                    })),
                    Some(_) => None,
                };
                datagrams.into_iter().flatten().chain(other)
            })
    }
}

impl UdpSocket {
    /// Lets the kernel join what arrives from one source and is of one size (UDP GRO), where it
    /// can; to be received with [`ReceiveBatch::joined`]. It spares most of the way through the
    /// kernel for a frame of video.
    pub fn join_arrivals(&self) {
        // An older kernel does not, and everything comes by itself.
        let _ = set_int(&self.socket, libc::SOL_UDP, libc::UDP_GRO, 1);
    }

    /// Lets the kernel note when each message arrives, for [`ReceiveBatch::waited`].
    pub fn note_arrivals(&self) {
        // One that does not leaves it to the caller to guess.
        let _ = set_int(&self.socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
    }

    /// Lets the kernel tell what the IP header of each datagram says, for [`Received::ip`].
    pub fn note_ip_fields(&self) {
        ip_fields::note(&self.socket, Family::of(&self.local.ip()));
    }

    /// Takes what has arrived, up to the room of the batch; 0 if there is nothing. Counts messages:
    /// one may have several datagrams if the socket [joins arrivals](UdpSocket::join_arrivals).
    pub fn receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
        batch.facts.clear();
        batch.oldest = None;
        let (wanted, room) = (batch.wanted, batch.names.len());
        let mut count = self.receive_some(batch, 0..wanted)?;
        if count == wanted && wanted < room {
            // More than thought: all of it belongs to one turn.
            count += self.receive_some(batch, wanted..room)?;
        }
        batch.wanted = (2 * count).clamp(WANTED_MIN, room);
        Ok(count)
    }

    /// Takes messages into the places of `range`; returns how many.
    fn receive_some(&self, batch: &mut ReceiveBatch, range: Range<usize>) -> io::Result<usize> {
        let (wanted, place) = (range.len(), batch.place);
        // SAFETY: all zeroes are a valid value of these plain structs.
        let (mut parts, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { mem::zeroed() };
        let places = batch.bytes[range.start * place..range.end * place]
            .chunks_mut(place)
            .zip(&mut batch.names[range.clone()])
            .zip(&mut batch.controls[range.clone()])
            .zip(parts.iter_mut().zip(&mut headers));
        for (((bytes, name), control), (part, header)) in places {
            part.iov_base = bytes.as_mut_ptr().cast();
            part.iov_len = bytes.len();
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut *name).cast();
            header.msg_namelen = mem::size_of::<Name>() as libc::socklen_t;
            header.msg_iov = &raw mut *part;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = control.0.len() as _;
        }
        // SAFETY: as many headers as told, at most BATCH, each pointing to buffers of `batch`
        // and `parts` with their true lengths; all outlive the call and nothing else refers to them.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                wanted as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                // The last two pass: an ICMP error of some peer, a moment without memory.
                io::ErrorKind::WouldBlock
                | io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::OutOfMemory => Ok(0),
                _ => Err(error),
            };
        }
        let count = count as usize;
        let names = &batch.names[range];
        for (header, name) in headers.iter().zip(names).take(count) {
            let facts = read_facts(&header.msg_hdr);
            batch.oldest = batch.oldest.or(facts.arrived);
            batch.facts.push(fact(header, name, &facts));
        }
        Ok(count)
    }
}

fn fact(header: &libc::mmsghdr, name: &Name, facts: &Facts) -> Fact {
    if header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return None;
    }
    let len = header.msg_len as usize;
    let segment = facts.segment.unwrap_or(len).max(1);
    if segment > DATAGRAM_MAX {
        return None;
    }
    Some(Arrival {
        len,
        segment,
        source: read_name(name)?,
        destination: facts.destination?,
        ip: facts.ip,
        at: facts.arrived,
    })
}
