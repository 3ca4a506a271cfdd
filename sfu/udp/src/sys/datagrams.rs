//! Batches of datagrams: recvmmsg, and sendmmsg of segmented messages.

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use socket2::Socket;

use super::headers::{
    Control, Facts, Name, no_name, read_facts, read_name, write_control, write_name,
};
use super::relayed::is_about_an_earlier_one;
use super::{BATCH, UdpSocket, set_int};

/// Room for one datagram. WebRTC sends at most about 1,500 bytes; what is longer is junk.
const DATAGRAM_MAX: usize = 2_048;

/// A call asks for as many datagrams at least; more of these would be for nothing under little load.
const WANTED_MIN: usize = 4;

/// How many bytes one batch to send may hold. A frame of 50 packets to 16
/// destinations fits; with more the batch goes out in parts.
const SEND_BYTES: usize = 1 << 20;

/// Most segments that Linux takes in one message (`UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 64;

/// Most payload bytes of one message: 65,535 less IPv6 and UDP headers.
const MESSAGE_BYTES_MAX: usize = 65_535 - 48;

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
    at: Option<SystemTime>,
}

/// One datagram that arrived.
pub struct Received<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// The local address that it was sent to.
    pub destination: IpAddr,
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
        at: facts.arrived,
    })
}

/// Datagrams that wait for one send, in order.
pub struct SendBatch {
    bytes: Vec<u8>,
    messages: Vec<Message>,
    names: Vec<Name>,
    controls: Vec<Control>,
}

/// One or several datagrams to one destination, end to end in the bytes of the batch.
#[derive(Debug, Clone, Copy)]
struct Message {
    destination: SocketAddr,
    source: Option<IpAddr>,
    start: usize,
    len: usize,
    segment: usize,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Messages handed to the kernel.
    pub messages: u64,
    /// Datagrams in them.
    pub datagrams: u64,
    /// Datagrams for which the socket had no room.
    pub full: u64,
    /// Datagrams that the kernel refused, such as for want of a route.
    pub refused: u64,
    /// The kernel does not segment; each datagram is a message of its own from here on.
    pub segmentation_refused: bool,
}

impl SendBatch {
    /// Makes space for what one call sends.
    #[allow(clippy::new_without_default, reason = "some 100 KiB are worth a word")]
    pub fn new() -> SendBatch {
        SendBatch {
            bytes: Vec::with_capacity(SEND_BYTES),
            messages: Vec::with_capacity(BATCH),
            names: vec![no_name(); BATCH],
            controls: vec![Control::empty(); BATCH],
        }
    }

    /// Returns whether `len` more bytes would exceed the batch: send it first.
    pub fn is_full_for(&self, len: usize) -> bool {
        self.messages.len() == BATCH
            || (!self.messages.is_empty() && self.bytes.len() + len > SEND_BYTES)
    }

    /// Appends datagrams of `segment` bytes each, the last one perhaps shorter.
    ///
    /// They leave from `source`, or from the address that the kernel chooses.
    pub fn push(
        &mut self,
        source: Option<IpAddr>,
        destination: SocketAddr,
        segment: usize,
        payload: &[u8],
    ) {
        if payload.is_empty() || segment == 0 {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.messages.push(Message {
            destination,
            source,
            start,
            len: payload.len(),
            segment,
        });
    }

    /// Appends one datagram made of `header` and `payload`. Joined to the last
    /// message if it goes the same way and the kernel can segment both: all
    /// segments are equal but the last one, which may be shorter.
    ///
    /// Returns `false` if there is no room: send the batch first.
    #[must_use]
    pub fn append(
        &mut self,
        source: Option<IpAddr>,
        destination: SocketAddr,
        header: &[u8],
        payload: &[u8],
    ) -> bool {
        let len = header.len() + payload.len();
        if len == 0 {
            return true;
        }
        if self.bytes.len() + len > SEND_BYTES {
            return false;
        }
        let joined = self
            .messages
            .last_mut()
            .is_some_and(|last| last.joins(source, destination, len));
        if !joined {
            if self.messages.len() == BATCH {
                return false;
            }
            self.messages.push(Message {
                destination,
                source,
                start: self.bytes.len(),
                len,
                segment: len,
            });
        }
        self.bytes.extend_from_slice(header);
        self.bytes.extend_from_slice(payload);
        true
    }

    /// Returns whether nothing waits in it.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Makes each datagram from the message at `from` on a message of its own.
    fn split(&mut self, range: std::ops::Range<usize>) {
        let parts: Vec<Message> = self.messages[range.clone()]
            .iter()
            .flat_map(|message| message.parts())
            .collect();
        self.messages.splice(range, parts);
    }
}

impl Message {
    fn datagrams(&self) -> u64 {
        self.len.div_ceil(self.segment) as u64
    }

