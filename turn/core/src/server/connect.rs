//! TCP allocations (RFC 6062): Connect, ConnectionBind, and peers that connect.

use std::time::Duration;

use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::message::{Builder, Class, Method, connection_attempt};
use conclave_turn_wire::{ClientTransport, Family, FiveTuple, PeerAddr};

use super::message::{Call, Outcome};
use super::{Server, Timer};
use crate::allocation::Relaying;
use crate::backend::{ConnectFailed, Io, Now};
use crate::connections::{Connection, Pending, State};

/// How long a Connect may take (RFC 6062, section 5.2).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection waits for the client's stream (RFC 6062, sections 5.2 and 5.3).
const BIND_TIMEOUT: Duration = Duration::from_secs(30);

impl Server {
    pub(super) fn on_connect(
        &mut self,
        call: &Call<'_>,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        if !io.backend.traits().tcp_allocations {
            return Err(ErrorCode::UnsupportedTransport);
        }
        let id = self.own_allocation(call)?;
        let peer = call.request.peer.ok_or(ErrorCode::BadRequest)?;
        let allocation = self
            .allocations
            .get(id)
            .ok_or(ErrorCode::AllocationMismatch)?;
        if allocation.relaying != Relaying::Tcp {
            return Err(ErrorCode::BadRequest);
        }
        self.check_family(id, peer)?;
        if call.login.identity.is_test() || !self.policy.allows(peer) {
            return Err(ErrorCode::Forbidden);
        }
        let is_there = |connection: &u32| {
            self.connections
                .get(*connection)
                .is_some_and(|other| other.peer == peer)
        };
        if allocation.connections.iter().any(is_there) {
            return Err(ErrorCode::ConnectionAlreadyExists);
        }
        let relayed = allocation
            .relay(Family::of(peer.0))
            .ok_or(ErrorCode::PeerFamilyMismatch)?
            .address;
        let pending = Box::new(Pending {
            transaction: call.request.transaction,
            mac: call.mac,
            key: call.login.key.clone(),
            has_fingerprint: call.request.has_fingerprint,
        });
        let connection = self
            .add_connection(call.now, id, peer, State::Connecting(pending))
            .ok_or(ErrorCode::InsufficientCapacity)?;
        io.backend.connect_tcp(relayed, peer, connection);
        Ok(Outcome::Later)
    }

    /// Takes a stream of the client for a connection. The stream carries its bytes from here on.
    pub(super) fn on_connection_bind(
        &mut self,
        call: &Call<'_>,
        io: &mut Io<'_>,
    ) -> Result<Outcome, ErrorCode> {
        if !io.backend.traits().tcp_allocations {
            return Err(ErrorCode::UnsupportedTransport);
        }
        let id = call.request.connection_id.ok_or(ErrorCode::BadRequest)?;
        let is_free_stream = call.from.transport != ClientTransport::Udp
            && self.allocations.of_client(call.from).is_none()
            && self.connections.of_stream(call.from).is_none();
        let connection = self.connections.get(id).ok_or(ErrorCode::BadRequest)?;
        let is_theirs = connection.identity == call.login.identity;
        if !is_free_stream || !is_theirs || !matches!(connection.state, State::Waiting) {
            return Err(ErrorCode::BadRequest);
        }
        if let Some(timer) = connection.timer {
            self.wheel.cancel(timer);
        }
        self.connections.bind(id, *call.from);
        self.counters.connections_bound += 1;
        let outcome = self.succeed(call, io, |response| response.connection_id(id))?;
        io.clients.splice(call.from, id);
        Ok(outcome)
    }

    /// Takes what became of [`crate::Backend::connect_tcp`].
    pub fn handle_peer_connected(
        &mut self,
        now: Now,
        connection: u32,
        result: Result<(), ConnectFailed>,
        io: &mut Io<'_>,
    ) {
        match (
            self.connections.get(connection).map(|entry| &entry.state),
            result,
        ) {
            (Some(State::Connecting(_)), Ok(())) => self.on_connected(now, connection, io),
            (Some(State::Connecting(_)), Err(ConnectFailed)) => self.fail_connect(connection, io),
            // It ended while the backend was at it.
            (None, Ok(())) => io.backend.close_tcp(connection),
            _ => {}
        }
    }

    /// Takes a peer that connected to the relayed address of `owner`. Returns the number of the connection, or `None` if
    /// it is to be closed: without permission, denied, or one too many (RFC 6062, section 5.3).
    pub fn handle_peer_accepted(
        &mut self,
        now: Now,
        owner: u32,
        peer: PeerAddr,
        io: &mut Io<'_>,
    ) -> Option<u32> {
        let allocation = self
            .allocations
            .get(owner)
            .filter(|allocation| allocation.relaying == Relaying::Tcp)?;
        allocation.permissions.find(now.instant, peer.0.ip())?;
        let tuple = allocation.tuple;
        // The peer's own port is any; what counts is who it is.
        if !self.policy.allows_address(peer.0.ip()) {
            return None;
        }
        let connection = self.add_connection(now, owner, peer, State::Waiting)?;
        let transaction = self.transaction();
        self.scratch.clear();
        if connection_attempt(connection, peer, transaction, &mut self.scratch).is_ok() {
            io.clients.send(&tuple, &self.scratch, &[], false);
        }
        Some(connection)
    }

    /// Takes note that a peer connection ended: what it sent before is with the client's stream already.
    pub fn handle_peer_closed(&mut self, _now: Now, connection: u32, io: &mut Io<'_>) {
        match self.connections.get(connection).map(|entry| &entry.state) {
            Some(State::Connecting(_)) => self.fail_connect(connection, io),
            Some(State::Waiting | State::Bound(_)) => {
                if let Some(stream) = self.forget_connection(connection) {
                    io.clients.close(&stream);
                }
            }
            None => {}
        }
    }

    pub(super) fn on_connection_timer(&mut self, connection: u32, io: &mut Io<'_>) {
        let Some(entry) = self.connections.get_mut(connection) else {
            return;
        };
        entry.timer = None;
        if !matches!(entry.state, State::Bound(_)) {
            self.abort_connection(connection, io);
        }
    }

    /// Returns the connections of an allocation to peers of one family.
    pub(super) fn connections_of(&self, id: u32, family: Family) -> Vec<u32> {
        let listed = self.allocations.get(id).map(|own| &own.connections);
        let is_of_family = |connection: &u32| {
            self.connections
                .get(*connection)
                .is_some_and(|entry| Family::of(entry.peer.0) == family)
        };
        listed
            .into_iter()
            .flatten()
            .copied()
            .filter(is_of_family)
            .collect()
    }

    /// Ends a connection of an allocation that goes on: a Connect that waits for it is answered.
    pub(super) fn abort_connection(&mut self, connection: u32, io: &mut Io<'_>) {
        match self.connections.get(connection).map(|entry| &entry.state) {
            Some(State::Connecting(_)) => {
                io.backend.close_tcp(connection);
                self.fail_connect(connection, io);
            }
            Some(State::Waiting | State::Bound(_)) => self.end_connection(connection, io),
            None => {}
        }
    }

    /// Ends every connection, made or in the making, to or from a peer that the policy denies.
    pub(super) fn end_denied_connections(&mut self, io: &mut Io<'_>) {
        if self.connections.len() == 0 {
            return;
        }
        let of_all = self.allocations.iter().flat_map(|it| &it.connections);
        let denied: Vec<u32> = of_all.copied().filter(|id| self.is_denied(*id)).collect();
        for id in denied {
            match self.connections.get(id).map(|entry| &entry.state) {
                Some(State::Connecting(_)) => {
                    io.backend.close_tcp(id);
                    self.fail_connect(id, io);
                }
                Some(State::Waiting | State::Bound(_)) => self.end_connection(id, io),
                None => {}
            }
        }
    }

    fn is_denied(&self, connection: u32) -> bool {
        self.connections.get(connection).is_some_and(|entry| {
            if entry.is_from_peer {
                !self.policy.allows_address(entry.peer.0.ip())
            } else {
                !self.policy.allows(entry.peer)
            }
        })
    }

    /// Ends a connection and the client's stream of it.
    pub(super) fn end_connection(&mut self, connection: u32, io: &mut Io<'_>) {
        if self.connections.get(connection).is_none() {
            return;
        }
        io.backend.close_tcp(connection);
        if let Some(stream) = self.forget_connection(connection) {
            io.clients.close(&stream);
        }
    }

    /// Takes note that a client's stream ended that carried a connection.
    pub(super) fn end_data_connection(&mut self, stream: &FiveTuple, io: &mut Io<'_>) {
        if let Some(connection) = self.connections.of_stream(stream) {
            self.forget_connection(connection);
            io.backend.close_tcp(connection);
        }
    }

    fn on_connected(&mut self, now: Now, id: u32, io: &mut Io<'_>) {
        let timer = self
            .wheel
            .set(now.instant + BIND_TIMEOUT, Timer::Connection(id));
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if let Some(former) = connection.timer.replace(timer) {
            self.wheel.cancel(former);
        }
        let state = std::mem::replace(&mut connection.state, State::Waiting);
        let owner = connection.owner;
        if let State::Connecting(pending) = state {
            self.counters.successes += 1;
            self.answer_connect(owner, &pending, Ok(id), io);
        }
    }

    fn fail_connect(&mut self, id: u32, io: &mut Io<'_>) {
        let Some(connection) = self.connections.remove(id) else {
            return;
        };
        self.unlist(&connection, id);
        if let State::Connecting(pending) = &connection.state {
            self.counters.error(ErrorCode::ConnectionFailed);
            self.answer_connect(
                connection.owner,
                pending,
                Err(ErrorCode::ConnectionFailed),
                io,
            );
        }
    }

    fn answer_connect(
        &mut self,
        owner: u32,
        pending: &Pending,
        result: Result<u32, ErrorCode>,
        io: &mut Io<'_>,
    ) {
        let Some(allocation) = self.allocations.get(owner) else {
            return;
        };
        self.scratch.clear();
        let class = if result.is_ok() {
            Class::Success
        } else {
            Class::Error
        };
        let mut response = Builder::new(
            class,
            Method::Connect,
            pending.transaction,
            &mut self.scratch,
        );
        response = match result {
            Ok(id) => response.connection_id(id),
            Err(code) => response.raw(
                ERROR_CODE,
                &[0, 0, (code.code() / 100) as u8, (code.code() % 100) as u8],
            ),
        };
        if pending.has_fingerprint {
            response = response.with_fingerprint();
        }
        if response.finish(Some((pending.mac, &pending.key))).is_ok() {
            io.clients
                .send(&allocation.tuple, &self.scratch, &[], false);
        }
    }

    /// Enters a connection, unless the allocation has as many as it may have.
    fn add_connection(
        &mut self,
        now: Now,
        owner: u32,
        peer: PeerAddr,
        state: State,
    ) -> Option<u32> {
        let allocation = self.allocations.get_mut(owner)?;
        if allocation.connections.len() >= usize::from(self.settings.allocation.connections) {
            return None;
        }
        let identity = allocation.identity();
        let is_from_peer = !matches!(state, State::Connecting(_));
        let wait = if is_from_peer {
            BIND_TIMEOUT
        } else {
            CONNECT_TIMEOUT
        };
        let id = self.connections.insert(
            &mut self.rng,
            Connection {
                owner,
                identity,
                peer,
                is_from_peer,
                state,
                timer: None,
            },
        );
        allocation.connections.push(id);
        let timer = self.wheel.set(now.instant + wait, Timer::Connection(id));
        if let Some(connection) = self.connections.get_mut(id) {
            connection.timer = Some(timer);
        }
        Some(id)
    }

    /// Takes a connection out of every table. Returns the client's stream that carried it.
    fn forget_connection(&mut self, id: u32) -> Option<FiveTuple> {
        let connection = self.connections.remove(id)?;
        self.unlist(&connection, id);
        match connection.state {
            State::Bound(stream) => Some(stream),
            _ => None,
        }
    }

    fn unlist(&mut self, connection: &Connection, id: u32) {
        if let Some(timer) = connection.timer {
            self.wheel.cancel(timer);
        }
        if let Some(allocation) = self.allocations.get_mut(connection.owner) {
            allocation.connections.retain(|other| *other != id);
        }
    }
}

/// RFC 8489, section 14.8.
const ERROR_CODE: u16 = 0x0009;
