//! A server without sockets, and clients for it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Extension;
use axum::serve::Listener;
use conclave_sfu_wire::control::{Command, Event, MidName, Rid, RoomKey, SlotState};
use conclave_signalling_node::{ClientAddr, Config, Media, MediaBusy, Node, RoomSpec};
use conclave_signalling_wire::text::Slug;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

pub(crate) const ORIGIN: &str = "https://meet.example.org";

/// A shard that agrees to everything. An offer that says `panic` makes it panic.
pub(crate) struct FakeShard {
    events: mpsc::Sender<Event>,
    pub(crate) commands: Mutex<Vec<String>>,
    /// The room that was opened last.
    pub(crate) room: Mutex<Option<RoomKey>>,
    pub(crate) is_busy: AtomicBool,
}

impl FakeShard {
    fn report(&self, event: Event) {
        self.events.try_send(event).ok().unwrap();
    }

    pub(crate) async fn say(&self, event: Event) {
        self.events.send(event).await.ok().unwrap();
    }

    pub(crate) fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.commands.lock().unwrap())
    }
}

impl Media for FakeShard {
    fn shards(&self) -> usize {
        2
    }

    fn send(&self, shard: usize, command: Command) -> Result<(), MediaBusy> {
        if self.is_busy.load(Ordering::Relaxed) {
            return Err(MediaBusy);
        }
        let text = match command {
            Command::OpenRoom { room, .. } => {
                *self.room.lock().unwrap() = Some(room);
                "open"
            }
            Command::CloseRoom { .. } => "close",
            Command::Admit { .. } => "admit",
            Command::Drop { .. } => "drop",
            Command::Offer {
                member,
                generation,
                sdp,
            } => {
                assert_ne!(sdp, "panic", "as the test asked");
                let (video_slots, audio_slots) = (vec![mid("4")], vec![mid("16")]);
                self.report(Event::Answer {
                    member,
                    generation,
                    sdp,
                    video_slots,
                    audio_slots,
                });
                "offer"
            }
            Command::Publish { member, source, .. } => {
                self.report(Event::Published {
                    member,
                    source,
                    rids: Rid::ALL.to_vec(),
                });
                "publish"
            }
            Command::SetMuted { .. } => "mute",
            Command::Unpublish { .. } => "unpublish",
            Command::Wish { member, views } => {
                let slots = views.iter().map(|view| SlotState {
                    mid: mid("4"),
                    feed: Some((view.member, view.source)),
                    paused: None,
                });
                self.report(Event::Slots {
                    member,
                    rev: 1,
                    slots: slots.collect(),
                });
                "wish"
            }
            Command::AckSlots { member, rev } => {
                let first_rtp_timestamps = vec![(mid("4"), 77)];
                self.report(Event::SlotsAcked {
                    member,
                    rev,
                    first_rtp_timestamps,
                });
                "ack"
            }
            Command::SetLink { up: true, .. } => "up",
            Command::SetLink { up: false, .. } => "down",
        };
        self.commands
            .lock()
            .unwrap()
            .push(format!("{shard} {text}"));
        Ok(())
    }
}

pub(crate) fn mid(text: &str) -> MidName {
    MidName::new(text).unwrap()
}

struct Streams(mpsc::Receiver<DuplexStream>);

