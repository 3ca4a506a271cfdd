//! One thread of the engine.

mod negotiate;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::Source;

use super::client::Client;
use super::clock::Moment;
use super::mailbox::{Command, Mailbox};
use super::peer::{Peer, ShapedLine};
use super::ready::Ready;
use super::seat::PeerId;
use super::socket::Batch;
use super::tally::Tally;
use super::under_way::UnderWay;
use super::{EngineConfig, clock};
use crate::journal::{Counts, Figures};
use negotiate::awaits;

/// Commands served before datagrams are looked at again: making a participant takes a
/// millisecond, and packets of others wait for it.
const COMMANDS_PER_TURN: usize = 4;
/// Deadlines this near are served at once: str0m asks to be woken a microsecond after each packet.
const QUANTUM: Duration = Duration::from_micros(5);

/// Starts thread `number`.
pub(super) fn start(
    number: usize,
    epoch: Instant,
    config: EngineConfig,
) -> io::Result<(Arc<Mailbox>, JoinHandle<()>)> {
    let (ready, waker) = Ready::new()?;
    let (mailbox, inbox) = Mailbox::new(number, waker);
    let mut worker = Worker {
        epoch,
        config,
        mailbox: Arc::clone(&mailbox),
        inbox,
        ready,
        peers: HashMap::new(),
        timers: BinaryHeap::new(),
        under_way: BinaryHeap::new(),
        order: 0,
        figures: Figures::default(),
        tally: Tally::default(),
        closed: (Counts::default(), 0),
        taken: (Counts::default(), 0),
        ended: false,
    };
    let thread = Builder::new()
        .name(format!("engine-{number}"))
        .spawn(move || {
            if let Err(error) = worker.run() {
                eprintln!("conclave-loadtest: a thread of the engine ended: {error}");
            }
        })?;
    Ok((mailbox, thread))
}

struct Worker {
    epoch: Instant,
    config: EngineConfig,
    mailbox: Arc<Mailbox>,
    inbox: Receiver<Command>,
    ready: Ready,
    peers: HashMap<PeerId, Peer>,
    /// An entry counts if it is what its peer has as `scheduled`.
    timers: BinaryHeap<Reverse<(Instant, PeerId)>>,
    /// Datagrams on a made-up line.
    under_way: BinaryHeap<Reverse<UnderWay>>,
    order: u64,
    figures: Figures,
    tally: Tally,
    /// Counts and packets sent of peers that are gone.
    closed: (Counts, u64),
    /// The same of all, as of the last look.
    taken: (Counts, u64),
    ended: bool,
}

impl Worker {
    fn run(&mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        // For IPv4 and IPv6.
        let mut batches = [Batch::new(), Batch::new()];
        loop {
            self.obey();
            // Nothing wakes a thread that waits after its end.
            if self.ended {
                return Ok(());
            }
            self.serve_lines();
            self.serve_timers();
            let patience = self.patience();
            ready.clear();
            ready.extend(self.ready.wait(patience)?.map(PeerId));
            for &peer in &ready {
                self.receive(peer, &mut batches)?;
            }
        }
    }

    /// Returns how long nothing is due.
    fn patience(&self) -> Option<Duration> {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let line = self.under_way.peek().map(|Reverse(datagram)| datagram.at);
        let due = timer.into_iter().chain(line).min()?;
        Some(due.saturating_duration_since(clock::now()))
    }

    fn obey(&mut self) {
        for left in (0..COMMANDS_PER_TURN).rev() {
            let Ok(command) = self.inbox.try_recv() else {
                return;
            };
            self.handle(command);
            if left == 0 {
                // There may be more; come back after the datagrams.
                self.mailbox.wake();
            }
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Open {
                peer,
                part,
                began,
                shape,
                offer,
                toward,
                events,
                reply,
            } => {
                let awaits = awaits(&part, &shape, offer.is_some());
                let line = ShapedLine::new(&self.config.line, peer);
                // Who publishes is looked at by others and has to look itself.
                let is_light = part.only_counts && !shape.sends;
                let config = self.participant(&part, &shape);
                let client = Client::new(clock::now(), config, is_light);
                let made = Peer::new(client, line, awaits, began, events);
                self.peers.insert(peer, made);
                let _ = reply.send(self.describe(peer, &shape, offer, toward));
                self.settle(peer);
            }
            Command::Answer {
                peer,
                sdp,
                toward,
                reply,
            } => {
                let _ = reply.send(self.accept(peer, &sdp, toward));
                self.settle(peer);
            }
            Command::Publish { peer, source, on } => {
                if let Some(found) = self.peers.get_mut(&peer) {
                    found.client.publish(clock::now(), source, on);
                }
                self.settle(peer);
            }
            Command::Demand {
                peer,
                source,
                active,
            } => {
                let has_encodings = self.config.simulcast && source == Source::Camera;
                if let Some(found) = self.peers.get_mut(&peer).filter(|_| has_encodings) {
                    found.client.set_active(source, &active);
                }
            }
            Command::Close { peer } => {
                if let Some(peer) = self.peers.remove(&peer) {
                    self.closed.0 += peer.client.counts();
                    self.closed.1 += peer.client.packets_sent();
                }
            }
            Command::Take { ends, reply } => {
                let _ = reply.send(self.take(ends));
            }
            Command::End => self.ended = true,
        }
    }

