//! A server without sockets, and clients for it.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::Listener;
use conclave_sfu_wire::control::{
    Admission, Command, Event, MemberKey, MidName, Rid, RoomKey, SlotState,
};
use conclave_signalling_core::record::Actor;
use conclave_signalling_node::{
    ClientAddr, Config, CreatedRoom, Hashing, Media, MediaBusy, NewRoom, Node, Stats,
};
use conclave_signalling_store::{MasterKey, Store};
use conclave_signalling_wire::objects::{LobbyMode, NoHost, Preset};
use conclave_signalling_wire::room::RoomUpdate;
use conclave_signalling_wire::text::{Slug, Title};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, SqliteConnection};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};
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
    /// One of the shards that is busy alone, or none that there is.
    pub(crate) busy_shard: AtomicUsize,
    /// Who was admitted, in order.
    members: Mutex<Vec<MemberKey>>,
    /// Whom it takes.
    pub(crate) admission: Mutex<Admission>,
    /// Who came and went, as it was decided.
    pub(crate) heard: Mutex<Vec<&'static str>>,
}

impl FakeShard {
    fn report(&self, event: Event) {
        self.events.try_send(event).ok().unwrap();
    }

    pub(crate) async fn say(&self, event: Event) {
        self.events.send(event).await.ok().unwrap();
    }

    pub(crate) fn admitted(&self) -> Vec<MemberKey> {
        self.members.lock().unwrap().clone()
    }

    pub(crate) fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.commands.lock().unwrap())
    }
}

impl Media for FakeShard {
    fn shards(&self) -> usize {
        2
    }

    fn admission(&self, _: usize) -> Admission {
        *self.admission.lock().unwrap()
    }

    fn hear(&self, command: &Command) {
        let heard = match command {
            Command::Admit { .. } => "admit",
            Command::Drop { .. } => "drop",
            Command::CloseRoom { .. } => "close",
            _ => return,
        };
        self.heard.lock().unwrap().push(heard);
    }

