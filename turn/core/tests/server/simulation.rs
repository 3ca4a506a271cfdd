//! Clients of another make on a virtual clock, over a network that loses, reorders and doubles datagrams and cuts
//! streams anywhere.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use conclave_turn_core::auth::Credential;
use conclave_turn_wire::deframe::Deframer;
use conclave_turn_wire::integrity::Mac;
use conclave_turn_wire::message::Request;
use conclave_turn_wire::{ClientAddr, ClientTransport, FiveTuple};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use turn_client_proto::api::{
    DelayedMessageOrChannelSend, Transmit, TransmitBuild, TurnConfig, TurnEvent, TurnPollRet,
    TurnRecvRet,
};
use turn_client_proto::client::TurnClient;
use turn_client_proto::prelude::*;
use turn_client_proto::stun::Instant as ClientInstant;
use turn_client_proto::stun::auth::Feature;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::stun::message::IntegrityAlgorithm;
use turn_client_proto::types::{AddressFamily, TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use crate::support::*;

/// Long enough for nonces (30 min), allocations, channels and permissions to be renewed.
const END_MS: u64 = 40 * 60 * 1000;
const DELETE_MS: u64 = END_MS - 60_000;
const SEND_EVERY_MS: u64 = 5_000;
const SERVER: &str = "192.0.2.1:443";

#[test]
fn clients_of_another_make_are_served_over_a_bad_network() {
    for seed in 0..6 {
        run(seed, 0.1);
    }
}

#[test]
fn clients_of_another_make_are_served_over_a_good_network() {
    run(100, 0.0);
}

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Proof {
    Sha1,
    Sha256,
    /// SHA-256, and USERHASH for the name.
    Anonymous,
}

/// One client, and what it has seen.
struct Actor {
    tuple: FiveTuple,
    client: TurnClient,
    proof: Proof,
    frames: Deframer,
    relayed: Vec<SocketAddr>,
    is_bound: bool,
    is_deleted: bool,
    sent: u32,
    echoed: u32,
    next_send_ms: u64,
}

enum Packet {
    ToServer(usize, Vec<u8>),
    ToClient(usize, Vec<u8>),
}

struct Network {
    rng: StdRng,
    loss: f64,
    /// By arrival and order of sending.
    under_way: BTreeMap<(u64, u64), Packet>,
    sequence: u64,
    /// When the last bytes of each stream arrive, in each direction: they keep their order.
    last_ms: BTreeMap<(usize, bool), u64>,
}

impl Network {
    fn send(&mut self, now_ms: u64, is_stream: bool, packet: Packet) {
        let (who, up, bytes) = match packet {
            Packet::ToServer(who, bytes) => (who, true, bytes),
            Packet::ToClient(who, bytes) => (who, false, bytes),
        };
        if is_stream {
            // Cut anywhere.
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(self.rng.random_range(1..=rest.len()));
                let last = self.last_ms.entry((who, up)).or_default();
                *last = (*last).max(now_ms + self.rng.random_range(1..50));
                let at = *last;
                self.put(at, who, up, part.to_vec());
                rest = behind;
            }
            return;
        }
        let copies = if self.rng.random_bool(self.loss / 2.0) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            if !self.rng.random_bool(self.loss) {
                let at = now_ms
                    + self
                        .rng
                        .random_range(1..=if self.loss > 0.0 { 200 } else { 20 });
                self.put(at, who, up, bytes.clone());
            }
        }
    }

    fn put(&mut self, at: u64, who: usize, up: bool, bytes: Vec<u8>) {
        self.sequence += 1;
        let packet = if up {
            Packet::ToServer(who, bytes)
        } else {
            Packet::ToClient(who, bytes)
        };
        self.under_way.insert((at, self.sequence), packet);
    }
}

