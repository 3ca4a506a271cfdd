use std::path::PathBuf;
use std::time::SystemTime;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::config::{Limits, Listen};
use crate::tls;

const LIMITS: Limits = Limits {
    connections: 16,
    connections_per_source: 4,
    half_open_per_source: 2,
};
const ALLOCATE: &[u8] = &[0x00, 0x03, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42];

#[tokio::test]
async fn http_through_tls_is_told_its_peer_and_its_way_even_byte_by_byte() {
    let server = Server::start("http").await;
    let mut stream = server.connect_tls().await;
    for byte in b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" {
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
async fn a_request_for_the_relay_is_counted_and_closed_with_and_without_tls() {
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

    let (open, _half_open) = Sources::new(LIMITS).admit(from.ip()).unwrap();
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

struct Server {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    folder: PathBuf,
    connector: TlsConnector,
}

impl Server {
    async fn start(test: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("conclave-listen-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let names = tls::Names::from(["localhost".to_owned()]);
        let identity = tls::load_or_make(&folder, &names, SystemTime::now()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(identity.chain[0].clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = bind(Listen::parse("127.0.0.1:0").unwrap())
            .unwrap()
            .remove(0);
        let address = socket.local_addr().unwrap();
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = watch::channel(false);
        let listener = Listener {
            tls: Some(TlsAcceptor::from(Arc::new(
                tls::server_config(identity, false).unwrap(),
            ))),
            router: Router::new().route("/", get(who)),
            sources: Sources::new(LIMITS),
            counters: Arc::clone(&counters),
        };
        let task = tokio::spawn(listener.run(socket, stopped));
        Server {
            address,
            counters,
            stop,
            task,
            folder,
            connector: TlsConnector::from(Arc::new(client)),
        }
    }

    async fn connect_tls(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        self.connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap()
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
        std::fs::remove_dir_all(self.folder).unwrap();
    }
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
