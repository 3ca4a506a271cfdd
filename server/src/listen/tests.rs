mod announced;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::SystemTime;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::relay::Serving;
use super::*;
use crate::config::{Limits, Listen};
use crate::tls;

const LIMITS: Limits = Limits {
    connections: 16,
    connections_per_source: 4,
    half_open_per_source: 2,
    relayed_per_source: 2,
};
/// Where limits are not what is looked at.
const ROOMY: Limits = Limits {
    connections: 64,
    connections_per_source: 64,
    half_open_per_source: 64,
    relayed_per_source: 64,
};
const ALLOCATE: &[u8] = &[0x00, 0x03, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42];
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const UPGRADE: &[u8] =
    b"GET /upgrade HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

#[tokio::test]
async fn http_through_tls_is_told_its_peer_and_its_way_even_byte_by_byte() {
    let server = Server::start("http").await;
    let mut stream = server.connect_tls().await;
    for byte in GET {
        stream.write_all(&[*byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("127.0.0.1 Tls"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn without_a_relay_who_asks_for_it_is_counted_and_closed_with_and_without_tls() {
    let server = Server::start("turn").await;
    let mut stream = server.connect_tls().await;
    let (first, rest) = ALLOCATE.split_at(3);
    stream.write_all(first).await.unwrap();
    stream.flush().await.unwrap();
    stream.write_all(rest).await.unwrap();
    ends(&mut stream).await;
    let mut clear = TcpStream::connect(server.address).await.unwrap();
    clear.write_all(ALLOCATE).await.unwrap();
    ends(&mut clear).await;
    assert_eq!(server.counters.turn.load(Ordering::Relaxed), 2);
    server.stop().await;
}

#[tokio::test]
async fn pages_links_and_the_relay_share_one_port_at_the_same_time() {
    let relay = Arc::new(Echo::default());
    let server = Server::start_with("mixed", Some(Arc::clone(&relay))).await;
    let mut link = server.connect_tls().await;
    link.write_all(UPGRADE).await.unwrap();
    assert!(read_head(&mut link).await.starts_with("HTTP/1.1 101"));
    let mut inside = server.connect_tls().await;
    inside.write_all(&ALLOCATE[..3]).await.unwrap();
    let mut clear = TcpStream::connect(server.address).await.unwrap();
    clear.write_all(ALLOCATE).await.unwrap();
    let mut page = server.connect_tls().await;
    page.write_all(GET).await.unwrap();
    inside.write_all(&ALLOCATE[3..]).await.unwrap();

    let mut answer = String::new();
    page.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut first = [0; 8];
    clear.read_exact(&mut first).await.unwrap();
    assert_eq!(first, ALLOCATE);
    inside.read_exact(&mut first).await.unwrap();
    assert_eq!(first, ALLOCATE);
    for round in 0..2 {
        echoes(&mut link, b"a message").await;
        echoes(&mut clear, &[round; 20]).await;
        echoes(&mut inside, &[round + 2; 2000]).await;
    }
    let mut seen = relay.seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen, [(false, server.address), (true, server.address)]);
    let clients = relay.clients.lock().unwrap().clone();
    assert!(clients.iter().all(|client| client.ip().is_loopback()));
    assert_eq!(server.counters.turn.load(Ordering::Relaxed), 2);
    // The relay is told to stop, and a link belongs to who upgraded it.
    server.stop().await;
    ends(&mut inside).await;
}

#[tokio::test]
async fn where_a_source_has_too_many_relayed_connections_it_still_gets_pages() {
    let relay = Arc::new(Echo::default());
    let server = Server::start_limited("relayed", Some(relay), LIMITS).await;
    let mut open = Vec::new();
    for _ in 0..LIMITS.relayed_per_source {
        let mut inside = server.connect_tls().await;
        echoes(&mut inside, ALLOCATE).await;
        open.push(inside);
    }
    let mut clear = TcpStream::connect(server.address).await.unwrap();
    clear.write_all(ALLOCATE).await.unwrap();
    ends(&mut clear).await;
    let mut inside = server.connect_tls().await;
    inside.write_all(ALLOCATE).await.unwrap();
    ends(&mut inside).await;
    assert_eq!(server.counters.refused.load(Ordering::Relaxed), 2);
    let mut page = server.connect_tls().await;
    page.write_all(GET).await.unwrap();
    assert!(read_head(&mut page).await.starts_with("HTTP/1.1 200"));
    server.stop().await;
}

#[tokio::test]
async fn what_is_asked_for_by_alpn_decides_and_unknown_wishes_are_served() {
    let relay = Arc::new(Echo::default());
    let server = Server::start_with("alpn", Some(Arc::clone(&relay))).await;
    for (offered, agreed, answer) in [
        (&["stun.turn"][..], Some("stun.turn"), Answer::Relay),
        (&["http/1.1", "stun.turn"], Some("stun.turn"), Answer::Relay),
        (&["h2", "webrtc"], None, Answer::Relay),
        (&["h2", "webrtc"], None, Answer::Page),
        (&["h2", "http/1.1"], Some("http/1.1"), Answer::Page),
        (&["http/1.1"], Some("http/1.1"), Answer::Refused),
        (&["stun.turn"], Some("stun.turn"), Answer::Closed),
        (&[], None, Answer::Relay),
        (&[], None, Answer::Page),
    ] {
        let mut stream = server.connect_asking(offered).await;
        let got = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(got.as_deref(), agreed.map(str::as_bytes), "{offered:?}");
        let says: &[u8] = match answer {
            Answer::Relay | Answer::Refused => ALLOCATE,
            Answer::Page | Answer::Closed => GET,
        };
        stream.write_all(says).await.unwrap();
        let mut first = [0; 12];
        let read = stream.read_exact(&mut first[..8]).await;
        let got = read.map(|_| &first[..8]).unwrap_or_default();
        let expected: &[u8] = match answer {
            Answer::Relay => ALLOCATE,
            Answer::Page | Answer::Refused => b"HTTP/1.1",
            Answer::Closed => b"",
        };
        assert_eq!(got, expected, "{offered:?} {answer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn handshakes_fail_while_there_is_no_certificate_and_work_from_when_there_is() {
    let server = Server::start("certificate").await;
    let empty = tls::Live::empty();
    let identity = server.identity.clone();
    let listener = server.listener(&empty, None, LIMITS);
    let socket = bind(Listen::parse("127.0.0.1:0").unwrap())
        .unwrap()
        .remove(0);
    let address = socket.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    let _task = tokio::spawn(listener.run(socket, stopped));
    let connect = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        server.connector.connect(name, stream).await
    };
    assert!(connect().await.is_err());
    empty.set(identity.clone()).unwrap();
    let mut early = connect().await.unwrap();

    // What is open stays when the certificate changes.
    let other = server.folder.join("other");
    std::fs::create_dir_all(&other).unwrap();
    let names = tls::Names::from(["localhost".to_owned()]);
    let new = tls::load_or_make(&other, &names, SystemTime::now()).unwrap();
    empty.set(new.clone()).unwrap();
    assert!(connect().await.is_err(), "the new one is not trusted here");
    early.write_all(GET).await.unwrap();
    assert!(read_head(&mut early).await.starts_with("HTTP/1.1 200"));

    // A key of another certificate changes nothing.
    let mixed = tls::Identity {
        key: identity.key.clone_key(),
        ..new
    };
    assert!(empty.set(mixed).is_err());
    assert!(connect().await.is_err());
    server.stop().await;
}

#[tokio::test]
async fn bytes_of_no_protocol_and_broken_handshakes_are_counted_and_closed() {
    let server = Server::start("unknown").await;
    let mut stream = server.connect_tls().await;
    stream.write_all(&[0x00, 0xff]).await.unwrap();
    ends(&mut stream).await;
    let mut clear = TcpStream::connect(server.address).await.unwrap();
    clear
        .write_all(&[0x16, 0x03, 0x01, 0x00, 0x04, 0xff, 0x00, 0x00, 0x00])
        .await
        .unwrap();
    ends(&mut clear).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    silent.shutdown().await.unwrap();
    ends(&mut silent).await;
    assert_eq!(server.counters.unknown.load(Ordering::Relaxed), 1);
    assert_eq!(server.counters.tls_made.load(Ordering::Relaxed), 1);
    assert_eq!(server.counters.tls_failed.load(Ordering::Relaxed), 1);
    assert_eq!(server.counters.silent.load(Ordering::Relaxed), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_source_with_too_many_half_open_connections_is_refused_until_one_speaks() {
    let server = Server::start("half-open").await;
    let _first = TcpStream::connect(server.address).await.unwrap();
    let mut second = server.connect_tls().await;
    let mut third = TcpStream::connect(server.address).await.unwrap();
    ends(&mut third).await;
    assert_eq!(server.counters.refused.load(Ordering::Relaxed), 1);

    second
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut some = [0; 12];
    second.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 200");
    server.connect_tls().await;
    server.stop().await;
}

#[tokio::test]
async fn plain_http_at_the_port_of_tls_is_not_taken_for_loopback() {
    let server = Server::start("clear").await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("127.0.0.1 Clear"), "{answer}");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_for_thirty_seconds_fails_the_write() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let _peer = TcpStream::connect(address).await.unwrap();
    let (stream, from) = socket.accept().await.unwrap();
    counted::limit_stalls(&stream);
    let limit = socket2::SockRef::from(&stream).tcp_user_timeout().unwrap();
    assert_eq!(limit, Some(Duration::from_secs(30)));

    let (open, _half_open) = Sources::new(LIMITS).admit(Some(from.ip())).unwrap();
    let mut stream = Counted::new(stream, open);
    let block = [0; 64 * 1024];
    let began = tokio::time::Instant::now();
    let error = loop {
        if let Err(error) = stream.write_all(&block).await {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(began.elapsed() >= Duration::from_secs(30));
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Relay,
    Page,
    /// By the HTTP parser.
    Refused,
    Closed,
}

/// A relay that gives back what it gets, and notes how it was reached.
#[derive(Default)]
struct Echo {
    seen: Mutex<Vec<(bool, SocketAddr)>>,
    clients: Mutex<Vec<SocketAddr>>,
}

impl Relay for Echo {
    fn serve(&self, asking: Asking, mut stop: watch::Receiver<bool>) -> Serving<'_> {
        self.clients.lock().unwrap().push(asking.client);
        let mut seen = self.seen.lock().unwrap();
        seen.push((asking.through_tls, asking.local));
        Box::pin(async move {
            let (mut from, mut to) = tokio::io::split(asking.stream);
            tokio::select! {
                _ = tokio::io::copy(&mut from, &mut to) => {}
                () = stopped(&mut stop) => {}
            }
        })
    }
}

struct Server {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    announcing: Arc<Announcing>,
    folder: PathBuf,
    identity: tls::Identity,
    client: rustls::ClientConfig,
    connector: TlsConnector,
}

impl Server {
    async fn start(test: &str) -> Self {
        Server::start_limited(test, None, LIMITS).await
    }

    async fn start_with(test: &str, relay: Option<Arc<Echo>>) -> Self {
        Server::start_limited(test, relay, ROOMY).await
    }

    async fn start_limited(test: &str, relay: Option<Arc<Echo>>, limits: Limits) -> Self {
        Server::start_behind(test, relay, limits, Announcing::default()).await
    }

    async fn start_behind(
        test: &str,
        relay: Option<Arc<Echo>>,
        limits: Limits,
        announcing: Announcing,
    ) -> Self {
        let folder =
            std::env::temp_dir().join(format!("conclave-listen-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let names = tls::Names::from(["localhost".to_owned()]);
        let identity = tls::load_or_make(&folder, &names, SystemTime::now()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(identity.chain[0].clone()).unwrap();
        let mut client = rustls::ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A session resumed shows no certificate.
        client.resumption = rustls::client::Resumption::disabled();
        let socket = bind(Listen::parse("127.0.0.1:0").unwrap())
            .unwrap()
            .remove(0);
        let (stop, stopped) = watch::channel(false);
        let mut server = Server {
            address: socket.local_addr().unwrap(),
            counters: Arc::default(),
            announcing: Arc::new(announcing),
            stop,
            task: tokio::spawn(async {}),
            folder,
            identity: identity.clone(),
            connector: TlsConnector::from(Arc::new(client.clone())),
            client,
        };
        let listener = server.listener(&tls::Live::of(identity).unwrap(), relay, limits);
        server.task = tokio::spawn(listener.run(socket, stopped));
        server
    }

    fn listener(
        &self,
        live: &Arc<tls::Live>,
        relay: Option<Arc<Echo>>,
        limits: Limits,
    ) -> Listener {
        let challenges = tls::Challenges::new();
        let handshakes = Handshakes::new(Arc::clone(live), challenges, false).unwrap();
        Listener {
            tls: Some(Arc::new(handshakes)),
            relay: relay.map(|relay| relay as Arc<dyn Relay>),
            router: Router::new()
                .route("/", get(who))
                .route("/upgrade", get(upgrade)),
            sources: Sources::new(limits),
            proxies: Arc::default(),
            announcing: Arc::clone(&self.announcing),
            counters: Arc::clone(&self.counters),
        }
    }

    async fn connect_tls(&self) -> TlsStream<TcpStream> {
        connect(&self.connector, self.address).await
    }

    /// Connects with these identifiers of ALPN.
    async fn connect_asking(&self, offered: &[&str]) -> TlsStream<TcpStream> {
        let mut client = self.client.clone();
        client.alpn_protocols = offered.iter().map(|id| id.as_bytes().to_vec()).collect();
        connect(&TlsConnector::from(Arc::new(client)), self.address).await
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

async fn connect(connector: &TlsConnector, address: SocketAddr) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    connector.connect(name, stream).await.unwrap()
}

/// Gives back what comes after the upgrade.
async fn upgrade(mut request: axum::extract::Request) -> impl axum::response::IntoResponse {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    let headers = [("connection", "upgrade"), ("upgrade", "echo")];
    (http::StatusCode::SWITCHING_PROTOCOLS, headers)
}

async fn echoes(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, bytes);
}

/// Reads until the empty line.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn who(request: axum::extract::Request) -> String {
    let client = request.extensions().get::<ClientAddr>().unwrap().0.ip();
    format!("{client} {:?}", request.extensions().get::<Via>().unwrap())
}

/// Waits until the server has closed the connection, in whatever manner.
async fn ends(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}
