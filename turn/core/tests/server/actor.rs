//! A client of another make on a virtual clock.

use std::net::SocketAddr;

use conclave_turn_core::auth::Credential;
use conclave_turn_wire::deframe::Deframer;
use conclave_turn_wire::integrity::Mac;
use conclave_turn_wire::message::Request;
use conclave_turn_wire::{ClientAddr, ClientTransport, FiveTuple};
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

pub const SERVER: &str = "192.0.2.1:443";

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Proof {
    Sha1,
    Sha256,
    /// SHA-256, and USERHASH for the name.
    Anonymous,
}

/// What an [`Actor`] is made of.
pub struct Part<'a> {
    pub address: SocketAddr,
    pub is_stream: bool,
    pub is_dual: bool,
    pub credential: &'a Credential,
    pub proof: Proof,
    /// What its words consist of.
    pub word: u8,
    pub send_every_ms: u64,
}

/// One client, and what it has seen.
pub struct Actor {
    pub tuple: FiveTuple,
    client: TurnClient,
    proof: Proof,
    /// What the server has of its stream.
    frames: Deframer,
    word: u8,
    send_every_ms: u64,
    next_send_ms: u64,
    pub is_bound: bool,
    pub is_deleted: bool,
    /// Something was refused.
    pub has_failed: bool,
    pub sent: u32,
    pub echoed: u32,
}

impl Actor {
    pub fn new(part: &Part<'_>) -> Actor {
        let credentials =
            TurnCredentials::new(&part.credential.username, &part.credential.password);
        let mut config = TurnConfig::new(credentials);
        if part.is_dual {
            config.add_address_family(AddressFamily::IPV6);
        }
        if part.proof != Proof::Sha1 {
            config.set_supported_integrity(IntegrityAlgorithm::Sha256);
        }
        config.set_anonymous_username(match part.proof {
            Proof::Anonymous => Feature::Required,
            _ => Feature::Disabled,
        });
        let (client, transport) = if part.is_stream {
            let client = TurnClientTcp::allocate(part.address, at(SERVER), config);
            (client.into(), ClientTransport::Tcp)
        } else {
            let client = TurnClientUdp::allocate(part.address, at(SERVER), config);
            (client.into(), ClientTransport::Udp)
        };
        Actor {
            tuple: FiveTuple {
                transport,
                client: ClientAddr(part.address),
                server: at(SERVER),
            },
            client,
            proof: part.proof,
            frames: Deframer::new(),
            word: part.word,
            send_every_ms: part.send_every_ms,
            next_send_ms: 0,
            is_bound: false,
            is_deleted: false,
            has_failed: false,
            sent: 0,
            echoed: 0,
        }
    }

    pub fn is_stream(&self) -> bool {
        self.tuple.transport.is_stream()
    }

    /// When [`Actor::speak`] is next due.
    pub fn due_ms(&mut self, now_ms: u64) -> u64 {
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

    /// Returns what it sends: what the protocol asks for, and its own words when they are due.
    pub fn speak(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        self.follow_events(now_ms);
        let mut sent = Vec::new();
        if self.is_bound && !self.is_deleted && now_ms >= self.next_send_ms {
            self.next_send_ms = now_ms + self.send_every_ms;
            sent.extend(self.message(now_ms));
        }
        while let Some(transmit) = self.client.poll_transmit(instant(now_ms)) {
            sent.push(transmit.data.as_ref().to_vec());
        }
        sent
    }

    /// Lets it end its allocation.
    pub fn delete(&mut self, now_ms: u64) {
        self.is_deleted = true;
        let is_deleted = self.client.delete(instant(now_ms));
        assert!(is_deleted.is_ok() || self.has_failed);
    }

    /// Cuts what arrived at the server from it into messages.
    pub fn frames(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        if !self.is_stream() {
            return vec![bytes.to_vec()];
        }
        self.frames.push(bytes).unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = self.frames.next_frame().unwrap() {
            frames.push(frame.to_vec());
        }
        frames
    }

    /// The client proves itself in the way that the test is about.
    pub fn check_proof(&self, bytes: &[u8]) {
        let Ok(request) = Request::parse(bytes) else {
            return;
        };
        if request.has_integrity() {
            let is_sha256 = request.seal(Mac::Sha256).is_some();
            assert_eq!(is_sha256, self.proof != Proof::Sha1);
            assert_eq!(request.userhash.is_some(), self.proof == Proof::Anonymous);
        }
    }

    pub fn receive(&mut self, bytes: Vec<u8>, now_ms: u64) {
        let transport = if self.is_stream() {
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
                !echo.is_empty() && echo.iter().all(|byte| *byte == self.word),
                "its own words only"
            );
            self.echoed += 1;
        }
    }

    fn follow_events(&mut self, now_ms: u64) {
        while let Some(event) = self.client.poll_event() {
            match event {
                TurnEvent::AllocationCreated(_, relayed) => {
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
                _ => self.has_failed = true,
            }
        }
    }

    fn message(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        // Of every length modulo four; on streams of whole words, for this client knows no padding there.
        let len = 1 + (self.sent + 1) as usize % 9;
        let text = vec![self.word; if self.is_stream() { len * 4 } else { len }];
        let transmit: Option<TransmitBuild<DelayedMessageOrChannelSend<Vec<u8>>>> = self
            .client
            .send_to(TransportType::Udp, at(SHARD_0), text, instant(now_ms))
            .ok()?;
        self.sent += 1;
        Some(transmit?.build().data)
    }
}

fn instant(now_ms: u64) -> ClientInstant {
    ClientInstant::from_nanos(now_ms as i64 * 1_000_000)
}
