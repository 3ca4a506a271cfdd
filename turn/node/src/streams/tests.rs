use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use conclave_sfu_udp::Waker;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::peers_tcp::PeerStream;
use crate::stats::SharedStats;

/// A Binding request without attributes.
const BINDING: [u8; 20] = [
    0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];
/// Channel 0x4000 with five bytes, and the padding.
const CHANNEL_DATA: [u8; 12] = [0x40, 0, 0, 5, b'm', b'e', b'd', b'i', b'a', 0, 0, 0];
const ALLOCATE_SUCCESS: [u8; 20] = [
    1, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];

/// A client at one end, the relay thread's side at the other.
struct Scene {
    client: DuplexStream,
    clients: StreamClients,
    inbox: StreamInbox,
    who: FiveTuple,
    served: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

/// What a turn of the relay thread had of a client.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    frames: Vec<Vec<u8>>,
    has_ended: bool,
}

impl Scene {
    async fn new() -> Scene {
        let shared = Arc::new(Shared {
            waker: Waker::new().unwrap(),
            stop: AtomicBool::new(false),
            stats: SharedStats::new(),
        });
        let (entrance, clients, inbox) = queues(&shared);
        let (client, stream) = duplex(4_096);
        let who = FiveTuple {
            transport: ClientTransport::Tls,
            client: ClientAddr(SocketAddr::from(([192, 0, 2, 1], 5_000))),
            server: SocketAddr::from(([192, 0, 2, 2], 443)),
        };
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(async move {
            task::serve((Box::new(stream), None), who, &entrance, stopped).await;
        });
        let mut scene = Scene {
            client,
            clients,
            inbox,
            who,
            served,
            stop,
        };
        let link = loop {
            match scene.inbox.take() {
                Some(FromStream::Opened(client, link)) if client == who => break link,
                Some(_) => panic!("not opened first"),
                None => tokio::task::yield_now().await,
            }
        };
        scene.clients.open(who, link);
        assert_eq!(scene.read(), Seen::default());
        scene
    }

    /// Reads once, as the relay thread does.
    fn read(&mut self) -> Seen {
        let mut seen = Seen::default();
        if let Some(mut arrived) = self.clients.read(&self.who) {
            loop {
                match arrived.frames.next_frame() {
                    Ok(Some(frame)) => seen.frames.push(frame.to_vec()),
                    Ok(None) => break,
                    Err(_) => {
                        arrived.has_ended = true;
                        break;
                    }
                }
            }
            assert!(!arrived.is_more, "short reads only");
            self.clients.put_back(&self.who, arrived.frames);
            seen.has_ended = arrived.has_ended;
        }
        if seen.has_ended {
            self.clients.forget(&self.who);
        }
        self.clients.flush(std::time::Instant::now());
        seen.has_ended |= self.clients.take_gone().is_some();
        seen
    }

    /// What the stream has when it has something.
    async fn seen(&mut self) -> Seen {
        let mut ready = Vec::new();
        while ready.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.inbox.take_ready(&mut ready);
        }
        assert_eq!(ready, [self.who], "each stream once");
        self.read()
    }

    async fn frames(&mut self) -> Vec<Vec<u8>> {
        let seen = self.seen().await;
        assert!(!seen.has_ended);
        seen.frames
    }

    async fn is_closed(&mut self) -> bool {
        self.seen().await.has_ended
    }

    fn answer(&mut self, message: &[u8]) {
        self.clients.send(&self.who, message, b"", false);
        self.clients.flush(std::time::Instant::now());
    }
}

