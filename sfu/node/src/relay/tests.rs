use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;

use conclave_sfu_udp::ReadySet;
use conclave_sfu_wire::control::{Command, Event, RoomKey, RoomPolicy};
use conclave_sfu_wire::relayed::RELAYED_V4;

use super::*;
use crate::addresses::MediaAddr;
use crate::node::{MediaNode, NodeConfig, Secrets, SendError};

/// Long enough for a loaded machine; a passing test never waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A relay that is flooded: there is always more, all of it for the shard.
struct Flooded {
    ready: ReadySet,
    turns: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
}

impl Lodger for Flooded {
    fn watch(&self) -> Watch {
        self.ready.watch()
    }

    fn due(&self) -> Option<Instant> {
        None
    }

    fn has_more(&self) -> bool {
        true
    }

    fn serve(&mut self, _: &[u64], arrived: &mut Parcel) -> bool {
        assert!(arrived.is_empty());
        self.turns.fetch_add(1, Ordering::Relaxed);
        let media = (Ipv4Addr::LOCALHOST, 9);
        arrived.push((RELAYED_V4, 2_000).into(), media.into(), b"junk");
        !self.ends.load(Ordering::Relaxed)
    }

    fn send(&mut self, _: SocketAddr, _: SocketAddr, _: &[u8]) {}

    fn flush(&mut self) {}
}

#[test]
fn a_flood_at_the_relay_holds_up_neither_datagrams_nor_commands() {
    let (sender, events) = channel();
    let node = node(move |event| drop(sender.send(event)));
    let relay = Flooded::new();
    let (turns, ends) = (Arc::clone(&relay.turns), Arc::clone(&relay.ends));
    node.lodge(Box::new(relay)).unwrap();
    let handle = node.handle();
    wait_until(|| turns.load(Ordering::Relaxed) > 100);

    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for _ in 0..200 {
        peer.send_to(b"junk", (Ipv4Addr::LOCALHOST, node.ports()[0]))
            .unwrap();
    }
    wait_until(|| handle.stats(0).unwrap().io.datagrams_in == 200);
    handle.send(0, open()).unwrap();
    handle.send(0, barrier()).unwrap();
    let passed = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(passed, Event::Passed { .. }));
    assert!(handle.stats(0).unwrap().io.relayed_in > 100);

    ends.store(true, Ordering::Relaxed);
    wait_until(|| Arc::strong_count(&turns) == 1);
    node.shutdown();
}

#[test]
fn a_shard_that_has_ended_takes_no_relay() {
    // A sink that panics ends its shard.
    let node = node(|event| assert!(!matches!(event, Event::Passed { .. })));
    let handle = node.handle();
    handle.send(0, open()).unwrap();
    wait_until(|| handle.send(0, barrier()) == Err(SendError::Gone(0)));
    let relay = Flooded::new();
    let turns = Arc::clone(&relay.turns);
    assert_eq!(node.lodge(Box::new(relay)), Err(SendError::Gone(0)));
    assert_eq!(Arc::strong_count(&turns), 1, "it is dropped");
}

impl Flooded {
    fn new() -> Flooded {
        Flooded {
            ready: ReadySet::new().unwrap(),
            turns: Arc::default(),
            ends: Arc::default(),
        }
    }
}

fn node(sink: impl Fn(Event) + Clone + Send + 'static) -> MediaNode {
    let config = NodeConfig {
        addresses: vec![MediaAddr::direct(IpAddr::V4(Ipv4Addr::LOCALHOST))],
        base_port: 0,
        shards: NonZeroU8::MIN,
        secrets: Secrets::draw().unwrap(),
        relay: Vec::new(),
    };
    MediaNode::start(config, |_| Box::new(sink.clone())).unwrap()
}

fn open() -> Command {
    let (room, policy) = (RoomKey(1), RoomPolicy::default());
    Command::OpenRoom { room, policy }
}

fn barrier() -> Command {
    let (room, number) = (RoomKey(1), 7);
    Command::Barrier { room, number }
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within patience");
        std::thread::yield_now();
    }
}
