//! Which transport a datagram is for.
//!
//! Connectivity checks are routed by our user fragment, which carries a keyed
//! MAC: junk is refused before any HMAC is computed. Everything else must come
//! from an address pair on which a genuine check was answered (DTLS and RTP
//! from anywhere else never reach a parser).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conclave_sfu_wire::demux::Class;
use conclave_sfu_wire::relayed::is_relayed;
use conclave_sfu_wire::stun;
use conclave_sfu_wire::ufrag::{Ufrag, UfragKey};
use siphasher::sip::SipHasher13;
use slab::Slab;

use crate::services::Place;

/// Validated address pairs of one transport: two addresses of a dual-stack
/// host over each of two paths, and as many again while it moves.
const ADDRESSES_MAX: usize = 8;

struct Entry {
    place: Place,
    generation: u16,
    /// Still in use by checks of before an ICE restart.
    previous: Option<u16>,
    /// Takes nothing from an address that is not relayed.
    relay_only: bool,
    /// The least recently checked first.
    addresses: Vec<(SocketAddr, SocketAddr)>,
}

/// Whose an address pair is.
#[derive(Clone, Copy)]
struct Holder {
    entry: usize,
    checked: Instant,
}

/// How long an address pair is kept for its holder after a genuine check. A
/// browser checks every few seconds. Without this, somebody with an account of
/// their own could claim another's pair by one datagram with a forged source.
const HOLD: Duration = Duration::from_secs(30);

/// Why a datagram reaches no transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unrouted {
    /// It is for nobody that is known.
    Unknown,
    /// Its transport may use the relay alone, and it came another way.
    NotRelayed,
}

/// The tables of one shard.
pub(crate) struct Demux {
    shard: u8,
    key: UfragKey,
    entries: Slab<Entry>,
    next_generation: u16,
    addresses: HashMap<(SocketAddr, SocketAddr), Holder, Seeded>,
}

impl Demux {
    /// Makes empty tables. `hash_seed` keeps strangers from choosing colliding addresses.
    pub(crate) fn new(shard: u8, key: UfragKey, hash_seed: (u64, u64)) -> Self {
        Demux {
            shard,
            key,
            entries: Slab::new(),
            next_generation: 0,
            addresses: HashMap::with_hasher(Seeded(hash_seed.0, hash_seed.1)),
        }
    }

    /// Makes an entry for a new transport. Returns it and its user fragment.
    pub(crate) fn open(&mut self, place: Place) -> (usize, String) {
        let generation = self.generation();
        let entry = self.entries.insert(Entry {
            place,
            generation,
            previous: None,
            relay_only: false,
            addresses: Vec::new(),
        });
        (entry, self.ufrag(entry, generation))
    }

    /// Draws a new user fragment for an ICE restart; the last one stays valid.
    pub(crate) fn restart(&mut self, entry: usize) -> Option<String> {
        let generation = self.generation();
        let found = self.entries.get_mut(entry)?;
        found.previous = Some(found.generation);
        found.generation = generation;
        Some(self.ufrag(entry, generation))
    }

    /// Says whether a transport may use the relay alone. If so, its address
    /// pairs that do not go over the relay are gone at once.
    pub(crate) fn set_relay_only(&mut self, entry: usize, relay_only: bool) {
        let Some(found) = self.entries.get_mut(entry) else {
            return;
        };
        found.relay_only = relay_only;
        if !relay_only {
            return;
        }
        let addresses = &mut self.addresses;
        found.addresses.retain(|pair| {
            let stays = is_relayed(pair.0.ip());
            if !stays {
                addresses.remove(pair);
            }
            stays
        });
    }

    /// Removes a transport and its addresses.
    pub(crate) fn close(&mut self, entry: usize) {
        if let Some(entry) = self.entries.try_remove(entry) {
            for pair in entry.addresses {
                self.addresses.remove(&pair);
            }
        }
    }

