//! A server behind a proxy that ends TLS and speaks HTTP to it.

use std::fs;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::link::link;
use crate::server::{Server, conclave, folder, get_clear};

pub(crate) const PUBLIC_URL: &str = "https://meet.example.org";

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_pages_and_links_work_and_limits_are_those_of_clients() {
    let mut server = start("proxy", "127.0.0.0/8");
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    // What a client says of itself stands before what the proxy adds.
    let ada = proxy(&http, "192.0.2.1").await;
    let bob = proxy(&http, "192.0.2.2").await;

    let page = get(ada, "/r/welcome", "x-forwarded-for: 192.0.2.2\r\n").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("\r\nstrict-transport-security: "), "{page}");

    let mut links = Vec::new();
    for at in [ada, bob] {
        let stream = TcpStream::connect(at).await.unwrap();
        links.push(link(stream, "http", PUBLIC_URL).await.unwrap());
    }
    // One link of a source is all, and a source is a client, not the proxy.
    let stream = TcpStream::connect(ada).await.unwrap();
    let refused = link(stream, "http", PUBLIC_URL).await.err().unwrap();
    assert!(refused.to_string().contains("429"), "{refused}");

    let contradiction = get(bob, "/", "forwarded: for=192.0.2.77\r\n").await;
    assert!(contradiction.starts_with("HTTP/1.1 400"), "{contradiction}");
    // Without a word of the proxy, plain HTTP is plain HTTP.
    assert!(get_clear(&http, "/").starts_with("HTTP/1.1 308"));

    // Who has all services read their files again ends no meeting.
    server.signal("HUP");
    while !fs::read_to_string(server.folder.join("log"))
        .unwrap()
        .contains("SIGHUP")
    {
        assert!(server.process.try_wait().unwrap().is_none(), "it has ended");
        tokio::task::yield_now().await;
    }
    let page = get(ada, "/r/welcome", "").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_trusted_is_a_client_like_others() {
    let server = start("proxy-untrusted", "192.0.2.0/24");
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let ada = proxy(&http, "192.0.2.1").await;
    let page = get(ada, "/r/welcome", "").await;
    assert!(page.starts_with("HTTP/1.1 308"), "{page}");
}

/// Starts a server with one link for each source.
fn start(test: &str, trusted: &str) -> Server {
    let folder = folder(test);
    let mut command = conclave();
    command
        .env("CONCLAVE_PUBLIC_URL", PUBLIC_URL)
        .env("CONCLAVE_LIMITS__LINKS_PER_SOURCE", "1")
        .env("CONCLAVE_HTTP__TRUSTED_PROXIES", trusted)
        .stderr(fs::File::create(folder.join("log")).unwrap());
    Server::spawn_for_real(folder, command)
}

/// Starts a proxy whose every client has the address `client`.
pub(crate) async fn proxy(http: &str, client: &'static str) -> SocketAddr {
    let port: u16 = http.rsplit(':').next().unwrap().parse().unwrap();
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            tokio::spawn(pass_on(stream, server, client));
        }
    });
    address
}

/// Adds headers to the first request as nginx does, then copies bytes.
async fn pass_on(mut client: TcpStream, server: SocketAddr, address: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let is_theirs = |line: &&str| line.starts_with("x-forwarded-for: ");
    let told: String = head
        .lines()
        .find(is_theirs)
        .map_or_else(String::new, |line| format!("{}, ", &line[17..]));
    let rest: Vec<&str> = head.lines().filter(|line| !is_theirs(line)).collect();
    let rest = rest.join("\r\n");
    let head = rest.trim_end();
    let head =
        format!("{head}\r\nx-forwarded-for: {told}{address}\r\nx-forwarded-proto: https\r\n\r\n");
    let mut server = TcpStream::connect(server).await.unwrap();
    server.write_all(head.as_bytes()).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

async fn get(at: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: meet.example.org\r\n{headers}connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
