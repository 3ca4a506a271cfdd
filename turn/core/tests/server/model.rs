//! Random operations on the server and on a naive model agree.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use conclave_turn_core::auth::SessionKey;
use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::message::Method;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::*;

const CLIENTS: usize = 8;
const PEERS: [&str; 5] = [SHARD_0, SHARD_1, SHARD_2, OTHER_PORT, STRANGER];
const PERMISSIONS_MAX: usize = 1;
const CHANNELS_MAX: usize = 2;
const PER_SESSION: usize = 3;
const STEPS: usize = 1500;

/// `SEED=7` runs one, `CONCLAVE_SOAK=1` many.
#[test]
fn random_operations_agree_with_the_model() {
    seeds(20, 5_000).for_each(run);
}

/// What one client has, as the specification says it.
struct Held {
    session: SessionKey,
    relayed: SocketAddr,
    expires: Instant,
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<u16, (SocketAddr, Instant)>,
}

impl Held {
    fn may_reach(&self, now: Instant, peer: SocketAddr) -> bool {
        is_media(peer)
            && self
                .permissions
                .get(&peer.ip())
                .is_some_and(|expires| now < *expires)
    }
}

struct Model {
    held: Vec<Option<Held>>,
    live: BTreeSet<SessionKey>,
}

fn is_media(peer: SocketAddr) -> bool {
    [SHARD_0, SHARD_1, SHARD_2].map(at).contains(&peer)
}

fn run(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut config = config();
    config.seed[..8].copy_from_slice(&seed.to_be_bytes());
    config.allocation.permissions = PERMISSIONS_MAX as u8;
    config.allocation.channels = CHANNELS_MAX as u8;
    config.quotas.per_session = PER_SESSION as u32;
    let mut world = World::with(config);
    let mut model = Model {
        held: (0..CLIENTS).map(|_| None).collect(),
        live: BTreeSet::from([ADA, BOB]),
    };
    let mut clients = fresh_clients(&mut world);
    let mut renewed = world.now.instant;
    for step in 0..STEPS {
        if world.now.instant - renewed > Duration::from_secs(300) {
            clients = fresh_clients(&mut world);
            renewed = world.now.instant;
        }
        // So that who is out does not ask faster than strangers are answered.
        world.pass(Duration::from_millis(100));
        model.expire(world.now.instant);
        let who = rng.random_range(0..CLIENTS);
        let context = format!("seed {seed}, step {step}, client {who}");
        operate(
            &mut world,
            &mut model,
            &clients[who],
            who,
            &mut rng,
            &context,
        );
        check(&world, &model, &context);
    }
}

/// Half of the clients are Ada's, half are Bob's.
fn session_of(who: usize) -> SessionKey {
    if who.is_multiple_of(2) { ADA } else { BOB }
}

fn fresh_clients(world: &mut World) -> Vec<Client> {
    (0..CLIENTS)
        .map(|who| world.client(session_of(who), 5000 + who as u16))
        .collect()
}

fn operate(
    world: &mut World,
    model: &mut Model,
    client: &Client,
    who: usize,
    rng: &mut StdRng,
    context: &str,
) {
    let now = world.now.instant;
    let to = PEERS[rng.random_range(0..PEERS.len())];
    let channel = 0x4000 + rng.random_range(0..4_u16);
    match rng.random_range(0..100) {
        0..14 => {
            let expected = model.allocate(who);
            let answer = world.ask(client, Method::Allocate, udp);
            assert_eq!(answer.error(), expected, "{context}: allocate");
            if expected.is_none() {
                let relayed = answer.reply().relayed.unwrap().0;
                model.held[who] = Some(Held {
                    session: session_of(who),
                    relayed,
                    expires: now + Duration::from_secs(600),
                    permissions: BTreeMap::new(),
                    channels: BTreeMap::new(),
                });
            }
        }
        14..22 => {
            let lifetime_s = if rng.random_bool(0.3) { 0 } else { 600 };
            let expected = model.refresh(now, who, lifetime_s);
            assert_eq!(
                world.refresh(client, lifetime_s).err(),
                expected,
                "{context}: refresh"
            );
        }
        22..37 => {
            let expected = model.permit(now, who, at(to));
            assert_eq!(world.permit(client, to), expected, "{context}: permit {to}");
        }
        37..52 => {
            let expected = model.bind(now, who, channel, at(to));
            assert_eq!(
                world.bind(client, channel, to),
                expected,
                "{context}: bind {channel:x} {to}"
            );
        }
        52..64 => {
            let expected = model.held[who]
                .as_ref()
                .filter(|held| held.may_reach(now, at(to)))
                .is_some();
            assert_eq!(
                world.input(&client.tuple, &client.send_indication(to, b"payload")),
                []
            );
            let relayed = world.relayed();
            assert_eq!(relayed.len(), usize::from(expected), "{context}: send {to}");
            assert!(relayed.iter().all(|sent| sent.to == at(to)), "{context}");
        }
        64..76 => {
            let bound = model.held[who].as_ref().and_then(|held| {
                let (peer, expires) = *held.channels.get(&channel)?;
                (now < expires && held.may_reach(now, peer)).then_some((held.relayed, peer))
            });
            assert_eq!(
                world.input(&client.tuple, &channel_data(channel, b"payload")),
                []
            );
            let relayed: Vec<_> = world
                .relayed()
                .iter()
                .map(|sent| (sent.from, sent.to))
                .collect();
            assert_eq!(relayed, Vec::from_iter(bound), "{context}: channel data");
        }
        76..86 => {
            let Some(held) = &model.held[who] else { return };
            let (relayed, expected) = (held.relayed, held.may_reach(now, at(to)));
            let reached = world.peer_sends(relayed, to, b"payload");
            assert_eq!(reached.len(), usize::from(expected), "{context}: from {to}");
            assert!(
                reached.iter().all(|sent| sent.to == client.tuple),
                "{context}"
            );
        }
        86..97 => {
            let seconds = [1, 10, 60, 200][rng.random_range(0..4)];
            world.pass(Duration::from_secs(seconds));
            model.expire(world.now.instant);
        }
        97..98 => {
            model.revoke(session_of(who));
            world.revoke(session_of(who));
        }
        _ => {
            model.live.insert(session_of(who));
            let now = world.now;
            world.server.admit(now, session_of(who));
        }
    }
}