    /// Notes that a genuine check came from `remote` to `local`. A pair that
    /// another transport has checked lately stays with that one.
    pub(crate) fn validate(
        &mut self,
        now: Instant,
        entry: usize,
        remote: SocketAddr,
        local: SocketAddr,
    ) {
        let pair = (remote, local);
        let holder = Holder {
            entry,
            checked: now,
        };
        if let Some(known) = self.addresses.get_mut(&pair) {
            if known.entry == entry {
                *known = holder;
                if let Some(found) = self.entries.get_mut(entry) {
                    found.addresses.retain(|held| *held != pair);
                    found.addresses.push(pair);
                }
                return;
            }
            if now.saturating_duration_since(known.checked) < HOLD {
                return;
            }
        }
        let Some(found) = self.entries.get_mut(entry) else {
            return;
        };
        let oldest = (found.addresses.len() == ADDRESSES_MAX).then(|| found.addresses.remove(0));
        found.addresses.push(pair);
        if let Some(oldest) = oldest {
            self.addresses.remove(&oldest);
        }
        // A pair can change its transport: the same browser, a new connection.
        if let Some(other) = self.addresses.insert(pair, holder)
            && let Some(other) = self.entries.get_mut(other.entry)
        {
            other.addresses.retain(|held| *held != pair);
        }
    }

    /// Finds the transport of a datagram, or says why there is none.
    pub(crate) fn route(
        &self,
        remote: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
    ) -> Result<Place, Unrouted> {
        let entry = self
            .entry_of(remote, local, datagram)
            .ok_or(Unrouted::Unknown)?;
        if entry.relay_only && !is_relayed(remote.ip()) {
            return Err(Unrouted::NotRelayed);
        }
        Ok(entry.place)
    }

    fn entry_of(&self, remote: SocketAddr, local: SocketAddr, datagram: &[u8]) -> Option<&Entry> {
        match Class::of(datagram)? {
            Class::Stun => {
                if !stun::is_binding_request(datagram) {
                    return None;
                }
                let ufrag = self.key.decode(stun::local_ufrag(datagram)?)?;
                let entry = self.entries.get(ufrag.slot as usize)?;
                let current = entry.generation == ufrag.generation
                    || entry.previous == Some(ufrag.generation);
                (ufrag.shard == self.shard && current).then_some(entry)
            }
            Class::Dtls | Class::Rtp | Class::Rtcp => {
                let holder = self.addresses.get(&(remote, local))?;
                self.entries.get(holder.entry)
            }
            Class::ChannelData => None,
        }
    }

    fn generation(&mut self) -> u16 {
        self.next_generation = self.next_generation.wrapping_add(1);
        self.next_generation
    }

    fn ufrag(&self, entry: usize, generation: u16) -> String {
        let ufrag = Ufrag {
            shard: self.shard,
            slot: entry as u32,
            generation,
        };
        self.key.encode(ufrag).as_str().to_owned()
    }
}

/// A keyed hash, so that the order of nothing depends on the process.
#[derive(Clone, Copy)]
struct Seeded(u64, u64);

impl BuildHasher for Seeded {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher(SipHasher13::new_with_keys(self.0, self.1))
    }
}

struct SeededHasher(SipHasher13);

