//! What an idle link costs: opens many over loopback, and prints what the
//! process grew by. Both ends are in it, so this is an upper bound; raw
//! clients without buffers keep theirs small.
//!
//! `cargo run --release -p conclave-signalling-node --example idle_links -- 9000`

#![allow(clippy::unwrap_used, reason = "a measurement has nobody to report to")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use conclave_signalling_node::{ClientAddr, Config, NoMedia, Node};
use conclave_signalling_store::Store;
use tokio::sync::mpsc;

const HELLO: &[u8] = br#"{"id":1,"type":"hello","data":{"protocol":1,"client":"idle/1"}}"#;

fn main() {
    let links = std::env::args().nth(1);
    let links: usize = links.map_or(1000, |number| number.parse().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (node, address) = runtime.block_on(serve());
    // The first one pays for what all share.
    let first = open(address);
    let before = resident_bytes();
    let open: Vec<TcpStream> = (0..links).map(|_| open(address)).collect();
    let grown = resident_bytes() - before;
    let stats = node.stats();
    assert_eq!(
        stats.links,
        links + 1,
        "they took longer than links may idle"
    );
    println!(
        "{} links, {} bytes each, {} MiB in all",
        stats.links,
        grown / links,
        grown >> 20
    );
    drop((first, open));
}

async fn serve() -> (Node, SocketAddr) {
    let config = Config {
        origin_allowed: Arc::new(|_| true),
        links_per_source: u32::MAX,
        ..Config::default()
    };
    let store = Store::open_temporary().await.unwrap();
    let events = mpsc::channel(1).1;
    let node = Node::start(config, store, Arc::new(NoMedia), events)
        .await
        .unwrap();
    let address: SocketAddr = "192.0.2.1:1".parse().unwrap();
    let router = node.router().layer(axum::Extension(ClientAddr(address)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (node, address)
}

/// Opens a link, says hello, and waits for the welcome.
fn open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /api/v1/signal HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
        connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: conclave.v1\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    // A mask of zeros leaves the text as it is.
    let mut frame = vec![0x81, 0x80 | HELLO.len() as u8, 0, 0, 0, 0];
    frame.extend(HELLO);
    stream.write_all(&frame).unwrap();
    let mut header = [0; 4];
    stream.read_exact(&mut header).unwrap();
    let length = u16::from_be_bytes([header[2], header[3]]);
    let mut welcome = vec![0; usize::from(length)];
    stream.read_exact(&mut welcome).unwrap();
    stream
}

/// Reads the second number of `/proc/self/statm`: resident pages of 4 KiB.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
