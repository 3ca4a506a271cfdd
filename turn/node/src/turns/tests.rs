use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use conclave_sfu_udp::{Receiver as Taking, Sender as Giving, Waker, hand_over};
use conclave_turn_core::auth::{Credential, CredentialsConfig, Mint, Secret};
use conclave_turn_wire::integrity::{Algorithm, Key, Mac};
use conclave_turn_wire::message::{Builder, Class, Method, Reply, RequestedTransport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::time::{Sleep, sleep, timeout};

use super::*;
use crate::config::ShardPort;
use crate::handle::RelayHandle;
use crate::stats::SharedStats;
use crate::thread::{run, turn};
use crate::{ClientSocket, control, streams};

const ADA: SessionKey = SessionKey(1);
pub(crate) const REALM: &str = "conclave.test";

#[test]
fn after_a_panic_allocations_are_gone_and_who_is_in_allocates_again() {
    let mint = Mint::new(Secret::random([1; 32]));
    let (mut thread, shard, _) = thread(&mint);
    thread.sessions.insert(ADA);
    thread.core.server.admit(now(), ADA);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = thread.core.clients.udp.sockets().next().unwrap().local();
    client.connect(address).unwrap();
    let credential = mint.mint(ADA, now().unix_s + 600, [2; 8]);

    let exchange = |thread: &mut Turns| {
        allocate(&credential, |bytes| {
            exchange(thread, &client, bytes, |thread| turn(thread).unwrap())
        })
    };
    let before = exchange(&mut thread);
    assert_eq!(thread.core.server.counters().allocations, 1);
    thread.begin_anew().unwrap();
    assert_eq!(thread.core.server.counters().allocations, 0);
    let after = exchange(&mut thread);
    assert_ne!(
        before, after,
        "late packets for the one do not reach the other"
    );
    drop(shard);
}

/// Asks once, takes no answer, and minds how long that lasts.
struct Stalled {
    request: Option<Vec<u8>>,
    minds: Arc<Notify>,
    patience: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Stalled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(request) = self.request.take() else {
            return Poll::Pending;
        };
        room.put_slice(&request);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stalled {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<io::Result<usize>> {
        let patience = Box::pin(sleep(Duration::from_secs(30)));
        let is_over = self.patience.insert(patience).as_mut().poll(context);
        assert!(is_over.is_pending());
        self.minds.notify_one();
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_stream_may_mind_the_time_while_its_client_takes_nothing() {
    let mint = Mint::new(Secret::random([1; 32]));
    let (thread, _shard, entrance) = thread(&mint);
    let shared = Arc::clone(&thread.shared);
    let mut bytes = Vec::new();
    request(&mut bytes).finish(None).unwrap();
    let minds = Arc::new(Notify::new());
    let stalled = Stalled {
        request: Some(bytes),
        minds: Arc::clone(&minds),
        patience: None,
    };
    let (control, _inbox) = control::queue();
    let handle = RelayHandle {
        control,
        shared: Arc::clone(&shared),
        streams: entrance,
    };
    let (_stop, stopped) = watch::channel(false);
    let client = SocketAddr::from(([192, 0, 2, 7], 5_000));
    let local = SocketAddr::from(([192, 0, 2, 8], 443));
    tokio::spawn(async move {
        let tls = ClientTransport::Tls;
        handle
            .serve_stream(stalled, None, tls, client, local, stopped)
            .await;
    });
    let relay = std::thread::spawn(|| run(thread));
    timeout(Duration::from_secs(10), minds.notified())
        .await
        .unwrap();
    shared.stop.store(true, Ordering::Release);
    shared.waker.wake();
    relay.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stream_that_waits_for_its_turn_is_listed_once_however_much_it_sends() {
    let (mut turns, _shard, entrance) = thread(&Mint::new(Secret::random([1; 32])));
    let (control, _inbox) = control::queue();
    let handle = RelayHandle {
        control,
        shared: Arc::clone(&turns.shared),
        streams: entrance,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = listener.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(std::net::TcpStream::connect(local).unwrap());
        let (stream, client) = listener.accept().await.unwrap();
        let socket = ClientSocket::new(stream);
        let (handle, stopped) = (handle.clone(), stopped.clone());
        tokio::spawn(async move {
            let (own, tcp) = (Some(socket.handle()), ClientTransport::Tcp);
            handle
                .serve_stream(socket, own, tcp, client, local, stopped)
                .await;
        });
    }
    while turns.core.clients.streams.len() < clients.len() {
        turn(&mut turns).unwrap();
    }
    // Four bytes on a channel that nobody has bound.
    let bytes = [0x40, 0, 0, 4, 1, 2, 3, 4];
    let mut longest = 0;
    for _ in 0..1_000 {
        for client in &mut clients {
            client.write_all(&bytes).unwrap();
        }
        turns.wait().unwrap();
        let now = now();
        turns.take(now, Some(now.instant)).unwrap();
        turns.flush(now);
        longest = longest.max(turns.ready_streams.len());
    }
    assert!((2..=clients.len()).contains(&longest), "{longest}");
}

/// Challenge and answer.
pub(crate) fn allocate(
    credential: &Credential,
    mut exchange: impl FnMut(&[u8]) -> Vec<u8>,
) -> SocketAddr {
    let mut bytes = Vec::new();
    request(&mut bytes).finish(None).unwrap();
    let answer = exchange(&bytes);
    let challenge = Reply::parse(&answer).unwrap();
    assert_eq!(challenge.error, Some(401));
    let Credential { username, password } = credential;
    let key = Key::long_term(Algorithm::Md5, username, REALM, password);
    bytes.clear();
    request(&mut bytes)
        .username(username)
        .realm(REALM)
        .nonce(challenge.nonce.unwrap())
        .finish(Some((Mac::Sha1, &key)))
        .unwrap();
    let answer = exchange(&bytes);
    let reply = Reply::parse(&answer).unwrap();
    assert_eq!(reply.error, None);
    reply.relayed.unwrap().0
}

fn request(bytes: &mut Vec<u8>) -> Builder<'_> {
    Builder::new(Class::Request, Method::Allocate, [5; 12], bytes)
        .requested_transport(RequestedTransport::Udp)
}

fn exchange(
    turns: &mut Turns,
    client: &UdpSocket,
    bytes: &[u8],
    turn: impl Fn(&mut Turns),
) -> Vec<u8> {
    client.send(bytes).unwrap();
    let before = turns.core.clients.udp.stats().datagrams_in;
    while turns.core.clients.udp.stats().datagrams_in == before {
        turn(turns);
    }
    let mut answer = [0; 1_500];
    let len = client.recv(&mut answer).unwrap();
    answer[..len].to_vec()
}

/// What a relay is told; who has a ticket of `mint` may use it.
pub(crate) fn config(mint: &Mint) -> ServerConfig {
    ServerConfig {
        realm: REALM.to_owned(),
        credentials: CredentialsConfig {
            tickets: Some(mint.clone()),
            ..CredentialsConfig::default()
        },
        policy: PeerPolicy::Closed(PeerList::exact([])),
        quotas: Default::default(),
        allocation: Default::default(),
        replies_per_s: 1_000,
        seed: [3; 32],
        legacy_channel_numbers: false,
    }
}

/// A thread that is driven by the test, the shard's ends, and the way in for streams.
fn thread(mint: &Mint) -> (Turns, (Taking, Giving), StreamEntrance) {
    let [to_shard, from_shard] = [hand_over(8).unwrap(), hand_over(8).unwrap()];
    let shared = Arc::new(Shared {
        waker: Waker::new().unwrap(),
        stop: AtomicBool::new(false),
        stats: SharedStats::new(),
    });
    let (_control, inbox) = control::queue();
    let (entrance, streams, stream_inbox) = streams::queues(&shared);
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let parts = Parts {
        listeners,
        streams,
        stream_inbox,
        entrance: entrance.clone(),
        control: inbox,
        shared,
    };
    let port = ShardPort {
        index: 0,
        addresses: vec!["192.0.2.1:10000".parse().unwrap()],
        to_shard: to_shard.sender,
        from_shard: from_shard.receiver,
    };
    let backend = BackendConfig::Virtual(vec![port]);
    let others = (to_shard.receiver, from_shard.sender);
    let thread = Turns::new(config(mint), parts, Wanted::Apart(backend)).unwrap();
    (thread, others, entrance)
}
