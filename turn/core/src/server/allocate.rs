//! Allocate (RFC 8656, section 7; RFC 6062, section 5.1).

use std::time::Duration;

use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::message::{EvenPort, Request, RequestedTransport};
use conclave_turn_wire::{ClientTransport, Family, RelayedAddr};
use rand::Rng;

use super::message::{Call, Outcome};
use super::{RESERVATION_LIFETIME, Server, Timer};
use crate::allocation::{Allocation, Granted, Relay, Relaying, slot};
use crate::auth::Identity;
use crate::backend::{BackendTraits, Io, OpenError, PortWish};
use crate::channel::Channels;
use crate::limits::Bucket;
use crate::permission::Permissions;
use crate::quota::Place;
use crate::reservations::Reservation;

/// What an allocation gets if the client says nothing (RFC 8656, section 3.2).
const LIFETIME_DEFAULT_S: u32 = 600;
/// What a connection test gets, whatever it says.
pub(super) const LIFETIME_TEST_S: u32 = 60;

/// What an Allocate asks for, once it makes sense.
struct Wish {
    relaying: Relaying,
    port: Port,
    family: Family,
    /// The second family of a dual allocation.
    additional: Option<Family>,
}

enum Port {
    Any,
    Even(EvenPort),
    Reserved([u8; 8]),
}