impl Listener for Streams {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) struct Server {
    pub(crate) node: Node,
    pub(crate) shard: Arc<FakeShard>,
    streams: mpsc::Sender<DuplexStream>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let spec = |slug: &str| RoomSpec {
            slug: Slug::new(slug).unwrap(),
            title: format!("The {slug}"),
        };
        let mut config = Config {
            origin_allowed: Arc::new(|origin| origin == ORIGIN),
            rooms: vec![spec("welcome"), spec("other")],
            ..Config::default()
        };
        change(&mut config);
        let (events, reported) = mpsc::channel(64);
        let shard = Arc::new(FakeShard {
            events,
            commands: Mutex::default(),
            room: Mutex::default(),
            is_busy: AtomicBool::new(false),
        });
        let node = Node::start(config, Arc::clone(&shard) as Arc<dyn Media>, reported);
        let address: SocketAddr = "192.0.2.7:50000".parse().unwrap();
        let router = node.router().layer(Extension(ClientAddr(address)));
        let (streams, accepted) = mpsc::channel(16);
        tokio::spawn(async move { axum::serve(Streams(accepted), router).await });
        Server {
            node,
            shard,
            streams,
        }
    }

    /// Tries to open a link as `change` asks for it.
    pub(crate) async fn open(&self, change: impl FnOnce(&mut Request<()>)) -> Result<Client, u16> {
        let (near, far) = duplex(64 * 1024);
        self.streams.send(far).await.unwrap();
        let mut request = "wss://meet.example.org/api/v1/signal"
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("origin", HeaderValue::from_static(ORIGIN));
        request.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_static("conclave.v1"),
        );
        change(&mut request);
        match client_async(request, near).await {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "conclave.v1");
                assert!(!response.headers().contains_key("sec-websocket-extensions"));
                Ok(Client {
                    socket,
                    id: 0,
                    pushes: VecDeque::new(),
                })
            }
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn link(&self) -> Client {
        self.open(|_| {}).await.ok().unwrap()
    }

    /// Opens a link and says hello.
    pub(crate) async fn greeted(&self) -> Client {
        let mut client = self.link().await;
        let welcome = client
            .ask("hello", json!({"protocol": 1, "client": "test/1"}))
            .await;
        assert_eq!(welcome["ok"]["outcome"], "welcome");
        client
    }

    /// Opens a link and joins; returns what `joined` says.
    pub(crate) async fn joined(&self, room: &str, name: &str, device: u8) -> (Client, Value) {
        let mut client = self.greeted().await;
        let reply = client.ask("join", join(room, name, device)).await;
        assert_eq!(reply["ok"]["outcome"], "joined", "{reply}");
        (client, reply["ok"].clone())
    }
}

/// Data of a `join` without credential.
pub(crate) fn join(room: &str, name: &str, device: u8) -> Value {
    let device_key = conclave_signalling_wire::secret::DeviceKey::new([device; 16]).reveal();
    json!({"room": room, "credential": {"kind": "none"}, "name": name, "device_key": device_key})
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<DuplexStream>,
    id: u32,
    pushes: VecDeque<Value>,
}

impl Client {
    pub(crate) async fn send(&mut self, name: &str, data: Value) -> u32 {
        self.id += 1;
        let text = json!({"id": self.id, "type": name, "data": data}).to_string();
        self.socket.send(Message::text(text)).await.unwrap();
        self.id
    }

    /// Asks and waits for the reply; pushes on the way are kept.
    pub(crate) async fn ask(&mut self, name: &str, data: Value) -> Value {
        let id = self.send(name, data).await;
        loop {
            let message = self
                .hear()
                .await
                .unwrap_or_else(|code| panic!("closed with {code}"));
            if message["id"] == id {
                return message;
            }
            self.pushes.push_back(message);
        }
    }

    /// Returns the next message, or the code of the close; 0 without one.
    pub(crate) async fn hear(&mut self) -> Result<Value, u16> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(0, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// Returns the next push.
    pub(crate) async fn push(&mut self) -> Value {
        match self.pushes.pop_front() {
            Some(push) => push,
            None => self
                .hear()
                .await
                .unwrap_or_else(|code| panic!("closed with {code}")),
        }
    }

    /// Returns the next push of a type; those before it are dropped.
    pub(crate) async fn push_of(&mut self, name: &str) -> Value {
        loop {
            let push = self.push().await;
            if push["type"] == name {
                return push;
            }
        }
    }

    /// Reads on until the link is closed.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.hear().await {
                return code;
            }
        }
    }
}
