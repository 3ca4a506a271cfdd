//! Starting and ending the relay, and reaching it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use conclave_sfu_udp::{UdpSocket, Waker};
use conclave_turn_core::auth::{Secret, SessionKey};

use crate::config::RelayConfig;
use crate::control::{self, Control};
use crate::listeners::Listeners;
use crate::stats::{RelayStats, SharedStats};
use crate::streams::{self, StreamEntrance};
use crate::thread::{Parts, RelayThread};

/// What the thread shares with those who hold its handle.
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
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Binds the UDP sockets and starts the thread.
    ///
    /// # Errors
    /// Those of binding, such as a port in use.
    pub fn start(config: RelayConfig) -> io::Result<Relay> {
        let listeners = Listeners::bind(&config.listeners)?;
        let addresses = listeners.sockets().map(UdpSocket::local).collect();
        let shared = Arc::new(Shared {
            waker: Waker::new()?,
            stop: AtomicBool::new(false),
            stats: SharedStats::new(),
        });
        let (control, inbox) = control::queue();
        let (entrance, streams, stream_inbox) = streams::queues(&shared);
        let thread = RelayThread::new(
            config.server,
            Parts {
                listeners,
                streams,
                stream_inbox,
                entrance: entrance.clone(),
                control: inbox,
                shared: Arc::clone(&shared),
            },
            config.backend,
        )?;
        let thread = std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || thread.run())?;
        Ok(Relay {
            handle: RelayHandle {
                control,
                shared,
                streams: entrance,
            },
            addresses,
            thread: Some(thread),
        })
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

    /// Ends all allocations and waits until the thread has ended.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.handle.shared.stop.store(true, Ordering::Release);
        self.handle.shared.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic has been reported where it was caught.
            let _ = thread.join();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end();
    }
}
