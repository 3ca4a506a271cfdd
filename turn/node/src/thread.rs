//! The thread of the relay: the whole of its I/O but streams.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conclave_sfu_udp::{ReceiveBatch, WaitList};
use conclave_sfu_wire::relayed::is_relayed;
use conclave_turn_core::auth::SessionKey;
use conclave_turn_core::policy::{PeerList, PeerPolicy};
use conclave_turn_core::{Io, Now, Server, ServerConfig};
use conclave_turn_wire::{ClientAddr, ClientTransport, FiveTuple, PeerAddr, RelayedAddr};
use tracing::{error, info, info_span};

use crate::backend::BackendSide;
use crate::clients::Clients;
use crate::config::BackendConfig;
use crate::control::Control;
use crate::handle::Shared;
use crate::listeners::Listeners;
use crate::shards::Shards;
use crate::stats::RelayStats;
use crate::streams::{FromStream, StreamClients, StreamEntrance, StreamInbox};

/// How many new streams one turn takes, and how many it reads, so that they
/// cannot hold up datagrams for long; each read brings 32 KiB at most.
const STREAMS_PER_TURN: usize = 256;
/// The first bytes of a ConnectionBind request (RFC 6062, section 5.3).
const CONNECTION_BIND: [u8; 2] = [0x00, 0x0b];

/// How many parcels of one shard one turn takes; each has up to 64 datagrams.
const PARCELS_PER_TURN: usize = 16;

