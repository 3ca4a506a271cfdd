//! TCP connections to peers (RFC 6062): they listen, connect and are accepted in
//! tasks of tokio, and wait at the relay thread until a client takes them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_turn_core::OpenError;
use conclave_turn_core::limits::{Bucket, ByteRate};
use conclave_turn_wire::{FiveTuple, PeerAddr, RelayedAddr};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::streams::{FromStream, Rates, StreamEntrance};

/// How long a Connect may take (RFC 6062, section 5.2).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections of peers that the kernel completes before we accept them, per relayed address.
const BACKLOG: i32 = 16;

/// Connections of peers to one relayed address that wait for the relay thread at once, whoever
/// they are from. It takes them each turn; more would let one address fill the queue of all.
const WAITING_MAX: usize = 4;
/// Connections that one relayed address takes in a second, and at once. Most allocations have
/// none; more than these cost the relay thread, which all clients share, before anybody knows
/// whether the peer has a permission.
const ACCEPTS_PER_S: u64 = 16;
const ACCEPTS_AT_ONCE: u64 = 32;

/// What TCP towards peers did.
pub(crate) enum FromPeer {
    /// A connection came about, or did not.
    Connected(u32, io::Result<TcpStream>),
    /// A peer connected to the relayed address of allocation `owner`.
    Accepted {
        owner: u32,
        relayed: RelayedAddr,
        peer: PeerAddr,
        stream: TcpStream,
        /// Among the few that may wait.
        place: OwnedSemaphorePermit,
    },
}

/// All TCP towards peers.
pub(crate) struct TcpPeers {
    runtime: Handle,
    inbox: StreamEntrance,
    /// Of one allocation.
    bits_per_s: u64,
    listeners: HashMap<RelayedAddr, Listener>,
    connections: BTreeMap<u32, Connection>,
    /// Clients whose peer connection the core has ended.
    ended: Vec<FiveTuple>,
}

/// What one allocation has.
struct Listener {
    task: AbortHandle,
    rates: Arc<Rates>,
}

/// A connection to a peer, and how fast it may be together with others.
pub(crate) struct PeerStream {
    pub(crate) stream: TcpStream,
    pub(crate) rates: Arc<Rates>,
}

enum Connection {
    Connecting(AbortHandle, Arc<Rates>),
    /// Nobody reads it yet: the peer's bytes wait in the kernel.
    Waiting(PeerStream),
    /// A client has it.
    Spliced(FiveTuple),
}

impl TcpPeers {
    /// Makes an empty table; tasks run on `runtime` and report to `inbox`. One allocation may
    /// carry `bits_per_s` each way.
    pub(crate) fn new(runtime: Handle, inbox: StreamEntrance, bits_per_s: u64) -> TcpPeers {
        TcpPeers {
            runtime,
            inbox,
            bits_per_s,
            listeners: HashMap::new(),
            connections: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    /// Ends everything and begins with an empty table.
    pub(crate) fn anew(self) -> TcpPeers {
        TcpPeers::new(self.runtime.clone(), self.inbox.clone(), self.bits_per_s)
    }

    /// Listens on an address of this host for peers of allocation `owner`, which
    /// know it as `relayed`.
    ///
    /// # Errors
    /// [`OpenError::NoPort`] if it is taken, else [`OpenError::Failed`].
    pub(crate) fn listen(
        &mut self,
        owner: u32,
        relayed: RelayedAddr,
        address: SocketAddr,
    ) -> Result<(), OpenError> {
        debug_assert!(!self.listens(relayed), "one listener per address");
        let socket = bound(address).and_then(|socket| {
            socket.listen(BACKLOG)?;
            Ok(socket)
        });
        let socket = socket.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => OpenError::NoPort,
            _ => OpenError::Failed,
        })?;
        let inbox = self.inbox.clone();
        let task = self.runtime.spawn(async move {
            // An error means that the runtime ends.
            if let Ok(listener) = TcpListener::from_std(socket.into()) {
                accept(listener, owner, relayed, inbox).await;
            }
        });
        let listener = Listener {
            task: task.abort_handle(),
            rates: Arc::new(Rates::new(self.bits_per_s)),
        };
        self.listeners.insert(relayed, listener);
        Ok(())
    }

    /// Returns whether there is a listener at this address.
    pub(crate) fn listens(&self, relayed: RelayedAddr) -> bool {
        self.listeners.contains_key(&relayed)
    }

    /// Closes what [`TcpPeers::listen`] opened.
    pub(crate) fn close_listener(&mut self, relayed: RelayedAddr) {
        if let Some(listener) = self.listeners.remove(&relayed) {
            listener.task.abort();
        }
    }

