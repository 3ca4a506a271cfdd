//! Messages of clients: what is looked at before anybody is authenticated, and how requests are answered.

use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::integrity::Mac;
use conclave_turn_wire::message::{
    Builder, Class, HEADER_LEN, Header, Method, PASSWORD_ALGORITHMS, Request,
};
use conclave_turn_wire::{ClientTransport, FiveTuple};

use super::Server;
use super::authenticate::Refusal;
use crate::auth::Login;
use crate::backend::{Io, Now, is_unanswerable};
use crate::counters::DropReason;
use crate::nonce::NONCE_LEN;

/// An authenticated request.
pub(super) struct Call<'c> {
    pub(super) now: Now,
    pub(super) from: &'c FiveTuple,
    pub(super) request: &'c Request<'c>,
    pub(super) login: Login,
    pub(super) mac: Mac,
}

/// What became of a request.
pub(super) enum Outcome {
    /// It was answered.
    Answered,
    /// It will be, when the backend knows more.
    Later,
}

impl Server {
    /// Takes one STUN message. Nothing is kept of whoever is not authenticated, and what a stranger's message costs
    /// grows step by step: header, then the budget of the source, then the attributes, then an HMAC.
    pub(super) fn on_message(&mut self, now: Now, from: &FiveTuple, bytes: &[u8], io: &mut Io<'_>) {
        let Ok(header) = Header::parse(bytes) else {
            return self.counters.drop(DropReason::Malformed);
        };
        match (header.class, header.method) {
            (Class::Indication, Method::Send) => self.on_send(now, from, bytes, io),
            (Class::Request, Method::Binding) => self.on_binding(now, from, bytes, io),
            (
                Class::Request,
                Method::Allocate
                | Method::Refresh
                | Method::CreatePermission
                | Method::ChannelBind
                | Method::Connect
                | Method::ConnectionBind,
            ) => self.on_request(now, from, bytes, io),
            _ => self.counters.drop(DropReason::Unexpected),
        }
    }

    /// Answers from where a request came, and nothing else (RFC 8489, section 12). With a user name it is a
    /// connectivity check that went astray: the SFU listens elsewhere.
    fn on_binding(&mut self, now: Now, from: &FiveTuple, bytes: &[u8], io: &mut Io<'_>) {
        if !self.may_answer_stranger(now, from, io) {
            return;
        }
        let Ok(request) = Request::parse(bytes) else {
            return self.counters.drop(DropReason::Malformed);
        };
        if request.username.is_some()
            || request.userhash.is_some()
            || !request.unknown_required().is_empty()
        {
            return self.counters.drop(DropReason::Unexpected);
        }
        self.scratch.clear();
        let written = Builder::success(&request, &mut self.scratch)
            .mapped(from.client)
            .finish(None);
        if written.is_ok() {
            self.counters.successes += 1;
            io.clients.send(from, &self.scratch, &[], false);
        }
    }

    fn on_request(&mut self, now: Now, from: &FiveTuple, bytes: &[u8], io: &mut Io<'_>) {
        if from.transport == ClientTransport::Udp && is_unanswerable(from.client, from.server) {
            return self.counters.drop(DropReason::Source);
        }
        if from.transport == ClientTransport::Udp && bytes.len() < REQUEST_LEN_MIN {
            return self.counters.drop(DropReason::Malformed);
        }
        let is_sealed = is_sealed(bytes);
        if !is_sealed && !self.may_answer_stranger(now, from, io) {
            return;
        }
        let Ok(request) = Request::parse(bytes) else {
            return self.counters.drop(DropReason::Malformed);
        };
        let (login, mac) = match self.authenticate(now, from, &request) {
            Ok(proved) => proved,
            Err(refusal) => {
                if !is_sealed || self.may_answer_stranger(now, from, io) {
                    self.refuse(now, from, &request, refusal, io);
                }
                return;
            }
        };
        let call = Call {
            now,
            from,
            request: &request,
            login,
            mac,
        };
        match self.on_authenticated(&call, io) {
            Ok(Outcome::Answered) => self.counters.successes += 1,
            Ok(Outcome::Later) => {}
            Err(code) => self.fail(&call, code, io),
        }
    }