impl Server {
    pub(super) fn on_allocate(
        &mut self,
        call: &Call<'_>,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        if let Some(id) = self.allocations.of_client(call.from) {
            return self.on_allocate_again(call, id, io);
        }
        if self.alternate_for(call.from).is_some() {
            return Err(ErrorCode::TryAlternate);
        }
        let traits = io.backend.traits();
        let wish = wish_of(call.request, call.from.transport, traits)?;
        if let Port::Reserved(token) = wish.port {
            return self.allocate_reserved(call, token, io);
        }
        let place = self.take_place(call)?;
        let opened = self.open(&wish, traits, io);
        let Opened {
            relays,
            address_error,
        } = match opened {
            Ok(opened) => opened,
            Err(code) => {
                self.quotas.give(place);
                return Err(code);
            }
        };
        let token = match (&wish.port, relays[0]) {
            (Port::Even(EvenPort::EvenAndReserveNext), Some(even)) => {
                self.reserve_next(call, even, io)
            }
            _ => None,
        };
        let granted = Granted {
            transaction: call.request.transaction,
            lifetime_s: lifetime_s(call, traits),
            token,
            address_error,
        };
        let id = self.enter(call, place, wish.relaying, relays, granted);
        self.answer_allocate(call, id, io)
    }

    /// The same request again is answered the same again; any other finds the 5-tuple busy.
    fn on_allocate_again(
        &mut self,
        call: &Call<'_>,
        id: u32,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let allocation = self
            .allocations
            .get(id)
            .ok_or(ErrorCode::AllocationMismatch)?;
        let is_same = allocation.granted.transaction == call.request.transaction
            && allocation.identity() == call.login.identity;
        if is_same {
            self.answer_allocate(call, id, io)
        } else {
            Err(ErrorCode::AllocationMismatch)
        }
    }

    fn allocate_reserved(
        &mut self,
        call: &Call<'_>,
        token: [u8; 8],
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let reservation = self
            .reservations
            .take(token, call.login.identity)
            .ok_or(ErrorCode::InsufficientCapacity)?;
        self.wheel.cancel(reservation.timer);
        let relayed = reservation.relayed;
        let owner = self.allocations.next_id();
        if let Err(error) =
            io.backend
                .open(owner, Family::of(relayed.0), PortWish::Reserved(relayed))
        {
            self.quotas.give(reservation.place);
            return Err(code_of(error));
        }
        let granted = Granted {
            transaction: call.request.transaction,
            lifetime_s: lifetime_s(call, io.backend.traits()),
            token: None,
            address_error: None,
        };
        let id = self.enter(
            call,
            reservation.place,
            Relaying::Udp,
            [Some(relayed), None],
            granted,
        );
        self.answer_allocate(call, id, io)
    }

    /// Opens the relayed addresses. One must be had; of the other it is said why not.
    fn open(
        &mut self,
        wish: &Wish,
        traits: BackendTraits,
        io: &mut Io<'_>,
    ) -> Result<Opened, ErrorCode> {
        let owner = self.allocations.next_id();
        let port = match wish.port {
            Port::Even(EvenPort::Even) => PortWish::Even,
            Port::Even(EvenPort::EvenAndReserveNext) => PortWish::EvenAndReserveNext,
            Port::Any | Port::Reserved(_) => PortWish::Any,
        };
        let mut open = |family| match wish.relaying {
            _ if !has_family(traits, family) => Err(ErrorCode::AddressFamilyNotSupported),
            Relaying::Udp => io.backend.open(owner, family, port).map_err(code_of),
            Relaying::Tcp => io.backend.listen_tcp(owner, family, port).map_err(code_of),
        };
        let first = open(wish.family);
        let second = wish.additional.map(|family| (family, open(family)));
        match (first, second) {
            (Ok(first), None) => Ok(Opened {
                relays: [Some(first), None],
                address_error: None,
            }),
            (Ok(first), Some((family, second))) => Ok(Opened {
                relays: [Some(first), second.ok()],
                address_error: second.err().map(|code| (family, code)),
            }),
            (Err(code), Some((_, Ok(second)))) => Ok(Opened {
                relays: [Some(second), None],
                address_error: Some((wish.family, code)),
            }),
            (Err(code), _) => Err(code),
        }
    }

    /// Keeps the port above `even` for another allocation. Without a place in the quotas it is given back, and the
    /// client gets no token.
    fn reserve_next(
        &mut self,
        call: &Call<'_>,
        even: RelayedAddr,
        io: &mut Io<'_>,
    ) -> Option<[u8; 8]> {
        let mut next = even;
        next.0.set_port(even.0.port() | 1);
        let Ok(place) = self.take_place(call) else {
            io.backend.close(next);
            return None;
        };
        let mut token = [0; 8];
        self.rng.fill_bytes(&mut token);
        let timer = self.wheel.set(
            call.now.instant + RESERVATION_LIFETIME,
            Timer::Reservation(token),
        );
        self.reservations.insert(
            token,
            Reservation {
                relayed: next,
                place,
                timer,
            },
        );
        Some(token)
    }

    fn enter(
        &mut self,
        call: &Call<'_>,
        place: Place,
        relaying: Relaying,
        relayed: [Option<RelayedAddr>; 2],
        granted: Granted,
    ) -> u32 {
        let now = call.now.instant;
        let expires = now + Duration::from_secs(u64::from(granted.lifetime_s));
        let mut relays = [None; 2];
        for address in relayed.into_iter().flatten() {
            relays[slot(Family::of(address.0))] = Some(Relay { address, expires });
        }
        let timer = self
            .wheel
            .set(expires, Timer::Allocation(self.allocations.next_id()));
        match call.from.transport {
            ClientTransport::Udp => self.counters.made_udp += 1,
            ClientTransport::Tcp => self.counters.made_tcp += 1,
            ClientTransport::Tls => self.counters.made_tls += 1,
        }
        self.allocations.insert(Allocation {
            tuple: *call.from,
            place,
            key: call.login.key.clone(),
            tag: call.login.tag,
            expires_unix_s: call.login.expires_unix_s,
            relaying,
            relays,
            permissions: Permissions::new(),
            channels: Channels::new(),
            up: Bucket::full(now, &self.settings.rate),
            down: Bucket::full(now, &self.settings.rate),
            granted,
            timer,
            timer_due: expires,
            previous: u32::MAX,
            next: u32::MAX,
            connections: Vec::new(),
        })
    }

    fn answer_allocate(
        &mut self,
        call: &Call<'_>,
        id: u32,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let allocation = self.allocations.get(id).ok_or(ErrorCode::ServerError)?;
        let (relays, granted) = (allocation.relays, allocation.granted);
        self.succeed(call, io, |mut response| {
            for relay in relays.iter().flatten() {
                response = response.relayed(relay.address);
            }
            if let Some((family, code)) = granted.address_error {
                response = response.address_error(family, code);
            }
            if let Some(token) = granted.token {
                response = response.reservation_token(token);
            }
            response
                .lifetime(granted.lifetime_s)
                .mapped(call.from.client)
        })
    }
}

