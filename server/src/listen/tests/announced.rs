//! Connections of proxies that say for whom they are.

use super::*;

const ADA: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n";
const BOB: &[u8] = b"PROXY TCP4 192.0.2.2 198.51.100.1 4711 443\r\n";
/// Eve, who came by IPv6, with an extension after the addresses.
const EVE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x29\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\
    \x12\x67\x01\xbb\x04\0\x02ab";

impl Server {
    /// Starts one to which all of loopback announces clients.
    async fn behind(test: &str, relay: Option<Arc<Echo>>, limits: Limits) -> Self {
        let proxies = Announcing::new(vec!["127.0.0.0/8".parse().unwrap()]);
        Server::start_behind(test, relay, limits, proxies).await
    }

    /// Connects as a proxy does that says this first.
    async fn saying(&self, header: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(header).await.unwrap();
        stream
    }

    async fn tls_saying(&self, header: &[u8]) -> TlsStream<TcpStream> {
        let name = "localhost".try_into().unwrap();
        let stream = self.saying(header).await;
        self.connector.connect(name, stream).await.unwrap()
    }

    fn unannounced(&self) -> u64 {
        self.counters.unannounced.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn whoever_is_announced_is_the_client_and_nobody_is_the_proxy_itself() {
    let server = Server::behind("announced", None, ROOMY).await;
    for (header, expected) in [
        (ADA, "192.0.2.1 Tls"),
        (EVE, "2001:db8::1 Tls"),
        (b"PROXY TCP6 ::ffff:192.0.2.9 ::1 1 2\r\n", "192.0.2.9 Tls"),
        (&LOCAL, "127.0.0.1 Tls"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1 Tls"),
    ] {
        let mut stream = server.tls_saying(header).await;
        stream.write_all(GET).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with(expected), "{answer}");
    }
    assert_eq!(server.unannounced(), 0);
    server.stop().await;
}

#[tokio::test]
async fn the_relay_is_told_both_ends_as_the_client_sees_them_even_byte_by_byte() {
    let relay = Arc::new(Echo::default());
    let server = Server::behind("announced-relay", Some(Arc::clone(&relay)), ROOMY).await;
    let mut inside = server.tls_saying(EVE).await;
    echoes(&mut inside, ALLOCATE).await;
    let mut clear = server.saying(b"").await;
    for byte in [ADA, ALLOCATE].concat() {
        clear.write_all(&[byte]).await.unwrap();
    }
    let mut first = [0; 8];
    clear.read_exact(&mut first).await.unwrap();
    assert_eq!(first, ALLOCATE);
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(
        *relay.clients.lock().unwrap(),
        [address("[2001:db8::1]:4711"), address("192.0.2.1:4711")]
    );
    assert_eq!(
        *relay.seen.lock().unwrap(),
        [
            (true, address("[2001:db8::2]:443")),
            (false, address("198.51.100.1:443"))
        ]
    );
    server.stop().await;
}

#[tokio::test]
async fn bounds_of_a_source_are_those_of_each_client() {
    let server = Server::behind("announced-limits", None, LIMITS).await;
    // Whose these are is not known yet: they are nobody's in particular.
    let mut waiting = Vec::new();
    for _ in 0..LIMITS.half_open_per_source + 1 {
        waiting.push(server.saying(b"PROXY ").await);
    }
    let mut open = Vec::new();
    for _ in 0..LIMITS.half_open_per_source {
        open.push(server.tls_saying(ADA).await);
    }
    let mut refused = server.saying(ADA).await;
    ends(&mut refused).await;
    assert_eq!(server.counters.refused.load(Ordering::Relaxed), 1);
    let mut page = server.tls_saying(BOB).await;
    page.write_all(GET).await.unwrap();
    assert!(read_head(&mut page).await.starts_with("HTTP/1.1 200"));
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_that_announces_nobody_is_closed_and_counted() {
    let server = Server::behind("announced-not", None, ROOMY).await;
    for (number, bytes) in [
        &[0x16, 0x03, 0x01][..],
        GET,
        ALLOCATE,
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 https\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x02\x09",
    ]
    .into_iter()
    .enumerate()
    {
        let mut stream = server.saying(bytes).await;
        ends(&mut stream).await;
        assert_eq!(server.unannounced(), number as u64 + 1);
    }
    let mut gone = server.saying(b"PROXY ").await;
    gone.shutdown().await.unwrap();
    ends(&mut gone).await;
    assert_eq!(server.unannounced(), 6);
    let mut silent = server.saying(b"").await;
    silent.shutdown().await.unwrap();
    ends(&mut silent).await;
    assert_eq!(server.counters.silent.load(Ordering::Relaxed), 1);
    assert_eq!(server.unannounced(), 6);
    assert_eq!(server.counters.unknown.load(Ordering::Relaxed), 0);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_header_is_waited_for_for_three_seconds() {
    let server = Server::behind("announced-late", None, ROOMY).await;
    let began = tokio::time::Instant::now();
    let mut stream = server.saying(&ADA[..20]).await;
    ends(&mut stream).await;
    let waited = began.elapsed();
    assert!(waited >= VERDICT_TIMEOUT, "{waited:?}");
    assert!(waited < FIRST_BYTES_TIMEOUT, "{waited:?}");
    assert_eq!(server.unannounced(), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_others_say_of_themselves_is_not_read() {
    let proxies = Announcing::new(vec!["192.0.2.0/24".parse().unwrap()]);
    let server = Server::start_behind("announced-others", None, ROOMY, proxies).await;
    let mut stream = server.saying(&[ADA, GET].concat()).await;
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 400"));
    let mut stream = server.saying(EVE).await;
    stream.write_all(GET).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 400"));
    server.stop().await;
}

#[tokio::test]
async fn new_proxies_hold_for_new_connections() {
    let server = Server::start_with("announced-new", None).await;
    let mut early = server.connect_tls().await;
    let networks = vec!["127.0.0.1".parse().unwrap()];
    server.announcing.replace(networks);
    let mut page = server.tls_saying(ADA).await;
    for stream in [&mut early, &mut page] {
        stream.write_all(GET).await.unwrap();
        assert!(read_head(stream).await.starts_with("HTTP/1.1 200"));
    }
    server.stop().await;
}