/// What the thread takes over.
pub(crate) struct Parts {
    pub(crate) listeners: Listeners,
    pub(crate) streams: StreamClients,
    pub(crate) stream_inbox: StreamInbox,
    pub(crate) entrance: StreamEntrance,
    pub(crate) control: Receiver<Control>,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct RelayThread {
    config: ServerConfig,
    core: Core,
    /// Who is in, for a server that takes over from one that panicked.
    sessions: BTreeSet<SessionKey>,
    received: ReceiveBatch,
    waits: WaitList,
    stream_inbox: StreamInbox,
    /// Streams that may have something, and had no turn yet.
    ready_streams: Vec<FiveTuple>,
    control: Receiver<Control>,
    shared: Arc<Shared>,
    /// More waits in memory than the last turn took.
    has_more: bool,
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

impl RelayThread {
    /// Makes the thread's state.
    pub(crate) fn new(
        mut config: ServerConfig,
        parts: Parts,
        backend: BackendConfig,
    ) -> io::Result<RelayThread> {
        if let BackendConfig::Virtual(shards) = &backend {
            let peers = shards.iter().flat_map(|shard| &shard.addresses);
            config.policy = PeerPolicy::Closed(PeerList::exact(peers.copied()));
        }
        let Parts {
            listeners,
            streams,
            stream_inbox,
            entrance,
            control,
            shared,
        } = parts;
        Ok(RelayThread {
            core: Core {
                server: server(&config)?,
                clients: Clients {
                    udp: listeners,
                    streams,
                },
                backend: BackendSide::open(backend, entrance)?,
            },
            config,
            sessions: BTreeSet::new(),
            received: ReceiveBatch::new(),
            waits: WaitList::default(),
            stream_inbox,
            ready_streams: Vec::new(),
            control,
            shared,
            has_more: false,
        })
    }

    /// Runs until it is told to stop. A panic ends all allocations, whose
    /// clients make new ones, and nothing else.
    pub(crate) fn run(mut self) {
        let _span = info_span!("relay").entered();
        info!("relay has started");
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.run_turns())) {
                Ok(Ok(())) => return info!("relay has ended"),
                Ok(Err(error)) => return error!(%error, "relay has lost its sockets"),
                Err(_) => error!("relay has panicked and begins anew"),
            }
            if let Err(error) = self.begin_anew() {
                return error!(%error, "relay could not begin anew");
            }
        }
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
        clients.streams.forget_all();
        let now = now();
        for session in &self.sessions {
            server.admit(now, *session);
        }
        Ok(())
    }

    fn run_turns(&mut self) -> io::Result<()> {
        while !self.shared.stop.load(Ordering::Acquire) {
            self.wait()?;
            self.turn()?;
        }
        Ok(())
    }

    fn wait(&mut self) -> io::Result<()> {
        let due = self.core.server.poll_timeout();
        let timeout = if self.has_more {
            Some(Duration::ZERO)
        } else {
            due.map(|due| due.saturating_duration_since(Instant::now()))
        };
        let woken = std::iter::once(self.shared.waker.as_fd());
        let sockets = self.core.clients.udp.sockets().map(AsFd::as_fd);
        let backend = self.core.backend.descriptors();
        self.waits
            .wait(woken.chain(sockets).chain(backend), timeout)
    }

    fn turn(&mut self) -> io::Result<()> {
        let now = now();
        let had_more = std::mem::take(&mut self.has_more);
        if self.waits.is_ready(0) {
            // Before the queues are read: what comes behind wakes again.
            self.shared.waker.drain();
        }
        // First who is in: their requests may be among what follows.
        self.take_control(now);
        let listeners = self.core.clients.udp.sockets().len();
        for index in 0..listeners {
            if self.waits.is_ready(1 + index) {
                self.receive(now, index)?;
            }
        }
        self.take_streams(now);
        self.take_from_backend(now, 1 + listeners, had_more)?;
        self.core
            .serve(now, |server, io| server.handle_timeout(now, io));
        self.core.backend.flush();
        if let BackendSide::Real(real) = &mut self.core.backend {
            real.join_clients(&mut self.core.clients);
        }
        self.core.clients.flush(now.instant);
        self.bury_streams(now);
        self.shared.stats.publish(self.stats());
        Ok(())
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
            }
        }
    }

    fn receive(&mut self, now: Now, index: usize) -> io::Result<()> {
        let RelayThread { core, received, .. } = self;
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
            core.serve(now, |server, io| {
                server.handle_client(now, &from, datagram.payload, io);
            });
        }
        Ok(())
    }

    fn take_streams(&mut self, now: Now) {
        self.has_more |= !self.take_messages(now);
        let mut ready = std::mem::take(&mut self.ready_streams);
        self.stream_inbox.take_ready(&mut ready);
        let count = ready.len().min(STREAMS_PER_TURN);
        for client in ready.drain(..count) {
            self.read_stream(now, &client);
        }
        ready.append(&mut self.ready_streams);
        self.has_more |= !ready.is_empty();
        self.ready_streams = ready;
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

    /// `first` is the number of the backend's first descriptor in the wait.
    fn take_from_backend(&mut self, now: Now, first: usize, had_more: bool) -> io::Result<()> {
        let RelayThread {
            core:
                Core {
                    server,
                    clients,
                    backend,
                },
            waits,
            has_more,
            ..
        } = self;
        match backend {
            BackendSide::Virtual(shards) => {
                let count = shards.descriptors().len();
                for index in 0..count {
                    // What the last turn left is not announced again.
                    if had_more || waits.is_ready(first + index) {
                        *has_more |= take_from_shard(now, index, server, clients, shards);
                    }
                }
                Ok(())
            }
            BackendSide::Real(real) => real.take(now, waits.is_ready(first), server, clients),
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
    shards.drain(index);
    for _ in 0..PARCELS_PER_TURN {
        let Some(mut parcel) = shards.take(index) else {
            return false;
        };
        shards.with(now.instant, |backend| {
            let mut io = Io { clients, backend };
            for (source, destination, payload) in parcel.datagrams() {
                let (relayed, peer) = (RelayedAddr(destination), PeerAddr(source));
                if let Some(owner) = server.owner_of(relayed) {
                    server.handle_relayed(now, owner, relayed, peer, payload, &mut io);
                }
            }
        });
        shards.give_back(index, parcel);
    }
    true
}

fn server(config: &ServerConfig) -> io::Result<Server> {
    Server::new(now(), config.clone())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

fn now() -> Now {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    Now {
        instant: Instant::now(),
        // A clock from before 1970 lets no credential expire.
        unix_s: since_epoch.map_or(0, |since| since.as_secs()),
    }
}

#[cfg(test)]
mod tests;