fn run(seed: u64, loss: f64) {
    let mut world = World::new();
    let mut network = Network {
        rng: StdRng::seed_from_u64(seed),
        loss,
        under_way: BTreeMap::new(),
        sequence: 0,
        last_ms: BTreeMap::new(),
    };
    let mut actors = actors(&mut world);
    let mut now_ms = 0;
    while now_ms < END_MS {
        for (who, actor) in actors.iter_mut().enumerate() {
            drive(actor, who, now_ms, &mut network);
        }
        let mut next_ms = actors
            .iter_mut()
            .map(|actor| actor.due_ms(now_ms))
            .min()
            .unwrap_or(END_MS);
        if let Some(((at, _), _)) = network.under_way.first_key_value() {
            next_ms = next_ms.min(*at);
        }
        let next_ms = next_ms.max(now_ms + 1).min(END_MS);
        world.pass(Duration::from_millis(next_ms - now_ms));
        now_ms = next_ms;
        while let Some(entry) = network
            .under_way
            .first_entry()
            .filter(|entry| entry.key().0 <= now_ms)
        {
            match entry.remove() {
                Packet::ToServer(who, bytes) => {
                    to_server(&mut world, &mut actors, who, &bytes, now_ms, &mut network)
                }
                Packet::ToClient(who, bytes) => actors[who].receive(who, bytes, now_ms),
            }
        }
    }
    for (who, actor) in actors.iter().enumerate() {
        let context = format!(
            "seed {seed}, client {who}: {} of {} came back",
            actor.echoed, actor.sent
        );
        assert!(
            actor.is_bound && actor.is_deleted && actor.sent > 400,
            "{context}"
        );
        let is_lossless = loss == 0.0 || actor.tuple.transport.is_stream();
        let expected = if is_lossless {
            actor.sent
        } else {
            actor.sent * 6 / 10
        };
        assert!(actor.echoed >= expected, "{context}");
    }
    let counters = world.server.counters();
    assert_eq!(
        (counters.allocations, world.open_count()),
        (0, 0),
        "seed {seed}"
    );
    assert!(counters.ended_by_client >= 1, "seed {seed}");
}

fn actors(world: &mut World) -> Vec<Actor> {
    let carol = || Credential {
        username: "carol".into(),
        password: "secret".into(),
    };
    let mut list = Vec::new();
    for is_stream in [false, true] {
        for is_dual in [false, true] {
            let ticket = world.ticket(ADA);
            assert!(world.server.register(&ticket.username));
            for (credential, proof) in [
                (ticket.clone(), Proof::Sha1),
                (ticket.clone(), Proof::Sha256),
                (ticket, Proof::Anonymous),
                (carol(), Proof::Anonymous),
            ] {
                list.push(Actor::new(
                    list.len(),
                    is_stream,
                    is_dual,
                    &credential,
                    proof,
                ));
            }
        }
    }
    list
}

fn to_server(
    world: &mut World,
    actors: &mut [Actor],
    who: usize,
    bytes: &[u8],
    now_ms: u64,
    network: &mut Network,
) {
    let actor = &mut actors[who];
    let tuple = actor.tuple;
    let mut sent = Vec::new();
    if tuple.transport.is_stream() {
        actor.frames.push(bytes).unwrap();
        while let Some(frame) = actor.frames.next_frame().unwrap() {
            check_proof(actor.proof, frame);
            sent.extend(world.input(&tuple, frame));
        }
    } else {
        check_proof(actor.proof, bytes);
        sent.extend(world.input(&tuple, bytes));
    }
    // The shard sends back what it gets.
    for datagram in world.relayed() {
        sent.extend(world.peer_sends(datagram.from, &datagram.to.to_string(), &datagram.payload));
    }
    for message in sent {
        assert_eq!(message.to, tuple, "nobody hears what is for somebody else");
        network.send(
            now_ms,
            tuple.transport.is_stream(),
            Packet::ToClient(who, message.bytes),
        );
    }
}

/// The client proves itself in the way that the test is about.
fn check_proof(proof: Proof, bytes: &[u8]) {
    let Ok(request) = Request::parse(bytes) else {
        return;
    };
    if request.has_integrity() {
        assert_eq!(request.seal(Mac::Sha256).is_some(), proof != Proof::Sha1);
        assert_eq!(request.userhash.is_some(), proof == Proof::Anonymous);
    }
}

fn drive(actor: &mut Actor, who: usize, now_ms: u64, network: &mut Network) {
    let is_stream = actor.tuple.transport.is_stream();
    actor.follow_events(now_ms);
    if actor.is_bound && !actor.is_deleted && now_ms >= actor.next_send_ms {
        actor.next_send_ms = now_ms + SEND_EVERY_MS;
        if now_ms >= DELETE_MS {
            actor.client.delete(instant(now_ms)).unwrap();
            actor.is_deleted = true;
        } else {
            let bytes = actor.message(who, now_ms);
            network.send(now_ms, is_stream, Packet::ToServer(who, bytes));
        }
    }
    while let Some(transmit) = actor.client.poll_transmit(instant(now_ms)) {
        network.send(
            now_ms,
            is_stream,
            Packet::ToServer(who, transmit.data.as_ref().to_vec()),
        );
    }
}

