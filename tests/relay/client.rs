//! A TURN client on a real UDP socket, by hand on `turn/wire`.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use conclave_turn_core::auth::Credential;
use conclave_turn_wire::integrity::{Algorithm, Key, Mac, verify};
use conclave_turn_wire::message::{Builder, Class, Method, Reply, RequestedTransport};
use conclave_turn_wire::{Family, PeerAddr, RelayedAddr, fast};

/// Long enough for a loaded machine; a passing test never waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// One client with its credential.
pub(crate) struct Client {
    socket: UdpSocket,
    username: String,
    password: String,
    /// What the server told with its challenge.
    challenge: Option<(Vec<u8>, Key)>,
    transaction: u8,
}

impl Client {
    /// Makes a client that speaks with the relay at `server`.
    pub(crate) fn new(server: SocketAddr, credential: Credential) -> Client {
        let socket = UdpSocket::bind((server.ip(), 0)).expect("loopback has a free port");
        socket.connect(server).expect("a socket has a peer");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("patience is not zero");
        Client {
            socket,
            username: credential.username,
            password: credential.password,
            challenge: None,
            transaction: 0,
        }
    }

    /// Allocates a relayed address of a family; the error is the code of STUN.
    pub(crate) fn allocate(&mut self, family: Family) -> Result<RelayedAddr, u16> {
        self.request(Method::Allocate, |builder| {
            builder
                .requested_transport(RequestedTransport::Udp)
                .requested_family(family)
        })?
        .ok_or(0)
    }

    /// Permits an address.
    pub(crate) fn permit(&mut self, peer: IpAddr) -> Result<(), u16> {
        let peer = PeerAddr(SocketAddr::new(peer, 0));
        self.request(Method::CreatePermission, |builder| builder.peer(peer))
            .map(drop)
    }

    /// Binds a channel.
    pub(crate) fn bind(&mut self, channel: u16, peer: SocketAddr) -> Result<(), u16> {
        self.request(Method::ChannelBind, |builder| {
            builder.channel(channel).peer(PeerAddr(peer))
        })
        .map(drop)
    }

    /// Renews the allocation.
    pub(crate) fn refresh(&mut self) -> Result<(), u16> {
        self.request(Method::Refresh, |builder| builder).map(drop)
    }

    /// Sends by a channel.
    pub(crate) fn send(&self, channel: u16, payload: &[u8]) {
        let mut bytes = fast::channel_header(channel, payload.len() as u16).to_vec();
        bytes.extend_from_slice(payload);
        self.socket.send(&bytes).expect("loopback takes it");
    }

    /// Sends by an indication.
    pub(crate) fn indicate(&mut self, peer: SocketAddr, payload: &[u8]) {
        let mut bytes = Vec::new();
        let builder = Builder::new(Class::Indication, Method::Send, self.next(), &mut bytes);
        builder
            .peer(PeerAddr(peer))
            .data(payload)
            .finish(None)
            .expect("it is short");
        self.socket.send(&bytes).expect("loopback takes it");
    }

    /// Waits for data of a peer: by which channel, if by one.
    pub(crate) fn receive(&self) -> (Option<u16>, Vec<u8>) {
        let mut buffer = [0; 2_048];
        let len = self.socket.recv(&mut buffer).expect("data within patience");
        let bytes = &buffer[..len];
        if let Some((channel, payload)) = fast::channel_data(bytes) {
            return (Some(channel), payload.to_vec());
        }
        let indication = Reply::parse(bytes).expect("nothing else is sent unasked");
        assert_eq!(
            (indication.class, indication.method),
            (Class::Indication, Method::Data)
        );
        (None, indication.data.expect("it has data").to_vec())
    }

    /// Waits for data of a peer on a channel, not for ever.
    pub(crate) fn receive_within(&self, patience: Duration) -> Option<Vec<u8>> {
        self.socket
            .set_read_timeout(Some(patience))
            .expect("patience is not zero");
        let mut buffer = [0; 2_048];
        let len = self.socket.recv(&mut buffer).ok();
        self.socket
            .set_read_timeout(Some(PATIENCE))
            .expect("patience is not zero");
        let (_, payload) = fast::channel_data(&buffer[..len?]).expect("data of a channel");
        Some(payload.to_vec())
    }

    /// Returns whether something has arrived that nobody has taken.
    pub(crate) fn has_something(&self) -> bool {
        self.socket
            .set_nonblocking(true)
            .expect("a socket can be so");
        let outcome = self.socket.peek(&mut [0; 4]);
        self.socket
            .set_nonblocking(false)
            .expect("a socket can be so");
        match outcome {
            Ok(_) => true,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Makes a request, with the credential once it was asked for.
    fn request(
        &mut self,
        method: Method,
        fill: impl Fn(Builder<'_>) -> Builder<'_>,
    ) -> Result<Option<RelayedAddr>, u16> {
        // A challenge, a stale nonce.
        for _ in 0..3 {
            let transaction = self.next();
            let mut bytes = Vec::new();
            let mut builder = fill(Builder::new(
                Class::Request,
                method,
                transaction,
                &mut bytes,
            ));
            if let Some((nonce, _)) = &self.challenge {
                builder = builder.username(&self.username).realm(REALM).nonce(nonce);
            }
            let key = self.challenge.as_ref().map(|(_, key)| (Mac::Sha1, key));
            builder.finish(key).expect("it is short");
            self.socket.send(&bytes).expect("loopback takes it");
            let mut buffer = [0; 2_048];
            let len = self.socket.recv(&mut buffer).expect("an answer");
            let reply = Reply::parse(&buffer[..len]).expect("an answer in STUN");
            assert_eq!((reply.method, reply.transaction), (method, transaction));
            if let (Some(401 | 438), Some(nonce)) = (reply.error, reply.nonce) {
                let is_final = reply.error == Some(401) && self.challenge.is_some();
                if is_final {
                    return Err(401);
                }
                let key = Key::long_term(Algorithm::Md5, &self.username, REALM, &self.password);
                self.challenge = Some((nonce.to_vec(), key));
                continue;
            }
            let (_, key) = self.challenge.as_ref().expect("nothing goes without");
            let seal = reply.seal(Mac::Sha1).expect("answers are sealed");
            assert!(verify(seal, key), "the answer is the relay's");
            return match reply.error {
                Some(code) => Err(code),
                None => Ok(reply.relayed),
            };
        }
        Err(401)
    }

    fn next(&mut self) -> [u8; 12] {
        self.transaction += 1;
        [self.transaction; 12]
    }
}

/// The realm of every relay under test.
pub(crate) const REALM: &str = "conclave.test";
