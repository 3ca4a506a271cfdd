//! Batches of datagrams that leave: sendmmsg of segmented messages.

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::headers::{Control, Name, no_name, write_control, write_name};
use super::relayed::is_about_an_earlier_one;
use super::{BATCH, IpFields, UdpSocket};

/// How many bytes one batch to send may hold. A frame of 50 packets to 16
/// destinations fits; with more the batch goes out in parts.
const SEND_BYTES: usize = 1 << 20;

/// Most segments that Linux takes in one message (`UDP_MAX_SEGMENTS`).
const SEGMENTS_MAX: usize = 64;

/// Most payload bytes of one message: 65,535 less IPv6 and UDP headers.
const MESSAGE_BYTES_MAX: usize = 65_535 - 48;

/// Datagrams that wait for one send, in order.
pub struct SendBatch {
    bytes: Vec<u8>,
    messages: Vec<Message>,
    names: Vec<Name>,
    controls: Vec<Control>,
}

/// How a datagram leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The local address that it leaves from; `None` leaves the choice to the kernel.
    pub source: Option<IpAddr>,
    /// Where it goes.
    pub destination: SocketAddr,
    /// What else its header says.
    pub ip: IpFields,
}

impl Way {
    /// Returns that of a datagram of this host's own, from an address of the kernel's choice.
    pub fn to(destination: SocketAddr) -> Way {
        Way {
            source: None,
            destination,
            ip: IpFields::default(),
        }
    }
}

/// One or several datagrams that go one way, end to end in the bytes of the batch.
#[derive(Debug, Clone, Copy)]
struct Message {
    way: Way,
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
        let own = Way::to(destination);
        self.messages.push(Message {
            way: Way { source, ..own },
            start,
            len: payload.len(),
            segment,
        });
    }

    /// Appends one datagram of this host's own, made of `header` and `payload`, as
    /// [`SendBatch::append_by`] does.
    #[must_use]
    pub fn append(
        &mut self,
        source: Option<IpAddr>,
        destination: SocketAddr,
        header: &[u8],
        payload: &[u8],
    ) -> bool {
        let own = Way::to(destination);
        self.append_by(&Way { source, ..own }, header, payload)
    }

    /// Appends one datagram made of `header` and `payload`. Joined to the last
    /// message if it goes the same way and the kernel can segment both: all
    /// segments are equal but the last one, which may be shorter. One without any
    /// bytes is a message of its own.
    ///
    /// Returns `false` if there is no room: send the batch first.
    #[must_use]
    pub fn append_by(&mut self, way: &Way, header: &[u8], payload: &[u8]) -> bool {
        let len = header.len() + payload.len();
        if self.bytes.len() + len > SEND_BYTES {
            return false;
        }
        let joined = self
            .messages
            .last_mut()
            .is_some_and(|last| last.joins(way, len));
        if !joined {
            if self.messages.len() == BATCH {
                return false;
            }
            self.messages.push(Message {
                way: *way,
                start: self.bytes.len(),
                len,
                segment: len.max(1),
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
        self.len.div_ceil(self.segment).max(1) as u64
    }

    /// Takes `len` more bytes that go `way` as its next segment, if that can be.
    fn joins(&mut self, way: &Way, len: usize) -> bool {
        let joins = self.way == *way
            // An empty segment would leave no trace.
            && len > 0
            && self.len > 0
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
        (0..self.len.max(1))
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
        header.msg_namelen = write_name(&mut names[index], message.way.destination);
        header.msg_name = (&raw mut names[index]).cast();
        header.msg_iov = &raw mut parts[index];
        header.msg_iovlen = 1;
        let len = write_control(&mut controls[index], &message.way, segment);
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
