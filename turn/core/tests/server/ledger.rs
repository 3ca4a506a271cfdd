//! What the server has granted, by its own answers: whatever it relays must follow from it, and nothing else may.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use conclave_turn_core::auth::SessionKey;
use conclave_turn_wire::fast::{self, Kind};
use conclave_turn_wire::message::{Class, Method, Reply, Request};
use conclave_turn_wire::{Family, FiveTuple};

use crate::support::Sent;

/// Fixed by RFC 8656, sections 9 and 12.
const PERMISSION: Duration = Duration::from_secs(300);
const CHANNEL: Duration = Duration::from_secs(600);
/// How long a relayed address rests that somebody may still send to.
const QUARANTINE: Duration = Duration::from_secs(300);

struct Grant {
    session: Option<SessionKey>,
    since: Instant,
    relays: BTreeMap<SocketAddr, Instant>,
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<u16, (SocketAddr, Instant)>,
}

impl Grant {
    fn relay_towards(&self, now: Instant, peer: SocketAddr) -> Option<SocketAddr> {
        let permission = self.permissions.get(&peer.ip())?;
        let of_family = |relayed: &SocketAddr| Family::of(*relayed) == Family::of(peer);
        let (relayed, expires) = self.relays.iter().find(|(relayed, _)| of_family(relayed))?;
        (now < *permission && now < *expires).then_some(*relayed)
    }
}

/// All grants that hold.
#[derive(Default)]
pub struct Ledger {
    grants: BTreeMap<FiveTuple, Grant>,
    owners: BTreeMap<SocketAddr, FiveTuple>,
    /// Relayed addresses from which something was sent, by their present owner.
    used: BTreeSet<SocketAddr>,
    /// When each that nobody has was given back, and whether it must rest.
    freed: BTreeMap<SocketAddr, (Instant, bool)>,
    /// How often an address was given out again.
    pub reused: u64,
    /// Seconds of all allocations that have ended.
    pub held_s: u64,
}

impl Ledger {
    /// Notes what the answers to a message of `tuple` grant.
    pub fn note(
        &mut self,
        now: Instant,
        session: Option<SessionKey>,
        tuple: &FiveTuple,
        bytes: &[u8],
        sent: &[Sent],
    ) {
        let (Ok(request), [answer]) = (Request::parse(bytes), sent) else {
            return;
        };
        let reply = Reply::parse(&answer.bytes).unwrap();
        if reply.class != Class::Success {
            return;
        }
        assert_eq!(reply.transaction, request.transaction);
        if request.method == Method::Allocate {
            return self.allocate(now, session, tuple, &reply);
        }
        let grant = self.grants.get_mut(tuple);
        let grant = grant.expect("nothing is granted without an allocation");
        match request.method {
            Method::Refresh => {
                let only = request.requested_family.map(|family| family.unwrap());
                let lifetime = Duration::from_secs(reply.lifetime_s.unwrap().into());
                for (relayed, expires) in &mut grant.relays {
                    if only.is_none_or(|only| only == Family::of(*relayed)) {
                        *expires = now + lifetime;
                    }
                }
                self.expire(now);
            }
            Method::CreatePermission => {
                for peer in request.peers() {
                    grant.permissions.insert(peer.0.ip(), now + PERMISSION);
                }
            }
            Method::ChannelBind => {
                let (number, peer) = (request.channel.unwrap(), request.peer.unwrap().0);
                grant.channels.insert(number, (peer, now + CHANNEL));
                grant.permissions.insert(peer.ip(), now + PERMISSION);
            }
            _ => panic!("nobody asked for more"),
        }
    }

