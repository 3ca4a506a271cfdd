//! The server: told what arrived, it answers through what is lent to it.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use conclave_turn_wire::fast::{self, Kind};
use conclave_turn_wire::message::TransactionId;
use conclave_turn_wire::{Family, FiveTuple, RelayedAddr};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::allocations::Allocations;
use crate::auth::{self, Credentials, CredentialsConfig, Identity, Secret, SessionKey, UserError};
use crate::backend::{Io, Now};
use crate::connections::Connections;
use crate::counters::{Counters, DropReason};
use crate::keyed::Keyed;
use crate::limits::{ByteRate, Ceiling, Pace, ReplyBudget};
use crate::nonce::Nonces;
use crate::policy::PeerPolicy;
use crate::quota::{QuotaLimits, Quotas};
use crate::reservations::Reservations;
use crate::seed;
use crate::wheel::Wheel;

mod allocate;
mod audit;
mod authenticate;
mod connect;
mod data;
mod end;
mod message;
mod peers;
mod place;
mod refresh;

pub use audit::TableSizes;
pub use message::REALM_LEN_MAX;

/// How a server is set up. Printed without its seed.
#[derive(Clone)]
pub struct ServerConfig {
    /// REALM of every challenge: the host name of the relay, at most [`REALM_LEN_MAX`] bytes.
    pub realm: String,
    /// Who may use it.
    pub credentials: CredentialsConfig,
    /// Whom it may reach.
    pub policy: PeerPolicy,
    /// How many allocations there may be.
    pub quotas: QuotaLimits,
    /// What one allocation may do.
    pub allocation: AllocationLimits,
    /// Answers to strangers over UDP per second, in all.
    pub replies_per_s: u32,
    /// The root of all keys, and of all that must not be foreseen.
    pub seed: [u8; 32],
    /// Whether channels up to 0x7fff may be bound, as by RFC 5766: for old clients.
    pub legacy_channel_numbers: bool,
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServerConfig {
            realm,
            credentials,
            policy,
            quotas,
            allocation,
            replies_per_s,
            seed: _,
            legacy_channel_numbers,
        } = self;
        f.debug_struct("ServerConfig")
            .field("realm", realm)
            .field("credentials", credentials)
            .field("policy", policy)
            .field("quotas", quotas)
            .field("allocation", allocation)
            .field("replies_per_s", replies_per_s)
            .field("legacy_channel_numbers", legacy_channel_numbers)
            .finish_non_exhaustive()
    }
}

/// What one allocation may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocationLimits {
    /// Addresses of peers.
    pub permissions: u8,
    /// Channels.
    pub channels: u8,
    /// Peer connections of a TCP allocation, connecting and waiting ones included.
    pub connections: u8,
    /// Bits per second of payload, in each direction.
    pub bits_per_s: u64,
}

impl Default for AllocationLimits {
    /// What a browser needs towards an SFU (`spec/turn.md` 4.4): 8 permissions, 8 channels, 8 Mbit/s.
    fn default() -> Self {
        AllocationLimits {
            permissions: 8,
            channels: 8,
            connections: 8,
            bits_per_s: 8_000_000,
        }
    }
}

/// The limits in the form in which they are used.
struct Settings {
    realm: String,
    allocation: AllocationLimits,
    rate: ByteRate,
    channels: RangeInclusive<u16>,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    /// A relayed address of this allocation may have expired.
    Allocation(u32),
    /// Nobody took this reservation.
    Reservation([u8; 8]),
    /// This connection was not made or not bound in time.
    Connection(u32),
}

/// A TURN server without sockets and clock.
pub struct Server {
    settings: Settings,
    policy: PeerPolicy,
    credentials: Credentials,
    nonces: Nonces,
    budget: ReplyBudget,
    quotas: Quotas,
    /// How fast sessions, and the sources of connection tests, take places in the quotas.
    takings: place::Takings,
    /// How fast sources may guess passwords.
    guesses: Pace,
    /// Over the bytes of all allocations, if there is one.
    ceiling: Option<Ceiling>,
    /// Sessions whose credentials work.
    sessions: HashSet<SessionKey, Keyed>,
    allocations: Allocations,
    reservations: Reservations,
    connections: Connections,
    wheel: Wheel<Timer>,
    rng: StdRng,
    /// Where messages are written before they are sent.
    scratch: Vec<u8>,
    /// Timers that fired and are not served yet.
    due: Vec<Timer>,
    counters: Counters,
    /// Where clients are sent instead.
    alternates: Vec<SocketAddr>,
}

impl Server {
    /// Makes a server without clients.
    ///
    /// # Errors
    /// [`UserError::Twice`] if two static users have one name.
    pub fn new(now: Now, config: ServerConfig) -> Result<Self, UserError> {
        let ServerConfig {
            realm,
            credentials,
            policy,
            quotas,
            allocation,
            seed,
            ..
        } = &config;
        let keyed = Keyed::new(seed::sip_key(seed, "conclave turn tables"));
        let channels = if config.legacy_channel_numbers {
            fast::LEGACY_CHANNELS
        } else {
            fast::CHANNELS
        };
        let credentials = Credentials::new(credentials.clone(), realm, seed)?;
        let mut nonces = Nonces::new(seed, realm);
        nonces.offer_anonymity(credentials.knows_names());
        Ok(Server {
            settings: Settings {
                realm: realm.clone(),
                allocation: *allocation,
                rate: ByteRate::of_bits_per_s(allocation.bits_per_s),
                channels,
            },
            policy: policy.clone(),
            credentials,
            nonces,
            budget: ReplyBudget::new(now.instant, seed, config.replies_per_s),
            quotas: Quotas::new(*quotas),
            guesses: authenticate::guesses(now.instant, seed),
            ceiling: quotas
                .total_bits_per_s
                .map(|bits_per_s| Ceiling::new(now.instant, bits_per_s)),
            takings: place::Takings::new(now.instant, seed, quotas),
            sessions: HashSet::with_hasher(keyed),
            allocations: Allocations::new(keyed),
            reservations: Reservations::default(),
            connections: Connections::new(keyed),
            wheel: Wheel::new(now.instant),
            rng: StdRng::from_seed(*seed::derive(seed, "conclave turn identifiers")),
            scratch: Vec::new(),
            due: Vec::new(),
            counters: Counters::default(),
            alternates: Vec::new(),
        })
    }

