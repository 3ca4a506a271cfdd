//! The turns of the relay: the whole of its I/O, whoever has them done.
//!
//! A thread of its own waits and does one turn after the other (`thread.rs`), or
//! the loop of the only shard does them beside its own (`within.rs`).

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use conclave_sfu_udp::{LOOP_NUMBERS, Parcel, ReadySet, ReceiveBatch, Watch};
use conclave_sfu_wire::relayed::is_relayed;
use conclave_turn_core::auth::SessionKey;
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::{Io, Now, Server, ServerConfig};
use conclave_turn_wire::{ClientAddr, ClientTransport, FiveTuple, PeerAddr, RelayedAddr};
use tokio::runtime::Handle;
use tracing::error;

use crate::backend::{BackendSide, Wanted};
use crate::clients::Clients;
use crate::config::BackendConfig;
use crate::control::Control;
use crate::handle::Shared;
use crate::listeners::Listeners;
use crate::shards::Shards;
use crate::stats::RelayStats;
use crate::streams::{
    FIRST_NUMBER, FromStream, ReadyStreams, StreamClients, StreamEntrance, StreamInbox,
};

/// How many new streams one turn takes, and how many it reads, so that they
/// cannot hold up datagrams for long; each read brings 32 KiB at most.
const STREAMS_PER_TURN: usize = 256;
/// The first bytes of a ConnectionBind request (RFC 6062, section 5.3).
const CONNECTION_BIND: [u8; 2] = [0x00, 0x0b];

/// How many parcels of one shard one turn takes; each has up to 64 datagrams.
const PARCELS_PER_TURN: usize = 16;

/// The numbers of what is watched: what somebody wakes the relay by, sockets that clients come
/// to; below are streams and then what the backend has.
const WOKEN: u64 = u64::MAX - 1;
const LISTENERS: u64 = 1 << 62;
const _: () = assert!(LOOP_NUMBERS <= FIRST_NUMBER && FIRST_NUMBER < LISTENERS);

/// What the relay takes over.
pub(crate) struct Parts {
    pub(crate) listeners: Listeners,
    pub(crate) streams: StreamClients,
    pub(crate) stream_inbox: StreamInbox,
    pub(crate) entrance: StreamEntrance,
    pub(crate) control: Receiver<Control>,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Turns {
    config: ServerConfig,
    core: Core,
    /// Who is in, for a server that takes over from one that panicked.
    sessions: BTreeSet<SessionKey>,
    received: ReceiveBatch,
    ready: ReadySet,
    /// What the last wait found.
    awake: Vec<u64>,
    stream_inbox: StreamInbox,
    /// Streams that may have something, and had no turn yet.
    ready_streams: ReadyStreams,
    control: Receiver<Control>,
    shared: Arc<Shared>,
    /// More waits in memory than the last turn took.
    has_more: bool,
    /// What streams may need, such as time, when they are read and written.
    runtime: Option<Handle>,
}

/// The server and what it is lent.
struct Core {
    server: Server,
    clients: Clients,
    backend: BackendSide,
}

impl Core {
    /// Lets the server work, with everything that it may need.
    fn serve<R>(&mut self, now: Now, work: impl FnOnce(&mut Server, &mut Io<'_>) -> R) -> R {
        let Core {
            server,
            clients,
            backend,
        } = self;
        backend.with(now.instant, |backend| {
            work(server, &mut Io { clients, backend })
        })
    }
}

impl Turns {
    /// Makes its state.
    pub(crate) fn new(
        mut config: ServerConfig,
        parts: Parts,
        backend: Wanted,
    ) -> io::Result<Turns> {
        let closed = |peers: &mut dyn Iterator<Item = &SocketAddr>| {
            PeerPolicy::Closed(PeerList::exact(peers.copied()))
        };
        match &backend {
            Wanted::Apart(BackendConfig::Virtual(shards)) => {
                let mut peers = shards.iter().flat_map(|shard| &shard.addresses);
                config.policy = closed(&mut peers);
            }
            Wanted::Within(addresses) => config.policy = closed(&mut addresses.iter()),
            Wanted::Apart(BackendConfig::Real(_)) => {}
        }
        let Parts {
            listeners,
            mut streams,
            stream_inbox,
            entrance,
            control,
            shared,
        } = parts;
        let ready = ReadySet::new()?;
        let watch = ready.watch();
        watch.add_waker(shared.waker.as_fd(), WOKEN)?;
        for (index, socket) in listeners.sockets().enumerate() {
            watch.add(socket.as_fd(), LISTENERS + index as u64)?;
        }
        streams.watch_by(watch.clone());
        Ok(Turns {
            core: Core {
                server: server(&config)?,
                clients: Clients {
                    udp: listeners,
                    streams,
                },
                backend: BackendSide::open(backend, config.allocation.bits_per_s, entrance, watch)?,
            },
            config,
            sessions: BTreeSet::new(),
            received: ReceiveBatch::joined(),
            ready,
            awake: Vec::new(),
            stream_inbox,
            ready_streams: ReadyStreams::default(),
            control,
            shared,
            has_more: false,
            runtime: Handle::try_current().ok(),
        })
    }