/// What the backend gave.
struct Opened {
    relays: [Option<RelayedAddr>; 2],
    /// The family of two that was not to be had.
    address_error: Option<(Family, ErrorCode)>,
}

/// Returns the lifetime that a request gets, at least the default and at most what the backend allows.
pub(super) fn lifetime_s(call: &Call<'_>, traits: BackendTraits) -> u32 {
    if matches!(call.login.identity, Identity::Test(_)) {
        return LIFETIME_TEST_S;
    }
    let wanted = call.request.lifetime_s.unwrap_or(LIFETIME_DEFAULT_S);
    wanted.clamp(
        LIFETIME_DEFAULT_S.min(traits.lifetime_max_s),
        traits.lifetime_max_s,
    )
}

/// Judges what an Allocate asks for, before anything is looked up or opened.
fn wish_of(
    request: &Request<'_>,
    client: ClientTransport,
    traits: BackendTraits,
) -> Result<Wish, ErrorCode> {
    let relaying = relaying_of(request, client, traits)?;
    if request.dont_fragment && !traits.dont_fragment {
        return Err(ErrorCode::UnknownAttribute);
    }
    let reserves = request.even_port == Some(EvenPort::EvenAndReserveNext);
    let (requested, additional) = (request.requested_family, request.additional_family);
    let contradicts = (requested.is_some() && additional.is_some())
        || (additional.is_some() && (reserves || request.reservation_token.is_some()))
        || (request.reservation_token.is_some()
            && (request.even_port.is_some() || requested.is_some()))
        || additional == Some(Ok(Family::V4));
    if contradicts {
        return Err(ErrorCode::BadRequest);
    }
    let port = match (request.reservation_token, request.even_port) {
        (Some(token), _) => Port::Reserved(token),
        (None, Some(even)) if traits.pairs => Port::Even(even),
        (None, Some(_)) => return Err(ErrorCode::InsufficientCapacity),
        (None, None) => Port::Any,
    };
    let family = match requested {
        None => Family::V4,
        Some(Ok(family)) => family,
        Some(Err(_)) => return Err(ErrorCode::AddressFamilyNotSupported),
    };
    let additional = match additional {
        None => None,
        Some(Ok(family)) => Some(family),
        Some(Err(_)) => return Err(ErrorCode::BadRequest),
    };
    Ok(Wish {
        relaying,
        port,
        family,
        additional,
    })
}

fn relaying_of(
    request: &Request<'_>,
    client: ClientTransport,
    traits: BackendTraits,
) -> Result<Relaying, ErrorCode> {
    match request.requested_transport.ok_or(ErrorCode::BadRequest)? {
        RequestedTransport::Udp => Ok(Relaying::Udp),
        RequestedTransport::Tcp if traits.tcp_allocations => {
            let contradicts = client == ClientTransport::Udp
                || request.dont_fragment
                || request.even_port.is_some()
                || request.reservation_token.is_some();
            if contradicts {
                Err(ErrorCode::BadRequest)
            } else {
                Ok(Relaying::Tcp)
            }
        }
        RequestedTransport::Tcp | RequestedTransport::Other(_) => {
            Err(ErrorCode::UnsupportedTransport)
        }
    }
}

fn has_family(traits: BackendTraits, family: Family) -> bool {
    match family {
        Family::V4 => traits.v4,
        Family::V6 => traits.v6,
    }
}

fn code_of(error: OpenError) -> ErrorCode {
    match error {
        OpenError::NoPort => ErrorCode::InsufficientCapacity,
        OpenError::FamilyUnsupported => ErrorCode::AddressFamilyNotSupported,
        OpenError::Failed => ErrorCode::ServerError,
    }
}
