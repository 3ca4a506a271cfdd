//! Starting and ending the relay, and reaching it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use conclave_sfu_udp::{Lodger, UdpSocket, Waker};
use conclave_turn_core::ServerConfig;
use conclave_turn_core::auth::{Secret, SessionKey};
use conclave_turn_core::policy::PeerPolicy;

use crate::backend::Wanted;
use crate::config::RelayConfig;
use crate::control::{self, Control};
use crate::listeners::Listeners;
use crate::stats::{RelayStats, SharedStats};
use crate::streams::{self, StreamEntrance};
use crate::thread;
use crate::turns::{Parts, Turns};
use crate::within::Within;

/// What the relay shares with those who hold its handle.
pub(crate) struct Shared {
    pub(crate) waker: Waker,
    pub(crate) stop: AtomicBool,
    pub(crate) stats: SharedStats,
}

/// Reaches the relay, from any thread.
#[derive(Clone)]
pub struct RelayHandle {
    pub(crate) control: SyncSender<Control>,
    pub(crate) shared: Arc<Shared>,
    /// The way in for TCP and TLS clients.
    pub(crate) streams: StreamEntrance,
}

impl RelayHandle {
    /// Lets credentials of a session work, from the next turn of the relay on.
    pub fn admit(&self, session: SessionKey) {
        self.tell(Control::Admit(session));
    }

    /// Ends the allocations of a session, and its credentials.
    pub fn revoke(&self, session: SessionKey) {
        self.tell(Control::Revoke(session));
    }

    /// Takes tickets of a new secret from the next turn on, beside those of the
    /// one before. Whoever mints them changes over after this.
    pub fn rotate(&self, secret: Secret) {
        self.tell(Control::Rotate(secret));
    }

    /// Lets peers be reached by another policy from the next turn on; peer connections that it
    /// denies end. For a relay with real sockets: one with virtual addresses keeps to its shards.
    pub fn set_policy(&self, policy: PeerPolicy) {
        self.tell(Control::SetPolicy(policy));
    }

    /// Returns what the relay has counted, as of its last turn.
    pub fn stats(&self) -> RelayStats {
        self.shared.stats.read()
    }

    /// Waits for room, which the relay makes each turn; without a relay there is nobody to tell.
    fn tell(&self, control: Control) {
        if self.control.send(control).is_ok() {
            self.shared.waker.wake();
        }
    }
}

/// The relay of this process. Dropping it ends it.
pub struct Relay {
    handle: RelayHandle,
    addresses: Vec<SocketAddr>,
    end: Option<End>,
}

/// How to see that it has ended.
enum End {
    Thread(JoinHandle<()>),
    /// What never comes, from the loop of a shard.
    Within(Receiver<()>),
}

impl Relay {
    /// Binds the UDP sockets and starts the thread.
    ///
    /// # Errors
    /// Those of binding, such as a port in use.
    pub fn start(config: RelayConfig) -> io::Result<Relay> {
        let backend = Wanted::Apart(config.backend);
        let (mut relay, turns) = Relay::open(&config.listeners, config.server, backend)?;
        let thread = std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || thread::run(turns))?;
        relay.end = Some(End::Thread(thread));
        Ok(relay)
    }

    /// Binds the UDP sockets for a relay within the loop of the only shard, which clients know
    /// by `addresses`; `listeners` and `server` are as in a [`RelayConfig`] with virtual addresses.
    /// What is to be given to the shard comes with it.
    ///
    /// Called within the runtime by which streams come.
    ///
    /// # Errors
    /// Those of binding, such as a port in use.
    pub fn within(
        listeners: &[SocketAddr],
        server: ServerConfig,
        addresses: Vec<SocketAddr>,
    ) -> io::Result<(Relay, Box<dyn Lodger>)> {
        let (relay, within) = Relay::open_within(listeners, server, addresses)?;
        Ok((relay, Box::new(within)))
    }

    pub(crate) fn open_within(
        listeners: &[SocketAddr],
        server: ServerConfig,
        addresses: Vec<SocketAddr>,
    ) -> io::Result<(Relay, Within)> {
        let (mut relay, turns) = Relay::open(listeners, server, Wanted::Within(addresses))?;
        let (alive, ended) = sync_channel(0);
        relay.end = Some(End::Within(ended));
        Ok((relay, Within::new(turns, alive)))
    }

    fn open(
        listeners: &[SocketAddr],
        server: ServerConfig,
        backend: Wanted,
    ) -> io::Result<(Relay, Turns)> {
        let listeners = Listeners::bind(listeners)?;
        if backend.is_real() {
            listeners.note_ip_fields();
        }
        let addresses = listeners.sockets().map(UdpSocket::local).collect();
        let shared = Arc::new(Shared {
            waker: Waker::new()?,
            stop: AtomicBool::new(false),
            stats: SharedStats::new(),
        });
        let (control, inbox) = control::queue();
        let (entrance, streams, stream_inbox) = streams::queues(&shared);
        let parts = Parts {
            listeners,
            streams,
            stream_inbox,
            entrance: entrance.clone(),
            control: inbox,
            shared: Arc::clone(&shared),
        };
        let turns = Turns::new(server, parts, backend)?;
        let relay = Relay {
            handle: RelayHandle {
                control,
                shared,
                streams: entrance,
            },
            addresses,
            end: None,
        };
        Ok((relay, turns))
    }

    /// Returns what reaches the relay.
    pub fn handle(&self) -> RelayHandle {
        self.handle.clone()
    }

    /// Returns the addresses of the bound UDP sockets; unspecified ones stand for all of their family.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the bound UDP ports, each once, in the order of the configuration.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.addresses.iter().map(SocketAddr::port).collect();
        ports.dedup();
        ports
    }

    /// Ends all allocations and waits until that is done.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.handle.shared.stop.store(true, Ordering::Release);
        self.handle.shared.waker.wake();
        match self.end.take() {
            // A panic has been reported where it was caught.
            Some(End::Thread(thread)) => drop(thread.join()),
            // Nothing is ever sent: it waits until the other end is dropped.
            Some(End::Within(ended)) => drop(ended.recv()),
            None => {}
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end();
    }
}
