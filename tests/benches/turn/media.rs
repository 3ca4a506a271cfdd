//! Media as meetings send it: fifty clients, each with a video frame of six
//! packets thirty times a second and a packet of audio each 20 ms, all to a peer
//! that sends everything back. The clients' side, in a process of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use conclave_sfu_udp::{ReceiveBatch, SendBatch, UdpSocket, WaitList, wait};
use conclave_turn_wire::fast::{channel_data, channel_header};

use crate::client::User;
use crate::load::{Arrival, Way};
use crate::login::Login;
use crate::relay::{ECHO_PORT, PASSWORD, PORT, USER};
use crate::streams;

/// How many clients there are.
pub(crate) const CLIENTS: usize = 50;
/// What is sent before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long it is counted.
const MEASURED: Duration = Duration::from_secs(5);
/// How long the last packets may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// When a request is sent once more, and how often: coturn says that it is ready before it is.
pub(crate) const RETRANSMISSION: Duration = Duration::from_millis(500);
pub(crate) const ATTEMPTS: usize = 20;

/// The channel that every client binds.
pub(crate) const CHANNEL: u16 = 0x4000;
/// The first byte of a payload that counts, and of one that does not.
const COUNTS: u8 = 1;
const COUNTS_NOT: u8 = 0;

/// Who is meant by the user of all servers.
pub(crate) const LOGIN: User<'static> = User {
    name: USER,
    password: PASSWORD,
};

/// What a client sends at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Burst {
    packets: usize,
    bytes: usize,
    every: Duration,
}

/// A frame of 1.6 Mbit/s.
const FRAME: Burst = Burst {
    packets: 6,
    bytes: 1_100,
    every: Duration::from_nanos(33_333_333),
};
const AUDIO: Burst = Burst {
    packets: 1,
    bytes: 100,
    every: Duration::from_millis(20),
};

impl Burst {
    /// Appends its ChannelData messages, end to end; these need no padding.
    pub(crate) fn write(self, counts: bool, out: &mut Vec<u8>) {
        debug_assert!(self.bytes.is_multiple_of(4));
        for _ in 0..self.packets {
            out.extend_from_slice(&channel_header(CHANNEL, self.bytes as u16));
            out.push(if counts { COUNTS } else { COUNTS_NOT });
            out.resize(out.len() + self.bytes - 1, 0x5a);
        }
    }

    pub(crate) fn packets(self) -> u64 {
        self.packets as u64
    }

    fn message_bytes(self) -> usize {
        4 + self.bytes
    }
}

/// What has been sent and what came back of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) returned: u64,
}

impl Counts {
    /// Counts a message that came back.
    pub(crate) fn take(&mut self, message: &[u8]) {
        let is_counted =
            channel_data(message).is_some_and(|(_, payload)| payload.first() == Some(&COUNTS));
        self.returned += u64::from(is_counted);
    }

    fn is_complete(&self) -> bool {
        self.returned >= self.sent
    }
}

/// When which client sends what, all of them evenly spread.
pub(crate) struct Schedule {
    start: Instant,
    due: BinaryHeap<Reverse<(Instant, usize, Burst)>>,
}

impl Schedule {
    pub(crate) fn new(start: Instant) -> Schedule {
        let mut due = BinaryHeap::new();
        for client in 0..CLIENTS {
            for burst in [FRAME, AUDIO] {
                let offset = burst.every.mul_f64(client as f64 / CLIENTS as f64);
                due.push(Reverse((start + offset, client, burst)));
            }
        }
        Schedule { start, due }
    }

    /// When the next one is due; `None` behind the end.
    pub(crate) fn next(&self) -> Option<Instant> {
        let Reverse((due, ..)) = self.due.peek()?;
        (*due < self.start + WARM_UP + MEASURED).then_some(*due)
    }

    /// Whether what is sent counts.
    pub(crate) fn counts(&self, now: Instant) -> bool {
        now >= self.start + WARM_UP
    }

    /// Takes what is due: who sends what.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(usize, Burst)> {
        self.next().filter(|due| *due <= now)?;
        let Reverse((due, client, burst)) = self.due.pop()?;
        self.due.push(Reverse((due + burst.every, client, burst)));
        Some((client, burst))
    }
}