    fn send(&self, shard: usize, command: Command) -> Result<(), MediaBusy> {
        let is_busy = self.busy_shard.load(Ordering::Relaxed) == shard;
        if is_busy || self.is_busy.load(Ordering::Relaxed) {
            return Err(MediaBusy);
        }
        let text = match command {
            Command::OpenRoom { room, .. } => {
                *self.room.lock().unwrap() = Some(room);
                "open"
            }
            Command::CloseRoom { .. } => "close",
            Command::Admit { member, .. } => {
                self.members.lock().unwrap().push(member);
                "admit"
            }
            Command::Drop { .. } => "drop",
            Command::Offer {
                member,
                generation,
                sdp,
                ..
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
            Command::Publish {
                member,
                attempt,
                source,
                ..
            } => {
                self.report(Event::Published {
                    member,
                    attempt,
                    source,
                    rids: Rid::ALL.to_vec(),
                });
                "publish"
            }
            Command::SetMuted { .. } => "mute",
            Command::Unpublish { .. } => "unpublish",
            Command::EndTransport { .. } => "end",
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
            Command::Barrier { room, number } => {
                self.report(Event::Passed { room, number });
                "barrier"
            }
            Command::Span { shards, .. } => &format!("span {shards:?}"),
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

/// What is hashed at little cost: a test of the pool does not need the true one.
const CHEAP: Hashing = Hashing {
    m_kib: 64,
    t: 1,
    p: 1,
};

/// Gives each request the address that it asks for.
async fn with_address(mut request: axum::extract::Request, next: Next) -> Response {
    let from = request.headers().get("x-from");
    let from = from.and_then(|value| value.to_str().ok());
    let address: IpAddr = from.unwrap_or("192.0.2.7").parse().unwrap();
    let address = ClientAddr(SocketAddr::new(address, 50_000));
    request.extensions_mut().insert(address);
    next.run(request).await
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

/// Lets the clock of the runtime stand still. By itself it leaps to the next
/// deadline as soon as no task can go on, but the store and the hashes are
/// threads that it does not see.
#[derive(Default)]
struct Clock(Mutex<Option<std::sync::mpsc::Sender<()>>>);

impl Clock {
    fn stop(&self) {
        let (held, dropped) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || dropped.recv());
        *self.0.lock().unwrap() = Some(held);
    }

    fn go(&self) {
        self.0.lock().unwrap().take();
    }
}

/// A second connection to the database of a server.
pub(crate) struct Database {
    db: SqliteConnection,
    folder: PathBuf,
}

impl Database {
    pub(crate) async fn does(&mut self, sql: &'static str) {
        self.db.execute(sql).await.unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // What stays of it is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) struct Server {
    /// What the wall clock is ahead of that of the runtime, in milliseconds.
    pub(crate) wall_ahead_ms: Arc<AtomicU64>,
    pub(crate) node: Node,
    pub(crate) store: Store,
    pub(crate) shard: Arc<FakeShard>,
    streams: mpsc::Sender<DuplexStream>,
    clock: Clock,
}

impl Server {
    /// Starts a server with the rooms `welcome` and `other`, which everybody may enter.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let clock = Clock::default();
        clock.stop();
        let store = Store::open_temporary().await.unwrap();
        let server = Self::on(store, clock, change).await;
        for slug in ["welcome", "other"] {
            server.room(slug, |_| {}).await;
        }
        server
    }

    /// Starts a server without rooms whose database another connection reaches.
    pub(crate) async fn with_database() -> (Self, Database) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("conclave-node-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let clock = Clock::default();
        clock.stop();
        let store = Store::open(&folder, MasterKey::new([7; 32])).await.unwrap();
        let options = SqliteConnectOptions::new().filename(folder.join("conclave.db"));
        let db = options.connect().await.unwrap();
        let server = Self::on(store, clock, |_| {}).await;
        (server, Database { db, folder })
    }

    /// Starts another server on the store of one that is gone.
    pub(crate) async fn again(self) -> Self {
        self.again_with(|_| {}).await
    }

    pub(crate) async fn again_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let Server { store, clock, .. } = self;
        Self::on(store, clock, change).await
    }

    async fn on(store: Store, clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let wall_ahead_ms = Arc::new(AtomicU64::new(1_700_000_000_000));
        let (start, ahead) = (Instant::now(), Arc::clone(&wall_ahead_ms));
        let since_start = move || u64::try_from(start.elapsed().as_millis()).unwrap();
        let mut config = Config {
            origin_allowed: Arc::new(|origin| origin == ORIGIN),
            wall_clock_ms: Arc::new(move || ahead.load(Ordering::Relaxed) + since_start()),
            hashing: CHEAP,
            ..Config::default()
        };
        change(&mut config);
        let (events, reported) = mpsc::channel(64);
        let shard = Arc::new(FakeShard {
            events,
            commands: Mutex::default(),
            room: Mutex::default(),
            is_busy: AtomicBool::new(false),
            busy_shard: AtomicUsize::new(usize::MAX),
            members: Mutex::default(),
            admission: Mutex::default(),
            heard: Mutex::default(),
        });
        let media = Arc::clone(&shard) as Arc<dyn Media>;
        let node = Node::start(config, store.clone(), media, reported)
            .await
            .ok()
            .unwrap();
        let router = node.router().layer(from_fn(with_address));
        let (streams, accepted) = mpsc::channel(16);
        tokio::spawn(async move { axum::serve(Streams(accepted), router).await });
        Server {
            wall_ahead_ms,
            node,
            store,
            shard,
            streams,
            clock,
        }
    }

    /// Makes a room without lobby that needs no host.
    pub(crate) async fn room(
        &self,
        slug: &str,
        change: impl FnOnce(&mut RoomUpdate),
    ) -> CreatedRoom {
        let mut update = RoomUpdate {
            title: Title::new(&format!("The {slug}")).ok(),
            lobby: Some(LobbyMode::Off),
            start_without_host: Some(true),
            no_host: Some(NoHost::Continue),
            ..RoomUpdate::default()
        };
        change(&mut update);
        let room = NewRoom {
            slug: Slug::new(slug).ok(),
            preset: Preset::Meeting,
            update,
        };
        self.node
            .rooms()
            .create(room, Actor::Operator)
            .await
            .unwrap()
    }

    /// Lets the clock run until something happens.
    pub(crate) async fn later<T>(&self, something: impl Future<Output = T>) -> T {
        self.clock.go();
        let happened = something.await;
        self.clock.stop();
        happened
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.later(tokio::time::sleep(duration)).await;
    }

    /// Waits, at the same time of the clock, until the store and all tasks have come so far.
    pub(crate) async fn until(&self, is_so: impl Fn(Stats) -> bool) {
        let patience = std::time::Instant::now() + Duration::from_secs(20);
        while !is_so(self.node.stats()) {
            let stats = self.node.stats();
            assert!(std::time::Instant::now() < patience, "{stats:?}");
            tokio::task::yield_now().await;
        }
    }

    /// Opens a link from another address.
    pub(crate) async fn link_from(&self, address: &str) -> Client {
        let address = HeaderValue::from_str(address).unwrap();
        let change = |request: &mut Request<()>| {
            request.headers_mut().insert("x-from", address);
        };
        self.open(change).await.ok().unwrap()
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
        self.link().await.greeted().await
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
    /// Says hello.
    pub(crate) async fn greeted(mut self) -> Self {
        let welcome = self
            .ask("hello", json!({"protocol": 1, "client": "test/1"}))
            .await;
        assert_eq!(welcome["ok"]["outcome"], "welcome");
        self
    }

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

    /// Asks and returns the reply as it was written, without its number.
    pub(crate) async fn ask_raw(&mut self, name: &str, data: Value) -> String {
        let id = self.send(name, data).await;
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return text.replace(&format!("\"id\":{id}"), "\"id\":0");
                }
                Some(Ok(_)) => {}
                end => panic!("{end:?}"),
            }
        }
    }

    /// Returns a push that came while a reply was awaited.
    pub(crate) fn kept_push(&self, name: &str) -> Option<&Value> {
        self.pushes.iter().find(|push| push["type"] == name)
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