fn check(world: &World, model: &Model, context: &str) {
    let held: Vec<_> = model.held.iter().flatten().collect();
    assert_eq!(
        world.server.counters().allocations,
        held.len() as u64,
        "{context}"
    );
    assert_eq!(world.open_count(), held.len(), "{context}");
    let unique: BTreeSet<_> = held.iter().map(|held| held.relayed).collect();
    assert_eq!(unique.len(), held.len(), "{context}");
    assert!(
        held.iter().all(|held| model.live.contains(&held.session)),
        "{context}"
    );
}

impl Model {
    fn allocate(&self, who: usize) -> Option<ErrorCode> {
        let session = session_of(who);
        if !self.live.contains(&session) {
            return Some(ErrorCode::Unauthenticated);
        }
        if self.held[who].is_some() {
            return Some(ErrorCode::AllocationMismatch);
        }
        let count = self
            .held
            .iter()
            .flatten()
            .filter(|held| held.session == session)
            .count();
        (count >= PER_SESSION).then_some(ErrorCode::AllocationQuotaReached)
    }

    fn own(&mut self, who: usize) -> Result<&mut Held, ErrorCode> {
        if !self.live.contains(&session_of(who)) {
            return Err(ErrorCode::Unauthenticated);
        }
        self.held[who].as_mut().ok_or(ErrorCode::AllocationMismatch)
    }

    fn refresh(&mut self, now: Instant, who: usize, lifetime_s: u32) -> Option<ErrorCode> {
        match self.own(who) {
            Err(code) => return Some(code),
            Ok(held) => held.expires = now + Duration::from_secs(lifetime_s.into()),
        }
        if lifetime_s == 0 {
            self.held[who] = None;
        }
        None
    }

    fn permit(&mut self, now: Instant, who: usize, peer: SocketAddr) -> Option<ErrorCode> {
        let held = match self.own(who) {
            Err(code) => return Some(code),
            Ok(held) => held,
        };
        let is_advertised = [SHARD_0, SHARD_2]
            .map(|shard| at(shard).ip())
            .contains(&peer.ip());
        if !is_advertised {
            return Some(ErrorCode::Forbidden);
        }
        held.forget_expired(now);
        held.grant(now, peer.ip())
    }

    fn bind(
        &mut self,
        now: Instant,
        who: usize,
        channel: u16,
        peer: SocketAddr,
    ) -> Option<ErrorCode> {
        let held = match self.own(who) {
            Err(code) => return Some(code),
            Ok(held) => held,
        };
        if !is_media(peer) {
            return Some(ErrorCode::Forbidden);
        }
        held.forget_expired(now);
        let is_conflict = |(number, (other, _)): (&u16, &(SocketAddr, Instant))| {
            (*number == channel) != (*other == peer)
        };
        if held.channels.iter().any(is_conflict) {
            return Some(ErrorCode::BadRequest);
        }
        if !held.channels.contains_key(&channel) && held.channels.len() >= CHANNELS_MAX {
            return Some(ErrorCode::InsufficientCapacity);
        }
        if let Some(code) = held.grant(now, peer.ip()) {
            return Some(code);
        }
        held.channels
            .insert(channel, (peer, now + Duration::from_secs(600)));
        None
    }

    fn expire(&mut self, now: Instant) {
        for held in &mut self.held {
            if held.as_ref().is_some_and(|held| held.expires <= now) {
                *held = None;
            }
        }
    }

    fn revoke(&mut self, session: SessionKey) {
        self.live.remove(&session);
        for held in &mut self.held {
            if held.as_ref().is_some_and(|held| held.session == session) {
                *held = None;
            }
        }
    }
}

impl Held {
    fn grant(&mut self, now: Instant, ip: IpAddr) -> Option<ErrorCode> {
        if !self.permissions.contains_key(&ip) && self.permissions.len() >= PERMISSIONS_MAX {
            return Some(ErrorCode::InsufficientCapacity);
        }
        self.permissions.insert(ip, now + Duration::from_secs(300));
        None
    }

    /// A permission stays as long as a channel needs its address.
    fn forget_expired(&mut self, now: Instant) {
        self.channels.retain(|_, (_, expires)| now < *expires);
        let channels = &self.channels;
        self.permissions.retain(|ip, expires| {
            now < *expires || channels.values().any(|(peer, _)| peer.ip() == *ip)
        });
    }
}
