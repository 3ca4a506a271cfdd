//! One peer connection with its socket and its line.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;

use super::address::{own_address, server_address};
use super::client::Client;
use super::seat::{PeerId, SeatEvent};
use super::socket::Socket;
use crate::link::{Link, LinkConfig, Loss, Rate};
use crate::measured::Line;

/// How long what a narrow line cannot carry may wait in front of it.
const LINE_QUEUE: Duration = Duration::from_millis(200);
/// What passes a narrow line at once: a keyframe's first packets.
const LINE_BURST_BYTES: u64 = 8_000;

/// What a peer must see before its participant counts as come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    /// A frame that can be shown; a packet of one where the client only counts.
    Frame,
    /// A packet of sound.
    Sound,
    /// Nobody sends it anything: a connection is all.
    Connection,
    /// Nothing; another peer of the seat receives.
    Nothing,
}

/// One peer connection.
pub(super) struct Peer {
    pub(super) client: Client,
    pub(super) socket: Option<Socket>,
    pub(super) line: Option<ShapedLine>,
    pub(super) awaits: Awaits,
    pub(super) began: Instant,
    pub(super) events: mpsc::Sender<SeatEvent>,
    /// When it is next to be served, if that stands in the heap.
    pub(super) scheduled: Option<Instant>,
    pub(super) joined: bool,
    connected: bool,
    failed: bool,
}

/// Both directions of a made-up access line.
pub(super) struct ShapedLine {
    pub(super) down: Link,
    pub(super) up: Link,
    pub(super) random: StdRng,
}

impl ShapedLine {
    /// Makes the line of one peer; `None` if it would change nothing.
    pub(super) fn new(line: &Line, peer: PeerId) -> Option<ShapedLine> {
        if line.is_clear() {
            return None;
        }
        let config = LinkConfig {
            delay: Duration::from_secs_f64(line.delay_ms / 1_000.0),
            jitter: Duration::from_secs_f64(line.jitter_ms / 1_000.0),
            loss: if line.loss > 0.0 {
                Loss::Bernoulli(line.loss)
            } else {
                Loss::None
            },
            rate: line.rate_bps.map(|bitrate_bps| Rate {
                bitrate_bps,
                burst_bytes: LINE_BURST_BYTES,
                queue_bytes: (bitrate_bps as f64 / 8.0 * LINE_QUEUE.as_secs_f64()) as u64,
            }),
            ..LinkConfig::default()
        };
        Some(ShapedLine {
            down: Link::new(config),
            up: Link::new(config),
            // Each peer has losses of its own, the same ones in each run.
            random: StdRng::seed_from_u64(line.seed ^ peer.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        })
    }
}

impl Peer {
    pub(super) fn new(
        client: Client,
        line: Option<ShapedLine>,
        awaits: Awaits,
        began: Instant,
        events: mpsc::Sender<SeatEvent>,
    ) -> Peer {
        Peer {
            client,
            socket: None,
            line,
            awaits,
            began,
            events,
            scheduled: None,
            joined: false,
            connected: false,
            failed: false,
        }
    }

    /// Gives the peer a socket from which the server of `sdp` can be reached.
    pub(super) fn bind(
        &mut self,
        now: Instant,
        sdp: &str,
        toward: Option<IpAddr>,
    ) -> io::Result<&Socket> {
        let server = server_address(sdp, toward)
            .or(toward)
            .ok_or_else(|| io::Error::other("the SDP names no address for media over UDP"))?;
        let socket = Socket::bind(own_address(server)?)?;
        self.client.set_address(now, socket.local());
        Ok(self.socket.insert(socket))
    }

    /// Tells the seat what has become of the connection; returns how long it took to come
    /// in, once.
    pub(super) fn report(&mut self, id: PeerId) -> Option<Duration> {
        if !self.connected && self.client.has_connected() {
            self.connected = true;
            self.tell(SeatEvent::Connected(id));
        }
        if !self.failed && !self.client.is_alive() {
            self.failed = true;
            self.joined = false;
            let reason = match self.client.failure() {
                Some(failure) => failure.to_string(),
                None if self.connected => "the connection ended".to_owned(),
                None => "no answer on any address that the server named".to_owned(),
            };
            self.tell(SeatEvent::Failed(id, reason));
        }
        if self.joined || self.failed || !self.connected {
            return None;
        }
        let at = match self.awaits {
            Awaits::Frame => self.client.first_frame(),
            Awaits::Sound => self.client.first_sound(),
            Awaits::Connection => Some(super::clock::now()),
            Awaits::Nothing => None,
        }?;
        self.joined = true;
        Some(at.saturating_duration_since(self.began))
    }

    /// Returns the own address; the unspecified one before there is a socket.
    pub(super) fn local(&self) -> SocketAddr {
        self.client.address()
    }

    fn tell(&self, event: SeatEvent) {
        // A seat that takes no events is on its way out.
        let _ = self.events.try_send(event);
    }
}