    /// Takes what has arrived for a peer.
    fn receive(&mut self, id: PeerId, batches: &mut [Batch; 2]) -> io::Result<()> {
        let Some(peer) = self.peers.get_mut(&id) else {
            return Ok(());
        };
        let (Some(socket), client) = (&peer.socket, &mut peer.client) else {
            return Ok(());
        };
        let local = socket.local();
        let batch = &mut batches[usize::from(local.is_ipv6())];
        let (tally, line, under_way, order) = (
            &mut self.tally,
            &mut peer.line,
            &mut self.under_way,
            &mut self.order,
        );
        let mut moment = None;
        socket.receive(batch, |source, stamp, payload| {
            let moment = *moment.get_or_insert_with(Moment::read);
            let now = moment.now;
            let arrival = stamp.map_or(now, |stamp| moment.instant_of(stamp));
            tally.unstamped += u64::from(stamp.is_none());
            tally.socket_lateness.record(now - arrival);
            tally.received += u64::from(is_rtp(payload));
            tally.received_bytes += payload.len() as u64;
            let Some(line) = line else {
                client.handle_datagram(arrival, source, local, payload);
                return;
            };
            let outcomes = line.down.pass(arrival, payload.len(), &mut line.random);
            tally.shaped_away += u64::from(outcomes.is_empty());
            for at in outcomes {
                *order += 1;
                under_way.push(Reverse(UnderWay {
                    at,
                    order: *order,
                    peer: id,
                    is_down: true,
                    address: source,
                    payload: payload.to_vec(),
                }));
            }
        })?;
        self.settle(id);
        Ok(())
    }

    /// Lets out what has passed its line.
    fn serve_lines(&mut self) {
        while let Some(Reverse(next)) = self.under_way.peek() {
            let now = clock::now();
            if next.at > now {
                return;
            }
            let Some(Reverse(datagram)) = self.under_way.pop() else {
                return;
            };
            let Some(peer) = self.peers.get_mut(&datagram.peer) else {
                continue;
            };
            if datagram.is_down {
                let local = peer.local();
                let UnderWay {
                    at,
                    address,
                    payload,
                    ..
                } = datagram;
                peer.client.handle_datagram(at, address, local, &payload);
                self.settle(datagram.peer);
            } else if let Some(socket) = &peer.socket {
                let sent = socket.send(datagram.address, &datagram.payload);
                self.tally.unsent += u64::from(!sent);
            }
        }
    }

    fn serve_timers(&mut self) {
        let mut now = clock::now();
        while let Some(&Reverse((at, id))) = self.timers.peek() {
            if at > now + QUANTUM {
                return;
            }
            self.timers.pop();
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            if peer.scheduled != Some(at) {
                continue;
            }
            peer.scheduled = None;
            self.tally
                .timer_lateness
                .record(now.saturating_duration_since(at));
            peer.client.handle_timeout(now.max(at));
            self.settle(id);
            now = clock::now();
        }
    }

    /// Sends what a peer wants sent, reports what became of it, and notes when it is next due.
    fn settle(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        while let Some(datagram) = peer.client.poll_outgoing() {
            let Some(socket) = &peer.socket else {
                continue;
            };
            let bytes = datagram.payload.len();
            self.tally.sent_bytes += bytes as u64;
            let Some(line) = &mut peer.line else {
                let sent = socket.send(datagram.destination, &datagram.payload);
                self.tally.unsent += u64::from(!sent);
                continue;
            };
            let outcomes = line.up.pass(clock::now(), bytes, &mut line.random);
            self.tally.shaped_away += u64::from(outcomes.is_empty());
            for at in outcomes {
                self.order += 1;
                self.under_way.push(Reverse(UnderWay {
                    at,
                    order: self.order,
                    peer: id,
                    is_down: false,
                    address: datagram.destination,
                    payload: datagram.payload.clone(),
                }));
            }
        }
        peer.client.take_figures(&mut self.figures);
        for delay in self.figures.delays.drain(..) {
            self.tally.latency.record(delay);
        }
        for length in self.figures.freezes.drain(..) {
            self.tally.freezes.record(length);
        }
        if let Some(took) = peer.report(id) {
            self.tally.joins.record(took);
            self.tally.joins_done += 1;
        }
        let due = peer.client.poll_timeout();
        if let Some(due) = due
            && peer.scheduled.is_none_or(|scheduled| due < scheduled)
        {
            peer.scheduled = Some(due);
            self.timers.push(Reverse((due, id)));
        }
    }

    fn take(&mut self, ends: bool) -> Tally {
        let now = clock::now();
        let (mut counts, mut sent) = self.closed;
        let mut joined = 0;
        for peer in self.peers.values_mut() {
            if ends {
                peer.client.close_freezes(now);
                peer.client.take_figures(&mut self.figures);
            }
            counts += peer.client.counts();
            sent += peer.client.packets_sent();
            joined += usize::from(peer.joined);
        }
        for length in self.figures.freezes.drain(..) {
            self.tally.freezes.record(length);
        }
        let (counted, was_sent) = std::mem::replace(&mut self.taken, (counts, sent));
        Tally {
            joined,
            counts: counts.since(counted),
            sent: sent - was_sent,
            ..std::mem::take(&mut self.tally)
        }
    }
}

/// RTP and not RTCP (RFC 7983, and RFC 5761, section 4).
fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, second, ..] if first >> 6 == 2 && !(192..=223).contains(second))
}
