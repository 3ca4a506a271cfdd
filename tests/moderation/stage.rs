//! A signalling node on loopback, with a store of its own and rooms to break into.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{ConnectInfo, Request};
use axum::middleware::{self, Next};
use axum::serve::ListenerExt;
use conclave_sfu_node::{MediaAddr, MediaHandle, MediaNode, NodeConfig, Secrets};
use conclave_sfu_wire::control::{Command, MemberKey};
use conclave_signalling_core::record::Actor;
use conclave_signalling_core::relay::Relay;
use conclave_signalling_node::{
    ClientAddr, Config, Hashing, Media, MediaBusy, NewRoom, Node, RoomsCreate,
};
use conclave_signalling_store::Store;
use conclave_signalling_wire::objects::IceServer;
use conclave_signalling_wire::text::Slug;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::link::Link;
use crate::person::{Entry, Person};
use crate::shard::FakeShards;

/// The origin of the page that is served beside the node.
pub(crate) const ORIGIN: &str = "https://meet.example.org";
/// Events that wait for the node at most.
const EVENTS: usize = 65_536;

/// What a credential of the relay begins with here.
pub(crate) const RELAY_USER: &str = "relay-user-";

/// A relay of which is only told.
#[derive(Debug)]
struct ToldRelay;

impl Relay for ToldRelay {
    fn member(&self, member: MemberKey, host: &str, _: u64, random: [u8; 8]) -> Vec<IceServer> {
        vec![IceServer {
            urls: vec![format!("turn:{host}")],
            username: format!("{RELAY_USER}{}", member.0),
            credential: format!("{:x}", u64::from_be_bytes(random)),
            ttl_s: 600,
        }]
    }

    fn test(&self, _: &str, _: u64, _: [u8; 8]) -> Option<IceServer> {
        None
    }
}

/// A server to be attacked.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) store: Store,
    pub(crate) shard: Option<Arc<FakeShards>>,
    /// The media plane ends with the stage.
    media: Option<MediaNode>,
    address: SocketAddr,
    rooms: AtomicU32,
    sources: AtomicU32,
}

/// A room and the secret of its host link.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) slug: String,
    pub(crate) host_secret: String,
}

