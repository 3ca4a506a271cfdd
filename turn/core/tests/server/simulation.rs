//! Clients of another make on a virtual clock, over a network that loses, reorders and doubles datagrams and cuts
//! streams anywhere.

use std::net::SocketAddr;
use std::time::Duration;

use conclave_turn_core::auth::Credential;

use crate::actor::{Actor, Part, Proof};
use crate::network::{Network, Packet};
use crate::support::*;

/// Long enough for nonces (30 min), allocations, channels and permissions to be renewed.
const END_MS: u64 = 40 * 60 * 1000;
const DELETE_MS: u64 = END_MS - 60_000;
const SEND_EVERY_MS: u64 = 5_000;

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

fn run(seed: u64, loss: f64) {
    let mut world = World::new();
    // Each ticket is registered.
    world.server.offer_anonymity();
    let mut network = Network::new(seed, loss);
    let mut actors = actors(&mut world);
    let mut now_ms = 0;
    while now_ms < END_MS {
        for (who, actor) in actors.iter_mut().enumerate() {
            drive(actor, who, now_ms, &mut network);
        }
        let next_ms = actors
            .iter_mut()
            .map(|actor| actor.due_ms(now_ms))
            .chain(network.due_ms())
            .min()
            .unwrap_or(END_MS);
        let next_ms = next_ms.max(now_ms + 1).min(END_MS);
        world.pass(Duration::from_millis(next_ms - now_ms));
        now_ms = next_ms;
        while let Some(packet) = network.arrived(now_ms) {
            match packet {
                Packet::ToServer(who, bytes) => {
                    to_server(&mut world, &mut actors, who, &bytes, now_ms, &mut network)
                }
                Packet::ToClient(who, bytes) => actors[who].receive(bytes, now_ms),
            }
        }
    }
    for (who, actor) in actors.iter().enumerate() {
        let context = format!(
            "seed {seed}, client {who}: {} of {} came back",
            actor.echoed, actor.sent
        );
        assert!(
            actor.is_bound && actor.is_deleted && !actor.has_failed && actor.sent > 400,
            "{context}"
        );
        let is_lossless = loss == 0.0 || actor.is_stream();
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
                let who = list.len() as u8;
                list.push(Actor::new(&Part {
                    address: SocketAddr::new([10, 1, 0, who + 1].into(), 5000),
                    is_stream,
                    is_dual,
                    credential: &credential,
                    proof,
                    word: who,
                    send_every_ms: SEND_EVERY_MS,
                }));
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
    for frame in actor.frames(bytes) {
        actor.check_proof(&frame);
        sent.extend(world.input(&tuple, &frame));
    }
    // The shard sends back what it gets.
    for datagram in world.relayed() {
        sent.extend(world.peer_sends(datagram.from, &datagram.to.to_string(), &datagram.payload));
    }
    for message in sent {
        assert_eq!(message.to, tuple, "nobody hears what is for somebody else");
        let packet = Packet::ToClient(who, message.bytes);
        network.send(now_ms, tuple.transport.is_stream(), packet);
    }
}

fn drive(actor: &mut Actor, who: usize, now_ms: u64, network: &mut Network) {
    if actor.is_bound && !actor.is_deleted && now_ms >= DELETE_MS {
        actor.delete(now_ms);
    }
    for bytes in actor.speak(now_ms) {
        network.send(now_ms, actor.is_stream(), Packet::ToServer(who, bytes));
    }
}