    /// Does some work; returns whether it goes on. A panic in it ends all
    /// allocations, whose clients make new ones, and nothing else.
    pub(crate) fn guard(&mut self, work: impl FnOnce(&mut Turns) -> io::Result<()>) -> bool {
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => {
                error!(%error, "relay has lost its sockets");
                return false;
            }
            Err(_) => error!("relay has panicked and begins anew"),
        }
        match catch_unwind(AssertUnwindSafe(|| self.begin_anew())) {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error!(%error, "relay could not begin anew"),
            Err(_) => error!("relay has panicked again and ends"),
        }
        false
    }

    /// Puts a server without allocations in the place of one that panicked.
    /// Those who are in stay in.
    fn begin_anew(&mut self) -> io::Result<()> {
        let Core {
            server,
            clients,
            backend,
        } = &mut self.core;
        *server = self::server(&self.config)?;
        backend.begin_anew()?;
        // What was told of in the turn that panicked is not told of again.
        self.has_more = true;
        clients.streams.forget_all();
        let now = now();
        for session in &self.sessions {
            server.admit(now, *session);
        }
        Ok(())
    }

    /// Returns whether it was told to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// Returns what streams may need when they are read and written: to be entered before.
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }

    /// Returns what watches all that it has; below [`LOOP_NUMBERS`] nothing is its own where
    /// one shard has the relayed addresses.
    pub(crate) fn watch(&self) -> Watch {
        self.ready.watch()
    }