    /// Takes `len` more bytes to `destination` as its next segment, if that can be.
    fn joins(&mut self, source: Option<IpAddr>, destination: SocketAddr, len: usize) -> bool {
        let joins = self.destination == destination
            && self.source == source
            && len <= self.segment
            // A segment shorter than the others ended the message.
            && self.len.is_multiple_of(self.segment)
            && self.len / self.segment < SEGMENTS_MAX
            && self.len + len <= MESSAGE_BYTES_MAX;
        if joins {
            self.len += len;
        }
        joins
    }

    fn is_segmented(&self) -> bool {
        self.len > self.segment
    }

    fn parts(self) -> impl Iterator<Item = Message> {
        (0..self.len)
            .step_by(self.segment)
            .map(move |offset| Message {
                start: self.start + offset,
                len: self.segment.min(self.len - offset),
                ..self
            })
    }
}

impl UdpSocket {
    /// Sends the batch and empties it. What the kernel does not take is counted and dropped.
    ///
    /// A segmented message that the kernel refuses goes out in single datagrams.
    /// If those are taken and the refusal was not of its size, the socket never
    /// asks for segmentation again.
    pub fn send(&mut self, batch: &mut SendBatch) -> SendReport {
        send(&self.socket, &mut self.segments, batch)
    }
}

/// Sends a batch as [`UdpSocket::send`] does; `segments` is whether the kernel may be asked to.
pub(super) fn send(socket: &Socket, segments: &mut bool, batch: &mut SendBatch) -> SendReport {
    let mut report = SendReport::default();
    if !*segments {
        batch.split(0..batch.messages.len());
    }
    let mut at = 0;
    // The kernel tells an ICMP error of an earlier datagram with the next call, once.
    let mut is_told = false;
    // Set where the first datagram stands of a message that was refused when segmented.
    let mut suspect = None;
    while at < batch.messages.len() {
        match send_from(socket, batch, at) {
            Ok(count) => {
                if suspect.take() == Some(at) {
                    *segments = false;
                    report.segmentation_refused = true;
                    batch.split(at + count..batch.messages.len());
                }
                report.messages += count as u64;
                report.datagrams += batch.messages[at..at + count]
                    .iter()
                    .map(Message::datagrams)
                    .sum::<u64>();
                at += count;
                is_told = false;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                report.full += batch.messages[at..]
                    .iter()
                    .map(Message::datagrams)
                    .sum::<u64>();
                break;
            }
            Err(error) if !is_told && is_about_an_earlier_one(&error) => is_told = true,
            Err(error) if batch.messages[at].is_segmented() => {
                let blames_segmentation =
                    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL));
                suspect = blames_segmentation.then_some(at);
                batch.split(at..at + 1);
            }
            Err(_) => {
                suspect = None;
                report.refused += batch.messages[at].datagrams();
                at += 1;
            }
        }
    }
    batch.bytes.clear();
    batch.messages.clear();
    report
}

/// Hands messages from `at` on to the kernel; returns how many it took, at least 1.
fn send_from(socket: &Socket, batch: &mut SendBatch, at: usize) -> io::Result<usize> {
    let SendBatch {
        bytes,
        messages,
        names,
        controls,
    } = batch;
    let messages = &messages[at..messages.len().min(at + BATCH)];
    // SAFETY: all zeroes are a valid value of these plain structs.
    let (mut parts, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
        unsafe { mem::zeroed() };
    for (index, message) in messages.iter().enumerate() {
        let payload = &bytes[message.start..message.start + message.len];
        let segment = if message.is_segmented() {
            u16::try_from(message.segment).ok()
        } else {
            None
        };
        parts[index].iov_base = payload.as_ptr().cast_mut().cast();
        parts[index].iov_len = payload.len();
        let header = &mut headers[index].msg_hdr;
        header.msg_namelen = write_name(&mut names[index], message.destination);
        header.msg_name = (&raw mut names[index]).cast();
        header.msg_iov = &raw mut parts[index];
        header.msg_iovlen = 1;
        let len = write_control(&mut controls[index], message.source, segment);
        if len > 0 {
            header.msg_control = controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = len as _;
        }
    }
    // SAFETY: as many headers as messages, each pointing to bytes, a name and control
    // messages with their true lengths; all outlive the call, and the kernel only reads them.
    let count = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            messages.len() as libc::c_uint,
            libc::MSG_DONTWAIT,
        )
    };
    // At least one message is given, so that 0 is no answer of the kernel's.
    if count <= 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(count as usize)
    }
}