impl Hasher for SeededHasher {
    fn finish(&self) -> u64 {
        self.0.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;
    use conclave_sfu_wire::control::MemberKey;
    use conclave_sfu_wire::relayed::RELAYED_V4;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn place(member: usize) -> Place {
        Place {
            room: 0,
            member,
            key: MemberKey(member as u64),
        }
    }

    fn demux() -> Demux {
        Demux::new(3, UfragKey([7; 16]), (1, 2))
    }

    /// A binding request with nothing but a USERNAME (RFC 8489, section 14.3).
    fn check(ufrag: &str) -> Vec<u8> {
        let username = format!("{ufrag}:theirs");
        let padded = username.len().next_multiple_of(4);
        let mut datagram = vec![0, 1];
        datagram.extend(((padded + 4) as u16).to_be_bytes());
        datagram.extend([0x21, 0x12, 0xa4, 0x42]);
        datagram.extend([9; 12]);
        datagram.extend([0, 6]);
        datagram.extend((username.len() as u16).to_be_bytes());
        datagram.extend(username.as_bytes());
        datagram.resize(20 + 4 + padded, 0);
        datagram
    }

    const RTP: [u8; 12] = [0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];

    #[test]
    fn checks_go_by_ufrag_and_everything_else_by_validated_address() {
        let mut demux = demux();
        let (entry, ufrag) = demux.open(place(5));
        let (remote, local) = (address(1000), address(10_003));
        assert_eq!(demux.route(remote, local, &check(&ufrag)), Ok(place(5)));
        assert_eq!(
            demux.route(remote, local, &RTP),
            Err(Unrouted::Unknown),
            "not validated"
        );
        demux.validate(epoch(), entry, remote, local);
        assert_eq!(demux.route(remote, local, &RTP), Ok(place(5)));
        assert_eq!(
            demux.route(address(1001), local, &RTP),
            Err(Unrouted::Unknown)
        );
        demux.close(entry);
        assert_eq!(demux.route(remote, local, &RTP), Err(Unrouted::Unknown));
        assert_eq!(
            demux.route(remote, local, &check(&ufrag)),
            Err(Unrouted::Unknown)
        );
    }

    #[test]
    fn a_restart_leaves_the_last_ufrag_valid_and_no_older_one() {
        let mut demux = demux();
        let (entry, first) = demux.open(place(1));
        let second = demux.restart(entry).unwrap();
        let third = demux.restart(entry).unwrap();
        let routed = |ufrag: &str| demux.route(address(1), address(2), &check(ufrag)).is_ok();
        assert_eq!(
            [routed(&first), routed(&second), routed(&third)],
            [false, true, true]
        );
    }

    #[test]
    fn the_ufrag_of_a_former_transport_in_the_same_place_is_refused() {
        let mut demux = demux();
        let (entry, old) = demux.open(place(1));
        demux.close(entry);
        let (again, new) = demux.open(place(2));
        assert_eq!(entry, again);
        assert_eq!(
            demux.route(address(1), address(2), &check(&old)),
            Err(Unrouted::Unknown)
        );
        assert_eq!(
            demux.route(address(1), address(2), &check(&new)),
            Ok(place(2))
        );
    }

    #[test]
    fn a_transport_with_the_relay_alone_loses_and_takes_no_other_address() {
        let mut demux = demux();
        let (entry, ufrag) = demux.open(place(1));
        let (direct, local) = (address(1000), address(10_003));
        let relayed = SocketAddr::from((RELAYED_V4, 1024));
        demux.validate(epoch(), entry, direct, local);
        demux.validate(epoch(), entry, relayed, local);
        assert_eq!(demux.route(direct, local, &RTP), Ok(place(1)));
        demux.set_relay_only(entry, true);
        assert_eq!(
            demux.route(direct, local, &RTP),
            Err(Unrouted::Unknown),
            "its address is forgotten"
        );
        assert_eq!(
            demux.route(direct, local, &check(&ufrag)),
            Err(Unrouted::NotRelayed)
        );
        assert_eq!(demux.route(relayed, local, &RTP), Ok(place(1)));
        assert_eq!(demux.route(relayed, local, &check(&ufrag)), Ok(place(1)));
        demux.set_relay_only(entry, false);
        assert_eq!(demux.route(direct, local, &check(&ufrag)), Ok(place(1)));
    }

    #[test]
    fn a_transport_holds_a_bounded_number_of_addresses() {
        let mut demux = demux();
        let (entry, _) = demux.open(place(1));
        let now = epoch();
        for port in 0..1_000 {
            demux.validate(now, entry, address(port), address(10_003));
            // The pair in use is checked again and again, and stays.
            demux.validate(now, entry, address(0), address(10_003));
        }
        assert!(demux.route(address(0), address(10_003), &RTP).is_ok());
        assert_eq!(demux.addresses.len(), ADDRESSES_MAX);
        let (other, _) = demux.open(place(2));
        demux.validate(now, other, address(999), address(10_003));
        assert_eq!(
            demux.route(address(999), address(10_003), &RTP),
            Ok(place(1)),
            "held by who checked it last"
        );
        demux.validate(now + HOLD, other, address(999), address(10_003));
        assert_eq!(
            demux.route(address(999), address(10_003), &RTP),
            Ok(place(2))
        );
        demux.close(entry);
        assert_eq!(
            demux.route(address(999), address(10_003), &RTP),
            Ok(place(2))
        );
    }
}