    /// Returns whether more waits in memory than was taken.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Returns when there is something to do though nothing came.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.core.server.poll_timeout()
    }

    /// Waits until there is something to do.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        self.ready.wait(self.due(), self.has_more)?;
        self.awake.clear();
        self.awake.extend(self.ready.ready());
        Ok(())
    }

    /// Notes what somebody else's wait has found.
    pub(crate) fn awaken(&mut self, ready: &[u64]) {
        self.awake.clear();
        self.awake.extend_from_slice(ready);
    }

    /// Serves what the last wait found. Streams are served until `until`, the
    /// others in the next turn; of datagrams every socket gives one batch.
    pub(crate) fn take(&mut self, now: Now, until: Option<Instant>) -> io::Result<()> {
        let had_more = std::mem::take(&mut self.has_more);
        let awake = std::mem::take(&mut self.awake);
        // First who is in: their requests may be among what follows.
        self.take_control(now);
        let streams = awake
            .iter()
            .filter_map(|number| self.core.clients.streams.watched(*number));
        self.ready_streams.extend(streams);
        if had_more || awake.contains(&WOKEN) || !self.ready_streams.is_empty() {
            self.take_streams(now, until);
        }
        for number in &awake {
            match *number {
                // Taken above.
                WOKEN | FIRST_NUMBER..LISTENERS => {}
                LISTENERS.. => self.receive(now, (number - LISTENERS) as usize)?,
                number => self.take_from_backend(now, number),
            }
        }
        if had_more {
            self.take_left_over(now);
        }
        self.awake = awake;
        self.core
            .serve(now, |server, io| server.handle_timeout(now, io));
        Ok(())
    }

    /// Relays one datagram of the shard whose thread this is.
    pub(crate) fn send(
        &mut self,
        now: Now,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        self.core.serve(now, |server, io| {
            relay_down(now, server, io, source, destination, payload);
        });
    }

    /// Gives what came for the shard whose thread this is, in the place of `parcel`, which is empty.
    pub(crate) fn swap(&mut self, parcel: &mut Parcel) {
        if let BackendSide::Virtual(shards) = &mut self.core.backend {
            shards.swap(parcel);
        }
    }

    /// Lets go of everything that was sent, and tells what was counted.
    pub(crate) fn flush(&mut self, now: Now) {
        self.core.backend.flush();
        if let BackendSide::Real(real) = &mut self.core.backend {
            real.join_clients(&mut self.core.clients);
        }
        self.core.clients.flush(now.instant);
        self.bury_streams(now);
        self.shared.stats.publish(self.stats());
    }

    fn take_control(&mut self, now: Now) {
        while let Ok(control) = self.control.try_recv() {
            match control {
                Control::Admit(session) => {
                    self.sessions.insert(session);
                    self.core.server.admit(now, session);
                }
                Control::Revoke(session) => {
                    self.sessions.remove(&session);
                    self.core
                        .serve(now, |server, io| server.revoke(now, session, io));
                }
                Control::Rotate(secret) => {
                    if let Some(mint) = &mut self.config.credentials.tickets {
                        mint.rotate(secret.clone());
                    }
                    self.core.server.rotate(secret);
                }
                Control::SetPolicy(policy) => self.set_policy(now, policy),
            }
        }
    }

    /// Lets another policy hold, unless the peers are the shards of this process.
    fn set_policy(&mut self, now: Now, policy: PeerPolicy) {
        if matches!(self.core.backend, BackendSide::Real(_)) {
            self.config.policy = policy.clone();
            self.core
                .serve(now, |server, io| server.set_policy(policy, io));
        }
    }

    fn receive(&mut self, now: Now, index: usize) -> io::Result<()> {
        let Turns { core, received, .. } = self;
        let port = core.clients.udp.receive(index, received)?;
        for datagram in received.received() {
            let stats = core.clients.udp.stats_mut();
            let Some(datagram) = datagram.filter(|datagram| !is_relayed(datagram.source.ip()))
            else {
                stats.dropped_in += 1;
                continue;
            };
            stats.datagrams_in += 1;
            let from = FiveTuple {
                transport: ClientTransport::Udp,
                client: ClientAddr(datagram.source),
                server: SocketAddr::new(datagram.destination, port),
            };
            core.backend.note_arrival(datagram.ip);
            core.serve(now, |server, io| {
                server.handle_client(now, &from, datagram.payload, io);
            });
        }
        Ok(())
    }

    fn take_streams(&mut self, now: Now, until: Option<Instant>) {
        self.has_more |= !self.take_messages(now);
        self.stream_inbox.take_ready(&mut self.ready_streams);
        for _ in 0..self.ready_streams.len().min(STREAMS_PER_TURN) {
            let Some(client) = self.ready_streams.pop() else {
                break;
            };
            self.read_stream(now, &client);
            if until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
        }
        let streams = &self.core.clients.streams;
        if self.ready_streams.len() > streams.len() + STREAMS_PER_TURN {
            self.ready_streams.retain(|client| streams.has(client));
        }
        self.has_more |= !self.ready_streams.is_empty();
    }

    /// Takes what tasks tell; returns whether that was all.
    fn take_messages(&mut self, now: Now) -> bool {
        for _ in 0..STREAMS_PER_TURN {
            let Some(message) = self.stream_inbox.take() else {
                return true;
            };
            match message {
                FromStream::Opened(client, link) => {
                    // What was of a former stream with these addresses, and what peers
                    // send there, is not the new one's.
                    self.core.serve(now, |server, io| {
                        server.handle_client_closed(now, &client, io);
                    });
                    self.core.clients.streams.forget(&client);
                    self.core.clients.streams.open(client, link);
                    self.ready_streams.push(client);
                }
                FromStream::Peer(event) => {
                    let Core {
                        server,
                        clients,
                        backend,
                    } = &mut self.core;
                    if let BackendSide::Real(real) = backend {
                        real.take_tcp(now, event, server, clients);
                    }
                }
            }
        }
        false
    }

    /// Serves what has come by one stream.
    fn read_stream(&mut self, now: Now, client: &FiveTuple) {
        let Some(mut arrived) = self.core.clients.streams.read(client) else {
            return;
        };
        loop {
            let frame = match arrived.frames.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => {
                    arrived.has_ended = true;
                    break;
                }
            };
            self.core.serve(now, |server, io| {
                server.handle_client(now, client, frame, io);
            });
            // What follows may be raw bytes for a peer.
            if frame.starts_with(&CONNECTION_BIND) && !self.core.clients.streams.is_open(client) {
                break;
            }
        }
        let streams = &mut self.core.clients.streams;
        streams.put_back(client, arrived.frames);
        if arrived.has_ended {
            streams.forget(client);
            self.core.serve(now, |server, io| {
                server.handle_client_closed(now, client, io);
            });
        } else if arrived.is_more {
            self.ready_streams.push(*client);
        }
    }

    /// Ends the allocations of streams that turned out to be gone.
    fn bury_streams(&mut self, now: Now) {
        while let Some(client) = self.core.clients.streams.take_gone() {
            self.core.serve(now, |server, io| {
                server.handle_client_closed(now, &client, io);
            });
            self.has_more = true;
        }
    }

    /// Relays what has come to the backend under one of its numbers.
    fn take_from_backend(&mut self, now: Now, number: u64) {
        let Core {
            server,
            clients,
            backend,
        } = &mut self.core;
        match backend {
            BackendSide::Virtual(shards) => {
                let is_more = take_from_shard(now, number as usize, server, clients, shards);
                self.has_more |= is_more;
            }
            BackendSide::Real(real) => real.take(now, number, server, clients),
        }
    }

    /// Relays what the last turn left with shards, which is not told of again.
    fn take_left_over(&mut self, now: Now) {
        let BackendSide::Virtual(shards) = &self.core.backend else {
            return;
        };
        let count = shards.descriptors().len();
        for index in 0..count {
            self.take_from_backend(now, index as u64);
        }
    }

    fn stats(&self) -> RelayStats {
        RelayStats {
            udp: self.core.clients.udp.stats(),
            handed_over_dropped: self.core.backend.dropped(),
            stream_clients: self.core.clients.streams.len() as u64,
            stream_frames_dropped: self.core.clients.streams.dropped(),
            server: self.core.server.counters(),
        }
    }
}