    /// Lets the credentials of `session` work from here on.
    pub fn admit(&mut self, _now: Now, session: SessionKey) {
        self.sessions.insert(session);
    }

    /// Ends the credentials of `session`, its allocations, and the streams that have them.
    pub fn revoke(&mut self, now: Now, session: SessionKey, io: &mut Io<'_>) {
        self.sessions.remove(&session);
        self.credentials.forget(session);
        while let Some(id) = self.allocations.first_of(Identity::Session(session)) {
            self.counters.ended_revoked += 1;
            let tuple = self.allocations.get(id).map(|allocation| allocation.tuple);
            self.end_allocation(now, id, io);
            if let Some(stream) = tuple.filter(|tuple| tuple.transport.is_stream()) {
                io.clients.close(&stream);
            }
        }
    }

    /// Makes the name of a minted ticket known, so that it can be used with USERHASH. Returns whether its session lives
    /// and there was room: what is remembered of a session goes with it, so nothing is of one that has gone.
    pub fn register(&mut self, username: &str) -> bool {
        let session = auth::session_of(username);
        session.is_some_and(|session| self.sessions.contains(&session))
            && self.credentials.register(username)
    }

    /// Offers username anonymity to holders of tickets too: a client that knows of it then sends USERHASH and never its
    /// name (RFC 8489, section 9.2.5). For whoever registers each ticket before it is handed out; the holder of another
    /// one, or of credentials of the REST form, gets 401. Without this call it is offered where there are only static
    /// users.
    pub fn offer_anonymity(&mut self) {
        self.nonces.offer_anonymity(true);
    }

    /// Takes tickets of `secret` as well as those of the secret before.
    pub fn rotate(&mut self, secret: Secret) {
        self.credentials.rotate(secret);
    }

    /// Lets another policy hold from here on, for what is allocated as well: datagrams are asked about one by one, and
    /// peer connections that it denies end. Walks over all allocations if there are such connections.
    pub fn set_policy(&mut self, policy: PeerPolicy, io: &mut Io<'_>) {
        self.policy = policy;
        self.end_denied_connections(io);
    }

    /// Sends clients that would allocate to other servers (300, RFC 8489, section 10), one for each family by which
    /// clients come; an empty list ends that. What is allocated stays.
    pub fn drain_to(&mut self, alternates: Vec<SocketAddr>) {
        self.alternates = alternates;
    }

    /// Takes one datagram, or one frame of a stream.
    pub fn handle_client(&mut self, now: Now, from: &FiveTuple, bytes: &[u8], io: &mut Io<'_>) {
        match Kind::of(bytes) {
            Some(Kind::ChannelData) => self.on_channel_data(now, from, bytes, io),
            Some(Kind::Stun) => self.on_message(now, from, bytes, io),
            None => self.counters.drop(DropReason::Malformed),
        }
    }

    /// Takes note that a client's stream ended, and with it its allocation or its peer connection.
    pub fn handle_client_closed(&mut self, now: Now, from: &FiveTuple, io: &mut Io<'_>) {
        self.end_data_connection(from, io);
        if let Some(id) = self.allocations.of_client(from) {
            self.counters.ended_with_stream += 1;
            self.end_allocation(now, id, io);
        }
    }

    /// Lets time pass: what expired ends.
    pub fn handle_timeout(&mut self, now: Now, io: &mut Io<'_>) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(now.instant, |timer| due.push(timer));
        for timer in due.drain(..) {
            match timer {
                Timer::Allocation(id) => self.on_allocation_timer(now, id, io),
                Timer::Reservation(token) => self.end_reservation(token, io),
                Timer::Connection(connection) => self.on_connection_timer(connection, io),
            }
        }
        self.due = due;
    }

    /// Returns when [`Server::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wheel.poll_timeout()
    }

    /// Returns the allocation that has a relayed address: the `owner` of what arrives there.
    pub fn owner_of(&self, relayed: RelayedAddr) -> Option<u32> {
        self.allocations.of_relayed(relayed)
    }

    /// Returns what was counted.
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.allocations = self.allocations.len() as u64;
        counters.suppressed = self.budget.suppressed();
        counters
    }

    /// Returns the bytes of memory of all allocations and of the tables that lead to them. Walks over all allocations:
    /// for measurements.
    pub fn memory_bytes(&self) -> usize {
        self.allocations.bytes()
    }

    /// The server that a client is sent to, if it is to be sent away.
    fn alternate_for(&self, from: &FiveTuple) -> Option<SocketAddr> {
        let family = Family::of(from.server);
        self.alternates
            .iter()
            .copied()
            .find(|alternate| Family::of(*alternate) == family)
    }

    fn transaction(&mut self) -> TransactionId {
        let mut transaction = [0; 12];
        self.rng.fill_bytes(&mut transaction);
        transaction
    }
}

/// How long a reserved port waits for its second allocation (RFC 8656, section 7.2).
const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);
