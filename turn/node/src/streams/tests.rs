use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use conclave_sfu_udp::Waker;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::inbox::Frames;
use super::*;
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
            task::serve(stream, who, &entrance, stopped).await;
        });
        let mut scene = Scene {
            client,
            clients,
            inbox,
            who,
            served,
            stop,
        };
        let FromStream::Opened(client, writer) = scene.told().await else {
            panic!("not opened first")
        };
        scene.clients.open(client, writer);
        scene
    }

    /// What the task told the relay thread next.
    async fn told(&mut self) -> FromStream {
        loop {
            if let Some(message) = self.inbox.take() {
                return message;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn frames(&mut self) -> Vec<Vec<u8>> {
        match self.told().await {
            FromStream::Frames(_, frames) => Frames::iter(&frames).map(<[u8]>::to_vec).collect(),
            FromStream::Closed(_) => panic!("closed"),
            _ => panic!("no frames"),
        }
    }

    async fn is_closed(&mut self) -> bool {
        matches!(self.told().await, FromStream::Closed(who) if who == self.who)
    }

    fn answer(&mut self, message: &[u8]) {
        self.clients.send(&self.who, message, b"", false);
        self.clients.flush();
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
async fn the_relay_ends_a_connection_behind_its_last_answer() {
    let mut scene = Scene::new().await;
    let who = scene.who;
    scene.clients.send(&who, b"last", b"", false);
    scene.clients.close(&who);
    scene.clients.flush();
    let mut all = Vec::new();
    scene.client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last");
    assert!(scene.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_stop_and_a_client_that_leaves_end_it_and_writing_to_it_tells() {
    let mut scene = Scene::new().await;
    scene.stop.send(true).unwrap();
    assert!(scene.is_closed().await);
    (&mut scene.served).await.unwrap();
    scene.answer(b"to nobody");
    assert_eq!(scene.clients.take_gone(), Some(scene.who));
    assert_eq!(scene.clients.len(), 0);

    let mut scene = Scene::new().await;
    scene.client.shutdown().await.unwrap();
    assert!(scene.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn behind_a_connection_bind_nothing_is_read_before_its_answer() {
    let mut scene = Scene::new().await;
    let mut bind = BINDING;
    bind[1] = 0x0b;
    // An answer from before is not the one that is waited for.
    scene.answer(b"early");
    let mut early = [0; 5];
    scene.client.read_exact(&mut early).await.unwrap();
    scene
        .client
        .write_all(&[bind, BINDING].concat())
        .await
        .unwrap();
    assert_eq!(scene.frames().await, [bind]);
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(scene.inbox.take().is_none());
    }
    scene.answer(b"refused");
    assert_eq!(scene.frames().await, [BINDING]);
}