    fn on_authenticated(&mut self, call: &Call<'_>, io: &mut Io<'_>) -> Result<Outcome, ErrorCode> {
        let request = call.request;
        if !request.unknown_required().is_empty() {
            return Err(ErrorCode::UnknownAttribute);
        }
        if request.malformed.is_some() {
            return Err(ErrorCode::BadRequest);
        }
        let is_lasting = matches!(request.method, Method::Allocate | Method::Refresh);
        if is_lasting && wants_mobility(request) {
            return Err(ErrorCode::MobilityForbidden);
        }
        match request.method {
            Method::Allocate => self.on_allocate(call, io),
            Method::Refresh => self.on_refresh(call, io),
            Method::CreatePermission => self.on_create_permission(call, io),
            Method::ChannelBind => self.on_channel_bind(call, io),
            Method::Connect => self.on_connect(call, io),
            Method::ConnectionBind => self.on_connection_bind(call, io),
            // Filtered by the header.
            _ => Err(ErrorCode::BadRequest),
        }
    }

    /// Returns the id of the caller's allocation: 437 without one, 441 if it is somebody else's.
    pub(super) fn own_allocation(&mut self, call: &Call<'_>) -> Result<u32, ErrorCode> {
        let id = self
            .allocations
            .of_client(call.from)
            .ok_or(ErrorCode::AllocationMismatch)?;
        let allocation = self
            .allocations
            .get(id)
            .ok_or(ErrorCode::AllocationMismatch)?;
        if allocation.identity() != call.login.identity {
            return Err(ErrorCode::WrongCredentials);
        }
        Ok(id)
    }

    /// Sends a success response with what `fill` adds, sealed as the request was.
    pub(super) fn succeed(
        &mut self,
        call: &Call<'_>,
        io: &mut Io<'_>,
        fill: impl for<'o> FnOnce(Builder<'o>) -> Builder<'o>,
    ) -> Result<Outcome, ErrorCode> {
        self.scratch.clear();
        let builder = fill(Builder::success(call.request, &mut self.scratch));
        builder
            .finish(Some((call.mac, &call.login.key)))
            .map_err(|_| ErrorCode::ServerError)?;
        io.clients.send(call.from, &self.scratch, &[], false);
        Ok(Outcome::Answered)
    }

    fn fail(&mut self, call: &Call<'_>, code: ErrorCode, io: &mut Io<'_>) {
        let alternate = self.alternate_for(call.from);
        self.scratch.clear();
        let mut builder = Builder::error(call.request, code, &mut self.scratch);
        if code == ErrorCode::UnknownAttribute {
            // DONT-FRAGMENT is known here, but not to every backend.
            let dont_fragment = [DONT_FRAGMENT];
            let unknown = call.request.unknown_required();
            builder = builder.unknown_attributes(if unknown.is_empty() {
                &dont_fragment
            } else {
                unknown
            });
        }
        if code == ErrorCode::TryAlternate
            && let Some(alternate) = alternate
        {
            builder = builder.alternate_server(alternate);
        }
        let is_written = builder.finish(Some((call.mac, &call.login.key))).is_ok();
        self.finish_error(call.from, code, is_written, io);
    }

    /// Refuses who is not authenticated; never sealed, for there is no key.
    fn refuse(
        &mut self,
        now: Now,
        from: &FiveTuple,
        request: &Request<'_>,
        refusal: Refusal,
        io: &mut Io<'_>,
    ) {
        let code = refusal.code();
        self.scratch.clear();
        let mut builder = Builder::error(request, code, &mut self.scratch);
        if refusal.challenges() {
            builder = builder
                .realm(&self.settings.realm)
                .nonce(self.nonces.issue(from, now.unix_s).as_bytes())
                .password_algorithms(&PASSWORD_ALGORITHMS);
        }
        let is_written = builder.finish(None).is_ok();
        let asked = request.bytes().len();
        if from.transport == ClientTransport::Udp && self.scratch.len() > ANSWER_FACTOR * asked {
            return self.counters.drop(DropReason::Budget);
        }
        self.finish_error(from, code, is_written, io);
    }

    fn finish_error(&mut self, to: &FiveTuple, code: ErrorCode, is_written: bool, io: &mut Io<'_>) {
        if is_written {
            self.counters.error(code);
            io.clients.send(to, &self.scratch, &[], false);
        }
    }

    /// Returns whether a source that proved nothing may be answered: the address of a datagram may be somebody else's. A
    /// stream's is its own, but one that does nothing but ask takes time from all others, and is closed.
    fn may_answer_stranger(&mut self, now: Now, from: &FiveTuple, io: &mut Io<'_>) -> bool {
        let is_client = self.allocations.of_client(from).is_some();
        if from.transport.is_stream() {
            let may = is_client || self.budget.take_of_client(now.instant, from);
            if !may {
                self.counters.drop(DropReason::Budget);
                io.clients.close(from);
            }
            return may;
        }
        if is_unanswerable(from.client, from.server) {
            self.counters.drop(DropReason::Source);
            return false;
        }
        let may = if is_client {
            self.budget.take_of_client(now.instant, from)
        } else {
            self.budget.take(now.instant, from.client.0.ip())
        };
        if !may {
            self.counters.drop(DropReason::Budget);
        }
        may
    }
}