    fn allocate(
        &mut self,
        now: Instant,
        session: Option<SessionKey>,
        tuple: &FiveTuple,
        reply: &Reply<'_>,
    ) {
        let relayed: Vec<_> = [reply.relayed, reply.relayed_second]
            .into_iter()
            .flatten()
            .map(|relayed| relayed.0)
            .collect();
        if let Some(grant) = self.grants.get(tuple) {
            let known: Vec<_> = grant.relays.keys().copied().collect();
            assert_eq!(relayed, known, "asked again and answered the same");
            return;
        }
        let expires = now + Duration::from_secs(reply.lifetime_s.unwrap().into());
        for address in &relayed {
            let owner = self.owners.insert(*address, *tuple);
            assert_eq!(owner, None, "a relayed address has one owner");
            if let Some((freed, must_rest)) = self.freed.remove(address) {
                self.reused += 1;
                let is_rested = !must_rest || now >= freed + QUARANTINE;
                assert!(is_rested, "given out after {:?}", now - freed);
            }
        }
        let grant = Grant {
            session,
            since: now,
            relays: relayed.into_iter().map(|at| (at, expires)).collect(),
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
        };
        self.grants.insert(*tuple, grant);
    }

    /// Returns from where to where a message of `tuple` must be relayed at `now`, if it must.
    pub fn relays(
        &self,
        now: Instant,
        tuple: &FiveTuple,
        bytes: &[u8],
    ) -> Option<(SocketAddr, SocketAddr)> {
        let grant = self.grants.get(tuple)?;
        let peer = match Kind::of(bytes)? {
            Kind::ChannelData => {
                let (number, _) = fast::channel_data(bytes)?;
                let (peer, expires) = *grant.channels.get(&number)?;
                (now < expires).then_some(peer)?
            }
            Kind::Stun => fast::send_indication(bytes)?.peer.0,
        };
        Some((grant.relay_towards(now, peer)?, peer))
    }

    /// Notes that something was sent from `relayed`.
    pub fn note_use(&mut self, relayed: SocketAddr) {
        self.used.insert(relayed);
    }

    /// Returns who must hear what `peer` sends to `relayed` at `now`, if anybody must.
    pub fn hears(&self, now: Instant, relayed: SocketAddr, peer: SocketAddr) -> Option<FiveTuple> {
        let tuple = self.owners.get(&relayed)?;
        let towards = self.grants.get(tuple)?.relay_towards(now, peer);
        (towards == Some(relayed)).then_some(*tuple)
    }

    /// Every address that was ever given out.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.owners
            .keys()
            .chain(self.freed.keys())
            .copied()
            .collect()
    }

    /// How many allocations there are.
    pub fn len(&self) -> usize {
        self.grants.len()
    }

    /// Forgets what has expired.
    pub fn expire(&mut self, now: Instant) {
        self.end(now, |_, expires| expires <= now);
    }

    /// Forgets what a session had.
    pub fn revoke(&mut self, now: Instant, session: SessionKey) {
        self.end(now, |grant, _| grant.session == Some(session));
    }

    /// Forgets what a client had.
    pub fn close(&mut self, now: Instant, tuple: &FiveTuple) {
        if let Some(grant) = self.grants.get_mut(tuple) {
            grant.relays.values_mut().for_each(|expires| *expires = now);
        }
        self.expire(now);
    }

    fn end(&mut self, now: Instant, is_over: impl Fn(&Grant, Instant) -> bool) {
        for grant in self.grants.values_mut() {
            let over = |expires: &Instant| is_over(grant, *expires);
            let ended: Vec<_> = grant
                .relays
                .iter()
                .filter(|(_, expires)| over(expires))
                .map(|(relayed, expires)| (*relayed, (*expires).min(now)))
                .collect();
            for (relayed, at) in ended {
                grant.relays.remove(&relayed);
                self.owners.remove(&relayed);
                self.freed.insert(relayed, (at, self.used.remove(&relayed)));
                if grant.relays.is_empty() {
                    self.held_s += (at - grant.since).as_secs();
                }
            }
        }
        self.grants.retain(|_, grant| !grant.relays.is_empty());
    }
}