/// Relays what a shard has handed over. Returns whether there may be more.
fn take_from_shard(
    now: Now,
    index: usize,
    server: &mut Server,
    clients: &mut Clients,
    shards: &mut Shards,
) -> bool {
    shards.note(index);
    for _ in 0..PARCELS_PER_TURN {
        let Some(mut parcel) = shards.take(index) else {
            return false;
        };
        shards.with(now.instant, |backend| {
            let mut io = Io { clients, backend };
            for (source, destination, payload) in parcel.datagrams() {
                relay_down(now, server, &mut io, source, destination, payload);
            }
        });
        shards.give_back(index, parcel);
    }
    true
}

/// Relays one datagram of a shard to the client that has its destination.
fn relay_down(
    now: Now,
    server: &mut Server,
    io: &mut Io<'_>,
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
) {
    let (relayed, peer) = (RelayedAddr(destination), PeerAddr(source));
    if let Some(owner) = server.owner_of(relayed) {
        server.handle_relayed(now, owner, relayed, peer, payload, io);
    }
}

fn server(config: &ServerConfig) -> io::Result<Server> {
    Server::new(now(), config.clone())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Reads both clocks.
pub(crate) fn now() -> Now {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    Now {
        instant: Instant::now(),
        // A clock from before 1970 lets no credential expire.
        unix_s: since_epoch.map_or(0, |since| since.as_secs()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