#[tokio::test(start_paused = true)]
async fn frames_come_whole_however_they_are_cut_and_without_their_padding() {
    let mut scene = Scene::new().await;
    let bytes = [&BINDING[..], &CHANNEL_DATA[..], &BINDING[..]].concat();
    scene.client.write_all(&bytes[..7]).await.unwrap();
    scene.client.write_all(&bytes[7..]).await.unwrap();
    let mut frames = Vec::new();
    while frames.len() < 3 {
        frames.extend(scene.frames().await);
    }
    let expected = [&BINDING[..], &CHANNEL_DATA[..9], &BINDING[..]];
    assert_eq!(frames, expected);
    scene.answer(b"answer");
    let mut answer = [0; 6];
    scene.client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_turn_ends_the_connection_behind_what_was() {
    let mut scene = Scene::new().await;
    scene.client.write_all(&BINDING).await.unwrap();
    assert_eq!(scene.frames().await, [BINDING]);
    scene.client.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    assert!(scene.is_closed().await);
    assert_eq!(scene.client.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_allocation_is_closed_after_half_a_minute() {
    let mut scene = Scene::new().await;
    let began = Instant::now();
    scene.client.write_all(&BINDING).await.unwrap();
    scene.frames().await;
    scene.answer(b"a challenge");
    (&mut scene.served).await.unwrap();
    assert!(scene.is_closed().await);
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn who_has_one_may_be_silent_for_as_long_as_an_allocation_lives() {
    let mut scene = Scene::new().await;
    let began = Instant::now();
    scene.client.write_all(&BINDING).await.unwrap();
    scene.frames().await;
    scene.answer(&ALLOCATE_SUCCESS);
    (&mut scene.served).await.unwrap();
    let silence = began.elapsed();
    assert!(silence > Duration::from_secs(3_600), "{silence:?}");
    assert!(scene.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn who_has_one_no_longer_is_closed_as_one_who_never_had_one() {
    let mut scene = Scene::new().await;
    scene.answer(&ALLOCATE_SUCCESS);
    tokio::time::sleep(Duration::from_secs(100)).await;
    let who = scene.who;
    scene.clients.allocation_ended(&who);
    let began = Instant::now();
    (&mut scene.served).await.unwrap();
    assert!((30..=60).contains(&began.elapsed().as_secs()));
    assert!(scene.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn the_relay_ends_a_connection_behind_its_last_answer() {
    let mut scene = Scene::new().await;
    let who = scene.who;
    scene.clients.send(&who, b"last", b"", false);
    scene.clients.close(&who);
    assert!(scene.read().has_ended);
    let mut all = Vec::new();
    scene.client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last");
    scene.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_and_a_client_that_leaves_end_it() {
    let mut scene = Scene::new().await;
    scene.stop.send(true).unwrap();
    assert!(scene.is_closed().await);
    (&mut scene.served).await.unwrap();
    assert_eq!(scene.clients.len(), 0);

    let mut scene = Scene::new().await;
    scene.client.shutdown().await.unwrap();
    assert!(scene.is_closed().await);
    scene.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_client_does_not_take_waits_until_it_does_or_has_taken_nothing_for_long() {
    let mut scene = Scene::new().await;
    scene.answer(&ALLOCATE_SUCCESS);
    let long = [7; 6_000];
    scene.answer(&long);
    let mut taken = vec![0; 6_020];
    let read = async { scene.client.read_exact(&mut taken[..4_096]).await.unwrap() };
    read.await;
    assert_eq!(scene.frames().await, Vec::<Vec<u8>>::new());
    scene.client.read_exact(&mut taken[4_096..]).await.unwrap();
    assert_eq!(taken[20..], long);

    scene.answer(&long);
    let began = Instant::now();
    (&mut scene.served).await.unwrap();
    assert!((30..=60).contains(&began.elapsed().as_secs()));
    assert!(scene.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn behind_a_connection_bind_bytes_are_the_peers_and_closing_ends_both() {
    let mut scene = Scene::new().await;
    let who = scene.who;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await;
    let (mut far, _) = listener.accept().await.unwrap();
    scene
        .client
        .write_all(&[&BINDING[..], b"\xffraw"].concat())
        .await
        .unwrap();
    tokio::task::yield_now().await;
    let mut arrived = scene.clients.read(&who).unwrap();
    assert_eq!(arrived.frames.next_frame().unwrap().unwrap(), BINDING);
    scene.clients.send(&who, b"bound", b"", false);
    let peer = PeerStream {
        stream: peer.unwrap(),
        rates: Arc::new(Rates::new(8_000_000)),
    };
    scene.clients.join(&who, peer);
    assert!(!scene.clients.is_open(&who));
    scene.clients.put_back(&who, arrived.frames);
    assert_eq!(scene.read(), Seen::default());

    let mut answer = [0; 5];
    scene.client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"bound");
    let mut raw = [0; 4];
    far.read_exact(&mut raw).await.unwrap();
    assert_eq!(&raw, b"\xffraw");
    far.write_all(b"back").await.unwrap();
    scene.client.read_exact(&mut raw).await.unwrap();
    assert_eq!(&raw, b"back");
    scene.clients.close(&who);
    assert_eq!(scene.clients.take_gone(), Some(who));
    assert_eq!(far.read(&mut raw).await.unwrap(), 0);
    scene.served.await.unwrap();
}