    /// Begins to connect from `from`, where the listener of `relayed` is.
    pub(crate) fn connect(
        &mut self,
        relayed: RelayedAddr,
        from: SocketAddr,
        peer: PeerAddr,
        connection: u32,
    ) {
        let Some(listener) = self.listeners.get(&relayed) else {
            debug_assert!(false, "an allocation has a listener");
            return;
        };
        let rates = Arc::clone(&listener.rates);
        let inbox = self.inbox.clone();
        let task = self.runtime.spawn(async move {
            let stream = connect(from, peer.0).await;
            let connected = FromPeer::Connected(connection, stream);
            inbox.tell(FromStream::Peer(connected)).await;
        });
        let connecting = Connection::Connecting(task.abort_handle(), rates);
        self.connections.insert(connection, connecting);
    }

    /// Keeps a connection until a client takes it, if it is still wanted.
    pub(crate) fn keep_connected(&mut self, connection: u32, stream: TcpStream) {
        if let Some(entry) = self.connections.get_mut(&connection)
            && let Connection::Connecting(_, rates) = entry
        {
            let rates = Arc::clone(rates);
            *entry = Connection::Waiting(PeerStream { stream, rates });
        }
    }

    /// Keeps a connection that a peer made to `relayed` and the core has numbered.
    pub(crate) fn keep_accepted(
        &mut self,
        connection: u32,
        relayed: RelayedAddr,
        stream: TcpStream,
    ) {
        if let Some(listener) = self.listeners.get(&relayed) {
            let rates = Arc::clone(&listener.rates);
            let waiting = Connection::Waiting(PeerStream { stream, rates });
            self.connections.insert(connection, waiting);
        }
    }

    /// Gives a connection to the stream of `client`.
    pub(crate) fn take(&mut self, client: &FiveTuple, connection: u32) -> Option<PeerStream> {
        let entry = self.connections.get_mut(&connection)?;
        match std::mem::replace(entry, Connection::Spliced(*client)) {
            Connection::Waiting(stream) => Some(stream),
            other => {
                *entry = other;
                None
            }
        }
    }

    /// Ends a connection in whatever state it is.
    pub(crate) fn close(&mut self, connection: u32) {
        match self.connections.remove(&connection) {
            Some(Connection::Connecting(task, _)) => task.abort(),
            Some(Connection::Spliced(client)) => self.ended.push(client),
            Some(Connection::Waiting(_)) | None => {}
        }
    }

    /// Takes the clients whose peer connection was ended since the last call.
    pub(crate) fn take_ended(&mut self) -> Vec<FiveTuple> {
        std::mem::take(&mut self.ended)
    }
}

impl Drop for TcpPeers {
    fn drop(&mut self) {
        for listener in self.listeners.values() {
            listener.task.abort();
        }
        for connection in self.connections.values() {
            if let Connection::Connecting(task, _) = connection {
                task.abort();
            }
        }
    }
}

/// A socket that shares its port with the listener of the same relayed address.
fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Tells of those who connect; what is too much is closed.
async fn accept(listener: TcpListener, owner: u32, relayed: RelayedAddr, inbox: StreamEntrance) {
    let places = Arc::new(Semaphore::new(WAITING_MAX));
    let pace = ByteRate::new(ACCEPTS_PER_S, ACCEPTS_AT_ONCE);
    let mut left = Bucket::full(Instant::now(), &pace);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = inbox.ended() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    continue;
                };
                if !left.take(Instant::now(), &pace, 1) {
                    continue;
                }
                let _ = stream.set_nodelay(true);
                let accepted = FromPeer::Accepted {
                    owner,
                    relayed,
                    peer: PeerAddr(peer),
                    stream,
                    place,
                };
                // One for which there is no room is closed, as those above.
                inbox.offer(FromStream::Peer(accepted));
            }
            // For want of descriptors, or a peer that left meanwhile: others may come.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::from_std_stream(bound(from)?.into());
    let stream = timeout(CONNECT_TIMEOUT, socket.connect(to)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use conclave_sfu_udp::Waker;
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::handle::Shared;
    use crate::stats::SharedStats;
    use crate::streams;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn who_connects_to_one_address_in_masses_is_closed_and_fills_no_queue() {
        let shared = Arc::new(Shared {
            waker: Waker::new().unwrap(),
            stop: AtomicBool::new(false),
            stats: SharedStats::new(),
        });
        let (entrance, _, mut inbox) = streams::queues(&shared);
        let mut peers = TcpPeers::new(Handle::current(), entrance, 8_000_000);
        let address = SocketAddr::from(([127, 77, 0, 5], 40_000));
        peers.listen(0, RelayedAddr(address), address).unwrap();
        for round in 0..9 {
            let mut closed = 0;
            for _ in 0..40 {
                let mut far = TcpStream::connect(address).await.unwrap();
                let is_closed = timeout(SHORT, far.read_u8()).await.is_ok();
                closed += usize::from(is_closed);
            }
            let mut told = 0;
            while let Some(FromStream::Peer(FromPeer::Accepted { .. })) = inbox.take() {
                told += 1;
            }
            assert_eq!(told + closed, 40);
            assert!(told <= WAITING_MAX, "{told} in round {round}");
            assert!(round > 0 || told > 0);
        }
    }
}