impl Actor {
    fn new(
        who: usize,
        is_stream: bool,
        is_dual: bool,
        credential: &Credential,
        proof: Proof,
    ) -> Actor {
        let address = SocketAddr::new([10, 1, 0, who as u8 + 1].into(), 5000);
        let mut config = TurnConfig::new(TurnCredentials::new(
            &credential.username,
            &credential.password,
        ));
        if is_dual {
            config.add_address_family(AddressFamily::IPV6);
        }
        if proof != Proof::Sha1 {
            config.set_supported_integrity(IntegrityAlgorithm::Sha256);
        }
        config.set_anonymous_username(match proof {
            Proof::Anonymous => Feature::Required,
            _ => Feature::Disabled,
        });
        let client = if is_stream {
            TurnClientTcp::allocate(address, at(SERVER), config).into()
        } else {
            TurnClientUdp::allocate(address, at(SERVER), config).into()
        };
        Actor {
            tuple: FiveTuple {
                transport: if is_stream {
                    ClientTransport::Tcp
                } else {
                    ClientTransport::Udp
                },
                client: ClientAddr(address),
                server: at(SERVER),
            },
            client,
            proof,
            frames: Deframer::new(),
            relayed: Vec::new(),
            is_bound: false,
            is_deleted: false,
            sent: 0,
            echoed: 0,
            next_send_ms: 0,
        }
    }

    fn due_ms(&mut self, now_ms: u64) -> u64 {
        let own = if self.is_bound && !self.is_deleted {
            self.next_send_ms
        } else {
            u64::MAX
        };
        match self.client.poll(instant(now_ms)) {
            TurnPollRet::WaitUntil(at) => own.min((at.as_nanos() as u64).div_ceil(1_000_000)),
            TurnPollRet::Closed => u64::MAX,
            other => panic!("no TCP allocation was asked for: {other:?}"),
        }
    }

    fn follow_events(&mut self, now_ms: u64) {
        while let Some(event) = self.client.poll_event() {
            match event {
                TurnEvent::AllocationCreated(_, relayed) => {
                    self.relayed.push(relayed);
                    if relayed.is_ipv4() {
                        self.client
                            .create_permission(
                                TransportType::Udp,
                                at(SHARD_0).ip(),
                                instant(now_ms),
                            )
                            .unwrap();
                    }
                }
                TurnEvent::PermissionCreated(..) if !self.is_bound => {
                    // Refreshed permissions are told as well.
                    let _ =
                        self.client
                            .bind_channel(TransportType::Udp, at(SHARD_0), instant(now_ms));
                }
                TurnEvent::PermissionCreated(..) => {}
                TurnEvent::ChannelCreated(..) => self.is_bound = true,
                failed => panic!("{failed:?}"),
            }
        }
    }

    fn message(&mut self, who: usize, now_ms: u64) -> Vec<u8> {
        self.sent += 1;
        // Of every length modulo four; on streams of whole words, for this client knows no padding there.
        let len = 1 + self.sent as usize % 9;
        let is_stream = self.tuple.transport.is_stream();
        let text = vec![who as u8; if is_stream { len * 4 } else { len }];
        let transmit: TransmitBuild<DelayedMessageOrChannelSend<Vec<u8>>> = self
            .client
            .send_to(TransportType::Udp, at(SHARD_0), text, instant(now_ms))
            .unwrap()
            .unwrap();
        transmit.build().data
    }

    fn receive(&mut self, who: usize, bytes: Vec<u8>, now_ms: u64) {
        let transport = if self.tuple.transport.is_stream() {
            TransportType::Tcp
        } else {
            TransportType::Udp
        };
        let transmit = Transmit::new(bytes, transport, at(SERVER), self.tuple.client.0);
        let mut echoes: Vec<Vec<u8>> = Vec::new();
        if let TurnRecvRet::PeerData(data) = self.client.recv(transmit, instant(now_ms)) {
            assert_eq!(data.peer, at(SHARD_0));
            echoes.push(data.data().to_vec());
        }
        while let Some(data) = self.client.poll_recv(instant(now_ms)) {
            echoes.push(data.data().to_vec());
        }
        for echo in echoes {
            assert!(
                !echo.is_empty() && echo.iter().all(|byte| *byte == who as u8),
                "its own words only"
            );
            self.echoed += 1;
        }
    }
}

fn instant(now_ms: u64) -> ClientInstant {
    ClientInstant::from_nanos(now_ms as i64 * 1_000_000)
}