/// The peer that sends everything back, what came together as one message of the
/// kernel's (GSO): as a shard sends.
pub(crate) fn echo() {
    let mut socket = UdpSocket::bind_to(peer()).expect("the port is free");
    socket.wish_buffers(4 << 20).expect("the system allows it");
    let (mut received, mut waiting) = (ReceiveBatch::new(), SendBatch::new());
    while wait([Some(socket.as_fd())], None).is_ok() {
        while socket.receive(&mut received).is_ok_and(|count| count > 0) {
            for datagram in received.received().flatten() {
                // A batch that was received is no more than one to send.
                let _ = waiting.append(None, datagram.source, &[], datagram.payload);
            }
            socket.send(&mut waiting);
        }
    }
}

/// The peer's address.
pub(crate) fn peer() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, ECHO_PORT).into()
}

/// The clients' side of [`crate::load::media`], in a process within the namespace: says
/// `begins`, then how many were `sent` and `returned`.
pub(crate) fn send_here(way: &str, arrival: &str, peer: &str) {
    if peer == "peer" {
        thread::spawn(echo);
    }
    let counts = match way {
        "UDP" => by_udp(arrival == Arrival::Joined.name()).expect("loopback works"),
        "TCP" => streams::send(Way::Tcp),
        _ => streams::send(Way::Tls),
    };
    println!("sent {} returned {}", counts.sent, counts.returned);
}

fn by_udp(joined: bool) -> io::Result<Counts> {
    let mut clients = (0..CLIENTS)
        .map(|_| open())
        .collect::<io::Result<Vec<_>>>()?;
    let mut schedule = Schedule::new(Instant::now());
    let (mut received, mut waiting) = (ReceiveBatch::new(), SendBatch::new());
    let (mut waits, mut bytes) = (WaitList::default(), Vec::new());
    let mut counts = Counts::default();
    let mut has_begun = false;
    let mut end = None;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    while !(end.is_some_and(|end| Instant::now() > end) || (end.is_some() && counts.is_complete()))
    {
        let due = schedule.next();
        if due.is_none() && end.is_none() {
            end = Some(Instant::now() + PATIENCE);
        }
        let until = due.or(end).unwrap_or_else(Instant::now);
        let timeout = until.saturating_duration_since(Instant::now());
        waits.wait(clients.iter().map(AsFd::as_fd), Some(timeout))?;
        for (index, client) in clients.iter().enumerate() {
            if waits.is_ready(index) {
                client.receive(&mut received)?;
                for datagram in received.received().flatten() {
                    counts.take(datagram.payload);
                }
            }
        }
        let now = Instant::now();
        while let Some((client, burst)) = schedule.take(now) {
            let is_counted = schedule.counts(now);
            if is_counted && !std::mem::replace(&mut has_begun, true) {
                println!("begins");
            }
            bytes.clear();
            burst.write(is_counted, &mut bytes);
            let len = burst.message_bytes();
            for message in bytes.chunks(if joined { bytes.len() } else { len }) {
                waiting.push(None, server, len, message);
            }
            let sent = clients[client].send(&mut waiting).datagrams;
            counts.sent += if is_counted { sent } else { 0 };
        }
    }
    Ok(counts)
}

/// Makes a client with an allocation and its channel.
fn open() -> io::Result<UdpSocket> {
    let mut socket = UdpSocket::bind_to((Ipv4Addr::LOCALHOST, 0).into())?;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let (mut received, mut waiting) = (ReceiveBatch::new(), SendBatch::new());
    let mut login = Login::new(LOGIN);
    while let Some(request) = login.next_request(CHANNEL, peer()) {
        let mut count = 0;
        for _ in 0..ATTEMPTS {
            waiting.push(None, server, request.len(), &request);
            socket.send(&mut waiting);
            wait([Some(socket.as_fd())], Some(RETRANSMISSION))?;
            count = socket.receive(&mut received)?;
            if count > 0 {
                break;
            }
        }
        let Some(answer) = received.received().flatten().next().filter(|_| count > 0) else {
            return Err(io::ErrorKind::TimedOut.into());
        };
        login.take_answer(answer.payload)?;
    }
    Ok(socket)
}