impl Stage {
    /// Starts with a media plane that agrees to everything.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, configured otherwise.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(1, change).await
    }

    /// The same with so many shards, on which participants are in turn.
    pub(crate) async fn spread(shards: usize) -> Self {
        Self::on(shards, |config| config.spill_above_percent = 0).await
    }

    async fn on(shards: usize, change: impl FnOnce(&mut Config)) -> Self {
        let (events, reported) = mpsc::channel(EVENTS);
        let shard = Arc::new(FakeShards::new(shards, events));
        let media = Arc::clone(&shard) as Arc<dyn Media>;
        Self::build(change, media, reported, Some(shard), None).await
    }

    /// Starts with our media node on loopback, and so many shards, on which
    /// participants are in turn.
    pub(crate) async fn with_media(shards: NonZeroU8) -> Self {
        let config = NodeConfig {
            addresses: vec![MediaAddr::direct(IpAddr::V4(Ipv4Addr::LOCALHOST))],
            base_port: 0,
            shards,
            secrets: Secrets::draw().unwrap(),
            relay: Vec::new(),
        };
        let (sender, reported) = mpsc::channel(EVENTS);
        let media = MediaNode::start(config, |_| {
            let sender = sender.clone();
            Box::new(move |event| {
                // Nobody listens once the test is over.
                let _ = sender.try_send(event);
            })
        })
        .unwrap();
        let shards = Arc::new(Shards(media.handle()));
        let spread = |config: &mut Config| config.spill_above_percent = 0;
        Self::build(spread, shards, reported, None, Some(media)).await
    }

    async fn build(
        change: impl FnOnce(&mut Config),
        media: Arc<dyn Media>,
        events: mpsc::Receiver<conclave_sfu_wire::control::Event>,
        shard: Option<Arc<FakeShards>>,
        media_node: Option<MediaNode>,
    ) -> Self {
        let mut config = Config {
            origin_allowed: Arc::new(|origin| origin == ORIGIN),
            rooms_create: RoomsCreate::Anyone,
            relay: Some(Arc::new(ToldRelay)),
            // What a hash costs is measured elsewhere.
            hashing: Hashing {
                m_kib: 8,
                t: 1,
                p: 1,
            },
            // The tests that are about these limits set them.
            joins_per_source_per_s: 100_000,
            room_changes_per_s: 100_000,
            room_changes_burst: 100_000,
            joins_per_source_burst: 100_000,
            rooms_per_source_per_hour: 100_000,
            ..Config::default()
        };
        change(&mut config);
        let store = Store::open_temporary().await.unwrap();
        let node = Node::start(config, store.clone(), media, events)
            .await
            .unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let router = node.router().layer(middleware::from_fn(say_whence));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Stage {
            node,
            store,
            shard,
            media: media_node,
            address,
            rooms: AtomicU32::new(0),
            sources: AtomicU32::new(0),
        }
    }

    /// Returns how many packets have gone from shard to shard.
    pub(crate) fn crossed(&self) -> u64 {
        let media = self.media.as_ref().unwrap().handle();
        let stats = (0..media.shards()).filter_map(|shard| media.stats(shard));
        stats.map(|stats| stats.io.crossed).sum()
    }

    /// Makes a room of a preset. `update` is in the form of `room.update`.
    pub(crate) async fn room(&self, preset: &str, update: Value) -> Room {
        let number = self.rooms.fetch_add(1, Ordering::Relaxed);
        let room = NewRoom {
            slug: Some(Slug::new(&format!("room-{number}")).unwrap()),
            preset: serde_json::from_value(json!(preset)).unwrap(),
            update: serde_json::from_value(update).unwrap(),
        };
        let created = self.node.rooms().create(room, Actor::Operator).await;
        let created = created.unwrap();
        Room {
            slug: created.slug.to_string(),
            host_secret: created.host_secret.reveal(),
        }
    }

    /// Makes an invite without anybody being in the room. Returns its secret.
    pub(crate) async fn invite(&self, room: &Room, invite: Value) -> String {
        let slug = Slug::new(&room.slug).unwrap();
        let invite = serde_json::from_value(invite).unwrap();
        let created = self
            .node
            .rooms()
            .invite(&slug, invite, Actor::Operator)
            .await
            .unwrap();
        created.secret.reveal()
    }

    /// Returns an address from which nobody has come before.
    pub(crate) fn fresh_source(&self) -> Ipv4Addr {
        let number = self.sources.fetch_add(1, Ordering::Relaxed) + 1;
        let [_, a, b, c] = number.to_be_bytes();
        // 127.0.0.0/8 is all loopback; .0 and .255 at the end are addresses like others there.
        Ipv4Addr::new(127, a.wrapping_add(1), b, c)
    }

    /// Opens a link from an address, without a word.
    pub(crate) async fn open(&self, from: Ipv4Addr) -> Link {
        Link::open(self.address, from).await
    }

    /// Opens a link from an address and says hello.
    pub(crate) async fn greeted(&self, from: Ipv4Addr) -> Link {
        let mut link = self.open(from).await;
        let welcome = link.ok("hello", hello()).await;
        assert_eq!(welcome["outcome"], "welcome");
        link
    }

    /// Knocks. Returns the link and the whole reply.
    pub(crate) async fn knock(&self, entry: &Entry) -> (Link, Value) {
        let mut link = self.greeted(entry.from).await;
        let reply = link.ask("join", entry.data()).await;
        (link, reply)
    }

    /// Joins; anything but being in is a failure.
    pub(crate) async fn join(&self, entry: &Entry) -> Person {
        let (link, reply) = self.knock(entry).await;
        assert_eq!(reply["ok"]["outcome"], "joined", "{reply}");
        Person::new(link, &reply["ok"], entry.clone())
    }

    /// Joins by the host link, from an address and a device of its own.
    pub(crate) async fn host(&self, room: &Room) -> Person {
        self.join(&self.entry(room).invite(&room.host_secret).named("Host"))
            .await
    }

    /// Joins by an invite for one in a role, which need not wait.
    pub(crate) async fn invited(&self, room: &Room, role: &str) -> Person {
        let invite = json!({"role": role, "max_uses": 1, "bypass_lobby": true});
        let secret = self.invite(room, invite).await;
        self.join(&self.entry(room).invite(&secret).named(role))
            .await
    }

    /// Somebody nobody knows: no credential, a fresh device, a fresh address.
    pub(crate) fn entry(&self, room: &Room) -> Entry {
        Entry::new(&room.slug, self.fresh_source())
    }

    /// Opens a link with the resume token of another.
    pub(crate) async fn resume(&self, from: Ipv4Addr, token: &str, last_seq: u32) -> (Link, Value) {
        let mut link = self.open(from).await;
        let mut data = hello();
        data["resume"] = json!({"token": token, "last_seq": last_seq});
        let reply = link.ask("hello", data).await;
        (link, reply)
    }
}

/// Data of a `hello` without a place to get back.
pub(crate) fn hello() -> Value {
    json!({"protocol": 1, "client": "attacker/1"})
}

/// Puts the address of the peer where the node looks for it.
async fn say_whence(
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> axum::response::Response {
    request.extensions_mut().insert(ClientAddr(address));
    next.run(request).await
}

struct Shards(MediaHandle);

impl Media for Shards {
    fn shards(&self) -> usize {
        usize::from(self.0.shards())
    }

    fn send(&self, shard: usize, command: Command) -> Result<(), MediaBusy> {
        let shard = u8::try_from(shard).map_err(|_| MediaBusy)?;
        self.0.send(shard, command).map_err(|_| MediaBusy)
    }
}