/// The shortest request that a client begins with: Allocate with REQUESTED-TRANSPORT, as browsers do. Shorter ones over
/// UDP are sent for the sake of the answer, which goes to whom the source was forged of; what is sealed is longer.
const REQUEST_LEN_MIN: usize = HEADER_LEN + 8;

/// How many times as long as the request an answer to a stranger over UDP may be, in bytes of payload. A challenge must
/// have realm and nonce, and the nonce its cookie; with the headers of IPv4 and UDP, which both sides have, it is two and
/// a half times.
const ANSWER_FACTOR: usize = 4;

/// A challenge without its realm: ERROR-CODE without a phrase, and the headers and values of REALM, NONCE and
/// PASSWORD-ALGORITHMS. Every length is a multiple of four.
const CHALLENGE_LEN: usize = HEADER_LEN + 8 + 4 + 4 + NONCE_LEN + 4 + PASSWORD_ALGORITHMS.len();

/// The longest realm, in bytes, with which browsers are challenged over UDP: their first request has the least length.
/// Under a longer one only longer requests are answered.
pub const REALM_LEN_MAX: usize = ANSWER_FACTOR * REQUEST_LEN_MIN - CHALLENGE_LEN;

/// RFC 8656, section 18.9.
const DONT_FRAGMENT: u16 = 0x001a;
/// RFC 8016, section 5.1.
const MOBILITY_TICKET: u16 = 0x8030;
/// RFC 8489, section 14.5.
const MESSAGE_INTEGRITY: u16 = 0x0008;
/// RFC 8489, section 14.6.
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;

/// Returns whether a message seems to have an integrity attribute, by the headers of its attributes alone.
fn is_sealed(bytes: &[u8]) -> bool {
    attributes(bytes).any(|(kind, len)| match kind {
        MESSAGE_INTEGRITY => len == Mac::Sha1.value_len(),
        MESSAGE_INTEGRITY_SHA256 => len == Mac::Sha256.value_len(),
        _ => false,
    })
}

/// Returns whether a request asks for mobility (RFC 8016), which nobody here has.
fn wants_mobility(request: &Request<'_>) -> bool {
    attributes(request.bytes())
        .take_while(|(kind, _)| !matches!(*kind, MESSAGE_INTEGRITY | MESSAGE_INTEGRITY_SHA256))
        .any(|(kind, _)| kind == MOBILITY_TICKET)
}

/// The attributes of a message that are there to their ends: numbers, and lengths without padding.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, usize)> + '_ {
    let mut rest = bytes.get(HEADER_LEN..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        rest = behind.get(len.next_multiple_of(4)..)?;
        Some((u16::from_be_bytes([head[0], head[1]]), len))
    })
}
